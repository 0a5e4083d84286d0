"""The sandbox's server on loopback, and what tests do to it.

Belongs here: sockets and the sandbox's own methods. Does not: answers (`api`).
"""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from google_sheets_sandbox.api import LIMIT, Api, Request
from google_sheets_sandbox.cells import Cell
from google_sheets_sandbox.state import SCOPE, State, WireError, Worksheet

DEFAULT_TOKEN = "sheets-sandbox-token"  # noqa: S105 - opens a sandbox


class SheetsSandbox:
    """A server as long as it is entered; `url` is its address. `limit`: reads, and writes, per minute and token."""

    def __init__(self, *, limit: int | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self.state = State(tokens={DEFAULT_TOKEN: {SCOPE}})
        self.api = Api(self.state, now, limit)
        self.requests: list[str] = []
        #: Answers that are lost on the way: so many of the next writes are applied, and nobody hears of it.
        self.lost_answers = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def create_sheet(self, spreadsheet_id: str, title: str, rows: list[list[Cell]], sheet_id: int = 0) -> Worksheet:
        """A tab of a spreadsheet, which is made if there is none; `rows` with the header."""
        sheet = Worksheet(title=title, sheet_id=sheet_id, rows=[list(row) for row in rows])
        sheet.trim()
        self.state.sheets.setdefault(spreadsheet_id, []).append(sheet)
        return sheet

    def just_before_the_next_write(self, do: Callable[[], None]) -> None:
        """What a person does after the sync has looked at the sheet and before its write arrives; asked for again,
        before the one after that."""
        self.state.before_write.append(do)

    def answer(self, request: Request) -> tuple[int, dict[str, Any] | None]:
        """Status and body; no body where the answer is lost."""
        with self._lock:
            self.requests.append(f"{request.method} {request.path.rpartition('/')[2]}")
            try:
                body = self.api.answer(request)
            except WireError as error:
                return error.code, error.body()
            if request.method == "POST" and self.lost_answers:
                self.lost_answers -= 1
                return 0, None
            return 200, body


def _handler(sandbox: SheetsSandbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer("GET", None)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self._answer("POST", json.loads(self.rfile.read(length) or b"{}"))

        def _answer(self, method: str, body: Any) -> None:
            parts = urlsplit(self.path)
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            request = Request(method, unquote(parts.path), parse_qs(parts.query), body, token)
            status, told = sandbox.answer(request)
            if told is None:
                self.close_connection = True
                return
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    return Handler


def main() -> None:
    """Serve until stopped, with an empty sheet: `python -m google_sheets_sandbox.server`."""
    header = ["Name", "Email", "Phone", "Company", "Job Title", "Tags", "Contact ID"]
    with SheetsSandbox(limit=LIMIT) as sandbox:
        sandbox.create_sheet("book1", "Contacts", [[*header]])
        told = f"{sandbox.url} serves spreadsheet book1, sheet Contacts, to the token {DEFAULT_TOKEN}"
        print(told, flush=True)  # noqa: T201 - its one line of output
        threading.Event().wait()


if __name__ == "__main__":
    main()
