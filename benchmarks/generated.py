"""A server that makes up its records as it is asked: a table or an audience of any size in no memory.

Belongs here: the two listings, as Airtable and Mailchimp answer them. Does not: writes, limits, state (the sandbox).
Run as `python -m benchmarks.generated RECORDS`; prints its port.
"""

import hashlib
import json
import sys
from datetime import UTC, datetime, timedelta
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
_MERGE_FIELDS = ("FNAME", "LNAME", "PHONE", "COMPANY")
#: Members were last changed one after the other, so many in a second.
_BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
_IN_A_SECOND = 10


def airtable_record(n: int) -> dict[str, Any]:
    fields = {
        "Name": f"Person {n}",
        "Email": f"person{n}@example.org",
        "Phone": f"+49 30 {n}",
        "Company": f"Acme {n % 99}",
    }
    return {"id": f"rec{n:014d}", "createdTime": "2026-01-01T00:00:00.000Z", "fields": fields | {"Job Title": "Editor"}}


def mailchimp_member(n: int) -> dict[str, Any]:
    address = f"person{n}@example.org"
    return {
        "id": hashlib.md5(address.encode(), usedforsecurity=False).hexdigest(),
        "contact_id": f"{n:032x}",
        "email_address": address,
        "status": "transactional",
        "merge_fields": {"FNAME": "Person", "LNAME": str(n), "PHONE": f"+49 30 {n}", "COMPANY": f"Acme {n % 99}"},
        "tags": [],
        "tags_count": 0,
        "last_changed": (_BEGAN + timedelta(seconds=n // _IN_A_SECOND)).isoformat(),
        "timestamp_opt": "",
        "ip_opt": "",
    }


def _position(asked: dict[str, list[str]], name: str, default: int, *, past: bool) -> int:
    """How many members changed up to the moment that a filter names (`past`), or before it."""
    if name not in asked:
        return default
    seconds = int((datetime.fromisoformat(asked[name][0]) - _BEGAN).total_seconds()) + past
    return min(max(seconds * _IN_A_SECOND, 0), default)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: Head and body in one write: else the kernel keeps the body back for 40 ms, until the head is acknowledged.
    wbufsize = 1024 * 1024
    records = 0

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        asked = parse_qs(address.query)
        if address.path.startswith("/3.0/"):
            self._answer(self._mailchimp(address.path.removeprefix("/3.0/"), asked))
        elif "webhooks" in address.path:
            self._answer({"error": {"type": "NOT_AUTHORIZED", "message": "no webhooks"}}, 403)
        elif "/meta/" in address.path:
            self._answer(_SCHEMA)
        else:
            self._answer(self._airtable(asked))

    def _airtable(self, asked: dict[str, list[str]]) -> Any:
        start = int(asked.get("offset", ["0"])[0])
        # Whatever is asked for by a formula, nothing of it changed.
        end = 0 if "filterByFormula" in asked else min(start + _AIRTABLE_PAGE, self.records)
        more = {"offset": str(end)} if 0 < end < self.records else {}
        return {"records": [airtable_record(n) for n in range(start, end)], **more}

    def _mailchimp(self, path: str, asked: dict[str, list[str]]) -> Any:
        if path.endswith("/merge-fields"):
            fields = [
                {"merge_id": n, "tag": tag, "name": tag, "type": "text", "required": False}
                for n, tag in enumerate(_MERGE_FIELDS, 1)
            ]
            return {"merge_fields": fields, "total_items": len(fields)}
        if path.endswith("/tags"):
            return {"tags": [], "total_items": 0}
        if path.endswith("/members"):
            return self._members(asked)
        if path.startswith("lists/"):
            return {"id": path.split("/")[1], "name": "Generated", "stats": {"member_count": self.records}}
        return {"health_status": "Everything's Chimpy!", "pricing_plan_type": "monthly", "total_subscribers": 0}

    def _members(self, asked: dict[str, list[str]]) -> Any:
        if asked.get("status") == ["archived"]:
            return {"members": [], "total_items": 0}
        first = _position(asked, "since_last_changed", self.records, past=True) if "since_last_changed" in asked else 0
        last = _position(asked, "before_last_changed", self.records, past=False)
        start = first + int(asked.get("offset", ["0"])[0])
        end = min(start + int(asked.get("count", ["10"])[0]), last)
        return {"members": [mailchimp_member(n) for n in range(start, end)], "total_items": max(last - first, 0)}

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
