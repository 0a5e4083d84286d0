"""A message's MIME parts as the API shows them: the tree under `payload`, bodies, attachments, text.

Belongs here: reading a stored message with the standard library's parser. Does not belong here: header rules, which
format a request asks for.
"""

import base64
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import Message as MimeMessage
from email.policy import compat32

from integrations_sandbox.gmail.raw import shown
from integrations_sandbox.wire import JsonObject

#: Assumed: text of more bytes than this is not in the answer but fetched as an attachment.
INLINE_LIMIT = 100_000
SNIPPET_LENGTH = 200
_UNFOLDED = compat32.clone(max_line_length=0, linesep="\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part. `data` is decoded, and text of any charset is turned into UTF-8, as Gmail does it, while the headers
    go on naming the old charset. `is_attached`: the answer holds an id for `attachments.get` in place of the data."""

    id: str
    mime_type: str
    filename: str
    headers: tuple[tuple[str, str], ...]
    data: bytes
    is_attached: bool
    parts: tuple["Part", ...] = ()

    def walk(self) -> Iterator["Part"]:
        yield self
        for part in self.parts:
            yield from part.walk()

    def to_json(self, attachment_salt: str) -> JsonObject:
        """`attachment_salt` is part of the ids of attachments, which differ from answer to answer."""
        body: JsonObject = {"size": len(self.data)}
        if self.is_attached:
            body = {"attachmentId": f"ANGjdJ{attachment_salt}_{self.id}"} | body
        elif self.data:
            body["data"] = encoded(self.data)
        document: JsonObject = {"partId": self.id, "mimeType": self.mime_type, "filename": self.filename}
        document["headers"] = [{"name": name, "value": value} for name, value in self.headers]
        document["body"] = body
        if self.parts:
            document["parts"] = [part.to_json(attachment_salt) for part in self.parts]
        return document


def read_parts(raw: bytes) -> Part:
    return _read(message_from_bytes(raw), "")


def encoded(data: bytes) -> str:
    """base64url as Gmail writes it: without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes:
    """base64 of either alphabet, with or without padding. Raises ValueError for anything else."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def text_of(root: Part) -> str:
    """What a person reads: the plain text, or the HTML without its marks."""
    leaves = [part for part in root.walk() if not part.parts and not part.filename]
    plain = next((part for part in leaves if part.mime_type == "text/plain" and part.data), None)
    if plain is not None:
        return plain.data.decode("utf-8", "replace")
    rich = next((part for part in leaves if part.mime_type == "text/html"), None)
    return _without_marks(rich.data.decode("utf-8", "replace")) if rich is not None else ""


def snippet_of(text: str) -> str:
    """The beginning of the text in one line, escaped for HTML, as Gmail escapes it."""
    line = " ".join(text.split())
    return html.escape(line[:SNIPPET_LENGTH].strip()).replace("&#x27;", "&#39;")


def _read(part: MimeMessage, part_id: str) -> Part:
    base = Part(
        id=part_id,
        mime_type=part.get_content_type(),
        filename=part.get_filename() or "",
        headers=tuple((name, shown(name, _bytes(value))) for name, value in part.raw_items()),
        data=b"",
        is_attached=False,
    )
    if base.mime_type == "message/delivery-status":
        return _status(part, base)
    if part.is_multipart():
        children = (each for each in part.get_payload() if isinstance(each, MimeMessage))
        prefix = part_id + "." if part_id else ""
        return replace(base, parts=tuple(_read(child, f"{prefix}{n}") for n, child in enumerate(children)))
    data = _utf8(part) if base.mime_type.startswith("text/") else _payload(part)
    is_attached = bool(base.filename) or not base.mime_type.startswith("text/") or len(data) > INLINE_LIMIT
    return replace(base, data=data, is_attached=is_attached and bool(data))


def _status(part: MimeMessage, base: Part) -> Part:
    """Seen: in Gmail's own reports this part is an empty container whose text stands in a child; in those of
    others the text is in the part itself. Assumed: a name of the part makes the difference."""
    blocks = part.get_payload()
    data = b"".join(each.as_bytes(policy=_UNFOLDED) for each in blocks if isinstance(each, MimeMessage))
    if base.filename:
        return replace(base, data=data)
    child = replace(base, id=f"{base.id}.0" if base.id else "0", mime_type="text/plain", headers=(), data=data)
    return replace(base, parts=(child,))


def _bytes(value: object) -> bytes:
    return str(value).encode("utf-8", "surrogateescape")


def _payload(part: MimeMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _utf8(part: MimeMessage) -> bytes:
    data = _payload(part)
    charset = part.get_content_charset("utf-8")
    try:
        return data.decode(charset).encode()
    except (LookupError, UnicodeError):
        return data


def _without_marks(text: str) -> str:
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>", " ", text)
    text = re.sub(r"(?i)<br\s*/?>|</(p|div|tr|h[1-6]|li)>", "\n", text)
    return html.unescape(re.sub(r"<[^>]*>", "", text))
