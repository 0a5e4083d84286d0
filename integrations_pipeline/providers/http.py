"""The one HTTP client: bounded by construction, paced, retried as a policy, classified once.

Belongs here: sending a request to a provider and turning what comes back into JSON or an exception of
`errors`. Does not: how an answer is read within its bounds (`bounds`), what it should look like (`shapes`), what a
provider's error body means; each provider hands in its own `read_error`.
"""

import email.utils
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import tenacity

from integrations_pipeline.errors import (
    InDoubtError,
    IntegrationError,
    RateLimitedError,
    RetryableError,
    UnreachableError,
    WrongAnswerError,
)
from integrations_pipeline.providers.base import Pacer, TokenSource
from integrations_pipeline.providers.bounds import (
    ACCEPTED,
    BOUNDS,
    USUAL,
    BoundedTransport,
    Bounds,
    Clock,
    ExceededError,
    UnreadableError,
    parse_json,
)
from integrations_pipeline.providers.shapes import ANYTHING, Shape

# httpx logs full addresses at INFO, and those carry record ids and formulas with e-mail addresses.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

_log = logging.getLogger(__name__)

#: Errors raised before anything was sent: trying again cannot apply a request twice.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

ErrorReader = Callable[[httpx.Response], IntegrationError]
Params = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to go on: `budget_seconds` in all, waits doubling from `first_wait_seconds` with jitter.

    A wait that the provider asks for is obeyed up to `longest_wait_seconds`. Given up sooner are an address that does
    not answer at all, after `unreachable_seconds`, and one whose answers are wrong, after `wrong_seconds` or
    `wrong_attempts`: those cost the most, and seldom pass.
    """

    budget_seconds: float = 180.0
    unreachable_seconds: float = 30.0
    wrong_seconds: float = 10.0
    wrong_attempts: int = 4
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0

    @classmethod
    def within(cls, seconds: float | None) -> "RetryPolicy":
        """The usual policy for whoever waits so long at most; None: no less than usual."""
        usual = cls()
        if seconds is None:
            return usual
        return cls(
            budget_seconds=min(seconds, usual.budget_seconds),
            unreachable_seconds=min(seconds, usual.unreachable_seconds),
            wrong_seconds=min(seconds, usual.wrong_seconds),
        )

    def is_over(self, attempts: int, seconds: float, error: BaseException | None) -> bool:
        """Whether to give up after so many attempts, which took so long in all and ended with this error."""
        if isinstance(error, UnreachableError):
            return seconds >= self.unreachable_seconds
        is_hopeless = seconds >= self.wrong_seconds or attempts >= self.wrong_attempts
        return seconds >= self.budget_seconds or (isinstance(error, WrongAnswerError) and is_hopeless)

    def wait_seconds(self, attempt: int, error: BaseException | None) -> float:
        asked = error.retry_after_seconds if isinstance(error, RetryableError) else None
        ceiling = min(self.first_wait_seconds * 2 ** min(attempt, 16), self.longest_wait_seconds)
        backoff = random.uniform(ceiling / 2, ceiling)
        # A server that says "now" over and over must not be answered in a hot loop.
        return backoff if asked is None else min(max(asked, self.first_wait_seconds), self.longest_wait_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceRule:
    """One request per `interval_seconds` for `key`; after a 429 nobody sends for `penalty_seconds`."""

    key: str
    interval_seconds: float
    penalty_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """At most so many requests of `key` under way at once, over all processes."""

    key: str
    count: int


def bearer(token: str) -> str:
    """The header `Authorization` for an access token."""
    return f"Bearer {token}"


#: What is left of the stream of an answer that was read.
_READ = httpx.ByteStream(b"")


class TokenAuth(httpx.Auth):
    """Puts the present token on every request; a refused one is renewed and the request sent once more, which
    is safe for any request because a refused one was not applied."""

    def __init__(self, tokens: TokenSource, scheme: Callable[[str], str]) -> None:
        self._tokens = tokens
        self._scheme = scheme

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._tokens.current()
        request.headers["Authorization"] = self._scheme(token)
        response = yield request
        if response.status_code == 401 and (newer := self._tokens.renew(token)):
            request.headers["Authorization"] = self._scheme(newer)
            yield request


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where requests go and how: one address, one credential, one way to read errors. `scheme` makes the
    header `Authorization` from a token; `bounds` hold for every answer whose shape has none of its own."""

    base_url: str
    tokens: TokenSource
    read_error: ErrorReader
    scheme: Callable[[str], str] = bearer
    pace: Sequence[PaceRule] = ()
    room: Room | None = None
    retry: RetryPolicy = RetryPolicy()
    bounds: Bounds = USUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    path: str
    params: Params
    json: Any
    is_repeatable: bool
    shape: Shape

    @property
    def wrong(self) -> type[RetryableError]:
        """What an answer is that tells nothing of what became of the request."""
        return WrongAnswerError if self.is_repeatable else InDoubtError


class HttpClient:
    """Requests to one endpoint. Safe to use from several threads; `close` also ends their waits."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        pacer: Pacer,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._client = httpx.Client(
            base_url=endpoint.base_url.rstrip("/") + "/",
            auth=TokenAuth(endpoint.tokens, endpoint.scheme),
            event_hooks={"request": [self._count]},
            headers=ACCEPTED,
            follow_redirects=False,
            transport=BoundedTransport(endpoint.bounds, inner=transport, clock=clock),
        )
        self._base = str(self._client.base_url)
        self._pacer = pacer
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._lock = threading.Lock()
        self.call_count = 0
        #: The provider's clock at the last answer, from its `Date` header; None before the first.
        self.server_time: datetime | None = None
        # One for all requests: each keeps what it was told last, in a circle that only the collector would break, and a
        # read of many pages would keep them all.
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._is_worth_retrying),
            wait=lambda state: endpoint.retry.wait_seconds(
                state.attempt_number, state.outcome.exception() if state.outcome else None
            ),
            stop=self._is_over,
            before_sleep=self._tell,
            sleep=self._pause,
            reraise=True,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params = (),
        json: Any = None,
        is_repeatable: bool = True,
        shape: Shape = ANYTHING,
    ) -> Any:
        """Send and return the parsed JSON body (None if there is none), which has this shape. `path` is relative to
        the endpoint.

        Raises what `read_error` makes of a refusal, `RetryableError` once the retry budget is spent, among them
        `WrongAnswerError` for what is no answer of the API, and `InDoubtError` at once if a request that must not be
        repeated may have been applied.
        """
        if "://" in path or path.startswith("/"):
            raise ValueError("requests stay at their endpoint: a path, not an address")
        request = _Request(method=method, path=path, params=params, json=json, is_repeatable=is_repeatable, shape=shape)
        return self._retrying(self._send_once, request)

    def url_length(self, path: str, params: Params) -> int:
        """Characters of the whole address, for providers that limit it."""
        return len(self._address(path, params))

    def close(self) -> None:
        self._closed.set()
        self._client.close()

    def _count(self, _: httpx.Request) -> None:
        with self._lock:
            self.call_count += 1

    def _pause(self, seconds: float) -> None:
        self._sleep(seconds)

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        return self._endpoint.retry.is_over(state.attempt_number, state.seconds_since_start or 0.0, error)

    def _tell(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        _log.warning("%s; trying again in %.0f s", error, state.upcoming_sleep)

    def _is_worth_retrying(self, error: BaseException) -> bool:
        is_passing = isinstance(error, RetryableError) and not isinstance(error, InDoubtError)
        return is_passing and not self._closed.is_set()

    def _send_once(self, request: _Request) -> Any:
        self._wait_for_turn()
        with self._place():
            if self._closed.is_set():
                raise RetryableError("the run was stopped")
            response = self._exchange(request)
        if response.is_success:
            return self._parse(response, request)
        error = self._endpoint.read_error(response)
        if isinstance(error, RateLimitedError):
            for rule in self._endpoint.pace:
                asked = error.retry_after_seconds or rule.penalty_seconds
                self._pacer.pause(rule.key, min(asked, self._endpoint.retry.longest_wait_seconds))
        elif isinstance(error, RetryableError) and not request.is_repeatable:
            raise InDoubtError(f"{request.method} answered {response.status_code}; it may have been applied")
        raise error

    def _wait_for_turn(self) -> None:
        """By all rules: at once with a pacer that can (`wait_all`), else one after the other."""
        rules = [(rule.key, rule.interval_seconds) for rule in self._endpoint.pace]
        together = getattr(self._pacer, "wait_all", None)
        if together is not None:
            together(rules)
            return
        for key, interval_seconds in rules:
            self._pacer.wait(key, interval_seconds)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the places for requests under way, once one is free."""
        room, waited = self._endpoint.room, 0.0
        while room is not None and not self._closed.is_set():
            with self._pacer.place(room.key, room.count) as is_free:
                if is_free:
                    yield
                    return
            if waited > self._endpoint.bounds.whole_seconds:
                raise RetryableError(
                    f"{room.count} requests of this account to {self._host} are under way, and none ends"
                )
            pause = random.uniform(*_LOOK_AGAIN)
            waited += pause
            self._pause(pause)
        yield

    def _address(self, path: str, params: Params) -> str:
        """The whole address: httpx, given its parts, takes it apart three times, character by character."""
        query = urlencode(params)
        return f"{self._base}{path}?{query}" if query else f"{self._base}{path}"

    def _exchange(self, request: _Request) -> httpx.Response:
        bounds = request.shape.bounds or self._endpoint.bounds
        try:
            response = self._client.request(
                request.method,
                self._address(request.path, request.params),
                json=request.json,
                timeout=bounds.timeout,
                extensions={BOUNDS: bounds},
            )
        except _NOT_SENT as error:
            raise UnreachableError(f"{self._host} cannot be reached ({type(error).__name__})") from error
        except ExceededError as error:
            raise request.wrong(str(error)) from error
        except httpx.RequestError as error:  # TransportError leaves out an answer that is not compressed as it says
            kind = RetryableError if request.is_repeatable else InDoubtError
            raise kind(f"{self._host} did not answer ({type(error).__name__})") from error
        # It was read whole. Its stream and it hold one another, which keeps every page until the collector comes.
        response.stream = _READ
        self.server_time = _parse_date(response.headers.get("date")) or self.server_time
        return response

    def _parse(self, response: httpx.Response, request: _Request) -> Any:
        try:
            body = parse_json(response.content) if response.content else None
        except UnreadableError as error:
            raise request.wrong(f"{self._host} answered {response.status_code} with a body that is {error}") from error
        if not request.shape.fits(body, response.status_code):
            raise request.wrong(f"{self._host} answered {request.shape.title} in another shape than documented")
        return body

    @property
    def _host(self) -> str:
        return self._client.base_url.host


def _parse_date(text: str | None) -> datetime | None:
    """A time of our days, which can be reckoned with; None for any other."""
    try:
        found = email.utils.parsedate_to_datetime(text).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        return None
    return found if found is not None and found.year in _OUR_DAYS else None


#: Seconds between two looks for a free place.
_LOOK_AGAIN = (0.05, 0.2)
#: Years that a server's clock may show. Those at the ends of the calendar have no day before or after.
_OUR_DAYS = range(2000, 2200)


def retry_after(response: httpx.Response) -> float | None:
    """Seconds of a numeric `Retry-After` header, or None."""
    text = response.headers.get("retry-after", "")
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text) else None
