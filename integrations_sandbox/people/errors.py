"""The People API's error bodies, one function per kind.

Belongs here: status, message and reason of a refusal, in Google's JSON shape. Does not belong here: the decision
to refuse. "Assumed:" marks wordings that were neither seen nor documented; no client should depend on them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from integrations_sandbox.wire import JsonObject, WireError

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    410: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def refusal(status: int, message: str, *, kind: str = "", reason: str = "", **metadata: str) -> WireError:
    """`kind` is the canonical name under `status`; `reason` that of the `ErrorInfo` in `details`, if it has one."""
    error: JsonObject = {"code": status, "message": message, "status": kind or _STATUS[status]}
    if reason:
        told: dict[str, Any] = {"service": "people.googleapis.com", **metadata}
        error["details"] = [{"@type": _INFO, "reason": reason, "domain": "googleapis.com", "metadata": told}]
    return WireError(status, {"error": error})


def invalid(message: str) -> WireError:
    return refusal(400, message)


def stale_etag() -> WireError:
    return refusal(
        400,
        "Request person.etag is different than the current person.etag. Clear local cache and get the latest person.",
        kind="FAILED_PRECONDITION",
    )


def expired_token(status: int) -> WireError:
    message = "Sync token is expired. Clear local cache and retry call without the sync token."
    kind = "INVALID_ARGUMENT" if status == 400 else "FAILED_PRECONDITION"
    error = refusal(status, message, kind=kind, reason="EXPIRED_SYNC_TOKEN")
    error.body["error"]["details"][0]["domain"] = "people.googleapis.com"
    return error


def not_found() -> WireError:
    return refusal(404, "Requested entity was not found.")


def group_exists() -> WireError:
    # Assumed: the wording.
    return refusal(409, "Contact group name already exists.")


def bad_token() -> WireError:
    return refusal(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential.",
        reason="ACCESS_TOKEN_EXPIRED",
    )


def lacks_scope() -> WireError:
    return refusal(403, "Request had insufficient authentication scopes.", reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT")


def over_quota() -> WireError:
    # Assumed: the metric's whole name; Google shows it in the console only.
    message = (
        "Quota exceeded for quota metric 'Critical read requests (Contact and Profile Reads)' and limit 'Critical read "
        "requests (Contact and Profile Reads) per minute per user' of service 'people.googleapis.com'."
    )
    return refusal(429, message, reason="RATE_LIMIT_EXCEEDED")


def is_full() -> WireError:
    # Assumed: the status; the word was seen.
    return refusal(429, "MY_CONTACTS_OVERFLOW_COUNT")


#: What a test can ask for by name.
BY_NAME: Mapping[str, WireError] = MappingProxyType(
    {
        "rateLimit": over_quota(),
        "rateLimitForbidden": refusal(403, "Rate limit exceeded.", reason="RATE_LIMIT_EXCEEDED"),
        "insufficientScopes": lacks_scope(),
        "invalidToken": bad_token(),
        "serviceDisabled": refusal(
            403, "People API has not been used in project 1 before or it is disabled.", reason="SERVICE_DISABLED"
        ),
        "forbidden": refusal(403, "The caller does not have permission"),
        "overflow": is_full(),
        "expiredSyncToken": expired_token(400),
        "staleEtag": stale_etag(),
        "internal": refusal(500, "Internal error encountered."),
        "unavailable": refusal(503, "The service is currently unavailable."),
    }
)
