"""What a mailbox is made of: messages, drafts, labels, sender addresses.

Belongs here: the stored shapes, and the JSON that the API gives of them. Does not belong here: changing a mailbox
(`mailbox`), history, HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from integrations_sandbox.gmail import parts
from integrations_sandbox.gmail.raw import RawMail, message_ids
from integrations_sandbox.wire import JsonObject

SYSTEM_LABELS = (
    *("INBOX", "SENT", "DRAFT", "SPAM", "TRASH", "UNREAD", "STARRED", "IMPORTANT", "CHAT"),
    *(f"CATEGORY_{name}" for name in ("PERSONAL", "SOCIAL", "PROMOTIONS", "UPDATES", "FORUMS")),
)
#: Labels that nobody gives or takes by hand.
FIXED_LABELS = frozenset(["SENT", "DRAFT", "CHAT"])
#: What a mail from outside starts with.
ARRIVED = ("UNREAD", "CATEGORY_PERSONAL", "INBOX")


class Content:
    """What a message says, read from its bytes when it is first asked for."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @cached_property
    def mail(self) -> RawMail:
        return RawMail.parse(self.raw)

    @cached_property
    def root(self) -> parts.Part:
        return parts.read_parts(self.raw)

    @cached_property
    def text(self) -> str:
        return parts.text_of(self.root)

    @cached_property
    def snippet(self) -> str:
        return parts.snippet_of(self.text)

    @cached_property
    def message_id(self) -> str:
        """The Message-ID with its brackets, or an empty string."""
        return next(iter(message_ids(self.mail.text("Message-ID"))), "")

    @cached_property
    def references(self) -> tuple[str, ...]:
        """What In-Reply-To and References name."""
        return tuple(message_ids(self.mail.text("In-Reply-To")) + message_ids(self.mail.text("References")))

    @property
    def is_report(self) -> bool:
        return self.root.mime_type == "multipart/report"


@dataclass(slots=True, kw_only=True)
class Message:
    """One message. `number` counts a mailbox's messages in the order they came; `received_at` is its internal date."""

    id: str
    thread_id: str
    number: int
    stored_at: datetime
    received_at: datetime
    content: Content
    labels: list[str]
    history_id: int = 0

    @property
    def internal_ms(self) -> int:
        return int(self.received_at.timestamp() * 1000)

    @property
    def order(self) -> tuple[int, int]:
        """Lists are sorted by this, newest first."""
        return self.internal_ms, self.number

    def reference(self) -> JsonObject:
        return {"id": self.id, "threadId": self.thread_id}

    def labelled(self) -> JsonObject:
        """What sending and changing answer. An empty list is left out, as everywhere in this API."""
        return self.reference() | ({"labelIds": list(self.labels)} if self.labels else {})

    def minimal(self) -> JsonObject:
        return self.labelled() | {
            "snippet": self.content.snippet,
            "sizeEstimate": len(self.content.raw),
            "historyId": str(self.history_id),
            "internalDate": str(self.internal_ms),
        }

    def raw(self) -> JsonObject:
        return self.minimal() | {"raw": parts.encoded(self.content.raw)}

    def full(self, attachment_salt: str) -> JsonObject:
        return self.minimal() | {"payload": self.content.root.to_json(attachment_salt)}

    def metadata(self, names: Sequence[str]) -> JsonObject:
        """`names` limits the headers; no names, no limit."""
        wanted = {name.lower() for name in names}
        headers = [
            {"name": name, "value": value}
            for name, value in self.content.root.headers
            if not wanted or name.lower() in wanted
        ]
        payload: JsonObject = {"mimeType": self.content.root.mime_type}
        return self.minimal() | {"payload": payload | ({"headers": headers} if headers else {})}


@dataclass(slots=True)
class Draft:
    """The id stays while the draft lives; every change of it replaces its message by another."""

    id: str
    message: Message

    def reference(self) -> JsonObject:
        return {"id": self.id, "message": self.message.labelled()}


@dataclass(slots=True)
class Label:
    id: str
    name: str
    is_system: bool = False
    message_visibility: str = "show"
    list_visibility: str = "labelShow"
    color: JsonObject | None = None

    def to_json(self) -> JsonObject:
        document: JsonObject = {"id": self.id, "name": self.name}
        if not self.is_system:
            document |= {
                "messageListVisibility": self.message_visibility,
                "labelListVisibility": self.list_visibility,
            }
        document["type"] = "system" if self.is_system else "user"
        return document | ({"color": self.color} if self.color else {})


@dataclass(slots=True, kw_only=True)
class SendAs:
    """An address that a mailbox sends from. Only an `accepted` one is left in a From header."""

    address: str
    display_name: str = ""
    signature: str = ""
    reply_to: str = ""
    status: str = "accepted"
    is_primary: bool = False
    is_default: bool = False

    def to_json(self) -> JsonObject:
        document: JsonObject = {
            "sendAsEmail": self.address,
            "displayName": self.display_name,
            "replyToAddress": self.reply_to,
            "signature": self.signature,
        }
        if self.is_primary:
            document["isPrimary"] = True
        if self.is_default:
            document["isDefault"] = True
        # The status is documented for custom addresses only.
        return document if self.is_primary else document | {"treatAsAlias": True, "verificationStatus": self.status}


@dataclass(slots=True)
class Shelf:
    """The mutable parts of a mailbox."""

    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    by_message_id: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0
