"""Old rows of Dagster's own tables: it purges its ticks only, and a fleet writes gigabytes of events a day.

Belongs here: deletes in Dagster's database, by the shape that its tables have in 1.13. Does not: anything of
ours (`retention`). Deleting a run through Dagster would take its materializations along, and with them the
state of its partitions; so here the rows go that no state is made of.

Kept, however old: of each asset, partition and type of event the newest; runs that such an event belongs to
(a planned event without materialization shows as failed only while its run is known); the newest evaluation
of each check.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from integrations_pipeline.store.database import Database

#: Events looked at, or runs deleted, in one transaction.
BATCH = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DagsterRetention:
    """`asset_event_days`: events of assets that newer ones have replaced. `run_days`: runs, their other events,
    backfills, evaluations of checks, ticks."""

    asset_event_days: int = 7
    run_days: int = 30


_OVER = "('SUCCESS', 'FAILURE', 'CANCELED')"
#: A window of ids at a time: what is kept is not looked at twice.
_EVENTS = text(
    f"""
    with looked_at as (
        select id, run_id, asset_key, dagster_event_type, partition, timestamp from event_logs
        where id > :after and timestamp < cast(:assets_until as timestamptz) at time zone 'utc'
        order by id limit :batch
    ), gone as (
        delete from event_logs e using looked_at o
        where e.id = o.id
            and (o.asset_key is not null or o.timestamp < cast(:runs_until as timestamptz) at time zone 'utc')
            and (o.asset_key is null or exists (
                select from event_logs n
                where n.asset_key = o.asset_key and n.dagster_event_type = o.dagster_event_type
                    and n.partition = o.partition and n.id > o.id
            ) or (o.partition is null and exists (
                select from event_logs n
                where n.asset_key = o.asset_key and n.dagster_event_type = o.dagster_event_type
                    and n.partition is null and n.id > o.id
            )))
            and not exists (select from runs r where r.run_id = o.run_id and r.status not in {_OVER})
        returning e.id
    ), tags as (
        delete from asset_event_tags t using gone where t.event_id = gone.id
    )
    select (select max(id) from looked_at) as last_id, (select count(*) from gone) as gone
    """  # noqa: S608 - built from constants only
)
_RUNS = text(
    f"""
    delete from runs where id in (
        select r.id from runs r
        where r.status in {_OVER} and r.update_timestamp < cast(:runs_until as timestamptz) at time zone 'utc'
            and not exists (select from event_logs e where e.run_id = r.run_id)
        limit :batch)
    """  # noqa: S608 - built from constants only
)
_CHECKS = text(
    """
    delete from asset_check_executions where id in (
        select o.id from asset_check_executions o
        where o.create_timestamp < cast(:runs_until as timestamptz) at time zone 'utc' and exists (
            select from asset_check_executions n
            where n.asset_key = o.asset_key and n.check_name = o.check_name
                and n.partition is not distinct from o.partition and n.id > o.id)
        limit :batch)
    """
)
_BACKFILLS = text(
    """
    with gone as (
        delete from bulk_actions where id in (
            select id from bulk_actions
            where status not in ('REQUESTED', 'CANCELING', 'FAILING')
                and timestamp < cast(:runs_until as timestamptz) at time zone 'utc'
            limit :batch)
        returning key
    ), tags as (
        delete from backfill_tags t using gone where t.backfill_id = gone.key
    )
    select count(*) from gone
    """
)
_TICKS = text(
    """
    delete from job_ticks where id in (
        select id from job_ticks where timestamp < cast(:runs_until as timestamptz) at time zone 'utc' limit :batch)
    """
)


def trim(database: Database, now: datetime, keep: DagsterRetention | None = None, batch: int = BATCH) -> dict[str, int]:
    """Delete what is older than told; returns how many rows went of each kind. `database` is Dagster's."""
    keep = keep or DagsterRetention()
    bound = {
        "assets_until": now - timedelta(days=keep.asset_event_days),
        "runs_until": now - timedelta(days=keep.run_days),
        "batch": batch,
    }
    return {
        "events": _trim_events(database, bound),
        "runs": _repeat(database, _RUNS, bound),
        "checks": _repeat(database, _CHECKS, bound),
        "backfills": _repeat(database, _BACKFILLS, bound, is_counting=True),
        "ticks": _repeat(database, _TICKS, bound),
    }


def _trim_events(database: Database, bound: Mapping[str, Any]) -> int:
    after, total = 0, 0
    while True:
        with database.admin() as connection:
            row = connection.execute(_EVENTS, {**bound, "after": after}).one()
        total += int(row.gone)
        if row.last_id is None:
            return total
        after = row.last_id


def _repeat(database: Database, statement: Any, bound: Mapping[str, Any], *, is_counting: bool = False) -> int:
    total = 0
    while True:
        with database.admin() as connection:
            result = connection.execute(statement, bound)
            gone = int(result.scalar_one()) if is_counting else result.rowcount
        total += gone
        if gone < bound["batch"]:
            return total
