"""A new e-mail for a member who is not subscribed: Mailchimp changes addresses of subscribed members only.

So the person gets a new member with the same fields and tags and no more consent than before, and the old one
is archived. Killed in between, both are there: the new one bears a tag that names the old one (`members.mark_of`), by
which the next run knows it and goes on, or puts it aside if the person has another e-mail by then. It is nobody's
record while the old one is there. Without that tag, a member with the new e-mail is somebody else.

Belongs here: that move, and in which order addresses change hands. Does not: changes in place (`writer`).
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, TypeVar

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import Change, Outcome, clean_text
from integrations_pipeline.providers.batches import applied, superseded
from integrations_pipeline.providers.mailchimp import wire
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.fields import clean_values
from integrations_pipeline.providers.mailchimp.members import (
    ARCHIVED,
    TRANSACTIONAL,
    UNSUBSCRIBED,
    Member,
    external_id,
    mark_of,
    moves_from,
)
from integrations_pipeline.providers.mailchimp.outcomes import GONE, failed, refused

_PENDING = "the person has not confirmed the old e-mail at Mailchimp yet: it can be changed after that"

T = TypeVar("T")


def in_turn(movers: Sequence[T], old: Callable[[T], str], new: Callable[[T], str]) -> Iterator[T]:
    """Those who change addresses, each after the one who leaves the address it wants; in a ring nobody can."""
    holders = {old(each).lower(): each for each in movers}
    done: set[int] = set()
    for first in movers:
        line: list[T] = []
        each: T | None = first
        while each is not None and id(each) not in done:
            done.add(id(each))
            line.append(each)
            each = holders.get(new(each).lower())
        yield from reversed(line)


def readdress(client: MailchimpClient, change: Change, address: str, values: Mapping[str, Any]) -> Outcome:
    """Move the member at `address` to the change's e-mail, with these merge values over its own."""
    old = client.member(wire.member_hash(address))
    if old is None or old.get("status") == ARCHIVED:
        return superseded(change, GONE)
    if old.get("status") not in (TRANSACTIONAL, UNSUBSCRIBED, "cleaned"):
        return failed(change, PermanentError(_PENDING, code=wire.PASSING))
    email = change.after["email"].strip()
    try:
        new = _made(client, old, change, {**clean_values(old.get("merge_fields") or {}), **values})
        if new is None:
            return failed(change, PermanentError(wire.TAKEN, code=wire.PASSING))
        tags = client.all_tags(address)
        if tags:
            client.set_tags(email, {clean_text(str(tag["name"])): True for tag in tags})
        put_aside(client, address)
        client.set_tags(email, {_mark(old, change): False})
    except PermanentError as error:
        return refused(change, error)
    return applied(change, external_id(new))


def _mark(old: Member, change: Change) -> str:
    return mark_of(external_id(old), change.contact_id or "")


def _made(client: MailchimpClient, old: Member, change: Change, values: Mapping[str, Any]) -> Member | None:
    """The member with the new e-mail; None if that is somebody else."""
    email = change.after["email"].strip()
    there = client.member(wire.member_hash(email))
    if there is None or moves_from(there) == external_id(old):
        # Whoever opted out or bounced stays out at the new address.
        status = TRANSACTIONAL if old.get("status") == TRANSACTIONAL else UNSUBSCRIBED
        told = {"status_if_new": status, "merge_fields": dict(values), "tags": [_mark(old, change)]}
        made = client.put(email, told)
        return made if made.get("contact_id") else client.member(wire.member_hash(email))
    return None


def put_half_made_aside(client: MailchimpClient, batch: Sequence[Change], half_made: MutableMapping[str, str]) -> None:
    """Archive the members that a dead run made for e-mails which their persons do not get any more. `half_made`: their
    addresses, by the id of the member in whose place each was made."""
    for change in batch:
        address = half_made.get(change.external_id or "")
        if address and change.after.get("email", "").strip().lower() != address.lower():
            put_aside(client, address)
            del half_made[change.external_id or ""]


def put_aside(client: MailchimpClient, address: str) -> None:
    """Archive a member that another one takes the place of. One that bounced cannot be; it stays, and nobody can
    be mailed there."""
    try:
        client.archive(address)
    except PermanentError as error:
        if error.code not in (wire.NOT_ALLOWED, wire.GONE):
            raise
