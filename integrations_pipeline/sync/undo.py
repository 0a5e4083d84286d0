"""Taking back what a run did: each field that it wrote gets its value of before, here, and the next sync carries it on.

    journal of the run ──► decide (pure) ──► contacts, holds, journal: one transaction ──► a sync of the connection

So undoing goes the way of every edit: a value is put back here, under the contact's version, and the plan writes it to
the provider. What anybody edited since stays and is told. People whom the run deleted come back; people whom it made
are held for deletion, on the side where it made them. Consent is never raised, and mail that went out stays out. An
undo is a run of its own in the log, and can be undone. Belongs here: carrying it out. Does not: deciding
(`taking_back`), statements (`store.undoing`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pandas as pd

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import (
    ORDERED,
    AgendaItem,
    AgendaKind,
    Change,
    ChangeKind,
    ChangeState,
    Decision,
    Direction,
    RunStatus,
    Side,
)
from integrations_pipeline.store import agenda, contacts, sync_log, undoing
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.sync_log import Activity, LogEnd, LogStart
from integrations_pipeline.store.undoing import AppliedRow, RunRow
from integrations_pipeline.sync.opening import SyncRequest, opened
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline.sync.runtime import Progress, Run, Runtime, no_progress
from integrations_pipeline.sync.taking_back import EDITED, TAKEN, LeftOut, Made, State, Undo, decide

SENT = "e-mails were sent: that cannot be undone"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoReport:
    """What was undone. `run_id`: the undo's own run, None where nothing was done; `sync`: the run that followed."""

    run: RunRow
    run_id: UUID | None
    undone: int
    held: int
    left_out: tuple[LeftOut, ...]
    plan: Undo
    sync: SyncReport | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "run": str(self.run.run_id),
            "run_id": str(self.run_id) if self.run_id else None,
            "workspace": self.run.workspace_slug,
            "provider": self.run.provider,
            "undone": self.undone,
            "held": self.held,
            "left_out": [
                {"contact_id": each.contact_id, "field": each.field or None, "reason": each.reason}
                for each in self.left_out
            ],
            "sync": self.sync.to_dict() if self.sync else None,
        }


def undo_run(
    runtime: Runtime,
    run: RunRow,
    by: str,
    *,
    only: Collection[str] | None = None,
    is_dry: bool = False,
    progress: Progress = no_progress,
) -> UndoReport:
    """Undo a run and sync its connection. `by`: who ordered it; `only`: contact ids, None for all.

    Raises as `run_sync` does where it cannot start; a sync that fails afterwards is in the report: what was put back
    here goes out with the next one.
    """
    request = SyncRequest(workspace=run.workspace_slug, provider=run.provider)
    with opened(runtime, request, uuid4(), progress, is_locking=not is_dry) as (opening, _):
        rows = _rows(opening, run, only)
        plan = decide(rows, _state(opening, run, rows), opening.mapping)
        if run.pitches:
            plan.leave(None, "", f"{run.pitches} {SENT}")
        if is_dry or not plan.rows:
            return _report(run, None, plan)
        with opening.session.begin() as connection:
            _carry_out(connection, opening, run, plan, by)
        done = _report(run, opening.run_id, plan)
    return UndoReport(
        run=run,
        run_id=done.run_id,
        undone=done.undone,
        held=done.held,
        left_out=done.left_out,
        plan=plan,
        sync=run_sync(runtime, request, progress),
    )


def _report(run: RunRow, run_id: UUID | None, plan: Undo) -> UndoReport:
    return UndoReport(
        run=run,
        run_id=run_id,
        undone=sum(map(len, plan.values.values())) + len(plan.restored),
        held=len(plan.made),
        left_out=tuple(plan.left_out),
        plan=plan,
    )


def _rows(opening: Run, run: RunRow, only: Collection[str] | None) -> list[AppliedRow]:
    with opening.session.begin() as connection:
        rows = undoing.applied_rows(connection, run.connection_id, run.run_id)
        undone = undoing.undone_count(connection, run.connection_id, run.run_id)
    if not rows:
        why = "it was undone already" if undone else "it changed nobody"
        raise ConfigurationError(f"run {run.run_id} has nothing to undo: {why}")
    return [row for row in rows if only is None or row.contact_id in only]


def _state(opening: Run, run: RunRow, rows: Sequence[AppliedRow]) -> State:
    ids = sorted({row.contact_id for row in rows})
    names = sorted({name for row in rows for name in row.after} | {mapped.name for mapped in opening.mapping})
    with opening.session.begin() as connection:
        frame = contacts.read_contacts(connection, opening.connection.workspace_id, names, ids=ids)
        deleted = undoing.deleted_contacts(connection, opening.connection.workspace_id, ids)
        met = undoing.linked_contacts(connection, run.connection_id, run.run_id)
    return State(here=_by_id(frame, names), deleted=deleted, there=_records(opening, rows), met=met)


def _by_id(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, dict[str, str]]:
    rows = frame[list(names)].to_dict("records")
    return {
        str(key): {str(name): str(value) for name, value in row.items()}
        for key, row in zip(frame.index, rows, strict=True)
    }


def _records(opening: Run, rows: Sequence[AppliedRow]) -> dict[str, Mapping[str, str]]:
    """The records that the run's updates concern, as they are now."""
    wanted = sorted({row.external_id for row in rows if row.external_id and row.kind is ChangeKind.UPDATE})
    found: dict[str, Mapping[str, str]] = {}
    size = opening.spec.capabilities.max_read_batch
    for start in range(0, len(wanted), size):
        page = opening.provider.read_records(wanted[start : start + size])
        found |= {record.external_id: record.fields for record in page.records}
    return found


def _carry_out(connection: Connection, opening: Run, run: RunRow, plan: Undo, by: str) -> None:
    """Everything of it in one transaction: killed before its end, nothing happened."""
    row = opening.connection
    start = LogStart(
        workspace_id=row.workspace_id, connection_id=row.id, direction=Direction.FROM_EXTERNAL, run_id=opening.run_id
    )
    log_id = sync_log.open_log(connection, start)
    scope = JournalScope(
        connection_id=row.id,
        workspace_id=row.workspace_id,
        run_id=opening.run_id,
        log_ids={Side.LOCAL: log_id},
    )
    _put_back(connection, opening, run, plan, scope, by)
    _bring_back(connection, opening, plan, scope)
    _hold_made(connection, run, plan, scope)
    missed = {each.contact_id for each in plan.left_out if each.field == ""}
    ids = [row_id for row_id, contact_id in plan.rows.items() if contact_id not in missed]
    undoing.mark_undone(connection, ids, f"undone by run {opening.run_id}")
    metadata = {"undo_of": str(run.run_id), "left_out": len(plan.left_out), "decided_by": by}
    counts = {
        "records_updated": len(plan.values),
        "records_created": len(plan.restored),
        "records_held": len(plan.made),
    }
    status = RunStatus.PARTIAL if plan.left_out else RunStatus.SUCCESS
    sync_log.close_log(connection, log_id, LogEnd(status=status, counts=counts, metadata=metadata))
    activity = Activity(
        integration_name=run.provider,
        action="undo",
        success=True,
        records_affected=sum(counts.values()),
        metadata={**metadata, "run_id": str(opening.run_id)},
    )
    sync_log.record_activity(connection, row.workspace_id, activity)


def _put_back(connection: Connection, opening: Run, run: RunRow, plan: Undo, scope: JournalScope, by: str) -> None:
    """Values, here, under the versions that were looked at; the guards let pass what a person ordered."""
    names = sorted({name for values in plan.values.values() for name in values})
    frame = contacts.read_contacts(connection, opening.connection.workspace_id, names, ids=sorted(plan.values))
    versions = {str(key): int(version) for key, version in frame["version"].items()}
    now = _by_id(frame, names)
    writes = [
        ContactWrite(contact_id=key, fields=values, version=versions[key])
        for key, values in plan.values.items()
        if key in versions
    ]
    written = contacts.update_contacts(connection, writes)
    for key in [key for key in plan.values if key not in written]:
        plan.leave(key, "", TAKEN if "email" in plan.values[key] else EDITED)
        del plan.values[key]
    changes = [
        Change(
            side=Side.LOCAL,
            kind=ChangeKind.UPDATE,
            contact_id=key,
            external_id=None,
            before={name: now[key][name] for name in values},
            after=values,
            base={name: now[key][name] for name in values},
            reason=f"undo of run {run.run_id}",
        )
        for key, values in plan.values.items()
    ]
    journal.record_changes(connection, scope, changes, ChangeState.APPLIED)
    _approve(connection, opening, changes, by)


def _approve(connection: Connection, opening: Run, changes: Sequence[Change], by: str) -> None:
    """Values that an undo empties and e-mails that it changes, wherever they go from here."""
    losses = {
        change.contact_id or "": {
            name: value
            for name, value in change.after.items()
            if change.before[name] and (not value or name == "email")
        }
        for change in changes
    }
    wanted = {key: fields for key, fields in losses.items() if fields}
    workspace_id = opening.connection.workspace_id
    for connection_id, contact_id, external_id in undoing.linked_elsewhere(connection, workspace_id, wanted):
        items = [
            AgendaItem(
                kind=AgendaKind.HELD_EMAIL if value else AgendaKind.HELD_CLEAR,
                side=Side.REMOTE,
                contact_id=contact_id,
                external_id=external_id,
                field=name,
                change=ChangeKind.UPDATE,
                after={name: value},
                reason="ordered by an undo",
                decision=Decision.APPROVED,
            )
            for name, value in wanted[contact_id].items()
        ]
        scope = JournalScope(connection_id=connection_id, workspace_id=workspace_id)
        agenda.add_items(connection, scope, items, by)


def _bring_back(connection: Connection, opening: Run, plan: Undo, scope: JournalScope) -> None:
    writes = [ContactWrite(contact_id=key, fields=fields) for key, fields in plan.restored.items()]
    back = contacts.restore_contacts(connection, opening.connection.workspace_id, writes)
    for key in [key for key in plan.restored if key not in back]:
        plan.leave(key, "", TAKEN)
        del plan.restored[key]
    changes = [
        Change(side=Side.LOCAL, kind=ChangeKind.CREATE, contact_id=key, external_id=None, after={})
        for key in plan.restored
    ]
    journal.record_changes(connection, scope, changes, ChangeState.APPLIED)


def _where(made: Made) -> str:
    if made.external_id is None:
        return "here and at the provider"
    if made.side is Side.LOCAL:
        return "here alone, the record stays"
    return "at the provider alone, the contact stays"


def _hold_made(connection: Connection, run: RunRow, plan: Undo, scope: JournalScope) -> None:
    items = [
        AgendaItem(
            kind=AgendaKind.HELD_DELETE,
            side=Side.REMOTE if made.external_id is None else made.side,
            contact_id=contact_id,
            external_id=made.external_id,
            field=ORDERED,
            change=ChangeKind.DELETE,
            after=made.fields,
            reason=f"made by run {run.run_id}, which was undone: approve to delete {_where(made)}",
        )
        for contact_id, made in plan.made.items()
    ]
    agenda.add_items(connection, scope, items)
