"""A pitch as an RFC 5322 message, made by the standard library's e-mail package. Pure.

Belongs here: the message. Does not: whether and when it is sent (`sync.pitches`).
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from html.parser import HTMLParser

#: Our own header: how a message is told to be this pitch, whatever ids the provider gives it.
PITCH_HEADER = "X-Integrations-Pitch"
#: The largest message that Gmail takes for sending (API reference, users.drafts.create), in bytes.
LARGEST = 36_700_160
_BLOCKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "blockquote"})
_HTML = re.compile(r"\s*<(?:!doctype|html|body|p|div|table|h[1-6]|span|br|a|b|i|strong|em|ul|ol)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who writes: `address` is the account or one of its aliases."""

    address: str
    name: str = ""
    signature: str = ""
    #: The value of the header List-Unsubscribe, as `<mailto:…>` or `<https://…>`; "" for none.
    list_unsubscribe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The sent message that a pitch answers: its Message-ID, the ones before it, and its subject."""

    message_id: str
    references: Sequence[str] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a pitch says. `body` is plain text, or HTML if it begins with a tag."""

    pitch_id: str
    to: str
    subject: str
    body: str
    to_name: str = ""


def compose(letter: Letter, sender: Sender, at: datetime, parent: Parent | None = None) -> bytes:
    """The message as bytes with CRLF line ends: text and HTML, threaded under `parent`."""
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(sender.address, sender.name)
    message["To"] = _address(letter.to, letter.to_name)
    message["Subject"] = one_line(reply_subject(parent.subject) if parent else letter.subject)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = make_msgid(idstring="pitch", domain=sender.address.rpartition("@")[2])
    message[PITCH_HEADER] = letter.pitch_id
    if parent:
        message["In-Reply-To"] = parent.message_id
        message["References"] = " ".join([*parent.references, parent.message_id])
    if sender.list_unsubscribe:
        message["List-Unsubscribe"] = one_line(sender.list_unsubscribe)
        if "https:" in sender.list_unsubscribe:
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    plain, rich = both_forms(letter.body)
    signature, rich_signature = both_forms(sender.signature) if sender.signature else ("", "")
    message.set_content(plain + (f"\n\n-- \n{signature}" if signature else ""), cte="quoted-printable")
    document = f"<!doctype html><html><body>{rich}{'<br>' + rich_signature if signature else ''}</body></html>"
    message.add_alternative(document, subtype="html", cte="quoted-printable")
    return message.as_bytes()


def one_line(text: str) -> str:
    """Header text: a line break in it would begin another header."""
    return " ".join(text.split())


def reply_subject(subject: str) -> str:
    """The subject under which mail programs keep an answer in its thread."""
    plain = one_line(subject)
    return plain if plain.lower().startswith("re:") else f"Re: {plain}"


def both_forms(body: str) -> tuple[str, str]:
    """(plain text, HTML) of a body that is one of them."""
    if _HTML.match(body):
        reader = _TextOf()
        reader.feed(body)
        return re.sub(r"\n{3,}", "\n\n", "".join(reader.parts)).strip(), body
    paragraphs = re.split(r"\n\s*\n", body.replace("\r\n", "\n").strip())
    rich = "".join(f"<p>{html.escape(part).replace(chr(10), '<br>')}</p>" for part in paragraphs)
    return body.replace("\r\n", "\n").strip(), rich


def _address(address: str, name: str) -> Address:
    return Address(display_name=one_line(name), addr_spec=address)


class _TextOf(HTMLParser):
    """The text of an HTML body, a line per block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._hidden += tag in ("style", "script", "title")
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script", "title")
        if tag in ("p", "div", "h1", "h2", "h3"):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))
