"""What is asked and done across workspaces: who is due, which runs died, closing what those left open.

Belongs here: the scheduler's and the caretaker's statements; the ones that cross workspaces are functions of
the database, listed in migration 0002. Does not: when they are asked (`orchestration`), how things are
(`health`), what may go (`retention`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.model import COUNT_NAMES
from integrations_pipeline.store import changes, connections, sync_log
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.sync_log import Activity

#: How a session that works for a run is named in Postgres, followed by the run's id (`sync.run`).
RUN_PREFIX = "run "


_DONE = " + ".join(f"l.{name}" for name in COUNT_NAMES if name != "records_unchanged")
_CANDIDATE = text(
    f"""
    select w.id as workspace_id, c.id as connection_id, c.status, c.sync_enabled, c.error_count, c.next_sync_at,
        c.error_message, c.last_full_at, integrations_spread(c.id) as share, coalesce((
            select count(*) = 2 and count(distinct l.run_id) = 1 and bool_and(
                l.status = 'success' and l.dagster_run_id is not null and l.errors = '[]' and {_DONE} = 0)
            from (
                select * from integration_sync_logs where connection_id = c.id order by started_at desc limit 2) l
        ), false) as was_quiet
    from workspaces w left join integration_connections c on c.workspace_id = w.id and c.integration_type = :type
    where w.slug = :slug
    """  # noqa: S608 - built from constants only
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueConnection:
    """A connection whose next sync has come; `due_since` is known also for one that was never synced."""

    workspace_slug: str
    integration_type: str
    next_sync_at: datetime | None
    due_since: datetime
    frequency_minutes: int


def due_connections(
    connection: Connection, now: datetime, limit: int, integration_type: str | None = None
) -> list[DueConnection]:
    """Enabled connections whose time has come and on which no run works, across workspaces: active ones, and those in
    `error` that have their daily try."""
    statement = text(
        "select workspace_slug, integration_type, next_sync_at, due_since, sync_frequency_minutes "
        "from integrations_due_connections(:now, :limit, :type)"
    )
    found = connection.execute(statement, {"now": now, "limit": limit, "type": integration_type})
    return [
        DueConnection(
            workspace_slug=row[0],
            integration_type=row[1],
            next_sync_at=row[2],
            due_since=row[3],
            frequency_minutes=row[4],
        )
        for row in found
    ]


def connected_workspaces(connection: Connection) -> dict[str, list[str]]:
    """Provider → slugs of the workspaces that have a connection of it, enabled or not."""
    statement = text(
        "select c.integration_type, w.slug from integration_connections c join workspaces w on w.id = c.workspace_id "
        "order by w.slug"
    )
    found: dict[str, dict[str, None]] = {}
    for integration_type, slug in connection.execute(statement):
        found.setdefault(integration_type, {})[slug] = None
    return {integration_type: list(slugs) for integration_type, slugs in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A workspace that is to be synced, and its connection as it is now; without one the rest is None.

    `share`: the connection's own number in [0, 1), always the same (`integrations_spread`). `was_quiet`: its last run
    was one of Dagster's, went both ways, and found nothing to do.
    """

    workspace_id: UUID
    connection_id: UUID | None
    status: str | None
    sync_enabled: bool | None
    error_count: int | None
    next_sync_at: datetime | None
    error_message: str | None = None
    last_full_at: datetime | None = None
    share: float | None = None
    was_quiet: bool = False


def read_candidate(connection: Connection, slug: str, integration_type: str) -> Candidate | None:
    """The workspace with this slug, or None if there is none (any more)."""
    row = connection.execute(_CANDIDATE, {"slug": slug, "type": integration_type}).one_or_none()
    return Candidate(**row._mapping) if row else None


def emails_of(connection: Connection, contact_ids: Collection[str]) -> dict[str, str]:
    """Contact id → e-mail, of those that have one, deleted contacts too; to be masked before it is shown."""
    statement = text(
        "select id::text, email from workspace_contacts where id = any(cast(:ids as uuid[])) and email <> ''"
    )
    return (
        {row[0]: row[1] for row in connection.execute(statement, {"ids": sorted(contact_ids)})} if contact_ids else {}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run of one connection whose log rows are open; `dagster_run_id` is None outside Dagster."""

    workspace_id: UUID
    workspace_slug: str
    connection_id: UUID
    integration_type: str
    run_id: UUID | None
    dagster_run_id: str | None


def open_runs(connection: Connection) -> list[OpenRun]:
    """Runs that are at work, and those that died without closing their rows; oldest first."""
    statement = text(
        "select workspace_id, workspace_slug, connection_id, integration_type, run_id, dagster_run_id "
        "from integrations_open_runs()"
    )
    return [OpenRun(**row._mapping) for row in connection.execute(statement)]


def close_lost(database: Database, lost: OpenRun, reason: str) -> bool:
    """Close what a dead run left open, and count it as a failed run of its connection.

    A run holds its connection's lock until after it has closed its rows, and can write nothing once the lock
    is gone. So the lock decides: while anybody holds it, nothing is done and False comes back, also when
    there is nothing open any more.
    """
    with database.session(lost.workspace_id) as session:
        if not session.try_lock(lost.connection_id, "closing a lost run"):
            return False
        with session.begin() as connection:
            closed = sync_log.close_abandoned(connection, lost.connection_id, reason)
            if closed:
                changes.close_stale(connection, lost.connection_id)
                status = connections.record_failure(connection, lost.connection_id, reason)
                sync_log.record_activity(connection, lost.workspace_id, _lost_activity(lost, reason, status))
    return bool(closed)


def _lost_activity(lost: OpenRun, reason: str, status: str | None) -> Activity:
    return Activity(
        integration_name=lost.integration_type,
        action="sync_failed",
        success=False,
        error_message=reason,
        metadata={"status": status, "run_id": str(lost.run_id), "dagster_run_id": lost.dagster_run_id},
    )


def living_runs(connection: Connection) -> set[str]:
    """Ids of the runs, Dagster's where one started them, that have a session in this database now."""
    statement = text(
        "select distinct substr(application_name, :length + 1) from pg_stat_activity "
        "where datname = current_database() and starts_with(application_name, :prefix)"
    )
    return set(connection.execute(statement, {"prefix": RUN_PREFIX, "length": len(RUN_PREFIX)}).scalars())
