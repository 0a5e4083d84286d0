"""The short reason that Gmail gives for a refusal, in the two forms in which Google tells it."""

from typing import Any

import httpx
import pytest

from integrations_pipeline.errors import (
    CredentialsError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RateLimitedError,
    RetryableError,
)
from integrations_pipeline.providers.gmail.wire import read_error, reason_of


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"errors": [{"reason": "rateLimitExceeded"}], "status": "PERMISSION_DENIED"}}, "rateLimitExceeded"),
        ({"error": {"status": "PERMISSION_DENIED"}}, "PERMISSION_DENIED"),
        ({"error": {"errors": [], "status": "NOT_FOUND"}}, "NOT_FOUND"),
        ({"error": {"errors": [{"reason": "of ann@example.org"}]}}, ""),
        ({"error": "invalid_grant"}, ""),
        ([], ""),
    ],
)
def test_a_reason_is_told_by_a_word_of_googles_and_by_nothing_else(body: Any, expected: str) -> None:
    assert reason_of(httpx.Response(403, json=body)) == expected


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (429, "", RateLimitedError),
        (403, "userRateLimitExceeded", RateLimitedError),
        (403, "dailyLimitExceeded", RateLimitedError),
        (403, "insufficientPermissions", NeedsAttentionError),
        (403, "domainPolicy", NeedsAttentionError),
        (401, "authError", CredentialsError),
        (400, "failedPrecondition", NeedsAttentionError),
        (400, "invalidArgument", PermanentError),
        (404, "notFound", PermanentError),
        (404, "", RetryableError),
        (413, "", PermanentError),
        (500, "backendError", RetryableError),
        (408, "", RetryableError),
    ],
)
def test_a_refusal_is_told_by_what_to_do_next(status: int, reason: str, kind: type[IntegrationError]) -> None:
    body = {"error": {"errors": [{"reason": reason}]}} if reason else {}
    assert type(read_error(httpx.Response(status, json=body))) is kind
