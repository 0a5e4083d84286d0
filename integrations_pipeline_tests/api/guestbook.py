"""The made-up service of docs/python.md: a real HTTP server on loopback that forgets everything when it stops.

Belongs here: the service. Does not: what is expected of the class that syncs with it.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


class Guestbook(ThreadingHTTPServer):
    """People by id. A refresh token is good once; `trouble` is the status of every answer while it is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Desk)
        self.people: dict[str, dict[str, Any]] = {}
        self.refresh_tokens = {"first"}
        self.access_tokens: set[str] = set()
        self.renewals = 0
        self.trouble = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def renew(self, refresh_token: str) -> tuple[int, Any]:
        if refresh_token not in self.refresh_tokens:
            return 400, {"error": "invalid_grant"}
        self.renewals += 1
        self.refresh_tokens = {f"refresh-{self.renewals}"}
        self.access_tokens = {f"access-{self.renewals}"}
        return 200, {
            "access_token": f"access-{self.renewals}",
            "refresh_token": f"refresh-{self.renewals}",
            "expires_in": 3600,
        }

    def answer(self, method: str, path: str, page: Any) -> tuple[int, Any]:
        if (method, path) == ("GET", "/me"):
            return 200, {"name": "me"}
        if (method, path) == ("GET", "/people"):
            return 200, list(self.people.values())
        if page["mail"] is None:
            return 422, {"error": "no mail"}
        self.people[path.removeprefix("/people/")] = page
        return 200, {}


class _Desk(BaseHTTPRequestHandler):
    server: Guestbook

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, answer = self._answer(body)
        told = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = do_PUT = _serve

    def _answer(self, body: bytes) -> tuple[int, Any]:
        if self.server.trouble:
            return self.server.trouble, {}
        if self.path == "/token":
            return self.server.renew(parse_qs(body.decode())["refresh_token"][0])
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.server.access_tokens:
            return 401, {}
        return self.server.answer(self.command, self.path, json.loads(body) if body else None)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def open_guestbook() -> Iterator[Guestbook]:
    with Guestbook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
