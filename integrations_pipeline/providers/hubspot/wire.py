"""HubSpot's limits and error bodies: what a refused request means. Pure.

Belongs here: constants of the API, errors into exceptions. Does not: requests (`client`), what becomes of a contact
(`writer`). Sources: https://developers.hubspot.com/docs, usage guidelines, error handling, contacts.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from integrations_pipeline.errors import (
    CredentialsError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RateLimitedError,
    SharedCauseError,
)
from integrations_pipeline.providers.batches import default_error, passing_error
from integrations_pipeline.providers.http import retry_after
from integrations_pipeline.providers.hubspot.limits import BATCH as BATCH  # noqa: PLC0414 - their users ask here
from integrations_pipeline.providers.hubspot.limits import VERSION as VERSION  # noqa: PLC0414 - the same

TITLE = "HubSpot"
#: Contacts per list page, and results per page of a search.
LIST_PAGE = 100
SEARCH_PAGE = 200
#: 100 requests in ten seconds is the smallest limit (free accounts, and 110 for public apps); five searches a second.
INTERVAL_SECONDS = 0.1
SEARCH_INTERVAL_SECONDS = 0.2
#: The limits are rolling windows of a second and of ten; HubSpot sends no Retry-After.
SECONDLY_SECONDS, TEN_SECONDLY_SECONDS = 1.0, 10.0

GONE = "OBJECT_NOT_FOUND"
TAKEN = "CONFLICT"
IS_TAKEN = "another contact at HubSpot has this e-mail, perhaps as an additional one"

_CODE = re.compile(r"[A-Z][A-Z_]{1,60}")
_PROPERTY = re.compile(r"[a-z0-9_]{1,100}")
_SCOPE = re.compile(r"[a-z][a-z._-]{1,60}")
_VALUES = "Property values were not valid: "


class MissingScopeError(NeedsAttentionError):
    """The token lacks a right; what does not need it goes on."""


def read_error(response: httpx.Response) -> IntegrationError:
    """The exception for a refused request; its message may hold values and is never repeated.

    ==========================  ==================================================================
    429, policy DAILY           `SharedCauseError`: the account's allowance of the day is used up
    429, any other              `RateLimitedError`, for a second or for ten
    401                         `CredentialsError`
    403 MISSING_SCOPES          `MissingScopeError` with the scopes' names
    403, any other              `NeedsAttentionError`: the account is closed, or the app not in it
    404, 409, 400 with words    `PermanentError` (`refusal`)
    ==========================  ==================================================================
    """
    status, body = response.status_code, _body(response)
    category = str(body.get("category") or "")
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return _limited(response, body)
    if (passing := passing_error(response, TITLE)) is not None:
        return passing
    if status == httpx.codes.UNAUTHORIZED:
        return CredentialsError(
            "HubSpot refuses the token: it is wrong, expired or revoked; add or authorise the connection again"
        )
    if status == httpx.codes.FORBIDDEN:
        return _forbidden(category, body)
    if not category:
        return default_error(response, TITLE)
    return refusal(body)


def _limited(response: httpx.Response, body: Mapping[str, Any]) -> IntegrationError:
    policy = str(body.get("policyName") or "").upper()
    if policy == "DAILY":
        return SharedCauseError(
            "HubSpot's daily limit of the account is used up: it begins anew at midnight of the account's time zone"
        )
    is_short = "secondly" in str(body.get("message")) and "ten_secondly" not in str(body.get("message"))
    seconds = SECONDLY_SECONDS if is_short else TEN_SECONDLY_SECONDS
    return RateLimitedError("HubSpot's rate limit was met", retry_after_seconds=retry_after(response) or seconds)


def _forbidden(category: str, body: Mapping[str, Any]) -> IntegrationError:
    if category != "MISSING_SCOPES":
        return NeedsAttentionError(
            "HubSpot denies access: the account is closed or suspended, or the app is not installed in it any more"
        )
    told = {str(scope) for each in _details(body) for scope in _listed(each, "requiredGranularScopes")}
    names = ", ".join(sorted(scope for scope in told if _SCOPE.fullmatch(scope)))
    return MissingScopeError(f"the token lacks a scope at HubSpot: give it {names or 'those that the page names'}")


def refusal(body: Mapping[str, Any]) -> PermanentError:
    """A record or request that HubSpot refuses for good, told by the kind of refusal and the property."""
    category = str(body.get("category") or "")
    if category == TAKEN:
        return PermanentError(IS_TAKEN, code=TAKEN)
    if category == GONE:
        return PermanentError("HubSpot has no such contact", code=GONE)
    name, code = _first_value(body)
    if name and code == "PROPERTY_DOESNT_EXIST":
        return PermanentError(f"property {name} does not exist", code=code)
    if name:
        return PermanentError(f"property {name} does not take the value ({code})", code=code)
    told = category if _CODE.fullmatch(category) else "without a reason"
    return PermanentError(f"HubSpot refused the request ({told})", code=told)


def _first_value(body: Mapping[str, Any]) -> tuple[str, str]:
    """The first property that did not take its value, and why; ("", "") where none is told."""
    for told, name in (*_from_errors(body), *_from_message(str(body.get("message") or ""))):
        if _PROPERTY.fullmatch(name):
            return name, told if _CODE.fullmatch(told) else "INVALID"
    return "", ""


def _from_errors(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for each in _details(body):
        for name in _listed(each, "propertyName"):
            yield str(each.get("code") or ""), str(name)


def _from_message(message: str) -> Iterator[tuple[str, str]]:
    """Values are told as JSON within the words."""
    if not message.startswith(_VALUES):
        return
    try:
        told = json.loads(message[len(_VALUES) :])
    except ValueError:
        return
    for each in told if isinstance(told, list) else ():
        if isinstance(each, dict):
            yield str(each.get("error") or ""), str(each.get("name") or "")


def _details(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    told = body.get("errors")
    return [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []


def _listed(detail: Mapping[str, Any], key: str) -> list[Any]:
    context = detail.get("context")
    found = context.get(key) if isinstance(context, dict) else None
    return found if isinstance(found, list) else []


def _body(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
