"""The daily upkeep of OAuth tokens that nothing else renews. Belongs here: the job and its schedule. Does not:
whose turn it is (`sync.upkeep`)."""

import dagster as dg

from integrations_pipeline.orchestration.jobs import AUTOMATIC
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.sync.upkeep import keep_tokens_alive

UPKEEP_JOB = "token_upkeep"
#: Every day before the retention, UTC.
DAILY = "10 5 * * *"


@dg.op(name="keep_tokens_alive", description="Uses refresh tokens that lie unused, so that they do not lapse.")
def keep_alive_op(context: dg.OpExecutionContext, sync: SyncResource) -> None:
    with sync.runtime() as runtime:
        report = keep_tokens_alive(runtime)
    told = report.to_dict()
    troubles = told.pop("troubles")
    context.log.info(", ".join(f"{count} {result}" for result, count in told.items()))
    context.add_output_metadata({**told, "troubles": dg.MetadataValue.json(troubles)})


@dg.job(
    name=UPKEEP_JOB,
    description="Keeps OAuth grants of paused, failing and rarely used connections alive.",
)
def upkeep_job() -> None:
    keep_alive_op()


upkeep_schedule = dg.ScheduleDefinition(
    name=UPKEEP_JOB,
    job=upkeep_job,
    cron_schedule=DAILY,
    execution_timezone="UTC",
    tags=AUTOMATIC,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Once a day: tokens unused for 20 days.",
)
