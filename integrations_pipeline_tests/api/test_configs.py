"""Configurations in and out: nothing that is told is dropped, nothing that is not told is touched."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrations_pipeline import AirtableSync, IntegrationConfig, Integrations
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store import connections
from integrations_pipeline_tests.api.original import OriginalAirtable
from integrations_pipeline_tests.environment import Environment

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

#: An id that nobody has; the same in every process, for it is part of a test's name.
STRANGER = UUID("00000000-0000-4000-8000-00000000abcd")


@pytest.fixture
def sync(environment: Environment, integrations: Integrations) -> OriginalAirtable:
    """A class whose workspace has no connection yet."""
    return OriginalAirtable(environment.add_workspace("acme"), integrations)


def config(sync: OriginalAirtable, **told: Any) -> IntegrationConfig:
    return IntegrationConfig(workspace_id=sync.workspace_id, integration_name="airtable", **told)


def test_every_field_of_a_config_is_kept(sync: OriginalAirtable) -> None:
    told: dict[str, Any] = {
        "oauth_provider": "airtable",
        "credentials": {"api_key": "k", "access_token": "a", "refresh_token": "r"},
        "settings": {"base_id": "appX", "table_id": "tblX"},
        "status": "error",
        "enabled": False,
        "error_message": "the base is gone",
        "error_count": 2,
        "last_sync_at": NOON,
        "sync_frequency_minutes": 60,
    }

    saved = sync.save_config(config(sync, **told))

    assert {name: getattr(saved, name) for name in told} == told
    assert (sync.get_status(), sync.is_enabled(), sync.get_last_sync_at()) == ("error", False, NOON)
    assert saved.id is not None
    assert isinstance(saved.created_at, datetime)


def test_tokens_and_keys_may_be_told_by_themselves(sync: OriginalAirtable) -> None:
    saved = sync.save_config(config(sync, api_key="k", access_token="a", refresh_token="r", token_expires_at=NOON))

    assert (saved.api_key, saved.access_token, saved.refresh_token, saved.token_expires_at) == ("k", "a", "r", NOON)
    assert saved.credentials == {
        "api_key": "k",
        "access_token": "a",
        "refresh_token": "r",
        "token_expires_at": NOON.isoformat(),
    }
    assert sync.save_config({"api_key": "new"}).credentials == {**saved.credentials, "api_key": "new"}


@pytest.mark.parametrize(
    ("told", "status", "is_enabled"),
    [
        ({"status": "paused"}, "paused", True),
        ({"enabled": False}, "paused", False),
        ({"enabled": False, "status": "active"}, "paused", False),
        ({"status": "error", "error_count": 3}, "error", True),
        ({"status": "disconnected", "error_message": "gone"}, "disconnected", True),
    ],
)
def test_status_and_enabled_are_changed_as_told(
    sync: OriginalAirtable, told: dict[str, Any], status: str, is_enabled: bool
) -> None:
    saved = sync.save_config(config(sync, api_key="k"))

    changed = sync.save_config(replace(saved, **told))

    assert (changed.status, changed.enabled) == (sync.get_status(), sync.is_enabled()) == (status, is_enabled)
    back = sync.save_config(replace(changed, status="active", enabled=True, error_message=None))
    assert (back.status, back.enabled, back.error_message) == ("active", True, None)


def test_a_partial_config_touches_nothing_else(environment: Environment, sync: OriginalAirtable) -> None:
    sync.save_config(config(sync, api_key="k", settings={"base_id": "appX"}, enabled=False, sync_frequency_minutes=60))
    other = OriginalAirtable(sync.workspace_id, sync.runtime)

    other.save_config(config(sync, error_message="look into it"))
    saved = other.save_config({"settings": {"base_id": "appY"}})

    assert (saved.api_key, saved.enabled, saved.sync_frequency_minutes) == ("k", False, 60)
    assert (saved.settings, saved.error_message) == ({"base_id": "appY"}, "look into it")


def test_what_a_sync_wrote_meanwhile_is_not_overwritten(sync: OriginalAirtable) -> None:
    loaded = sync.save_config(config(sync, api_key="k"))
    with sync.runtime.database.workspace(sync.workspace_id) as connection:
        row = connections.find_connection(connection, sync.workspace_id, "airtable")
        for _ in range(3):
            connections.record_failure(connection, row.id, "no")

    saved = sync.save_config(replace(loaded, settings={"base_id": "appX"}))

    assert (saved.status, saved.error_count, saved.error_message) == ("error", 3, "no")


@pytest.mark.parametrize("status", ["error", "disconnected"])
def test_new_credentials_let_a_connection_sync_again_that_waited_for_them(sync: OriginalAirtable, status: str) -> None:
    sync.save_config(config(sync, api_key="k", status=status, error_count=3, error_message="no"))

    saved = sync.save_config({"api_key": "new"})

    assert (saved.status, saved.error_count, saved.error_message) == ("active", 0, None)
    assert sync.save_config(replace(saved, credentials={"api_key": "k"}, status=status)).status == status


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"status": "broken"}, "status 'broken' is none of active, paused, error, disconnected"),
        ({"sync_frequency_minutes": 0}, "the frequency is 1 to 44640 minutes"),
        ({"sync_frequency_minutes": 10**9}, "the frequency is 1 to 44640 minutes"),
        ({"sync_frequency_minutes": 1.5}, "sync_frequency_minutes is no whole number"),
        ({"error_count": -1}, "error_count is no whole number"),
        ({"enabled": "yes"}, "enabled is neither True nor False"),
        ({"settings": ["base_id"]}, "settings is no dict"),
        ({"credentials": "k"}, "credentials is no dict"),
        ({"settings": {"base_id": {1, 2}}}, "settings hold something that JSON has no word for"),
        ({"credentials": {"dc": object()}}, "credentials hold something that JSON has no word for"),
        ({"workspace_id": STRANGER}, "the config is for another workspace"),
        ({"integration_name": "gmail"}, "the config is for 'gmail', this class for 'airtable'"),
        ({"colour": "red"}, "the config has fields that none has: colour"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_no_connection_can_have_is_refused_and_nothing_is_written(
    environment: Environment, sync: OriginalAirtable, told: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigurationError, match=line):
        sync.save_config({"api_key": "k", **told})

    assert environment.rows("select 1 from integration_connections") == []
    with pytest.raises(ConfigurationError, match="expected an IntegrationConfig or a dict, not str"):
        sync.save_config("api_key")  # type: ignore[arg-type]  # on purpose


def test_a_class_for_no_workspace_says_so(environment: Environment, integrations: Integrations) -> None:
    nowhere = OriginalAirtable(uuid4(), integrations)

    for attempt in (
        lambda: nowhere.save_config({"api_key": "k"}),
        lambda: nowhere.log_activity(action="a", success=True),
    ):
        with pytest.raises(ConfigurationError, match="there is no workspace with id"):
            attempt()
    assert not AirtableSync(uuid4(), integrations).sync_to_external([]).success
    with pytest.raises(ConfigurationError, match="'acme' is no workspace id"):
        OriginalAirtable("acme", integrations)
    with pytest.raises(ConfigurationError, match="expected the integrations that `connect"):
        OriginalAirtable(uuid4(), "postgresql://")  # type: ignore[arg-type]  # on purpose


def test_a_disabled_connection_gives_failed_results_and_counts_no_failure(
    environment: Environment, integrations: Integrations
) -> None:
    workspace_id = environment.add_workspace("acme", people=1)
    environment.connect(workspace_id)
    sync = AirtableSync(workspace_id, integrations)
    sync.initialize()
    sync.disable()
    assert not sync.ensure_initialized().enabled

    results = [sync.sync_to_external([{"email": "new@example.org"}]), sync.sync_from_external(), *sync.sync()]

    assert [result.direction for result in results] == ["to_external", "from_external"] * 2
    for result in results:
        assert not result.success
        assert "`integrations connections enable airtable` lets it sync again" in result.errors[0]
        assert result.completed_at - result.started_at < timedelta(minutes=1)
    assert len(sync.get_workspace_contacts()) == 1
    assert environment.rows("select error_count, status from integration_connections") == [(0, "paused")]
    sync.enable()
    assert sync.sync_to_external().success


def test_a_class_without_a_connection_gives_failed_results(
    environment: Environment, integrations: Integrations
) -> None:
    sync = AirtableSync(environment.add_workspace("acme"), integrations)

    result = sync.sync_to_external([{"email": "new@example.org"}])

    assert "the workspace has no airtable connection" in result.errors[0]
    assert sync.get_workspace_contacts() == []
    assert not sync.validate_credentials()
    assert (sync.get_status(), sync.is_enabled(), sync.get_last_sync_at()) == (None, False, None)
    for switch in (sync.enable, sync.disable):
        with pytest.raises(ConfigurationError, match="has no airtable connection"):
            switch()
