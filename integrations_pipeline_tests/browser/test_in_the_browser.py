"""A data engineer's morning in the Dagster UI: sync one, sync all, one fails, repair it, sync only that again."""

import re

import pytest
from playwright.sync_api import expect

from integrations_pipeline_tests.browser.conftest import OTHERS, PEOPLE, SLUGS
from integrations_pipeline_tests.browser.screen import Screen
from integrations_pipeline_tests.browser.server import DagsterServer
from integrations_pipeline_tests.environment import Environment

FIRST, BROKEN, NEW = SLUGS[0], SLUGS[6], "studio-11"
LAST_ASSETS = ("to_external", "from_external")


@pytest.mark.slow
@pytest.mark.timeout(600)  # it takes two minutes; a machine with other work several times as long
def test_a_failed_workspace_is_found_repaired_and_launched_again_by_itself(
    screen: Screen, dagster_server: DagsterServer, fleet: Environment
) -> None:
    _see_the_lineage(screen)
    _sync_one(screen, dagster_server)
    fleet.sandbox.airtable.revoke_token(f"pat{BROKEN}")
    _sync_all(screen, dagster_server)
    _find_the_failed_one(screen)
    _read_why_it_failed(screen)
    _see_what_failed_and_missing_means(screen, dagster_server)
    _check_the_fleet(screen, dagster_server, result="Failed", concerned=1)

    fleet.sandbox.airtable.create_token(value=f"pat{BROKEN}")
    _sync_the_failed_one(screen, dagster_server)
    _check_the_fleet(screen, dagster_server, result="Passed", concerned=0)
    _read_what_was_done(screen)
    fleet.sandbox.airtable.revoke_token(f"pat{BROKEN}")
    _fail_after_a_good_sync(screen, dagster_server)

    created = fleet.rows("select sum(records_created) from integration_sync_logs where direction = 'to_external'")
    assert created == [(PEOPLE * len(SLUGS),)]
    assert screen.requests > 100
    assert screen.foreign == []
    assert screen.faults == []


def _see_the_lineage(screen: Screen) -> None:
    screen.open("/", "Timeline")
    assert not screen.has_dialog(), "a welcome dialog covers the first page"
    screen.open_lineage("airtable")
    assert not screen.has_dialog()
    for name in ("contacts", "plan", *LAST_ASSETS):
        expect(screen.node(name)).to_contain_text("0% filled")
    screen.keep("lineage")


def _sync_one(screen: Screen, server: DagsterServer) -> None:
    dialog = screen.choose(partition=FIRST, chosen="1 partition")
    run_id = screen.confirm(dialog, "Launch 1 run")
    assert server.status_of_run(run_id) == "SUCCESS"
    screen.open_lineage("airtable")
    screen.see("10% filled")


def _sync_all(screen: Screen, server: DagsterServer) -> None:
    dialog = screen.choose(choice="All", chosen="10 partitions")
    screen.keep("dialog")
    backfill_id = screen.confirm(dialog, "Launch backfill")
    assert server.status_of_backfill(backfill_id) == "COMPLETED_FAILED"
    screen.open(f"/runs/b/{backfill_id}", "100% completed")
    assert len(re.findall(r"100% completed\s+10\s+0\s+9\s+1\b", screen.text())) == 4, "9 of 10 for each of 4 assets"
    screen.keep("backfill")
    (run_id,) = server.runs_of_backfill(backfill_id)
    screen.open(f"/runs/{run_id}", re.compile(rf"1 of 10 workspaces failed: .*{BROKEN}"))
    screen.keep("failed-run")


def _find_the_failed_one(screen: Screen) -> None:
    screen.open_lineage("airtable")
    screen.see(re.compile(r"90% filled \(1 failed\)"))
    screen.keep("one-failed")
    screen.open("/assets/airtable/to_external?view=partitions", "Failed (1)")
    screen.see("Materialized (9)")
    screen.keep("partitions")


def _read_why_it_failed(screen: Screen) -> None:
    """On its own partition's page, where the last good sync stood before."""
    for name in ("to_external", "plan"):
        screen.open(f"/assets/airtable/{name}?view=partitions&partition={BROKEN}", "what_to_do")
        expect(screen.row("status")).to_contain_text("failed")
        expect(screen.row("error")).to_contain_text("token")
        expect(screen.row("status")).not_to_contain_text("success")
        screen.keep(f"why-{name}")
    screen.open(f"/assets/airtable/to_external?view=partitions&partition={FIRST}", "records_created")
    expect(screen.row("status")).to_contain_text("success")


def _see_what_failed_and_missing_means(screen: Screen, server: DagsterServer) -> None:
    """A workspace that is new at Airtable is missing there; those of another provider are not."""
    server.add_partition("airtable_workspaces", NEW)
    screen.open_lineage("airtable")
    dialog = screen.choose(choice="Failed and missing", chosen="2 partitions")
    for slug in (BROKEN, NEW):
        expect(dialog.get_by_text(slug).first).to_be_visible()
    screen.keep("failed-and-missing")
    screen.page.keyboard.press("Escape")
    screen.open_lineage("mailchimp")
    screen.choose(choice="Failed and missing", chosen=f"{len(OTHERS)} partitions")
    screen.keep("missing-at-mailchimp")
    server.delete_partition("airtable_workspaces", NEW)


def _check_the_fleet(screen: Screen, server: DagsterServer, *, result: str, concerned: int) -> None:
    page = "/assets/airtable/connections?view=checks"
    screen.open(page, "connection_healthy")
    screen.press("Execute")
    assert server.status_of_run(screen.launched()) == "SUCCESS"
    screen.open(page, result)
    expect(screen.row("workspaces_concerned")).to_contain_text(str(concerned))
    screen.keep(f"check-{result.lower()}")


def _sync_the_failed_one(screen: Screen, server: DagsterServer) -> None:
    screen.open_lineage("airtable")
    dialog = screen.choose(choice="Failed", chosen="1 partition")
    expect(dialog.get_by_text(BROKEN).first).to_be_visible()
    screen.keep("dialog-failed")
    run_id = screen.confirm(dialog, "Launch 1 run")
    assert server.status_of_run(run_id) == "SUCCESS"
    screen.open_lineage("airtable")
    screen.see("100% filled")
    screen.keep("all-green")


def _read_what_was_done(screen: Screen) -> None:
    screen.open(f"/assets/airtable/to_external?view=partitions&partition={BROKEN}", "records_created")
    expect(screen.row("records_created")).to_contain_text(str(PEOPLE))
    expect(screen.row("status")).to_contain_text("success")
    screen.keep("materialization")
    screen.open("/assets/airtable/to_external", "records_created")
    screen.press("Plots")
    screen.see("records_updated")
    expect(screen.page.locator("canvas").first).to_be_visible()
    screen.keep("plots")


def _fail_after_a_good_sync(screen: Screen, server: DagsterServer) -> None:
    """The page shows nothing of the good one that came before."""
    screen.open_lineage("airtable")
    dialog = screen.choose(partition=BROKEN, chosen="1 partition")
    assert server.status_of_run(screen.confirm(dialog, "Launch 1 run")) == "FAILURE"
    screen.open(f"/assets/airtable/to_external?view=partitions&partition={BROKEN}", "what_to_do")
    expect(screen.row("status")).to_contain_text("failed")
    expect(screen.row("error")).to_contain_text("token")
    expect(screen.row("records_created")).not_to_contain_text(str(PEOPLE))
    screen.see("Failed (1)")
    screen.keep("failed-again")
