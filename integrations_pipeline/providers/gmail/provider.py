"""Gmail as a provider: its mailbox, and the correspondents in it as contacts to be made here.

Belongs here: `GmailProvider`. Its records are correspondents, known by their address; nothing is ever written
to them. Sending and replies go through `mailbox`. Does not: either's details.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations_pipeline.errors import CursorExpiredError, PermanentError, RateLimitedError
from integrations_pipeline.mail.addresses import EVERYBODY, correspondents
from integrations_pipeline.mail.classify import MailKind, classify
from integrations_pipeline.model import Change, ContactValues, Outcome
from integrations_pipeline.providers.base import CheckReport, Cursor, Page, ProviderContext, RemoteRecord
from integrations_pipeline.providers.columns import SchemaLook
from integrations_pipeline.providers.gmail.check import GmailCheck
from integrations_pipeline.providers.gmail.client import GmailClient
from integrations_pipeline.providers.gmail.mailbox import GmailMailbox
from integrations_pipeline.providers.gmail.settings import GmailSettings
from integrations_pipeline.providers.mailbox import StoredMessage

API_URL = "INTEGRATIONS_GMAIL_API_URL"
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


class GmailProvider:
    """One mailbox; implements `providers.base.Provider` and has a `providers.mailbox.Mailbox`."""

    def __init__(self, context: ProviderContext, *, most_messages: int = MOST_MESSAGES) -> None:
        self._most_messages = most_messages
        self._settings = GmailSettings.model_validate(dict(context.settings))
        self._mapping = tuple(context.mapping)
        self._client = GmailClient(context, api_url=context.addresses[API_URL])
        self.mailbox = GmailMailbox(self._client, self._settings)

    @property
    def call_count(self) -> int:
        return self._client.call_count

    def check(self, values: ContactValues) -> CheckReport:  # noqa: ARG002 - no contact goes there
        return GmailCheck(client=self._client, mailbox=self.mailbox, settings=self._settings).report()

    def look(self) -> SchemaLook:
        """Correspondents have an address and a name, and nothing else."""
        return SchemaLook(mapping=self._mapping)

    @property
    def looked(self) -> SchemaLook | None:
        return self.look()

    def recently_edited(self, records: Sequence[RemoteRecord], seconds: float) -> frozenset[str]:  # noqa: ARG002
        """Nobody edits who wrote to whom."""
        return frozenset()

    def is_place_of(self, settings: Mapping[str, Any]) -> bool:  # noqa: ARG002 - workspaces may share a mailbox
        return False

    def read_all(self) -> Iterator[Page]:
        if self._settings.harvest == "off":
            # Nobody is looked for; were it switched on, the mailbox would be read from the start.
            yield self._page({}, {})
            return
        people: dict[str, str] = {}
        cursor = {**self.mailbox.position(), "older_than": _END}
        yield self._page(people, self._read_back(people, cursor))

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        people: dict[str, str] = {}
        if self._settings.harvest == "off":
            yield self._page(people, {})
            return
        if "history_id" not in cursor:
            raise CursorExpiredError("the last read left no history id: the mailbox is read again")
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
        yield self._page(people, end)

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

    def _read_stretch(self, people: dict[str, str], reached: "_Reached") -> bool:
        """Whether that was the last one."""
        before = "" if reached.at >= _END else f" before:{reached.at}"
        query = f"-in:chats -in:drafts -in:spam -in:trash newer_than:{HARVEST_DAYS}d{before}"
        page, began_at = self._client.search(query, self._most_messages), reached.at
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
        if self._settings.harvest == "all" and kind in (MailKind.REPLY, MailKind.OWN):
            fields = EVERYBODY
        elif kind is MailKind.REPLY and headers.get("in-reply-to"):
            # Who is only copied in has not replied.
            fields = ("from",)
        for address, name in correspondents(headers, own, fields).items():
            people[address] = people.get(address) or name

    def _page(self, people: dict[str, str], cursor: Cursor) -> Page:
        return Page(records=[self._record(address, name) for address, name in people.items()], cursor=cursor)

    def _record(self, address: str, name: str) -> RemoteRecord:
        held = {"email": address, "name": name}
        names = [mapped.name for mapped in self._mapping]
        return RemoteRecord(external_id=address, fields={field: held[field] for field in names if field in held})

    def read_records(self, external_ids: Sequence[str]) -> Page:
        """A correspondent once seen is not looked for again: all count as unchanged."""
        return Page(unchanged=frozenset(external_ids))

    def find_created(self, changes: Sequence[Change], since: datetime) -> Mapping[str, RemoteRecord]:  # noqa: ARG002
        """No contact is made there."""
        return {}

    def recheck(self, external_ids: Sequence[str]) -> Page:
        return self.read_records(external_ids)

    def prepare_write(self) -> None:
        raise PermanentError("Gmail holds no contacts that could be written")

    def write(self, batch: Sequence[Change]) -> list[Outcome]:  # noqa: ARG002 - refused whatever it is
        raise PermanentError("Gmail holds no contacts that could be written")

    def close(self) -> None:
        self.mailbox.close()
