"""Fixtures of the browser tests: Chromium, the folder of artefacts, a fleet of workspaces, `dagster dev` on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, sync_playwright

from integrations_pipeline.orchestration.instance import write_instance
from integrations_pipeline.orchestration.partitions import follow_connections
from integrations_pipeline.orchestration.storage import BATCH_SIZE, BATCH_VARIABLE
from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline_tests.browser.screen import Screen
from integrations_pipeline_tests.browser.server import DagsterServer, dagster_dev
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.postgres import PostgresServer

SLUGS = tuple(f"studio-{number:02}" for number in range(1, 11))
#: Workspaces that have a connection of another provider only: they are nothing to Airtable's pages.
OTHERS = ("label-01", "label-02", "label-03")
PEOPLE = 12
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Chromium's own talk with its maker's servers is off; and no name but loopback's leads anywhere.
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
NO_CHROMIUM = (
    "no Chromium on this machine, so the Dagster UI was NOT tested in a browser; "
    "`apt-get install chromium` makes it possible"
)
_skipped: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """pytest tells of skipped tests by number only, unless it is asked."""
    if _skipped:
        terminalreporter.section("skipped")
        terminalreporter.write_line(f"browser: {_skipped[0]}")


# Not for the session: Playwright keeps an event loop running in this thread, and Dagster's tests need to start theirs.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        _skipped.append(NO_CHROMIUM)
        pytest.skip(NO_CHROMIUM)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def artefacts(pytestconfig: pytest.Config) -> Path:
    """`.artifacts/browser` beside the package, emptied: screenshots and Dagster's log of the last run."""
    folder = pytestconfig.rootpath / ".artifacts" / "browser"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def fleet(environment: Environment) -> Environment:
    """Ten workspaces, each with its own base and token `pat<slug>` at Airtable; none of them due for an hour."""
    airtable, runtime = environment.sandbox.airtable, environment.wiring.runtime
    for slug in SLUGS:
        workspace_id = environment.add_workspace(slug, people=PEOPLE)
        base_id, table_id = environment.connect(workspace_id)
        token = airtable.create_token(value=f"pat{slug}", base_ids=[base_id])
        new = NewConnection(
            integration_type="airtable",
            credentials={"api_key": token.value},
            settings={"base_id": base_id, "table_id": table_id, "settle_seconds": 0},
        )
        with runtime.database.workspace(workspace_id) as connection:
            connections.save_connection(connection, workspace_id, new, runtime.cipher)
    for slug in OTHERS:
        workspace_id = environment.add_workspace(slug)
        new = NewConnection(integration_type="mailchimp", credentials={"api_key": "x-us1"}, settings={"list_id": "x"})
        with runtime.database.workspace(workspace_id) as connection:
            connections.save_connection(connection, workspace_id, new, runtime.cipher)
    # Else a sensor that ticks before it is switched off would do the work that the browser is to ask for.
    environment.rows("update integration_connections set next_sync_at = now() + interval '1 hour' returning id")
    return environment


@pytest.fixture
def dagster_server(
    chromium: Browser,
    fleet: Environment,
    postgres_server: PostgresServer,
    artefacts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[DagsterServer]:
    """`dagster dev` on the fleet, its storage in a database of its own on the same server."""
    monkeypatch.setenv(BATCH_VARIABLE, str(BATCH_SIZE))  # the storage sets it where it is not, for good
    with postgres_server.new_database() as url:
        home = write_instance(tmp_path / "dagster", url)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            follow_connections(instance, {"airtable": SLUGS, "mailchimp": OTHERS})
        with dagster_dev(home, artefacts / "dagster.log") as server:
            yield server


@pytest.fixture
def screen(chromium: Browser, dagster_server: DagsterServer, artefacts: Path) -> Iterator[Screen]:
    context = chromium.new_context(viewport={"width": 1500, "height": 950}, service_workers="block")
    yield Screen(context, dagster_server.url, artefacts)
    context.close()
