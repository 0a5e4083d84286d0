"""The last stage: what the run says it did: log rows, `SyncResult`s, the report of the command line and Dagster.

Belongs here: opening and closing the log rows of a run, and adding up what its jobs tell. Does not: what any of them
counts (`mailing.job`, `contacts.job`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from integrations_pipeline.model import (
    COUNT_NAMES,
    DIRECTION_OF,
    Direction,
    Plan,
    RunStatus,
    Side,
    SyncResult,
)
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store import connections, sync_log
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.sync_log import Activity, LogEnd, LogStart
from integrations_pipeline.store.workspaces import Workspace
from integrations_pipeline.sync.job import Tally
from integrations_pipeline.sync.opening import SyncRequest
from integrations_pipeline.sync.runtime import Run

#: What a run that did its work comes to is the worst that any of its jobs tells.
_WORST_FIRST = (RunStatus.REFUSED, RunStatus.PARTIAL, RunStatus.SUCCESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What one run or preview came to. `status` is the worst of its directions."""

    workspace: str
    provider: str
    run_id: UUID | None
    plan_id: UUID | None
    results: tuple[SyncResult, ...]
    conflicts: int
    held: int
    api_calls: int
    status: RunStatus
    refusals: tuple[str, ...] = ()
    error: str = ""
    #: Fields that neither side gets, with the reason.
    stopped_fields: Mapping[str, str] = field(default_factory=dict)
    #: Contacts and records that are being edited and wait for the next run.
    settling: int = 0
    notices: tuple[str, ...] = ()
    plan: Plan = field(default_factory=Plan, repr=False)

    @classmethod
    def of_preview(
        cls, run: Run, workspace: Workspace, direction: Direction, told: Tally, plan_id: UUID
    ) -> "SyncReport":
        """The report of a preview: the counts that applying it would give."""
        now = run.runtime.clock()
        wanted = [way for side, way in DIRECTION_OF.items() if direction.allows(side)]
        results = [_result(way, _sum([told], way), now, now, told.metadata) for way in wanted]
        return cls(
            workspace=workspace.slug,
            provider=run.spec.name,
            run_id=None,
            plan_id=plan_id,
            results=tuple(results),
            api_calls=run.call_count,
            status=told.status,
            **_open_questions([told]),
        )

    def to_dict(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        return {
            "workspace": self.workspace,
            "provider": self.provider,
            "run_id": str(self.run_id) if self.run_id else None,
            "plan_id": str(self.plan_id) if self.plan_id else None,
            "status": self.status.value,
            "results": [result.to_dict() for result in self.results],
            "conflicts": self.conflicts,
            "held": self.held,
            "api_calls": self.api_calls,
            "refusals": list(self.refusals),
            "stopped_fields": dict(self.stopped_fields),
            "settling": self.settling,
            "notices": list(self.notices),
            "error": self.error or None,
        }


def is_quiet(report: SyncReport) -> bool:
    """Whether a sync found nothing to do and leaves nobody a question. One that read everything is not quiet: once a
    day there is something to show."""
    has_questions = report.held or report.conflicts or report.settling or report.stopped_fields or report.notices
    return (
        report.status is RunStatus.SUCCESS
        and not has_questions
        and not any(_is_telling(result) for result in report.results)
    )


def _is_telling(result: SyncResult) -> bool:
    counted = any(getattr(result, name) for name in COUNT_NAMES if name != "records_unchanged")
    read = result.metadata.get("read", "incremental")
    more = any(value for name, value in result.metadata.items() if name != "read")
    return counted or read != "incremental" or more or bool(result.errors)


class LogBook:
    """The log rows of one run: one per direction, opened before the work and closed after it."""

    def __init__(self, log_ids: Mapping[Direction, UUID], started_at: datetime) -> None:
        self._log_ids = log_ids
        self._started_at = started_at
        self._tallies: Sequence[Tally] = ()
        self._results: list[SyncResult] = []
        self._status = RunStatus.FAILED
        self._api_calls = 0
        self._error = ""

    @classmethod
    def open(cls, run: Run, direction: Direction, dagster_run_id: str | None) -> "LogBook":
        with run.session.begin() as connection:
            log_ids = sync_log.open_logs(
                connection,
                LogStart(
                    workspace_id=run.connection.workspace_id,
                    connection_id=run.connection.id,
                    direction=direction,
                    run_id=run.run_id,
                    dagster_run_id=dagster_run_id,
                ),
                [wanted for side, wanted in DIRECTION_OF.items() if direction.allows(side)],
            )
        return cls(log_ids, run.runtime.clock())

    @property
    def log_ids_by_side(self) -> Mapping[Side, UUID]:
        return {side: self._log_ids[wanted] for side, wanted in DIRECTION_OF.items() if wanted in self._log_ids}

    def scope(self, run: Run) -> JournalScope:
        """What the run's journal rows belong to."""
        return JournalScope(
            connection_id=run.connection.id,
            workspace_id=run.connection.workspace_id,
            run_id=run.run_id,
            log_ids=self.log_ids_by_side,
        )

    def close(self, run: Run, tallies: Sequence[Tally]) -> None:
        """Close the rows of a run that did its work, whatever became of single records."""
        statuses = {told.status for told in tallies}
        self._close(run, tallies, next(status for status in _WORST_FIRST if status in statuses))

    def close_failed(
        self, run: Run, tallies: Sequence[Tally], message: str, *, is_counted: bool = True, is_own: bool = True
    ) -> None:
        """Close the rows of a run that stopped; unless a person stopped it, it counts toward `error_count`, and toward
        the status `error` where the cause is the workspace's own."""
        self._error = message
        self._close(run, tallies, RunStatus.FAILED)
        with run.session.begin() as connection:
            journal.close_stale(connection, run.connection.id)
            if not is_counted:
                return
            status = connections.record_failure(connection, run.connection.id, message, is_own=is_own)
            if status is None:
                return
            activity = Activity(
                integration_name=run.spec.name,
                action="sync_failed",
                success=False,
                error_message=message,
                metadata={"status": status, "run_id": str(run.run_id)},
            )
            sync_log.record_activity(connection, run.connection.workspace_id, activity)

    def _close(self, run: Run, tallies: Sequence[Tally], status: RunStatus) -> None:
        self._tallies, self._status = tallies, status
        self._api_calls = run.call_count
        metadata = {name: value for told in tallies for name, value in told.metadata.items()}
        now = run.runtime.clock()
        with run.session.begin() as connection:
            _record_stops(run, connection, tallies)
            ends = {
                log_id: self._end_of(direction, tallies, now, metadata) for direction, log_id in self._log_ids.items()
            }
            sync_log.close_logs(connection, ends)

    def _end_of(
        self, direction: Direction, tallies: Sequence[Tally], now: datetime, metadata: Mapping[str, Any]
    ) -> LogEnd:
        """How the direction ended; its result is kept for the report."""
        counts = _sum(tallies, direction)
        found = [line for told in tallies for line in told.errors.get(direction, ())]
        errors = [self._error, *found] if self._error else found
        result = _result(direction, counts, self._started_at, now, metadata)
        is_success = self._status is not RunStatus.FAILED
        self._results.append(replace(result, success=is_success, errors=tuple(errors)))
        return LogEnd(
            status=self._status,
            counts=counts,
            errors=errors,
            api_calls=self._calls_of(direction),
            metadata=metadata,
        )

    def _calls_of(self, direction: Direction) -> int:
        if len(self._log_ids) == 1:
            return self._api_calls
        read = sum(told.read_calls for told in self._tallies)
        return read if direction is Direction.FROM_EXTERNAL else self._api_calls - read

    def report(self, workspace: Workspace, request: SyncRequest, run_id: UUID) -> SyncReport:
        return SyncReport(
            workspace=workspace.slug,
            provider=request.provider,
            run_id=run_id,
            plan_id=request.plan_id,
            results=tuple(self._results),
            api_calls=self._api_calls,
            status=self._status,
            error=self._error,
            **_open_questions(self._tallies),
        )


def _sum(tallies: Sequence[Tally], direction: Direction) -> dict[str, int]:
    told = [tally.counts.get(direction, {}) for tally in tallies]
    return {name: sum(counts.get(name, 0) for counts in told) for name in COUNT_NAMES}


def _open_questions(tallies: Sequence[Tally]) -> dict[str, Any]:
    """What a report tells beside the counts."""
    plan = next((told.plan for told in tallies if told.plan is not None), Plan())
    return {
        "conflicts": plan.conflict_count,
        "held": len(plan.held),
        "refusals": plan.refusals,
        "settling": len(plan.waiting),
        "stopped_fields": {name: why for told in tallies for name, why in told.stopped_fields.items()},
        "notices": tuple(line for told in tallies for line in told.notices),
        "plan": plan,
    }


def _record_stops(run: Run, connection: Connection, tallies: Sequence[Tally]) -> None:
    for told in tallies:
        for name in sorted(told.newly_stopped):
            activity = Activity(
                integration_name=run.spec.name,
                action="field_stopped",
                success=False,
                error_message=told.stopped_fields[name],
                metadata={"field": name, "run_id": str(run.run_id)},
            )
            sync_log.record_activity(connection, run.connection.workspace_id, activity)


def _result(
    direction: Direction,
    counts: Mapping[str, int],
    started_at: datetime,
    completed_at: datetime,
    metadata: Mapping[str, Any],
) -> SyncResult:
    synced = counts["records_created"] + counts["records_updated"] + counts["records_deleted"]
    return SyncResult(
        success=True,
        direction=direction.value,
        records_synced=synced,
        duration_ms=int((completed_at - started_at).total_seconds() * 1000),
        started_at=started_at,
        completed_at=completed_at,
        metadata=dict(metadata),
        **counts,  # type: ignore[arg-type]  # the keys are COUNT_NAMES, all of them integers
    )
