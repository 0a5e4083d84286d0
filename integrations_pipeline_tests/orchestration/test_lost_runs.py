"""Whoever dies without a word is in the log within a tick, and whoever lives is left alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import dagster as dg
import pytest

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.model import Direction
from integrations_pipeline.orchestration.jobs import job_name
from integrations_pipeline.orchestration.lost_runs import (
    LOST_AFTER_SECONDS,
    DagsterState,
    reason_to_close,
)
from integrations_pipeline.orchestration.partitions import follow_connections, range_tags
from integrations_pipeline.store import fleet, sync_log
from integrations_pipeline.store.fleet import OpenRun
from integrations_pipeline.store.sync_log import LogStart
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import (
    PROVIDER,
    RUN,
    SyncLater,
    log_rows,
    running,
    states,
    tick,
    wait,
)
from integrations_sandbox import FaultRule

CONNECTION = "select status, error_count, error_message from integration_connections"
CLI = "from integrations_pipeline.cli import entry; entry()"
LONG = FaultRule(action="delay", seconds=600, times=-1)
OPEN = OpenRun(
    workspace_id=UUID(int=1),
    workspace_slug="alpha",
    connection_id=UUID(int=2),
    integration_type="airtable",
    run_id=UUID(int=3),
    dagster_run_id="d1",
)


@pytest.mark.parametrize(
    ("state", "living", "said"),
    [
        pytest.param(None, (), "process of run", id="no Dagster run"),
        pytest.param(DagsterState(), (), "not known", id="a run that Dagster has forgotten"),
        pytest.param(DagsterState(status="FAILURE"), (), "d1 ended (FAILURE)", id="over"),
        pytest.param(DagsterState(status="CANCELED"), ("d1",), "ended (CANCELED)", id="over, its process still there"),
        pytest.param(DagsterState(status="STARTED", is_over=False), ("d1",), "", id="at work"),
        pytest.param(DagsterState(status="STARTED", is_over=False), ("d2",), "d1 is gone", id="gone without a word"),
    ],
)
def test_reason_to_close(state: DagsterState | None, living: tuple[str, ...], said: str) -> None:
    reason = reason_to_close(OPEN, state, living)

    assert bool(reason) == bool(said)
    assert said in reason


def _open_rows(environment: Environment, dagster_run_id: str | None) -> None:
    """The log rows of a sync that is at work, as a run opens them."""
    workspace_id, connection_id = environment.rows("select workspace_id, id from integration_connections")[0]
    run_id = uuid4()
    with environment.wiring.database.workspace(UUID(str(workspace_id))) as connection:
        for direction in (Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL):
            start = LogStart(
                workspace_id=UUID(str(workspace_id)),
                connection_id=UUID(str(connection_id)),
                direction=direction,
                run_id=run_id,
                dagster_run_id=dagster_run_id,
            )
            sync_log.open_log(connection, start)


@contextmanager
def _locked(environment: Environment) -> Iterator[None]:
    workspace_id, connection_id = environment.rows("select workspace_id, id from integration_connections")[0]
    with environment.wiring.database.session(UUID(str(workspace_id))) as session:
        assert session.try_lock(UUID(str(connection_id)), "run d1")
        yield


def _dagster_run(instance: dg.DagsterInstance, slug: str) -> dg.DagsterRun:
    job = build_definitions().resolve_job_def(job_name(PROVIDER))
    return instance.create_run_for_job(job, tags=range_tags([slug]), status=dg.DagsterRunStatus.STARTED)


@pytest.mark.parametrize("ending", ["failed", "canceled", "unknown", "no Dagster run"])
def test_open_rows_of_a_run_that_is_over_are_closed_and_count_as_a_failed_run(
    environment: Environment, instance: dg.DagsterInstance, ending: str
) -> None:
    environment.connect(environment.add_workspace("alpha"))
    follow_connections(instance, {PROVIDER: ["alpha"]})
    run = _dagster_run(instance, "alpha")
    if ending == "failed":
        instance.report_run_failed(run)
    elif ending == "canceled":
        instance.report_run_canceled(run)
    run_id = {"unknown": str(uuid4()), "no Dagster run": None}.get(ending, run.run_id)
    _open_rows(environment, run_id)

    assert tick("lost_runs", instance).skip_message == "1 lost syncs closed, 0 lost Dagster runs ended"

    rows = log_rows(environment, "status, completed_at is not null, errors ->> 0, metadata ->> 'dagster_run'")
    link = f"/runs/{run_id}" if run_id else None
    assert {(row[0], row[1], row[3]) for row in rows} == {("failed", True, link)}
    assert all((run_id or "process of run") in str(row[2]) for row in rows)
    ((status, count, message),) = environment.rows(CONNECTION)
    assert (status, count, message) == ("active", 1, rows[0][2])
    assert environment.rows("select next_sync_at > now() from integration_connections") == [(True,)]
    assert environment.rows("select action, success from integration_activity where action = 'sync_failed'") == [
        ("sync_failed", False)
    ]


def test_a_third_lost_run_stops_the_connection(environment: Environment, instance: dg.DagsterInstance) -> None:
    environment.connect(environment.add_workspace("alpha"))
    for _ in range(3):
        _open_rows(environment, None)
        tick("lost_runs", instance)

    assert environment.rows("select status, error_count from integration_connections") == [("error", 3)]


def test_rows_are_never_closed_while_somebody_holds_the_connections_lock(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    """As when a person ends a run by force: Dagster calls it canceled, its process is still at work."""
    environment.connect(environment.add_workspace("alpha"))
    follow_connections(instance, {PROVIDER: ["alpha"]})
    run = _dagster_run(instance, "alpha")
    instance.report_run_canceled(run)
    _open_rows(environment, run.run_id)

    with _locked(environment):
        assert "0 lost syncs closed" in tick("lost_runs", instance).skip_message
        assert set(log_rows(environment, "status")) == {("running",)}
    assert "1 lost syncs closed" in tick("lost_runs", instance).skip_message


def test_rows_of_a_run_that_has_lost_its_lock_but_lives_are_left_to_it(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    environment.connect(environment.add_workspace("alpha"))
    follow_connections(instance, {PROVIDER: ["alpha"]})
    run = _dagster_run(instance, "alpha")
    _open_rows(environment, run.run_id)

    with environment.wiring.database.presence(f"{fleet.RUN_PREFIX}{run.run_id}"):
        assert "0 lost syncs closed" in tick("lost_runs", instance).skip_message
    assert "1 lost syncs closed" in tick("lost_runs", instance).skip_message


@pytest.mark.parametrize(
    ("kind", "then"),
    [
        pytest.param("delete", "superseded", id="a delete is planned again"),
        pytest.param("update", "intended", id="an update is looked up by the next run"),
        pytest.param("create", "intended", id="a create is looked up by the next run"),
    ],
)
def test_what_a_dead_run_had_begun_to_write_is_taken_up(
    environment: Environment, instance: dg.DagsterInstance, kind: str, then: str
) -> None:
    environment.connect(environment.add_workspace("alpha"))
    _open_rows(environment, None)
    environment.rows(
        "insert into integration_changes (connection_id, workspace_id, run_id, contact_id, side, kind, state) "
        f"select id, workspace_id, gen_random_uuid(), gen_random_uuid(), 'remote', '{kind}', 'intended' "
        "from integration_connections returning id"
    )

    tick("lost_runs", instance)

    assert environment.rows("select state from integration_changes") == [(then,)]


@pytest.mark.slow
def test_a_killed_dagster_run_is_closed_at_once_and_ended_by_the_second_tick_that_misses_it(
    environment: Environment, home: dg.DagsterInstance
) -> None:
    environment.connect(environment.add_workspace("alpha", people=1))
    environment.sandbox.stage.faults.add(LONG)
    follow_connections(home, {PROVIDER: ["alpha"]})
    later = SyncLater(seconds=LOST_AFTER_SECONDS + 60)
    with running(environment, RUN, "alpha") as process:
        wait(lambda: log_rows(environment, "status") == [("running",)] * 2)
        alive = tick("lost_runs", home, sync=later)
        assert alive.skip_message == "0 lost syncs closed, 0 lost Dagster runs ended"
        assert tick("lost_runs", home, alive.cursor, later).cursor == "[]"
        process.kill()
        process.wait()
    wait(lambda: "1 lost syncs closed" in tick("lost_runs", home).skip_message)
    environment.sandbox.stage.faults.clear()

    (run,) = home.get_runs()
    assert run.status is dg.DagsterRunStatus.STARTED  # so Dagster sees it, and so would its pool
    assert {row[0] for row in log_rows(environment, "errors ->> 0")} == {
        f"the process of Dagster run {run.run_id} is gone (STARTED)"
    }
    assert environment.rows("select error_count from integration_connections") == [(1,)]
    assert tick("lost_runs", home).cursor == "[]"  # too young
    first = tick("lost_runs", home, sync=later)
    assert "0 lost Dagster runs ended" in first.skip_message
    second = tick("lost_runs", home, first.cursor, later)
    assert "1 lost Dagster runs ended" in second.skip_message
    assert [found.status for found in home.get_runs()] == [dg.DagsterRunStatus.FAILURE]
    assert states(home, "plan", ["alpha"]) == {"alpha": "FAILED"}


@pytest.mark.slow
def test_a_killed_sync_of_the_command_line_is_closed(environment: Environment, instance: dg.DagsterInstance) -> None:
    environment.connect(environment.add_workspace("alpha", people=1))
    environment.sandbox.stage.faults.add(LONG)
    with running(environment, CLI, "sync", "--workspace", "alpha", "--provider", PROVIDER) as process:
        wait(lambda: log_rows(environment, "status") == [("running",)] * 2)
        assert "0 lost syncs closed" in tick("lost_runs", instance).skip_message
        process.kill()
        process.wait()

    wait(lambda: "1 lost syncs closed" in tick("lost_runs", instance).skip_message)
    assert {row[0] for row in log_rows(environment, "status")} == {"failed"}
    environment.sandbox.stage.faults.clear()
