"""A member of an audience as a record: identity, address, consent. Pure.

A member is known by its `contact_id`, which stays when the e-mail changes; its e-mail is only its address in
paths. Belongs here: members. Does not: single merge values (`fields`).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from integrations_pipeline.model import (
    CONSENT_IN_AT,
    CONSENT_OUT,
    CONSENT_UNASKED,
    MappedField,
    clean_text,
    join_set,
)
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.providers.mailchimp.fields import from_merged, tags_of

ARCHIVED = "archived"
SUBSCRIBED = "subscribed"
TRANSACTIONAL = "transactional"
UNSUBSCRIBED = "unsubscribed"
_OUT = frozenset({UNSUBSCRIBED, "cleaned"})
_UNASKED = frozenset({TRANSACTIONAL, "pending"})
#: Every status that a member may have. Of another word nobody knows what it means for a person.
STATUSES = _OUT | _UNASKED | {SUBSCRIBED, ARCHIVED}
#: The tag of a member that was made for somebody's new e-mail while the old one is still there; never a tag here. It
#: tells the old one's id and the contact's.
_UNDER_WAY = re.compile(r"new e-mail under way ([0-9a-f]{8,40}) ([0-9a-f-]{36})")

Member = Mapping[str, Any]
LONGEST_WORD = 30

#: What is asked for of each member: everything mapped, and nothing else.
FIELDS = (
    "id",
    "contact_id",
    "email_address",
    "status",
    "merge_fields",
    "tags",
    "tags_count",
    "last_changed",
    "timestamp_opt",
    "ip_opt",
)


def external_id(member: Member) -> str:
    """The member's lasting id; its hash where a server tells no `contact_id`."""
    return str(member.get("contact_id") or member.get("id") or "")


def mark_of(key: str, contact_id: str) -> str:
    """The tag of the member that is made in place of this one, for this contact."""
    return f"new e-mail under way {key} {contact_id}"


def is_mark(tag: str) -> bool:
    return _UNDER_WAY.fullmatch(tag) is not None


def moves_from(member: Member) -> str:
    """The id of the member in whose place this one is being made; "" for any other, and for whoever signed up there."""
    return _mark(member)[0]


def _mark(member: Member) -> tuple[str, str]:
    names = [str(tag.get("name") or "") for tag in member.get("tags") or []]
    found = next(((match[1], match[2]) for name in names if (match := _UNDER_WAY.fullmatch(name))), ("", ""))
    return ("", "") if member.get("status") in (ARCHIVED, SUBSCRIBED) else found


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads many members by one mapping."""

    #: Field and merge tags; of a fixed field the function that reads it from the member instead.
    places: Sequence[tuple[str, Sequence[str], Callable[[Member], str | None] | None]]

    @classmethod
    def of(cls, mapping: Iterable[MappedField]) -> "Reader":
        return cls([(mapped.name, tags_of(mapped), _READ.get(mapped.name)) for mapped in mapping])

    @property
    def joined(self) -> list[str]:
        """The fields that are made of several merge values."""
        return [name for name, tags, read in self.places if len(tags) > 1 and not read]

    def parts(self, member: Member, names: Iterable[str]) -> dict[str, Any]:
        """The merge values of these fields."""
        merged = member.get("merge_fields") or {}
        return {tag: merged.get(tag) for name, tags, _ in self.places if name in names for tag in tags}

    def record(self, member: Member) -> RemoteRecord:
        """What the answer tells of a member; what it does not tell is absent."""
        merged = member.get("merge_fields")
        values: dict[str, str] = {}
        for name, tags, read in self.places:
            value = read(member) if read else from_merged(merged, tags)
            if value is not None:
                values[name] = value
        return RemoteRecord(
            external_id=external_id(member),
            fields=values,
            modified_at=read_time(member.get("last_changed")),
            contact_key=_mark(member)[1] if member.get("tags") else "",
        )


def to_record(member: Member, mapping: Sequence[MappedField]) -> RemoteRecord:
    """One member by itself."""
    return Reader.of(mapping).record(member)


def _address(member: Member) -> str | None:
    return clean_text(str(member["email_address"])) if member.get("email_address") else None


def _tags(member: Member) -> str | None:
    return tags_text(member["tags"]) if isinstance(member.get("tags"), list) else None


def tags_text(tags: Sequence[Mapping[str, Any]]) -> str:
    """The names of tags as one text."""
    if not tags:
        return ""
    return join_set(name for tag in tags if not is_mark(name := clean_text(str(tag.get("name") or ""))))


def consent(member: Member) -> str | None:
    """What a member's status says about consent, in the words of `model`; None for a status that nobody knows.

    A subscribed member tells its own opt-in only with the address it was confirmed from; an import has none.
    """
    status = member.get("status")
    if status in _OUT:
        return CONSENT_OUT
    if status in _UNASKED:
        return CONSENT_UNASKED
    if status != SUBSCRIBED:
        return None
    opted_in = read_time(member.get("timestamp_opt"))
    return f"{CONSENT_IN_AT}{opted_in.isoformat()}" if opted_in and member.get("ip_opt") else ""


#: How the fixed fields are read.
_READ: Mapping[str, Callable[[Member], str | None]] = {"email": _address, "tags": _tags, "email_opt_out": consent}


def unknown_statuses(members: Sequence[Member]) -> tuple[str, ...]:
    """A line for each status that nobody knows; a word of letters alone is repeated."""
    words = {str(member.get("status") or "") for member in members} - STATUSES
    told = sorted(word if word.isidentifier() and len(word) <= LONGEST_WORD else "?" for word in words)
    return tuple(
        f'Mailchimp tells a member status that is not known, "{word}": its consent is left alone' for word in told
    )


def read_time(text: Any) -> datetime | None:
    """An ISO time, aware; None for "" and whatever is no time."""
    return _parsed(text) if text and isinstance(text, str) else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> datetime | None:
    """Each is asked for several times while its page is read."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def write_time(when: datetime) -> str:
    """Whole seconds with an offset: Mailchimp silently ignores any other form, and lists everybody."""
    return when.astimezone(UTC).replace(microsecond=0).isoformat()
