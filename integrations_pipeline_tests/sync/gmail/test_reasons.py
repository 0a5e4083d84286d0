"""The short reason that Gmail gives for a refusal, in the two forms in which Google tells it."""

from typing import Any

import httpx
import pytest

from integrations_pipeline.providers.gmail.wire import reason_of


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
