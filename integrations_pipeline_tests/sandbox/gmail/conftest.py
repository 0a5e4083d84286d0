from collections.abc import Iterator
from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.arrangement import client_for
from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, Post, google_service
from integrations_sandbox import SandboxServer


@pytest.fixture
def post(running_sandbox: SandboxServer) -> Iterator[Post]:
    """A reset server with Ada's mailbox; limits off, and a clock that only `advance` moves."""
    running_sandbox.reset()
    running_sandbox.gmail.create_mailbox(ADA, display_name="Ada Lovelace")
    token = running_sandbox.gmail.token(ADA)
    with client_for(running_sandbox, token) as http:
        yield Post(server=running_sandbox, http=http, token=token)


@pytest.fixture
def google(post: Post) -> Iterator[Any]:
    """Google's own client for Ada's mailbox."""
    with google_service(post.server.gmail_url, post.token) as service:
        yield service
