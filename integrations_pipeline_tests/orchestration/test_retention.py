"""Dagster's old rows go, and its pages show the same states before and after."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import psycopg2
import pytest
from pydantic import Field

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.instance import write_instance
from integrations_pipeline.orchestration.retention import RETENTION_JOB, trim_dagster, trim_folders
from integrations_pipeline.orchestration.storage import BATCH_VARIABLE
from integrations_pipeline.store.dagster_log import DagsterRetention
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import QUIET
from integrations_pipeline_tests.postgres import PostgresServer

WORKSPACES = dg.DynamicPartitionsDefinition(name="workspaces")
SLUGS = ["materialized", "failed", "failed-then-well", "well-then-failed", "skipped", "missing", "running"]
KEY = dg.AssetKey("a")
OTHER = dg.AssetKey("b")


class Deeds(dg.Config):
    """What becomes of each workspace of a run; one that is not named gets no event."""

    well: list[str] = Field(default_factory=list)
    fails: bool = False


@dg.multi_asset(
    name="work",
    specs=[dg.AssetSpec("a", skippable=True), dg.AssetSpec("b", skippable=True)],
    partitions_def=WORKSPACES,
    backfill_policy=dg.BackfillPolicy.multi_run(100),
)
def work(context: dg.AssetExecutionContext, config: Deeds) -> Iterator[dg.AssetMaterialization]:
    for slug in config.well:
        for name in ("a", "b"):
            yield dg.AssetMaterialization(asset_key=name, partition=slug, metadata={"n": 1}, tags={"t": slug})
    context.log.info("a line of the log")
    if config.fails:
        raise dg.Failure("as told", allow_retries=False)


@dg.asset_check(asset="a")
def check_of_a() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False)


DEFINITIONS = dg.Definitions(
    assets=[work],
    asset_checks=[check_of_a],
    jobs=[
        dg.define_asset_job("job", selection=dg.AssetSelection.assets("a", "b").without_checks()),
        dg.define_asset_job("checks", selection=dg.AssetSelection.all_asset_checks()),
    ],
    executor=dg.in_process_executor,
)


@pytest.fixture
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv(BATCH_VARIABLE, "400")
    with postgres_server.new_database() as url:
        home = write_instance(tmp_path, url, is_pooled=getattr(request, "param", True))
        with dg.DagsterInstance.from_config(str(home)) as found:
            found.add_dynamic_partitions("workspaces", SLUGS)
            yield found


def execute(instance: dg.DagsterInstance, slugs: Sequence[str], well: Sequence[str], *, fails: bool = False) -> None:
    deeds = {"ops": {"work": {"config": {"well": list(well), "fails": fails}}}, **QUIET}
    tags = {"dagster/asset_partition_range_start": slugs[0], "dagster/asset_partition_range_end": slugs[-1]}
    job = DEFINITIONS.resolve_job_def("job")
    job.execute_in_process(instance=instance, tags=tags, run_config=deeds, raise_on_error=False)


def live(instance: dg.DagsterInstance) -> None:
    """Runs that leave partitions in every state there is."""
    for _ in range(3):
        execute(instance, SLUGS[:4], SLUGS[:1] + SLUGS[3:4])
        DEFINITIONS.resolve_job_def("checks").execute_in_process(instance=instance, run_config=QUIET)
    execute(instance, SLUGS[:5], SLUGS[:1] + SLUGS[4:5], fails=True)
    execute(instance, ["failed-then-well"], ["failed-then-well"])
    execute(instance, ["skipped"], [])
    job = DEFINITIONS.resolve_job_def("job")
    tags = {"dagster/partition": "running"}
    instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)


def sql(instance: dg.DagsterInstance, statement: str) -> list[tuple[Any, ...]]:
    url = instance.event_log_storage.postgres_url  # type: ignore[attr-defined]
    connection = psycopg2.connect(url.replace("postgresql+psycopg2://", "postgresql://"))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def shown(instance: dg.DagsterInstance, *, is_fresh: bool) -> dict[str, Any]:
    """What the pages show of every partition; `is_fresh`: worked out anew instead of going on from a cache."""
    if is_fresh:
        sql(instance, "update asset_keys set cached_status_data = null")
    found: dict[str, Any] = {}
    for key in (KEY, OTHER):
        states = instance.get_status_by_partition(key, SLUGS, WORKSPACES)
        assert states is not None
        latest = instance.get_latest_materialization_event(key)
        found[key.to_user_string()] = (
            {slug: state.value if state else "MISSING" for slug, state in states.items()},
            sorted(instance.get_materialized_partitions(key)),
            latest.run_id if latest else None,
        )
    check = sql(instance, "select execution_status from asset_check_executions order by id desc limit 1")
    return found | {"check": check}


@pytest.mark.parametrize(
    ("instance", "is_fresh"),
    [
        pytest.param(True, True, id="worked out anew"),
        pytest.param(True, False, id="from Dagster's cache"),
        pytest.param(False, True, id="in Dagster's own storage class"),
    ],
    indirect=["instance"],
)
def test_every_partition_is_shown_as_before(instance: dg.DagsterInstance, is_fresh: bool) -> None:
    live(instance)
    before = shown(instance, is_fresh=is_fresh)
    assert set(before["a"][0].values()) == {"MATERIALIZED", "FAILED", "IN_PROGRESS", "MISSING"}
    events, runs = _counts(instance)

    gone = trim_dagster(instance, datetime.now(UTC) + timedelta(days=400))

    assert shown(instance, is_fresh=is_fresh) == before
    left = _counts(instance)
    assert (gone["events"], gone["runs"]) == (events - left[0], runs - left[1])
    assert gone["events"] > events / 2
    assert gone["runs"] > 0
    assert gone["checks"] == 2
    assert sql(instance, "select count(*) from event_logs where id = 1") == [(0,)], "the very first counts, too"
    assert sql(instance, "select count(*) from asset_event_tags where event_id not in (select id from event_logs)") == [
        (0,)
    ]


def _counts(instance: dg.DagsterInstance) -> tuple[int, int]:
    ((events, runs),) = sql(instance, "select (select count(*) from event_logs), (select count(*) from runs)")
    return events, runs


def test_the_next_runs_and_a_second_clean_up_go_on_from_there(instance: dg.DagsterInstance) -> None:
    live(instance)
    later = datetime.now(UTC) + timedelta(days=400)
    trim_dagster(instance, later)
    assert sum(trim_dagster(instance, later).values()) == 0

    execute(instance, ["failed", "failed-then-well", "well-then-failed"], ["failed", "well-then-failed"])

    states = shown(instance, is_fresh=True)["a"][0]
    assert states["failed"] == states["well-then-failed"] == "MATERIALIZED"
    assert states["running"] == "IN_PROGRESS"


def test_what_is_young_stays(instance: dg.DagsterInstance) -> None:
    live(instance)
    counts = _counts(instance)

    gone = trim_dagster(instance, datetime.now(UTC) + timedelta(days=6))

    assert sum(gone.values()) == 0
    assert _counts(instance) == counts


def test_between_the_two_ages_only_what_newer_events_of_assets_replaced_goes(instance: dg.DagsterInstance) -> None:
    live(instance)
    _, runs = _counts(instance)

    gone = trim_dagster(instance, datetime.now(UTC) + timedelta(days=10), DagsterRetention())

    assert gone["events"] > 0
    assert gone["runs"] == gone["checks"] == 0
    assert _counts(instance)[1] == runs
    assert sql(instance, "select count(*) from event_logs where dagster_event_type = 'PIPELINE_START'") != [(0,)]


def test_folders_of_old_runs_go_and_nothing_else(tmp_path: Path) -> None:
    old, young, named = tmp_path / str(uuid4()), tmp_path / str(uuid4()), tmp_path / "schedules"
    for folder in (old, young, named):
        (folder / "compute_logs").mkdir(parents=True)
        (folder / "compute_logs" / "x.out").write_text("")
    long_ago = (datetime.now(UTC) - timedelta(days=100)).timestamp()
    for folder in (old, named):
        for path in (folder / "compute_logs" / "x.out", folder / "compute_logs", folder):
            os.utime(path, (long_ago, long_ago))

    assert trim_folders(tmp_path, datetime.now(UTC) - timedelta(days=30)) == 1
    assert trim_folders(tmp_path / "absent", datetime.now(UTC)) == 0

    assert {each.name for each in tmp_path.iterdir()} == {young.name, "schedules"}


def test_the_daily_job_trims_our_tables_and_says_how_much(environment: Environment) -> None:
    environment.connect(environment.add_workspace("alpha"))
    environment.rows(
        "insert into integration_changes (connection_id, workspace_id, side, kind, state, created_at, updated_at) "
        "select id, workspace_id, 'remote', 'update', 'applied', now() - interval '1 year', now() - interval '1 year' "
        "from integration_connections returning id"
    )
    with dg.DagsterInstance.ephemeral() as ephemeral:
        result = (
            build_definitions().resolve_job_def(RETENTION_JOB).execute_in_process(instance=ephemeral, run_config=QUIET)
        )

    assert result.success
    assert environment.rows("select count(*) from integration_changes") == [(0,)]
    (output,) = (event for event in result.all_events if event.is_successful_output)
    assert output.step_output_data.metadata["changes"].value == 1


def test_dagsters_rows_stop_growing_with_time(instance: dg.DagsterInstance) -> None:
    counts = []
    for _ in range(5):
        execute(instance, SLUGS[:4], SLUGS[:2])
        trim_dagster(instance, datetime.now(UTC))
        counts.append(sql(instance, "select (select count(*) from event_logs), (select count(*) from runs)")[0])
        sql(instance, "update event_logs set timestamp = timestamp - interval '20 days'")
        sql(instance, "update runs set update_timestamp = update_timestamp - interval '20 days'")

    assert counts[-1] == counts[-2] == counts[-3]
