"""The people met in a Gmail mailbox: those who replied, or everybody written with, as `harvest` asks for.

Belongs here: which messages are read for that, and how far. Does not: what becomes of the people (`providers.people`),
the mailbox itself (`mailbox`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations_pipeline.errors import PermanentError, RateLimitedError
from integrations_pipeline.mail.addresses import EVERYBODY, correspondents
from integrations_pipeline.mail.classify import MailKind, classify
from integrations_pipeline.providers.gmail.client import GmailClient
from integrations_pipeline.providers.mailbox import Mailbox, People, StoredMessage

#: How far back correspondents are looked for in a mailbox at first.
HARVEST_DAYS = 90
#: Messages of the past that one run looks at for that; each costs a request.
MOST_MESSAGES = 500
#: Later than any message.
_END = 2**33


@dataclass(slots=True)
class _Reached:
    """How far a stretch of the past was read: everything that came at `at` (Unix time) or later."""

    at: int
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailPeople:
    """Reads one mailbox for its people. `harvest`: as in the settings; `most_messages`: of the past, in one run. How
    far it came is the mailbox's `remark`."""

    client: GmailClient
    mailbox: Mailbox
    harvest: str
    most_messages: int

    def met(self, cursor: Mapping[str, Any]) -> People:
        """As `Mailbox.people`."""
        if self.harvest == "off":
            # Nobody is looked for; were it switched on, the mailbox would be read from the start.
            return People(names={}, cursor={})
        people: dict[str, str] = {}
        if "history_id" not in cursor:
            start = {**self.mailbox.position(), "older_than": _END}
            return People(names=people, cursor=self._read_back(people, start))
        end = dict(cursor)
        try:
            for page in self.mailbox.changes({"history_id": str(cursor["history_id"])}):
                for message_id, _ in page.added:
                    self._meet(people, message_id)
                last = dict(page.cursor)
            end |= last
        except RateLimitedError as error:
            # Those met so far are kept; from the old position the next run meets the others.
            self.mailbox.remark = f"{error}; the next run looks for the other correspondents"
        else:
            end = self._read_back(people, end)
        return People(names=people, cursor=end)

    def _read_back(self, people: dict[str, str], cursor: dict[str, Any]) -> dict[str, Any]:
        """Read one more stretch of the mailbox's past, newest first, if any is left; the cursor after that. Its
        `older_than` is where the next stretch begins, in seconds of Unix time."""
        if not cursor.get("older_than"):
            return cursor
        reached, is_over = _Reached(int(cursor["older_than"])), False
        try:
            is_over = self._read_stretch(people, reached)
        except RateLimitedError as error:
            self.mailbox.remark = str(error)
        if is_over:
            return {name: value for name, value in cursor.items() if name != "older_than"}
        told = datetime.fromtimestamp(reached.at, UTC)
        where = "" if reached.at >= _END else f", back to {told:%Y-%m-%d %H:%M:%S} UTC"
        self.mailbox.remark = (
            f"{reached.count} messages of the last {HARVEST_DAYS} days were read for correspondents{where}; "
            "the next run goes on from there"
        )
        return cursor | {"older_than": reached.at}

    def _read_stretch(self, people: dict[str, str], reached: _Reached) -> bool:
        """Whether that was the last one."""
        before = "" if reached.at >= _END else f" before:{reached.at}"
        query = f"-in:chats -in:drafts -in:spam -in:trash newer_than:{HARVEST_DAYS}d{before}"
        page, began_at = self.client.search(query, self.most_messages), reached.at
        for each in page.get("messages", []):
            message = self._meet(people, each["id"])
            reached.count += 1
            if message is not None:
                # Of the same second there may be more, that the next stretch begins with.
                reached.at = min(reached.at, int(message.received_at.timestamp()) + 1)
        # A second with more mail than that is left behind.
        reached.at -= reached.at == began_at < _END
        return not page.get("nextPageToken")

    def _meet(self, people: dict[str, str], message_id: str) -> StoredMessage | None:
        """Note the people of a message whose kind `harvest` asks for. One that Gmail does not give away is passed
        over: who wrote it writes again."""
        try:
            message = self.mailbox.read_message(message_id)
        except PermanentError:
            return None
        if message is not None and not message.labels & {"DRAFT", "SPAM", "TRASH"}:
            self._note(people, message)
        return message

    def _note(self, people: dict[str, str], message: StoredMessage) -> None:
        own, headers = self.mailbox.account().addresses, message.received.headers
        kind = classify(message.received, own)
        fields: Sequence[str] = ()
        if self.harvest == "all" and kind in (MailKind.REPLY, MailKind.OWN):
            fields = EVERYBODY
        elif kind is MailKind.REPLY and headers.get("in-reply-to"):
            # Who is only copied in has not replied.
            fields = ("from",)
        for address, name in correspondents(headers, own, fields).items():
            people[address] = people.get(address) or name
