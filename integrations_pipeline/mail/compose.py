"""A pitch as an RFC 5322 message, made by the standard library's e-mail package. Pure.

Belongs here: the message. Does not: whether and when it is sent (`sync.mailing.pitches`).
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from html.parser import HTMLParser

from integrations_pipeline.model import clean_text

#: Our own header: how a message is told to be this pitch, whatever ids the provider gives it.
PITCH_HEADER = "X-Integrations-Pitch"
#: The largest message that is made, in bytes: mailboxes that we know take no larger one.
LARGEST = 36_700_160
_BLOCKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "blockquote"})
_HIDDEN = ("style", "script", "title")
#: A whole tag: `<p@example.org> wrote:` begins a plain text.
_HTML = re.compile(
    r"\s*<(?:!doctype|html|head|body|p|div|table|h[1-6]|span|br|a|b|i|strong|em|ul|ol|center)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_DOCUMENT = re.compile(r"<(?:!doctype|html|body)\b", re.IGNORECASE)
_IDENTIFIER = re.compile(r"<[!-;=?-~]+>")
_ADDRESS = re.compile(r"[!#-'*+\--9=?A-Z^-~]+@[-.0-9A-Za-z]+")
#: Characters of a header's text in one line: with the longest name of a header less than RFC 5322 recommends.
_SHORT = 60


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
    """The sent message that a pitch answers: its Message-ID, the ones before it, and the subject of the thread."""

    message_id: str
    references: Sequence[str] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a pitch says. `to` is a valid recipient. `body` is plain text, or HTML if it begins with a tag."""

    pitch_id: str
    to: str
    subject: str
    body: str
    to_name: str = ""

    @property
    def least_size(self) -> int:
        """Bytes that the message has at least: composing something far too large takes minutes."""
        return len(self.body) * (1 if _HTML.match(self.body) else 2)


def compose(letter: Letter, sender: Sender, at: datetime, parent: Parent | None = None) -> bytes:
    """The message as bytes with CRLF line ends, ASCII throughout: text and HTML, threaded under `parent`.

    Raises ValueError for addresses that are none. The standard library makes the body. It cannot be trusted with
    the header: it decodes what looks like an encoded word, breaks long names out of their quotes, and encodes
    identifiers that are longer than a line.
    """
    subject = reply_subject(parent.subject) if parent else one_line(letter.subject)
    fields = [
        ("From", _address(sender.address, sender.name)),
        ("To", _address(letter.to, letter.to_name)),
        ("Subject", _words(subject)),
        ("Date", format_datetime(at)),
        ("Message-ID", make_msgid(idstring="pitch", domain=sender.address.rpartition("@")[2])),
        (PITCH_HEADER, letter.pitch_id),
        *_threading(parent),
        *_ways_out(sender.list_unsubscribe),
    ]
    plain, rich = both_forms(letter.body)
    signature, rich_signature = both_forms(sender.signature) if sender.signature.strip() else ("", "")
    message = EmailMessage(policy=SMTP)
    message.set_content(plain + (f"\n\n-- \n{signature}" if signature else ""), cte="quoted-printable")
    message.add_alternative(_document(rich, rich_signature), subtype="html", cte="quoted-printable")
    head = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
    return head.encode("ascii") + message.as_bytes()


def _threading(parent: Parent | None) -> list[tuple[str, str]]:
    if parent is None:
        return []
    answered = _IDENTIFIER.findall(parent.message_id)[:1]
    earlier = [each for text in parent.references for each in _IDENTIFIER.findall(text)]
    references = dict.fromkeys([*earlier, *answered])
    return [("In-Reply-To", "".join(answered)), ("References", "\r\n ".join(references))]


def _ways_out(list_unsubscribe: str) -> list[tuple[str, str]]:
    """The headers of RFC 2369 and RFC 8058."""
    ways_out = _IDENTIFIER.findall(list_unsubscribe)
    is_one_click = any(each.startswith("<https:") for each in ways_out)
    return [
        ("List-Unsubscribe", ",\r\n ".join(ways_out)),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click" if is_one_click else ""),
    ]


def _address(address: str, name: str) -> str:
    """An address with its name: short plain names quoted, all others encoded."""
    if not _ADDRESS.fullmatch(address):
        raise ValueError("not an address")
    plain = one_line(name)
    if _is_plain(plain) and len(plain) <= _SHORT:
        plain = re.sub(r'(["\\])', r"\\\1", plain)
        return f'"{plain}" <{address}>' if plain else address
    return f"{_encoded(plain)}\r\n <{address}>"


def _words(text: str) -> str:
    """Text of a header, in lines that are not too long."""
    return text if _is_plain(text) and len(text) <= _SHORT else _encoded(text)


def _is_plain(text: str) -> bool:
    return text.isascii() and "=?" not in text


def _encoded(text: str) -> str:
    return Header(text, "utf-8", maxlinelen=_SHORT, header_name=PITCH_HEADER).encode(linesep="\r\n")


def one_line(text: str) -> str:
    """Header text: a line break in it would begin another header, and other control characters are none."""
    return "".join(each for each in " ".join(clean_text(text).split()) if unicodedata.category(each) != "Cc")


def reply_subject(subject: str) -> str:
    """The subject under which mail programs keep an answer in its thread."""
    plain = one_line(subject)
    return plain if plain.lower().startswith("re:") else f"Re: {plain}"


def both_forms(body: str) -> tuple[str, str]:
    """(plain text, HTML) of a body that is one of them."""
    body = clean_text(body).replace("\r\n", "\n").replace("\r", "\n")
    if _HTML.match(body):
        reader = _TextOf()
        reader.feed(body)
        reader.close()
        return re.sub(r" *\n *(?:\n *)+", "\n\n", "".join(reader.parts)).strip(), body
    paragraphs = re.split(r"\n\s*\n", body.strip())
    rich = "".join(f"<p>{html.escape(part).replace(chr(10), '<br>')}</p>" for part in paragraphs)
    return body.strip(), rich


def _document(rich: str, signature: str) -> str:
    """A whole HTML document; one that is whole already only gets the signature."""
    below = f"<br>{signature}" if signature else ""
    if not _DOCUMENT.search(rich):
        return f"<!doctype html><html><body>{rich}{below}</body></html>"
    end = re.search(r"</body\s*>(?!.*</body)|</html\s*>|\Z", rich, re.IGNORECASE | re.DOTALL)
    at = end.start() if end else len(rich)
    return rich[:at] + below + rich[at:]


class _TextOf(HTMLParser):
    """The text of an HTML body, a line per block; addresses of links stand behind their words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self.parts.append("\n")
        if tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        # A stray end tag must not hide the rest.
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))
        if tag in ("p", "div", "h1", "h2", "h3"):
            self.parts.append("\n")
        link = self._links.pop() if tag == "a" and self._links else ""
        if link.startswith(("http://", "https://", "mailto:")) and not "".join(self.parts[-1:]).endswith(link):
            self.parts.append(f" <{link}>")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))
