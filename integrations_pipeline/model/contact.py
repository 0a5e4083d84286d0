"""Contacts, their fields and the sides that hold them; docs/glossary.md explains each word.

How a contact's fields are held. Every field is text. `""` is the empty field (cleared, or never filled);
a field that the other side cannot hold, or that an answer does not tell, is *absent*: it has no column, no key, and
a null in a frame of which other rows have it. Set-valued fields (tags) are one text with `SET_SEPARATOR` between
members, made by `join_set` and read by `split_set`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


#: ASCII unit separator: cannot be typed into a tag, so joining needs no escaping.
SET_SEPARATOR = "\x1f"

#: Consent: opted out.
CONSENT_OUT = "true"
#: The words that say so in texts, without case, and those that say the opposite. Any other word says nothing.
CONSENT_WORDS = frozenset({"true", "1", "yes"})
NO_CONSENT_WORDS = frozenset({"", "false", "0", "no"})
#: The other side has no say in this person's consent (nobody was asked there): it agrees with anything.
CONSENT_UNASKED = "unasked"
#: Not opted out, by the person's own deed at the time that follows (ISO 8601, aware).
CONSENT_IN_AT = "in@"


def clean_text(text: str) -> str:
    """Text that every store can hold: without NUL, which Postgres refuses, and without halves of characters."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def join_set(members: Iterable[str]) -> str:
    """Members in their order, each once, blanks dropped, as one text."""
    cleaned = (member.replace(SET_SEPARATOR, " ").strip() for member in members)
    return SET_SEPARATOR.join(dict.fromkeys(member for member in cleaned if member))


def split_set(text: str) -> list[str]:
    """The members of a text made by `join_set`."""
    return text.split(SET_SEPARATOR) if text else []


class Side(StrEnum):
    LOCAL = "local"
    REMOTE = "remote"

    @property
    def other(self) -> "Side":
        return Side.REMOTE if self is Side.LOCAL else Side.LOCAL


class Direction(StrEnum):
    TO_EXTERNAL = "to_external"
    FROM_EXTERNAL = "from_external"
    BIDIRECTIONAL = "bidirectional"

    def allows(self, side: Side) -> bool:
        """Whether data may be written to `side`."""
        wanted = Direction.FROM_EXTERNAL if side is Side.LOCAL else Direction.TO_EXTERNAL
        return self in (wanted, Direction.BIDIRECTIONAL)


#: The direction whose log row tells what was written to a side.
DIRECTION_OF: Mapping[Side, Direction] = {
    Side.REMOTE: Direction.TO_EXTERNAL,
    Side.LOCAL: Direction.FROM_EXTERNAL,
}


class FieldKind(StrEnum):
    """How a field compares and merges."""

    TEXT = "text"
    EMAIL = "email"  # compares without case; the identity key
    SET = "set"  # merges member by member
    CONSENT = "consent"  # "true" = opted out; merges downward only


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """One mapped field: its workspace name, its kind, and the sides it may be written to."""

    name: str
    kind: FieldKind = FieldKind.TEXT
    to_remote: bool = True
    to_local: bool = True
    #: The other side keeps no record without it.
    is_required: bool = False

    def writes(self, side: Side) -> bool:
        return self.to_remote if side is Side.REMOTE else self.to_local


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedField:
    """A workspace field and the provider's column it is kept in."""

    name: str
    column: str
    direction: Direction = Direction.BIDIRECTIONAL
    is_required: bool = False
    #: From the provider's default mapping: nobody asked for this column by name.
    is_default: bool = False
    #: What the planner makes of it: asked for again and again in a run, so it is made once.
    kind: FieldKind = field(init=False, repr=False, compare=False)
    rule: FieldRule = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kind = _KINDS.get(self.name, FieldKind.TEXT)
        rule = FieldRule(
            name=self.name,
            kind=kind,
            to_remote=self.direction.allows(Side.REMOTE),
            to_local=self.direction.allows(Side.LOCAL),
            is_required=self.is_required,
        )
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "rule", rule)


_KINDS: Mapping[str, FieldKind] = {
    "email": FieldKind.EMAIL,
    "tags": FieldKind.SET,
    "email_opt_out": FieldKind.CONSENT,
}

#: Columns of `workspace_contacts` that can be mapped; `custom_fields.KEY` besides.
CONTACT_FIELDS = ("email", "name", "company", "job_title", "phone", "tags", "email_opt_out")
CUSTOM_PREFIX = "custom_fields."


def is_contact_field(name: str) -> bool:
    return name in CONTACT_FIELDS or (name.startswith(CUSTOM_PREFIX) and len(name) > len(CUSTOM_PREFIX))


def unknown_fields(names: Iterable[str]) -> list[str]:
    """Those of these names that are no contact field's."""
    return [name for name in names if not is_contact_field(name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactValues:
    """What a workspace's contacts hold: how many contacts there are, and by field how many hold each value.

    A contact without one counts under "" (but not one without members of a set), each member of a set by itself.
    """

    contact_count: int = 0
    held: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def of(self, name: str) -> Mapping[str, int]:
        """The values of a field; none where it was not asked for."""
        return self.held.get(name, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What changed among the contacts of one side.

    `frame`: indexed by `contact_id` (LOCAL) or `external_id` (REMOTE), one `str` column per mapped field.
    LOCAL also has `version` (int64) and `updated_at`, and `opted_out_at` if consent is mapped; REMOTE may
    have `contact_key` (the contact id that a create of ours left on the record, else "") and
    `modified_at` (aware UTC or NaT).
    A row that is not there is unchanged since the base, unless its id is in `tombstones`: then it does not exist any
    more. `is_empty`: everything was read, and nobody is there.
    """

    side: Side
    frame: "pd.DataFrame"
    tombstones: frozenset[str] = frozenset()
    is_empty: bool = False
