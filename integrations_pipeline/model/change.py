"""Changes of single contacts: what is intended, what became of it, what was overridden."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from integrations_pipeline.model.contact import Side


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


#: Of a first load there are as many changes as records, and most of their fields are empty: one serves all.
_NOTHING: Mapping[str, str] = MappingProxyType({})


def _nothing() -> Mapping[str, str]:
    return _NOTHING


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
    """One intended operation on one contact on one side: a row of the journal, whose `id` it has from the start.

    `before` and `after` hold only the fields written; `base` what both sides last agreed for them.
    `agreed` is what the base becomes once the change is acknowledged. `expected_version` is the local
    version that the plan saw: a local write is made only if the row still has it. `is_settling` says
    that, once all changes of the contact are acknowledged, nothing of that version is left to sync.
    """

    side: Side
    kind: ChangeKind
    contact_id: str | None
    external_id: str | None
    before: Mapping[str, str] = field(default_factory=_nothing)
    after: Mapping[str, str] = field(default_factory=_nothing)
    base: Mapping[str, str] = field(default_factory=_nothing)
    agreed: Mapping[str, str] = field(default_factory=_nothing)
    expected_version: int | None = None
    is_settling: bool = True
    #: The remote record's e-mail as the plan saw it: where a provider addresses records by e-mail.
    address: str = ""
    #: A create whose key another contact's record carries (a copy somebody made): it goes out without it.
    is_key_taken: bool = False
    conflict: Conflict | None = None
    reason: str = ""
    #: Two plans of the same thing are equal.
    id: UUID = field(default_factory=uuid4, compare=False, repr=False)

    @property
    def sort_key(self) -> tuple[str, str, str, str]:
        return (self.side.value, self.kind.value, self.contact_id or "", self.external_id or "")

    @property
    def write_key(self) -> tuple[object, ...]:
        """What makes two writes the same write: a record that changed gives another one."""
        fields = (tuple(sorted(part.items())) for part in (self.before, self.after))
        return (self.side, self.kind, self.contact_id, self.external_id, *fields)


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
    answered: Mapping[str, str] = field(default_factory=_nothing)
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalised:
    """One field of a record that the provider writes in its own way: what it holds, and what both sides agreed on."""

    held: str
    agreed: str


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
