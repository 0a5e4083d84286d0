"""A server that alerts are sent to, over real HTTP: it takes messages, refuses them, hangs, or hangs up.

Belongs here: answering. Does not: assertions.
"""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from integrations_pipeline_tests.patience import patient


@dataclass
class Receiver:
    """`mode`: `ok`, an HTTP status, `hang` (takes the message, never answers) or `reset`."""

    port: int = 0
    mode: str = "ok"
    messages: list[dict[str, Any]] = field(default_factory=list)
    released: Event = field(default_factory=Event)

    @property
    def address(self) -> str:
        return f"json://user:hidden-secret@127.0.0.1:{self.port}/hidden-path?token=hidden-token"

    @property
    def titles(self) -> list[str]:
        return [str(message["title"]) for message in self.messages]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """One server for the length of the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            mode = receiver.mode
            if mode in ("ok", "hang"):
                receiver.messages.append(json.loads(body))
            if mode == "hang":
                receiver.released.wait(patient(60))
            elif mode == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            else:
                self._answer(200 if mode == "ok" else int(mode))

        def _answer(self, status: int) -> None:
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_port
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
