"""The end of an OAuth dance on this machine: a one-page server that waits for the browser to come back.

Belongs here: the redirect's address, waiting, what the browser shows. Does not: what the answer means
(`providers.oauth`). It listens on 127.0.0.1 only, for one answer.
"""

import http.server
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from integrations_pipeline.errors import ConfigurationError

PATH = "/callback"
#: Providers compare redirect addresses to the letter, so the port is fixed unless another is registered.
PORT = 8719
WAIT_SECONDS = 300.0

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>integrations</title>
<body style="font: 18px/1.5 system-ui; margin: 20vh auto; max-width: 30rem; padding: 0 1rem">
<p>{text}</p></body></html>"""
_THANKS = "Thank you. You can close this window and go back to the terminal."
_STRANGE = "This is not the answer that was waited for; nothing was done with it."


class LoopbackServer(http.server.HTTPServer):
    """Keeps the address of the first answer that carries the right state."""

    def __init__(self, port: int, state: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = state
        self.answer: str | None = None

    def wait(self, seconds: float = WAIT_SECONDS) -> str:
        """The address the browser was sent to; `ConfigurationError` when nobody came in time."""
        give_up_at = time.monotonic() + seconds
        while self.answer is None:
            self.timeout = give_up_at - time.monotonic()
            if self.timeout <= 0:
                raise ConfigurationError("nobody answered in the browser: run the command again, or with --no-browser")
            self.handle_request()
        return self.answer


class _Handler(http.server.BaseHTTPRequestHandler):
    server: LoopbackServer
    #: A browser that connects and says nothing must not stop the others.
    timeout = 5

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        is_ours = parts.path == PATH and parse_qs(parts.query).get("state") == [self.server.state]
        if is_ours and self.server.answer is None:
            self.server.answer = self.path
        page = _PAGE.format(text=_THANKS if is_ours else _STRANGE).encode()
        self.send_response(200 if is_ours else 400)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        # The address bar holds the code: it goes nowhere from here.
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the path carries the code."""


@contextmanager
def listening(port: int, state: str) -> Iterator[LoopbackServer]:
    """The server, listening; `ConfigurationError` if the port is taken."""
    try:
        server = LoopbackServer(port, state)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} is taken: choose another with --port, and register its redirect address, or use --no-browser"
        ) from error
    try:
        yield server
    finally:
        server.server_close()
