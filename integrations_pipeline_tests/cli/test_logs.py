"""`integrations logs`: over all workspaces, narrowed down, with errors and run ids, also of runs that died."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations_pipeline.cli.logs import since_when
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment

DAGSTER = "0f0f0f0f-1111-4222-8333-444444444444"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def fleet(environment: Environment) -> Environment:
    """Two workspaces, each synced once; the second one's run failed two days ago, by Dagster."""
    for slug in ("acme", "beta"):
        environment.connect(environment.add_workspace(slug, people=1))
        assert run("sync", "-w", slug, "-p", "airtable").code == 0
    environment.rows(
        "update integration_sync_logs l set status = 'failed', errors = '[\"no table\", \"no column\"]', "
        f"started_at = now() - interval '2 days', dagster_run_id = '{DAGSTER}' "
        "from workspaces w where w.id = l.workspace_id and w.slug = 'beta' returning l.id"
    )
    return environment


def told(*arguments: str) -> list[str]:
    """Workspaces of the rows, newest first."""
    return [row["workspace"] for row in run("logs", *arguments, "--json").json]


def test_without_a_workspace_all_are_told_the_newest_first(fleet: Environment) -> None:
    assert told() == ["acme", "acme", "beta", "beta"]
    assert told("--limit", "3") == ["acme", "acme", "beta"]
    assert "only the first 3 are shown" in run("logs", "--limit", "3").err


def test_rows_are_narrowed_down_by_workspace_provider_status_and_age(fleet: Environment) -> None:
    assert told("-w", "beta") == ["beta"] * 2
    assert told("-p", "gmail") == []
    assert told("--status", "failed") == ["beta"] * 2
    assert told("--since", "1d") == ["acme"] * 2
    assert told("--since", "3d", "--status", "success") == ["acme"] * 2
    assert told("--since", "2999-01-01") == []


def test_a_run_is_found_by_the_beginning_of_its_id_or_by_dagsters(fleet: Environment) -> None:
    run_id = run("logs", "-w", "acme", "--json").json[0]["run_id"]
    assert told("--run", run_id[:8]) == ["acme"] * 2
    assert told("--run", run_id) == ["acme"] * 2
    assert told("--run", DAGSTER) == ["beta"] * 2
    assert {row["dagster_run_id"] for row in run("logs", "-w", "beta", "--json").json} == {DAGSTER}
    for arguments in (["--run", run_id, "-w", "beta"], ["--run", "00000000"], ["--run", "x"]):
        refused = run("logs", *arguments)
        assert (refused.code, refused.out) == (2, "")
        assert len(refused.err.strip().splitlines()) == 1


def test_people_see_the_error_and_the_run_in_80_columns(fleet: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = run("logs", "-w", "beta", "--json").json[0]["run_id"]
    monkeypatch.setattr("integrations_pipeline.cli.output.stdout._width", 80)
    out = run("logs", "--status", "failed").out
    assert "no table (and 1 more: --json)" in out
    assert run_id[:8] in out
    assert run_id not in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_run_that_died_is_told_with_what_the_journal_knows(environment: Environment) -> None:
    environment.connect(environment.add_workspace("acme", people=3))
    assert run("sync", "-w", "acme", "-p", "airtable").code == 0
    environment.rows(
        "update integration_sync_logs set status = 'running', completed_at = null, records_created = 0, "
        "metadata = '{}' returning id"
    )
    assert run("sync", "-w", "acme", "-p", "airtable").code == 0

    dead = run("logs", "--status", "failed", "--json").json

    assert {row["direction"]: row["records_created"] for row in dead} == {"to_external": 3, "from_external": 0}
    assert [row["api_calls"] for row in dead] == [None, None]
    assert "3 created" in run("logs", "--status", "failed").out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--status", "odd"], ["--provider", "fax"], ["--workspace", "nobody"], ["--since", "yesterday"],
        ["--since", "7"], ["--since", ""], ["--since", "7dd"], ["--limit", "0"],
    ],
)  # fmt: skip
def test_a_filter_that_is_none_is_one_line(fleet: Environment, arguments: list[str]) -> None:
    refused = run("logs", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert len(refused.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "age"),
    [
        ("30min", timedelta(minutes=30)), ("12h", timedelta(hours=12)), (" 7d ", timedelta(days=7)),
        ("2 w", timedelta(weeks=2)), ("2026-02-28", timedelta(days=1)),
        ("2026-03-01T01:00:00+02:00", timedelta(hours=1)),
    ],
)  # fmt: skip
def test_ages_and_dates_are_understood(given: str, age: timedelta) -> None:
    assert since_when(given, NOW) == NOW - age


@pytest.mark.parametrize("given", ["-7d", "1.5h", "d", "999999d", "\u0667d", "2026-13-01"])
def test_what_is_no_age_and_no_date_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match="--since"):
        since_when(given, NOW)
