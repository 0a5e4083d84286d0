"""What can be set about the sandboxed Mailchimp."""

from dataclasses import dataclass
from typing import Literal, get_args

BulkArchived = Literal["updated", "exists", "restored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailchimpOptions:
    """`connection_limit` is how many requests of one account may be under way at once (None: any number); those
    above it are answered 429, or 403 without a body when `throttles_without_body`. `latency_seconds` holds every
    answer back. `shuffle_ties` lists members that are equal in the sort field in another order each time.
    `fake_domains` are domains whose addresses "look fake"; `busy_addresses` signed up to too many lists.

    The rest stands for what is not documented, so that clients can be tried against both: whether only a
    subscribed member's address can be changed, whether `status_if_new` brings an archived member back (otherwise
    only `status` does), whether a tag that is put on or taken off moves `last_changed`, whether the members in the
    answer of the batch endpoint have a `contact_id` (two official descriptions differ), how long batch
    operations take, what a batch that may update makes of an archived address (`bulk_archived`: `updated` leaves it
    archived among `updated_members`, `exists` answers ERROR_CONTACT_EXISTS, `restored` brings it back with the status
    that was sent; None: `updated`, unless the member has a `status`), and whether a text that is too long is cut to
    255 characters instead of refused.
    """

    connection_limit: int | None = 10
    throttles_without_body: bool = False
    latency_seconds: float = 0.0
    shuffle_ties: bool = False
    fake_domains: tuple[str, ...] = ("example.com",)
    busy_addresses: tuple[str, ...] = ()
    only_subscribed_change_email: bool = True
    status_if_new_restores_archived: bool = False
    tags_move_last_changed: bool = True
    bulk_tells_contact_id: bool = False
    batch_seconds: float = 0.0
    bulk_archived: BulkArchived | None = None
    cuts_long_texts: bool = False

    def __post_init__(self) -> None:
        if self.bulk_archived not in (None, *get_args(BulkArchived)):
            raise ValueError(f"bulk_archived must be one of {', '.join(get_args(BulkArchived))}, or null")
