"""The code location is reloaded, as a deploy does it, while a run is at work: the run ends as if nothing had been."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from integrations_pipeline.orchestration.instance import write_instance
from integrations_pipeline.orchestration.partitions import follow_connections
from integrations_pipeline.orchestration.storage import BATCH_SIZE, BATCH_VARIABLE
from integrations_pipeline_tests.browser.conftest import PEOPLE, SLUGS
from integrations_pipeline_tests.browser.server import WORK_SECONDS, DagsterServer, dagster_dev, wait_for
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_sandbox import FaultRule

ASSETS = ("contacts", "plan", "to_external", "from_external")
_LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
_RELOAD = """mutation { reloadWorkspace { __typename ... on Workspace { locationEntries { loadStatus
  locationOrLoadError { __typename } } } } }"""


@pytest.fixture
def server(
    fleet: Environment, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DagsterServer]:
    monkeypatch.setenv(BATCH_VARIABLE, str(BATCH_SIZE))
    with postgres_server.new_database() as url:
        home = write_instance(tmp_path / "dagster", url)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            follow_connections(instance, {"airtable": SLUGS})
        with dagster_dev(home, tmp_path / "dagster.log") as server:
            yield server


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_reload_of_the_code_location_stops_no_run(server: DagsterServer, fleet: Environment) -> None:
    fleet.sandbox.stage.faults.add(FaultRule(action="delay", seconds=1.5, times=-1))
    selection = [{"path": ["airtable", name]} for name in ASSETS]
    launched = server.ask(_LAUNCH, params={"assetSelection": selection, "partitionNames": list(SLUGS)})
    backfill = launched["launchPartitionBackfill"]
    assert backfill["__typename"] == "LaunchBackfillSuccess", backfill
    done = "select 1 from integration_sync_logs where status = 'success'"
    wait_for(lambda: fleet.rows(done), "the first workspace", WORK_SECONDS)

    # Loading the code takes a slow machine minutes: each request takes nearly as long as the product waits for it.
    fleet.sandbox.stage.faults.clear()
    fleet.sandbox.stage.faults.add(FaultRule(action="delay", seconds=20, times=-1))
    for _ in range(2):
        (entry,) = server.ask(_RELOAD)["reloadWorkspace"]["locationEntries"]
        assert entry["locationOrLoadError"]["__typename"] == "RepositoryLocation"
    was_at_work = len(fleet.rows(done)) < 2 * len(SLUGS)

    fleet.sandbox.stage.faults.clear()
    assert server.status_of_backfill(backfill["backfillId"]) == "COMPLETED_SUCCESS"
    assert was_at_work, "the run was over before the reload"
    rows = fleet.rows("select status, count(*) from integration_sync_logs group by 1")
    assert rows == [("success", 2 * len(SLUGS))]
    assert fleet.rows("select count(*) from integration_links") == [(PEOPLE * len(SLUGS),)]
