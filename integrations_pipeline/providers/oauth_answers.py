"""What a token endpoint's answer means: the tokens in it, or an exception of `errors` (RFC 6749, 5).

Belongs here: reading and sorting answers. Does not: requests (`oauth`). No word of an answer is repeated but the
protocol's own error codes.
"""

import math
import re
from typing import Any

import httpx

from integrations_pipeline.errors import (
    ConfigurationError,
    DisconnectedError,
    RegistrationError,
    RetryableError,
    TokenConflictError,
)
from integrations_pipeline.providers.bounds import parse_json

#: Beyond a century it is no lifetime but another unit.
LONGEST_LIFETIME_SECONDS = 100 * 365 * 86_400

#: More than servers take in a header.
LONGEST_TOKEN = 16 * 1024


def read_answer(title: str, response: httpx.Response) -> dict[str, Any]:
    """The tokens in an answer that is no refusal; `RetryableError` where there are none.

    A lifetime that is no number of seconds is left out: the tokens are good all the same, and a request that
    is refused renews them. 0 is a provider's way of saying never.
    """
    try:
        # Whatever else is wrong with it: a refresh token that is not kept may cost the grant.
        answer = parse_json(response.content, takes_any_number=True)
    except ValueError as error:
        raise RetryableError(f"{title}'s token endpoint gave no token (its answer is no JSON)") from error
    access_token = answer.get("access_token") if isinstance(answer, dict) else None
    if not _is_token(access_token):
        raise RetryableError(f"{title}'s token endpoint gave no token")
    refresh_token = answer.get("refresh_token")
    return {
        "access_token": access_token,
        "refresh_token": refresh_token if _is_token(refresh_token) else "",
        "expires_in": _seconds(answer.get("expires_in")),
        "scope": answer.get("scope"),
    }


def _is_token(value: object) -> bool:
    """Whether it can stand in a header (RFC 6749, appendix A)."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TOKEN and value.isascii() and value.isprintable()


def _seconds(value: object) -> int | None:
    try:
        seconds = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else 0.0
    except (ValueError, OverflowError):
        return None
    return int(seconds) if math.isfinite(seconds) and 0 < seconds < LONGEST_LIFETIME_SECONDS else None


def refuse(title: str, client: str, response: httpx.Response, *, is_refresh: bool) -> None:
    """Raise for an answer that is no token (RFC 6749, 5.2). `client` begins the names of our variables.

    ================================  ===================================================
    answer                            what it means
    ================================  ===================================================
    200                               nothing to raise
    409                               the refresh token was used a moment ago
    5xx, 429, 408, temporarily_…      it passes
    invalid_client, unauthorized_…    our client id or secret is wrong
    invalid_grant on a refresh        the person must authorise again
    invalid_grant on a code           it was used, or is too old: the person is asked again
    anything else                     the request will never work: configuration
    ================================  ===================================================
    """
    code, status = _error_code(response), response.status_code
    if response.is_success and not code:
        return
    if status == 409:
        raise TokenConflictError(f"{title} says that the token was refreshed a moment ago")
    if status >= 500 or status in (408, 429) or code in _PASSING:
        raise RetryableError(f"{title}'s token endpoint answered {status}", retry_after_seconds=_retry_after(response))
    if code in ("invalid_client", "unauthorized_client"):
        raise RegistrationError(
            f"{title} does not know our client ({code}): correct {client}_CLIENT_ID and {client}_CLIENT_SECRET"
        )
    if code == "invalid_grant" and is_refresh:
        raise DisconnectedError(f"{title} no longer accepts the authorisation: it was revoked, or it expired")
    if code == "invalid_grant":
        raise ConfigurationError(f"{title} does not take the code (used already, or too old): run the command again")
    raise ConfigurationError(f"{title}'s token endpoint refused the request ({code or status})")


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if re.fullmatch(r"[0-9]{1,6}", text) else None


_PASSING = frozenset({"temporarily_unavailable", "server_error", "internal_failure"})
_CODES = _PASSING | {
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "missing_code",
    "redirect_uri_mismatch",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
}


def known_code(code: object) -> str:
    """A protocol error code that is fit for messages; whatever else stands there is not repeated."""
    return code if isinstance(code, str) and code in _CODES else "unknown error"


def _error_code(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return "" if response.is_success else str(response.status_code)
    code = body.get("error") if isinstance(body, dict) else None
    return "" if code is None else known_code(code)
