"""The schedules: a nightly reconciliation. Belongs here: when. Does not: what (`jobs`)."""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from integrations_pipeline.orchestration.assets import FULL
from integrations_pipeline.orchestration.jobs import job_name
from integrations_pipeline.orchestration.partitions import WORKSPACES_NAME, range_tags, shards
from integrations_pipeline.providers.base import ProviderSpec

#: Every night at three, UTC.
NIGHTLY = "0 3 * * *"


def build_reconciliation(spec: ProviderSpec) -> dg.ScheduleDefinition:
    """Reads everything once a night: finds what a change feed or a filter cannot tell, such as deletes."""

    @dg.schedule(
        name=f"{spec.name}_reconciliation",
        job_name=job_name(spec.name),
        cron_schedule=NIGHTLY,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Compares every {spec.title} contact with the base, once a night.",
    )
    def reconciliation(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        partitions = context.instance.get_dynamic_partitions(WORKSPACES_NAME)
        if not partitions:
            return dg.SkipReason("no workspaces")
        return reconciliation_requests(spec.name, partitions, context.scheduled_execution_time)

    return reconciliation


def reconciliation_requests(provider: str, partitions: Sequence[str], when: datetime) -> list[dg.RunRequest]:
    """One request per shard; the run key makes a tick that is repeated ask for nothing twice."""
    return [
        dg.RunRequest(run_key=f"{provider}:{when:%Y%m%dT%H%M}:{i}", tags={**range_tags(shard), FULL: "true"})
        for i, shard in enumerate(shards(partitions))
    ]
