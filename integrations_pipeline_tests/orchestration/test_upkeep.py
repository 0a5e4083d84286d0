"""The daily upkeep of tokens, as Dagster runs it."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import text

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.upkeep import UPKEEP_JOB
from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline_tests.environment import Environment
from integrations_sandbox import DEFAULT_OAUTH_CLIENTS


def test_a_token_that_lies_unused_is_renewed_once_a_day(environment: Environment) -> None:
    workspace_id = environment.add_workspace("acme")
    client = DEFAULT_OAUTH_CLIENTS["airtable"]
    environment.set_oauth_client("AIRTABLE", client.id, client.secret or "", environment.sandbox.airtable_oauth_url)
    granted = environment.sandbox.oauth.grant("airtable", client_id=client.id)
    runtime = environment.wiring.runtime
    expires_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    new = NewConnection(
        integration_type="airtable",
        credentials={**granted, "token_expires_at": expires_at},
        settings={"base_id": "appX", "table_id": "T"},
    )
    with runtime.database.workspace(workspace_id) as connection:
        connections.save_connection(connection, workspace_id, new, runtime.cipher)
        connection.execute(text("update integration_connections set token_refreshed_at = now() - interval '21 days'"))

    job = build_definitions().resolve_job_def(UPKEEP_JOB)
    with dg.instance_for_test() as instance:
        assert job.execute_in_process(instance=instance).success
        assert job.execute_in_process(instance=instance).success

    with runtime.database.workspace(workspace_id) as connection:
        row = connections.find_connection(connection, workspace_id, "airtable")
    assert row.decrypted(runtime.cipher)["refresh_token"] != granted["refresh_token"]
    assert environment.sandbox.oauth.token_requests("airtable")[("refresh_token", "ok")] == 1
