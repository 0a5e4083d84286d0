"""Delivery status notifications (RFC 3464, in RFC 6522's envelope): what became of a message, and of which. Pure.

Belongs here: `Report`, and reading one from the parts that programs write. Does not: messages that say the same in
words only (`notices`), and what else a received message can be (`classify`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser, HeaderParser

from integrations_pipeline.mail import words
from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.model import clean_text

#: RFC 3463: 5.1.X is the address (but .7 and .8, and Exchange's .20 and .90, the sender's), 5.2.1 a mailbox that is
#: switched off, 5.4.1 and 5.4.4 what Exchange and others say where nobody is. 5.0.X tells no reason. Full mailboxes
#: (5.2.2), too large messages (5.2.3, 5.3.4), time (5.4.7) and policy (5.7.X) depend on the message or the day.
_DEAD = re.compile(r"5\.(0\.\d+|1\.(?!(7|8|20|90)$)\d+|2\.[01]|4\.(1|4|310))")
#: Codes that servers give for full mailboxes, policies and haste, too: the words beside them count.
_VAGUE = re.compile(r"5\.(0\.\d+|1\.0|2\.1)")
#: The code for a command that failed, which outlook.com gives for unknown people.
_NO_CODE = "5.5.0"
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
#: What the parser of the standard library has been seen to raise on broken parts.
BROKEN = (ValueError, LookupError, AttributeError, TypeError, RecursionError)
#: Parts that return what was sent.
RETURNED = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
_GOING_ON = ("delayed", "relayed", "expanded", "delivered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a message on its way to one recipient, who may be `named` by more than one address (lower
    case). `is_dead`: the address will never take mail, whatever is sent to it."""

    action: str = ""
    status: str = ""
    named: tuple[str, ...] = ()
    is_dead: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether nothing has failed (yet)."""
        return self.action in _GOING_ON


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What it says of each recipient, and of which message. `pitch_id`: our own header on what came back."""

    fates: tuple[Fate, ...] = ()
    message_ids: tuple[str, ...] = ()
    pitch_id: str = ""

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for fate in self.fates for name in fate.named))

    @property
    def goes_on(self) -> bool:
        """Whether nothing has failed (yet), for anybody: one failure counts more than any delay."""
        told = [fate for fate in self.fates if fate.action]
        return bool(told) and all(fate.goes_on for fate in told)

    def about(self, addresses: Iterable[str]) -> "Report":
        """As far as it concerns these addresses (lower case); a lone recipient without a name may be any."""
        wanted = set(addresses)
        fates = tuple(fate for fate in self.fates if wanted & set(fate.named))
        return replace(self, fates=fates or (self.fates if not self.recipients else ()))

    def is_hard_for(self, addresses: Iterable[str]) -> bool:
        """Whether it names one of these addresses as dead."""
        wanted = set(addresses)
        return any(fate.is_dead and not fate.goes_on and wanted & set(fate.named) for fate in self.fates)


def is_dead_code(status: str, said: str = "") -> bool:
    """Whether an enhanced status code says that the address will never take mail, with the words said beside it."""
    if status == _NO_CODE:
        return says_dead(said)
    is_passing = _VAGUE.fullmatch(status) is not None and words.PASSING.search(said) is not None
    return _DEAD.fullmatch(status) is not None and not is_passing


def says_dead(said: str) -> bool:
    """Whether words alone say so."""
    return words.DEAD.search(said) is not None and words.PASSING.search(said) is None


def codes_in(text: str) -> list[str]:
    """The enhanced status codes (RFC 3463) in a text."""
    return _ENHANCED.findall(text)


def is_report(content_type: str) -> bool:
    """Whether a message of this type may carry a delivery report."""
    kind = content_type.lower()
    return "multipart/report" in kind or "delivery-status" in kind


def read_report(raw: bytes) -> Report | None:
    """The delivery report in a whole message; None for any other message, also one that cannot be read."""
    try:
        return _read(BytesParser(policy=policy.default).parsebytes(raw))
    except BROKEN:
        return None


def _read(message: EmailMessage) -> Report | None:
    kind = str(message.get_param("report-type", "") or "delivery-status").lower()
    if message.get_content_type() != "multipart/report" or not kind.endswith("delivery-status"):
        return None
    report = Report()
    for part in message.walk():
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            for group in _groups(part):
                report = _with_recipient(report, group)
        elif part.get_content_type() in RETURNED:
            # What was sent may hold anything, other people's reports too.
            return with_original(report, original_in(part))
    return report


def _groups(part: Message) -> Iterator[Message]:
    """The groups of fields: the first about the message, one more for each recipient. The standard library parts
    them only for the older of the two types, and only where they are not encoded."""
    payload = part.get_payload()
    if part.get_content_type() == "message/delivery-status" and isinstance(payload, list) and len(payload) > 1:
        yield from (each for each in payload if isinstance(each, Message))
        return
    for text in re.split(r"\r?\n[ \t]*\r?\n", _body(part)):
        if text.strip():
            yield HeaderParser(policy=policy.compat32).parsestr(text.strip() + "\n\n")


def _body(part: Message) -> str:
    """The text of a part that the standard library may have taken for a message within the message."""
    payload = part.get_payload()
    if isinstance(payload, list):
        text = "\n\n".join(each.as_string() for each in payload if isinstance(each, Message))
        encoded = str(part.get("Content-Transfer-Encoding", "")).lower()
        return text if encoded not in ("base64", "quoted-printable") else _decoded(text.strip(), encoded)
    decoded = part.get_payload(decode=True)
    return decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else ""


def _decoded(text: str, encoding: str) -> str:
    shell = Message()
    shell["Content-Transfer-Encoding"] = encoding
    shell.set_payload(text)
    found = shell.get_payload(decode=True)
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else text


def _with_recipient(report: Report, group: Message) -> Report:
    report = replace(report, message_ids=report.message_ids or _ids(group, "X-Original-Message-ID"))
    given = [_text(group, name).rpartition(";")[2] for name in ("Final-Recipient", "Original-Recipient")]
    named = tuple(dict.fromkeys(each.strip().strip("<>").lower() for each in given if each.strip()))
    action, status = _text(group, "Action").lower(), _status(group)
    is_dead = is_dead_code(status, _text(group, "Diagnostic-Code"))
    if not action and not named:
        return report
    fate = Fate(action=action, status=status, named=named, is_dead=is_dead)
    return replace(report, fates=(*report.fates, fate))


def _status(group: Message) -> str:
    """The code of a recipient; where it says nothing in particular, the one in the server's own words."""
    found = _ENHANCED.search(_text(group, "Status"))
    told = _ENHANCED.search(_text(group, "Diagnostic-Code"))
    if found and (found[1][1:] != ".0.0" or not told):
        return found[1]
    return told[1] if told else ""


def with_original(report: Report, original: Message) -> Report:
    """The report with what the message that came back says of itself."""
    ids = _ids(original, "Message-ID") or report.message_ids
    return replace(report, message_ids=ids, pitch_id=_text(original, PITCH_HEADER))


def original_in(part: Message) -> Message:
    """The message that a part returns, or its header alone."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return payload[0] if payload and isinstance(payload[0], Message) else EmailMessage()
    decoded = part.get_payload(decode=True)
    return BytesParser(policy=policy.default).parsebytes(decoded if isinstance(decoded, bytes) else b"")


def _ids(message: Message, name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"<[^<>\s]+>", _text(message, name)))


def _text(message: Message, name: str) -> str:
    return clean_text(str(message.get(name, ""))).strip()
