"""The caretaker of what dies: syncs whose process is gone, and Dagster runs that nobody ended.

Belongs here: what a tick closes and ends, with the rules that decide. Does not: runs that fail in order;
they close their own rows (`sync.report`).

A run's life is told by Postgres: its process keeps a connection named after it open (`Database.presence`),
and each sync holds its connection's lock. Both end with the process, however it ends.

    lock   Dagster run            named session   open log rows
    held   any                    any             left alone: somebody is at work
    free   over, or none          any             closed as failed, counted as a failed run
    free   not over               there           left alone: the process may yet say why
    free   not over               gone            closed as failed, counted as a failed run

A Dagster run that is not over although its session is gone, seen so by two ticks, is ended as failed: until
then it would take up a place in its pool.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from integrations_pipeline.orchestration.assets import step_name
from integrations_pipeline.orchestration.batch import WorkspaceOutcome
from integrations_pipeline.orchestration.everything import all_step
from integrations_pipeline.orchestration.failures import FailureBoard, failure_metadata
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.orchestration.shapes import key_of, shapes
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store import fleet
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.fleet import OpenRun

TICK_SECONDS = 30
#: A run this young may not have opened its session yet, or may be opening it anew after Postgres restarted.
LOST_AFTER_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class DagsterState:
    """What Dagster knows of a run: its status, "" for one that it does not know, and whether that is final."""

    status: str = ""
    is_over: bool = True


@dg.sensor(
    name="lost_runs",
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Closes the sync log rows of runs that died, counts them as failed, and ends Dagster runs whose "
    "process is gone. See docs/operations.md, section Lost runs.",
)
def lost_runs_sensor(context: dg.SensorEvaluationContext, sync: SyncResource) -> dg.SkipReason:
    suspects = set(json.loads(context.cursor or "[]"))
    with sync.runtime() as runtime:
        closed = close_lost_syncs(runtime.database, context.instance)
        with runtime.database.admin() as connection:
            living = fleet.living_runs(connection)
        seen = lost_dagster_runs(context.instance, living, runtime.clock())
    ended = [run_id for run_id in seen if run_id in suspects]
    for run_id in ended:
        end_dagster_run(context.instance, run_id)
    context.update_cursor(json.dumps(sorted(set(seen) - set(ended))))
    return dg.SkipReason(f"{len(closed)} lost syncs closed, {len(ended)} lost Dagster runs ended")


def close_lost_syncs(database: Database, instance: dg.DagsterInstance) -> list[OpenRun]:
    """Close the log rows of the dead; returns the runs that were closed."""
    with database.admin() as connection:
        open_runs = fleet.open_runs(connection)
        living = fleet.living_runs(connection) if open_runs else set()
    states = {run_id: _state(instance, run_id) for run_id in {run.dagster_run_id for run in open_runs} if run_id}
    closed = {
        run: reason
        for run in open_runs
        if (reason := reason_to_close(run, states.get(run.dagster_run_id or ""), living))
        and fleet.close_lost(database, run, reason)
    }
    for run, reason in closed.items():
        _show(instance, run, reason)
    return list(closed)


def _show(instance: dg.DagsterInstance, run: OpenRun, reason: str) -> None:
    """On the workspace's partitions of the assets that the dead run was to materialise."""
    known = instance.get_run_by_id(run.dagster_run_id) if run.dagster_run_id else None
    spec = provider_specs().get(run.integration_type)
    if known is None or spec is None:
        return
    board = FailureBoard(instance, known.run_id)
    outcome = WorkspaceOutcome(slug=run.workspace_slug, failed=reason)
    for shape in shapes(spec):
        key = key_of(spec, shape.name)
        if not known.asset_selection or key in known.asset_selection:
            board.show(key, outcome.slug, failure_metadata(shape, spec.name, outcome))


def reason_to_close(run: OpenRun, state: DagsterState | None, living: Collection[str]) -> str:
    """What the log row will say, or "" for a run that may still live. Whether the lock is free shows later.

    `state` is None for a run outside Dagster.
    """
    if state is None:
        return f"the process of run {run.run_id} ended without closing this row"
    if not state.status:
        return f"Dagster run {run.dagster_run_id} is not known to Dagster any more, and nobody works for it"
    if state.is_over:
        return f"Dagster run {run.dagster_run_id} ended ({state.status}) without closing this row"
    if run.dagster_run_id in living:
        return ""
    return f"the process of Dagster run {run.dagster_run_id} is gone ({state.status})"


def lost_dagster_runs(instance: dg.DagsterInstance, living: Collection[str], now: datetime) -> list[str]:
    """Ids of runs that Dagster takes for running, at a sync's step, and that have no session."""
    records = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    old = (
        record.dagster_run.run_id
        for record in records
        if record.start_time and now.timestamp() - record.start_time > LOST_AFTER_SECONDS
    )
    return [run_id for run_id in old if run_id not in living and _is_syncing(instance, run_id)]


def _is_syncing(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a sync's step began and did not end. Before it, and in other steps, a run has no session."""
    syncs = {step(name) for name in provider_specs() for step in (step_name, all_step)}
    began = _steps(instance, run_id, {dg.DagsterEventType.STEP_START}) & syncs
    return bool(began - _steps(instance, run_id, {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}))


def _steps(instance: dg.DagsterInstance, run_id: str, types: set[dg.DagsterEventType]) -> set[str | None]:
    return {record.event_log_entry.step_key for record in instance.get_records_for_run(run_id, of_type=types).records}


def end_dagster_run(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_failed(run, "The process of this run is gone; its open syncs were closed as failed.")


def _state(instance: dg.DagsterInstance, run_id: str) -> DagsterState:
    run = instance.get_run_by_id(run_id)
    return DagsterState() if run is None else DagsterState(status=run.status.value, is_over=run.is_finished)
