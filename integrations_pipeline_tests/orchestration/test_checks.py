"""The asset checks on real workspaces: what they find, whom they name, and that they say where to read on."""

import re
from pathlib import Path
from uuid import UUID

import dagster as dg
import pytest

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.checks import CHECKS, NAMED, FleetCheck, check_result
from integrations_pipeline.orchestration.jobs import HEALTH_JOB
from integrations_pipeline.orchestration.metadata import RUNBOOK
from integrations_pipeline.orchestration.partitions import follow_connections
from integrations_pipeline.store import contacts
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.health import Finding, Health
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import ASSETS, PROVIDER, QUIET, run

OPERATIONS = Path(__file__).parents[2] / RUNBOOK


def _evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    found = (event.asset_check_evaluation_data for event in result.all_events if _is_check(event))
    return {each.check_name: each for each in found if each.asset_key.path[0] == PROVIDER}


def _is_check(event: dg.DagsterEvent) -> bool:
    return event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION


def _look(instance: dg.DagsterInstance) -> dict[str, dg.AssetCheckEvaluation]:
    """What the scheduled job finds now."""
    job = build_definitions().resolve_job_def(HEALTH_JOB)
    result = job.execute_in_process(instance=instance, run_config=QUIET)
    assert len({event.step_key for event in result.all_events if _is_check(event)}) == len(
        {step for step in job.graph.node_dict}
    )  # one step per provider, whatever the number of checks and workspaces
    return _evaluations(result)


def _concerned(found: dg.AssetCheckEvaluation) -> list[str]:
    named = found.metadata.get("workspaces")
    return list(named.value) if named else []  # type: ignore[arg-type]


def test_a_fleet_that_is_well_passes_every_check(environment: Environment, instance: dg.DagsterInstance) -> None:
    slugs = ["alpha", "beta"]
    for slug in slugs:
        environment.connect(environment.add_workspace(slug, people=3))
    follow_connections(instance, {PROVIDER: slugs})
    run(instance, slugs)

    found = _look(instance)

    assert set(found) == set(CHECKS)
    assert {name: each.passed for name, each in found.items()} == dict.fromkeys(CHECKS, True)
    assert {each.metadata["connections_checked"].value for each in found.values()} == {2}


def _edit(environment: Environment, workspace_id: UUID, email: str, **fields: str) -> None:
    with environment.wiring.database.workspace(workspace_id) as connection:
        (contact_id,) = contacts.contact_ids_by_email(connection, workspace_id, [email])
        contacts.update_contacts(connection, [ContactWrite(contact_id=contact_id, fields=fields)])


def _delete(environment: Environment, workspace_id: UUID, email: str) -> None:
    with environment.wiring.database.workspace(workspace_id) as connection:
        (contact_id,) = contacts.contact_ids_by_email(connection, workspace_id, [email])
        contacts.delete_contacts(connection, [ContactWrite(contact_id=contact_id, fields={})])


def test_what_waits_for_a_person_is_found_with_its_workspaces_and_without_their_data(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = ["conflict", "dead", "held", "stopped", "well"]
    ids = {slug: environment.add_workspace(slug, people=6) for slug in slugs}
    environment.connect(ids["conflict"], conflict_policy="manual")
    environment.connect(ids["held"])
    # A name where the table has a number.
    base_id, table_id = environment.connect(ids["dead"], field_mapping={"email": "Email", "name": "Age"})
    column = {"name": "Age", "type": "number", "options": {"precision": 0}}
    environment.sandbox.airtable.create_field(base_id, table_id, column)
    environment.connect(ids["stopped"], table_id="None")
    environment.connect(ids["well"])
    follow_connections(instance, {PROVIDER: slugs})
    run(instance, slugs)
    _delete(environment, ids["held"], "person1@held.org")
    _edit(environment, ids["conflict"], "person1@conflict.org", name="Here")
    _edit_remote(environment, "Person 1", ids["conflict"], Name="There")
    for _ in range(2):
        run(instance, slugs)

    found = _look(instance)

    failed = {name: _concerned(each) for name, each in found.items() if not each.passed}
    assert failed == {
        "connection_healthy": ["stopped"],
        "no_held_deletes": ["held"],
        "no_open_conflicts": ["conflict"],
        "no_dead_letters": ["dead"],
    }
    looks = {name: str(found[name].metadata["what_to_do"].value).split("`")[1] for name in failed}
    assert looks == {
        "connection_healthy": "docs/operations.md",
        "no_held_deletes": "integrations holds list --workspace held",
        "no_open_conflicts": "integrations conflicts list --workspace conflict",
        "no_dead_letters": "integrations failures list --workspace dead",
    }
    assert found["connection_healthy"].severity is dg.AssetCheckSeverity.ERROR
    assert found["no_held_deletes"].severity is dg.AssetCheckSeverity.WARN
    assert "@" not in str(found)


def _edit_remote(environment: Environment, name: str, workspace_id: UUID, **fields: str) -> None:
    ((base_id, table_id),) = environment.rows(
        "select settings ->> 'base_id', settings ->> 'table_id' from integration_connections "
        f"where workspace_id = '{workspace_id}'"
    )
    airtable = environment.sandbox.airtable
    record = next(each for each in airtable.records(str(base_id), str(table_id)) if each["fields"].get("Name") == name)
    airtable.update_record(str(base_id), str(table_id), record["id"], **fields)


def test_a_persons_materialisation_plans_no_check(environment: Environment, instance: dg.DagsterInstance) -> None:
    """It would be shown as failed along with a batch in which one workspace failed."""
    job = build_definitions().resolve_implicit_global_asset_job_def()
    chosen = job.get_subset(asset_selection={dg.AssetKey([PROVIDER, name]) for name in ASSETS})

    assert set(chosen.graph.node_dict) == {f"{PROVIDER}_sync"}


KEY = dg.AssetCheckKey(asset_key=dg.AssetKey([PROVIDER, "connections"]), name="connection_healthy")
HEALTHY = CHECKS["connection_healthy"]


@pytest.mark.parametrize(
    ("health", "passed", "severity"),
    [
        (Health(checked=5), True, dg.AssetCheckSeverity.WARN),
        (Health(checked=5, findings={Finding.FAILING: {"a": 1}}), False, dg.AssetCheckSeverity.WARN),
        (Health(checked=5, findings={Finding.STOPPED: {"a": 3}}), False, dg.AssetCheckSeverity.ERROR),
        (Health(checked=5, findings={Finding.STALE: {"a": 99}}), True, dg.AssetCheckSeverity.WARN),
    ],
    ids=["well", "failing", "stopped", "another check's finding"],
)
def test_how_bad_a_finding_is(health: Health, passed: bool, severity: dg.AssetCheckSeverity) -> None:
    found = check_result(KEY, HEALTHY, health)

    assert (found.passed, found.severity) == (passed, severity)
    assert ("what_to_do" in found.metadata) is not passed


def test_a_result_names_those_with_most_of_it_and_counts_the_rest() -> None:
    stale = {f"w{i}": i for i in range(500)}

    found = check_result(KEY, CHECKS["fresh"], Health(checked=500, findings={Finding.STALE: stale}))

    named = found.metadata["workspaces"].value
    assert isinstance(named, list)
    assert (len(named), named[0]) == (NAMED, "w499")
    assert found.metadata["workspaces_concerned"].value == 500


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_every_check_has_its_section_in_the_runbook(check: FleetCheck) -> None:
    assert re.search(rf"^##+ {check.section}$", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_finding_fails_a_check() -> None:
    assert {finding for check in CHECKS.values() for finding in (*check.findings, *check.warnings)} == set(Finding)
