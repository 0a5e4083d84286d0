"""Real Dagster runs over real workspaces: isolation, previews, what Dagster's pages show, sensors."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
import pytest

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.assets import grouped
from integrations_pipeline.orchestration.batch import FULL
from integrations_pipeline.orchestration.jobs import job_name
from integrations_pipeline.orchestration.partitions import ONLY_DUE, RANGE_START, follow_connections
from integrations_pipeline.orchestration.shapes import REGISTRY_KEY
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import (
    ASSETS,
    PROVIDER,
    SyncLater,
    failure_text,
    log_rows,
    materialized,
    messages,
    run,
    states,
    tick,
)
from integrations_sandbox import FaultRule

BROKEN = {"table_id": "None"}


def _fleet(environment: Environment, instance: dg.DagsterInstance, slugs: Sequence[str], people: int = 1) -> None:
    """Workspaces with a connection each; one whose name begins with `broken` has no such table."""
    for slug in slugs:
        workspace_id = environment.add_workspace(slug, people=people)
        environment.connect(workspace_id, **(BROKEN if slug.startswith("broken") else {}))
    follow_connections(instance, {PROVIDER: slugs})


def test_a_run_over_several_workspaces_records_each_by_itself(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = ["alpha", "beta", "gamma"]
    _fleet(environment, instance, slugs, people=2)

    result = run(instance, slugs)

    assert result.success
    for name in ASSETS:
        assert states(instance, name, slugs) == dict.fromkeys(slugs, "MATERIALIZED")
    logs = environment.rows("select direction, records_created, dagster_run_id from integration_sync_logs")
    assert sorted(logs) == [("from_external", 0, result.run_id)] * 3 + [("to_external", 2, result.run_id)] * 3


def test_the_log_row_leads_to_the_run_and_the_materialization_to_the_log_row(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha"])
    result = run(instance, ["alpha"])

    assert set(log_rows(environment, "metadata ->> 'dagster_run'")) == {(f"/runs/{result.run_id}",)}
    ((sync_run_id,),) = set(log_rows(environment, "run_id"))
    for name in ASSETS:
        event = instance.get_latest_materialization_event(dg.AssetKey([PROVIDER, name]))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["sync_run_id"].value == str(sync_run_id)


def test_one_failing_workspace_is_named_and_the_others_are_done(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha", "broken", "gamma"])
    environment.add_workspace("unconnected")
    slugs = ["alpha", "broken", "gamma", "unconnected"]
    follow_connections(instance, {PROVIDER: slugs})

    result = run(instance, slugs)

    assert not result.success
    assert "1 of 4 workspaces failed" in failure_text(result)
    assert "broken" in failure_text(result)
    assert "alpha" not in failure_text(result)
    for name in ASSETS:
        assert states(instance, name, slugs) == {
            "alpha": "MATERIALIZED",
            "broken": "FAILED",
            "gamma": "MATERIALIZED",
            "unconnected": "MATERIALIZED",  # with status "skipped", or it would be shown as failed
        }
    assert environment.rows("select count(*) from integration_sync_logs where status = 'failed'") == [(2,)]


def test_launching_the_failed_again_repeats_just_those_and_clears_them(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = ["alpha", "broken", "gamma"]
    _fleet(environment, instance, slugs)
    run(instance, slugs)
    environment.rows(
        "update integration_connections c set settings = c.settings || jsonb_build_object('table_id', 'Contacts') "
        "from workspaces w where w.id = c.workspace_id and slug = 'broken' returning slug"
    )
    failed = [slug for slug, state in states(instance, "plan", slugs).items() if state != "MATERIALIZED"]
    assert failed == ["broken"]

    assert run(instance, failed).success

    assert states(instance, "plan", slugs) == dict.fromkeys(slugs, "MATERIALIZED")
    counts = environment.rows(
        "select slug, count(distinct l.run_id) from integration_sync_logs l join workspaces w on w.id = l.workspace_id "
        "group by slug order by slug"
    )
    assert counts == [("alpha", 1), ("broken", 2), ("gamma", 1)]


def test_whoever_failed_before_stays_failed_when_a_later_failing_run_skips_it(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = ["alpha", "broken-1", "broken-2"]
    _fleet(environment, instance, slugs)
    assert not run(instance, ["broken-1"]).success

    result = run(instance, slugs, tags={ONLY_DUE: "true"})

    assert "1 of 3 workspaces failed" in failure_text(result)
    assert states(instance, "plan", slugs) == {"alpha": "MATERIALIZED", "broken-1": "FAILED", "broken-2": "FAILED"}


def test_a_successful_run_writes_no_event_for_whom_it_skips(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha", "beta"])
    environment.add_workspace("lonely")
    slugs = ["alpha", "beta", "lonely"]
    follow_connections(instance, {PROVIDER: slugs})
    run(instance, ["alpha"])

    result = run(instance, slugs, tags={ONLY_DUE: "true"})

    assert result.success
    assert {event.partition for event in result.all_events if event.is_step_materialization} == {"beta"}
    assert states(instance, "plan", slugs) == {"alpha": "MATERIALIZED", "beta": "MATERIALIZED", "lonely": "MISSING"}
    said = messages(instance, result.run_id)
    assert "2 of 3 workspaces skipped" in said
    assert "not due (1: alpha)" in said
    assert "no airtable connection (1: lonely)" in said


def test_an_unexpected_error_in_one_workspace_stays_there_and_tells_no_data(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = ["alpha", "beta"]
    _fleet(environment, instance, slugs)
    environment.rows(
        "update integration_connections c set cursor = '\"secret@example.org\"' from workspaces w "
        "where w.id = c.workspace_id and slug = 'beta' returning slug"
    )

    result = run(instance, slugs)

    assert states(instance, "plan", slugs) == {"alpha": "MATERIALIZED", "beta": "FAILED"}
    assert "unexpected" in failure_text(result)
    assert "secret" not in messages(instance, result.run_id)


def test_materialising_only_up_to_the_plan_is_a_preview(environment: Environment, instance: dg.DagsterInstance) -> None:
    _fleet(environment, instance, ["alpha"], people=3)

    result = run(instance, ["alpha"], assets=["contacts", "plan"])

    assert result.success
    assert materialized(instance, "plan") == {"alpha"}
    assert materialized(instance, "to_external") == set()
    assert environment.rows("select count(*) from integration_links") == [(0,)]
    assert environment.rows("select count(*) from integration_sync_logs") == [(0,)]
    assert environment.rows("select cursor, last_sync_at from integration_connections") == [(None, None)]
    assert environment.rows("select state, count(*) from integration_changes group by state") == [("planned", 3)]
    assert all(found.method == "GET" for found in environment.sandbox.stage.log.entries())


@pytest.mark.parametrize("direction", ["to_external", "from_external"])
def test_materialising_one_direction_syncs_one_way(
    environment: Environment, instance: dg.DagsterInstance, direction: str
) -> None:
    _fleet(environment, instance, ["alpha"], people=1)

    assert run(instance, ["alpha"], assets=["contacts", "plan", direction]).success

    assert log_rows(environment, "direction") == [(direction,)]
    assert environment.rows("select count(*) from integration_links") == [(int(direction == "to_external"),)]


def test_metadata_has_counts_that_plot_and_no_whole_address(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha"], people=3)
    run(instance, ["alpha"])

    event = instance.get_latest_materialization_event(dg.AssetKey([PROVIDER, "to_external"]))

    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    written = {name: metadata[f"records_{name}"].value for name in ("created", "updated", "deleted", "failed", "held")}
    assert written == {"created": 3, "updated": 0, "deleted": 0, "failed": 0, "held": 0}
    assert isinstance(metadata["api_calls"].value, int)
    assert isinstance(metadata["seconds"].value, float)
    plan = instance.get_latest_materialization_event(dg.AssetKey([PROVIDER, "plan"]))
    assert "p…1@alpha.org" in str(plan)
    assert "person1@" not in str(plan)


def test_metadata_leads_to_the_section_about_what_a_run_leaves_to_a_person(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha"], people=6)
    run(instance, ["alpha"])
    environment.rows("update workspace_contacts set deleted_at = now() where name = 'Person 1' returning id")
    run(instance, ["alpha"])

    plan = instance.get_latest_materialization_event(dg.AssetKey([PROVIDER, "plan"]))
    assert plan is not None
    assert plan.asset_materialization is not None
    metadata = plan.asset_materialization.metadata
    assert metadata["held"].value == 1
    (row,) = metadata["sample_changes"].records  # type: ignore[attr-defined]  # a table's
    assert (row.data["state"], row.data["what"], row.data["contact"]) == ("held", "delete", "p…1@alpha.org")
    assert metadata["what_to_do"].value == "`docs/operations.md`, **Held changes**"


def test_a_sync_that_finds_nothing_to_look_at_does_not_claim_to_have_observed_the_contacts(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha"], people=3)

    def observations() -> int:
        return len(instance.fetch_observations(REGISTRY_KEY, limit=10).records)

    run(instance, ["alpha"])
    first = observations()
    run(instance, ["alpha"])
    assert (first, observations()) == (1, 1)


def test_a_scheduled_run_takes_only_those_that_are_due(environment: Environment, instance: dg.DagsterInstance) -> None:
    slugs = ["alpha", "beta"]
    _fleet(environment, instance, slugs)
    run(instance, ["alpha"])

    result = run(instance, slugs, tags={ONLY_DUE: "true"})

    assert result.success
    assert environment.rows("select count(*) from integration_sync_logs") == [(4,)]


def test_the_reconciliation_tag_reads_everything(environment: Environment, instance: dg.DagsterInstance) -> None:
    _fleet(environment, instance, ["alpha"])
    run(instance, ["alpha"])
    run(instance, ["alpha"], tags={FULL: "true"})

    reads = log_rows(environment, "metadata ->> 'read'")
    assert {row[0] for row in reads[-2:]} == {"complete"}


def test_the_due_sensor_asks_for_a_range_once_the_partition_sensor_has_made_it(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    for slug in ("alpha", "beta"):
        environment.connect(environment.add_workspace(slug))
    assert tick(f"{PROVIDER}_due", instance).skip_message == "2 connections due, 0 runs pending, none to start"
    assert tick("workspace_partitions", instance).skip_message == "2 partitions added, 0 removed"

    found = tick(f"{PROVIDER}_due", instance)

    assert [request.tags[RANGE_START] for request in found.run_requests] == ["alpha"]
    assert found.run_requests[0].tags[ONLY_DUE] == "true"


def test_the_due_sensor_leaves_alone_whom_a_queued_run_or_a_persons_backfill_will_take(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha", "beta"])
    for request in tick(f"{PROVIDER}_due", instance).run_requests:
        _queue(instance, request.tags)

    assert tick(f"{PROVIDER}_due", instance).skip_message == "2 connections due, 1 runs pending, none to start"


def test_the_due_sensor_asks_for_nobody_who_is_being_synced(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha"])
    environment.rows(
        "insert into integration_sync_logs (connection_id, workspace_id, direction, status) "
        "select id, workspace_id, 'to_external', 'running' from integration_connections returning id"
    )

    assert "0 connections due" in tick(f"{PROVIDER}_due", instance).skip_message


def test_a_launch_that_failed_is_not_asked_for_again_every_minute(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha", "beta"])
    environment.rows("update integration_connections set next_sync_at = now() - interval '10 minutes' returning id")
    job = build_definitions().resolve_job_def(job_name(PROVIDER))

    def fail_launch() -> None:
        """As the daemon tells it when the code server does not answer in time: the run never began."""
        (request,) = tick(f"{PROVIDER}_due", instance).run_requests
        instance.report_run_failed(instance.create_run_for_job(job, tags=request.tags))

    fail_launch()
    assert "1 launches failed lately, none to start" in tick(f"{PROVIDER}_due", instance).skip_message
    later = tick(f"{PROVIDER}_due", instance, sync=SyncLater(seconds=150))
    assert [request.tags[RANGE_START] for request in later.run_requests] == ["alpha"]

    assert run(instance, ["alpha", "beta"]).success
    environment.rows("update integration_connections set next_sync_at = now(), updated_at = now() returning id")
    assert tick(f"{PROVIDER}_due", instance, sync=SyncLater(seconds=90)).run_requests, "synced since: all is forgotten"


def test_what_sensors_and_schedules_ask_for_leaves_the_queue_after_what_a_person_launches(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha"])
    definitions = build_definitions()
    tags = [dict(request.tags) for request in tick(f"{PROVIDER}_due", instance).run_requests]
    for schedule in definitions.schedules or ():
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime.now(UTC))
        requests = definitions.resolve_schedule_def(schedule.name).evaluate_tick(context).run_requests
        tags += [dict(request.tags) for request in requests or ()]

    assert len(tags) == 5
    assert {int(each["dagster/priority"]) for each in tags} == {-1}
    jobs = [definitions.resolve_job_def(job.name) for job in definitions.jobs or ()]
    assert not any("dagster/priority" in job.tags for job in jobs), "a person's launch of them has none"


def _queue(instance: dg.DagsterInstance, tags: dict[str, str]) -> None:
    """As a backfill of the asset pages queues it: under Dagster's own job, known by its assets."""
    job = build_definitions().resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey([PROVIDER, name]) for name in ASSETS]
    subset = job.get_subset(asset_selection=set(keys))
    instance.create_run_for_job(subset, tags=tags, asset_selection=frozenset(keys))


def test_a_provider_that_refuses_for_a_while_is_tried_again_after_a_wait(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["alpha"])
    environment.sandbox.stage.faults.add(FaultRule(action="status", status=403, times=-1))
    assert not run(instance, ["alpha"], tags={ONLY_DUE: "true"}).success
    environment.sandbox.stage.faults.clear()

    assert "0 connections due" in tick(f"{PROVIDER}_due", instance).skip_message
    environment.rows("update integration_connections set next_sync_at = now() returning id")
    assert run(instance, ["alpha"], tags={ONLY_DUE: "true"}).success
    assert environment.rows("select error_count, error_message from integration_connections") == [(0, None)]


def test_reasons_are_grouped_and_cut() -> None:
    reasons = {f"w{i}": "not due" for i in range(12)} | {"x": "disabled"}

    assert grouped(reasons, limit=3) == "not due (12: w0, w1, w2, …); disabled (1: x)"
    assert grouped({f"w{i}": f"reason {i}" for i in range(4)}, limit=3).endswith("reason 2 (1: w2); and 1 more reasons")
