"""Gmail as a provider: its mailbox, and the correspondents in it as contacts to be made here.

Belongs here: `GmailProvider`. Its records are correspondents, known by their address; nothing is ever written
to them. Sending and replies go through `mailbox`. Does not: either's details.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from integrations_pipeline.errors import CursorExpiredError, PermanentError
from integrations_pipeline.mail.addresses import EVERYBODY, correspondents
from integrations_pipeline.mail.classify import MailKind, classify
from integrations_pipeline.model import Change, Outcome
from integrations_pipeline.providers.base import CheckReport, Cursor, Page, ProviderContext, RemoteRecord
from integrations_pipeline.providers.columns import SchemaLook
from integrations_pipeline.providers.gmail.client import GmailClient
from integrations_pipeline.providers.gmail.mailbox import GmailMailbox
from integrations_pipeline.providers.gmail.settings import GmailSettings
from integrations_pipeline.providers.mailbox import StoredMessage

API_URL = "INTEGRATIONS_GMAIL_API_URL"
#: Messages looked at when correspondents are taken from a mailbox for the first time; each costs a request.
MOST_MESSAGES = 500


class GmailProvider:
    """One mailbox; implements `providers.base.Provider` and has a `providers.mailbox.Mailbox`."""

    def __init__(self, context: ProviderContext) -> None:
        self._settings = GmailSettings.model_validate(dict(context.settings))
        self._mapping = tuple(context.mapping)
        self._client = GmailClient(context, api_url=context.addresses[API_URL])
        self.mailbox = GmailMailbox(self._client, self._settings)

    @property
    def call_count(self) -> int:
        return self._client.call_count

    def check(self) -> CheckReport:
        self.mailbox.account()
        self.mailbox.position()
        return CheckReport()

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
        people: dict[str, str] = {}
        if self._settings.harvest == "off":
            # Nobody is looked for; were it switched on, the mailbox would be read from the start.
            yield self._page(people, {})
            return
        cursor = self.mailbox.position()
        for each in self._client.messages("-in:chats -in:drafts -in:spam -in:trash newer_than:90d", MOST_MESSAGES):
            self._meet(people, self.mailbox.read_message(str(each["id"])))
        yield self._page(people, cursor)

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        people: dict[str, str] = {}
        end = dict(cursor)
        if self._settings.harvest == "off":
            yield self._page(people, {})
            return
        if "history_id" not in cursor:
            raise CursorExpiredError("the last read left no history id: the mailbox is read again")
        for page in self.mailbox.changes({"history_id": str(cursor["history_id"])}):
            for message_id, _ in page.added:
                self._meet(people, self.mailbox.read_message(message_id))
            end = dict(page.cursor)
        yield self._page(people, end)

    def _meet(self, people: dict[str, str], message: StoredMessage | None) -> None:
        """Note the people of a message whose kind `harvest` asks for."""
        if message is None or "DRAFT" in message.labels or message.labels & {"SPAM", "TRASH"}:
            return
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

    def recheck(self, external_ids: Sequence[str]) -> Page:
        return self.read_records(external_ids)

    def prepare_write(self) -> None:
        raise PermanentError("Gmail holds no contacts that could be written")

    def write(self, batch: Sequence[Change]) -> list[Outcome]:  # noqa: ARG002 - refused whatever it is
        raise PermanentError("Gmail holds no contacts that could be written")

    def close(self) -> None:
        self.mailbox.close()
