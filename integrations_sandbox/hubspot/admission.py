"""Who is asking, what for, and how often.

Belongs here: tokens, scopes, closed accounts, the three limits. Does not: which tokens there are (`state`), what a
request does (`api`).
"""

from collections import deque
from datetime import datetime

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.hubspot import errors
from integrations_sandbox.hubspot.model import Portal
from integrations_sandbox.hubspot.state import CONSENT, READ, SCHEMA, WRITE, HubSpot, Token
from integrations_sandbox.wire import Request

#: Requests in ten seconds of a private app in an account with the free plan, and searches a second of an account.
TEN_SECONDLY, SEARCH_SECONDLY = 100, 5
DAY = 86_400.0


class Admission:
    """Lets requests in, or raises Refusal."""

    def __init__(self, hubspot: HubSpot) -> None:
        self._hubspot = hubspot
        self._times: dict[tuple[str, object], deque[datetime]] = {}

    def reset(self) -> None:
        self._times.clear()

    def admit(self, request: Request, fault: FaultRule | None) -> Portal:
        """Token, account, scope, limits, in this order (assumed)."""
        token = self._hubspot.find_token(request.token)
        if token is None:
            raise errors.unauthorized()
        portal = self._hubspot.portal(token.portal_id)
        if portal.is_closed:
            raise errors.closed(portal.id)
        scope = needed(request)
        if scope not in token.scopes and scope:
            raise errors.missing_scopes(scope)
        self._limit(request, token, fault)
        return portal

    def _limit(self, request: Request, token: Token, fault: FaultRule | None) -> None:
        action = fault.action if fault is not None else ""
        is_search = request.path.rstrip("/").endswith("/search")
        if action == "billing_limit":
            raise errors.daily()
        if action == "rate_limit":
            raise errors.secondly() if is_search else errors.ten_secondly()
        options = self._hubspot.options
        if options.daily_limit is not None and not self._has_room(("day", token.portal_id), options.daily_limit, DAY):
            raise errors.daily()
        if options.rate_limit_scale is None:
            return
        scale = options.rate_limit_scale
        if is_search and not self._has_room(("search", token.portal_id), SEARCH_SECONDLY * scale, 0.98):
            raise errors.secondly()
        if not self._has_room(("token", token.value), TEN_SECONDLY * scale, 9.9):
            raise errors.ten_secondly()

    def _has_room(self, key: tuple[str, object], most: float, seconds: float) -> bool:
        now = self._hubspot.stage.clock.now()
        times = self._times.setdefault(key, deque())
        while times and (now - times[0]).total_seconds() >= seconds:
            times.popleft()
        if len(times) >= most:
            return False
        times.append(now)
        return True


def needed(request: Request) -> str:
    """The scope that a request needs; "" for none."""
    path = request.path
    if "/account-info/" in path:
        return ""
    if "/properties" in path:
        return SCHEMA
    if "/communication-preferences/" in path:
        return CONSENT
    is_read = request.method == "GET" or path.rstrip("/").endswith(("/search", "/batch/read"))
    return READ if is_read else WRITE
