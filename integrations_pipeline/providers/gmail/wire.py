"""Gmail on the wire: quota, errors, encodings.

Belongs here: what the API's pages fix (https://developers.google.com/workspace/gmail/api). Does not: pitches.
"""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from integrations_pipeline.errors import (
    CredentialsError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RateLimitedError,
    RetryableError,
)
from integrations_pipeline.model import clean_text
from integrations_pipeline.providers.http import retry_after

#: 6,000 quota units per minute and user (usage limits since 2026-05-01), less a little for others.
UNIT_SECONDS = 60.0 / 5_500
#: Units per method (same page).
UNITS = {
    "messages.send": 100,
    "drafts.send": 100,
    "drafts.create": 10,
    "drafts.get": 20,
    "drafts.list": 5,
    "drafts.delete": 10,
    "messages.get": 20,
    "messages.list": 5,
    "threads.get": 40,
    "history.list": 2,
    "getProfile": 1,
    "settings": 1,
}
PENALTY_SECONDS = 30.0
GONE = "404"
#: By these, with a reason in Google's form, Gmail speaks of the request itself, now and later.
_REFUSALS = (400, 404, 422)
_LIMITED = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "backendError", "concurrentRequestsExceeded"})
_STOPPED = frozenset({"dailyLimitExceeded", "quotaExceeded"})
_REASON = re.compile(r"[A-Za-z_]{1,60}")
#: Where Gmail tells when a limit ends: in the words of the error, after two spaces.
_RETRY_AT = re.compile(r"Retry after (\d{4}-\d\d-\d\dT[\d:.]+Z)")
#: How long a limit of a day is waited for; Gmail counts the 24 hours before each moment.
DAY_LIMIT_SECONDS = 3600.0


def read_error(response: httpx.Response) -> IntegrationError:
    """The exception for a refused request; its message may hold an address and is never repeated."""
    status, reason = response.status_code, reason_of(response)
    if status == 429 or (status == 403 and reason in _LIMITED):
        return RateLimitedError("Gmail asks for a pause", retry_after_seconds=_pause_of(response))
    if status >= 500 or status == 408:
        return RetryableError(f"Gmail answered {status}", retry_after_seconds=retry_after(response))
    if status == 401:
        return CredentialsError("Gmail refuses the token: authorise the connection again")
    if status == 403:
        return _forbidden(reason)
    if status == 400 and reason == "failedPrecondition":
        return NeedsAttentionError("the account has no Gmail, or it is switched off")
    if status != 413 and (status not in _REFUSALS or not reason):
        # A redirect, a proxy's page, a route that is not found: nothing that Gmail says of this request. What is too
        # large is refused before anybody looks at it, in any form.
        return RetryableError(f"Gmail answered {status}", retry_after_seconds=retry_after(response))
    return PermanentError(f"Gmail refused the request ({reason or status})", code=str(status))


def _forbidden(reason: str) -> IntegrationError:
    if reason in _STOPPED:
        return RateLimitedError("Gmail's limit for today is used up", retry_after_seconds=DAY_LIMIT_SECONDS)
    if reason in ("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "PERMISSION_DENIED"):
        return NeedsAttentionError(
            "the token lacks a scope: run `integrations connections authorize gmail` and leave every box ticked"
        )
    return NeedsAttentionError(f"Gmail denies access ({reason or 403}): check the account and the API's activation")


def _pause_of(response: httpx.Response) -> float | None:
    """Seconds until the moment that the error names, by Gmail's own clock, or None."""
    asked = retry_after(response)
    told = _RETRY_AT.search(response.text[:2000])
    try:
        now = parsedate_to_datetime(response.headers["date"])
        until = datetime.fromisoformat(told[1].replace("Z", "+00:00")) if told else now
    except (KeyError, ValueError):
        return asked
    return max(asked or 0.0, (until - now).total_seconds()) or asked


def reason_of(response: httpx.Response) -> str:
    """The short reason of an error body, or ""."""
    try:
        error = response.json()["error"]
        first = (error.get("errors") or [{}])[0]
        found = str(first.get("reason") or error.get("status") or "")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return ""
    return found if _REASON.fullmatch(found) else ""


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def decode(text: str) -> bytes:
    """What an answer holds in base64, with padding or without."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def headers_of(message: Mapping[str, Any]) -> dict[str, list[str]]:
    """A message's headers by lower-case name, in their order."""
    found: dict[str, list[str]] = {}
    for each in message["payload"].get("headers", []):
        found.setdefault(each["name"].lower(), []).append(clean_text(each.get("value", "")))
    return found


def internal_time(message: Mapping[str, Any]) -> datetime:
    """When Gmail took the message in: the header `Date` is whatever its sender says."""
    return datetime.fromtimestamp(int(message["internalDate"]) / 1000, UTC)
