"""One admitted call of the API, and how its parameters are read.

Belongs here: what every handler needs. Does not belong here: finding the method, tokens, what a method does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations_sandbox.gmail import errors, parts
from integrations_sandbox.gmail.mailbox import Mailbox
from integrations_sandbox.gmail.methods import METADATA
from integrations_sandbox.gmail.model import Message
from integrations_sandbox.wire import JsonObject, Reply, Request

#: Assumed for sizes out of range: the nearest one that is allowed.
DEFAULT_SIZE, MOST_RESULTS = 100, 500
MOST_LABELS_CHANGED = 100
MOST_IDS = 1000
_FORMATS = ("full", "metadata", "minimal", "raw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`document` is the JSON body; `media` an uploaded message, in place of `raw`, and `media_limit` its most bytes.
    `attachment_salt` differs from call to call."""

    request: Request
    mailbox: Mailbox
    scopes: frozenset[str]
    now: datetime
    document: JsonObject
    media: bytes | None = None
    media_limit: int = 0
    attachment_salt: str = ""

    @property
    def has_metadata_scope(self) -> bool:
        """Seen: a token with this scope is held to it, whatever other scopes it has."""
        return METADATA in self.scopes

    def flag(self, name: str) -> bool:
        return (self.request.value(name) or "").lower() == "true"

    def page_size(self) -> int:
        text = self.request.value("maxResults") or str(DEFAULT_SIZE)
        if not text.isdigit():
            raise errors.invalid_argument(f"Invalid value at 'max_results' (TYPE_UINT32), \"{text}\"")
        return min(max(int(text), 1), MOST_RESULTS)

    def query(self) -> str | None:
        """`q`; a token for metadata may not even send an empty one."""
        query = self.request.value("q")
        if query is not None and self.has_metadata_scope:
            raise errors.forbidden("Metadata scope does not support 'q' parameter")
        return query

    def raw(self, message: JsonObject, field: str) -> bytes:
        """The message to send or keep, from the upload or from `raw`."""
        if self.media is not None:
            return self.media
        text = message.get("raw")
        if not isinstance(text, str) or not text:
            raise errors.invalid_argument(
                "'raw' RFC822 payload message string or uploading message via /upload/* URL required"
            )
        try:
            raw = parts.decoded(text)
        except ValueError as error:
            raise errors.invalid_bytes(field) from error
        if self.media_limit and len(text) > self.media_limit:
            raise errors.too_large(self.media_limit)
        return raw

    def shown(self, message: Message) -> JsonObject:
        """The message in the format that was asked for."""
        style = (self.request.value("format") or "full").lower()
        if style not in _FORMATS:
            raise errors.invalid_argument(f"Invalid value at 'format' (TYPE_ENUM), \"{style}\"")
        if self.has_metadata_scope and style in ("full", "raw"):
            raise errors.forbidden(f"Metadata scope doesn't allow format {style.upper()}")
        if style == "full":
            return message.full(self.attachment_salt)
        if style == "metadata":
            return message.metadata(self.request.values("metadataHeaders"))
        return message.raw() if style == "raw" else message.minimal()

    def strings(self, name: str) -> list[str]:
        """A list of strings in the body; absent, an empty one."""
        value = self.document.get(name) or []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise errors.invalid_argument(f"Invalid value at '{name}'")
        return value

    def ids(self) -> list[str]:
        ids = self.strings("ids")
        if not ids or len(ids) > MOST_IDS:
            # Assumed: the wording; the limit is documented.
            raise errors.invalid_argument(f"The list of ids must hold 1 to {MOST_IDS}")
        return ids


Handler = Callable[..., Reply]
Handlers = Mapping[str, Handler]


def find_message(mailbox: Mailbox, message_id: str) -> Message:
    """Raises WireError: 400 for what cannot be an id, 404 for a message that is not there."""
    if not message_id or not all(letter in "0123456789abcdef" for letter in message_id):
        raise errors.invalid_argument("Invalid id value")
    message = mailbox.message(message_id)
    if message is None:
        raise errors.not_found()
    return message


def has_labels(message: Message, labels: Sequence[str]) -> bool:
    return all(label in message.labels for label in labels)


def listed(name: str, items: list[JsonObject], token: str | None) -> Reply:
    """A page; an empty one leaves the list out, and the estimate is one."""
    body: dict[str, Any] = {name: items} if items else {}
    if token:
        body["nextPageToken"] = token
    return Reply(body=body | {"resultSizeEstimate": len(items) + (1 if token else 0)})


def page_of(messages: Sequence[Message], size: int, token: str | None) -> tuple[list[Message], str | None]:
    """The messages after the token's, newest first, and the token of the next page.

    A token names the last message given, so that mail which comes meanwhile shifts nothing.
    """
    before = _read_token(token) if token else None
    rest = [message for message in messages if before is None or message.order < before]
    page = list(rest[:size])
    if len(rest) <= size:
        return page, None
    internal_ms, number = page[-1].order
    return page, f"{internal_ms:015d}{number:08d}"


def _read_token(token: str) -> tuple[int, int]:
    if len(token) != 23 or not token.isdigit():
        raise errors.invalid_argument("Invalid pageToken")
    return int(token[:15]), int(token[15:])
