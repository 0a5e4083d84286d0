from collections.abc import Iterator

import pytest

from integrations_pipeline_tests.providers.hubspot.bench import HubSpotBench
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import SandboxOptions, SandboxServer


@pytest.fixture(scope="package")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture
def bench(server: SandboxServer) -> Iterator[HubSpotBench]:
    """A reset server with one account, without limits."""
    server.reset()
    network = Loopback()
    yield HubSpotBench(server, network)
    network.shut_down()
