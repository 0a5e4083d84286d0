"""`integrations connections check` from the outside: what it prints, for people and as JSON, and its exit code."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from integrations_pipeline.cli.connection_check import checked
from integrations_pipeline.store import contacts
from integrations_pipeline.store.connections import find_connection
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.cli.test_places import add
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import FaultRule
from integrations_sandbox.airtable.state import ALL_SCOPES

CHECK = ("connections", "check", "-w", "acme")


def tagged(environment: Environment, workspace_id: UUID, count: int) -> None:
    rows = [{"email": f"tagged{i}@acme.org", "tags": f"tag {i}\x1fpress"} for i in range(count)]
    with environment.wiring.runtime.database.workspace(workspace_id) as connection:
        contacts.upsert_contacts(connection, workspace_id, rows)


def test_json_and_lines_tell_the_same_problems_and_notes(environment: Environment, tmp_path: Path) -> None:
    workspace_id = environment.add_workspace("acme")
    tagged(environment, workspace_id, 60)
    base_id, table_id = environment.connect(workspace_id)
    token = environment.sandbox.airtable.create_token(scopes=ALL_SCOPES - {"data.records:write", "webhook:manage"})
    settings: dict[str, object] = {"base_id": base_id, "table_id": table_id}
    assert add(tmp_path, "airtable", "acme", token.value, settings).code == 0
    told, shown = run(*CHECK, "--json"), run(*CHECK)
    assert told.code == shown.code == 1
    (problem,) = told.json["airtable"]["problems"]
    feed, tags = told.json["airtable"]["notes"]
    assert "data.records:write" in problem
    assert "webhook:manage" in feed
    assert tags == '61 tags of this workspace are no options of column "Tags" yet: a sync would make them'
    assert shown.err.splitlines() == [f"airtable: {problem}"]
    notes = [f"airtable: note: {feed}", f"airtable: note: {tags}"]
    assert shown.out.splitlines() == [*notes, "airtable: not ready"]


def test_a_check_leaves_no_trace_at_the_provider(environment: Environment) -> None:
    workspace_id = environment.add_workspace("acme", people=2)
    base_id, table_id = environment.connect(workspace_id)
    ran = run(*CHECK)
    assert (ran.code, ran.out) == (0, "airtable: ready\n")
    airtable = environment.sandbox.airtable
    assert airtable.records(base_id, table_id) == []
    assert airtable.webhooks.list(airtable.base(base_id), None, environment.sandbox.stage.clock.now()) == {
        "webhooks": []
    }


@pytest.mark.parametrize("named_by", ["id", "name"])
def test_another_workspace_on_the_same_table_is_told_to_both(
    environment: Environment, tmp_path: Path, named_by: str
) -> None:
    base_id, table_id = environment.connect(environment.add_workspace("acme"))
    environment.add_workspace("two")
    settings: dict[str, object] = {"base_id": base_id, "table_id": table_id if named_by == "id" else "Contacts"}
    assert add(tmp_path, "airtable", "two", "patSandbox.token", settings, "--shared").code == 0
    for slug, other in (("acme", "two"), ("two", "acme")):
        (note,) = run("connections", "check", "-w", slug, "--json").json["airtable"]["notes"]
        assert note.startswith(f"shared with another workspace: {other} ")


def test_not_knowing_about_other_workspaces_hides_nothing(environment: Environment, tmp_path: Path) -> None:
    workspace_id = environment.add_workspace("acme")
    base_id, _ = environment.connect(workspace_id)
    environment.add_workspace("two")
    settings: dict[str, object] = {"base_id": base_id, "table_id": "Contacts"}
    assert add(tmp_path, "airtable", "two", "patSandbox.token", settings, "--shared").code == 0
    runtime = replace(environment.wiring.runtime, sleep=lambda _: None)
    with runtime.database.workspace(workspace_id) as connection:
        row = find_connection(connection, workspace_id, "airtable")
    # An answer that is no answer is given up after a few attempts.
    wrong = FaultRule(action="reshape", shape="list", path_regex="/tables$", times=4)
    environment.sandbox.airtable.add_fault(wrong)
    report = checked(runtime, row)
    assert report.problems == ()
    (note,) = report.notes
    assert note.startswith("could not be found out: whether another workspace syncs the same place: ")
