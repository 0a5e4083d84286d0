"""Delivery status notifications (RFC 3464, in RFC 6522's envelope): what became of a message, and of which. Pure.

Belongs here: reading a report and what its codes mean. Does not: messages that say the same in words only, and
what else a received message can be (`classify`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser

from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.model import clean_text

#: RFC 3463: 5.1.X is the address (but .7 and .8, the sender's), 5.2.1 a mailbox that is switched off, 5.4.1 and
#: 5.4.4 what Exchange and others say where nobody is. 5.0.X tells no reason. Full mailboxes (5.2.2), too large
#: messages (5.2.3, 5.3.4), time (5.4.7) and policy (5.7.X) depend on the message or the day.
_DEAD = re.compile(r"5\.(0\.\d+|1\.(?![78]$)\d+|2\.[01]|4\.(1|4|310))")
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_DEAD_WORDS = re.compile(
    r"(does ?n[o']t|do not) exist|unknown (user|address|recipient)|(user|address|recipient|mailbox) "
    r"(is |was )?(unknown|not found|unavailable)|no such (user|address|recipient|mailbox)|address not found"
    r"|address couldn't be found",
    re.IGNORECASE,
)
#: What the parser of the standard library has been seen to raise on broken parts.
_BROKEN = (ValueError, LookupError, AttributeError, TypeError, RecursionError)
_GOING_ON = ("delayed", "relayed", "expanded", "delivered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What it says of the recipients, and of which message. `pitch_id`: our own header on what came back."""

    action: str = ""
    status: str = ""
    recipients: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    pitch_id: str = ""

    @property
    def goes_on(self) -> bool:
        """Whether nothing has failed (yet)."""
        return self.action in _GOING_ON

    @property
    def is_hard(self) -> bool:
        """Whether the address will never take mail, whatever is sent to it."""
        return not self.goes_on and _DEAD.fullmatch(self.status) is not None


def names_dead_address(text: str) -> bool:
    """Whether a text says that an address does not exist."""
    codes = _ENHANCED.findall(text)
    return any(_DEAD.fullmatch(code) for code in codes) if codes else _DEAD_WORDS.search(text) is not None


def is_report(content_type: str) -> bool:
    """Whether a message of this type may carry a delivery report."""
    kind = content_type.lower()
    return "multipart/report" in kind or "delivery-status" in kind


def read_report(raw: bytes) -> Report | None:
    """The delivery report in a whole message; None for any other message, also one that cannot be read."""
    try:
        return _read(BytesParser(policy=policy.default).parsebytes(raw))
    except _BROKEN:
        return None


def _read(message: EmailMessage) -> Report | None:
    kind = str(message.get_param("report-type", "") or "delivery-status").lower()
    if message.get_content_type() != "multipart/report" or kind != "delivery-status":
        return None
    report = Report()
    for part in message.walk():
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            for group in _groups(part):
                report = _with_recipient(report, group)
        elif part.get_content_type() in ("message/rfc822", "text/rfc822-headers", "message/global-headers"):
            report = _with_original(report, _original(part))
            # What was sent may hold anything, other people's reports too.
            break
    return report


def _groups(part: Message) -> Iterator[Message]:
    """The groups of fields: the first about the message, one more for each recipient."""
    payload = part.get_payload()
    if isinstance(payload, list):
        yield from (each for each in payload if isinstance(each, Message))


def _with_recipient(report: Report, group: Message) -> Report:
    """A failure counts more than a delay, whichever comes last."""
    action, status = _text(group, "Action").lower(), _status(group)
    report = replace(report, message_ids=report.message_ids or _ids(group, "X-Original-Message-ID"))
    named = [_text(group, name).rpartition(";")[2] for name in ("Final-Recipient", "Original-Recipient")]
    recipients = tuple(dict.fromkeys([*report.recipients, *(each.strip().lower() for each in named if each.strip())]))
    if not action or (report.action and not report.goes_on):
        return replace(report, recipients=recipients)
    return replace(report, action=action, status=status, recipients=recipients)


def _status(group: Message) -> str:
    """The code of a recipient; where it says nothing in particular, the one in the server's own words."""
    found = _ENHANCED.search(_text(group, "Status"))
    told = _ENHANCED.search(_text(group, "Diagnostic-Code"))
    if found and (found[1][1:] != ".0.0" or not told):
        return found[1]
    return told[1] if told else ""


def _with_original(report: Report, original: Message) -> Report:
    ids = _ids(original, "Message-ID") or report.message_ids
    return replace(report, message_ids=ids, pitch_id=_text(original, PITCH_HEADER))


def _original(part: EmailMessage) -> Message:
    payload = part.get_payload()
    if isinstance(payload, list):
        return payload[0] if payload and isinstance(payload[0], Message) else EmailMessage()
    decoded = part.get_payload(decode=True)
    return BytesParser(policy=policy.default).parsebytes(decoded if isinstance(decoded, bytes) else b"")


def _ids(message: Message, name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"<[^<>\s]+>", _text(message, name)))


def _text(message: Message, name: str) -> str:
    return clean_text(str(message.get(name, ""))).strip()
