"""Keeps one connection's OAuth token valid: one renewal at a time, whoever asks, wherever they run.

    a token is needed → still good for 5 minutes? use it
                      → else: queue in this process, lock in Postgres
                              → read again (somebody may have renewed it meanwhile)
                              → token endpoint → commit the new pair → use it

Belongs here: when to renew, the order of renewing and storing, what a lost authorisation does to the
connection. Does not: the protocol (`providers.oauth`), the statements (`store.tokens`). A process killed
after the endpoint answered and before the commit loses a rotated pair; that costs one new authorisation.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakValueDictionary

import tenacity

from integrations_pipeline.errors import DisconnectedError, IntegrationError, UnavailableError
from integrations_pipeline.store import sync_log, tokens
from integrations_pipeline.store.database import Connection, Database
from integrations_pipeline.store.encryption import Cipher
from integrations_pipeline.store.sync_log import Activity
from integrations_pipeline.store.tokens import StoredTokens

if TYPE_CHECKING:
    from integrations_pipeline.providers.oauth import OAuthExchange

#: A token is renewed this long before it expires, or after half of its life if that is shorter.
REFRESH_MARGIN = timedelta(minutes=5)
#: How long a new pair is held in memory and tried to be stored while the database is away.
RESCUE_SECONDS = 120.0


def expires_at(credentials: Mapping[str, Any]) -> datetime | None:
    """When the access token expires; None for one that does not. A time without a zone is UTC, and of one
    that cannot be read nothing is known but that it is there: it counts as over."""
    told = credentials.get("token_expires_at")
    if not told:
        return None
    try:
        when = datetime.fromisoformat(str(told).replace("Z", "+00:00"))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def is_expiring(credentials: Mapping[str, Any], now: datetime) -> bool:
    """Whether the access token has to be renewed before it is used."""
    when = expires_at(credentials)
    return when is not None and when <= now + _margin(credentials)


def _margin(credentials: Mapping[str, Any]) -> timedelta:
    lifetime = credentials.get("token_lifetime_seconds")
    if not isinstance(lifetime, (int, float)):
        return REFRESH_MARGIN
    return min(REFRESH_MARGIN, timedelta(seconds=lifetime) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOwner:
    """Whose tokens they are, and how to tell a person to mend them. `is_lost`: a person has to authorise again, as
    far as is known, so the database is asked before anything is sent."""

    connection_id: UUID
    workspace_id: UUID
    provider: str
    is_lost: bool = False

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
        exchange: "OAuthExchange | None",
        clock: Callable[[], datetime],
        credentials: Mapping[str, Any],
    ) -> None:
        self._owner = owner
        self._database = database
        self._cipher = cipher
        self._exchange = exchange
        self._clock = clock
        self._credentials = credentials
        self._queue = queue_of(owner.connection_id)
        self._is_lost = owner.is_lost

    @property
    def credentials(self) -> Mapping[str, Any]:
        """As they were last read or stored."""
        return self._credentials

    @property
    def is_renewable(self) -> bool:
        """Whether there is anything to ask for: tokens that never expire are given once."""
        return self._exchange is not None and bool(self._credentials.get("refresh_token"))

    def current(self) -> str:
        token = self._token(self._credentials)
        # After a loss the database is asked each time, so that nothing more is sent with a dead token.
        if self._is_lost or (self.is_renewable and self._is_expiring(self._credentials)):
            return self._renewed(token)
        return token

    def renew(self, refused: str) -> str | None:
        return self._renewed(refused)

    def keep_alive(self) -> None:
        """Use the refresh token now, so that it does not lapse for want of use."""
        if self.is_renewable:
            self._renewed(self._token(self._credentials))

    def _renewed(self, stale: str) -> str:
        """A token other than `stale`: stored by somebody else meanwhile, or fetched and committed now.

        `DisconnectedError` if a person must authorise again; then nobody asks the endpoint any more.
        """
        with self._queue:
            known = self._token(self._credentials)
            if self._is_lost or known == stale or self._is_expiring(self._credentials):
                self._take_over(stale)
            return self._token(self._credentials)

    def _take_over(self, stale: str) -> None:
        try:
            self._credentials = _to_the_end(lambda: self._renewed_credentials(stale))
        except DisconnectedError:
            self._is_lost = True
            raise
        self._is_lost = False

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
        except Exception:
            if fetched is None:
                raise
            # The endpoint has spent the old pair: the new one must reach the database, whatever is wrong with it.
            return self._rescue(fetched, stored)
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
        # The lifetime counts from before the request: its answer may be long on the way.
        asked_at = self._clock()
        return self._exchange.refresh(refresh_token).credentials(stored.credentials, asked_at)

    def _store(self, connection: Connection, fresh: Mapping[str, Any]) -> None:
        tokens.save_tokens(connection, self._owner.connection_id, fresh, self._cipher, self._clock())
        refreshed = Activity(integration_name=self._owner.provider, action="oauth_refreshed", success=True)
        sync_log.record_activity(connection, self._owner.workspace_id, refreshed)

    def _rescue(self, fresh: Mapping[str, Any], stored: StoredTokens) -> Mapping[str, Any]:
        """Bring a fetched pair into the database after all; returns what is stored there then.

        Something else may be there by now: this very pair, if only the answer to the commit was lost, or that
        of a person who authorised again. And whoever came next, the lock being gone, may have found the old
        pair spent and the authorisation lost: it is not.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            stop=tenacity.stop_after_delay(RESCUE_SECONDS),
            wait=tenacity.wait_exponential(multiplier=0.2, max=5),
            sleep=time.sleep,
            reraise=True,
        )
        return retrying(self._rescue_once, fresh, stored)

    def _rescue_once(self, fresh: Mapping[str, Any], stored: StoredTokens) -> Mapping[str, Any]:
        with self._database.workspace(self._owner.workspace_id) as connection:
            tokens.lock_tokens(connection, self._owner.connection_id)
            now = tokens.read_tokens(connection, self._owner.connection_id, self._cipher)
            if now.credentials != stored.credentials:
                return now.credentials
            self._store(connection, fresh)
            tokens.reconnect(connection, self._owner.connection_id)
        return fresh

    def _disconnect(self, connection: Connection, reason: str) -> DisconnectedError:
        message = f"{reason}; {self._owner.remedy} connects it again, and no edit is lost meanwhile"
        tokens.disconnect(connection, self._owner.connection_id, message)
        lost = Activity(
            integration_name=self._owner.provider, action="disconnected", success=False, error_message=message
        )
        sync_log.record_activity(connection, self._owner.workspace_id, lost)
        return DisconnectedError(message)

    def _is_expiring(self, credentials: Mapping[str, Any]) -> bool:
        return is_expiring(credentials, self._clock()) or not self._token(credentials)

    @staticmethod
    def _token(credentials: Mapping[str, Any]) -> str:
        return str(credentials.get("access_token") or "")


def _may_pass(error: BaseException) -> bool:
    """Whatever a database does to a transaction may pass; a connection that was deleted does not come back."""
    return isinstance(error, UnavailableError) or not isinstance(error, IntegrationError)


#: Keepers of one connection in this process: while one renews, the others wait here, and not each in a
#: connection of the database's pool, which all else needs as well.
_QUEUES: "WeakValueDictionary[UUID, threading.Lock]" = WeakValueDictionary()
_QUEUES_LOCK = threading.Lock()


def queue_of(connection_id: UUID) -> threading.Lock:
    with _QUEUES_LOCK:
        return _QUEUES.setdefault(connection_id, threading.Lock())


def _to_the_end(work: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """The work's result, from a thread of its own: Ctrl-C and SIGTERM break into the main thread only, and a
    renewal that is broken off after the endpoint answered loses the new pair. It is waited for even so."""
    with ThreadPoolExecutor(1, thread_name_prefix="token") as pool:
        return pool.submit(work).result()
