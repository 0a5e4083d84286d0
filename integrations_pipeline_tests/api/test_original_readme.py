"""The original's README, step by step: its classes as they stand there work on this product's database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations_pipeline import AirtableSync, BaseIntegrationSync, GmailSync, Integrations
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline_tests.api.conftest import insert_connection
from integrations_pipeline_tests.api.original import OriginalAirtable, OriginalGmail
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import DEFAULT_TOKEN

ME = "me@agency.org"


def airtable_place(environment: Environment) -> dict[str, str]:
    base = environment.sandbox.airtable.create_base("CRM")
    table = environment.sandbox.airtable.create_contacts_table(base.id)
    return {"base_id": base.id, "table_id": table.id}


def granted(environment: Environment, *, seconds_left: float) -> dict[str, Any]:
    """The credentials of the README's OAuth set-up, as another program stores them."""
    environment.sandbox.gmail.create_mailbox(ME)
    answer = environment.sandbox.oauth.grant("google", account=ME)
    return {
        "access_token": answer["access_token"],
        "refresh_token": answer["refresh_token"],
        "token_expires_at": (datetime.now(UTC) + timedelta(seconds=seconds_left)).isoformat(),
    }


def stored(environment: Environment) -> set[str]:
    """The names among the credentials in the table."""
    found = environment.rows("select jsonb_object_keys(credentials) from integration_connections")
    return {str(name) for (name,) in found}


def test_the_first_steps_of_the_readme_work_from_an_insert_in_plain_to_a_sync(
    environment: Environment, integrations: Integrations
) -> None:
    workspace_id = environment.add_workspace("acme", people=3)
    insert_connection(environment, workspace_id, "airtable", {"api_key": DEFAULT_TOKEN}, **airtable_place(environment))

    sync = OriginalAirtable(str(workspace_id), integrations)
    sync.initialize()
    assert sync.validate_credentials()
    contacts = sync.get_workspace_contacts()
    result = sync.sync_to_external(contacts)

    assert (result.success, result.records_synced, result.errors) == (True, 3, ())
    assert stored(environment) == {"v", "kid", "nonce", "ct"}
    assert sync.get_status() == "active"
    assert sync.is_enabled()
    assert sync.get_last_sync_at() is not None


@pytest.mark.parametrize("kind", [AirtableSync, OriginalAirtable])
def test_credentials_in_plain_are_encrypted_at_the_first_initialize_of_any_class(
    environment: Environment, integrations: Integrations, kind: type[BaseIntegrationSync]
) -> None:
    workspace_id = environment.add_workspace("acme", people=1)
    insert_connection(environment, workspace_id, "airtable", {"api_key": DEFAULT_TOKEN}, **airtable_place(environment))
    sync = kind(workspace_id, integrations)

    sync.initialize()

    assert stored(environment) == {"v", "kid", "nonce", "ct"}
    assert sync.ensure_initialized().api_key == DEFAULT_TOKEN
    assert sync.validate_credentials()


def test_credentials_in_plain_need_no_initialize_for_a_sync_through_the_door(
    environment: Environment, integrations: Integrations
) -> None:
    workspace_id = environment.add_workspace("acme", people=1)
    insert_connection(environment, workspace_id, "airtable", {"api_key": DEFAULT_TOKEN}, **airtable_place(environment))

    report = integrations.sync("acme", "airtable")

    assert [result.records_created for result in report.results] == [1, 0]
    assert stored(environment) == {"v", "kid", "nonce", "ct"}


def test_credentials_that_are_no_object_are_refused_without_being_repeated(
    environment: Environment, integrations: Integrations
) -> None:
    workspace_id = environment.add_workspace("acme")
    insert_connection(environment, workspace_id, "airtable", "pat-secret")  # type: ignore[arg-type]  # on purpose

    with pytest.raises(ConfigurationError, match="are no JSON object") as raised:
        AirtableSync(workspace_id, integrations).initialize()

    assert "secret" not in str(raised.value)


def test_what_the_original_logs_is_in_the_log_as_it_was_told(
    environment: Environment, integrations: Integrations
) -> None:
    workspace_id = environment.add_workspace("acme", people=2)
    insert_connection(environment, workspace_id, "airtable", {"api_key": DEFAULT_TOKEN}, **airtable_place(environment))
    sync = OriginalAirtable(workspace_id, integrations)
    sync.initialize()

    result = sync.sync_to_external(sync.get_workspace_contacts())

    rows = environment.rows(
        "select direction, status, records_created, duration_ms, started_at, completed_at from integration_sync_logs"
    )
    assert rows == [("to_external", "success", 2, result.duration_ms, result.started_at, result.completed_at)]
    assert result.duration_ms >= 1234
    assert abs(result.started_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_failing_sync_of_the_original_gives_a_failed_result_and_the_third_sets_error(
    environment: Environment, integrations: Integrations
) -> None:
    workspace_id = environment.add_workspace("acme")
    insert_connection(environment, workspace_id, "airtable", {"api_key": DEFAULT_TOKEN})
    sync = OriginalAirtable(workspace_id, integrations)

    uninitialised = sync.sync_to_external([])
    sync.initialize()
    results = [sync.sync_to_external([]) for _ in range(2)]

    assert "call initialize() first" in uninitialised.errors[0]
    assert [result.errors for result in results] == [("Airtable base and table must be configured",)] * 2
    assert not any(result.success for result in [uninitialised, *results])
    assert sync.get_status() == "error"
    assert [row[0] for row in environment.rows("select success from integration_activity")] == [False] * 3


def test_the_oauth_steps_of_the_readme_work_and_an_expired_token_is_refreshed_by_its_own_code(
    environment: Environment, integrations: Integrations
) -> None:
    workspace_id = environment.add_workspace("acme")
    known = granted(environment, seconds_left=200)
    insert_connection(environment, workspace_id, "gmail", known)
    sync = OriginalGmail(workspace_id, integrations)

    sync.initialize()
    result = sync.sync_to_external([])

    assert result.success
    config = sync.ensure_initialized()
    assert config.access_token != known["access_token"]
    assert config.token_expires_at is not None
    assert config.token_expires_at > datetime.now(UTC) + timedelta(minutes=30)
    assert sync.validate_credentials()
    assert environment.sandbox.oauth.token_requests("google") == {("refresh_token", "ok"): 1}
    assert sync.sync_from_external().errors == ("Not implemented",)


def test_a_refresh_that_the_original_could_not_make_is_in_the_activity(
    environment: Environment, integrations: Integrations
) -> None:
    workspace_id = environment.add_workspace("acme")
    known = granted(environment, seconds_left=-60)
    insert_connection(environment, workspace_id, "gmail", known)
    environment.sandbox.oauth.revoke("google", known["refresh_token"])
    sync = OriginalGmail(workspace_id, integrations)

    with pytest.raises(ValueError, match="Failed to refresh Gmail OAuth token"):
        sync.initialize()

    found = environment.rows("select action, success, error_message from integration_activity")
    assert found == [("oauth_refresh_failed", False, "Failed to refresh Gmail OAuth token")]


def test_the_ready_made_gmail_class_does_the_same_and_sends(
    environment: Environment, integrations: Integrations
) -> None:
    workspace_id = environment.add_workspace("acme", people=1)
    insert_connection(environment, workspace_id, "gmail", granted(environment, seconds_left=-1))
    sync = GmailSync(workspace_id, integrations)
    sync.initialize()
    pitches = [{"to_email": "person0@acme.org", "subject": "A record", "body": "Would you listen?"}]

    result = sync.sync_to_external(pitches)

    assert (result.success, result.records_synced, result.records_created) == (True, 1, 1)
    assert environment.rows("select to_email, status from pitches") == [("person0@acme.org", "sent")]
    assert environment.sandbox.oauth.token_requests("google") == {("refresh_token", "ok"): 1}
