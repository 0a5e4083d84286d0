"""What a script learns of a command: 0 done, 1 failed wholly or in part, 2 usage, 3 refused by a guard or a lock."""

from uuid import UUID

import pytest

from integrations_pipeline.store import connections
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import FaultRule

OF = ("--workspace", "acme", "--provider", "airtable")


def connected(environment: Environment, people: int, **settings: object) -> tuple[UUID, str, str]:
    workspace_id = environment.add_workspace("acme", people=people)
    return workspace_id, *environment.connect(workspace_id, **settings)


def test_a_sync_of_a_connection_that_is_being_synced_is_refused(environment: Environment) -> None:
    workspace_id, base_id, table_id = connected(environment, 1)
    database = environment.wiring.runtime.database
    with database.session(workspace_id) as session:
        with session.begin() as connection:
            found = connections.find_connection(connection, workspace_id, "airtable")
        assert session.try_lock(found.id, "run of a colleague")
        ran = run("sync", *OF, "--wait", "0")
    assert ran.code == 3
    assert "being synced by run of a colleague" in ran.err
    assert environment.sandbox.airtable.records(base_id, table_id) == []
    assert run("sync", *OF, "--wait", "0").code == 0


def test_a_preview_that_a_guard_refuses_says_so_as_the_sync_would(environment: Environment) -> None:
    _, base_id, table_id = connected(environment, 5, delete_policy="propagate")
    run("sync", *OF)
    records = environment.sandbox.airtable.records(base_id, table_id)
    environment.sandbox.airtable.delete_records(base_id, table_id, [record["id"] for record in records])
    for options in ((), ("--json",)):
        ran = run("plan", *OF, *options)
        assert ran.code == 3
    assert run("sync", *OF).code == 3
    assert len(run("contacts", "list", "-w", "acme", "--json").json) == 5


@pytest.mark.parametrize("given", [("--workspace", "acme"), ("--workspace=acme",), ("-w", "acme"), ("-wacme",)])
def test_what_is_advised_names_the_workspace_that_was_asked_for(
    environment: Environment, given: tuple[str, ...]
) -> None:
    environment.add_workspace("acme")
    ran = run("sync", *given, "--provider", "airtable")
    assert ran.code == 2
    assert "`integrations connections add airtable --workspace acme` makes one" in ran.err


def test_what_is_advised_of_a_connection_names_its_workspace_wherever_it_is_shown(environment: Environment) -> None:
    connected(environment, 1)
    body = {"error": {"type": "UNKNOWN_FIELD_NAME", "message": "no"}}
    environment.sandbox.airtable.add_fault(FaultRule(action="status", status=422, body=body, times=-1))
    advice = "`integrations connections check airtable --workspace acme`"
    assert advice in run("sync", *OF).err
    assert advice in run("connections", "list", "-w", "acme", "--json").out
    run("connections", "disable", "airtable", "-w", "acme")
    assert "`integrations connections enable airtable --workspace acme` lets it sync again" in run("sync", *OF).err


def test_a_preview_with_something_to_do_is_done(environment: Environment) -> None:
    connected(environment, 2)
    assert run("plan", *OF).code == 0


def test_a_sync_that_failed_for_some_records_has_failed(environment: Environment) -> None:
    _, base_id, table_id = connected(environment, 2)
    body = {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "no"}}
    rule = FaultRule(action="status", status=422, body=body, method="PATCH", body_regex="person0@", times=-1)
    environment.sandbox.airtable.add_fault(rule)
    ran = run("sync", *OF, "--json")
    assert (ran.code, ran.json["status"]) == (1, "partial")
    assert len(environment.sandbox.airtable.records(base_id, table_id)) == 1
    environment.sandbox.airtable.clear_faults()
    assert run("sync", *OF).code == 0
