import pytest

from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.clocked import Worlds, world
from integrations_pipeline_tests.sync.hubspot.arrangement import HubSpotWorld
from integrations_sandbox import SandboxServer

__all__ = ["world"]


@pytest.fixture(scope="package")
def worlds(postgres_server: PostgresServer, clocked_sandbox: SandboxServer, clock: FakeClock) -> Worlds[HubSpotWorld]:
    return Worlds(HubSpotWorld, postgres_server, clocked_sandbox, clock)
