"""Mailchimp on the wire: addresses, limits, errors in our words.

Belongs here: what the Marketing API's pages fix (https://mailchimp.com/developer/marketing/api/). Does not:
contacts.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import httpx

from integrations_pipeline.errors import (
    ConfigurationError,
    CredentialsError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RateLimitedError,
    RetryableError,
    WrongAnswerError,
)
from integrations_pipeline.providers.bounds import Bounds
from integrations_pipeline.providers.http import bearer, retry_after
from integrations_pipeline.providers.mailchimp.limits import PAGE_SIZE as PAGE_SIZE  # noqa: PLC0414 - their users ask here
from integrations_pipeline.providers.mailchimp.limits import WRITE_BATCH as WRITE_BATCH  # noqa: PLC0414 - the same

#: Requests that an account may have under way at once (API docs, "Throttling"); all runs of it count together.
UNDER_WAY = 10
#: No rate is documented; this spreads the requests of many runs, and a refused account rests a moment.
INTERVAL_SECONDS = 0.02
PENALTY_SECONDS = 2.0
#: Mailchimp ends a call by itself after 120 seconds (API docs, "Throttling"), and a batch may take that long: whoever
#: waits less sends it twice.
BOUNDS = Bounds(pause_seconds=130.0, whole_seconds=150.0)
DC_PLACEHOLDER = "{dc}"
_DATA_CENTRE = re.compile(r"[a-z]{2}[0-9]{1,3}")
NOT_ALLOWED = "405"
GONE = "404"
SUBSCRIBED_ONLY = "subscribed only"
#: A refusal that something other than the record may end: another member, the person, time.
PASSING = "passing"


def base_address(configured: str, credentials: Mapping[str, Any]) -> str:
    """The API's address for these credentials; the data centre ends an API key or came with the token."""
    if DC_PLACEHOLDER not in configured:
        return configured.rstrip("/") + "/3.0"
    key = str(credentials.get("api_key") or "")
    centre = str(credentials.get("dc") or key.rpartition("-")[2])
    if not _DATA_CENTRE.fullmatch(centre):
        raise ConfigurationError(
            "the Mailchimp credentials tell no data centre: an API key ends in it, as in …-us1; "
            'a token needs "dc" beside it, which `integrations connections authorize` adds'
        )
    return configured.replace(DC_PLACEHOLDER, centre).rstrip("/") + "/3.0"


def authorization(token: str) -> str:
    """An API key goes as the password of any user, an OAuth token as a bearer."""
    if re.search(r"-[a-z]{2}[0-9]{1,3}$", token):
        return "Basic " + base64.b64encode(f"key:{token}".encode()).decode()
    return bearer(token)


def member_hash(address: str) -> str:
    """The name of a member in paths: MD5 of the e-mail in lower case."""
    return hashlib.md5(address.strip().lower().encode(), usedforsecurity=False).hexdigest()


def read_error(response: httpx.Response) -> IntegrationError:
    """The exception for a refused request; its detail may hold an address and is never repeated."""
    status = response.status_code
    problem = _problem(response)
    if status == 429 or (status == 403 and problem is None):
        # "At exceptionally high volumes" it throttles with a 403 without a body.
        return RateLimitedError("Mailchimp asks for a pause", retry_after_seconds=retry_after(response))
    if status >= 500 or status == 408:
        return RetryableError(f"Mailchimp answered {status}", retry_after_seconds=retry_after(response))
    if response.is_redirect:
        return WrongAnswerError(f"Mailchimp answered {status} and points elsewhere, which is not followed")
    if status == 401:
        return CredentialsError(
            "Mailchimp refuses the key or token: it is wrong or revoked; add or authorise the connection again"
        )
    if status == 404 and not (problem or {}).get("title"):
        # Without the words of the API it is a path or a gateway that is not there, and says nothing about a member.
        return PermanentError("Mailchimp answered 404 without saying what is not there", code=PASSING)
    if status == 403:
        return NeedsAttentionError("Mailchimp denies access: the account is disabled or its role may not do this")
    return refusal(problem or {}, status)


def _problem(response: httpx.Response) -> Mapping[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def refusal(problem: Mapping[str, Any], status: int) -> PermanentError:
    """A record or request that Mailchimp refuses for good, told by the kind of refusal and our column."""
    title, detail = str(problem.get("title") or ""), str(problem.get("detail") or "")
    errors = problem.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    reason = reason_of(f"{title} {detail} {first.get('message', '')}", str(first.get("field") or ""))
    code = str(status) if status in (404, 405) else title or str(status)
    code = SUBSCRIBED_ONLY if reason == CHANGES_SUBSCRIBED_ONLY else code
    code = PASSING if reason in PASSING_REASONS else code
    return PermanentError(reason or f"Mailchimp refused the request ({status})", code=code[:80])


#: The e-mail of anybody who is not subscribed cannot be changed in place.
CHANGES_SUBSCRIBED_ONLY = "Mailchimp changes the e-mail of subscribed members only"
TAKEN = "another member of the audience has this e-mail, perhaps an archived one"
BUSY = "Mailchimp refuses the e-mail address: it signed up to too many lists lately"
PASSING_REASONS = frozenset({TAKEN, BUSY})

#: What a refusal says, and what we say of it; texts as recorded from the real service.
_REASONS = (
    (
        "compliance state",
        "the person unsubscribed, bounced or is under review at Mailchimp: only they can opt in again",
    ),
    ("permanently deleted", "the address was deleted for good at Mailchimp: the person must sign up again there"),
    ("forgotten email", "the address was deleted for good at Mailchimp: the person must sign up again there"),
    ("fake or invalid", "Mailchimp refuses the e-mail address as fake or invalid"),
    ("valid email", "Mailchimp refuses the e-mail address as invalid"),
    ("signed up to a lot of lists", BUSY),
    ("can only update email addresses", CHANGES_SUBSCRIBED_ONLY),
    ("already in this list", TAKEN),
    ("already a list member", TAKEN),
    ("member exists", TAKEN),
)
_TAG = re.compile(r"[A-Z0-9_]{1,10}")


def reason_of(told: str, column: str) -> str:
    """Our words for what a refusal says; "" for one that we do not know. `column` is a merge tag or ""."""
    lowered = told.lower()
    for part, reason in _REASONS:
        if part in lowered:
            return reason
    if _TAG.fullmatch(column):
        is_missing = "blank" in lowered or "required" in lowered or "please enter a value" in lowered
        return f"merge field {column} " + ("is required and empty" if is_missing else "does not take this value")
    if "merge field" in lowered:
        return "a merge field does not take its value, or a required one is empty"
    return ""
