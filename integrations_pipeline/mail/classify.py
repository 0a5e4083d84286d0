"""What a received message is: a reply, a bounce, a vacation answer, another machine's. Pure.

By the standard headers (RFC 3834, 3464, 6522) and the older ones that vendors still send. Belongs here: one
message by itself. Does not: which pitch it answers (`sync.replies`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from enum import StrEnum
from typing import cast

from integrations_pipeline.mail.addresses import addresses_of
from integrations_pipeline.mail.compose import PITCH_HEADER

Headers = Mapping[str, Sequence[str]]


class MailKind(StrEnum):
    """`DELAYED` is a machine's word that it goes on trying: no reply and no bounce."""

    REPLY = "reply"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    OUT_OF_OFFICE = "out_of_office"
    DELAYED = "delayed"
    LIST = "list"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A delivery status notification: what it says of the recipients, and of which message."""

    action: str = ""
    status: str = ""
    recipients: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    pitch_id: str = ""

    @property
    def is_permanent(self) -> bool:
        return self.action == "failed" and not self.status.startswith("4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as far as it matters: its headers by lower-case name, and its report if it carries one."""

    headers: Headers
    report: Report | None = None
    snippet: str = ""
    message_ids: tuple[str, ...] = field(default=())


_DAEMONS = ("mailer-daemon", "postmaster")
_VACATION = re.compile(
    r"out of (the )?office|away from (the |my )?(office|desk)|vacation|on (annual |parental |sick )?leave|holiday"
    r"|abwesen|urlaub|absence|absent|fuera de (la )?oficina|frånvar|fravær|ferie|afwezig|poza biurem|不在",
    re.IGNORECASE,
)


def classify(received: Received, own: Sequence[str]) -> MailKind:
    """The kind of a message, asked in this order.

    ======================================================  =============================
    what it is                                              kind
    ======================================================  =============================
    from one of our own addresses                           own
    a delivery report that says failed, or a daemon's text  bounce
    a delivery report that says delayed                     delayed
    an answer by a machine, about an absence                out_of_office
    an answer by another machine                            auto_reply
    a list's or a mass mailing                              list
    anything else                                           reply
    ======================================================  =============================
    """
    headers = received.headers
    sender = sender_of(headers)
    if sender in {address.lower() for address in own}:
        return MailKind.OWN
    if received.report is not None:
        return _kind_of_report(received.report)
    if sender.partition("@")[0] in _DAEMONS:
        return MailKind.BOUNCE if headers.get("x-failed-recipients") or _names_failure(headers) else MailKind.AUTO_REPLY
    if is_automatic(headers):
        is_away = _VACATION.search(_first(headers, "subject") + " " + received.snippet) or _is_vacation(headers)
        return MailKind.OUT_OF_OFFICE if is_away else MailKind.AUTO_REPLY
    if headers.get("list-id") or _precedence(headers) in ("bulk", "list", "junk"):
        return MailKind.LIST
    return MailKind.REPLY


def _kind_of_report(report: Report) -> MailKind:
    if report.action in ("delayed", "relayed", "expanded", "delivered"):
        return MailKind.DELAYED
    return MailKind.BOUNCE


def is_automatic(headers: Headers) -> bool:
    """RFC 3834's header, and the ones that came before it."""
    auto = _first(headers, "auto-submitted").lower().split(";")[0].strip()
    if auto and auto != "no":
        return True
    suppressed = _first(headers, "x-auto-response-suppress").lower()
    return (
        any(headers.get(name) for name in ("x-autoreply", "x-autorespond", "x-autoresponse", "x-mail-autoreply"))
        or _precedence(headers) == "auto_reply"
        or ("all" in suppressed and bool(headers.get("in-reply-to")) and _is_vacation(headers))
    )


def _is_vacation(headers: Headers) -> bool:
    told = " ".join(_first(headers, name) for name in ("auto-submitted", "x-auto-reply", "x-autoreply-reason"))
    return "vacation" in told.lower() or _VACATION.search(_first(headers, "subject")) is not None


def _names_failure(headers: Headers) -> bool:
    subject = _first(headers, "subject").lower()
    return any(part in subject for part in ("undeliver", "failure", "returned mail", "not delivered", "rejected"))


def _precedence(headers: Headers) -> str:
    return _first(headers, "precedence").strip().lower()


def _first(headers: Headers, name: str) -> str:
    values = headers.get(name) or ("",)
    return values[0]


def sender_of(headers: Headers) -> str:
    """The author's address in lower case, or ""."""
    found = addresses_of(headers.get("from", ()))
    return found[0].addr_spec.lower() if found else ""


def referenced_ids(headers: Headers) -> tuple[str, ...]:
    """Message-IDs that a message answers, nearest first."""
    told = [*headers.get("in-reply-to", ()), *reversed(" ".join(headers.get("references", ())).split())]
    return tuple(dict.fromkeys(each for value in told for each in re.findall(r"<[^<>\s]+>", value)))


def bare_subject(subject: str) -> str:
    """A subject without the prefixes that answering adds, in lower case."""
    return (
        re.sub(r"^\s*((re|aw|sv|fw|fwd|wg|antw|vs|ref)\s*(\[\d+\])?\s*:\s*)+", "", subject, flags=re.I).strip().lower()
    )


def read_raw(raw: bytes) -> Received:
    """A whole message; its delivery report, if it carries one, with the ids of the message it is about."""
    message = BytesParser(policy=policy.default).parsebytes(raw)
    headers: dict[str, list[str]] = {}
    for name, value in message.raw_items():
        headers.setdefault(name.lower(), []).append(str(value))
    return Received(headers=headers, report=_read_report(message))


def _read_report(message: EmailMessage) -> Report | None:
    is_report = message.get_content_type() == "multipart/report"
    if not is_report or message.get_param("report-type", "") not in ("delivery-status", ""):
        return None
    action, status, recipients, ids, pitch_id = "", "", [], [], ""
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status":
            for group in part.get_payload():
                action = str(group.get("Action", action)).strip().lower() if hasattr(group, "get") else action
                status = str(group.get("Status", status)).strip() if hasattr(group, "get") else status
                found = str(group.get("Final-Recipient", "")) if hasattr(group, "get") else ""
                recipients += [found.rpartition(";")[2].strip().lower()] if found else []
        elif part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            original = _original(part)
            ids += re.findall(r"<[^<>\s]+>", str(original.get("Message-ID", "")))
            pitch_id = pitch_id or str(original.get(PITCH_HEADER, "")).strip()
    return Report(action=action, status=status, recipients=tuple(recipients), message_ids=tuple(ids), pitch_id=pitch_id)


def _original(part: EmailMessage) -> EmailMessage:
    if part.get_content_type() == "message/rfc822":
        payload = part.get_payload()
        return cast(EmailMessage, payload[0] if isinstance(payload, list) and payload else EmailMessage())
    text = part.get_content() if hasattr(part, "get_content") else ""
    return BytesParser(policy=policy.default).parsebytes(str(text).encode("utf-8", "replace"))
