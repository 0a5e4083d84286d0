"""A server that makes up its records as it is asked: a table or an audience of any size in no memory.

What is written to it is kept, told in listings, and counted (`GET /benchmark`; `DELETE /benchmark` forgets it). Belongs
here: the endpoints, as Airtable and Mailchimp answer them. Does not: what a record is (`generated_records`), limits and
everything else (the sandbox). Run as `python -m benchmarks.generated RECORDS`; prints its port.
"""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks.generated_records import (
    BEGAN,
    IN_A_SECOND,
    LIST_ID,
    MERGE_FIELDS,
    Written,
    airtable_record,
    mailchimp_member,
)

BASE_ID, TABLE_ID = "appGenerated", "tblGenerated00000"
_COLUMNS = ("Contact ID", "Name", "Email", "Phone", "Company", "Job Title")
_SCHEMA = {
    "tables": [
        {
            "id": TABLE_ID,
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
_BASES = {"bases": [{"id": BASE_ID, "name": "CRM", "permissionLevel": "create"}]}
_AIRTABLE_PAGE = 100
#: A batch's answer tells members without this (`integrations_sandbox` says where it is known from).
_NOT_IN_BATCHES = ("contact_id",)

Asked = dict[str, list[str]]


class Generated:
    """What the server knows, and its answers: (status, body)."""

    def __init__(self, records: int) -> None:
        self.count = records
        self.calls = 0
        self.written = Written(records)
        self.lock = Lock()

    def told(self, method: str) -> Any:
        """What was asked for and written since it last forgot."""
        told = {"calls": self.calls, **self.written.answer()}
        if method == "DELETE":
            self.calls, self.written = 0, Written(self.count)
        return told

    def answer(self, method: str, path: str, asked: Asked, body: Any) -> tuple[int, Any]:
        if path == "/benchmark":
            return 200, self.told(method)
        self.calls += 1
        if path.startswith("/3.0"):
            return self._mailchimp(method, path.removeprefix("/3.0").strip("/"), asked, body)
        if "webhooks" in path:
            return 403, {"error": {"type": "NOT_AUTHORIZED", "message": "no webhooks"}}
        if "/meta/" in path:
            return 200, _SCHEMA if path.endswith("/tables") else _BASES
        return 200, self._listed(asked) if method == "GET" else self._put(body, path.rsplit("/", 1)[1])

    # Airtable

    def _listed(self, asked: Asked) -> Any:
        if "filterByFormula" in asked:
            return {"records": self.written.records_with(asked["filterByFormula"][0])}
        start, total = int(asked.get("offset", ["0"])[0]), self.count + len(self.written.records)
        end = min(start + _AIRTABLE_PAGE, total)
        records = [airtable_record(n) for n in range(start, min(end, self.count))]
        if end > self.count:
            records += list(self.written.records.values())[max(start - self.count, 0) : end - self.count]
        return {"records": records, **({"offset": str(end)} if end < total else {})}

    def _put(self, body: Any, last: str) -> Any:
        """Records made, updated by id, or found by a key column; one alone is answered alone."""
        if "records" not in body:
            return self.written.put_record(body["fields"], last if last.startswith("rec") else None)
        key = next(iter(body.get("performUpsert", {}).get("fieldsToMergeOn", [])), None)
        records = [self.written.put_record(each["fields"], each.get("id"), key) for each in body["records"]]
        upserted = {"createdRecords": [each["id"] for each in records], "updatedRecords": []} if key else {}
        return {"records": records, **upserted}

    # Mailchimp

    def _mailchimp(self, method: str, path: str, asked: Asked, body: Any) -> tuple[int, Any]:
        if path.endswith("/merge-fields"):
            return 200, _merge_fields()
        if path.endswith("/tags"):
            return 200, {"tags": [], "total_items": 0}
        if "/members" in path:
            return self._of_members(method, path.partition("/members")[2].strip("/"), asked, body)
        if path.startswith("lists/") and method == "POST":
            return 200, self._batch(body)
        if path.startswith("lists/"):
            return 200, {"id": path.split("/")[1], "name": "Generated", "stats": {"member_count": self.count}}
        if path == "lists":
            return 200, {"lists": [{"id": LIST_ID, "name": "Generated"}], "total_items": 1}
        return 200, {"health_status": "Everything's Chimpy!", "pricing_plan_type": "monthly", "total_subscribers": 0}

    def _of_members(self, method: str, key: str, asked: Asked, body: Any) -> tuple[int, Any]:
        if method == "GET" and not key:
            return 200, self._members(asked)
        known = self.written.members.get(key)
        if method == "GET" or (method == "PATCH" and known is None):
            return (200, known) if known else (404, {"title": "Resource Not Found", "status": 404, "detail": ""})
        return 200, self.written.put_member({**(known or {}), **body})[0]

    def _batch(self, body: Mapping[str, Any]) -> Any:
        answered: dict[str, list[Any]] = {"new_members": [], "updated_members": [], "errors": []}
        for each in body["members"]:
            member, is_new = self.written.put_member(each)
            shown = {name: value for name, value in member.items() if name not in _NOT_IN_BATCHES}
            answered["new_members" if is_new else "updated_members"].append(shown)
        return {
            **answered,
            "total_created": len(answered["new_members"]),
            "total_updated": len(answered["updated_members"]),
            "error_count": 0,
        }

    def _members(self, asked: Asked) -> Any:
        if asked.get("status") == ["archived"]:
            return {"members": [], "total_items": 0}
        first, last = self._position(asked, "since_last_changed"), self._position(asked, "before_last_changed")
        start = first + int(asked.get("offset", ["0"])[0])
        end = min(start + int(asked.get("count", ["10"])[0]), last)
        members = [mailchimp_member(n) for n in range(start, min(end, self.count))]
        if end > self.count:
            members += list(self.written.members.values())[max(start - self.count, 0) : end - self.count]
        return {"members": members, "total_items": max(last - first, 0)}

    def _position(self, asked: Asked, name: str) -> int:
        """Where the members begin that changed since a moment, or end that changed before it."""
        is_since = name.startswith("since")
        if name not in asked:
            return 0 if is_since else self.count + len(self.written.members)
        moment = asked[name][0].replace(" ", "+")
        seconds = int((datetime.fromisoformat(moment) - BEGAN).total_seconds()) + is_since
        position = max(seconds * IN_A_SECOND, 0)
        return position if position < self.count else self.count + self.written.position(moment, past=is_since)


def _merge_fields() -> Any:
    fields = [
        {"merge_id": n, "tag": tag, "name": tag, "type": "text", "required": False}
        for n, tag in enumerate(MERGE_FIELDS, 1)
    ]
    return {"merge_fields": fields, "total_items": len(fields)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: Head and body in one write: else the kernel keeps the body back for 40 ms, until the head is acknowledged.
    wbufsize = 1024 * 1024
    generated: Generated

    def _serve(self) -> None:
        address = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        asked = parse_qs(address.query)
        if address.path.endswith("/listRecords"):
            method, asked = "GET", {name: [str(value)] for name, value in body.items()}
        else:
            method = self.command
        with self.generated.lock:
            status, told = self.generated.answer(
                method, unquote(address.path).rstrip("/").removesuffix("/listRecords"), asked, body
            )
            content = json.dumps(told).encode()
        self._send(status, content)

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET: Callable[..., None] = _serve
    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        return


def main() -> None:
    Handler.generated = Generated(int(sys.argv[1]))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
