from collections.abc import Iterator

import httpx
import mailchimp_marketing
import pytest

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.arrangement import NO_TLS
from integrations_pipeline_tests.sandbox.mailchimp.arrangement import Arrangement
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY, SandboxServer


@pytest.fixture
def chimp(running_sandbox: SandboxServer) -> Iterator[Arrangement]:
    """A reset server with one audience; connections are not counted, and only `advance` moves the clock."""
    running_sandbox.reset()
    audience = running_sandbox.mailchimp.create_list(extra_fields=["COMPANY"])
    base = running_sandbox.mailchimp_url + "/3.0"
    client = mailchimp_marketing.Client({"api_key": DEFAULT_MAILCHIMP_KEY})
    client.api_client.host = base
    credentials = ("anystring", DEFAULT_MAILCHIMP_KEY)
    with httpx.Client(base_url=base, auth=credentials, timeout=patient(5), verify=NO_TLS, trust_env=False) as http:
        yield Arrangement(server=running_sandbox, list_id=audience.id, client=client, http=http)
