"""Gmail's error bodies, one function per kind.

Belongs here: status, message and reason of a refusal, in Google's JSON shape. Does not belong here: the decision
to refuse.

Messages without a remark were seen on the wire or are documented. "Assumed:" marks the others, on whose wording no
client should depend.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from integrations_sandbox.wire import JsonObject, WireError

#: The canonical names of Google's RPC codes by HTTP status.
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_REALM = 'Bearer realm="https://accounts.google.com/"'


class Refusal(WireError):
    """A refusal with headers of its own; every 401 and a 403 for scopes says in them how to get in."""

    def __init__(self, status: int, body: JsonObject, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status, body)
        self.headers = headers


def refusal(status: int, reason: str, message: str, *, text: str | None = None, **more: Any) -> Refusal:
    """`message` is that of the whole, `text` that of the item in `errors` where it differs.

    `more`: `domain` and `location` of that item, the `kind` that stands under `status`, `details`, `headers`.
    """
    item: JsonObject = {"message": text or message, "domain": more.get("domain", "global"), "reason": reason}
    if "location" in more:
        item |= {"location": more["location"], "locationType": "header"}
    error: JsonObject = {"code": status, "message": message, "errors": [item]}
    kind = more.get("kind", _STATUS.get(status))
    if kind:
        error["status"] = kind
    if "details" in more:
        error["details"] = more["details"]
    return Refusal(status, {"error": error}, tuple(more.get("headers", ())))


def info(reason: str, metadata: Mapping[str, str]) -> list[JsonObject]:
    """The `details` that newer errors carry."""
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return [{"@type": kind, "reason": reason, "domain": "googleapis.com", "metadata": dict(metadata)}]


def invalid_argument(message: str) -> Refusal:
    return refusal(400, "invalidArgument", message)


def failed_precondition(message: str = "Precondition check failed.") -> Refusal:
    return refusal(400, "failedPrecondition", message, kind="FAILED_PRECONDITION")


def not_found() -> Refusal:
    return refusal(404, "notFound", "Requested entity was not found.")


def invalid_credentials(method: str) -> Refusal:
    return refusal(
        401,
        "authError",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        text="Invalid Credentials",
        location="Authorization",
        details=info("ACCESS_TOKEN_EXPIRED", {"service": "gmail.googleapis.com", "method": method}),
        headers=[("WWW-Authenticate", f'{_REALM}, error="invalid_token"')],
    )


def login_required(method: str) -> Refusal:
    return refusal(
        401,
        "required",
        "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other "
        "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        text="Login Required.",
        location="Authorization",
        details=info("CREDENTIALS_MISSING", {"service": "gmail.googleapis.com", "method": method}),
        headers=[("WWW-Authenticate", _REALM)],
    )


def insufficient_scopes(method: str, needed: Iterable[str]) -> Refusal:
    return refusal(
        403,
        "insufficientPermissions",
        "Request had insufficient authentication scopes.",
        text="Insufficient Permission",
        details=info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", {"service": "gmail.googleapis.com", "method": method}),
        headers=[("WWW-Authenticate", f'{_REALM}, error="insufficient_scope", scope="{" ".join(needed)}"')],
    )


def forbidden(message: str) -> Refusal:
    return refusal(403, "forbidden", message)


def delegation_denied(account: str) -> Refusal:
    return forbidden(f"Delegation denied for {account}")


def invalid_bytes(field: str) -> Refusal:
    """A `raw` that is not base64."""
    message = f"Invalid value at '{field}' (TYPE_BYTES), Base64 decoding failed"
    return refusal(400, "invalid", message)


def invalid_json() -> Refusal:
    # Assumed: the wording's second half; Google quotes the text around the mistake.
    return refusal(400, "parseError", "Invalid JSON payload received. Unknown token.")


def too_large(limit: int) -> Refusal:
    # Assumed: reason and wording; the limit is documented.
    return refusal(413, "uploadTooLarge", f"Request payload size exceeds the limit: {limit} bytes.")


def label_exists() -> Refusal:
    return refusal(409, "aborted", "Label name exists or conflicts")


def over_quota(status: int) -> Refusal:
    """The per-minute limit. Both answers have been seen for it, 403 the more often."""
    if status == 429:
        return resource_exhausted()
    message = (
        "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service "
        "'gmail.googleapis.com' for consumer 'project_number:100000000001'."
    )
    # Assumed: the kind under `status`.
    return refusal(403, "rateLimitExceeded", message, domain="usageLimits")


def resource_exhausted() -> Refusal:
    return refusal(429, "rateLimitExceeded", "Resource has been exhausted (e.g. check quota).")


def sending_limit(retry_after: str) -> Refusal:
    """The day's sends are used up; the time stands in the message only, after two spaces."""
    return refusal(429, "rateLimitExceeded", f"User-rate limit exceeded.  Retry after {retry_after} (Mail sending)")


def _usage(reason: str, message: str) -> Refusal:
    return refusal(403, reason, message, domain="usageLimits")


#: What a test can ask for by name. Assumed: the wording of dailyLimitExceeded, domainPolicy, backendError.
BY_NAME: Mapping[str, Refusal] = MappingProxyType(
    {
        "rateLimitExceeded": over_quota(403),
        "resourceExhausted": resource_exhausted(),
        "concurrentRequests": refusal(429, "rateLimitExceeded", "Too many concurrent requests for user."),
        "mailSending": sending_limit("2030-01-01T00:00:00.000Z"),
        "userRateLimitExceeded": _usage("userRateLimitExceeded", "User Rate Limit Exceeded"),
        "dailyLimitExceeded": _usage("dailyLimitExceeded", "Daily Limit Exceeded"),
        "accessNotConfigured": _usage(
            "accessNotConfigured", "Gmail API has not been used in project 100000000001 before or it is disabled."
        ),
        "domainPolicy": refusal(403, "domainPolicy", "The domain administrators have disabled Gmail apps."),
        "insufficientPermissions": insufficient_scopes("caribou.api.proto.MailboxService", ()),
        "failedPrecondition": failed_precondition(),
        "mailServiceNotEnabled": failed_precondition("Mail service not enabled"),
        "invalidArgument": invalid_argument("Request contains an invalid argument."),
        "authError": invalid_credentials("caribou.api.proto.MailboxService"),
        "notFound": not_found(),
        "backendError": refusal(503, "backendError", "The service is currently unavailable."),
        "internalError": refusal(500, "backendError", "Internal error encountered."),
    }
)
