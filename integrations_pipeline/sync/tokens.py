"""Keeps one connection's OAuth token valid: one renewal at a time, whoever asks, wherever they run.

    a token is needed → still good for 5 minutes? use it
                      → else: lock in Postgres → read again (somebody may have renewed it meanwhile)
                              → token endpoint → commit the new pair → use it

Belongs here: when to renew, the order of renewing and storing, what a lost authorisation does to the
connection. Does not: the protocol (`providers.oauth`), the statements (`store.tokens`). A process killed
after the endpoint answered and before the commit loses a rotated pair; that costs one new authorisation.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import tenacity

from integrations_pipeline.errors import DisconnectedError, UnavailableError
from integrations_pipeline.providers.oauth import OAuthExchange
from integrations_pipeline.store import sync_log, tokens
from integrations_pipeline.store.database import Connection, Database
from integrations_pipeline.store.encryption import Cipher
from integrations_pipeline.store.sync_log import Activity
from integrations_pipeline.store.tokens import StoredTokens

#: A token is renewed this long before it expires.
REFRESH_MARGIN = timedelta(minutes=5)
#: How long a new pair is held in memory and tried to be stored while the database is away.
RESCUE_SECONDS = 120.0


def expires_at(credentials: Mapping[str, Any]) -> datetime | None:
    """When the access token expires; None for one that does not."""
    told = credentials.get("token_expires_at")
    return datetime.fromisoformat(str(told).replace("Z", "+00:00")) if told else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOwner:
    """Whose tokens they are, and how to tell a person to mend them."""

    connection_id: UUID
    workspace_id: UUID
    provider: str

    @property
    def remedy(self) -> str:
        return f"`integrations connections authorize {self.provider}`"


class TokenKeeper:
    """Implements `providers.base.TokenSource` for one connection; safe to use from many threads.

    `exchange` None: tokens that never expire; a refused one is looked for in the database, no more.
    """

    def __init__(
        self,
        owner: TokenOwner,
        *,
        database: Database,
        cipher: Cipher,
        exchange: OAuthExchange | None,
        clock: Callable[[], datetime],
        credentials: Mapping[str, Any],
    ) -> None:
        self._owner = owner
        self._database = database
        self._cipher = cipher
        self._exchange = exchange
        self._clock = clock
        self._credentials = credentials
        self._mutex = threading.Lock()

    @property
    def credentials(self) -> Mapping[str, Any]:
        """As they were last read or stored."""
        return self._credentials

    def current(self) -> str:
        token = self._token(self._credentials)
        if self._exchange is None or not self._is_expiring(self._credentials):
            return token
        return self._renewed(token)

    def renew(self, refused: str) -> str | None:
        return self._renewed(refused)

    def keep_alive(self) -> None:
        """Use the refresh token now, so that it does not lapse for want of use."""
        if self._exchange is not None:
            self._renewed(self._token(self._credentials))

    def _renewed(self, stale: str) -> str:
        """A token other than `stale`: stored by somebody else meanwhile, or fetched and committed now.

        `DisconnectedError` if a person must authorise again; then nobody asks the endpoint any more.
        """
        with self._mutex:
            known = self._token(self._credentials)
            if known == stale or self._is_expiring(self._credentials):
                self._credentials = self._renewed_credentials(stale)
            return self._token(self._credentials)

    def _renewed_credentials(self, stale: str) -> Mapping[str, Any]:
        fetched: Mapping[str, Any] | None = None
        lost: DisconnectedError | None = None
        try:
            with self._database.workspace(self._owner.workspace_id) as connection:
                tokens.lock_tokens(connection, self._owner.connection_id)
                stored = tokens.read_tokens(connection, self._owner.connection_id, self._cipher)
                adopted = self._adopted(stored, stale)
                if adopted is not None:
                    return adopted
                try:
                    fetched = self._fetched(stored)
                    self._store(connection, fetched)
                except DisconnectedError as error:
                    lost = self._disconnect(connection, str(error))
        except UnavailableError:
            if fetched is None:
                raise
            # The endpoint has spent the old pair: the new one must reach the database, however long it takes.
            self._rescue(fetched, stored)
        if lost is not None:
            raise lost
        return fetched or {}

    def _adopted(self, stored: StoredTokens, stale: str) -> Mapping[str, Any] | None:
        """What somebody else stored, if it is of use; nobody asks for a token that a person has to renew."""
        token = self._token(stored.credentials)
        if token and token != stale and not self._is_expiring(stored.credentials):
            return stored.credentials
        if stored.status == "disconnected":
            raise DisconnectedError(stored.error_message or f"the authorisation is lost: {self._owner.remedy}")
        return None

    def _fetched(self, stored: StoredTokens) -> dict[str, Any]:
        refresh_token = str(stored.credentials.get("refresh_token") or "")
        if self._exchange is None or not refresh_token:
            raise DisconnectedError(f"{self._owner.provider} refuses the token: it was revoked, or it expired")
        return self._exchange.refresh(refresh_token).credentials(stored.credentials, self._clock())

    def _store(self, connection: Connection, fresh: Mapping[str, Any]) -> None:
        tokens.save_tokens(connection, self._owner.connection_id, fresh, self._cipher, self._clock())
        refreshed = Activity(integration_name=self._owner.provider, action="oauth_refreshed", success=True)
        sync_log.record_activity(connection, self._owner.workspace_id, refreshed)

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(UnavailableError),
        stop=tenacity.stop_after_delay(RESCUE_SECONDS),
        wait=tenacity.wait_exponential(multiplier=0.2, max=5),
        reraise=True,
    )
    def _rescue(self, fresh: Mapping[str, Any], stored: StoredTokens) -> None:
        with self._database.workspace(self._owner.workspace_id) as connection:
            tokens.lock_tokens(connection, self._owner.connection_id)
            now = tokens.read_tokens(connection, self._owner.connection_id, self._cipher)
            if now.credentials == stored.credentials:
                self._store(connection, fresh)

    def _disconnect(self, connection: Connection, reason: str) -> DisconnectedError:
        message = f"{reason}; {self._owner.remedy} connects it again, and no edit is lost meanwhile"
        tokens.disconnect(connection, self._owner.connection_id, message)
        lost = Activity(
            integration_name=self._owner.provider, action="disconnected", success=False, error_message=message
        )
        sync_log.record_activity(connection, self._owner.workspace_id, lost)
        return DisconnectedError(message)

    def _is_expiring(self, credentials: Mapping[str, Any]) -> bool:
        when = expires_at(credentials)
        return when is not None and when - self._clock() <= REFRESH_MARGIN

    @staticmethod
    def _token(credentials: Mapping[str, Any]) -> str:
        return str(credentials.get("access_token") or "")
