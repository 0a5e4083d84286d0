"""One renewal at a time for services that a developer wrote, whoever calls and wherever they run.

Belongs here: the turn, and what an answer of a token endpoint tells. Does not: asking the service (the subclass),
tokens of installed providers (`sync.tokens`).
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.oauth import Tokens
from integrations_pipeline.store import tokens
from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline.store.database import Database
from integrations_pipeline.sync.tokens import queue_of


class Turn:
    """The turn of one instance to renew its connection's tokens; who has it may take it again.

    In this process one waits in a queue, so that those who wait hold no connection of the database's pool, and beyond
    it at a lock in Postgres.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holder: int | None = None

    @property
    def is_mine(self) -> bool:
        """Whether this thread has it."""
        return self._holder == threading.get_ident()

    @contextmanager
    def taken(self, database: Database, row: ConnectionRow) -> Iterator[None]:
        with self._lock:
            if self.is_mine:
                yield
                return
            with queue_of(row.id), database.workspace(row.workspace_id) as connection:
                tokens.lock_tokens(connection, row.id)
                self._holder = threading.get_ident()
                try:
                    yield
                finally:
                    self._holder = None


def in_turn(refresh: Callable[[Any], str]) -> Callable[[Any], str]:
    """A subclass's `refresh_oauth_token`, of which one runs at a time: who had to wait gets the token that was stored
    meanwhile, and asks the service for nothing."""

    @wraps(refresh)
    def refreshed(self: Any) -> str:
        if self._turn.is_mine:
            return refresh(self)
        before = self.ensure_initialized().access_token
        with self._renewing():
            stored = self.load_config().access_token
            return str(stored) if stored and stored != before else refresh(self)

    return refreshed


def read_answer(answer: Mapping[str, Any], now: datetime) -> Tokens:
    """The tokens in a token endpoint's answer: `access_token`, and as far as told `refresh_token` and the end, as
    `expires_in` (seconds), `token_expires_at` or `expires_at` (a time, ISO 8601 or seconds since 1970). A time without
    a zone is UTC as text and this machine's as `datetime`. `ConfigurationError`, which repeats nothing, for another."""
    token = answer.get("access_token") if isinstance(answer, Mapping) else None
    if not token or not isinstance(token, str):
        raise ConfigurationError("the answer of the token endpoint has no access_token")
    return Tokens(
        access_token=token, refresh_token=str(answer.get("refresh_token") or ""), expires_in=_lifetime(answer, now)
    )


def _lifetime(answer: Mapping[str, Any], now: datetime) -> timedelta | None:
    try:
        if answer.get("expires_in") is not None:
            return timedelta(seconds=float(answer["expires_in"]))
        for name in ("token_expires_at", "expires_at"):
            if answer.get(name) is not None:
                return _moment(answer[name]) - now
    except (ValueError, TypeError, OverflowError, OSError):
        raise ConfigurationError("the answer of the token endpoint tells no time as the token's end") from None
    return None


def _moment(told: Any) -> datetime:
    if isinstance(told, datetime):
        return told.astimezone(UTC)
    if isinstance(told, (int, float)):
        return datetime.fromtimestamp(told, UTC)
    found = datetime.fromisoformat(str(told).replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
