"""What runs did: `integration_sync_logs`, opened before the work and closed after it, and activity.

Belongs here: statements on these two tables. Does not: the counts themselves (`engine.tally`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.model import COUNT_NAMES, Direction, RunStatus, SyncResult
from integrations_pipeline.store.rows import dump

#: More than this many error lines are counted, not kept.
MAX_ERRORS = 100
#: Of a column `integer`.
MOST_INTEGER = 2_147_483_647
_OPEN = text(
    """
    insert into integration_sync_logs
        (workspace_id, connection_id, direction, run_id, dagster_run_id, status, metadata, started_at)
    select :workspace_id, :connection_id, direction, :run_id, :dagster_run_id, 'running', cast(:metadata as jsonb),
        clock_timestamp()
    from unnest(cast(:directions as text[])) as direction
    returning direction, id
    """
)
_CLOSE = text(
    f"""
    update integration_sync_logs l set
        {", ".join(f"{name} = told.{name}" for name in COUNT_NAMES)},
        errors = told.errors, status = told.status, api_calls = told.api_calls,
        metadata = l.metadata || told.metadata, completed_at = clock_timestamp(),
        duration_ms = least(2147483647, extract(epoch from clock_timestamp() - l.started_at) * 1000)::integer
    from jsonb_to_recordset(cast(:ends as jsonb)) as told (
        id uuid, {", ".join(f"{name} integer" for name in COUNT_NAMES)},
        errors jsonb, status text, api_calls integer, metadata jsonb)
    where l.id = told.id
    """  # noqa: S608 - built from constants only
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEnd:
    """How a direction of a run ended."""

    status: RunStatus
    counts: Mapping[str, int] = field(default_factory=dict)
    errors: Sequence[str] = ()
    api_calls: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStart:
    """Whose run it is, and which of its directions."""

    workspace_id: UUID
    connection_id: UUID
    direction: Direction
    run_id: UUID
    dagster_run_id: str | None = None


def open_log(connection: Connection, start: LogStart) -> UUID:
    """Open the row of one direction of a run; it says `running` until it is closed."""
    return open_logs(connection, start, [start.direction])[start.direction]


def open_logs(connection: Connection, start: LogStart, directions: Sequence[Direction]) -> dict[Direction, UUID]:
    """`open_log` for each of these directions, in one statement; the one that `start` tells does not count."""
    # Dagster's pages have this path below whatever address its UI has.
    link = {"dagster_run": f"/runs/{start.dagster_run_id}"} if start.dagster_run_id else {}
    bound = {
        "workspace_id": start.workspace_id,
        "connection_id": start.connection_id,
        "run_id": start.run_id,
        "dagster_run_id": start.dagster_run_id,
        "metadata": dump(link),
        "directions": [direction.value for direction in directions],
    }
    found = {row.direction: row.id for row in connection.execute(_OPEN, bound)}
    return {direction: found[direction.value] for direction in directions}


def close_log(connection: Connection, log_id: UUID, end: LogEnd) -> None:
    close_logs(connection, {log_id: end})


def close_logs(connection: Connection, ends: Mapping[UUID, LogEnd]) -> None:
    """Close these rows, in one statement."""
    rows = [
        {
            "id": str(log_id),
            "status": end.status.value,
            "errors": _shortened(end.errors),
            "api_calls": end.api_calls,
            "metadata": dict(end.metadata),
            **{name: end.counts.get(name, 0) for name in COUNT_NAMES},
        }
        for log_id, end in ends.items()
    ]
    connection.execute(_CLOSE, {"ends": dump(rows)})


def record_result(connection: Connection, workspace_id: UUID, connection_id: UUID, result: SyncResult) -> None:
    """The row of a sync that is over and was no run of ours: one, whatever its direction, with its own times and
    without a run id, since there is no journal of it. Its status follows from success and failed records."""
    status = RunStatus.SUCCESS if result.success else RunStatus.FAILED
    status = RunStatus.PARTIAL if result.success and result.records_failed else status
    statement = text(
        "insert into integration_sync_logs (workspace_id, connection_id, direction, status, metadata, errors, "  # noqa: S608
        f"started_at, completed_at, duration_ms, {', '.join(COUNT_NAMES)}) values (:workspace_id, :connection_id, "
        ":direction, :status, cast(:metadata as jsonb), cast(:errors as jsonb), :started_at, "
        f":completed_at, :duration_ms, {', '.join(f':{name}' for name in COUNT_NAMES)})"
    )
    connection.execute(
        statement,
        {
            "workspace_id": workspace_id,
            "connection_id": connection_id,
            "direction": Direction(result.direction).value,
            "status": status.value,
            "metadata": dump(dict(result.metadata)),
            "errors": dump(_shortened(result.errors)),
            "started_at": result.started_at,
            "completed_at": result.completed_at,
            "duration_ms": min(result.duration_ms, MOST_INTEGER),
            **{name: min(max(getattr(result, name), 0), MOST_INTEGER) for name in COUNT_NAMES},
        },
    )


def _shortened(errors: Sequence[str]) -> list[str]:
    more = [f"and {len(errors) - MAX_ERRORS} more"] if len(errors) > MAX_ERRORS else []
    return [*errors[:MAX_ERRORS], *more]


def close_abandoned(connection: Connection, connection_id: UUID, reason: str) -> int:
    """Close rows that a dead run left open, with the counts that the journal knows; how many calls it made is not
    known, hence `abandoned`. Only under the connection's lock: then nobody is at work."""
    statement = text(
        "update integration_sync_logs l set status = 'failed', completed_at = clock_timestamp(), "
        "errors = errors || to_jsonb(cast(:reason as text)), "
        "metadata = metadata || jsonb_build_object('abandoned', true), "
        "duration_ms = least(2147483647, extract(epoch from clock_timestamp() - started_at) * 1000)::integer, "
        "records_created = done.created, records_updated = done.updated, records_deleted = done.deleted, "
        "records_failed = done.failed from (select o.id, "
        "count(*) filter (where j.state = 'applied' and j.kind = 'create') as created, "
        "count(*) filter (where j.state = 'applied' and j.kind = 'update') as updated, "
        "count(*) filter (where j.state = 'applied' and j.kind = 'delete') as deleted, "
        "count(*) filter (where j.state = 'failed') as failed from integration_sync_logs o "
        "left join integration_changes j on j.sync_log_id = o.id where o.connection_id = :connection_id "
        "and o.completed_at is null and o.status = 'running' group by o.id) done where l.id = done.id"
    )
    return connection.execute(statement, {"connection_id": connection_id, "reason": reason}).rowcount


def list_logs(connection: Connection, workspace_id: UUID, limit: int = 50) -> list[dict[str, Any]]:
    """Log rows of a workspace with the provider's name, newest first."""
    statement = text(
        "select l.*, i.integration_type from integration_sync_logs l "
        "join integration_connections i on i.id = l.connection_id "
        "where l.workspace_id = :workspace_id order by l.started_at desc, l.direction limit :limit"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "limit": limit})
    return [dict(row._mapping) for row in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One row of `integration_activity`; `metadata` holds no personal data."""

    integration_name: str
    action: str
    success: bool
    records_affected: int = 0
    error_message: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def record_activity(connection: Connection, workspace_id: UUID, activity: Activity) -> None:
    statement = text(
        "insert into integration_activity "
        "(workspace_id, integration_name, action, success, records_affected, error_message, metadata) values "
        "(:workspace_id, :integration_name, :action, :success, :records_affected, :error_message, "
        "cast(:metadata as jsonb))"
    )
    connection.execute(
        statement,
        {
            "workspace_id": workspace_id,
            "integration_name": activity.integration_name,
            "action": activity.action,
            "success": activity.success,
            "records_affected": activity.records_affected,
            "error_message": activity.error_message,
            "metadata": dump(dict(activity.metadata)),
        },
    )
