"""The public Python API: a class written as in the original's README, and the ready-made Airtable one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations_pipeline import AirtableSync, BaseIntegrationSync, IntegrationConfig, SyncResult
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline_tests.environment import Environment


class NotebookSync(BaseIntegrationSync):
    """A sync of one's own with a service that nobody here knows."""

    is_down = False
    refreshed = 0

    def get_integration_name(self) -> str:
        return "notebook"

    def validate_credentials(self) -> bool:
        return self.ensure_initialized().api_key == "good"

    def sync_to_external(self, data: Sequence[Mapping[str, Any]]) -> SyncResult:
        start = datetime.now(UTC)
        try:
            if self.is_down:
                raise RuntimeError("person@example.org could not be written")
            result = SyncResult(
                success=True,
                direction="to_external",
                records_synced=len(data),
                records_created=len(data),
                started_at=start,
                completed_at=datetime.now(UTC),
            )
            self.log_sync_activity(result)
        except RuntimeError as error:
            self.handle_sync_error(error)
            return self.create_failed_result("to_external", error, start)
        return result

    def sync_from_external(self) -> SyncResult:
        return self.create_failed_result("from_external", RuntimeError("not there"), datetime.now(UTC))

    def refresh_oauth_token(self) -> str:
        self.refreshed += 1
        self.update_oauth_tokens({"access_token": f"fresh-{self.refreshed}", "expires_in": 3600})
        return f"fresh-{self.refreshed}"


@pytest.fixture
def notebook(environment: Environment) -> NotebookSync:
    workspace_id = environment.add_workspace("acme", people=3)
    sync = NotebookSync(workspace_id, environment.wiring.runtime)
    sync.save_config(
        IntegrationConfig(workspace_id=str(workspace_id), integration_name="notebook", credentials={"api_key": "good"})
    )
    return sync


def test_a_subclass_pushes_contacts_and_its_result_is_logged(notebook: NotebookSync, environment: Environment) -> None:
    notebook.initialize()

    result = notebook.sync_to_external(notebook.get_workspace_contacts())

    assert notebook.validate_credentials()
    assert result.records_synced == 3
    assert environment.rows("select direction, status, records_created from integration_sync_logs") == [
        ("to_external", "success", 3)
    ]
    assert notebook.get_last_sync_at() is not None


def test_the_third_failure_in_a_row_sets_error_and_a_success_between_resets(
    notebook: NotebookSync, environment: Environment
) -> None:
    for is_down in (True, True, False, True, True, True):
        notebook.is_down = is_down
        notebook.sync_to_external([])
        if not is_down:
            assert notebook.get_status() == "active"

    assert notebook.get_status() == "error"
    assert "example.org" not in str(environment.rows("select error_message from integration_activity"))
    notebook.enable()
    assert notebook.get_status() == "active"


def test_disabling_and_enabling(notebook: NotebookSync) -> None:
    notebook.disable()
    assert not notebook.is_enabled()
    notebook.enable()
    assert notebook.is_enabled()


def test_a_token_is_refreshed_five_minutes_before_it_expires_and_stored(notebook: NotebookSync) -> None:
    config = notebook.load_config()
    for seconds, expected in ((3600, "old"), (200, "fresh-1")):
        expires_at = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        credentials = {"access_token": "old", "refresh_token": "r", "token_expires_at": expires_at}
        notebook.save_config(replace(config, credentials=credentials))
        notebook.initialize()
        assert notebook.ensure_initialized().access_token == expected

    assert notebook.load_config().access_token == "fresh-1"
    assert notebook.load_config().refresh_token == "r"


def test_using_it_before_initialize_says_so(environment: Environment) -> None:
    sync = NotebookSync(environment.add_workspace("acme"), environment.wiring.runtime)

    with pytest.raises(ConfigurationError, match="call initialize"):
        sync.ensure_initialized()
    with pytest.raises(ConfigurationError, match="no notebook connection"):
        sync.initialize()
    assert sync.get_status() is None
    assert sync.get_last_sync_at() is None


def test_only_tables_of_workspaces_can_be_read(notebook: NotebookSync, environment: Environment) -> None:
    assert len(notebook.get_app_contacts("workspace_contacts")) == 3
    for name in ("alembic_version", "nothing", "workspace_contacts; drop table workspaces"):
        with pytest.raises(ConfigurationError, match="workspace_id"):
            notebook.get_app_contacts(name)


def test_the_airtable_class_syncs_both_ways(environment: Environment) -> None:
    workspace_id = environment.add_workspace("acme", people=1)
    base_id, table_id = environment.connect(workspace_id)
    environment.sandbox.airtable.create_records(base_id, table_id, [{"Name": "Zoë", "Email": "zoe@example.org"}])
    sync = AirtableSync(workspace_id, environment.wiring.runtime)
    sync.initialize()

    assert sync.validate_credentials()
    pushed = sync.sync_to_external([{"email": "new@example.org", "name": "New", "company": None}])
    fetched = sync.sync_from_external()

    assert (pushed.direction, pushed.records_created) == ("to_external", 2)
    assert (fetched.direction, fetched.records_created) == ("from_external", 1)
    assert all(result.success and result.records_synced == 0 for result in sync.sync())
