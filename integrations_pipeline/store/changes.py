"""The journal `integration_changes`: every change is written here before it is tried.

Belongs here: statements on the journal. Does not: deciding states (`sync`). One table is preview (planned),
write-ahead log (intended), dead letters (failed), approval queue (held), conflicts and audit.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from integrations_pipeline.model import Change, ChangeKind, ChangeState, RecentWrite, Side
from integrations_pipeline.store.rows import dump, from_json, to_json

#: What `approve` writes: the next run applies the delete past policy and guards.
APPROVED = "approved"
_STALE = "the run ended before it was done; planned again"

_INSERT = text(
    """
    insert into integration_changes
        (id, run_id, plan_id, sync_log_id, connection_id, workspace_id, contact_id, external_id, side, kind,
         before, after, base, conflict, state, reason)
    select r.id, :run_id, :plan_id, r.sync_log_id, :connection_id, :workspace_id, r.contact_id, r.external_id,
        r.side, r.kind, r.before, r.after, r.base, r.conflict, r.state, nullif(r.reason, '')
    from jsonb_to_recordset(cast(:rows as jsonb)) as r(id uuid, sync_log_id uuid, contact_id uuid,
        external_id text, side text, kind text, before jsonb, after jsonb, base jsonb, conflict jsonb,
        state text, reason text)
    """
)
_SET_STATES = text(
    """
    update integration_changes c set
        state = r.state,
        reason = coalesce(nullif(r.reason, ''), c.reason),
        error_class = nullif(r.error_class, ''),
        external_id = coalesce(r.external_id, c.external_id),
        moved_from = case when c.kind = 'update' and r.external_id <> c.external_id
            then c.external_id else c.moved_from end,
        contact_id = coalesce(r.contact_id, c.contact_id),
        attempts = c.attempts + case when r.state = 'intended' then 1 else 0 end
    from jsonb_to_recordset(cast(:rows as jsonb))
        as r(id uuid, state text, reason text, error_class text, external_id text, contact_id uuid)
    where c.id = r.id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalScope:
    """Whose rows they are: connection and workspace, the run or the preview, a log row per side."""

    connection_id: UUID
    workspace_id: UUID
    run_id: UUID | None = None
    plan_id: UUID | None = None
    log_ids: Mapping[Side, UUID] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    change_id: UUID
    state: ChangeState
    reason: str = ""
    error_class: str = ""
    external_id: str | None = None
    contact_id: str | None = None


def record_changes(connection: Connection, scope: JournalScope, changes: Sequence[Change], state: ChangeState) -> None:
    """Insert one row per change, in this state, under the change's own id."""
    rows = [_row(change, state, scope) for change in changes]
    if rows:
        connection.execute(
            _INSERT,
            {
                "rows": dump(rows),
                "run_id": scope.run_id,
                "plan_id": scope.plan_id,
                "connection_id": scope.connection_id,
                "workspace_id": scope.workspace_id,
            },
        )


def _row(change: Change, state: ChangeState, scope: JournalScope) -> dict[str, Any]:
    return {
        "id": change.id,
        "sync_log_id": (scope.log_ids or {}).get(change.side),
        "contact_id": change.contact_id,
        "external_id": change.external_id,
        "side": change.side.value,
        "kind": change.kind.value,
        "before": to_json(change.before),
        "after": to_json(change.after),
        "base": to_json(change.base),
        "conflict": change.conflict.to_dict() if change.conflict else None,
        "state": state.value,
        "reason": change.reason,
    }


def record_states(connection: Connection, changes: Sequence[StateChange]) -> None:
    """Move rows to another state; moving to `intended` counts an attempt."""
    if changes:
        rows = [
            {
                "id": change.change_id,
                "state": change.state.value,
                "reason": change.reason,
                "error_class": change.error_class,
                "external_id": change.external_id,
                "contact_id": change.contact_id,
            }
            for change in changes
        ]
        connection.execute(_SET_STATES, {"rows": dump(rows)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A create at the provider that was sent, as it was sent then, and whose answer nobody got."""

    change_id: UUID
    change: Change
    intended_at: datetime


#: Sent to the provider, where nobody knows what became of it.
_IN_DOUBT = "state = 'intended' and kind = 'create' and side = 'remote' and contact_id is not null"


def close_stale(connection: Connection, connection_id: UUID) -> int:
    """Rows that a dead run left planned or intended are superseded: the world is read and planned anew.

    Under the connection's lock no other run can be at work. Previews and approvals stay, and so do creates at the
    provider that may have been carried out: they are looked up first (`creates_in_doubt`). Returns their number.
    """
    statement = text(
        "update integration_changes set state = 'superseded', reason = :reason "  # noqa: S608 - a constant
        "where connection_id = :connection_id and state in ('planned', 'intended') "
        f"and run_id is not null and reason is distinct from :approved and not ({_IN_DOUBT})"
    )
    bound = {"connection_id": connection_id, "reason": _STALE, "approved": APPROVED}
    return connection.execute(statement, bound).rowcount


def creates_in_doubt(connection: Connection, connection_id: UUID) -> list[Doubt]:
    """Creates at the provider whose answer nobody got, the oldest first; for a run that has the lock."""
    statement = text(
        "select id, contact_id::text, after, updated_at from integration_changes "  # noqa: S608 - a constant
        f"where connection_id = :connection_id and {_IN_DOUBT} order by ordinal"
    )
    found = connection.execute(statement, {"connection_id": connection_id})
    return [
        Doubt(
            change_id=row.id,
            change=Change(
                side=Side.REMOTE,
                kind=ChangeKind.CREATE,
                contact_id=row.contact_id,
                external_id=None,
                after=from_json(row.after),
            ),
            intended_at=row.updated_at,
        )
        for row in found
    ]


def supersede_failed(connection: Connection, scope: JournalScope, sides: Collection[Side]) -> None:
    """Dead letters of earlier runs leave the list: a contact with a failed change counts as changed until it
    succeeds, so this run has either tried it again, and failed anew, or found that nothing is left to do."""
    statement = text(
        "update integration_changes set state = 'superseded' where connection_id = :connection_id "
        "and state = 'failed' and side = any(:sides) and run_id is distinct from :run_id"
    )
    bound = {
        "connection_id": scope.connection_id,
        "run_id": scope.run_id,
        "sides": [side.value for side in sides],
    }
    connection.execute(statement, bound)


def refusals(connection: Connection, connection_id: UUID) -> dict[tuple[Any, ...], str]:
    """Remote writes that the provider refused for good in the last run, by `write_key`, with the reason."""
    statement = text(
        "select kind, contact_id::text, external_id, before, after, reason from integration_changes "
        "where connection_id = :connection_id and side = 'remote' and state = 'failed' "
        "and error_class = 'PermanentError'"
    )
    found = connection.execute(statement, {"connection_id": connection_id})
    return {
        write_key(row.kind, row.contact_id, row.external_id, from_json(row.before), from_json(row.after)): row.reason
        for row in found
    }


def write_key(
    kind: str, contact_id: str | None, external_id: str | None, before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[Any, ...]:
    """What makes two writes the same write: a record that changed gives another one."""
    return (kind, contact_id, external_id, tuple(sorted(before.items())), tuple(sorted(after.items())))


def replace_open(
    connection: Connection,
    scope: JournalScope,
    changes: Sequence[Change],
    state: ChangeState,
    sides: Collection[Side] = tuple(Side),
    *,
    keeps_deletes: bool = False,
) -> None:
    """Make the open rows of a state (held or skipped) on these sides be exactly these: a run finds the
    same questions again, asks each only once, and closes those that answered themselves.

    `keeps_deletes`: an incremental read does not tell deletes again that were set aside; their rows stay.
    """
    open_rows = connection.execute(
        text(
            "select id, contact_id::text, external_id, side, kind, after, conflict, reason "
            "from integration_changes where connection_id = :connection_id and state = :state"
        ),
        {"connection_id": scope.connection_id, "state": state.value},
    ).fetchall()
    known = {_question(*row[1:]): row for row in open_rows}
    wanted = {
        _question(
            change.contact_id,
            change.external_id,
            change.side.value,
            change.kind.value,
            to_json(change.after),
            change.conflict.to_dict() if change.conflict else None,
            change.reason or None,
        ): change
        for change in changes
    }
    gone = [
        StateChange(change_id=row.id, state=ChangeState.SUPERSEDED, reason="answered itself")
        for question, row in known.items()
        if question not in wanted
        and Side(row.side) in sides
        and not (keeps_deletes and row.kind == ChangeKind.DELETE.value)
    ]
    record_states(connection, gone)
    record_changes(connection, scope, [c for q, c in wanted.items() if q not in known], state)


def _question(*parts: Any) -> str:
    *ids, after, conflict, reason = parts
    if ids[-1] == ChangeKind.DELETE.value:
        # The reason of a hold may tell numbers that move; the question stays the same, and so does its id.
        reason = None
    timeless = {k: v for k, v in conflict.items() if not k.endswith("_at")} if conflict else None
    return dump([*ids, sorted((after or {}).items()), timeless and sorted(timeless.items()), reason])


def set_aside(connection: Connection, connection_id: UUID) -> list[tuple[str, dict[str, str]]]:
    """(external id, fields) of remote records that an incremental read does not report but a plan must see:
    those set aside as ambiguous, and those of open conflicts (only the fields in conflict)."""
    statement = text(
        "select external_id, case when state = 'held' then before else after end "
        "from integration_changes where connection_id = :connection_id and external_id is not null "
        "and ((state = 'skipped' and kind = 'create' and side = 'local') or (state = 'held' and conflict is not null))"
    )
    found = connection.execute(statement, {"connection_id": connection_id})
    return [(external_id, from_json(fields)) for external_id, fields in found]


def held_external_ids(connection: Connection, connection_id: UUID) -> list[str]:
    """Remote records that were found deleted and whose local delete still waits for a person or a run."""
    statement = text(
        "select external_id from integration_changes where connection_id = :connection_id "
        "and side = 'local' and kind = 'delete' and external_id is not null "
        "and (state = 'held' or (state = 'planned' and reason = :approved))"
    )
    bound = {"connection_id": connection_id, "approved": APPROVED}
    return list(connection.execute(statement, bound).scalars())


def recent_remote_writes(
    connection: Connection, connection_id: UUID, seconds: float, external_ids: Collection[str] | None = None
) -> list[RecentWrite]:
    """Remote writes acknowledged within so many seconds, oldest first; `external_ids` None means of all records.

    An update that moved the contact to another record made one and deleted one.
    """
    if external_ids is not None and not external_ids:
        return []
    chosen = "" if external_ids is None else "and (external_id = any(:ids) or moved_from = any(:ids))"
    statement = text(
        "select external_id, moved_from, kind, before, after from integration_changes "  # noqa: S608 - constants
        "where connection_id = :connection_id and side = 'remote' and state = 'applied' "
        "and kind in ('create', 'update', 'delete') and external_id is not null "
        f"and updated_at > clock_timestamp() - make_interval(secs => :seconds) {chosen} order by ordinal"
    )
    bound = {"connection_id": connection_id, "seconds": seconds}
    given = bound if external_ids is None else {**bound, "ids": list(external_ids)}
    return [write for row in connection.execute(statement, given) for write in _writes_of(row)]


def _writes_of(row: Row[Any]) -> Iterator[RecentWrite]:
    fields = {"before": from_json(row.before), "after": from_json(row.after)}
    if row.moved_from:
        yield RecentWrite(external_id=row.moved_from, kind=ChangeKind.DELETE, **fields)
    kind = ChangeKind.CREATE if row.moved_from else ChangeKind(row.kind)
    yield RecentWrite(external_id=row.external_id, kind=kind, **fields)


def deleted_in_last_day(connection: Connection, connection_id: UUID) -> dict[Side, int]:
    statement = text(
        "select side, count(*) from integration_changes where connection_id = :connection_id "
        "and kind = 'delete' and state = 'applied' and updated_at > now() - interval '24 hours' group by side"
    )
    return {Side(side): n for side, n in connection.execute(statement, {"connection_id": connection_id})}


def approved_deletes(connection: Connection, connection_id: UUID) -> frozenset[tuple[Side, str]]:
    """(side, contact id) of held deletes that a person approved."""
    statement = text(
        "select side, contact_id::text from integration_changes where connection_id = :connection_id "
        "and kind = 'delete' and state = 'planned' and reason = :approved and contact_id is not null"
    )
    found = connection.execute(statement, {"connection_id": connection_id, "approved": APPROVED})
    return frozenset((Side(side), contact_id) for side, contact_id in found)


def held_deletes(connection: Connection, connection_id: UUID) -> dict[tuple[Side, str], str]:
    """(side, contact id) → why, of the deletes that are held: they stay so until a person decides or the
    record is there again, also when policy or budget would let them pass by now."""
    statement = text(
        "select side, contact_id::text, reason from integration_changes where connection_id = :connection_id "
        "and kind = 'delete' and state = 'held' and contact_id is not null"
    )
    found = connection.execute(statement, {"connection_id": connection_id})
    return {(Side(side), contact_id): reason or "" for side, contact_id, reason in found}


def finish_approved(connection: Connection, connection_id: UUID, sides: Collection[Side]) -> None:
    """Approvals are used up by the run that followed them, if it was allowed to write that side."""
    statement = text(
        "update integration_changes set state = 'superseded', reason = 'approved and taken up by a run' "
        "where connection_id = :connection_id and state = 'planned' and reason = :approved and side = any(:sides)"
    )
    bound = {"connection_id": connection_id, "approved": APPROVED, "sides": [side.value for side in sides]}
    connection.execute(statement, bound)


def read_plan(connection: Connection, connection_id: UUID, plan_id: UUID) -> list[Change]:
    """The changes of a preview as they were planned; empty if there is no such plan."""
    statement = text(
        "select side, kind, contact_id::text, external_id, before, after, base "
        "from integration_changes where connection_id = :connection_id and plan_id = :plan_id "
        "and state = 'planned' and run_id is null order by side, kind, contact_id, external_id"
    )
    found = connection.execute(statement, {"connection_id": connection_id, "plan_id": plan_id})
    return [
        Change(
            side=Side(row.side),
            kind=ChangeKind(row.kind),
            contact_id=row.contact_id,
            external_id=row.external_id,
            before=from_json(row.before),
            after=from_json(row.after),
            base=from_json(row.base),
        )
        for row in found
    ]


def is_plan_open(connection: Connection, connection_id: UUID, plan_id: UUID) -> bool:
    """Whether a preview waits to be applied; one that had nothing to do waits for ever."""
    statement = text(
        "select exists (select from integration_changes where connection_id = :connection_id "
        "and plan_id = :plan_id and state = 'planned' and run_id is null) "
        "or exists (select from integration_activity where action = 'plan' "
        "and metadata ->> 'plan_id' = cast(:plan_id as text) and records_affected = 0)"
    )
    return bool(connection.execute(statement, {"connection_id": connection_id, "plan_id": plan_id}).scalar())


def close_plan(connection: Connection, plan_id: UUID) -> None:
    """A preview that was applied is history; what the run did stands in its own rows."""
    statement = text(
        "update integration_changes set state = 'superseded', reason = 'applied by a run' "
        "where plan_id = :plan_id and state = 'planned' and run_id is null"
    )
    connection.execute(statement, {"plan_id": plan_id})
