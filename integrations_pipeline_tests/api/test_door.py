"""`connect()`: the environment read, and what the command line does, for programs."""

import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest

import integrations_pipeline
from integrations_pipeline import Integrations, connect
from integrations_pipeline.errors import BusyError, ConfigurationError
from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.environment import Environment

#: What `import integrations_pipeline` must not cost, nor the types of results and configurations.
HEAVY = {"pandas", "pyarrow", "dagster", "httpx", "sqlalchemy", "pydantic", "cryptography", "typer", "email_validator"}


def loaded_by(statement: str) -> set[str]:
    """The heavy modules that a fresh interpreter has after this."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return HEAVY & set(found.split())


@pytest.mark.parametrize(
    "statement",
    ["import integrations_pipeline", "from integrations_pipeline import SyncResult, IntegrationConfig"],
)
def test_importing_the_package_loads_nothing_heavy(statement: str) -> None:
    assert loaded_by(statement) == set()


def test_importing_the_classes_loads_no_dagster_and_no_command_line() -> None:
    statement = f"from integrations_pipeline import {', '.join(integrations_pipeline.__all__)}"

    assert loaded_by(statement) & {"dagster", "typer"} == set()


def test_every_public_name_is_there_and_no_other() -> None:
    assert set(integrations_pipeline.__all__) <= set(dir(integrations_pipeline))
    assert all(getattr(integrations_pipeline, name) is not None for name in integrations_pipeline.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'HubspotSync'"):
        _ = integrations_pipeline.HubspotSync


def test_a_workspace_is_planned_synced_and_looked_at(environment: Environment, integrations: Integrations) -> None:
    workspace_id = environment.add_workspace("acme", people=2)
    environment.connect(workspace_id)

    planned = integrations.plan("acme", "airtable")
    report = integrations.sync(workspace_id, "airtable", plan_id=planned.plan_id)
    (state,) = integrations.status()

    assert [result.records_created for result in planned.results] == [2, 0]
    assert len(planned.plan.changes) == 2
    assert report.status is RunStatus.SUCCESS
    assert [result.records_created for result in report.results] == [2, 0]
    assert (state.workspace_slug, state.integration_type, state.status) == ("acme", "airtable", "active")
    assert state.last_sync_at is not None
    assert integrations.workspace_id("acme") == integrations.workspace_id(str(workspace_id)) == workspace_id


@pytest.mark.parametrize(
    ("direction", "ways"),
    [
        ("both", ["to_external", "from_external"]),
        ("bidirectional", ["to_external", "from_external"]),
        ("to_external", ["to_external"]),
        ("from_external", ["from_external"]),
    ],
)
def test_a_sync_goes_the_ways_that_are_asked_for(
    environment: Environment, integrations: Integrations, direction: str, ways: list[str]
) -> None:
    environment.connect(environment.add_workspace("acme", people=1))

    report = integrations.sync("acme", "airtable", direction=direction, full=True)

    assert [result.direction for result in report.results] == ways


def test_a_sync_that_fails_comes_back_as_a_report(environment: Environment, integrations: Integrations) -> None:
    workspace_id = environment.add_workspace("acme")
    environment.connect(workspace_id, table_id="tblGone")

    report = integrations.sync("acme", "airtable")

    assert report.status is RunStatus.FAILED
    assert report.error
    assert not any(result.success for result in report.results)


def test_status_may_be_asked_of_one_workspace_or_provider(environment: Environment, integrations: Integrations) -> None:
    for slug in ("acme", "other"):
        environment.connect(environment.add_workspace(slug))

    assert [each.workspace_slug for each in integrations.status()] == ["acme", "other"]
    assert [each.workspace_slug for each in integrations.status("other", "airtable")] == ["other"]
    assert integrations.status(provider="gmail") == []


@pytest.mark.parametrize(
    ("method", "arguments", "line"),
    [
        ("sync", ["nowhere", "airtable"], "unknown workspace 'nowhere'"),
        ("plan", [uuid4(), "airtable"], "there is no workspace with id"),
        ("sync", ["acme", "nothing"], "unknown provider 'nothing': choose one of airtable"),
        ("sync", ["acme", "gmail"], "the workspace has no gmail connection"),
        ("status", ["nowhere"], "unknown workspace 'nowhere'"),
        ("status", [None, "nothing"], "unknown provider 'nothing'"),
        ("workspace_id", [None], "unknown workspace 'None'"),
    ],
)
def test_names_that_nobody_knows_are_refused_in_one_line(
    environment: Environment, integrations: Integrations, method: str, arguments: list[Any], line: str
) -> None:
    environment.connect(environment.add_workspace("acme"))

    with pytest.raises(ConfigurationError, match=line) as raised:
        getattr(integrations, method)(*arguments)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"direction": "there"}, "direction 'there': choose both, to_external or from_external"),
        ({"direction": None}, "direction None: choose both"),
        ({"plan_id": "first"}, "'first' is no plan id"),
        ({"plan_id": uuid4()}, "no preview .* of this connection waits"),
    ],
)
def test_wishes_that_cannot_be_meant_are_refused_in_one_line(
    environment: Environment, integrations: Integrations, told: dict[str, Any], line: str
) -> None:
    environment.connect(environment.add_workspace("acme"))

    with pytest.raises(ConfigurationError, match=line):
        integrations.sync("acme", "airtable", **told)


def test_a_sync_under_way_is_not_interleaved_with(environment: Environment, integrations: Integrations) -> None:
    workspace_id = environment.add_workspace("acme")
    environment.connect(workspace_id)
    (connection_id,) = environment.rows("select id from integration_connections")[0]

    with environment.wiring.database.session(workspace_id) as session:
        assert session.try_lock(connection_id, "another run")  # type: ignore[arg-type]  # a UUID
        with pytest.raises(BusyError, match="is being synced by another run"):
            integrations.sync("acme", "airtable")


def test_nothing_can_be_asked_of_closed_integrations(environment: Environment) -> None:
    with connect() as integrations:
        assert integrations.status() == []

    with pytest.raises(ConfigurationError, match="these integrations are closed"):
        integrations.status()


def test_a_wrong_environment_is_told_line_by_line(environment: Environment) -> None:
    environment.monkeypatch.setenv("INTEGRATIONS_AIRTABLE_API_URL", "nowhere")
    environment.monkeypatch.delenv("INTEGRATIONS_ENCRYPTION_KEYS")

    with pytest.raises(ConfigurationError) as raised:
        connect()

    assert len(str(raised.value).splitlines()) == 2
