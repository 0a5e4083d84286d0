"""Who allowed what, and the tokens that came of it.

Belongs here: authorizations, access and refresh tokens, how they end. Does not belong here: when a provider
issues or refuses one (`google`, `airtable`, `mailchimp`), HTTP.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from integrations_sandbox.stage import Grant, Stage

#: Why a refresh token is of no use any more.
Cause = Literal["revoked", "expired", "password_changed", "account_deleted", "session_control"]


@dataclass(slots=True, kw_only=True, eq=False)
class Authorization:
    """What one account allowed one client at one time. `asked` are the scopes that were asked for, `scopes`
    those that were granted."""

    provider: str
    client_id: str
    account: str
    asked: frozenset[str]
    scopes: frozenset[str]
    access_tokens: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class RefreshToken:
    """`spent_at` is when a new one took its place; `ended` why it was taken back."""

    value: str
    authorization: Authorization
    used_at: datetime
    expires_at: datetime | None = None
    spent_at: datetime | None = None
    ended: Cause | None = None

    def end_cause(self, now: datetime) -> Cause | None:
        """Why it may not be used now, or None; that it was spent is not among the causes."""
        is_over = self.expires_at is not None and self.expires_at <= now
        return self.ended or ("expired" if is_over else None)

    def is_live(self, now: datetime) -> bool:
        return self.spent_at is None and self.end_cause(now) is None


class TokenBook:
    """All authorizations and their tokens; valid access tokens lie on the stage, where the APIs find them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._authorizations: list[Authorization] = []
        self._access: dict[str, tuple[Grant, Authorization]] = {}
        self._refresh: dict[str, RefreshToken] = {}

    def authorize(self, authorization: Authorization) -> Authorization:
        self._authorizations.append(authorization)
        return authorization

    def issue_access(
        self, authorization: Authorization, value: str, scopes: frozenset[str], seconds: float | None
    ) -> Grant:
        grant = Grant(
            token=value,
            provider=authorization.provider,
            account=authorization.account,
            scopes=scopes,
            client_id=authorization.client_id,
            expires_at=self._after(seconds),
        )
        self._stage.grants.add(grant)
        self._access[value] = (grant, authorization)
        authorization.access_tokens.append(value)
        return grant

    def issue_refresh(self, authorization: Authorization, value: str, seconds: float | None) -> RefreshToken:
        now = self._stage.clock.now()
        token = RefreshToken(value=value, authorization=authorization, used_at=now, expires_at=self._after(seconds))
        self._refresh[value] = token
        return token

    def find_refresh(self, provider: str, value: str) -> RefreshToken | None:
        found = self._refresh.get(value)
        return found if found is not None and found.authorization.provider == provider else None

    def find(self, provider: str, token: str) -> Authorization | None:
        """The authorization that a token of either kind came of, also of one that is over."""
        refresh = self.find_refresh(provider, token)
        if refresh is not None:
            return refresh.authorization
        _, authorization = self._access.get(token, (None, None))
        return authorization if authorization is not None and authorization.provider == provider else None

    def is_valid(self, provider: str, token: str) -> bool:
        """Whether a token of either kind works now."""
        now, refresh = self._stage.clock.now(), self.find_refresh(provider, token)
        return self._stage.grants.find(provider, token, now) is not None or (
            refresh is not None and refresh.is_live(now)
        )

    def of_account(self, provider: str, account: str, client_id: str | None = None) -> list[Authorization]:
        return [
            each
            for each in self._authorizations
            if (each.provider, each.account) == (provider, account) and client_id in (None, each.client_id)
        ]

    def live_refresh_tokens(self, like: Authorization) -> list[RefreshToken]:
        """Those of the same account and client, oldest first."""
        now, same = self._stage.clock.now(), self.of_account(like.provider, like.account, like.client_id)
        return [each for each in self._refresh.values() if each.authorization in same and each.is_live(now)]

    def end(self, authorization: Authorization, cause: Cause) -> None:
        """All its tokens stop working. A cause that was there before stays."""
        self.end_access(authorization)
        for each in self._refresh.values():
            if each.authorization is authorization:
                each.ended = each.ended or cause

    def end_access(self, authorization: Authorization) -> None:
        self._stage.grants.revoke(authorization.access_tokens)

    def expire_access(self, value: str) -> None:
        """Raises ValueError for a token that was never issued."""
        if value not in self._access:
            raise ValueError("no such access token was issued")
        grant, _ = self._access[value]
        self._stage.grants.add(replace(grant, expires_at=self._stage.clock.now()))

    def expire_refresh(self, value: str) -> None:
        """Raises ValueError for a token that was never issued."""
        if value not in self._refresh:
            raise ValueError("no such refresh token was issued")
        self._refresh[value].expires_at = self._stage.clock.now()

    def _after(self, seconds: float | None) -> datetime | None:
        return None if seconds is None else self._stage.clock.now() + timedelta(seconds=seconds)
