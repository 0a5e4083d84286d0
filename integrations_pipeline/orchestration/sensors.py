"""The sensors that start work: partitions follow the connections; due connections start runs.

Belongs here: what a tick asks for, in Dagster's terms. Does not: the decision (`due`), syncing.
"""

from datetime import UTC, datetime

import dagster as dg

from integrations_pipeline.orchestration.due import LAUNCHES_SINCE, FailedLaunch, PendingRun, due_ranges
from integrations_pipeline.orchestration.jobs import AUTOMATIC, job_name
from integrations_pipeline.orchestration.partitions import (
    ONLY_DUE,
    RANGE_END,
    RANGE_START,
    SINGLE,
    follow_connections,
    range_tags,
    set_name,
)
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.store import fleet

TICK_SECONDS = 60
#: More than a fleet has; a limit all the same, so that a fault cannot fill the memory.
MAX_DUE = 200_000
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    name="workspace_partitions",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps, per provider, one partition per workspace that has a connection of it.",
)
def workspace_partitions_sensor(context: dg.SensorEvaluationContext, sync: SyncResource) -> dg.SkipReason:
    added, removed = follow_connections(context.instance, sync.connected_workspaces())
    return dg.SkipReason(f"{added} partitions added, {removed} removed")


def build_due_sensor(spec: ProviderSpec) -> dg.SensorDefinition:
    """Starts a run per shard that has connections of this provider due."""

    @dg.sensor(
        name=f"{spec.name}_due",
        job_name=job_name(spec.name),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts syncs of {spec.title} connections whose next_sync_at has come, many in one run.",
    )
    def due_sensor(context: dg.SensorEvaluationContext, sync: SyncResource) -> dg.SensorResult | dg.SkipReason:
        with sync.runtime() as runtime, runtime.database.admin() as connection:
            now = runtime.clock()
            due = fleet.due_connections(connection, now, MAX_DUE, spec.name)
        partitions = context.instance.get_dynamic_partitions(set_name(spec.name)) if due else []
        pending = pending_runs(context.instance, spec.name) if due else []
        failed = failed_launches(context.instance, spec.name, now) if due else []
        chosen = due_ranges(partitions, due, pending, now, failed)
        if not chosen:
            tried = f", {len(failed)} launches failed lately" if failed else ""
            return dg.SkipReason(f"{len(due)} connections due, {len(pending)} runs pending{tried}, none to start")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(tags={**range_tags(shard), ONLY_DUE: "true", **AUTOMATIC}) for shard in chosen]
        )

    return due_sensor


def pending_runs(instance: dg.DagsterInstance, provider: str) -> list[PendingRun]:
    """Runs that sync with this provider and are not over, whoever asked for them: also a person's backfill."""
    records = instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED))
    return [
        PendingRun(
            first=_ends(record)[0],
            last=_ends(record)[1],
            began_at=datetime.fromtimestamp(record.start_time, UTC) if record.start_time else None,
        )
        for record in records
        if _is_of(record.dagster_run, provider)
    ]


def failed_launches(instance: dg.DagsterInstance, provider: str, now: datetime) -> list[FailedLaunch]:
    """Runs of the provider's job that ended before they began: their process could not be started, or not in time."""
    records = instance.get_run_records(
        dg.RunsFilter(
            job_name=job_name(provider),
            statuses=[dg.DagsterRunStatus.FAILURE],
            updated_after=now - LAUNCHES_SINCE,
        )
    )
    return [
        FailedLaunch(
            first=_ends(record)[0],
            last=_ends(record)[1],
            at=datetime.fromtimestamp(record.end_time or record.create_timestamp.timestamp(), UTC),
        )
        for record in records
        if not record.start_time
    ]


def _ends(record: dg.RunRecord) -> tuple[str, str]:
    """The first and last partition of a run."""
    tags = record.dagster_run.tags
    single = tags.get(SINGLE, "")
    return tags.get(RANGE_START) or single, tags.get(RANGE_END) or single


def _is_of(run: dg.DagsterRun, provider: str) -> bool:
    """By its job, or, for what a person starts in the asset pages, by its assets.

    The job for all providers has no range: it takes who is free, and the lock keeps order.
    """
    selected = run.asset_selection or frozenset()
    return run.job_name == job_name(provider) or any(key.path[0] == provider for key in selected)
