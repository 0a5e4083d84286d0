"""The contract between the sync and a provider that sends and receives mail, beside `providers.base`.

Belongs here: the protocol and its values. Does not: what is sent when (`sync.mailing.pitches`), what a received
message means (`mail.classify`).
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from integrations_pipeline.mail.classify import Received
from integrations_pipeline.mail.compose import Sender
from integrations_pipeline.providers.base import CheckReport

#: Under this key, which databases hold, a cursor has the position as one text, as `find_drafts` takes it.
POSITION = "history_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The mailbox: its own addresses, all in lower case, and who writes from it."""

    sender: Sender
    addresses: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    draft_id: str
    message_id: str
    thread_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message that left the mailbox; `rfc822_id` is its Message-ID header as it really went out."""

    message_id: str
    thread_id: str
    rfc822_id: str = ""
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message in the mailbox, with what is needed to say whose answer it is."""

    message_id: str
    thread_id: str
    received_at: datetime
    received: Received
    labels: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailChanges:
    """A page of what was added to the mailbox: (message id, thread id) pairs; `gone`: ids of messages that were
    deleted for good; `cursor` as in `base.Page`."""

    added: Sequence[tuple[str, str]]
    cursor: Mapping[str, str]
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who was met in a mailbox: names by address, "" where none was told; and from where to look on."""

    names: Mapping[str, str]
    cursor: Mapping[str, Any]


class Mailbox(Protocol):
    """One authorised mailbox. No method sends anything but `send_draft`, which never tries twice. `remark`: what a
    person should know about how far the mailbox was read, or ""."""

    remark: str

    @property
    def call_count(self) -> int:
        """HTTP requests sent so far."""
        ...

    def check(self) -> CheckReport:
        """As `base.Provider.check`, of what sending and reading need."""
        ...

    def account(self) -> Account: ...

    def create_draft(self, raw: bytes, thread_id: str | None) -> Draft:
        """Store a message unsent. `InDoubtError` where the answer was lost: look with `find_drafts`."""
        ...

    def find_drafts(self, pitch_ids: Set[str], position: str, made_at: datetime) -> list[tuple[str, Draft]]:
        """The drafts that carry one of these pitches' own header, with the pitch, as far as they were made after a
        position in the mailbox ("" for none: after a time)."""
        ...

    def draft_messages(self) -> Set[str]:
        """Ids of the messages that are drafts now, of the newest ones at least."""
        ...

    def draft_exists(self, draft_id: str) -> bool: ...

    def delete_draft(self, draft_id: str) -> bool:
        """Whether it was there to be deleted: then it never left."""
        ...

    def send_draft(self, draft_id: str) -> SentMessage:
        """Send it, once. `PermanentError` for a refusal (nothing was sent), `RateLimitedError` for a limit,
        `InDoubtError` where the answer was lost or says nothing certain."""
        ...

    def find_sent(
        self, pitch_id: str, recipient: str, thread_ids: Sequence[str], known: Set[str]
    ) -> SentMessage | None:
        """The sent message that carries this pitch's own header, also from the trash: looked for in these
        threads, then by the search, which learns of messages late, among the newest that were sent to the recipient,
        whenever that was. `known`: messages that are something else, and need not be read."""
        ...

    def read_sent(self, message_id: str) -> SentMessage | None: ...

    def position(self) -> Mapping[str, str]:
        """A cursor at the mailbox's present end."""
        ...

    def changes(self, cursor: Mapping[str, str], *, is_sent_only: bool = False) -> Iterator[MailChanges]:
        """Messages added since the cursor, each at least once, but for drafts where the history says that they are
        some; `CursorExpiredError` if it is too old."""
        ...

    def since(self, moment: datetime, *, is_sent_only: bool = False) -> Iterator[tuple[str, str]]:
        """Messages that came after that moment, newest first, as in `MailChanges.added`; not by the search."""
        ...

    def thread_messages(self, thread_id: str) -> Sequence[tuple[str, str]]:
        """All messages of a thread, as in `MailChanges.added`."""
        ...

    def find_named(self, rfc822_ids: Sequence[str], thread_id: str) -> StoredMessage | None:
        """The first of these Message-IDs that is in the mailbox, as a message with the headers that tell whose it is:
        looked for in that thread, then by the search."""
        ...

    def sent_in_thread(self, thread_id: str) -> StoredMessage | None:
        """The newest message of a thread that the mailbox's own people sent, with the headers that tell whose it is."""
        ...

    def read_message(self, message_id: str) -> StoredMessage | None:
        """One message with its headers, and its report if it is one; None if it is gone."""
        ...

    def people(self, cursor: Mapping[str, Any]) -> People:
        """Who was met since the cursor, {} at first; as far as the connection's settings ask for anybody.
        `CursorExpiredError` if it is too old."""
        ...

    def close(self) -> None: ...
