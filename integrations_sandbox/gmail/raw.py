"""A message as bytes: its header fields in their order, exactly as they came, and its body.

Belongs here: reading and changing header fields without touching anything else, addresses in them.
Does not belong here: MIME parts (`parts`), which fields Gmail changes (`outgoing`).
"""

import re
from dataclasses import dataclass, replace
from email.errors import HeaderParseError, InvalidHeaderDefect, NonASCIILocalPartDefect
from email.header import decode_header, make_header
from email.headerregistry import HeaderRegistry
from email.utils import getaddresses
from typing import Any

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_SPECIALS = re.compile(r'[()<>@,:;".\[\]\\]')
_ADDRESS_FIELDS = frozenset(["from", "to", "cc", "bcc", "reply-to", "sender", "delivered-to"])
_registry = HeaderRegistry()


@dataclass(frozen=True, slots=True)
class RawMail:
    """`fields` are names as their sender wrote them, and values with their folding; line ends are CRLF."""

    fields: tuple[tuple[str, bytes], ...]
    body: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "RawMail":
        """Never refuses: what cannot be a header field begins the body, as in the standard library's parser."""
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        fields: list[tuple[str, bytes]] = []
        start = 0
        while start < len(raw):
            end = raw.find(b"\r\n", start)
            line = raw[start:] if end < 0 else raw[start:end]
            after = len(raw) if end < 0 else end + 2
            if not line:
                start = after
                break
            if line[:1] in b" \t" and fields:
                name, value = fields[-1]
                fields[-1] = (name, value + b"\r\n" + line)
            else:
                found = _FIELD.fullmatch(line)
                if found is None:
                    break
                fields.append((found[1].decode("ascii"), found[2]))
            start = after
        return cls(tuple(fields), raw[start:])

    def to_bytes(self) -> bytes:
        head = b"".join(name.encode("ascii") + b":" + value + b"\r\n" for name, value in self.fields)
        return head + b"\r\n" + self.body

    def texts(self, name: str) -> list[str]:
        """The values of all fields of that name, unfolded and decoded, in their order."""
        return [shown(key, value) for key, value in self.fields if key.lower() == name.lower()]

    def text(self, name: str) -> str:
        return next(iter(self.texts(name)), "")

    def has(self, name: str) -> bool:
        return any(key.lower() == name.lower() for key, _ in self.fields)

    def without(self, *names: str) -> "RawMail":
        gone = {name.lower() for name in names}
        return replace(self, fields=tuple(pair for pair in self.fields if pair[0].lower() not in gone))

    def with_field(self, name: str, value: str) -> "RawMail":
        """The first field of that name gets the value and keeps its place and its spelling; others of it go."""
        new = b" " + value.encode()
        fields: list[tuple[str, bytes]] = []
        is_placed = False
        for key, old in self.fields:
            if key.lower() != name.lower():
                fields.append((key, old))
            elif not is_placed:
                fields.append((key, new))
                is_placed = True
        return replace(self, fields=(*fields, *(() if is_placed else ((name, new),))))

    def below(self, *lines: tuple[str, str]) -> "RawMail":
        """The same with further fields on top, as servers on the way add them."""
        return replace(self, fields=(*((name, b" " + value.encode()) for name, value in lines), *self.fields))


def shown(name: str, value: bytes) -> str:
    """A field's value as the API gives it: unfolded, encoded words decoded."""
    text = re.sub(rb"\r\n(?=[ \t])", b"", value).strip().decode("utf-8", "replace")
    if "=?" not in text:
        return text
    if name.lower() in _ADDRESS_FIELDS:
        return ", ".join(_with_name(_decoded(person), address) for person, address in getaddresses([text]))
    return _decoded(text)


def message_ids(text: str) -> list[str]:
    """The identifiers in a Message-ID, In-Reply-To or References field, with their brackets."""
    return _MESSAGE_ID.findall(text)


def addresses(text: str) -> list[str]:
    """The addresses in a field, in lower case, without names; what is no address is left out."""
    return [address.lower() for _, address in getaddresses([text]) if "@" in address]


def names_and_addresses(text: str) -> list[tuple[str, str]]:
    return [(name, address.lower()) for name, address in getaddresses([text]) if "@" in address]


def is_valid_recipients(text: str) -> bool:
    """Whether Gmail takes this as a To, Cc or Bcc.

    Seen refused: a host without a dot, a group with members. Assumed: an empty group is taken.
    """
    try:
        header: Any = _registry("to", text)
    except (IndexError, AttributeError, ValueError, HeaderParseError):
        return False  # the standard library's parser breaks on some garbage instead of naming a defect
    if any(isinstance(defect, InvalidHeaderDefect | NonASCIILocalPartDefect) for defect in header.defects):
        return False
    if any(group.display_name and group.addresses for group in header.groups):
        return False
    return all("." in each.domain and each.username for each in header.addresses)


def _decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text)))
    except (LookupError, UnicodeError, HeaderParseError):
        return text


def _with_name(name: str, address: str) -> str:
    if not name:
        return address
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>' if _SPECIALS.search(name) else f"{name} <{address}>"
