"""The end of an OAuth dance on this machine: a small server that waits for the browser to come back.

    browser → start address → the provider's question → redirect address with the answer

Belongs here: the redirect's address, opening the browser, waiting, what the browser shows. Does not: what the
answer means (`providers.oauth`). It listens on 127.0.0.1 only, for one answer; whoever else knocks, says nothing
or goes away in the middle is served beside it and changes nothing.

The browser is led to the question over a start address that nobody can guess, so that the question's own, which
holds the state, gets into no process list, log or terminal. The start address itself does: what opens a browser names
it. So it works once, for a minute, and only by the host names it was made for; another one, which is printed for people
whose browser does not open, works once, too, and as long as the answer is waited for. Whoever comes second finds that
somebody was first, and ends the wait: one of the two is not the person who asked.
"""

import http.server
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any
from urllib.parse import parse_qs

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.oauth_spec import Consent, is_same_secret

PATH = "/callback"
#: Providers compare redirect addresses to the letter, so the port is fixed unless another is registered.
PORT = 8719
WAIT_SECONDS = 300.0
#: A browser that has to be started first is there by then; whoever reads the process list later finds nothing.
BROWSER_SECONDS = 60.0

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>integrations</title>
<body style="font: 18px/1.5 system-ui; margin: 20vh auto; max-width: 30rem; padding: 0 1rem">
<p>{text}</p></body></html>"""
_THANKS = "Thank you. You can close this window and go back to the terminal, which says what came of it."
_STRANGE = "This is not the answer that was waited for; nothing was done with it."
_LATE = "This address is too old. The terminal shows another one that still works."
_SECOND = "Somebody has opened this address before. If that was not you: nothing is stored; run the command again."
SECOND_VISITOR = (
    "the address for the browser was opened twice, and one of the two may have been somebody else on this machine: "
    "nothing was stored; take the access back in the account's settings if you gave it, and run the command again"
)


class Visit(Enum):
    """What comes of a request for a start address."""

    STRANGE = _STRANGE
    LATE = _LATE
    SECOND = _SECOND
    FIRST = ""


class LoopbackServer(http.server.ThreadingHTTPServer):
    """Leads one visitor to the question, and keeps the address of the first answer that carries its state."""

    daemon_threads = True

    def __init__(self, port: int, consent: Consent) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.consent = consent
        self._own, self._printed = (f"/start/{secrets.token_urlsafe(12)}" for _ in range(2))
        self._until = time.monotonic() + BROWSER_SECONDS
        self._lock = threading.Lock()
        self._is_visited = self._is_crowded = False
        self._answer: str | None = None
        self._is_answered = threading.Event()

    @property
    def browser_address(self) -> str:
        """For the browser that we open: it stands in the process list."""
        return self._origin + self._own

    @property
    def start_address(self) -> str:
        """For a person to open by hand."""
        return self._origin + self._printed

    @property
    def _origin(self) -> str:
        return self.consent.redirect_uri.removesuffix(PATH)

    def is_ours(self, hosts: list[str]) -> bool:
        """Whether a request names this very server: a page elsewhere, whose name leads here, names itself."""
        port = self.server_address[1]
        return [host.lower() for host in hosts] in [[f"{name}:{port}"] for name in ("127.0.0.1", "localhost", "[::1]")]

    def visit(self, path: str) -> Visit:
        """Somebody opens a start address: the first one goes on, the second ends the wait for both."""
        with self._lock:
            if path not in (self._own, self._printed):
                return Visit.STRANGE
            if self._is_visited:
                self._is_crowded = True
                self._is_answered.set()
                return Visit.SECOND
            if path == self._own and time.monotonic() > self._until:
                return Visit.LATE
            self._is_visited = True
            return Visit.FIRST

    def is_answer(self, path: str) -> bool:
        place, _, query = path.partition("?")
        states = parse_qs(query).get("state", [])
        return place == PATH and len(states) == 1 and is_same_secret(states[0], self.consent.state)

    def take(self, path: str) -> None:
        """The first answer counts."""
        if not self._is_answered.is_set():
            self._answer = path
            self._is_answered.set()

    def wait(self, seconds: float) -> str | None:
        """The address the browser was sent to; None when nobody came in time.

        `ConfigurationError` if there was a second visitor.
        """
        self._is_answered.wait(seconds)
        self.require_one_visitor()
        return self._answer

    def require_one_visitor(self) -> None:
        """Asked again when the answer is about to be believed: a browser starts slower than a program that waits."""
        with self._lock:
            if self._is_crowded:
                raise ConfigurationError(SECOND_VISITOR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: somebody went away in the middle, and a traceback could hold the path."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: LoopbackServer
    #: A browser opens connections in advance and says nothing on them.
    timeout = 5

    def do_GET(self) -> None:
        if not self.server.is_ours(self.headers.get_all("Host", [])):
            self._reply(400, _STRANGE)
        elif self.server.is_answer(self.path):
            try:
                self._reply(200, _THANKS)
            finally:
                # Last, because the process may be gone a moment later.
                self.server.take(self.path)
        else:
            self._lead(self.server.visit(self.path))

    def _lead(self, visit: Visit) -> None:
        if visit is Visit.FIRST:
            self._reply(302, "", location=self.server.consent.address)
        else:
            self._reply(400, visit.value)

    def _reply(self, status: int, words: str, *, location: str | None = None) -> None:
        page = _PAGE.format(text=words).encode()
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        # The address bar holds the code: it goes nowhere from here.
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the path carries the code."""


@contextmanager
def listening(port: int, consent: Consent) -> Iterator[LoopbackServer]:
    """The server, at work in threads of its own; `ConfigurationError` if the port is taken."""
    try:
        server = LoopbackServer(port, consent)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} is taken: choose another with --port, and register its redirect address, or use --no-browser"
        ) from error
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def open_browser(address: str) -> None:
    """Open it and go on: a browser may stay in the foreground, and may say whatever it likes.

    In a process of its own, isolated (-I) from the current folder, with its output thrown away: stdout is for
    the command's result. It reads the address; only the browser's own command line shows it.
    """
    threading.Thread(target=_open_quietly, args=(address,), daemon=True).start()


_OPEN = "import sys, webbrowser; webbrowser.open(sys.stdin.read())"


def _open_quietly(address: str) -> None:
    command, nowhere = [sys.executable, "-I", "-c", _OPEN], subprocess.DEVNULL
    with suppress(OSError):
        subprocess.run(command, input=address, text=True, stdout=nowhere, stderr=nowhere, check=False)  # noqa: S603 - ours
