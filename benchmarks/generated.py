"""A server that makes up its records as it is asked: a table or an audience of any size in no memory.

Belongs here: the two listings, as Airtable and Mailchimp answer them. Does not: writes, limits, state (the sandbox).
Run as `python -m benchmarks.generated RECORDS`; prints its port.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_COLUMNS = ("Contact ID", "Name", "Email", "Phone", "Company", "Job Title")
_SCHEMA = {
    "tables": [
        {
            "id": "tblGenerated00000",
            "name": "Contacts",
            "primaryFieldId": "fld00000000000001",
            "fields": [
                *({"id": f"fld{n:014d}", "name": name, "type": "singleLineText"} for n, name in enumerate(_COLUMNS)),
                {"id": "fld00000000000009", "name": "Tags", "type": "multipleSelects", "options": {"choices": []}},
            ],
            "views": [],
        }
    ]
}
_AIRTABLE_PAGE = 100


def airtable_record(n: int) -> dict[str, Any]:
    fields = {
        "Name": f"Person {n}",
        "Email": f"person{n}@example.org",
        "Phone": f"+49 30 {n}",
        "Company": f"Acme {n % 99}",
    }
    return {"id": f"rec{n:014d}", "createdTime": "2026-01-01T00:00:00.000Z", "fields": fields | {"Job Title": "Editor"}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    records = 0

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if "webhooks" in address.path:
            self._answer({"error": {"type": "NOT_AUTHORIZED", "message": "no webhooks"}}, 403)
        elif "/meta/" in address.path:
            self._answer(_SCHEMA)
        else:
            asked = parse_qs(address.query)
            start = int(asked.get("offset", ["0"])[0])
            # Whatever is asked for by a formula, nothing of it changed.
            end = 0 if "filterByFormula" in asked else min(start + _AIRTABLE_PAGE, self.records)
            more = {"offset": str(end)} if 0 < end < self.records else {}
            self._answer({"records": [airtable_record(n) for n in range(start, end)], **more})

    def _answer(self, body: Any, status: int = 200) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        return


def main() -> None:
    _Handler.records = int(sys.argv[1])
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
