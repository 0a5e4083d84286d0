"""Real Dagster runs over real workspaces: isolation, previews, sensors, outcomes in the log."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
import pytest

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.assets import FULL, ONLY_DUE
from integrations_pipeline.orchestration.jobs import job_name
from integrations_pipeline.orchestration.partitions import (
    RANGE_START,
    WORKSPACES_NAME,
    follow_workspaces,
    range_tags,
)
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.orchestration.schedules import reconciliation_requests
from integrations_pipeline_tests.environment import Environment

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def _run(
    instance: dg.DagsterInstance,
    slugs: Sequence[str],
    *,
    assets: Sequence[str] = (),
    tags: dict[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    job = build_definitions().resolve_job_def(job_name("airtable"))
    return job.execute_in_process(
        instance=instance,
        tags={**range_tags(slugs), **(tags or {})},
        asset_selection=[dg.AssetKey(key.split("/")) for key in assets] or None,
        run_config=QUIET,
        raise_on_error=False,
    )


def _materialized(instance: dg.DagsterInstance, key: str) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey(key.split("/"))))


def test_a_run_over_several_workspaces_records_each_by_itself(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = ["alpha", "beta", "gamma"]
    for slug in slugs:
        environment.connect(environment.add_workspace(slug, people=2))
    follow_workspaces(instance, slugs)

    result = _run(instance, slugs)

    assert result.success
    assert _materialized(instance, "airtable/to_external") == set(slugs)
    logs = environment.rows("select direction, records_created, dagster_run_id from integration_sync_logs")
    assert sorted(logs) == [("from_external", 0, result.run_id)] * 3 + [("to_external", 2, result.run_id)] * 3


def test_one_failing_workspace_is_named_and_the_others_are_done(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = ["alpha", "broken", "gamma", "unconnected"]
    for slug in slugs[:3]:
        environment.connect(
            environment.add_workspace(slug, people=1), **({"table_id": "None"} if slug == "broken" else {})
        )
    environment.add_workspace("unconnected")
    follow_workspaces(instance, slugs)

    result = _run(instance, slugs)

    assert not result.success
    assert _materialized(instance, "airtable/to_external") == {"alpha", "gamma", "unconnected"}
    message = str(next(e for e in result.all_events if e.is_step_failure).step_failure_data.user_failure_data)
    assert "broken" in message
    assert "alpha" not in message
    assert environment.rows("select count(*) from integration_sync_logs where status = 'failed'") == [(2,)]


def test_a_workspace_without_connection_is_skipped_and_does_not_fail(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    environment.add_workspace("lonely")
    follow_workspaces(instance, ["lonely"])

    assert _run(instance, ["lonely"]).success
    assert _materialized(instance, "airtable/plan") == set()


def test_materialising_only_up_to_the_plan_is_a_preview(environment: Environment, instance: dg.DagsterInstance) -> None:
    environment.connect(environment.add_workspace("alpha", people=3))
    follow_workspaces(instance, ["alpha"])

    result = _run(instance, ["alpha"], assets=["airtable/contacts", "airtable/plan"])

    assert result.success
    assert _materialized(instance, "airtable/plan") == {"alpha"}
    assert _materialized(instance, "airtable/to_external") == set()
    assert environment.rows("select count(*) from integration_links") == [(0,)]
    assert environment.rows("select state, count(*) from integration_changes group by state") == [("planned", 3)]


def test_metadata_has_counts_that_plot_and_no_address(environment: Environment, instance: dg.DagsterInstance) -> None:
    environment.connect(environment.add_workspace("alpha", people=3))
    follow_workspaces(instance, ["alpha"])
    _run(instance, ["alpha"])

    event = instance.get_latest_materialization_event(dg.AssetKey(["airtable", "to_external"]))

    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["records_created"].value == 3
    assert isinstance(metadata["seconds"].value, float)
    plan = instance.get_latest_materialization_event(dg.AssetKey(["airtable", "plan"]))
    assert "@" not in str(plan)


def test_a_scheduled_run_takes_only_those_that_are_due(environment: Environment, instance: dg.DagsterInstance) -> None:
    slugs = ["alpha", "beta"]
    for slug in slugs:
        environment.connect(environment.add_workspace(slug, people=1))
    follow_workspaces(instance, slugs)
    _run(instance, ["alpha"])

    result = _run(instance, slugs, tags={ONLY_DUE: "true"})

    assert result.success
    assert environment.rows("select count(*) from integration_sync_logs") == [(4,)]


def test_the_reconciliation_tag_reads_everything(environment: Environment, instance: dg.DagsterInstance) -> None:
    environment.connect(environment.add_workspace("alpha", people=1))
    follow_workspaces(instance, ["alpha"])
    _run(instance, ["alpha"])
    _run(instance, ["alpha"], tags={FULL: "true"})

    reads = environment.rows("select metadata ->> 'read' from integration_sync_logs order by started_at")
    assert {row[0] for row in reads[-2:]} == {"complete"}


def test_partitions_follow_the_workspaces(environment: Environment, instance: dg.DagsterInstance) -> None:
    assert follow_workspaces(instance, ["a", "b"]) == (2, 0)
    assert follow_workspaces(instance, ["b", "c"]) == (1, 1)
    assert set(instance.get_dynamic_partitions(WORKSPACES_NAME)) == {"b", "c"}


def test_the_due_sensor_asks_for_a_range_and_the_partition_sensor_fills_it(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    for slug in ("alpha", "beta"):
        environment.connect(environment.add_workspace(slug))
    definitions, resources = build_definitions(), {"sync": SyncResource()}
    context = dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources)
    definitions.resolve_sensor_def("workspace_partitions").evaluate_tick(context)

    tick = definitions.resolve_sensor_def("airtable_due").evaluate_tick(
        dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources)
    )

    assert tick.run_requests is not None
    assert [request.tags[RANGE_START] for request in tick.run_requests] == ["alpha"]
    assert tick.run_requests[0].tags[ONLY_DUE] == "true"


def test_the_nightly_schedule_asks_for_everything_once() -> None:
    when = datetime(2026, 11, 22, 3, tzinfo=UTC)

    requests = reconciliation_requests("airtable", [f"w{i}" for i in range(101)], when)

    assert [request.tags[RANGE_START] for request in requests] == ["w0", "w100"]
    assert {request.tags[FULL] for request in requests} == {"true"}
    assert [request.run_key for request in requests] == ["airtable:20261122T0300:0", "airtable:20261122T0300:1"]
