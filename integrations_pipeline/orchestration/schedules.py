"""The schedule of the checks. Belongs here: when. Does not: what (`jobs`); upkeep and retention, which have their own
modules; full reads, which are due by connection (`sync.full_reads`)."""

import dagster as dg

from integrations_pipeline.orchestration.jobs import AUTOMATIC, HEALTH_JOB

HEALTH = "5-59/10 * * * *"

health_schedule = dg.ScheduleDefinition(
    name=HEALTH_JOB,
    job_name=HEALTH_JOB,
    cron_schedule=HEALTH,
    execution_timezone="UTC",
    tags=AUTOMATIC,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks at all connections every ten minutes.",
)
