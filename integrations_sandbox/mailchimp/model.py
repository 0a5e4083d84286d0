"""What an audience is made of: its fields, its members, its tags; Mailchimp's API calls an audience a list.

Belongs here: the stored shapes, and finding a member without looking at every one.
Does not belong here: rules about consent or values, documents of the API, accounts' keys, HTTP.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from integrations_sandbox.wire import JsonObject


@dataclass(slots=True)
class Account:
    """Who pays. Keys and OAuth tokens act for an account, and its connections are counted together."""

    name: str
    id: str
    data_centre: str = "us1"
    is_disabled: bool = False
    plan: str = "forever_free"


@dataclass(slots=True)
class MergeField:
    """One column of an audience. `options` has Mailchimp's shape: choices, date_format, phone_format, …"""

    merge_id: int
    tag: str
    name: str
    type: str = "text"
    is_required: bool = False
    default_value: str = ""
    is_public: bool = True
    display_order: int = 0
    options: JsonObject = field(default_factory=dict)
    help_text: str = ""

    @property
    def choices(self) -> list[str]:
        return [str(each) for each in self.options.get("choices", [])]


@dataclass(slots=True)
class Member:
    """One contact in one audience. All its times have whole seconds.

    `values` holds what is not empty, by merge tag; `tags` when each tag (by id) was put on.
    `is_in_compliance` is set once the person took their consent back or an address bounced: Mailchimp then lets
    nobody but the person subscribe it again.
    """

    contact_id: str
    web_id: int
    email_address: str
    status: str
    created_at: datetime
    last_changed: datetime
    values: dict[str, Any] = field(default_factory=dict)
    tags: dict[int, datetime] = field(default_factory=dict)
    is_in_compliance: bool = False
    status_before_archive: str = "subscribed"
    unsubscribed_at: datetime | None = None
    unsubscribe_reason: str = ""
    timestamp_signup: datetime | None = None
    timestamp_opt: datetime | None = None
    ip_signup: str = ""
    ip_opt: str = ""
    email_type: str = "html"
    language: str = ""
    vip: bool = False
    latitude: float = 0
    longitude: float = 0
    source: str = "API - Generic"

    @property
    def hash(self) -> str:
        return hash_of(self.email_address)

    @property
    def unique_email_id(self) -> str:
        """Belongs to the address, not to the person: it is the same in every audience and follows no renaming."""
        return _digest("address of " + self.email_address.lower())[:10]


@dataclass(slots=True)
class Audience:
    """Members in the order of their joining. `numbers` gives every whole-number id, `revision` grows with each change.

    `forgotten` holds the hashes of addresses that were deleted for good; only the person can bring one back.
    """

    id: str
    web_id: int
    account: str
    name: str
    created_at: datetime
    numbers: Iterator[int]
    merge_fields: list[MergeField] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    tags: dict[int, str] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    revision: int = 0
    last_subscribed_at: datetime | None = None
    last_unsubscribed_at: datetime | None = None
    _by_hash: dict[str, Member] = field(default_factory=dict)
    _tag_ids: dict[str, int] = field(default_factory=dict)

    def find(self, who: str) -> Member | None:
        """By the hash of the address, by the address itself, or by contact id."""
        if "@" in who:
            return self._by_hash.get(hash_of(who))
        return self.find_hash(who) or self.members.get(who)

    def find_hash(self, email_hash: str) -> Member | None:
        return self._by_hash.get(email_hash.lower())

    def find_email(self, email: str) -> Member | None:
        return self._by_hash.get(hash_of(email))

    def put(self, member: Member) -> None:
        self.members[member.contact_id] = member
        self._by_hash[member.hash] = member
        self.revision += 1

    def rename(self, member: Member, email: str) -> None:
        """Another address, and with it another hash; the contact id stays."""
        del self._by_hash[member.hash]
        member.email_address = email
        self.put(member)

    def drop(self, member: Member) -> None:
        del self.members[member.contact_id]
        del self._by_hash[member.hash]
        self.revision += 1

    def touch(self, member: Member, now: datetime) -> None:
        member.last_changed = whole(now)
        self.revision += 1

    def tag_id(self, name: str) -> int:
        """The id of a tag, which is made if there is none. Assumed: case does not tell two tags apart."""
        key = name.strip().casefold()
        if key not in self._tag_ids:
            self._tag_ids[key] = next(self.numbers)
            self.tags[self._tag_ids[key]] = name.strip()
        return self._tag_ids[key]

    def drop_tag(self, tag_id: int) -> None:
        self._tag_ids.pop(self.tags.pop(tag_id).casefold())
        for member in self.members.values():
            member.tags.pop(tag_id, None)
        self.revision += 1

    def known_tag_id(self, name: str) -> int | None:
        return self._tag_ids.get(name.strip().casefold())

    def merge_field(self, tag: str) -> MergeField | None:
        return next((each for each in self.merge_fields if each.tag == tag), None)


def hash_of(email: str) -> str:
    """What the API calls the subscriber hash, and a member's `id`."""
    return _digest(email.lower())


def whole(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def stamp(at: datetime | None) -> str:
    """The form of all of Mailchimp's times; a time that is not known is an empty text."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def hex_id(seed: str, length: int) -> str:
    """An identifier in Mailchimp's style from one of the sandbox's own."""
    return _digest(seed)[:length]


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
