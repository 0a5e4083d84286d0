"""The people met in a mailbox, as contacts: what a provider has that offers a mailbox and no address book.

Belongs here: reading them as records, known by their address; nothing is ever written to them. Does not: whom a mailbox
looks for (`Mailbox.people`), how contacts merge.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import Change, ContactValues, MappedField, Outcome
from integrations_pipeline.providers.base import CheckReport, Cursor, Page, RemoteRecord
from integrations_pipeline.providers.columns import SchemaLook

if TYPE_CHECKING:
    from integrations_pipeline.providers.mailbox import Mailbox, People


class PeopleMet:
    """Whom a mailbox met; implements `providers.base.Provider` on any mailbox. Requests, check and end are the
    mailbox's own."""

    def __init__(self, mailbox: "Mailbox", mapping: Sequence[MappedField]) -> None:
        self._mailbox = mailbox
        self._mapping = tuple(mapping)

    @property
    def call_count(self) -> int:
        return self._mailbox.call_count

    def check(self, values: ContactValues) -> CheckReport:  # noqa: ARG002 - no contact goes there
        return self._mailbox.check()

    def look(self) -> SchemaLook:
        """People have an address and a name, and nothing else."""
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
        yield self._page(self._mailbox.people({}))

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        yield self._page(self._mailbox.people(cursor))

    def _page(self, people: "People") -> Page:
        names = {mapped.name for mapped in self._mapping}
        told = ((address, {"email": address, "name": name}) for address, name in people.names.items())
        records = [
            RemoteRecord(external_id=address, fields={key: held[key] for key in held if key in names})
            for address, held in told
        ]
        return Page(records=records, cursor=people.cursor)

    def read_records(self, external_ids: Sequence[str]) -> Page:
        """Somebody once met is not looked for again: all count as unchanged."""
        return Page(unchanged=frozenset(external_ids))

    def find_created(self, changes: Sequence[Change], since: datetime) -> Mapping[str, RemoteRecord]:  # noqa: ARG002
        """No contact is made there."""
        return {}

    def recheck(self, external_ids: Sequence[str]) -> Page:
        return self.read_records(external_ids)

    def prepare_write(self) -> None:
        raise PermanentError("a mailbox holds no contacts that could be written")

    def write(self, batch: Sequence[Change]) -> list[Outcome]:  # noqa: ARG002 - `prepare_write` has refused
        raise PermanentError("a mailbox holds no contacts that could be written")

    def close(self) -> None:
        self._mailbox.close()
