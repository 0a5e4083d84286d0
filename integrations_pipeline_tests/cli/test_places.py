"""Two workspaces on one table or audience, and columns that a person takes for right again."""

import json
from pathlib import Path

import pytest

from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY, DEFAULT_TOKEN


def add(tmp_path: Path, provider: str, slug: str, key: str, settings: dict[str, object], *more: str) -> Ran:
    credentials, given = tmp_path / "c.json", tmp_path / "s.json"
    credentials.write_text(json.dumps({"api_key": key}))
    given.write_text(json.dumps(settings))
    files = ("--credentials", str(credentials), "--settings", str(given))
    return run("connections", "add", provider, "--workspace", slug, *files, *more)


@pytest.mark.parametrize("named_by", ["id", "name"])
def test_a_table_that_another_workspace_syncs_is_refused_unless_it_is_meant(
    environment: Environment, tmp_path: Path, named_by: str
) -> None:
    base_id, table_id = environment.connect(environment.add_workspace("one"))
    environment.add_workspace("two")
    settings = {"base_id": base_id, "table_id": table_id if named_by == "id" else "Contacts"}
    refused = add(tmp_path, "airtable", "two", DEFAULT_TOKEN, dict(settings))
    assert refused.code == 2
    assert "workspace one syncs the same place" in refused.err
    assert environment.rows("select count(*) from integration_connections") == [(1,)]
    assert add(tmp_path, "airtable", "two", DEFAULT_TOKEN, dict(settings), "--shared").code == 0
    checked = run("connections", "check", "--workspace", "one", "--json")
    assert checked.code == 0
    assert "shared with another workspace: two" in checked.json["airtable"]["notes"][0]


def test_another_table_of_the_same_base_is_another_place(environment: Environment, tmp_path: Path) -> None:
    base_id, _ = environment.connect(environment.add_workspace("one"))
    environment.add_workspace("two")
    other = environment.sandbox.airtable.create_contacts_table(base_id, "People")
    assert add(tmp_path, "airtable", "two", DEFAULT_TOKEN, {"base_id": base_id, "table_id": other.id}).code == 0


def test_an_audience_that_another_workspace_syncs_is_refused(environment: Environment, tmp_path: Path) -> None:
    for slug in ("one", "two"):
        environment.add_workspace(slug)
    settings: dict[str, object] = {"list_id": environment.sandbox.mailchimp.create_list("Friends").id}
    assert add(tmp_path, "mailchimp", "one", DEFAULT_MAILCHIMP_KEY, settings).code == 0
    assert add(tmp_path, "mailchimp", "two", DEFAULT_MAILCHIMP_KEY, settings).code == 2
    assert add(tmp_path, "mailchimp", "one", DEFAULT_MAILCHIMP_KEY, settings).code == 0, "the own one is no other"


def test_a_stopped_field_is_told_on_every_way_and_goes_on_once_its_column_is_accepted(environment: Environment) -> None:
    base_id, table_id = environment.connect(environment.add_workspace("acme", people=2))
    airtable = environment.sandbox.airtable
    sync = ("sync", "--workspace", "acme", "--provider", "airtable")
    assert run(*sync).code == 0
    airtable.change_field_type(base_id, table_id, "Company", "number", {"precision": 0})
    record = airtable.records(base_id, table_id)[0]
    airtable.update_record(base_id, table_id, record["id"], Name="Renamed", Company=7)
    stopped = run(*sync)
    assert stopped.code == 1
    assert "company is stopped" in stopped.err
    assert run(*sync).code == 0, "told once"
    assert "company is left alone" in run(*sync).out, "and visible"
    assert "number" in run("connections", "check", "--workspace", "acme").err
    assert run("connections", "accept", "airtable", "--workspace", "acme").code == 0
    assert run(*sync).code == 0
    rows = run("contacts", "list", "--workspace", "acme", "--json").json
    assert sorted(row["company"] for row in rows) == ["", "7"]
