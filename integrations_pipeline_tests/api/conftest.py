"""What tests of the Python API share: the door, and connections made as another program makes them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest

from integrations_pipeline import Integrations, connect
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.oauth.arrangement import variables


@pytest.fixture
def integrations(environment: Environment) -> Iterator[Integrations]:
    """What a program gets that calls `connect()` in this environment, with OAuth clients."""
    for name, value in variables(environment.sandbox).items():
        environment.monkeypatch.setenv(name, value)
    with connect() as found:
        yield found


def insert_connection(
    environment: Environment, workspace_id: UUID, kind: str, credentials: Mapping[str, Any], **settings: Any
) -> None:
    """As the original's README: an INSERT with credentials in plain."""
    with environment.wiring.database.admin() as connection:
        connection.exec_driver_sql(
            "insert into integration_connections (workspace_id, integration_type, credentials, settings, sync_enabled) "
            "values (%s, %s, %s, %s, true)",
            (str(workspace_id), kind, json.dumps(credentials), json.dumps(settings)),
        )
