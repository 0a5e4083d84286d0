"""The product's sandbox as a stage, driven by the control calls that its page at `/` lists.

Belongs here: what stories need, in terms of that page. A control call that the sandbox does not know, or an option that
it refuses, is `NotOffered`. Each telling gets a base, an audience and a mailbox of its own.
"""

import base64
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from uuid import uuid4

from integrations_pipeline_tests.outsiders.stage import NotOffered
from integrations_pipeline_tests.patience import patient

START_SECONDS = 60.0
_FOREVER = 1_000_000


class Control:
    """The control API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/sandbox/{path}", data=data, method=method)  # noqa: S310 - loopback
        try:
            with urlopen(request, timeout=patient(30)) as answer:  # noqa: S310 - the same
                return json.loads(answer.read() or b"null")
        except HTTPError as refused:
            told = refused.read().decode()
            raise NotOffered(f"{method} /sandbox/{re.sub(r'[0-9a-zA-Z]{10,}', '…', path)}: {told[:150]}") from None

    def lie(self, place: str, rule: Mapping[str, Any]) -> None:
        rule = {**rule, "path_regex": f"{place}.*{rule.get('path_regex', '')}", "times": rule.get("times", _FOREVER)}
        self("POST", "faults", rule)

    def status(self, place: str, method: str, pattern: str, answer: tuple[int, Any, Mapping[str, str] | None]) -> None:
        status, body, headers = answer
        rule: dict[str, Any] = {
            "action": "status",
            "method": method,
            "path_regex": pattern,
            "status": status,
            "applies": False,
        }
        if isinstance(body, bytes):
            rule["html"] = body.decode()
        elif body is not None:
            rule["body"] = body
        self.lie(place, {**rule, **({"headers": dict(headers)} if headers else {})})

    def count(self, place: str, method: str, pattern: str) -> int:
        told = self("GET", "requests")["requests"]
        wanted = f"{place}.*{pattern.rstrip('$')}"
        return sum(each["method"] == method and re.search(wanted, each["path"]) is not None for each in told)


@dataclass(kw_only=True)
class SandboxAirtable:
    control: Control
    base: str
    fields: dict[str, str]

    @property
    def _table(self) -> str:
        return f"airtable/bases/{self.base}/tables/Contacts"

    def add_row(self, **cells: Any) -> None:
        told = {name.replace("_", " "): value for name, value in cells.items()}
        self.control("POST", f"{self._table}/records", {"records": [{"fields": told}]})

    def _records(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = self.control("GET", f"{self._table}/records")["records"]
        return records

    def _id(self, email: str) -> str:
        return next(str(each["id"]) for each in self._records() if each["fields"].get("Email") == email)

    def edit_row(self, email: str, **cells: Any) -> None:
        told = {name.replace("_", " "): value for name, value in cells.items()}
        self.control("PATCH", f"{self._table}/records", {"records": [{"id": self._id(email), "fields": told}]})

    def remove_row(self, email: str) -> None:
        self.control("DELETE", f"{self._table}/records", {"ids": [self._id(email)]})

    def rows(self) -> dict[str, dict[str, Any]]:
        return {str(each["fields"].get("Email", each["id"])): each["fields"] for each in self._records()}

    def _schema(self) -> dict[str, str]:
        bases = self.control("GET", "airtable/bases")["bases"]
        table = next(base for base in bases if base["id"] == self.base)["tables"][0]
        return {field["name"]: field["id"] for field in table["fields"]}

    def _field(self, name: str) -> str:
        return f"{self._table}/fields/{self._schema()[name]}"

    def add_column(self, name: str, kind: str = "singleLineText") -> None:
        self.control("POST", f"{self._table}/fields", {"name": name, "type": kind, **_options(kind)})

    def rename_column(self, name: str, new: str) -> None:
        self.control("PATCH", self._field(name), {"name": new})

    def drop_column(self, name: str) -> None:
        self.control("DELETE", self._field(name))

    def swap_columns(self, one: str, other: str) -> None:
        schema = self._schema()
        self.control("POST", f"{self._table}/fields/swap", {"fields": [schema[one], schema[other]]})

    def compute_column(self, name: str, kind: str, value: Any) -> None:
        self.control("POST", f"{self._field(name)}/replace", {"type": kind, **_options(kind)})
        self.control("PUT", f"{self._field(name)}/outputs", {"*": value})

    def retype_column(self, name: str, kind: str) -> None:
        self.control("PATCH", self._field(name), {"type": kind, **_options(kind)})

    def normalise_column(self, name: str) -> None:
        raise NotOffered("column that normalises texts")

    def hollow(self, is_hollow: bool) -> None:
        if is_hollow:
            self.control.lie(self.base, {"action": "blank_values", "method": "GET"})
        else:
            self.be_honest()

    def lie(self, method: str, pattern: str, status: int, body: Any) -> None:
        self.control.status(self.base, method, pattern, (status, body, None))

    def be_honest(self) -> None:
        self.control("DELETE", "faults")

    def calls(self, method: str, pattern: str) -> int:
        return self.control.count(self.base, method, "")


def _options(kind: str) -> dict[str, Any]:
    known: dict[str, dict[str, Any]] = {
        "number": {"precision": 2},
        "percent": {"precision": 2},
        "rating": {"max": 5, "icon": "star", "color": "yellowBright"},
        "checkbox": {"icon": "check", "color": "greenBright"},
        "date": {"dateFormat": {"name": "us", "format": "M/D/YYYY"}},
        "dateTime": {
            "dateFormat": {"name": "us", "format": "M/D/YYYY"},
            "timeFormat": {"name": "24hour", "format": "HH:mm"},
            "timeZone": "utc",
        },
        "formula": {"formula": '"FIRM"'},
    }
    return {"options": known[kind]} if kind in known else {}


@dataclass(kw_only=True)
class SandboxMailchimp:
    control: Control
    audience: str

    @property
    def _list(self) -> str:
        return f"mailchimp/lists/{self.audience}"

    def add_member(self, email: str, status: str = "subscribed", **values: Any) -> None:
        told = {"email_address": email, "merge_fields": values, "by": "admin"}
        self.control("POST", f"{self._list}/members", {**told, "status": "subscribed"})
        if status == "archived":
            self.archive(email)

    def edit_member(self, email: str, **values: Any) -> None:
        self.control("PATCH", f"{self._list}/members/{email}", {"merge_fields": values})

    def unsubscribe(self, email: str) -> None:
        self.control("POST", f"{self._list}/members/{email}/unsubscribe", {"by": "person"})

    def archive(self, email: str) -> None:
        self.control("POST", f"{self._list}/members/{email}/archive", {})

    def unarchive(self, email: str) -> None:
        self.control("POST", f"{self._list}/members/{email}/unarchive", {})

    def bounce(self, email: str) -> None:
        self.control("POST", f"{self._list}/members/{email}/clean", {})

    def members(self) -> dict[str, dict[str, Any]]:
        told = self.control("GET", f"{self._list}/members")["members"]
        return {
            each["email_address"]: {
                "status": each["status"],
                "tags": [tag["name"] for tag in each["tags"]],
                **each["merge_fields"],
            }
            for each in told
        }

    def add_field(self, tag: str, kind: str = "text") -> None:
        self.control("POST", f"{self._list}/merge-fields", {"tag": tag, "name": tag.title(), "type": kind})

    def rename_field(self, tag: str, new: str) -> None:
        self.control("PATCH", f"{self._list}/merge-fields/{tag}", {"tag": new})

    def drop_field(self, tag: str) -> None:
        self.control("DELETE", f"{self._list}/merge-fields/{tag}")

    def swap_fields(self, one: str, other: str) -> None:
        self.control("POST", f"{self._list}/merge-fields/swap", {"tags": [one, other]})

    def hide(self, what: str, *emails: str) -> None:
        if emails:
            raise NotOffered("values left out of a single member")
        rule = {"action": "blank_values", "method": "GET", "path_regex": "members"}
        if what not in ("merge_fields", "values"):
            rule = {**rule, "names": [what], "drops_key": True}  # type: ignore[dict-item] # the page's own shapes
        self.control.lie(self.audience, {**rule, "drops_key": what != "values"})

    def answer_archived(self, how: str) -> None:
        if how == "new":
            raise NotOffered("archived address answered among new_members")
        self.control("PATCH", "mailchimp/options", {"bulk_archived": how})

    def lie(self, method: str, pattern: str, status: int, body: Any) -> None:
        self.control.status(self.audience, method, pattern, (status, body, None))

    def be_honest(self) -> None:
        self.control("DELETE", "faults")

    def calls(self, method: str, pattern: str) -> int:
        return self.control.count(self.audience, method, pattern)


@dataclass(kw_only=True)
class SandboxGmail:
    control: Control
    address: str

    @property
    def _box(self) -> str:
        return f"gmail/mailboxes/{self.address}"

    def sent_to(self, address: str) -> list[dict[str, str]]:
        told = self.control("GET", f"gmail/deliveries?recipient={address}")["deliveries"]
        return [_mail(each) for each in told if each["sender"] == self.address]

    def receive(self, raw: bytes, thread: str = "") -> None:
        """The sandbox threads by the headers, as the true one does; a made-up thread is no thread there."""
        told = {"raw": _encoded(raw)}
        self.control(
            "POST",
            f"{self._box}/messages",
            told if not thread or thread.startswith("feed") else {**told, "threadId": thread},
        )

    def write_by_hand(self, raw: bytes, thread: str = "") -> dict[str, str]:
        told = {"raw": _encoded(raw)}
        made = self.control("POST", f"{self._box}/sent", {**told, "threadId": thread} if thread else told)
        deliveries = self.control("GET", "gmail/deliveries")["deliveries"]
        return _mail(next(each for each in deliveries if each["message_id"] == made["id"]))

    def lie(self, method: str, pattern: str, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self.control.status("gmail", method, pattern, (status, body, headers))

    def be_honest(self) -> None:
        self.control("DELETE", "faults")

    def lose_send(self) -> None:
        raise NotOffered("sending that is lost with its message")

    def calls(self, method: str, pattern: str) -> int:
        return self.control.count("gmail", method, pattern)


def _encoded(raw: bytes) -> str:

    return base64.urlsafe_b64encode(raw).decode()


def _mail(told: Mapping[str, Any]) -> dict[str, str]:
    headers = {name.lower(): value for name, value in told["headers"]}
    return {
        "id": told["message_id"],
        "thread": told["thread_id"],
        "message_id": headers["message-id"],
        "subject": headers.get("subject", ""),
    }


@dataclass(kw_only=True)
class SandboxStage:
    """A base, an audience and a mailbox in a running sandbox."""

    url: str
    name: str = "sandbox"

    def __post_init__(self) -> None:
        self.control = Control(self.url)
        self.control("POST", "reset", {})
        base = self.control("POST", "airtable/bases", {"name": "CRM", "contacts_table": "Contacts"})
        self.control("PATCH", "airtable/options", {"allows_webhooks": False})
        fields = {field["name"]: field["id"] for field in base["tables"][0]["fields"]}
        audience = self.control("POST", "mailchimp/lists", {"name": "Press", "extra_fields": ["COMPANY"]})["id"]
        address = f"owner{uuid4().hex[:6]}@imitation.test"
        self.control("POST", "gmail/mailboxes", {"address": address})
        scopes = [f"https://www.googleapis.com/auth/gmail.{scope}" for scope in ("compose", "readonly")]
        self._token = self.control("POST", "gmail/tokens", {"address": address, "scopes": scopes})["token"]
        self.airtable = SandboxAirtable(control=self.control, base=base["id"], fields=fields)
        self.mailchimp = SandboxMailchimp(control=self.control, audience=audience)
        self.gmail = SandboxGmail(control=self.control, address=address)

    def environment(self) -> Mapping[str, str]:
        oauth = f"{self.url}/oauth"
        return {
            "INTEGRATIONS_AIRTABLE_API_URL": f"{self.url}/airtable",
            "INTEGRATIONS_MAILCHIMP_API_URL": f"{self.url}/mailchimp",
            "INTEGRATIONS_GMAIL_API_URL": f"{self.url}/gmail",
            "INTEGRATIONS_GOOGLE_TOKEN_URL": f"{oauth}/google/token",
            "INTEGRATIONS_GOOGLE_AUTH_URL": f"{oauth}/google/auth",
            "GOOGLE_CLIENT_ID": "100000000001-sandbox.apps.googleusercontent.com",
            "GOOGLE_CLIENT_SECRET": "GOCSPX-sandbox",
        }

    def connection(self, provider: str) -> tuple[dict[str, Any], dict[str, Any]]:
        expires = (datetime.now(UTC) + timedelta(days=60)).isoformat()
        return {
            "airtable": (
                {"api_key": "patSandbox.token"},
                {"base_id": self.airtable.base, "table_id": "Contacts"},
            ),
            "mailchimp": ({"api_key": "sandbox-us1"}, {"list_id": self.mailchimp.audience}),
            "gmail": ({"access_token": self._token, "refresh_token": "none", "token_expires_at": expires}, {}),
        }[provider]

    def age(self, by: timedelta) -> None:
        """The database is set back and so is nothing here: what the sandbox has seen is older all the same."""
        if by < timedelta(days=1):
            return
        raise NotOffered("mail that is days old")

    def unknown(self) -> list[str]:
        return []


@dataclass(frozen=True)
class SandboxServer:
    """A sandbox in a process of its own."""

    url: str

    @classmethod
    @contextmanager
    def open(cls, url: str, *, is_needed: bool) -> Iterator["SandboxServer | None"]:
        """The one at `url`, else one of its own, if any is needed."""
        if not is_needed:
            yield None
            return
        if url:
            found = cls(url.rstrip("/"))
            found._wait()
            yield found
            return
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        program = str(Path(sys.executable).with_name("integrations"))
        command = [program, "sandbox", "--port", str(port), "--rate-limit-scale", "0"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            found = cls(f"http://127.0.0.1:{port}")
            found._wait()
            yield found
        finally:
            server.terminate()
            server.wait(timeout=patient(30))

    def _wait(self) -> None:
        deadline = time.monotonic() + patient(START_SECONDS)
        while True:
            try:
                Control(self.url)("GET", "health")
            except URLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def new_stage(self) -> SandboxStage:
        return SandboxStage(url=self.url)
