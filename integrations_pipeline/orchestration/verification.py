"""Certificates every night, for a part of the fleet. Belongs here: the job and its schedule. Does not: whose turn it is
(`verify.nightly`); the check that tells of them (`checks`)."""

import dagster as dg

from integrations_pipeline.orchestration.jobs import AUTOMATIC
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.verify.nightly import verify_slice
from integrations_pipeline.wiring import read_settings

VERIFICATION_JOB = "nightly_verification"
#: Every night before the upkeep, UTC.
NIGHTLY = "40 2 * * *"


@dg.op(
    name="verify_slice", description="Compares both sides in full for this night's connections. Writes nothing there."
)
def verify_op(context: dg.OpExecutionContext, sync: SyncResource) -> None:
    nights = read_settings().verify_nights
    with sync.runtime() as runtime:
        report = verify_slice(runtime, nights, runtime.clock().date())
    told = report.to_dict()
    troubles = told.pop("troubles")
    context.log.info(", ".join(f"{count} {result}" for result, count in told.items()))
    context.add_output_metadata({**told, "nights": nights, "troubles": dg.MetadataValue.json(troubles)})


@dg.job(
    name=VERIFICATION_JOB,
    description="Says, by other code than the sync's, whether both sides hold the same: some connections a night.",
)
def verification_job() -> None:
    verify_op()


verification_schedule = dg.ScheduleDefinition(
    name=VERIFICATION_JOB,
    job=verification_job,
    cron_schedule=NIGHTLY,
    execution_timezone="UTC",
    tags=AUTOMATIC,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Once a night; INTEGRATIONS_VERIFY_NIGHTS says in how many nights everybody is looked at.",
)
