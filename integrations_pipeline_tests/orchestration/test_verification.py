"""The nightly certificates as Dagster runs them, and the check that tells of them."""

import dagster as dg

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.jobs import HEALTH_JOB
from integrations_pipeline.orchestration.verification import VERIFICATION_JOB
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import PROVIDER, QUIET


def night(instance: dg.DagsterInstance) -> dict[str, object]:
    """One run of the job; what its step tells."""
    result = build_definitions().resolve_job_def(VERIFICATION_JOB).execute_in_process(
        instance=instance, run_config=QUIET
    )  # fmt: skip
    assert result.success
    (told,) = [event.step_output_data for event in result.all_events if event.is_successful_output]
    assert "@" not in str(told)
    return {name: value.value for name, value in told.metadata.items()}


def consistent(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    result = build_definitions().resolve_job_def(HEALTH_JOB).execute_in_process(instance=instance, run_config=QUIET)
    found = [
        event.asset_check_evaluation_data
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    return next(each for each in found if each.check_name == "consistent" and each.asset_key.path[0] == PROVIDER)


def test_a_difference_is_found_at_night_shown_by_the_check_and_gone_after_a_repair(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    environment.monkeypatch.setenv("INTEGRATIONS_VERIFY_NIGHTS", "1")
    for slug in ("acme", "beta"):
        environment.connect(environment.add_workspace(slug, people=2))
        assert run("sync", "-w", slug, "-p", "airtable").code == 0
    assert consistent(instance).passed, "nobody was looked at yet"
    assert night(instance) | {"troubles": []} == {
        "agreeing": 2, "differing": 0, "failed": 0, "postponed": 0, "nights": 1, "troubles": [],
    }  # fmt: skip
    assert consistent(instance).passed
    with environment.wiring.database.admin() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.exec_driver_sql("update integration_changes set updated_at = updated_at - interval '1 hour'")
        connection.exec_driver_sql("update workspace_contacts set name = 'Other' where email = 'person1@beta.org'")

    told = night(instance)

    assert told["troubles"] == ["airtable of beta: 1 of 2 differ"]
    found = consistent(instance)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found.metadata["workspaces"].value == ["beta"]
    assert found.metadata["amounts"].value == [1]

    assert run("sync", "-w", "beta", "-p", "airtable", "--full").code == 0
    assert run("verify", "-w", "beta", "-p", "airtable").code == 0
    assert consistent(instance).passed


def test_a_certificate_that_failed_neither_makes_nor_clears_a_finding(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    environment.monkeypatch.setenv("INTEGRATIONS_VERIFY_NIGHTS", "1")
    environment.connect(environment.add_workspace("acme", people=1), table_id="None")
    assert night(instance)["failed"] == 1
    assert consistent(instance).passed
