"""The outbox of alerts: how the fleet is, what was last told of it, and what is to be told.

Belongs here: statements on `integration_alerts`, and the question that alerts are decided from. Does not: the decision
(`alerts.decision`), what became of an alert at each destination (`deliveries`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, text

from integrations_pipeline.store.database import Database

#: Any fixed number; it only has to differ from other applications' advisory locks in this database.
_LOCK = 4_702_111_234_474_983_746
KEEP_DAYS = 90
BATCH = 5_000


class Kind(StrEnum):
    """What of a connection is told by state."""

    CONNECTION = "connection"  # in error, disconnected, active again
    STALE = "stale"
    HOLDS = "holds"
    CONFLICTS = "conflicts"
    FIELDS = "fields"
    CERTIFICATE = "certificate"


class State(StrEnum):
    """What became of an alert."""

    WAITING = "waiting"
    SENT = "sent"  # every destination took it
    FAILED = "failed"  # at least one did not, for a day
    SUMMED = "summed"  # told by a line for the fleet
    LISTED = "listed"  # nobody to send it to


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """How one connection is now.

    `silent_for`: how long a success is waited for. `conflicts`: those open for longer than was asked. `is_certified`:
    what its last certificate said, None without one.
    """

    connection_id: UUID
    workspace_id: UUID
    workspace_slug: str
    integration_type: str
    status: str
    sync_enabled: bool
    frequency_minutes: int
    error_count: int
    silent_for: timedelta
    held: int
    conflicts: int
    stopped_fields: tuple[str, ...]
    is_certified: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was last told of one kind; `said` is "" for "as it should be", which also holds before anything was told."""

    said: str = ""
    amount: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """An alert to be written. Without a connection it is the fleet's; `is_summed`: another one tells it."""

    kind: Kind
    said: str
    amount: int
    text: str
    workspace_id: UUID | None = None
    connection_id: UUID | None = None
    is_summed: bool = False


def try_lock(connection: Connection) -> bool:
    """Whether this transaction is the only one that decides what is to be told; until it ends."""
    return bool(connection.execute(text("select pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar())


_WATCHED = text(
    """
    with waiting as (
        select connection_id,
            count(*) filter (where starts_with(kind, 'held_')) as held,
            count(*) filter (where kind = 'conflict' and created_at < :aged) as conflicts,
            array_agg(distinct field order by field) filter (where kind = 'stopped_field' and field is not null)
                as stopped_fields
        from integration_agenda
        where kind <> 'retry' and decision is null
        group by connection_id
    ), certificate as (
        select distinct on (workspace_id, integration_name) workspace_id, integration_name, success
        from integration_activity
        where action = 'verify'
        order by workspace_id, integration_name, created_at desc
    )
    select c.id as connection_id, c.workspace_id, w.slug as workspace_slug, c.integration_type, c.status,
        c.sync_enabled, c.sync_frequency_minutes as frequency_minutes, c.error_count,
        cast(:now as timestamptz) - case when c.next_sync_at is null then c.updated_at
            else coalesce(c.last_sync_at, c.created_at) end as silent_for,
        coalesce(a.held, 0) as held, coalesce(a.conflicts, 0) as conflicts,
        coalesce(a.stopped_fields, '{}') as stopped_fields, v.success as is_certified
    from integration_connections c
    join workspaces w on w.id = c.workspace_id
    left join waiting a on a.connection_id = c.id
    left join certificate v on v.workspace_id = c.workspace_id and v.integration_name = c.integration_type
    order by w.slug, c.integration_type
    """
)


def read_fleet(connection: Connection, now: datetime, conflict_age: timedelta) -> list[Watched]:
    """Every connection, in one question. Conflicts count that are open for longer than that."""
    found = connection.execute(_WATCHED, {"now": now, "aged": now - conflict_age})
    return [Watched(**{**row._mapping, "stopped_fields": tuple(row.stopped_fields)}) for row in found]


def read_told(connection: Connection) -> dict[tuple[UUID, str], Told]:
    """What was last told, by connection and kind."""
    statement = text(
        "select distinct on (connection_id, kind) connection_id, kind, said, amount from integration_alerts "
        "where connection_id is not null order by connection_id, kind, ordinal desc"
    )
    found = connection.execute(statement)
    return {(row.connection_id, row.kind): Told(said=row.said, amount=row.amount) for row in found}


def write(connection: Connection, alerts: Sequence[NewAlert], now: datetime) -> None:
    """Write them in this order, which is the order of sending."""
    from integrations_pipeline.store.tables import INTEGRATION_ALERTS  # noqa: PLC0415 - takes long, and lists do without

    rows = [
        {
            "workspace_id": alert.workspace_id,
            "connection_id": alert.connection_id,
            "kind": alert.kind.value,
            "said": alert.said,
            "amount": alert.amount,
            "text": alert.text,
            "state": (State.SUMMED if alert.is_summed else State.WAITING).value,
            "created_at": now,
        }
        for alert in alerts
    ]
    if rows:
        connection.execute(insert(INTEGRATION_ALERTS), rows)  # many at a time, unlike a text


def list_alerts(connection: Connection, workspace_id: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Alerts, newest first, of one workspace or of all; with the last reason why one could not be sent."""
    statement = text(
        "select a.id, w.slug as workspace, c.integration_type as provider, a.kind, a.text, a.state, a.created_at, "
        "a.sent_at, (select d.reason from integration_alert_deliveries d where d.alert_id = a.id "
        "and d.state in ('waiting', 'failed') and a.state in ('waiting', 'failed') "
        "order by d.tried_at desc limit 1) as reason "
        "from integration_alerts a left join workspaces w on w.id = a.workspace_id "
        "left join integration_connections c on c.id = a.connection_id "
        "where cast(:workspace_id as uuid) is null or a.workspace_id = :workspace_id "
        "order by a.ordinal desc limit :limit"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "limit": limit})
    return [dict(row._mapping) for row in found]


def count_undelivered(connection: Connection, since: datetime) -> Mapping[str, int]:
    """How many alerts wait although they were tried, and how many were given up since then."""
    statement = text(
        "select count(*) filter (where state = 'waiting' and exists (select from integration_alert_deliveries d "
        "where d.alert_id = a.id and d.state = 'waiting')) as waiting, "
        "count(*) filter (where state = 'failed') as failed "
        "from integration_alerts a where state in ('waiting', 'failed') and created_at >= :since"
    )
    row = connection.execute(statement, {"since": since}).one()
    return {"waiting": row.waiting, "failed": row.failed}


def trim(database: Database, now: datetime, batch: int = BATCH) -> int:
    """Delete alerts that are over and old, in batches; what was last told of each connection and kind stays."""
    statement = text(
        "delete from integration_alerts where id in (select a.id from integration_alerts a "
        "where a.created_at < :until and a.state <> 'waiting' and (a.connection_id is null or exists ("
        "select from integration_alerts newer where newer.connection_id = a.connection_id and newer.kind = a.kind "
        "and newer.ordinal > a.ordinal)) limit :batch)"
    )
    total = 0
    while True:
        with database.admin() as connection:
            gone = connection.execute(statement, {"until": now - timedelta(days=KEEP_DAYS), "batch": batch}).rowcount
        total += gone
        if gone < batch:
            return total
