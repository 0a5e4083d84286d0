"""A small threading HTTP server with a table of routes; the ground the imitated services stand on.

Belongs here: requests, answers, the log of calls, and answers that a story puts in place of the true ones. Does not:
what a service means.
"""

import gzip
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came; `query` keeps the order and repeats of its parameters."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes

    def arg(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.query if key == name), default)

    def args(self, name: str) -> list[str]:
        return [value for key, value in self.query if key in (name, f"{name}[]")]

    def json(self) -> Any:
        """The body as JSON; anything else is answered with 400."""
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            raise Refused(400, {"error": {"type": "INVALID_REQUEST_BODY", "message": "no JSON"}}) from None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, and JSON unless `body` is bytes already."""

    status: int = 200
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()

    def payload(self) -> tuple[bytes, str]:
        if self.body is None:
            return b"", ""
        if isinstance(self.body, bytes):
            return self.body, "text/html; charset=utf-8"
        return json.dumps(self.body).encode(), "application/json; charset=utf-8"


class Refused(Exception):
    """An answer that ends the work on a request."""

    def __init__(self, status: int, body: Any = None, *headers: tuple[str, str]) -> None:
        super().__init__(str(status))
        self.answer = Answer(status, body, headers)


#: A route's work: the request and the parts of its path in, a body or an `Answer` out.
Handler = Callable[..., Any]


@dataclass(slots=True)
class Lie:
    """An answer in place of the true one, for requests whose method and path fit. `times` counts down."""

    method: str
    pattern: str
    answer: Callable[[Request, Callable[[], Answer]], Answer]
    times: int = 10**9

    def fits(self, request: Request) -> bool:
        return self.times > 0 and self.method == request.method and re.search(self.pattern, request.path) is not None


@dataclass(kw_only=True)
class Service:
    """A base for the imitated services: routes, a lock, a log of calls, lies."""

    calls: list[Request] = field(default_factory=list)
    lies: list[Lie] = field(default_factory=list)
    #: What was asked that this imitation does not know: a story that ends with entries here proves nothing.
    unknown: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    #: Method, pattern of the path with groups, name of the method that answers.
    routes: ClassVar[tuple[tuple[str, str, str], ...]] = ()

    def lie(self, method: str, pattern: str, status: int, body: Any = None, *, times: int = 10**9) -> Lie:
        """Answer so without doing anything."""
        return self.twist(method, pattern, lambda _request, _true: Answer(status, body), times=times)

    def twist(
        self, method: str, pattern: str, answer: Callable[[Request, Callable[[], Answer]], Answer], times: int = 10**9
    ) -> Lie:
        """Answer with what `answer` makes of the request and, if it calls it, of the true answer."""
        lie = Lie(method, pattern, answer, times)
        self.lies.append(lie)
        return lie

    def answer(self, request: Request) -> Answer:
        with self.lock:
            self.calls.append(request)
            for lie in self.lies:
                if lie.fits(request):
                    lie.times -= 1
                    return lie.answer(request, lambda: self._true(request))
            return self._true(request)

    def count(self, method: str, pattern: str) -> int:
        return sum(call.method == method and re.search(pattern, call.path) is not None for call in self.calls)

    def admit(self, request: Request) -> None:
        """Raise `Refused` for a request without good credentials."""

    def not_found(self, request: Request) -> Answer:
        self.unknown.append(f"{request.method} {request.path}")
        return Answer(404, {"error": "NOT_FOUND"})

    def _true(self, request: Request) -> Answer:
        try:
            self.admit(request)
            for method, pattern, name in self.routes:
                found = re.fullmatch(pattern, request.path)
                if method == request.method and found:
                    body = getattr(self, name)(request, *map(unquote, found.groups()))
                    return body if isinstance(body, Answer) else Answer(200, body)
        except Refused as refused:
            return refused.answer
        return self.not_found(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer goes out as headers, then body: without this, Nagle and delayed acks cost 40 ms for each.
    disable_nagle_algorithm = True
    server: "Server"

    def log_message(self, format: str, *args: Any) -> None:
        """The log of calls is in the services."""

    def _serve(self) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        prefix, _, rest = address.path.lstrip("/").partition("/")
        service = self.server.services.get(prefix)
        request = Request(
            method=self.command,
            path=f"/{rest}",
            query=tuple(parse_qsl(address.query, keep_blank_values=True)),
            headers={key.lower(): value for key, value in self.headers.items()},
            body=body,
        )
        answer = service.answer(request) if service else Answer(404, {"error": "no such service"})
        payload, kind = answer.payload()
        self.send_response(answer.status)
        if payload and not any(key.lower() == "content-type" for key, _ in answer.headers):
            self.send_header("Content-Type", kind)
        for key, value in answer.headers:
            self.send_header(key, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload if answer.status != 204 else b"")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve


class Server(ThreadingHTTPServer):
    """All services of one world on one port of loopback, each under its prefix."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, services: Mapping[str, Service]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.services = services
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no matter; an error of ours shows as a broken connection in the story."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()
