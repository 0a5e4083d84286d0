"""The words of the domain as frozen types; docs/glossary.md explains each.

Belongs here: values that cross module borders. Does not: behaviour that decides (`engine`) or acts (`sync`).

How a contact's fields are held. Every field is text. `""` is the empty field (cleared, or never filled);
a field that the other side cannot hold, or that an answer does not tell, is *absent*: it has no column, no key, and
a null in a frame of which other rows have it. Set-valued fields
(tags) are one text with `SET_SEPARATOR` between members, made by `join_set` and read by `split_set`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

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


class ChangeKind(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    LINK = "link"
    UNLINK = "unlink"


class ChangeState(StrEnum):
    PLANNED = "planned"
    INTENDED = "intended"
    APPLIED = "applied"
    FAILED = "failed"
    HELD = "held"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"
    UNDONE = "undone"


class ConflictPolicy(StrEnum):
    NEWEST_WINS = "newest_wins"
    LOCAL_WINS = "local_wins"
    REMOTE_WINS = "remote_wins"
    MANUAL = "manual"


class DeletePolicy(StrEnum):
    HOLD = "hold"
    PROPAGATE = "propagate"
    IGNORE = "ignore"


class RunStatus(StrEnum):
    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    REFUSED = "refused"


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
class Snapshot:
    """The contacts of one side at one time.

    `frame`: indexed by `contact_id` (LOCAL) or `external_id` (REMOTE), one `str` column per mapped field.
    LOCAL also has `version` (int64) and `updated_at`, and `opted_out_at` if consent is mapped; REMOTE may
    have `contact_key` (the contact id that a create of ours left on the record, else ""), `revision` and
    `modified_at` (aware UTC or NaT).
    If `is_complete`, a row that is not there does not exist. Otherwise it is unchanged since the base,
    unless its id is in `tombstones`.
    """

    side: Side
    frame: "pd.DataFrame"
    is_complete: bool
    tombstones: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Values that cannot both stand; `winner` is None while a person has to decide.

    `fields` maps a field to its base, local and remote value. A delete against an edit has the single
    pseudo field `presence`.
    """

    policy: str
    winner: Side | None
    fields: Mapping[str, Mapping[str, str]]
    local_at: datetime | None = None
    remote_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, as it stands in the journal."""
        return {
            "policy": self.policy,
            "winner": self.winner.value if self.winner else None,
            "fields": {name: dict(values) for name, values in self.fields.items()},
            "local_at": self.local_at.isoformat() if self.local_at else None,
            "remote_at": self.remote_at.isoformat() if self.remote_at else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One intended operation on one contact on one side: a row of the journal.

    `before` and `after` hold only the fields written; `base` what both sides last agreed for them.
    `agreed` is what the base becomes once the change is acknowledged. `expected_version` is the local
    version that the plan saw: a local write is made only if the row still has it. `is_settling` says
    that, once all changes of the contact are acknowledged, nothing of that version is left to sync.
    """

    side: Side
    kind: ChangeKind
    contact_id: str | None
    external_id: str | None
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    base: Mapping[str, str] = field(default_factory=dict)
    agreed: Mapping[str, str] = field(default_factory=dict)
    expected_version: int | None = None
    is_settling: bool = True
    #: The remote record's e-mail as the plan saw it: where a provider addresses records by e-mail.
    address: str = ""
    #: A create whose key another contact's record carries (a copy somebody made): it goes out without it.
    is_key_taken: bool = False
    conflict: Conflict | None = None
    reason: str = ""

    @property
    def sort_key(self) -> tuple[str, str, str, str]:
        return (self.side.value, self.kind.value, self.contact_id or "", self.external_id or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one change. `reason` is fit for logs; `error_class` names the kind of failure.

    `external_id` and `contact_id` are those of the record that was made or found. `answered`: fields of an applied
    change that the other side's answer shows otherwise than they were sent, as it holds them now. Of these, `lost` did
    not take the value; the rest are other writings of it, which both sides agree on from here on.
    """

    change: Change
    state: ChangeState
    external_id: str | None = None
    contact_id: str | None = None
    reason: str = ""
    error_class: str = ""
    answered: Mapping[str, str] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentWrite:
    """A remote write that was acknowledged a short while ago: what a stale read may not show yet."""

    external_id: str
    kind: ChangeKind
    before: Mapping[str, str]
    after: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A pair on which both sides already agree: only base and version advance, nothing is written."""

    contact_id: str
    external_id: str
    agreed: Mapping[str, str]
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything one run would do. Pure result of `engine.plan.plan_sync`.

    `considered` counts, per direction, the contacts the plan looked at; each of them ends in exactly one
    of created, updated, deleted, unchanged, skipped, failed, held, conflicted.
    `conflicts` are the open ones (policy `manual`); resolved ones sit on the change that carries them.
    `refusals` name each guard that turned deletes into holds. `waiting`: contacts and records that are being edited.
    """

    changes: tuple[Change, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    held: tuple[Change, ...] = ()
    skipped: tuple[Change, ...] = ()
    conflicts: tuple[Change, ...] = ()
    refusals: tuple[str, ...] = ()
    waiting: tuple[Change, ...] = ()
    direction: Direction = Direction.BIDIRECTIONAL
    considered: Mapping[Direction, int] = field(default_factory=dict)

    @property
    def conflict_count(self) -> int:
        """Resolved and open conflicts together."""
        return len(self.conflicts) + sum(change.conflict is not None for change in self.changes)

    @property
    def is_empty(self) -> bool:
        return not self.changes and not self.agreements


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """What one direction of one run did; the original's fields plus the counts that make it add up."""

    success: bool
    direction: str
    records_synced: int
    records_created: int = 0
    records_updated: int = 0
    records_failed: int = 0
    errors: tuple[str, ...] = ()
    duration_ms: int = 0
    started_at: datetime
    completed_at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    records_deleted: int = 0
    records_unchanged: int = 0
    records_skipped: int = 0
    records_held: int = 0
    records_conflicted: int = 0

    @property
    def records_read(self) -> int:
        return sum(getattr(self, name) for name in COUNT_NAMES)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: times in ISO 8601, errors as a list."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        values["errors"] = list(self.errors)
        values["metadata"] = dict(self.metadata)
        for name in ("started_at", "completed_at"):
            values[name] = values[name].isoformat()
        return values


#: Outcomes that partition the records a direction looked at.
COUNT_NAMES = (
    "records_created",
    "records_updated",
    "records_deleted",
    "records_unchanged",
    "records_skipped",
    "records_failed",
    "records_held",
    "records_conflicted",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationConfig:
    """One connection as `BaseIntegrationSync` sees it; credentials are decrypted and never logged."""

    workspace_id: str
    integration_name: str
    id: str | None = None
    oauth_provider: str | None = None
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    status: str = "active"
    enabled: bool = True
    error_message: str | None = None
    error_count: int = 0
    last_sync_at: datetime | None = None
    sync_frequency_minutes: int = 15
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def access_token(self) -> str | None:
        return self.credentials.get("access_token")

    @property
    def refresh_token(self) -> str | None:
        return self.credentials.get("refresh_token")

    @property
    def api_key(self) -> str | None:
        return self.credentials.get("api_key")

    @property
    def token_expires_at(self) -> datetime | None:
        text = self.credentials.get("token_expires_at")
        return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedField:
    """A workspace field and the provider's column it is kept in."""

    name: str
    column: str
    direction: Direction = Direction.BIDIRECTIONAL
    is_required: bool = False
    #: From the provider's default mapping: nobody asked for this column by name.
    is_default: bool = False

    @property
    def kind(self) -> FieldKind:
        return _KINDS.get(self.name, FieldKind.TEXT)

    @property
    def rule(self) -> FieldRule:
        return FieldRule(
            name=self.name,
            kind=self.kind,
            to_remote=self.direction.allows(Side.REMOTE),
            to_local=self.direction.allows(Side.LOCAL),
            is_required=self.is_required,
        )


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
