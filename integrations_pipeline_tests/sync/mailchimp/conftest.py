from collections.abc import Iterator

import pytest

from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, open_mailchimp_world
from integrations_sandbox import SandboxOptions, SandboxServer


@pytest.fixture(scope="package")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="package")
def live_mailchimp(clock: FakeClock) -> Iterator[SandboxServer]:
    """One server for all tests of the folder, without limits, on their clock."""
    with SandboxServer(SandboxOptions(rate_limit_scale=None, clock=clock.now)) as server:
        yield server


@pytest.fixture
def world(
    live_mailchimp: SandboxServer, postgres_server: PostgresServer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> Iterator[MailchimpWorld]:
    """A reset server and a fresh database; nothing personal may be logged, and consent must be kept."""
    with open_mailchimp_world(live_mailchimp, postgres_server, clock) as world:
        yield world
    assert "@example" not in caplog.text
