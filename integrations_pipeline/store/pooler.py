"""Whether each of our connections has a Postgres session to itself, or a pooler shares it out.

Locks, the role and the workspace belong to sessions. A pooler in transaction mode gives one session to several clients,
transaction by transaction: two runs hold one lock, and one workspace's role and rows are handed to another's. Belongs
here: finding that out. Does not: what is done about it (`database`).

A pooler is told by the number of our backend: it greets its clients with one of its own making. Then a second
connection is opened and both ask, in turn and in transactions of their own, which backend serves them. With sessions
of their own each gets one answer, always the same, and never the other's.
"""

import select
import time
from collections.abc import Callable
from typing import Any

from psycopg2 import extensions

#: Once is enough where nobody else is at work: a pooler gives out the server that was given back last.
ROUNDS = 4
WAIT_SECONDS = 10.0
_BACKEND = "select pg_backend_pid()"


class NoSecondConnectionError(Exception):
    """The pooler let us wait for a second connection: its pool is too small."""


def is_shared(connection: Any, connect: Callable[..., Any]) -> bool:
    """Whether other clients may get this new psycopg2 connection's session.

    `connect(**options)` opens a second connection to the same place. Raises `NoSecondConnectionError`.
    """
    connection.autocommit = True  # a pooler in statement mode cuts whoever begins a transaction
    try:
        return _backend(connection) != connection.info.backend_pid and _is_shared(connection, connect)
    finally:
        connection.autocommit = False


def _is_shared(connection: Any, connect: Callable[..., Any]) -> bool:
    other = connect(async_=1)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        _wait(other, deadline)
        ours, theirs = set(), set()
        for _ in range(ROUNDS):
            ours.add(_backend(connection))
            with other.cursor() as cursor:
                cursor.execute(_BACKEND)
                _wait(other, deadline)
                theirs.add(int(cursor.fetchone()[0]))
    finally:
        other.close()
    return len(ours) > 1 or len(theirs) > 1 or ours == theirs


def _backend(connection: Any) -> int:
    """The backend's number, in a transaction of its own."""
    with connection.cursor() as cursor:
        cursor.execute(_BACKEND)
        return int(cursor.fetchone()[0])


def _wait(connection: Any, deadline: float) -> None:
    """Let an asynchronous connection do its work until then."""
    while (state := connection.poll()) != extensions.POLL_OK:
        readers = [connection] if state == extensions.POLL_READ else []
        writers = [connection] if state == extensions.POLL_WRITE else []
        if not any(select.select(readers, writers, [], max(0.0, deadline - time.monotonic()))):
            raise NoSecondConnectionError
