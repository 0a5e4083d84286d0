"""How many requests are under way at once, counted over every process that uses the same database.

Belongs here: places, of which a key has so many. Does not: which keys there are (each provider names its own), when a
request may be sent (`pace`). A place is an advisory lock of a session: it is free again when its process dies.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection, text

from integrations_pipeline.errors import UnavailableError
from integrations_pipeline.store.database import Database

#: A session that holds a lock may take it once more, so its own places are left out.
_TAKE = text(
    """
    select n from generate_series(0, :count - 1) as n
    where case when n = any(cast(:mine as integer[])) then false else pg_try_advisory_lock(:key, n) end limit 1
    """
)
_LEAVE = text("select pg_advisory_unlock(:key, :n)")


class Places:
    """The places of this process: one connection, from the first place taken until `close`. Safe between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._session: Connection | None = None
        self._mine: set[tuple[int, int]] = set()

    @contextmanager
    def place(self, name: str, count: int) -> Iterator[bool]:
        """One of so many places, for as long as the block lasts; False where all are taken. `UnavailableError` without
        the database."""
        key = _key(name)
        n = self._take(key, count)
        try:
            yield n is not None
        finally:
            if n is not None:
                self._leave(key, n)

    def close(self) -> None:
        with self._lock:
            self._forget()

    def _take(self, key: int, count: int) -> int | None:
        with self._lock:
            mine = [n for mine, n in self._mine if mine == key]
            found = self._ask(_TAKE, key=key, count=count, mine=mine)
            if found is not None:
                self._mine.add((key, found))
            return found

    def _leave(self, key: int, n: int) -> None:
        with self._lock:
            self._mine.discard((key, n))
            if self._session is not None:
                try:
                    self._ask(_LEAVE, key=key, n=n)
                except UnavailableError:
                    # The lock went with its session.
                    return

    def _ask(self, statement: object, **values: object) -> int | None:
        try:
            if self._session is None:
                self._session = self._open.enter_context(self._database.kept())
            with self._database.reachable():
                found: int | None = self._session.execute(statement, values).scalar()  # type: ignore[call-overload]
        except UnavailableError:
            self._forget()
            raise
        return found

    def _forget(self) -> None:
        self._mine.clear()
        self._session = None
        self._open.close()


def _key(name: str) -> int:
    """32 bits of a hash, as Postgres's signed integer."""
    return int.from_bytes(hashlib.sha256(b"places " + name.encode()).digest()[:4], signed=True)
