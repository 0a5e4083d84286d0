"""The daily clean-up: our own old rows, Dagster's, and the output files of its old runs.

Belongs here: the job and its schedule. Does not: what may go (`store.retention`, `store.dagster_log`).
"""

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg

from integrations_pipeline.orchestration.jobs import AUTOMATIC
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.store import dagster_log, retention
from integrations_pipeline.store.dagster_log import DagsterRetention
from integrations_pipeline.store.database import Database

RETENTION_JOB = "retention"
#: Every day, UTC.
DAILY = "30 5 * * *"
KEEP_OF_DAGSTER = DagsterRetention()


@dg.op(name="trim", description="Deletes old rows in batches. See docs/operations.md, section Retention.")
def trim_op(context: dg.OpExecutionContext, sync: SyncResource) -> None:
    with sync.runtime() as runtime:
        now = runtime.clock()
        gone = retention.trim(runtime.database, now)
    of_dagster = trim_dagster(context.instance, now)
    context.log.info(f"deleted rows: {_told(gone)}; Dagster's: {_told(of_dagster)}")
    context.add_output_metadata({**gone, **{f"dagster_{name}": count for name, count in of_dagster.items()}})


@dg.job(
    name=RETENTION_JOB,
    description="Deletes what is old and no longer needed: log rows, finished changes, previews, Dagster's events.",
)
def retention_job() -> None:
    trim_op()


retention_schedule = dg.ScheduleDefinition(
    name=RETENTION_JOB,
    job=retention_job,
    cron_schedule=DAILY,
    execution_timezone="UTC",
    tags=AUTOMATIC,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Once a day.",
)


def trim_dagster(
    instance: dg.DagsterInstance, now: datetime, keep: DagsterRetention = KEEP_OF_DAGSTER
) -> dict[str, int]:
    """Trim Dagster's tables, if they are in Postgres, and the folders of runs that have become too old."""
    url = getattr(instance.event_log_storage, "postgres_url", None)
    gone: dict[str, int] = {}
    if url:
        database = Database(url)
        try:
            gone = dagster_log.trim(database, now, keep)
        finally:
            database.close()
    folders = trim_folders(Path(instance.storage_directory()), now - timedelta(days=keep.run_days))
    return {**gone, "folders": folders}


def trim_folders(storage: Path, until: datetime) -> int:
    """Remove the output of runs: folders that bear a run's id and were not written to since."""
    old = [
        each
        for each in (storage.iterdir() if storage.is_dir() else ())
        if _is_run_id(each.name) and each.is_dir() and _written_at(each) < until.timestamp()
    ]
    for each in old:
        shutil.rmtree(each, ignore_errors=True)
    return len(old)


def _written_at(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def _is_run_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
