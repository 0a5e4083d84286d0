"""One table of what the next syncs of everybody would change; nothing of it is done."""

from typing import Any

import dagster as dg
import pytest

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.fleet_plan import FLEET_PLAN_KEY, MOST_ROWS, FleetRow, fleet_metadata
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import QUIET, failure_text

NUMBERS = ("creates_here", "updates_here", "deletes_here", "creates_there", "updates_there", "deletes_there")
NOTHING = dict.fromkeys((*NUMBERS, "held", "undecided", "skipped"), 0)


def preview(instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    return (
        build_definitions()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=instance,
            asset_selection=[FLEET_PLAN_KEY],
            run_config={**QUIET, "ops": {"workspace__plan": {"config": config}}},
            raise_on_error=False,
        )
    )


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    assert result.success, failure_text(result)
    (event,) = result.asset_materializations_for_node("workspace__plan")
    assert "@" not in str(event.metadata)
    return {name: value.value for name, value in event.metadata.items()}


def rows(told: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    table = told.get("next_syncs", [])
    found = [dict(record.data) for record in getattr(table, "records", table)]
    return {(row["workspace"], row["provider"]): row for row in found}


def test_every_workspace_is_a_row_with_what_its_next_sync_would_write(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    for slug, people in (("acme", 3), ("beta", 2)):
        base_id, table_id = environment.connect(environment.add_workspace(slug, people))
        environment.sandbox.airtable.create_records(
            base_id, table_id, [{"Name": "There", "Email": f"{slug}@there.org"}]
        )

    told = shown(preview(instance))

    found = rows(told)
    assert {key: (row["there"], row["here"]) for key, row in found.items()} == {
        ("acme", "airtable"): ("3 new", "1 new"),
        ("beta", "airtable"): ("2 new", "1 new"),
    }
    assert (told["creates_there"], told["creates_here"], told["rows_not_shown"]) == (5, 2, 0)
    assert all(len(row["plan"]) == 8 for row in found.values())
    assert environment.rows("select count(*) from integration_links") == [(0,)]
    assert environment.rows("select count(*) from integration_sync_logs") == [(0,)]


def test_whoever_cannot_be_planned_is_a_row_that_says_why(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    environment.connect(environment.add_workspace("acme", 1))
    environment.connect(environment.add_workspace("beta", 1), table_id="Gone")
    environment.rows(
        "update integration_connections set sync_enabled = false where workspace_id = "
        "(select id from workspaces where slug = 'acme') returning 1"
    )

    told = shown(preview(instance))

    found = rows(told)
    assert "disabled" in found["acme", "airtable"]["why"]
    assert "Gone" in found["beta", "airtable"]["why"]
    assert told["not_planned"] == 2


def test_some_can_be_chosen_and_who_does_not_exist_is_one_clear_line(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    for slug in ("acme", "beta"):
        environment.connect(environment.add_workspace(slug, 1))

    assert set(rows(shown(preview(instance, workspaces=["beta"], providers=["airtable"])))) == {("beta", "airtable")}
    assert "'nobody' has no connection" in failure_text(preview(instance, workspaces=["nobody"]))
    assert "unknown provider" in failure_text(preview(instance, providers=["filofax"]))


@pytest.mark.parametrize("more", [0, 7])
def test_rows_beyond_the_most_are_counted_and_the_largest_are_shown(more: int) -> None:
    everybody = [
        FleetRow(workspace=f"w{n}", provider="airtable", numbers={**NOTHING, "updates_here": n + 1}, plan="p")
        for n in range(MOST_ROWS + more)
    ]
    quiet = FleetRow(workspace="quiet", provider="airtable", numbers=NOTHING, plan="p")

    told = fleet_metadata([quiet, *everybody])

    assert (told["rows_not_shown"], told["nothing_to_do"], told["previews"]) == (more, 1, MOST_ROWS + more + 1)
    assert told["next_syncs"].records[0].data["here"] == f"{MOST_ROWS + more} changed"
