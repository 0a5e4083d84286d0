"""The mails of the world outside, as bytes: replies, bounces, automatic answers, newsletters.

Belongs here: how such mails look on the wire, the header fields by which they can be told apart. Does not belong here:
into which mailbox they go (`world`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as _SMTP
from email.utils import format_datetime, formataddr
from types import MappingProxyType
from typing import Literal

from integrations_sandbox.gmail.model import Content
from integrations_sandbox.gmail.notices import NOTICE_KINDS, NoticeKind, notice
from integrations_sandbox.gmail.raw import RawMail, addresses, names_and_addresses

#: Wide enough that no identifier is broken or encoded.
SMTP = _SMTP.clone(max_line_length=990)
#: How other mail systems mark that nobody wrote this answer: documented by their makers or seen in the wild.
Vendor = Literal["gmail", "exchange", "vacation", "autorespond", "helpdesk", "silent"]
BounceKind = Literal["hard", "full", "blocked", "delayed", "soft", "foreign"] | NoticeKind
BOUNCE_KINDS: frozenset[str] = NOTICE_KINDS | {"hard", "full", "blocked", "delayed", "soft", "foreign"}

_AWAY: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "gmail": (("Auto-Submitted", "auto-replied"), ("Precedence", "bulk"), ("X-Autoreply", "yes")),
        "exchange": (("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")),
        "vacation": (("Auto-Submitted", "auto-replied (vacation)"), ("Precedence", "junk")),
        "autorespond": (("X-Autorespond", "out of office"), ("Precedence", "auto_reply")),
        "helpdesk": (("Auto-Submitted", "auto-replied"), ("X-Autoreply", "yes"), ("Feedback-ID", "1:desk:sandbox")),
        #: Says nowhere but in its words that nobody wrote it.
        "silent": (),
    }
)
#: Whether the vendor answers under the subject of the mail; the others put words of their own before it, and
#: such an answer lands in a thread of its own.
_KEEPS_SUBJECT = frozenset(["gmail", "vacation", "helpdesk"])
_DAEMON = "Mail Delivery Subsystem <mailer-daemon@googlemail.com>"
_FAILURES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "hard": ("failed", "5.1.1", "550 5.1.1 The email account that you tried to reach does not exist."),
        "full": ("failed", "5.2.2", "552 5.2.2 The recipient's mailbox is full."),
        "blocked": ("failed", "5.7.1", "550 5.7.1 Message rejected due to the recipient's policy."),
        "delayed": ("delayed", "4.4.1", "421 4.4.1 The recipient's server did not answer; delivery goes on."),
        "foreign": ("failed", "5.1.10", "550 5.1.10 Recipient not found."),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A mail as its recipient has it, and what an answer needs besides: who answers, when, and a fresh identifier."""

    mail: RawMail
    recipient: str
    at: datetime
    unique: str

    @property
    def answer_to(self) -> str:
        return self.mail.text("Reply-To") or self.mail.text("From")

    @property
    def message_id(self) -> str:
        return self.mail.text("Message-ID")

    @property
    def subject(self) -> str:
        return self.mail.text("Subject")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyStyle:
    """How a person answers. `from_address` is another address than the mail went to; `has_references` False is the
    answer of a client that leaves In-Reply-To and References out; `subject` None is the usual `Re:`."""

    from_address: str | None = None
    name: str = ""
    is_quoting: bool = True
    has_references: bool = True
    subject: str | None = None
    cc: str = ""


def reply(received: Received, text: str, style: ReplyStyle) -> bytes:
    subject = style.subject if style.subject is not None else _re(received.subject)
    letter = _letter(received, style.from_address or received.recipient, subject, style.name)
    if style.has_references:
        _refer(letter, received)
    if style.cc:
        letter["Cc"] = style.cc
    letter.set_content(text + (_quoted(received) if style.is_quoting else "") + "\n")
    return letter.as_bytes()


def auto_reply(received: Received, text: str) -> bytes:
    """The answer of a machine that got the mail: a receipt, a ticket."""
    letter = _letter(received, received.recipient, _re(received.subject))
    _refer(letter, received)
    letter["Auto-Submitted"] = "auto-replied"
    letter["X-Auto-Response-Suppress"] = "All"
    letter.set_content(text + "\n")
    return letter.as_bytes()


def out_of_office(received: Received, text: str, vendor: Vendor) -> bytes:
    """Raises KeyError for an unknown vendor."""
    subject = _re(received.subject) if vendor in _KEEPS_SUBJECT else f"Automatic reply: {received.subject}"
    letter = _letter(received, received.recipient, subject)
    _refer(letter, received)
    for name, value in _AWAY[vendor]:
        letter[name] = value
    letter["Return-Path"] = "<>"
    letter.set_content(text + "\n")
    return letter.as_bytes()


def newsletter(to: str, sender: str, subject: str, at: datetime, unique: str) -> bytes:
    letter = EmailMessage(policy=SMTP)
    host = addresses(sender)[0].partition("@")[2]
    letter["From"], letter["To"], letter["Subject"] = sender, to, subject
    letter["Date"], letter["Message-ID"] = format_datetime(at), f"<{unique}@{host}>"
    letter["List-Id"] = f"News <news.{host}>"
    letter["List-Unsubscribe"] = f"<https://{host}/unsubscribe?{unique}>"
    letter["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    letter["Precedence"] = "bulk"
    letter["Feedback-ID"] = "7:campaign:sandbox"
    letter.set_content("What is new this week.\n")
    return letter.as_bytes()


def plain(fields: Mapping[str, str], text: str, at: datetime, unique: str) -> bytes:
    """A mail with these header fields; Date and Message-ID are added where they are missing."""
    letter = EmailMessage(policy=SMTP)
    for name, value in fields.items():
        letter[name] = value
    named = addresses(fields.get("From", ""))
    host = named[0].partition("@")[2] if named else "example.org"
    for name, value in (("Date", format_datetime(at)), ("Message-ID", f"<{unique}@{host}>")):
        if name not in letter:
            letter[name] = value
    letter.set_content(text + "\n")
    return letter.as_bytes()


def bounce(received: Received, kind: BounceKind) -> bytes:
    """A report of what became of a delivery. Raises KeyError for an unknown kind.

    `hard`, `full` and `blocked` are permanent failures, `delayed` a notice that delivery is still being tried, all in
    Gmail's own form; `foreign` is the form of another server, without In-Reply-To; `soft` says in words only that a
    mailbox is full for now. The other kinds are those of `notices`.
    """
    if kind in NOTICE_KINDS:
        return notice(received, kind, format_datetime(received.at))
    if kind == "soft":
        return _soft_bounce(received)
    action, status, answer = _FAILURES[kind]
    is_foreign = kind == "foreign"
    boundary = f"report-{received.unique}"
    head = _foreign_head(received) if is_foreign else _gmail_head(received, action)
    head.append(("Content-Type", f'multipart/report; boundary="{boundary}"; report-type=delivery-status'))
    returned = RawMail(received.mail.fields, b"") if is_foreign else received.mail
    returned_type = "text/rfc822-headers" if is_foreign else "message/rfc822"
    status_type = "message/delivery-status" + ('; name="details.txt"' if is_foreign else "")
    words = _words(received.recipient, action, answer)
    pieces = [
        ("text/plain; charset=UTF-8", words.encode()),
        (status_type, _status_fields(received, action, status, answer).encode()),
        (returned_type, returned.to_bytes()),
    ]
    body = b"".join(_piece(boundary, kind, data) for kind, data in pieces) + f"--{boundary}--\r\n".encode()
    return RawMail(tuple((name, b" " + value.encode()) for name, value in head), body).to_bytes()


def limit_bounce(received: Received) -> bytes:
    """What comes when a mail was taken although the day's mails were used up."""
    letter = _daemon_letter(received, "Delivery Status Notification (Failure)")
    letter["X-Failed-Recipients"] = received.recipient
    letter.set_content(
        "** Message not sent **\n\nYou have reached a limit for sending mail. Your message was not sent "
        f"to {received.recipient}.\n"
    )
    return letter.as_bytes()


def _soft_bounce(received: Received) -> bytes:
    letter = _daemon_letter(received, "Delivery incomplete")
    letter.set_content(
        f"There was a temporary problem while delivering your message to {received.recipient}.\n\n"
        "The response was:\n452 4.2.2 The recipient's inbox is out of storage space.\n"
    )
    return letter.as_bytes()


def _letter(received: Received, sender: str, subject: str, name: str = "") -> EmailMessage:
    letter = EmailMessage(policy=SMTP)
    letter["From"] = formataddr((name, sender))
    letter["To"] = received.answer_to
    letter["Subject"] = subject
    letter["Date"] = format_datetime(received.at)
    letter["Message-ID"] = f"<{received.unique}@{sender.partition('@')[2]}>"
    return letter


def _daemon_letter(received: Received, subject: str) -> EmailMessage:
    letter = EmailMessage(policy=SMTP)
    for name, value in _gmail_head(received, "failed"):
        if name not in ("Subject", "X-Failed-Recipients", "MIME-Version"):
            letter[name] = value
    letter["Subject"] = subject
    return letter


def _refer(letter: EmailMessage, received: Received) -> None:
    earlier = received.mail.text("References")
    letter["In-Reply-To"] = received.message_id
    letter["References"] = f"{earlier} {received.message_id}".strip()


def _re(subject: str) -> str:
    return subject if subject.lower().startswith("re:") else f"Re: {subject}"


def _quoted(received: Received) -> str:
    people = names_and_addresses(received.mail.text("From"))
    who = people[0][0] or people[0][1] if people else "somebody"
    lines = Content(received.mail.to_bytes()).text.strip().splitlines()
    return f"\n\nOn {received.mail.text('Date')}, {who} wrote:\n" + "\n".join(f"> {line}" for line in lines)


def _gmail_head(received: Received, action: str) -> list[tuple[str, str]]:
    outcome = "Failure" if action == "failed" else "Delay"
    return [
        ("Return-Path", "<>"),
        ("From", _DAEMON),
        ("To", ", ".join(addresses(received.mail.text("From")))),
        ("Subject", f"Delivery Status Notification ({outcome})"),
        ("Date", format_datetime(received.at)),
        ("Message-ID", f"<{received.unique}.GMR@mx.google.com>"),
        ("In-Reply-To", received.message_id),
        ("References", received.message_id),
        ("Auto-Submitted", "auto-replied"),
        ("X-Failed-Recipients", received.recipient),
        ("MIME-Version", "1.0"),
    ]


def _foreign_head(received: Received) -> list[tuple[str, str]]:
    host = received.recipient.partition("@")[2]
    return [
        ("Return-Path", "<>"),
        ("From", f"Postmaster <postmaster@{host}>"),
        ("To", ", ".join(addresses(received.mail.text("From")))),
        ("Subject", "Undeliverable: " + received.subject.encode("ascii", "replace").decode()),
        ("Date", format_datetime(received.at)),
        ("Message-ID", f"<{received.unique}@{host}>"),
        ("Auto-Submitted", "auto-replied"),
        ("MIME-Version", "1.0"),
    ]


def _words(recipient: str, action: str, answer: str) -> str:
    if action == "delayed":
        title = f"** Delivery incomplete **\r\n\r\nDelivering to {recipient} failed so far and will be tried again."
    else:
        title = f"** Not delivered **\r\n\r\nYour message was not delivered to {recipient}."
    return f"{title}\r\n\r\nThe response was:\r\n{answer}\r\n"


def _status_fields(received: Received, action: str, status: str, answer: str) -> str:
    lines = [
        "Reporting-MTA: dns; googlemail.com",
        f"Arrival-Date: {received.mail.text('Date')}",
        f"X-Original-Message-ID: {received.message_id}",
        "",
        f"Final-Recipient: rfc822; {received.recipient}",
        f"Action: {action}",
        f"Status: {status}",
        f"Remote-MTA: dns; mx.{received.recipient.partition('@')[2]}",
        f"Diagnostic-Code: smtp; {answer}",
        f"Last-Attempt-Date: {format_datetime(received.at)}",
    ]
    return "\r\n".join([*lines, ""])


def _piece(boundary: str, content_type: str, data: bytes) -> bytes:
    return f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode() + data + b"\r\n"
