"""The sensors: partitions follow the workspaces table; due connections start runs.

Belongs here: what a tick asks for, each with a pure function that decides. Does not: syncing.
"""

from collections.abc import Collection, Sequence

import dagster as dg

from integrations_pipeline.orchestration.assets import ONLY_DUE
from integrations_pipeline.orchestration.jobs import job_name
from integrations_pipeline.orchestration.partitions import (
    RANGE_START,
    WORKSPACES_NAME,
    follow_workspaces,
    range_tags,
    shards,
)
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.providers.base import ProviderSpec

TICK_SECONDS = 60
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
    description="Keeps one partition per row of the table `workspaces`.",
)
def workspace_partitions_sensor(context: dg.SensorEvaluationContext, sync: SyncResource) -> dg.SkipReason:
    added, removed = follow_workspaces(context.instance, sync.workspace_slugs())
    return dg.SkipReason(f"{added} partitions added, {removed} removed")


def due_shards(partitions: Sequence[str], due: Collection[str], busy: Collection[str]) -> list[Sequence[str]]:
    """The shards to run: those with somebody due, cut to the range from the first to the last who is.

    A shard is left out while a run that began with one of its partitions is unfinished.
    """
    chosen = []
    for shard in shards(partitions):
        wanted = [i for i, key in enumerate(shard) if key in due]
        if wanted and not any(key in busy for key in shard):
            chosen.append(shard[wanted[0] : wanted[-1] + 1])
    return chosen


def build_due_sensor(spec: ProviderSpec) -> dg.SensorDefinition:
    """Starts a run per shard that has connections of this provider due."""

    @dg.sensor(
        name=f"{spec.name}_due",
        job_name=job_name(spec.name),
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts syncs of {spec.title} connections whose next_sync_at has come.",
    )
    def due_sensor(context: dg.SensorEvaluationContext, sync: SyncResource) -> dg.SensorResult | dg.SkipReason:
        due = {found.workspace_slug for found in sync.due() if found.integration_type == spec.name}
        partitions = context.instance.get_dynamic_partitions(WORKSPACES_NAME)
        busy = unfinished_starts(context.instance, job_name(spec.name))
        chosen = due_shards(partitions, due, busy)
        if not chosen:
            return dg.SkipReason(f"{len(due)} connections due, none to start")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(tags={**range_tags(shard), ONLY_DUE: "true"}) for shard in chosen]
        )

    return due_sensor


def unfinished_starts(instance: dg.DagsterInstance, name: str) -> set[str]:
    """First partitions of the unfinished runs of a job."""
    runs = instance.get_runs(dg.RunsFilter(job_name=name, statuses=_UNFINISHED))
    return {run.tags[RANGE_START] for run in runs if RANGE_START in run.tags}
