from collections.abc import Iterator

import pytest

from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.google_contacts.arrangement import ContactsWorld, open_contacts_world
from integrations_sandbox import SandboxOptions, SandboxServer


@pytest.fixture(scope="package")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="package")
def live_people(clock: FakeClock) -> Iterator[SandboxServer]:
    """One server for all tests of the folder, without limits, on their clock."""
    with SandboxServer(SandboxOptions(rate_limit_scale=None, clock=clock.now)) as server:
        yield server


@pytest.fixture
def world(
    live_people: SandboxServer, postgres_server: PostgresServer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> Iterator[ContactsWorld]:
    """A reset server and a fresh database; nothing personal may be logged."""
    with open_contacts_world(live_people, postgres_server, clock) as world:
        yield world
    assert "@example" not in caplog.text
