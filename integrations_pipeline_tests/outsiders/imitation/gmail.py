"""Gmail's API v1 for one mailbox, with Google's token endpoint: messages, drafts, threads, history, batch.

After the discovery document. Belongs here: the mailbox and the wire. Does not: quota, watch, attachments by id.
"""

import base64
import email.policy
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message as Parsed
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from integrations_pipeline_tests.outsiders.imitation.gmail_search import found_by
from integrations_pipeline_tests.outsiders.imitation.http import Answer, Refused, Request, Service

MAX_PAGE = 500
_NUMBERS = itertools.count(1)


def error(status: int, reason: str, message: str, kind: str) -> Refused:
    """An error as Google words it."""
    told = {"message": message, "domain": "global", "reason": reason}
    return Refused(status, {"error": {"code": status, "message": message, "errors": [told], "status": kind}})


def _missing() -> Refused:
    return error(404, "notFound", "Requested entity was not found.", "NOT_FOUND")


def _new_id() -> str:
    return f"{0x190000000000 + next(_NUMBERS):016x}"


@dataclass(kw_only=True)
class Mail:
    """A message in the mailbox."""

    raw: bytes
    thread: str
    labels: set[str]
    id: str = field(default_factory=_new_id)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    history_id: int = 0

    @property
    def parsed(self) -> Parsed:
        return message_from_bytes(self.raw, policy=email.policy.compat32)

    def header(self, name: str) -> str:
        return str(self.parsed.get(name, ""))


@dataclass(kw_only=True)
class Gmail(Service):
    """A mailbox. `delivered` is what left it, in order."""

    address: str = "owner@imitation.test"
    access_token: str = "ya29.imitation"
    refresh_token: str = "1//imitation"
    scopes: str = "https://www.googleapis.com/auth/gmail.compose https://www.googleapis.com/auth/gmail.readonly"
    messages: list[Mail] = field(default_factory=list)
    drafts: dict[str, Mail] = field(default_factory=dict)
    delivered: list[Mail] = field(default_factory=list)
    #: Messages that were sent but that no search, thread or history shows yet.
    hides_sent: bool = False
    _history: list[tuple[int, str, Mail]] = field(default_factory=list)
    _last: int = 1000

    routes: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("POST", r"/token", "token"),
        ("GET", r"/tokeninfo|/oauth2/v\d/tokeninfo", "token_info"),
        ("POST", r"/batch(?:/gmail/v1)?", "batch"),
        ("GET", r"/gmail/v1/users/[^/]+/profile", "profile"),
        ("GET", r"/gmail/v1/users/[^/]+/labels", "labels"),
        ("GET", r"/gmail/v1/users/[^/]+/settings/sendAs", "aliases"),
        ("GET", r"/gmail/v1/users/[^/]+/settings/sendAs/([^/]+)", "one_alias"),
        ("GET", r"/gmail/v1/users/[^/]+/messages", "list_messages"),
        ("POST", r"(?:/upload)?/gmail/v1/users/[^/]+/messages/send", "send"),
        ("GET", r"/gmail/v1/users/[^/]+/messages/([^/]+)", "get_message"),
        ("GET", r"/gmail/v1/users/[^/]+/threads", "list_threads"),
        ("GET", r"/gmail/v1/users/[^/]+/threads/([^/]+)", "get_thread"),
        ("GET", r"/gmail/v1/users/[^/]+/history", "history"),
        ("GET", r"/gmail/v1/users/[^/]+/drafts", "list_drafts"),
        ("POST", r"(?:/upload)?/gmail/v1/users/[^/]+/drafts/send", "send_draft"),
        ("POST", r"(?:/upload)?/gmail/v1/users/[^/]+/drafts", "create_draft"),
        ("GET", r"/gmail/v1/users/[^/]+/drafts/([^/]+)", "get_draft"),
        ("DELETE", r"/gmail/v1/users/[^/]+/drafts/([^/]+)", "delete_draft"),
    )

    # What people do.

    def receive(self, raw: bytes, *, thread: str = "", labels: tuple[str, ...] = ("INBOX", "UNREAD")) -> Mail:
        """A message comes in; without `thread` it is threaded by its references, else it begins one."""
        mail = Mail(raw=raw, thread=thread or self._threaded(raw), labels=set(labels))
        return self._store(mail)

    def write_by_hand(self, raw: bytes, *, thread: str = "") -> Mail:
        """The owner sends a mail on Gmail's own page; its Message-ID stays as given."""
        mail = Mail(raw=raw, thread=thread or self._threaded(raw), labels={"SENT"})
        self.delivered.append(mail)
        return self._store(mail)

    def sent_to(self, address: str) -> list[Mail]:
        return [mail for mail in self.delivered if address.lower() in mail.header("To").lower()]

    def age(self, by: timedelta) -> None:
        with self.lock:
            for mail in {id(mail): mail for mail in (*self.messages, *self.delivered)}.values():
                mail.at -= by

    def _store(self, mail: Mail) -> Mail:
        with self.lock:
            self._last += 1
            mail.history_id = self._last
            self.messages.append(mail)
            self._history.append((self._last, "messagesAdded", mail))
        return mail

    def _threaded(self, raw: bytes) -> str:
        parsed = message_from_bytes(raw)
        named = f"{parsed.get('In-Reply-To', '')} {parsed.get('References', '')}".split()
        for mail in self.messages:
            if mail.header("Message-ID") in named and _subject(mail.parsed) == _subject(parsed):
                return mail.thread
        return _new_id()

    # The wire.

    def admit(self, request: Request) -> None:
        if request.path in ("/token", "/tokeninfo") or "tokeninfo" in request.path:
            return
        if request.headers.get("authorization") != f"Bearer {self.access_token}":
            raise error(401, "authError", "Invalid Credentials", "UNAUTHENTICATED")

    def not_found(self, request: Request) -> Answer:
        self.unknown.append(f"{request.method} {request.path}")
        return _missing().answer

    def token(self, request: Request) -> Any:
        told = dict(parse_qsl(request.body.decode()))
        if told.get("grant_type") != "refresh_token" or told.get("refresh_token") != self.refresh_token:
            raise Refused(400, {"error": "invalid_grant", "error_description": "Bad Request"})
        return {"access_token": self.access_token, "expires_in": 3599, "scope": self.scopes, "token_type": "Bearer"}

    def token_info(self, _request: Request) -> Any:
        return {"scope": self.scopes, "expires_in": "3500", "aud": "imitation"}

    def profile(self, _request: Request) -> Any:
        threads = {mail.thread for mail in self.messages}
        return {
            "emailAddress": self.address,
            "messagesTotal": len(self.messages),
            "threadsTotal": len(threads),
            "historyId": str(self._last),
        }

    def labels(self, _request: Request) -> Any:
        names = ("INBOX", "SENT", "DRAFT", "SPAM", "TRASH", "UNREAD", "STARRED", "IMPORTANT")
        return {"labels": [{"id": name, "name": name, "type": "system"} for name in names]}

    def aliases(self, _request: Request) -> Any:
        return {"sendAs": [self._alias()]}

    def one_alias(self, _request: Request, address: str) -> Any:
        if address != self.address:
            raise _missing()
        return self._alias()

    def _alias(self) -> dict[str, Any]:
        return {
            "sendAsEmail": self.address,
            "displayName": "Olga Owner",
            "isPrimary": True,
            "isDefault": True,
            "verificationStatus": "accepted",
            "signature": "",
            "replyToAddress": "",
        }

    def list_messages(self, request: Request) -> Any:
        found = [mail for mail in self._seen(request) if self._fits(mail, request)]
        return _page(request, "messages", [{"id": mail.id, "threadId": mail.thread} for mail in found])

    def list_threads(self, request: Request) -> Any:
        found = dict.fromkeys(mail.thread for mail in self._seen(request) if self._fits(mail, request))
        return _page(request, "threads", [{"id": thread, "historyId": str(self._last)} for thread in found])

    def _seen(self, request: Request) -> Iterator[Mail]:
        """Newest first, without spam and trash unless asked for."""
        is_all = request.arg("includeSpamTrash").lower() == "true"
        for mail in sorted([*self.messages, *self.drafts.values()], key=lambda mail: mail.at, reverse=True):
            if (is_all or not mail.labels & {"SPAM", "TRASH"}) and not self._is_hidden(mail):
                yield mail

    def _is_hidden(self, mail: Mail) -> bool:
        return self.hides_sent and "SENT" in mail.labels

    def _fits(self, mail: Mail, request: Request) -> bool:
        labels = set(request.args("labelIds"))
        return labels <= mail.labels and found_by(request.arg("q"), mail, self.unknown)

    def get_message(self, request: Request, message_id: str) -> Any:
        for mail in (*self.messages, *self.drafts.values()):
            if mail.id == message_id and not self._is_hidden(mail):
                return _message_json(mail, request)
        raise _missing()

    def get_thread(self, request: Request, thread: str) -> Any:
        mails = [mail for mail in self.messages if mail.thread == thread and not self._is_hidden(mail)]
        if not mails:
            raise _missing()
        told = [_message_json(mail, request) for mail in mails]
        return {"id": thread, "historyId": str(self._last), "messages": told}

    def history(self, request: Request) -> Any:
        start, kinds = int(request.arg("startHistoryId", "0")), request.args("historyTypes")
        if start < 1000:
            raise _missing()
        if kinds and "messageAdded" not in kinds:
            return {"historyId": str(self._last)}
        records = [
            {
                "id": str(number),
                "messages": [_short(mail)],
                kind: [{"message": {**_short(mail), "labelIds": sorted(mail.labels)}}],
            }
            for number, kind, mail in self._history
            if number > start and not self._is_hidden(mail)
        ]
        return {**_page(request, "history", records), "historyId": str(self._last)}

    # Drafts and sending.

    def list_drafts(self, request: Request) -> Any:
        found = [(key, mail) for key, mail in self.drafts.items() if found_by(request.arg("q"), mail, self.unknown)]
        return _page(request, "drafts", [{"id": key, "message": _short(mail)} for key, mail in found])

    def create_draft(self, request: Request) -> Any:
        raw, told = _given(request, "message")
        thread = self._thread_of(told)
        key = f"r{next(_NUMBERS)}"
        mail = Mail(raw=raw, thread=thread, labels={"DRAFT"})
        mail.thread = mail.thread or mail.id
        self.drafts[key] = mail
        return {"id": key, "message": {**_short(mail), "labelIds": ["DRAFT"]}}

    def get_draft(self, request: Request, key: str) -> Any:
        if key not in self.drafts:
            raise _missing()
        return {"id": key, "message": _message_json(self.drafts[key], request)}

    def delete_draft(self, _request: Request, key: str) -> Any:
        if self.drafts.pop(key, None) is None:
            raise _missing()
        return Answer(204)

    def send_draft(self, request: Request) -> Any:
        draft = self.drafts.get(str(request.json().get("id", "")))
        if draft is None:
            raise _missing()
        sent = self._sent(draft.raw, draft.thread)
        self.drafts = {key: mail for key, mail in self.drafts.items() if mail is not draft}
        return {**_short(sent), "labelIds": ["SENT"]}

    def send(self, request: Request) -> Any:
        raw, told = _given(request, "")
        return {**_short(self._sent(raw, self._thread_of(told))), "labelIds": ["SENT"]}

    def _thread_of(self, told: dict[str, Any]) -> str:
        thread = str(told.get("threadId") or "")
        if thread and all(mail.thread != thread for mail in (*self.messages, *self.drafts.values())):
            raise _missing()
        return thread

    def _sent(self, raw: bytes, thread: str) -> Mail:
        """The Message-ID is Gmail's own, whatever the draft said."""
        parsed = message_from_bytes(raw)
        if not parsed.get("To"):
            raise error(400, "invalidArgument", "Recipient address required", "INVALID_ARGUMENT")
        del parsed["Message-ID"]
        mail = Mail(raw=b"", thread=thread, labels={"SENT"})
        parsed["Message-ID"] = f"<CA{mail.id}@mail.gmail.com>"
        mail.raw = parsed.as_bytes()
        mail.thread = thread or mail.id
        self.delivered.append(mail)
        return self._store(mail)

    def batch(self, request: Request) -> Any:
        """Several calls in one multipart body; each inner answer has its own status."""
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        boundary = f"batch_{next(_NUMBERS)}"
        lines: list[bytes] = []
        for part in message_from_bytes(head + request.body).get_payload():
            assert isinstance(part, Parsed)
            answer = self._inner(request, str(part.get_payload()))
            payload, kind = answer.payload()
            name = str(part.get("Content-ID", "")).replace("<", "<response-", 1)
            lines.append(
                f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: {name}\r\n\r\n"
                f"HTTP/1.1 {answer.status} Told\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(payload)}\r\n\r\n".encode()
                + payload
                + b"\r\n"
            )
        body = b"".join(lines) + f"--{boundary}--\r\n".encode()
        return Answer(200, body, (("Content-Type", f"multipart/mixed; boundary={boundary}"),))

    def _inner(self, outer: Request, text: str) -> Answer:
        head, _, body = text.lstrip().replace("\r\n", "\n").partition("\n\n")
        first, *headers = head.split("\n")
        method, target = first.split(" ")[:2]
        address = urlsplit(target)
        inner = Request(
            method=method,
            # The client writes the whole path there, with the prefix under which this service is served.
            path=address.path.replace("/gmail/gmail/", "/gmail/", 1),
            query=tuple(parse_qsl(address.query, keep_blank_values=True)),
            headers={
                **outer.headers,
                **{k.lower(): v.strip() for k, _, v in (line.partition(":") for line in headers)},
            },
            body=body.encode(),
        )
        return self.answer(inner)


def _subject(parsed: Parsed) -> str:
    subject = str(parsed.get("Subject", "")).strip().lower()
    while subject.startswith(("re:", "fwd:", "aw:")):
        subject = subject.partition(":")[2].strip()
    return subject


def _short(mail: Mail) -> dict[str, str]:
    return {"id": mail.id, "threadId": mail.thread}


def _page(request: Request, name: str, items: list[Any]) -> dict[str, Any]:
    """An empty result leaves its key out."""
    at, size = int(request.arg("pageToken", "0") or 0), min(int(request.arg("maxResults", "100")), MAX_PAGE)
    page = items[at : at + size]
    answer: dict[str, Any] = {name: page} if page else {}
    if at + size < len(items):
        answer["nextPageToken"] = str(at + size)
    return answer if name == "history" else {**answer, "resultSizeEstimate": len(items)}


def _given(request: Request, inside: str) -> tuple[bytes, dict[str, Any]]:
    """The message in a request: in JSON, as media, or as both in one multipart body."""
    kind = request.headers.get("content-type", "")
    if kind.startswith("message/rfc822"):
        return request.body, {}
    if kind.startswith("multipart/related"):
        whole = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + request.body)
        parts: list[Any] = [*whole.walk()][1:3]
        told = json.loads(str(parts[0].get_payload()) or "{}")
        return parts[1].get_payload()[0].as_bytes(), told.get(inside, told) if inside else told
    told = request.json()
    told = told.get(inside, {}) if inside else told
    try:
        text = str(told.get("raw", ""))
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise error(400, "invalidArgument", "Invalid value for ByteString", "INVALID_ARGUMENT") from None
    if not raw:
        raise error(
            400,
            "invalidArgument",
            "'raw' RFC822 payload message string or uploading message via /upload/* URL required",
            "INVALID_ARGUMENT",
        )
    return raw, told


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _message_json(mail: Mail, request: Request) -> dict[str, Any]:
    told: dict[str, Any] = {
        **_short(mail),
        "labelIds": sorted(mail.labels),
        "historyId": str(mail.history_id),
        "internalDate": str(int(mail.at.timestamp() * 1000)),
        "sizeEstimate": len(mail.raw),
    }
    shape = request.arg("format", "full").lower()
    if shape == "minimal":
        return {**told, "snippet": _snippet(mail)}
    if shape == "raw":
        return {**told, "snippet": _snippet(mail), "raw": _encoded(mail.raw)}
    if shape == "metadata":
        wanted = {name.lower() for name in request.args("metadataHeaders")}
        return {
            **told,
            "snippet": _snippet(mail),
            "payload": {"mimeType": mail.parsed.get_content_type(), "headers": _headers(mail.parsed, wanted)},
        }
    return {**told, "snippet": _snippet(mail), "payload": _part_json(mail.parsed, "")}


def _headers(parsed: Parsed, wanted: set[str]) -> list[dict[str, str]]:
    return [
        {"name": name, "value": str(value)} for name, value in parsed.items() if not wanted or name.lower() in wanted
    ]


def _part_json(part: Parsed, number: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "partId": number,
        "mimeType": part.get_content_type(),
        "filename": part.get_filename() or "",
        "headers": _headers(part, set()),
    }
    inner = part.get_payload()
    if isinstance(inner, list):
        parts = [
            _part_json(each, f"{number}.{index}".lstrip("."))
            for index, each in enumerate(inner)
            if isinstance(each, Parsed)
        ]
        return {**told, "body": {"size": 0}, "parts": parts}
    data = part.get_payload(decode=True)
    data = data if isinstance(data, bytes) else b""
    return {**told, "body": {"size": len(data), **({"data": _encoded(data)} if data else {})}}


def text_of(mail: Mail) -> str:
    """All its text parts."""
    decode: Callable[[Parsed], bytes] = lambda part: part.get_payload(decode=True) or b""  # type: ignore[assignment, return-value] # noqa: E731
    return " ".join(
        decode(part).decode("utf-8", "replace") for part in mail.parsed.walk() if part.get_content_maintype() == "text"
    )


def _snippet(mail: Mail) -> str:
    return " ".join(text_of(mail).split())[:200]
