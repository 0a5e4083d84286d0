from collections.abc import Iterator

import pytest

from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.hubspot.arrangement import HubSpotWorld, open_hubspot_world
from integrations_sandbox import SandboxOptions, SandboxServer


@pytest.fixture(scope="package")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="package")
def live_hubspot(clock: FakeClock) -> Iterator[SandboxServer]:
    """One server for all tests of the folder, without limits, on their clock."""
    with SandboxServer(SandboxOptions(rate_limit_scale=None, clock=clock.now)) as server:
        yield server


@pytest.fixture
def world(
    live_hubspot: SandboxServer, postgres_server: PostgresServer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> Iterator[HubSpotWorld]:
    """A reset server and a fresh database; nothing personal may be logged, and consent must be kept."""
    with open_hubspot_world(live_hubspot, postgres_server, clock) as world:
        yield world
    assert "@example" not in caplog.text
