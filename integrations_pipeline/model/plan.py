"""Runs as a whole: policies, the plan, and what the run says it did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from integrations_pipeline.model.change import Agreement, Change
from integrations_pipeline.model.contact import Direction


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
class SyncResult:
    """What one direction of one run did; the original's fields plus the counts that make it add up.

    `errors` may be given as a list or one text, a count that is not known as None, and times without a zone, which are
    this machine's: they are kept as a tuple, 0 and UTC. `duration_ms` is the time between both ends unless it is told.
    """

    success: bool
    direction: str
    records_synced: int
    records_created: int = 0
    records_updated: int = 0
    records_failed: int = 0
    errors: Sequence[str] = ()
    duration_ms: int = -1
    started_at: datetime
    completed_at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)
    records_deleted: int = 0
    records_unchanged: int = 0
    records_skipped: int = 0
    records_held: int = 0
    records_conflicted: int = 0

    def __post_init__(self) -> None:
        started_at, completed_at = self.started_at.astimezone(UTC), self.completed_at.astimezone(UTC)
        errors = (self.errors,) if isinstance(self.errors, str) else tuple(map(str, self.errors or ()))
        told = self.duration_ms is not None and self.duration_ms >= 0
        took = self.duration_ms if told else (completed_at - started_at).total_seconds() * 1000
        values = {
            "direction": str(self.direction),
            "started_at": started_at,
            "completed_at": completed_at,
            "errors": errors,
            "duration_ms": max(0, int(took)),
            "metadata": dict(self.metadata or {}),
            **{name: int(getattr(self, name) or 0) for name in ("records_synced", *COUNT_NAMES)},
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: times in ISO 8601, errors as a list."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        values["errors"] = list(self.errors)
        values["metadata"] = dict(self.metadata)
        for name in ("started_at", "completed_at"):
            values[name] = values[name].isoformat()
        return values
