"""What became of an alert at each destination: taken up, sent, to be tried again, given up.

Belongs here: statements on `integration_alert_deliveries`. Does not: when to try again and when to give up
(`alerts.sending`). A destination is named by the hash of its address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, text


class DeliveryState(StrEnum):
    """Of one alert at one destination."""

    TRYING = "trying"
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The oldest alert that a destination does not have, and how far it came there."""

    alert_id: UUID
    kind: str
    said: str
    text: str
    created_at: datetime
    state: DeliveryState
    attempts: int
    is_doubtful: bool
    tried_at: datetime | None
    next_try_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a try came to. `next_try_at` only for one that waits."""

    state: DeliveryState
    is_doubtful: bool = False
    reason: str | None = None
    next_try_at: datetime | None = None


def try_lock(connection: Connection, destination: str) -> bool:
    """Whether nobody else takes an alert for this destination now; until the transaction ends."""
    statement = text("select pg_try_advisory_xact_lock(hashtextextended('alerts to ' || :destination, 0))")
    return bool(connection.execute(statement, {"destination": destination}).scalar())


def find_next(connection: Connection, destination: str) -> Delivery | None:
    """The first in the order of writing: an alert never overtakes another."""
    statement = text(
        "select a.id as alert_id, a.kind, a.said, a.text, a.created_at, coalesce(d.state, 'waiting') as state, "
        "coalesce(d.attempts, 0) as attempts, coalesce(d.is_doubtful, false) as is_doubtful, "
        "d.tried_at, d.next_try_at "
        "from integration_alerts a "
        "left join integration_alert_deliveries d on d.alert_id = a.id and d.destination = :destination "
        "where a.state = 'waiting' and coalesce(d.state, 'waiting') in ('waiting', 'trying') "
        "order by a.ordinal limit 1 for update of a"
    )
    row = connection.execute(statement, {"destination": destination}).one_or_none()
    return None if row is None else Delivery(**{**row._mapping, "state": DeliveryState(row.state)})


def begin(connection: Connection, delivery: Delivery, destination: str, now: datetime, *, is_doubtful: bool) -> None:
    """Write down that it is being tried, before anything leaves."""
    statement = text(
        "insert into integration_alert_deliveries as d "
        "(alert_id, destination, state, attempts, is_doubtful, tried_at) "
        "values (:alert_id, :destination, 'trying', 1, :is_doubtful, :now) "
        "on conflict (alert_id, destination) do update set state = 'trying', attempts = d.attempts + 1, "
        "is_doubtful = excluded.is_doubtful, tried_at = excluded.tried_at, next_try_at = null"
    )
    bound = {"alert_id": delivery.alert_id, "destination": destination, "is_doubtful": is_doubtful, "now": now}
    connection.execute(statement, bound)


def settle(connection: Connection, alert_id: UUID, destination: str, settled: Settled) -> None:
    """Write down what it came to. An alert that is gone with its connection meanwhile is no trouble."""
    statement = text(
        "update integration_alert_deliveries set state = :state, is_doubtful = :is_doubtful, reason = :reason, "
        "next_try_at = :next_try_at where alert_id = :alert_id and destination = :destination"
    )
    connection.execute(
        statement,
        {
            "alert_id": alert_id,
            "destination": destination,
            "state": settled.state.value,
            "is_doubtful": settled.is_doubtful,
            "reason": settled.reason,
            "next_try_at": settled.next_try_at,
        },
    )


def close_done(connection: Connection, destinations: Sequence[str], now: datetime) -> None:
    """End alerts that every destination of now has, or was given up at; without destinations there are none."""
    statement = text(
        "update integration_alerts a set state = case when done.failed then 'failed' else 'sent' end, "
        "sent_at = case when done.sent then cast(:now as timestamptz) end from ("
        "select d.alert_id, bool_or(d.state = 'failed') as failed, bool_or(d.state = 'sent') as sent "
        "from integration_alert_deliveries d join integration_alerts w on w.id = d.alert_id and w.state = 'waiting' "
        "where d.destination = any(:destinations) and d.state in ('sent', 'failed') "
        "group by d.alert_id having count(*) = cardinality(:destinations)) done "
        "where a.id = done.alert_id and a.state = 'waiting'"
    )
    if destinations:
        connection.execute(statement, {"destinations": list(destinations), "now": now})


def close_idle(connection: Connection, destinations: Sequence[str], until: datetime) -> None:
    """End alerts that were written before then and are being tried at no destination of now: `failed` where there are
    some, of which one was never come to, `listed` where there are none."""
    statement = text(
        "update integration_alerts a set state = :state where a.state = 'waiting' and a.created_at < :until "
        "and not exists (select from integration_alert_deliveries d "
        "where d.alert_id = a.id and d.destination = any(cast(:destinations as text[])) "
        "and d.state in ('waiting', 'trying'))"
    )
    state = "failed" if destinations else "listed"
    connection.execute(statement, {"state": state, "until": until, "destinations": list(destinations)})
