"""The morning's questions that Dagster answers: what will the next syncs change, and which held deletes are meant."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from integrations_pipeline_tests.browser.conftest import OTHERS, PEOPLE, SLUGS
from integrations_pipeline_tests.browser.screen import LOCATION, Screen
from integrations_pipeline_tests.browser.server import DagsterServer
from integrations_pipeline_tests.environment import Environment

HERE, QUIET = SLUGS[0], SLUGS[1]
HELD = 5


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_would_change_and_what_waits_is_seen_and_decided(
    screen: Screen, dagster_server: DagsterServer, fleet: Environment
) -> None:
    _see_what_the_next_syncs_would_change(screen, dagster_server)
    for slug in (HERE, QUIET):
        _sync(screen, dagster_server, slug)
    _delete_there(fleet, HERE)
    _sync(screen, dagster_server, HERE)
    _see_that_deletes_wait(screen, dagster_server)
    ids = [
        str(key) for (key,) in fleet.rows("select id from integration_agenda where kind = 'held_delete' order by id")
    ]
    assert len(ids) == HELD
    _approve(screen, dagster_server, ids[:2])
    _sync(screen, dagster_server, HERE)
    assert fleet.rows("select count(*) from workspace_contacts where deleted_at is not null") == [(2,)]
    assert fleet.rows("select count(*) from integration_agenda where kind = 'held_delete'") == [(HELD - 2,)]
    assert screen.foreign == []
    assert screen.faults == []


def _see_what_the_next_syncs_would_change(screen: Screen, server: DagsterServer) -> None:
    screen.open("/assets/workspace/plan", "What the next syncs would change")
    screen.press("Materialize")
    assert server.status_of_run(screen.launched()) == "SUCCESS"
    screen.open("/assets/workspace/plan", "next_syncs")
    expect(screen.row("previews")).to_contain_text(str(len(SLUGS) + len(OTHERS)))
    expect(screen.row("creates_there")).to_contain_text(str(PEOPLE * len(SLUGS)))
    screen.see(SLUGS[-1])
    screen.see(f"{PEOPLE} new")
    screen.keep("what-the-next-syncs-would-change")


def _sync(screen: Screen, server: DagsterServer, slug: str) -> None:
    screen.open_lineage("airtable")
    dialog = screen.choose(partition=slug, chosen="1 partition")
    assert server.status_of_run(screen.confirm(dialog, "Launch 1 run")) == "SUCCESS"


def _delete_there(fleet: Environment, slug: str) -> None:
    ((base_id, table_id),) = fleet.rows(
        "select settings->>'base_id', settings->>'table_id' from integration_connections c "
        f"join workspaces w on w.id = c.workspace_id where w.slug = '{slug}'"
    )
    airtable = fleet.sandbox.airtable
    records = airtable.records(str(base_id), str(table_id))
    airtable.delete_records(str(base_id), str(table_id), [str(record["id"]) for record in records[:HELD]])


def _see_that_deletes_wait(screen: Screen, server: DagsterServer) -> None:
    page = "/assets/airtable/connections?view=checks"
    screen.open(page, "no_held_deletes")
    screen.press("Execute all")
    assert server.status_of_run(screen.launched()) == "SUCCESS"
    screen.open(page, "Failed")
    screen.keep("deletes-wait")


def _approve(screen: Screen, server: DagsterServer, ids: list[str]) -> None:
    """In the launchpad, with the config that the runbook shows."""
    listed = ", ".join(f'"{each}"' for each in ids)
    config = (
        "ops:\n  decide_what_waits:\n    config:\n"
        f"      workspace: {HERE}\n      decision: approved\n      operator: ann\n      ids: [{listed}]\n"
    )
    screen.open(f"/locations/{LOCATION}/jobs/decide/playground/setup?config={quote(config)}", "Launch Run")
    screen.see("decide_what_waits")
    screen.press("Launch Run")
    screen.see(re.compile("Run success|Success|RUN_SUCCESS"))
    screen.keep("decided")
