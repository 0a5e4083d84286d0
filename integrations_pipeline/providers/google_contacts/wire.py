"""The People API on the wire: limits, pace, errors.

Belongs here: what the API's pages fix (https://developers.google.com/people/api/rest). Does not: contacts.
"""

import re
from collections.abc import Mapping
from typing import Any

import httpx

from integrations_pipeline.errors import (
    CredentialsError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RateLimitedError,
    RegistrationError,
    RetryableError,
)
from integrations_pipeline.providers.batches import passing_error
from integrations_pipeline.providers.google_contacts.limits import BATCH as BATCH  # noqa: PLC0414 - their users ask here
from integrations_pipeline.providers.google_contacts.limits import PAGE_SIZE as PAGE_SIZE  # noqa: PLC0414 - the same
from integrations_pipeline.providers.google_contacts.limits import PROPAGATION_SECONDS as PROPAGATION_SECONDS  # noqa: PLC0414 - the same
from integrations_pipeline.providers.http import retry_after

#: Quotas are per minute and user, and only the console tells them; 90 reads and updates are reported.
INTERVAL_SECONDS = 60.0 / 80
PENALTY_SECONDS = 30.0
#: Contacts of an account, those in the trash among them.
MOST_CONTACTS = 25_000

GONE, STALE, EXPIRED, TAKEN, INVALID = (
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "EXPIRED_SYNC_TOKEN",
    "ALREADY_EXISTS",
    "INVALID_ARGUMENT",
)
_LIMITED = frozenset({"RATE_LIMIT_EXCEEDED", "RATELIMITEXCEEDED", "USERRATELIMITEXCEEDED", "RESOURCE_EXHAUSTED"})
_UNSCOPED = frozenset({"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "INSUFFICIENTPERMISSIONS"})
_SWITCHED_OFF = frozenset({"SERVICE_DISABLED", "ACCESSNOTCONFIGURED"})
_REASON = re.compile(r"[A-Za-z_]{1,60}")
_FULL = "MY_CONTACTS_OVERFLOW_COUNT"
#: The canonical names where an answer tells none.
_NAMES = {400: INVALID, 404: GONE, 409: TAKEN, 410: EXPIRED}


def read_error(response: httpx.Response) -> IntegrationError:
    """The exception for a refused request; its message may hold a name and is never repeated."""
    status, told = response.status_code, _told(response)
    if _FULL in response.text[:2000]:
        return NeedsAttentionError(
            f"the account has no room for more contacts ({MOST_CONTACTS}, those in the trash among them): delete some "
            "at Google Contacts and empty its trash"
        )
    if status == 403:
        return _forbidden(response, told)
    if (passing := passing_error(response, "Google Contacts")) is not None:
        return passing
    if status == 401:
        return CredentialsError("Google refuses the token: authorise the connection again")
    if not told and status != 413:
        # A proxy's page, a route that is not found: nothing that Google says of this request.
        return RetryableError(f"Google Contacts answered {status}", retry_after_seconds=retry_after(response))
    code = EXPIRED if EXPIRED in told else next(iter(told), _NAMES.get(status, str(status)))
    return PermanentError(f"Google Contacts refused the request ({code})", code=code)


def _forbidden(response: httpx.Response, told: list[str]) -> IntegrationError:
    words = {word.upper() for word in told}
    if words & _LIMITED:
        return RateLimitedError("Google Contacts asks for a pause", retry_after_seconds=retry_after(response))
    if words & _UNSCOPED:
        return NeedsAttentionError(
            "the token lacks the scope for contacts: run `integrations connections authorize google_contacts` and "
            "leave every box ticked"
        )
    if words & _SWITCHED_OFF:
        return RegistrationError("the People API is switched off in our Google Cloud project: enable it there")
    return NeedsAttentionError(
        f"Google denies access to the contacts ({next(iter(told), 403)}): look at the account and at what its "
        "administrator allows"
    )


def _told(response: httpx.Response) -> list[str]:
    """The canonical name of the error and its reasons, whichever form it has; none for what is none of Google's."""
    try:
        error = response.json()["error"]
        found = [error.get("status"), *(each.get("reason") for each in _all(error, "details", "errors"))]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    words = [_NAME_OF.get(str(word), str(word)) for word in found if word]
    return [word for word in words if _REASON.fullmatch(word)]


#: The older form tells its reasons in another way of writing.
_NAME_OF = {"failedPrecondition": STALE, "notFound": GONE, "invalidArgument": INVALID}


def _all(error: dict[str, Any], *keys: str) -> list[dict[str, Any]]:
    return [each for key in keys for each in error.get(key) or []]


def is_gone(answer: Mapping[str, Any]) -> bool:
    """Whether an answer about one contact says that there is none (the code of google.rpc, or that of HTTP)."""
    if "person" in answer:
        return bool((answer["person"].get("metadata") or {}).get("deleted"))
    return answer.get("httpStatusCode") == 404 or (answer.get("status") or {}).get("code") == 5
