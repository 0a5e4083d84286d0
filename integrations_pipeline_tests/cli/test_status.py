"""`integrations status`: the fleet first, ages, problems; and its exit code for a monitor, without any daemon."""

import os
import subprocess
import sys

import pytest

from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment

GOOD = "update integration_connections set last_sync_at = now() - interval '2 minutes', last_full_at = now() - "
GOOD += "interval '5 hours', next_sync_at = now() + interval '13 minutes' returning id"


@pytest.fixture
def fleet(environment: Environment) -> Environment:
    """Three workspaces whose connections are well."""
    for slug in ("acme", "beta", "gamma"):
        environment.connect(environment.add_workspace(slug))
    environment.rows(GOOD)
    return environment


def change(environment: Environment, slug: str, values: str) -> None:
    environment.rows(
        f"update integration_connections c set {values} from workspaces w "
        f"where w.id = c.workspace_id and w.slug = '{slug}' returning w.id"
    )


@pytest.mark.parametrize(
    ("values", "problem", "code"),
    [
        pytest.param("error_count = 0", "", 0, id="well"),
        pytest.param(
            "status = 'error', error_count = 3, error_message = 'no table'", "error (no table)", 1, id="error"
        ),
        pytest.param("status = 'disconnected'", "disconnected", 1, id="disconnected"),
        pytest.param("last_sync_at = now() - interval '31 minutes'", "stale", 1, id="stale"),
        pytest.param(
            "last_sync_at = null, created_at = now() - interval '31 minutes'", "stale", 1, id="never synced for long"
        ),
        pytest.param("last_sync_at = null, next_sync_at = null", "", 0, id="just made"),
        pytest.param("error_count = 2, error_message = 'busy'", "failing: 2 in a row (busy)", 0, id="tried again"),
        pytest.param("last_full_at = now() - interval '25 hours'", "full read overdue", 0, id="full read overdue"),
        pytest.param("sync_enabled = false, status = 'error'", "", 0, id="switched off"),
        pytest.param("status = 'paused', last_sync_at = now() - interval '9 days'", "", 0, id="paused"),
    ],
)
def test_a_monitor_learns_of_what_needs_a_person(fleet: Environment, values: str, problem: str, code: int) -> None:
    change(fleet, "beta", values)

    checked = run("status", "--check")
    assert checked.code == code
    assert checked.out.startswith("3 connections of 3 workspaces: ")
    assert (f"beta airtable: {problem}" in checked.out) is bool(problem)
    assert "acme" not in checked.out

    document = run("status", "--check", "--json")
    assert document.code == code
    assert document.json["ok"] is (code == 0)
    assert [row["workspace"] for row in document.json["problems"]] == (["beta"] if problem else [])
    listed = run("status", "--problems", "--json")
    assert listed.code == 0, "only --check is for monitors"
    assert [row["workspace"] for row in listed.json] == (["beta"] if problem else [])


def test_a_stopped_field_needs_a_person(fleet: Environment) -> None:
    fleet.rows(
        "insert into integration_agenda (connection_id, workspace_id, kind, field) select c.id, c.workspace_id, "
        "'stopped_field', unnest(array['company', 'tags']) from integration_connections c "
        "join workspaces w on w.id = c.workspace_id where w.slug = 'beta' returning id"
    )

    checked = run("status", "--check")

    assert checked.code == 1
    assert "beta airtable: stopped field: company, stopped field: tags" in checked.out


def test_the_fleet_comes_first_with_counts_by_state_and_ages(fleet: Environment) -> None:
    change(fleet, "beta", "status = 'disconnected', last_sync_at = now() - interval '3 days'")
    change(fleet, "gamma", "sync_enabled = false, status = 'paused'")

    lines = run("status").out.splitlines()

    assert lines[0] == "3 connections of 3 workspaces: 1 active, 1 disabled, 1 disconnected"
    assert lines[1] == "problems: 1 disconnected; waiting for a person: none"
    assert lines[2] == (
        "last success 2 min ago; of the active ones the oldest success 2 min ago, the oldest full read 5 h ago"
    )
    rows = {row["workspace"]: row for row in run("status", "--json").json}
    assert rows["acme"]["status"] == "active"
    assert 100 < rows["acme"]["last_sync_age_seconds"] < 300
    assert 17_000 < rows["acme"]["last_full_age_seconds"] < 19_000
    summary = run("status", "--check", "--json").json["summary"]
    assert summary["states"] == {"active": 1, "disabled": 1, "disconnected": 1}
    assert summary["problems"] == {"disconnected": 1}


def test_one_workspace_or_one_provider_can_be_asked_for(fleet: Environment) -> None:
    change(fleet, "beta", "status = 'error'")

    assert run("status", "--check", "-w", "acme").code == 0
    assert run("status", "--check", "-w", "beta").code == 1
    assert run("status", "--check", "-p", "gmail").code == 0
    assert run("status", "-w", "nobody").code == 2
    assert "airtable, gmail, google_contacts, hubspot, mailchimp" in run("status", "-p", "fax").err


def test_columns_in_which_nobody_has_anything_are_left_out_and_80_columns_suffice(
    fleet: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations_pipeline.cli.output.stdout._width", 80)
    out = run("status").out

    assert "waiting" not in out.split("Connections")[1]
    assert "problem" not in out.split("Connections")[1]
    assert "│ acme " in out
    assert "│ in 12 min" in out
    assert max(len(line) for line in out.splitlines()[3:]) <= 80


def test_an_empty_fleet_is_well(environment: Environment) -> None:
    ran = run("status", "--check")

    assert (ran.code, ran.out.splitlines()[0]) == (0, "0 connections of 0 workspaces: none")
    assert run("status", "--json").json == []


def test_the_number_of_statements_does_not_depend_on_the_number_of_workspaces(fleet: Environment) -> None:
    def transactions() -> int:
        return int(str(fleet.rows("select xact_commit from pg_stat_database where datname = current_database()")[0][0]))

    def cost() -> int:
        fleet.rows("select pg_stat_force_next_flush() is null")
        before = transactions()
        assert run("status").code == 0
        fleet.rows("select pg_stat_force_next_flush() is null")
        return transactions() - before

    few = cost()
    for i in range(12):
        fleet.connect(fleet.add_workspace(f"more{i}"))

    assert few > 0
    assert cost() <= few + 2


@pytest.mark.slow
def test_it_needs_neither_dagster_nor_its_home(fleet: Environment) -> None:
    change(fleet, "beta", "status = 'error', error_count = 3")
    hidden = "import sys; sys.modules['dagster'] = None; from integrations_pipeline.cli import entry; entry()"
    variables = {**fleet.variables, "PATH": os.environ["PATH"], "HOME": "/nonexistent"}

    ran = subprocess.run(
        [sys.executable, "-c", hidden, "status", "--check"], env=variables, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 1, ran.stderr
    assert "beta airtable: error" in ran.stdout


def test_all_that_are_in_error_are_enabled_at_once_with_a_reason_on_record(environment: Environment) -> None:
    for slug in ("acme", "bravo", "coda"):
        environment.connect(environment.add_workspace(slug))
    with environment.wiring.database.admin() as connection:
        connection.exec_driver_sql(
            "update integration_connections c set status = 'error', error_count = 3, own_error_count = 3 "
            "from workspaces w where w.id = c.workspace_id and w.slug <> 'coda'"
        )
    every = ("connections", "enable", "--all", "--provider", "airtable")

    assert run(*every).code == 2
    assert run("connections", "enable", "airtable").code == 2
    assert run(*every, "--because", "the plan is larger now", "--json").json["enabled"] == ["acme", "bravo"]
    assert run(*every, "--because", "again", "--json").json["enabled"] == []
    assert environment.rows("select distinct status, error_count, own_error_count from integration_connections") == [
        ("active", 0, 0)
    ]
    noted = environment.rows(
        "select metadata ->> 'because' from integration_activity where action = 'connection_enabled'"
    )
    assert noted == [("the plan is larger now",)] * 2
