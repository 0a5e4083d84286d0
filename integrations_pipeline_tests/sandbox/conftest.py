from collections.abc import Iterator

import pytest
from pyairtable import Api

from integrations_pipeline_tests.sandbox.arrangement import Arrangement, client_for, stopped_clock
from integrations_sandbox import DEFAULT_TOKEN, SandboxOptions, SandboxServer


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None, clock=stopped_clock)) as server:
        yield server


@pytest.fixture
def sandbox(running_sandbox: SandboxServer) -> Iterator[Arrangement]:
    """A reset server with one contacts table; limits off, and a clock that only `advance` moves."""
    running_sandbox.reset()
    base = running_sandbox.airtable.create_base("CRM")
    running_sandbox.airtable.create_contacts_table(base.id)
    api = Api(DEFAULT_TOKEN, endpoint_url=running_sandbox.airtable_url, retry_strategy=None)
    with client_for(running_sandbox) as http:
        yield Arrangement(server=running_sandbox, base_id=base.id, api=api, http=http)
    api.session.close()
