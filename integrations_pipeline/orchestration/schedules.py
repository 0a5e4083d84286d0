"""The schedules: a nightly reconciliation in slices, checks. Belongs here: when. Does not: what (`jobs`)."""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from integrations_pipeline.orchestration.batch import FULL
from integrations_pipeline.orchestration.jobs import HEALTH_JOB, job_name
from integrations_pipeline.orchestration.partitions import range_tags, set_name, shards
from integrations_pipeline.providers.base import ProviderSpec

#: Every ten minutes from one to five, UTC: each time the next slice of the fleet.
NIGHTLY = "*/10 1-4 * * *"
SLICES = 24
#: Between the ticks of the reconciliation.
HEALTH = "5-59/10 * * * *"

health_schedule = dg.ScheduleDefinition(
    name=HEALTH_JOB,
    job_name=HEALTH_JOB,
    cron_schedule=HEALTH,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks at all connections every ten minutes.",
)


def build_reconciliation(spec: ProviderSpec) -> dg.ScheduleDefinition:
    """Reads everything once a night: finds what a change feed or a filter cannot tell, such as deletes."""

    @dg.schedule(
        name=f"{spec.name}_reconciliation",
        job_name=job_name(spec.name),
        cron_schedule=NIGHTLY,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Compares every {spec.title} contact with the base, each workspace once a night.",
    )
    def reconciliation(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        partitions = context.instance.get_dynamic_partitions(set_name(spec.name))
        requests = reconciliation_requests(spec.name, partitions, context.scheduled_execution_time)
        return requests or dg.SkipReason("no workspaces in this slice of the night")

    return reconciliation


def reconciliation_requests(provider: str, partitions: Sequence[str], when: datetime) -> list[dg.RunRequest]:
    """One request per shard of the slice whose time it is; the run key makes a tick that is repeated ask for
    nothing twice."""
    slot = (when.hour - 1) * 6 + when.minute // 10
    part = partitions[len(partitions) * slot // SLICES : len(partitions) * (slot + 1) // SLICES]
    return [
        dg.RunRequest(run_key=f"{provider}:{when:%Y%m%dT%H%M}:{i}", tags={**range_tags(shard), FULL: "true"})
        for i, shard in enumerate(shards(part))
    ]
