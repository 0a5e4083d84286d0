from collections.abc import Iterator

import pytest

from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.gmail.arrangement import PostWorld, open_post_world
from integrations_sandbox import SandboxOptions, SandboxServer


@pytest.fixture(scope="package")
def real_time_gmail() -> Iterator[SandboxServer]:
    """One on the machine's clock, for tests that copy databases or run in processes of their own."""
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture
def world(
    clocked_sandbox: SandboxServer, postgres_server: PostgresServer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> Iterator[PostWorld]:
    """A reset server and a fresh database; nothing personal may be logged, and no pitch delivered twice."""
    with open_post_world(clocked_sandbox, postgres_server, clock) as world:
        yield world
    assert "@" not in caplog.text


@pytest.fixture
def real_world(
    real_time_gmail: SandboxServer, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> Iterator[PostWorld]:
    """As `world`, on the machine's clock."""
    with open_post_world(real_time_gmail, postgres_server, None) as world:
        yield world
    assert "@" not in caplog.text
