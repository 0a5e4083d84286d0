"""HubSpot's error bodies, one function per kind.

Belongs here: status, category, message and errors of a refusal. Does not: the decision to refuse. The categories and
the codes of values are documented or were seen on the wire; "Assumed:" marks the others, on which no client
should depend.
"""

import json
from collections.abc import Sequence

from integrations_sandbox.wire import JsonObject, WireError

#: Assumed: any id will do.
CORRELATION = "00000000-0000-4000-8000-000000000000"


class Refusal(WireError):
    """A refusal with the headers that go with it."""

    def __init__(self, status: int, body: JsonObject, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(status, body)
        self.headers = tuple(headers)


def refusal(status: int, category: str, message: str, **more: object) -> Refusal:
    body = {"status": "error", "message": message, "correlationId": CORRELATION, "category": category}
    return Refusal(status, body | more)


# Who is asking


def unauthorized() -> Refusal:
    return refusal(
        401,
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
        "details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
    )


def expired() -> Refusal:
    return refusal(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired 7 second(s) ago.")


def missing_scopes(scope: str) -> Refusal:
    told = {
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": [scope]},
    }
    message = "This app hasn't been granted all required scopes to make this call."
    return refusal(403, "MISSING_SCOPES", message, errors=[told])


def closed(portal: int) -> Refusal:
    """Assumed: the wording and the category."""
    return refusal(403, "BANNED", f"The account {portal} is not active")


def ten_secondly() -> Refusal:
    return refusal(
        429,
        "RATE_LIMITS",
        "You have reached your ten_secondly_rolling limit.",
        errorType="RATE_LIMIT",
        policyName="TEN_SECONDLY_ROLLING",
    )


def secondly() -> Refusal:
    """Of a search: without a policy, as seen on the wire."""
    return refusal(429, "RATE_LIMITS", "You have reached your secondly limit.")


def daily() -> Refusal:
    message = "You have reached your daily limit."
    return refusal(429, "RATE_LIMITS", message, errorType="RATE_LIMIT", policyName="DAILY")


# Requests


def not_found(what: str = "resource not found") -> Refusal:
    return refusal(404, "OBJECT_NOT_FOUND", what)


def no_such_path() -> Refusal:
    """Assumed: HubSpot answers unknown paths with a page."""
    return Refusal(404, {"status": "error", "message": "resource not found", "correlationId": CORRELATION})


def invalid(message: str, **more: object) -> Refusal:
    return refusal(400, "VALIDATION_ERROR", message, **more)


def value(name: str, code: str, message: str) -> Refusal:
    """One value that is not taken: told in words that hold JSON, and in `errors`."""
    told = [{"isValid": False, "message": message, "error": code, "name": name}]
    errors = [{"message": message, "code": code, "context": {"propertyName": [name]}}]
    return invalid(f"Property values were not valid: {json.dumps(told)}", errors=errors)


def email_taken(contact_id: str) -> Refusal:
    return refusal(409, "CONFLICT", f"Contact already exists. Existing ID: {contact_id}")


def multi_status(error: Refusal, *, trace_id: str | None = None, ids: Sequence[str] = ()) -> JsonObject:
    """A refusal of one input, as a batch's answer tells it."""
    context: dict[str, list[str]] = {}
    if trace_id is not None:
        context["objectWriteTraceId"] = [trace_id]
    if ids:
        context["ids"] = list(ids)
    told: JsonObject = {key: error.body[key] for key in ("category", "message") if key in error.body}
    return told | {"status": "error", "context": context, "errors": error.body.get("errors", []), "links": {}}
