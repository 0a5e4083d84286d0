"""Stage 5: what the run says it did: log rows, `SyncResult`s, the report of the command line and Dagster.

Belongs here: opening and closing the log rows of a run. Does not: counting (`engine.tally`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from integrations_pipeline.engine.tally import Counts, tally
from integrations_pipeline.model import (
    COUNT_NAMES,
    DIRECTION_OF,
    ChangeState,
    Direction,
    Outcome,
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
from integrations_pipeline.sync.contacts.acknowledge import Ledger
from integrations_pipeline.sync.contacts.extract import Extracted
from integrations_pipeline.sync.mailing.job import MailDone
from integrations_pipeline.sync.runtime import Run

_UNTRIED = "the run stopped before this change; the next run takes it up"


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
        cls,
        run: Run,
        workspace: Workspace,
        direction: Direction,
        plan: Plan,
        plan_id: UUID,
        extracted: Extracted,
    ) -> "SyncReport":
        """The report of a preview: the counts that applying it would give."""
        outcomes = [Outcome(change=change, state=ChangeState.APPLIED) for change in plan.changes]
        counts = tally(plan, outcomes)
        now = run.runtime.clock()
        results = [
            _result(wanted, counts[wanted], now, now, {"preview": True})
            for side, wanted in DIRECTION_OF.items()
            if direction.allows(side)
        ]
        return cls(
            workspace=workspace.slug,
            provider=run.spec.name,
            run_id=None,
            plan_id=plan_id,
            results=tuple(results),
            conflicts=plan.conflict_count,
            held=len(plan.held),
            api_calls=run.provider.call_count,
            status=RunStatus.REFUSED if plan.refusals else RunStatus.SUCCESS,
            refusals=plan.refusals,
            stopped_fields=extracted.silent,
            settling=len(plan.waiting),
            notices=extracted.notices,
            plan=plan,
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


class LogBook:
    """The log rows of one run: one per direction, opened before the work and closed after it."""

    def __init__(self, log_ids: Mapping[Direction, UUID], started_at: datetime) -> None:
        self._log_ids = log_ids
        self._started_at = started_at
        self._read_calls = 0
        self._metadata: dict[str, Any] = {}
        #: What the mail half of the run did, filled while it works; None where there is no mailbox.
        self.mail: MailDone | None = None
        self._results: list[SyncResult] = []
        self._status = RunStatus.FAILED
        self._api_calls = 0
        self._error = ""
        self._extracted: Extracted | None = None

    @classmethod
    def open(cls, run: Run, direction: Direction, dagster_run_id: str | None) -> "LogBook":
        with run.session.begin() as connection:
            log_ids = {
                wanted: sync_log.open_log(
                    connection,
                    LogStart(
                        workspace_id=run.connection.workspace_id,
                        connection_id=run.connection.id,
                        direction=wanted,
                        run_id=run.run_id,
                        dagster_run_id=dagster_run_id,
                    ),
                )
                for side, wanted in DIRECTION_OF.items()
                if direction.allows(side)
            }
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

    def note_read(self, call_count: int, extracted: Extracted) -> None:
        """Requests so far were for reading: they count for `from_external`."""
        self._read_calls = call_count
        self._extracted = extracted
        self._metadata["read"] = "complete" if extracted.is_complete else "incremental"
        told = {
            "stopped_fields": dict(extracted.silent),
            "settling": len(extracted.world.waiting),
            "notices": list(extracted.notices),
        }
        self._metadata |= {name: value for name, value in told.items() if value}

    @property
    def _problems(self) -> list[str]:
        """What is wrong with the read, each told in the run that meets it: a field that stopped, a record without
        values."""
        if self._extracted is None:
            return []
        silent = self._extracted.silent
        stopped = [f"{name} is stopped: {silent[name]}" for name in sorted(self._extracted.newly_stopped)]
        return stopped + [
            f"record {key} came without any value and had some: it is left alone until it shows them (or is deleted)"
            for key in sorted(self._extracted.blank)
        ]

    def close(self, run: Run, plan: Plan, ledger: Ledger, left_out: int) -> None:
        """Close the rows of a run that did its work, whatever became of single records."""
        if left_out:
            self._metadata["preview_changes_left_out"] = left_out
        if plan.refusals:
            self._metadata["refusals"] = list(plan.refusals)
        counts = tally(plan, ledger.outcomes)
        failed = any(found["records_failed"] for found in counts.values())
        failed = failed or bool(self.mail and self.mail.sending.errors) or bool(self._problems)
        status = RunStatus.PARTIAL if failed or left_out else RunStatus.SUCCESS
        self._close(run, RunStatus.REFUSED if plan.refusals else status, counts, ledger, "")

    def close_failed(
        self, run: Run, plan: Plan, ledger: Ledger, message: str, *, is_counted: bool = True, is_own: bool = True
    ) -> None:
        """Close the rows of a run that stopped; unless a person stopped it, it counts toward `error_count`, and toward
        the status `error` where the cause is the workspace's own."""
        untried = ledger.untried(_UNTRIED)
        counts = tally(plan, [*ledger.outcomes, *untried])
        self._error = message
        self._close(run, RunStatus.FAILED, counts, ledger, message)
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

    def _close(
        self, run: Run, status: RunStatus, counts: Mapping[Direction, Counts], ledger: Ledger, message: str
    ) -> None:
        self._status = status
        self._api_calls = run.provider.call_count
        self._metadata |= self.mail.metadata if self.mail else {}
        now = run.runtime.clock()
        # What is wrong with the read is told once, on the row of the way in where there is one.
        reader = list(self._log_ids)[-1]
        with run.session.begin() as connection:
            self._record_stops(run, connection)
            for direction, log_id in self._log_ids.items():
                found = self._with_mail(direction, counts.get(direction, dict.fromkeys(COUNT_NAMES, 0)))
                errors = [*([message] if message else []), *_errors(ledger, direction)]
                errors += self._problems if direction is reader else []
                errors += self.mail.sending.errors if self.mail and direction is Direction.TO_EXTERNAL else []
                result = _result(direction, found, self._started_at, now, self._metadata)
                is_success = status is not RunStatus.FAILED
                self._results.append(replace(result, success=is_success, errors=tuple(errors)))
                end = LogEnd(
                    status=status,
                    counts=found,
                    errors=errors,
                    api_calls=self._calls_of(direction),
                    metadata=self._metadata,
                )
                sync_log.close_log(connection, log_id, end)

    def _record_stops(self, run: Run, connection: Connection) -> None:
        for name in sorted(self._extracted.newly_stopped if self._extracted else ()):
            activity = Activity(
                integration_name=run.spec.name,
                action="field_stopped",
                success=False,
                error_message=self._extracted.silent[name] if self._extracted else None,
                metadata={"field": name, "run_id": str(run.run_id)},
            )
            sync_log.record_activity(connection, run.connection.workspace_id, activity)

    def _with_mail(self, direction: Direction, counts: Counts) -> Counts:
        """A mailbox has no contacts to write to: what went out there are pitches alone."""
        if self.mail is None:
            return counts
        mailed = self.mail.counts(direction)
        known = counts if direction is Direction.FROM_EXTERNAL else dict.fromkeys(COUNT_NAMES, 0)
        return {name: known[name] + mailed[name] for name in COUNT_NAMES}

    def _calls_of(self, direction: Direction) -> int:
        if len(self._log_ids) == 1:
            return self._api_calls
        return self._read_calls if direction is Direction.FROM_EXTERNAL else self._api_calls - self._read_calls

    def report(self, workspace: Workspace, request: Any, plan: Plan, run_id: UUID) -> SyncReport:
        return SyncReport(
            workspace=workspace.slug,
            provider=request.provider,
            run_id=run_id,
            plan_id=request.plan_id,
            results=tuple(self._results),
            conflicts=plan.conflict_count,
            held=len(plan.held),
            api_calls=self._api_calls,
            status=self._status,
            refusals=plan.refusals,
            error=self._error,
            stopped_fields=self._extracted.silent if self._extracted else {},
            settling=len(plan.waiting),
            notices=self._extracted.notices if self._extracted else (),
            plan=plan,
        )


def _errors(ledger: Ledger, direction: Direction) -> list[str]:
    """One line per record that failed, by our id and theirs, never by e-mail."""
    return [
        f"{outcome.change.kind.value} of {outcome.change.contact_id or outcome.change.external_id}: {outcome.reason}"
        for outcome in ledger.outcomes
        if (outcome.state is ChangeState.FAILED or outcome.lost) and DIRECTION_OF[outcome.change.side] is direction
    ]


def _result(
    direction: Direction,
    counts: Counts,
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
