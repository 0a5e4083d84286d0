from collections.abc import Iterator

import pytest

from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.arrangement import World, open_world
from integrations_sandbox import SandboxOptions, SandboxServer


@pytest.fixture(scope="session")
def live_sandbox() -> Iterator[SandboxServer]:
    """One server for all tests of a folder, without request limits."""
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture(scope="session")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def clocked_sandbox(clock: FakeClock) -> Iterator[SandboxServer]:
    """The same on the clock that tests move."""
    with SandboxServer(SandboxOptions(rate_limit_scale=None, clock=clock.now)) as server:
        yield server


@pytest.fixture
def world(live_sandbox: SandboxServer, database: Database, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    """A reset server and a fresh database; nothing personal may be logged."""
    with open_world(live_sandbox, database) as world:
        yield world
    assert "@example" not in caplog.text
