"""What the tests of the sandboxed Gmail share: one mailbox behind both clients, and mails to send.

Belongs here: building clients and mails. Does not belong here: assertions.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from importlib.resources import files
from typing import Any

import httpx
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document

from integrations_pipeline_tests.sandbox.arrangement import client_for
from integrations_sandbox import Delivery, Gmail, MailWorld, SandboxServer
from integrations_sandbox.gmail.model import Message

ADA = "ada@example.org"
BOB = "bob@elsewhere.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Ada's mailbox. `http` has a token for everything in it, and stands at the place of Google's host."""

    server: SandboxServer
    http: httpx.Client
    token: str

    @property
    def gmail(self) -> Gmail:
        return self.server.gmail

    @property
    def world(self) -> MailWorld:
        return self.server.gmail.world

    def call(self, method: str, path: str, **given: Any) -> httpx.Response:
        return self.http.request(method, f"/gmail/gmail/v1/users/me/{path}", **given)

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of an answer that must be a good one."""
        return self.call("GET", path, params=params).raise_for_status().json()

    def post(self, path: str, document: Any = None) -> Any:
        """The JSON of an answer that must be a good one; None for one without."""
        response = self.call("POST", path, json=document or {}).raise_for_status()
        return response.json() if response.content else None

    def send(self, raw: bytes, **more: Any) -> Any:
        return self.post("messages/send", {"raw": as_raw(raw), **more})

    def pitch(self, number: str = "7", to: str = BOB) -> Delivery:
        """A mail that was sent to one recipient."""
        self.send(mail(to=to, subject="A pitch", headers={"X-Pitch-Id": number}))
        return self.world.deliveries(recipient=to)[-1]

    def headers(self, message_id: str) -> dict[str, str]:
        return {each["name"]: each["value"] for each in self.get(f"messages/{message_id}")["payload"]["headers"]}

    def stored(self, message_id: str) -> Message:
        return self.gmail.message(ADA, message_id)

    def listed(self, **params: Any) -> list[str]:
        """The ids of messages.list."""
        return [each["id"] for each in self.get("messages", **params).get("messages", [])]

    @property
    def history_id(self) -> str:
        return str(self.get("profile")["historyId"])

    def advance(self, seconds: float) -> None:
        self.server.stage.clock.advance(seconds)

    @contextmanager
    def client(self, token: str) -> Iterator[httpx.Client]:
        with client_for(self.server, token) as client:
            yield client


def mail(
    to: str | None = BOB,
    subject: str = "Hello",
    text: str = "Good morning.",
    headers: dict[str, str] | None = None,
    html: str | None = None,
) -> bytes:
    """A mail as a program composes it: seven bits, and nothing that is not asked for but its body's fields."""
    letter = EmailMessage(policy=SMTP)
    if to is not None:
        letter["To"] = to
    letter["Subject"] = subject
    for name, value in (headers or {}).items():
        letter[name] = value
    if html is None:
        letter.set_content(text, cte="quoted-printable")
    else:
        letter.set_content(html, subtype="html", cte="quoted-printable")
    return letter.as_bytes()


def as_raw(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()


def problem(response: httpx.Response) -> tuple[int, str, str]:
    """Status, reason and message of a refusal in Google's shape."""
    error = response.json()["error"]
    assert (error["code"], len(error["errors"])) == (response.status_code, 1)
    return response.status_code, error["errors"][0]["reason"], error["message"]


@cache
def discovery() -> str:
    """Google's description of the API, as it comes with Google's client."""
    return (files("googleapiclient") / "discovery_cache/documents/gmail.v1.json").read_text()


@contextmanager
def google_service(root: str, token: str) -> Iterator[Any]:
    """Google's client, made for another place: batches and uploads go there too."""
    document = json.loads(discovery())
    document["rootUrl"] = document["baseUrl"] = root + "/"
    del document["mtlsRootUrl"]
    service = build_from_document(document, credentials=Credentials(token))  # type: ignore[no-untyped-call]
    try:
        yield service
    finally:
        service.close()
