"""What all sandboxed providers share: the clock, the lock, identifiers, fault rules and the request log.

Belongs here: things that are the same whichever provider is imitated.
Does not belong here: a provider's state or limits, HTTP.
"""

import itertools
import json
import random
import string
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from integrations_sandbox.faults import FaultBook, FaultRule
from integrations_sandbox.wire import ControlRow, Reply, Request

ALPHABET = string.ascii_letters + string.digits
LOG_LENGTH = 200_000


def system_time() -> datetime:
    return datetime.now(UTC)


class Clock:
    """Aware UTC time from an injected source, plus what `advance` has added: expiry without waiting."""

    def __init__(self, source: Callable[[], datetime] = system_time) -> None:
        self._source = source
        self._ahead = timedelta()

    def now(self) -> datetime:
        return self._source() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def reset(self) -> None:
        self._ahead = timedelta()


class IdSource:
    """Identifiers in the provider's style; the same seed gives the same identifiers."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)

    def reset(self) -> None:
        self._random.seed(self._seed)

    def new(self, prefix: str, length: int = 14) -> str:
        return prefix + "".join(self._random.choices(ALPHABET, k=length))

    def shuffle(self, items: list[str]) -> None:
        self._random.shuffle(items)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request as it was delivered. `status` is None when the connection was closed without an answer."""

    n: int
    at: datetime
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    status: int | None
    token: str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "time": iso(self.at),
            "method": self.method,
            "path": self.path,
            "query": [list(pair) for pair in self.query],
            "body": self.body,
            "status": self.status,
            "token": self.token,
        }


class RequestLog:
    """The requests delivered to providers, oldest first; control requests are not among them."""

    def __init__(self) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=LOG_LENGTH)
        self._count = 0

    def add(self, request: Request, reply: Reply, at: datetime) -> None:
        self._count += 1
        entry = LoggedRequest(
            n=self._count,
            at=at,
            method=request.method,
            path=request.path,
            query=request.query,
            body=readable_body(request.body),
            status=None if reply.is_dropped else reply.status,
            token=request.token,
        )
        self._entries.append(entry)

    def entries(self, after: int = 0) -> list[LoggedRequest]:
        return [entry for entry in self._entries if entry.n > after]

    def clear(self) -> None:
        """Forgets the entries; the numbering goes on, so that a reader never sees one number twice."""
        self._entries.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An OAuth access token that was issued: for which provider and account, with which scopes, until when."""

    token: str
    provider: str
    account: str
    scopes: frozenset[str]
    client_id: str
    expires_at: datetime | None = None


class GrantBook:
    """The access tokens that the sandboxed token endpoints issued, as the providers' APIs look them up."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}

    def add(self, grant: Grant) -> None:
        self._grants[grant.token] = grant

    def find(self, provider: str, token: str | None, now: datetime) -> Grant | None:
        """The grant of a token that is valid now, or None."""
        grant = self._grants.get(token or "")
        is_over = grant is not None and grant.expires_at is not None and grant.expires_at <= now
        return None if grant is None or grant.provider != provider or is_over else grant

    def revoke(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            self._grants.pop(token, None)

    def clear(self) -> None:
        self._grants.clear()


class Underway:
    """The requests that have arrived and are not answered yet, in the order of their arrival.

    The server's own thread keeps it, without the stage's lock, on which most of these requests are waiting.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []

    @contextmanager
    def hold(self, request: Request) -> Iterator[None]:
        with self._lock:
            self._requests.append(request)
        try:
            yield
        finally:
            with self._lock:
                self._requests = [each for each in self._requests if each is not request]

    def before(self, request: Request) -> list[Request]:
        """Those that arrived earlier than this one."""
        with self._lock:
            return list(itertools.takewhile(lambda each: each is not request, self._requests))


class Emulator(Protocol):
    """One imitated service. It answers requests whose path begins with its `name`, or with one of its `roots`:
    first parts of the service's own paths, for clients that take a host only."""

    @property
    def name(self) -> str: ...

    @property
    def roots(self) -> Sequence[str]: ...

    @property
    def guide(self) -> str:
        """HTML for the page at `/`: which address it stands for, and how to get in."""
        ...

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        """Answer one request; `segments` are the service's own path. `fault` is the rule that hits it, if its action is
        not one that the server carries out itself. Called with the stage's lock held."""
        ...

    def control(self) -> Sequence[ControlRow]:
        """Its operations for people and tests, under `sandbox/<name>/…`."""
        ...

    def reset(self) -> None: ...


class Stage:
    """The shared parts, and the one lock that every reader and writer of sandbox state holds."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.ids = IdSource(seed)
        self.faults = FaultBook()
        self.grants = GrantBook()
        self.log = RequestLog()
        self.underway = Underway()

    def reset(self) -> None:
        """No faults, an empty log, the source's own time, and the first identifiers again."""
        self.clock.reset()
        self.ids.reset()
        self.faults.clear()
        self.grants.clear()
        self.log.clear()


def readable_body(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def iso(at: datetime) -> str:
    """UTC with milliseconds and a Z, the form of all of Airtable's times."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
