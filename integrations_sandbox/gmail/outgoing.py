"""What Gmail makes of a message that its owner sends.

Belongs here: the checks of a message before it is sent or kept as a draft, and the header fields that Gmail writes,
replaces and removes. Does not belong here: delivering it (`world`), threads, limits on the number of mails.

Of a sent mail: Message-ID by the option; From becomes the primary address unless it names the account or a verified
alias; Date and MIME-Version are added where they are missing; Bcc stays in the sender's copy and is not in
the delivered ones; HTML-only mail gets a text part; everything else, fields of one's own among it, stays as it is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime, formataddr

from integrations_sandbox.gmail import errors, parts
from integrations_sandbox.gmail.mailbox import Mailbox
from integrations_sandbox.gmail.model import Content, SendAs
from integrations_sandbox.gmail.options import GmailOptions
from integrations_sandbox.gmail.raw import RawMail, addresses, is_valid_recipients

MOST_RECIPIENTS = 500
#: Assumed: what counts as a well-formed Message-ID where well-formed ones are kept.
_WELL_FORMED = re.compile(r"<[^<>@\s]+@[^<>@\s]+>")
_RECIPIENT_FIELDS = ("To", "Cc", "Bcc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A mail that was accepted: the sender's copy, the copy that leaves, and to whom, each address once."""

    sent: bytes
    delivered: bytes
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a mail gets when it is sent: an identifier that nobody else has, the time, and the way it came."""

    unique: str
    at: datetime
    way: str = "gmailapi.google.com with HTTPREST"


def check_draft(raw: bytes) -> None:
    """A draft may lack recipients, but those it has must be ones."""
    _check_recipient_fields(RawMail.parse(raw))


def prepare(raw: bytes, mailbox: Mailbox, options: GmailOptions, stamp: Stamp) -> Outgoing:
    """Raises WireError for recipients that are missing or wrong."""
    mail = RawMail.parse(raw)
    _check_recipient_fields(mail)
    recipients = tuple(dict.fromkeys(_recipients(mail)))
    if not recipients:
        raise errors.invalid_argument("Recipient address required")
    if len(recipients) > MOST_RECIPIENTS:
        # Assumed: the wording; the limit is documented.
        raise errors.invalid_argument("Too many recipients")
    if options.adds_text_part:
        mail = _with_text_part(mail, stamp)
    mail = _with_message_id(_with_sender(mail, mailbox), options, stamp)
    mail = _with_missing_fields(mail, stamp)
    mail = mail.below(("Received", f"from 100000000001 named unknown by {stamp.way}; {_date(stamp.at)}"))
    return Outgoing(sent=mail.to_bytes(), delivered=mail.without("Bcc").to_bytes(), recipients=recipients)


def _check_recipient_fields(mail: RawMail) -> None:
    for name in _RECIPIENT_FIELDS:
        if not all(is_valid_recipients(text) for text in mail.texts(name)):
            raise errors.invalid_argument(f"Invalid {name} header")


def _recipients(mail: RawMail) -> Iterable[str]:
    for name in _RECIPIENT_FIELDS:
        for text in mail.texts(name):
            yield from addresses(text)


def _with_sender(mail: RawMail, mailbox: Mailbox) -> RawMail:
    named = addresses(mail.text("From"))
    if named and mailbox.is_own(named[0]):
        return mail
    primary = mailbox.senders[mailbox.address]
    return mail.with_field("From", _named(primary))


def _named(sender: SendAs) -> str:
    return formataddr((sender.display_name, sender.address))


def _with_message_id(mail: RawMail, options: GmailOptions, stamp: Stamp) -> RawMail:
    given = mail.text("Message-ID")
    if options.message_id == "preserve" and _WELL_FORMED.fullmatch(given):
        return mail
    mail = mail.with_field("Message-ID", f"<CA{stamp.unique}@mail.gmail.com>")
    if options.message_id == "preserve" and given:
        mail = mail.with_field("X-Google-Original-Message-ID", given)
    return mail


def _with_missing_fields(mail: RawMail, stamp: Stamp) -> RawMail:
    if not mail.has("Date"):
        mail = mail.with_field("Date", _date(stamp.at))
    return mail if mail.has("MIME-Version") else mail.below(("MIME-Version", "1.0"))


def _with_text_part(mail: RawMail, stamp: Stamp) -> RawMail:
    """HTML alone becomes an alternative of text and HTML."""
    content = Content(mail.to_bytes())
    if content.root.mime_type != "text/html":
        return mail
    moved = [pair for pair in mail.fields if pair[0].lower().startswith("content-")]
    rich = RawMail(tuple(moved), mail.body).to_bytes()
    text = parts.text_of(content.root).strip().encode()
    plain = b"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text
    boundary = f"000000000000{stamp.unique[:16]}"
    mark = b"--" + boundary.encode()
    body = b"\r\n".join([mark, plain, mark, rich, mark + b"--", b""])
    outer = mail.without(*(name for name, _ in moved))
    return replace(outer.with_field("Content-Type", f'multipart/alternative; boundary="{boundary}"'), body=body)


def _date(at: datetime) -> str:
    return format_datetime(at)
