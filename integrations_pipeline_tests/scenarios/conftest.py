from collections.abc import Iterator

import pytest

from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.sync.arrangement import World, open_world
from integrations_sandbox import SandboxServer


@pytest.fixture(scope="package")
def shared_world(shared_sandbox: SandboxServer, postgres_server: PostgresServer) -> Iterator[World]:
    """One database and one Airtable for all scenarios; each plays in a workspace and a base of its own."""
    with postgres_server.new_database(TEMPLATE) as url:
        database = Database(url)
        with open_world(shared_sandbox, database) as world:
            yield world
        database.close()


@pytest.fixture
def world(shared_world: World, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    """Without faults left over; nothing personal may be logged."""
    yield shared_world
    shared_world.airtable.clear_faults()
    assert "@example" not in caplog.text
