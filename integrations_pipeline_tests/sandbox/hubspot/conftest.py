import gc
from collections.abc import Iterator

import httpx
import pytest
from hubspot import Client
from urllib3 import PoolManager

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.arrangement import NO_TLS
from integrations_pipeline_tests.sandbox.hubspot.arrangement import Arrangement
from integrations_sandbox import DEFAULT_HUBSPOT_TOKEN, SandboxServer


@pytest.fixture
def hub(running_sandbox: SandboxServer) -> Iterator[Arrangement]:
    """A reset server with one account; requests are not counted, and only `advance` moves the clock."""
    running_sandbox.reset()
    base = running_sandbox.hubspot_url
    client = Client.create(access_token=DEFAULT_HUBSPOT_TOKEN, host=base)
    headers = {"Authorization": f"Bearer {DEFAULT_HUBSPOT_TOKEN}"}
    with httpx.Client(base_url=base, headers=headers, timeout=patient(5), verify=NO_TLS, trust_env=False) as http:
        yield Arrangement(server=running_sandbox, client=client, http=http)
    # The client makes a pool for each of its parts and closes none: some later test would be told of their sockets.
    for pool in [each for each in gc.get_objects() if type(each) is PoolManager]:
        pool.clear()
