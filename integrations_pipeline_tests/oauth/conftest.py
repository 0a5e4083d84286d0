from collections.abc import Iterator

import pytest

from integrations_pipeline.store.encryption import generate_key_text
from integrations_pipeline.wiring import Wiring, read_settings
from integrations_pipeline_tests.oauth.arrangement import Place, Time, variables
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import SandboxServer


@pytest.fixture
def place(
    postgres_server: PostgresServer, shared_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A migrated database of its own, and this process's variables set so that commands find everything."""
    shared_sandbox.reset()
    with postgres_server.new_database(TEMPLATE) as url:
        found = variables(shared_sandbox) | {
            "INTEGRATIONS_DATABASE_URL": url,
            "INTEGRATIONS_ENCRYPTION_KEYS": generate_key_text(),
            "INTEGRATIONS_SANDBOX_RATE_SCALE": "1000",
        }
        for name, value in found.items():
            monkeypatch.setenv(name, value)
        wiring, network = Wiring(read_settings()), Loopback()
        try:
            yield Place(sandbox=shared_sandbox, variables=found, wiring=wiring, time=Time(), network=network)
        finally:
            wiring.close()
            network.shut_down()
