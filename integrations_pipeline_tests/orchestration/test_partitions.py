"""Each provider has its own partitions: the workspaces that are connected to it, followed from the connections."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill  # nobody else can make one

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.everything import ALL_JOB
from integrations_pipeline.orchestration.partitions import (
    MAX_DELETES_PER_TICK,
    OLD_SET,
    follow_connections,
    set_name,
    workspace_partitions,
)
from integrations_pipeline.orchestration.shapes import REGISTRY_KEY
from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import (
    PROVIDER,
    QUIET,
    failure_text,
    materialized,
    messages,
    run,
    states,
    tick,
)


def keys(instance: dg.DagsterInstance, provider: str = PROVIDER) -> list[str]:
    return list(instance.get_dynamic_partitions(set_name(provider)))


def _connect_mailchimp(environment: Environment, slug: str) -> None:
    """To an address where nobody answers: only the connection matters."""
    new = NewConnection(integration_type="mailchimp", credentials={"api_key": "x-us1"}, settings={"list_id": "l"})
    runtime = environment.wiring.runtime
    workspace_id = environment.add_workspace(slug)
    with runtime.database.workspace(workspace_id) as connection:
        connections.save_connection(connection, workspace_id, new, runtime.cipher)


def test_each_provider_has_the_workspaces_that_are_connected_to_it(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    environment.connect(environment.add_workspace("both"))
    environment.connect(environment.add_workspace("table"))
    environment.add_workspace("lonely")
    _connect_mailchimp(environment, "audience")
    environment.rows(
        "insert into integration_connections (workspace_id, integration_type, sync_enabled, status) "
        "select id, 'mailchimp', false, 'paused' from workspaces where slug = 'both' returning id"
    )

    assert tick("workspace_partitions", instance).skip_message == "4 partitions added, 0 removed"
    assert keys(instance) == ["both", "table"]
    assert keys(instance, "mailchimp") == ["audience", "both"]  # one that is disabled is connected all the same
    assert keys(instance, "gmail") == []

    environment.rows("delete from integration_connections where integration_type = 'mailchimp' returning id")
    assert tick("workspace_partitions", instance).skip_message == "0 partitions added, 2 removed"
    assert keys(instance, "mailchimp") == []


def test_partitions_follow_the_connections(instance: dg.DagsterInstance) -> None:
    assert follow_connections(instance, {PROVIDER: ["a", "b"]}) == (2, 0)
    assert follow_connections(instance, {PROVIDER: ["b", "c"]}) == (1, 1)
    assert keys(instance) == ["b", "c"]
    # More likely a fault than the end of everybody.
    assert follow_connections(instance, {PROVIDER: [], "gmail": []}) == (0, 0)
    assert keys(instance) == ["b", "c"]


def test_partitions_are_added_all_at_once_and_removed_a_few_hundred_at_a_time(instance: dg.DagsterInstance) -> None:
    """Dagster removes them one by one, and would keep the sensor for minutes."""
    many = [f"w{i}" for i in range(MAX_DELETES_PER_TICK + 20)]
    kept = {PROVIDER: ["kept"], "gmail": []}

    assert follow_connections(instance, {PROVIDER: [*many, "kept"], "gmail": ["g"]}) == (len(many) + 2, 0)
    assert follow_connections(instance, kept) == (0, MAX_DELETES_PER_TICK)
    assert follow_connections(instance, kept) == (0, 21)


@pytest.mark.parametrize(
    ("status", "is_removed"),
    [(BulkActionStatus.REQUESTED, False), (BulkActionStatus.CANCELING, False), (BulkActionStatus.COMPLETED, True)],
)
def test_no_partition_goes_while_a_backfill_is_under_way(
    instance: dg.DagsterInstance, status: BulkActionStatus, is_removed: bool
) -> None:
    """Dagster would end the whole backfill for it."""
    follow_connections(instance, {PROVIDER: ["a", "b"]})
    backfill = PartitionBackfill(
        backfill_id="x", status=status, from_failure=False, tags={}, backfill_timestamp=0.0, asset_backfill_data=None
    )
    instance.add_backfill(backfill)

    assert follow_connections(instance, {PROVIDER: ["b", "c"]}) == (1, int(is_removed))
    assert ("a" in keys(instance)) is not is_removed


OLD_KEY = dg.AssetKey([PROVIDER, "plan"])


@dg.multi_asset(
    name="old_sync",
    specs=[dg.AssetSpec(OLD_KEY, skippable=True)],
    partitions_def=dg.DynamicPartitionsDefinition(name=OLD_SET),
    backfill_policy=dg.BackfillPolicy.multi_run(100),
)
def old_sync(context: dg.AssetExecutionContext) -> Iterator[dg.AssetMaterialization]:
    """As it was when all providers had one set."""
    for slug in context.partition_keys:
        if slug != "broken":
            yield dg.AssetMaterialization(asset_key=OLD_KEY, partition=slug)
    raise dg.Failure("1 failed", allow_retries=False)


def test_an_instance_with_the_one_set_of_before_keeps_what_it_knows_of_every_workspace(
    home: dg.DagsterInstance,
) -> None:
    slugs = ["zoe", "broken", "lonely", "anna"]
    home.add_dynamic_partitions(OLD_SET, slugs)
    tags = {"dagster/asset_partition_range_start": "zoe", "dagster/asset_partition_range_end": "anna"}
    dg.materialize([old_sync], instance=home, tags=tags, raise_on_error=False, run_config=QUIET)
    old = home.get_status_by_partition(OLD_KEY, slugs, dg.DynamicPartitionsDefinition(name=OLD_SET))
    assert old is not None
    assert [state.value for state in old.values() if state] == [
        "MATERIALIZED",
        "FAILED",
        "MATERIALIZED",
        "MATERIALIZED",
    ]

    wanted = {PROVIDER: ["anna", "broken", "new", "zoe"], "mailchimp": ["anna"]}
    assert follow_connections(home, wanted) == (5, 4)

    assert keys(home) == ["zoe", "broken", "anna", "new"], "in the order of before: a queued range is the same still"
    assert list(home.get_dynamic_partitions(OLD_SET)) == []
    assert states(home, "plan", keys(home)) == {
        "zoe": "MATERIALIZED",
        "broken": "FAILED",
        "anna": "MATERIALIZED",
        "new": "MISSING",
    }
    assert follow_connections(home, wanted) == (0, 0)


def test_a_run_that_was_queued_over_the_old_set_takes_whom_it_was_made_for(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    for slug in ("a", "b", "c"):
        environment.connect(environment.add_workspace(slug, people=1))
    instance.add_dynamic_partitions(OLD_SET, ["c", "b", "lonely", "a"])
    tick("workspace_partitions", instance)

    assert run(instance, ["c", "a"]).success
    assert materialized(instance, "plan") == {"a", "b", "c"}


def test_failed_and_missing_means_the_workspaces_of_that_provider(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    """What the launch dialog selects is made of these states of the partitions of the set."""
    for slug in ("good", "broken"):
        environment.connect(
            environment.add_workspace(slug, people=1), **({"table_id": "x"} if slug == "broken" else {})
        )
    for slug in ("mail1", "mail2"):
        _connect_mailchimp(environment, slug)
    tick("workspace_partitions", instance)
    run(instance, keys(instance))
    environment.connect(environment.add_workspace("new"))
    tick("workspace_partitions", instance)

    found = instance.get_status_by_partition(
        dg.AssetKey([PROVIDER, "plan"]), keys(instance), workspace_partitions(PROVIDER)
    )
    assert found is not None
    assert {slug: state.value if state else "MISSING" for slug, state in found.items()} == {
        "good": "MATERIALIZED",
        "broken": "FAILED",
        "new": "MISSING",
    }


def test_the_assets_of_a_provider_have_its_partitions_and_the_registry_none() -> None:
    graph = build_definitions().resolve_asset_graph()

    for name in ("airtable", "mailchimp", "gmail"):
        for key in graph.asset_keys_for_group(name):
            assert graph.get(key).partitions_def == workspace_partitions(name)
    assert graph.get(REGISTRY_KEY).partitions_def is None
    assert not graph.get(REGISTRY_KEY).is_executable


def _run_all(instance: dg.DagsterInstance, **config: list[str]) -> dg.ExecuteInProcessResult:
    job = build_definitions().resolve_job_def(ALL_JOB)
    ops = {name: {"config": config} for name in ("airtable_sync_all", "mailchimp_sync_all", "gmail_sync_all")}
    return job.execute_in_process(instance=instance, run_config={**QUIET, "ops": ops}, raise_on_error=False)


def test_the_job_for_all_providers_syncs_whom_each_is_connected_to_and_names_who_failed(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    environment.connect(environment.add_workspace("good", people=1))
    environment.connect(environment.add_workspace("off", people=1))
    environment.rows(
        "update integration_connections c set sync_enabled = false, status = 'paused' from workspaces w "
        "where w.id = c.workspace_id and w.slug = 'off' returning w.id"
    )
    tick("workspace_partitions", instance)

    result = _run_all(instance)
    assert result.success
    assert materialized(instance, "to_external") == {"good"}
    assert "the airtable connection is disabled (1: off)" in messages(instance, result.run_id)

    environment.connect(environment.add_workspace("broken"), table_id="x")
    assert _run_all(instance, workspaces=["good"]).success
    failed = _run_all(instance, workspaces=["good", "broken"])
    assert not failed.success
    assert "1 of 2 workspaces failed" in failure_text(failed)
