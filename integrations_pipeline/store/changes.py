"""The journal `integration_changes`: every change is written here before it is tried.

Belongs here: statements on the journal. Does not: deciding states (`sync`). One table is preview (planned),
write-ahead log (intended), dead letters (failed), approval queue (held), conflicts and audit.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from integrations_pipeline.model import AgendaKind, Change, ChangeKind, ChangeState, RecentWrite, Side
from integrations_pipeline.store.rows import dump, from_json, to_json

STALE = "the run ended before it was done; planned again"

_INSERT = text(
    """
    insert into integration_changes
        (id, run_id, plan_id, sync_log_id, connection_id, workspace_id, contact_id, external_id, side, kind,
         before, after, base, conflict, state, reason, error_class)
    select r.id, :run_id, :plan_id, r.sync_log_id, :connection_id, :workspace_id, r.contact_id, r.external_id,
        r.side, r.kind, r.before, r.after, r.base, r.conflict, r.state, nullif(r.reason, ''), nullif(r.error_class, '')
    from jsonb_to_recordset(cast(:rows as jsonb)) as r(id uuid, sync_log_id uuid, contact_id uuid,
        external_id text, side text, kind text, before jsonb, after jsonb, base jsonb, conflict jsonb,
        state text, reason text, error_class text)
    """
)
# The ids come a second time as an array: Postgres takes any JSON for a hundred rows, and for these it would read a
# journal of ten thousand from its beginning to its end, once per request to a provider.
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
        after = coalesce(r.after, c.after),
        attempts = c.attempts + case when r.state = 'intended' then 1 else 0 end
    from jsonb_to_recordset(cast(:rows as jsonb))
        as r(id uuid, state text, reason text, error_class text, external_id text, contact_id uuid, after jsonb)
    where c.id = any(cast(:ids as uuid[])) and c.id = r.id
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
    """What became of a row. `after`: what was written of it, where that is not all that was planned."""

    change_id: UUID
    state: ChangeState
    reason: str = ""
    error_class: str = ""
    external_id: str | None = None
    contact_id: str | None = None
    after: Mapping[str, str] | None = None


def record_changes(connection: Connection, scope: JournalScope, changes: Sequence[Change], state: ChangeState) -> None:
    """Insert one row per change, in this state, under the change's own id."""
    _insert(connection, scope, [_row(change, state, scope) for change in changes])


def record_ends(connection: Connection, scope: JournalScope, ended: Sequence[tuple[Change, StateChange]]) -> None:
    """Insert one row per change with what became of it: for changes that the same transaction makes."""
    _insert(connection, scope, [_row(change, end.state, scope) | _end_of(change, end) for change, end in ended])


def _insert(connection: Connection, scope: JournalScope, rows: Sequence[Mapping[str, Any]]) -> None:
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


def _end_of(change: Change, end: StateChange) -> dict[str, Any]:
    """What an end adds to a change, as `record_states` would."""
    told = {"reason": end.reason or change.reason, "error_class": end.error_class}
    known = {"external_id": end.external_id, "contact_id": end.contact_id}
    return told | {name: value for name, value in known.items() if value is not None}


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
                "after": None if change.after is None else to_json(change.after),
            }
            for change in changes
        ]
        connection.execute(_SET_STATES, {"rows": dump(rows), "ids": [change.change_id for change in changes]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A create or update at the provider that was sent, as it was sent then, and whose answer nobody got."""

    change_id: UUID
    change: Change
    intended_at: datetime


#: Sent to the provider, where nobody knows what became of it.
_IN_DOUBT = "state = 'intended' and kind in ('create', 'update') and side = 'remote' and contact_id is not null"


def close_stale(connection: Connection, connection_id: UUID) -> int:
    """Rows that a dead run left planned or intended are superseded: the world is read and planned anew.

    Under the connection's lock no other run can be at work. Previews stay, and so do creates and
    updates at the provider that may have been carried out: they are looked up first (`changes_in_doubt`). Returns the
    number of the others.
    """
    statement = text(
        "update integration_changes set state = 'superseded', reason = :reason "  # noqa: S608 - a constant
        "where connection_id = :connection_id and state in ('planned', 'intended') "
        f"and run_id is not null and not ({_IN_DOUBT})"
    )
    bound = {"connection_id": connection_id, "reason": STALE}
    return connection.execute(statement, bound).rowcount


def changes_in_doubt(connection: Connection, connection_id: UUID) -> list[Doubt]:
    """Creates and updates at the provider whose answer nobody got, the oldest first; for a run that has the lock."""
    statement = text(
        "select id, kind, contact_id::text, external_id, after, updated_at "  # noqa: S608 - a constant
        "from integration_changes "
        f"where connection_id = :connection_id and {_IN_DOUBT} order by ordinal"
    )
    found = connection.execute(statement, {"connection_id": connection_id})
    return [
        Doubt(
            change_id=row.id,
            change=Change(
                side=Side.REMOTE,
                kind=ChangeKind(row.kind),
                contact_id=row.contact_id,
                external_id=row.external_id if row.kind == ChangeKind.UPDATE.value else None,
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


#: What counts toward a limit per side and day. An empty value is "" or no member.
_IN_LAST_DAY = text(
    """
    with made as (
        select side, run_id, before, after from integration_changes
        where connection_id = :connection_id and state = 'applied' and kind = 'update'
            and updated_at > now() - interval '24 hours'
    )
    select side, case kind when 'delete' then 'held_delete' else 'held_create' end as hold, '' as field, count(*) as n
    from integration_changes
    where connection_id = :connection_id and state = 'applied' and kind in ('create', 'delete')
        and updated_at > now() - interval '24 hours'
        and (kind = 'delete' or updated_at > (
            select min(completed_at) from integration_sync_logs
            where connection_id = :connection_id and status in ('success', 'partial', 'refused')))
    group by side, kind
    union all
    select side, case when e.value in ('""', '[]') then 'held_clear' else 'held_email' end, e.key, count(*)
    from made, jsonb_each(made.after) as e
    where jsonb_typeof(made.after) = 'object' and e.key <> 'email_opt_out'
        and coalesce(made.before -> e.key, '""') not in ('""', '[]')
        and (e.value in ('""', '[]')
            or (e.key = 'email' and integrations_identity_key(e.value #>> '{}')
                <> integrations_identity_key(made.before ->> 'email')
                -- An e-mail that somebody else got in the same run changed hands, and is lost to nobody.
                and integrations_identity_key(made.before ->> 'email') not in (
                    select integrations_identity_key(o.after ->> 'email') from made o
                    where o.run_id = made.run_id and o.side = made.side
                        and o.after ->> 'email' is not null)))
    group by 1, 2, 3
    """
)


def made_in_last_day(connection: Connection, connection_id: UUID) -> dict[tuple[Side, AgendaKind, str], int]:
    """How many deletes, creates (after the first sync), cleared values (per field) and changed e-mails were applied per
    side."""
    found = connection.execute(_IN_LAST_DAY, {"connection_id": connection_id})
    return {(Side(row.side), AgendaKind(row.hold), row.field): row.n for row in found}


#: One look by contact, one among what is not done: of who is nobody yet there is no index by record.
_LAST_ENDS = text(
    """
    with told as (
        select * from integration_changes where contact_id = any(cast(:contact_ids as uuid[]))
        union all
        select * from integration_changes where connection_id = :connection_id and state in ('superseded', 'failed')
            and contact_id is null and external_id = any(cast(:external_ids as text[]))
    )
    select distinct on (side, kind, contact_id, external_id) side, kind, contact_id::text, external_id, before, after,
        state, reason
    from told where connection_id = :connection_id and run_id <> :run_id
    order by side, kind, contact_id, external_id, ordinal desc
    """
)


def superseded_before(
    connection: Connection, scope: JournalScope, changes: Sequence[Change]
) -> dict[tuple[object, ...], str]:
    """`Change.write_key` → why, of those of these writes that came to nothing in the last run that tried them."""
    bound = {
        "connection_id": scope.connection_id,
        "run_id": scope.run_id,
        "contact_ids": [change.contact_id for change in changes if change.contact_id],
        "external_ids": [change.external_id for change in changes if not change.contact_id and change.external_id],
    }
    undone = (ChangeState.SUPERSEDED, ChangeState.FAILED)
    found = connection.execute(_LAST_ENDS, bound)
    return {_change_of(row).write_key: row.reason or "" for row in found if row.state in undone}


def read_plan(connection: Connection, connection_id: UUID, plan_id: UUID) -> list[Change]:
    """The changes of a preview as they were planned; empty if there is no such plan."""
    statement = text(
        "select side, kind, contact_id::text, external_id, before, after, base "
        "from integration_changes where connection_id = :connection_id and plan_id = :plan_id "
        "and state = 'planned' and run_id is null order by side, kind, contact_id, external_id"
    )
    found = connection.execute(statement, {"connection_id": connection_id, "plan_id": plan_id})
    return [replace(_change_of(row), base=from_json(row.base)) for row in found]


def _change_of(row: Row[Any]) -> Change:
    return Change(
        side=Side(row.side),
        kind=ChangeKind(row.kind),
        contact_id=row.contact_id,
        external_id=row.external_id,
        before=from_json(row.before),
        after=from_json(row.after),
    )


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
