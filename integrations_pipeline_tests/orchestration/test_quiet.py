"""What Dagster keeps of workspaces that had nothing to do: no events of their own, and states that stay true."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest

from integrations_pipeline.orchestration.checks import connections_key
from integrations_pipeline.orchestration.instance import write_instance
from integrations_pipeline.orchestration.partitions import ONLY_DUE, follow_connections
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.orchestration.storage import BATCH_VARIABLE
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.sync.run import SyncRequest, run_sync
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import ASSETS, PROVIDER, run, states, tick
from integrations_pipeline_tests.orchestration.test_batches import DeletingSync
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_sandbox import FaultRule

SLUGS = ["alpha", "beta", "gamma"]


@pytest.fixture(params=[True])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """On our storage in Postgres, where a run of those that are due plans no partitions; or on Dagster's own."""
    monkeypatch.setenv(BATCH_VARIABLE, "400")
    with postgres_server.new_database() as url:
        folder = write_instance(tmp_path / "dagster", url, is_pooled=request.param)
        with dg.DagsterInstance.from_config(str(folder)) as found:
            yield found


def fleet(environment: Environment, instance: dg.DagsterInstance, slugs: Sequence[str] = SLUGS) -> None:
    """Workspaces with a contact each, synced so often that nothing is left to do or to tell."""
    for slug in slugs:
        environment.connect(environment.add_workspace(slug, people=1))
    follow_connections(instance, {PROVIDER: slugs})
    for _ in range(2):
        assert due(environment, instance, slugs).success


def due(
    environment: Environment,
    instance: dg.DagsterInstance,
    slugs: Sequence[str] = SLUGS,
    sync: SyncResource | None = None,
) -> dg.ExecuteInProcessResult:
    """A run as the due sensor asks for it, with all of them due."""
    environment.rows("update integration_connections set next_sync_at = now() returning id")
    return run(instance, slugs, tags={ONLY_DUE: "true"}, sync=sync)


def told(result: dg.ExecuteInProcessResult) -> set[str | None]:
    """Workspaces that got materializations in this run."""
    return {event.partition for event in result.all_events if event.is_step_materialization}


def edit(environment: Environment, slug: str, company: str = "Elsewhere") -> None:
    environment.rows(
        f"update workspace_contacts c set company = '{company}' from workspaces w "
        f"where w.id = c.workspace_id and w.slug = '{slug}' returning c.id"
    )


def table(environment: Environment, slug: str, name: str) -> None:
    """Point a connection to this table; one that is called `None` does not exist."""
    environment.rows(
        f"update integration_connections c set settings = c.settings || jsonb_build_object('table_id', '{name}') "
        f"from workspaces w where w.id = c.workspace_id and slug = '{slug}' returning slug"
    )


def observed(instance: dg.DagsterInstance) -> dict[str, object]:
    """What the newest run tells of the provider's connections."""
    key = connections_key(provider_specs()[PROVIDER])
    newest = instance.fetch_observations(key, limit=1).records[0].asset_observation
    assert newest is not None
    return {name: value.value for name, value in newest.metadata.items()}


def test_who_has_nothing_to_do_gets_no_event_and_stays_materialised(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    fleet(environment, instance)

    result = due(environment, instance)

    assert result.success
    assert told(result) == set()
    for name in ASSETS:
        assert states(instance, name, SLUGS) == dict.fromkeys(SLUGS, "MATERIALIZED")
    assert observed(instance) == {"synced": 3, "nothing_to_do": 3, "failed": 0, "skipped": 0}
    assert environment.rows("select count(*) from integration_sync_logs") == [(18,)]
    assert environment.rows("select count(*) from integration_connections where last_sync_at > now() - interval '1m'")


def test_who_has_something_to_do_is_shown_and_once_more_when_it_has_settled(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    fleet(environment, instance)
    edit(environment, "beta")

    runs = [due(environment, instance) for _ in range(3)]

    assert [told(result) for result in runs] == [{"beta"}, {"beta"}, set()]
    assert observed(instance)["nothing_to_do"] == 3


@pytest.mark.parametrize("instance", [False], indirect=True, ids=["Dagster's own storage"])
def test_where_every_partition_is_planned_everybody_is_shown_each_time(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    fleet(environment, instance)

    assert told(due(environment, instance)) == set(SLUGS)
    table(environment, "beta", "None")
    due(environment, instance)
    assert states(instance, "plan", SLUGS) == {"alpha": "MATERIALIZED", "beta": "FAILED", "gamma": "MATERIALIZED"}


def test_a_persons_run_shows_everybody(environment: Environment, instance: dg.DagsterInstance) -> None:
    fleet(environment, instance)

    assert told(run(instance, SLUGS)) == set(SLUGS)


def test_the_daily_read_of_everything_is_shown(environment: Environment, instance: dg.DagsterInstance) -> None:
    fleet(environment, instance)
    environment.rows("update integration_connections set last_full_at = now() - interval '2 days' returning id")

    assert told(due(environment, instance)) == set(SLUGS)


def test_who_was_synced_outside_of_dagster_meanwhile_is_shown(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    fleet(environment, instance)
    run_sync(environment.wiring.runtime, SyncRequest(workspace="beta", provider=PROVIDER))

    runs = [due(environment, instance) for _ in range(2)]

    assert [told(result) for result in runs] == [{"beta"}, set()]


def test_who_fails_among_quiet_ones_is_failed_alone_until_it_was_synced(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    fleet(environment, instance)
    table(environment, "beta", "None")

    result = due(environment, instance)

    assert not result.success
    for name in ASSETS:
        assert states(instance, name, SLUGS) == {"alpha": "MATERIALIZED", "beta": "FAILED", "gamma": "MATERIALIZED"}
    assert observed(instance) == {"synced": 2, "nothing_to_do": 2, "failed": 1, "skipped": 0}

    table(environment, "beta", "Contacts")
    assert due(environment, instance).success
    for name in ASSETS:
        assert states(instance, name, SLUGS) == dict.fromkeys(SLUGS, "MATERIALIZED")


def test_whose_first_sync_fails_is_failed_and_who_was_never_synced_is_missing(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = ["broken", "fine", "lonely"]
    for slug in slugs[:2]:
        environment.connect(environment.add_workspace(slug, people=1))
    environment.add_workspace("lonely")
    table(environment, "broken", "None")
    follow_connections(instance, {PROVIDER: slugs})

    assert not due(environment, instance, ["broken", "fine"]).success

    for name in ASSETS:
        assert states(instance, name, slugs) == {"broken": "FAILED", "fine": "MATERIALIZED", "lonely": "MISSING"}


def test_who_was_left_for_later_is_failed_until_a_quiet_run_has_come_to_it(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = [f"w{i:02}" for i in range(14)]
    fleet(environment, instance, slugs)
    rule = FaultRule(action="status", status=403, times=-1)
    environment.sandbox.stage.faults.add(rule)
    assert not due(environment, instance, slugs).success
    assert states(instance, "plan", slugs) == dict.fromkeys(slugs, "FAILED")
    environment.sandbox.stage.faults.clear()

    assert due(environment, instance, slugs).success

    assert states(instance, "plan", slugs) == dict.fromkeys(slugs, "MATERIALIZED")
    assert states(instance, "from_external", slugs) == dict.fromkeys(slugs, "MATERIALIZED")


def test_a_run_that_died_is_shown_on_whom_it_was_syncing_and_on_nobody_else(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    fleet(environment, instance)
    table(environment, "gamma", "None")
    died = due(environment, instance)
    table(environment, "gamma", "Contacts")
    assert due(environment, instance).success
    environment.rows(
        "insert into integration_sync_logs (connection_id, workspace_id, direction, status, dagster_run_id) "
        f"select c.id, c.workspace_id, 'to_external', 'running', '{died.run_id}' from integration_connections c "
        "join workspaces w on w.id = c.workspace_id where w.slug = 'alpha' returning id"
    )

    assert tick("lost_runs", instance).skip_message.startswith("1 lost syncs closed")

    found = states(instance, "plan", SLUGS)
    assert (found["beta"], found["gamma"]) == ("MATERIALIZED", "MATERIALIZED")
    assert told(due(environment, instance)) == {"alpha"}
    assert states(instance, "plan", SLUGS) == dict.fromkeys(SLUGS, "MATERIALIZED")


def test_what_a_quiet_run_stores_does_not_grow_with_the_workspaces(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = [f"w{i}" for i in range(6)]
    fleet(environment, instance, slugs)

    stored = [len(instance.all_logs(due(environment, instance, some).run_id)) for some in (slugs[:2], slugs)]

    assert stored[0] == stored[1] <= 20


def test_a_range_that_lost_an_end_while_it_waited_takes_the_others(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    fleet(environment, instance)
    environment.rows("delete from workspaces where slug = 'alpha' returning id")
    edit(environment, "gamma")

    result = due(environment, instance, sync=DeletingSync(slugs=["alpha"]))

    assert result.success
    assert told(result) == {"gamma"}
    assert observed(instance) == {"synced": 2, "nothing_to_do": 1, "failed": 0, "skipped": 1}
