from collections.abc import Iterator

import httpx
import pytest

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.arrangement import NO_TLS, stopped_clock
from integrations_pipeline_tests.sandbox.oauth.dance import Dance
from integrations_sandbox import SandboxOptions, SandboxServer


@pytest.fixture(scope="session")
def running_server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None, clock=stopped_clock)) as server:
        yield server


@pytest.fixture
def dance(running_server: SandboxServer) -> Iterator[Dance]:
    """A reset server whose authorization servers consent at once; a clock that only `advance` moves."""
    running_server.reset()
    running_server.oauth.set_options(auto_consent="allow")
    with httpx.Client(base_url=running_server.url, timeout=patient(5), verify=NO_TLS, trust_env=False) as http:
        yield Dance(server=running_server, http=http)
