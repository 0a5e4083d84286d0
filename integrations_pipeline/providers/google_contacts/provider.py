"""Google Contacts as a provider: reading, incremental reading, rechecking, checking.

Belongs here: `ContactsProvider`, which joins client, columns, labels and writer. Does not: their details. Limits and
oddities are told in docs/providers/google_contacts.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from integrations_pipeline.errors import CursorExpiredError, RetryableError
from integrations_pipeline.model import Change, ContactValues, Outcome
from integrations_pipeline.providers.base import (
    CheckReport,
    ConnectionSettings,
    Cursor,
    Page,
    ProviderContext,
    RemoteRecord,
)
from integrations_pipeline.providers.batches import created
from integrations_pipeline.providers.columns import SchemaLook
from integrations_pipeline.providers.google_contacts import wire
from integrations_pipeline.providers.google_contacts.check import ContactsCheck
from integrations_pipeline.providers.google_contacts.client import ContactsClient, Person
from integrations_pipeline.providers.google_contacts.columns import ContactColumns
from integrations_pipeline.providers.google_contacts.fields import mask_of
from integrations_pipeline.providers.google_contacts.groups import Labels, is_other
from integrations_pipeline.providers.google_contacts.limits import API_URL
from integrations_pipeline.providers.google_contacts.records import Reader
from integrations_pipeline.providers.google_contacts.writer import ContactsWriter


class GoogleContactsSettings(ConnectionSettings):
    """None but those of every connection: an account has one address book."""


class ContactsProvider:
    """One account's contacts; implements `providers.base.Provider`."""

    def __init__(self, context: ProviderContext) -> None:
        self._columns = ContactColumns(context.mapping, context.known)
        self._client = ContactsClient(context, api_url=context.addresses[API_URL], mask=mask_of(context.mapping))
        self._labels = Labels(self._client)
        self._reader = Reader.of(context.mapping, self._labels)
        #: Contacts as they were read just before they are written, with the etags that guard them.
        self._seen: dict[str, Person] = {}
        #: What this run made, by contact id.
        self._made: dict[str, str] = {}

    @property
    def call_count(self) -> int:
        return self._client.http.call_count

    def check(self, values: ContactValues) -> CheckReport:
        check = ContactsCheck(client=self._client, columns=self._columns, has_labels=self._reader.has_labels)
        return check.report(values)

    def look(self) -> SchemaLook:
        return self._columns.require()

    @property
    def looked(self) -> SchemaLook | None:
        return self._columns.looked

    def recently_edited(self, records: Sequence[RemoteRecord], seconds: float) -> frozenset[str]:
        now = self._client.http.server_time
        since = now - timedelta(seconds=seconds) if now else None
        return frozenset(
            each.external_id for each in records if since and each.modified_at and each.modified_at > since
        )

    def is_place_of(self, settings: Mapping[str, Any]) -> bool:  # noqa: ARG002 - the account is in the token, not there
        return False

    def read_all(self) -> Iterator[Page]:
        self._columns.require()
        known = self._load_labels()
        for page in self._client.pages():
            records = [self._reader.record(person) for person in page.get("connections", [])]
            yield Page(records=records, cursor=self._cursor(page, known), is_complete=True)

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        token = str(cursor.get("sync_token") or "")
        if not token or cursor.get("mask") != self._client.mask:
            raise CursorExpiredError("the last read was of other fields: everything is read again")
        known = self._load_labels()
        if is_other(cursor.get("labels") or {}, known):
            raise CursorExpiredError("a label has another name or is gone: everything is read again")
        for page in self._client.pages(token):
            yield self._told(page.get("connections", []), self._cursor(page, known))

    def _told(self, people: Iterable[Person], cursor: Cursor) -> Page:
        """Tombstones of those who are gone, and of the names that people had before. A tombstone is what Google says,
        no absence; a contact may be told as it was before a write of ours."""
        records: list[RemoteRecord] = []
        gone: set[str] = set()
        renamed: dict[str, str] = {}
        for person in people:
            metadata = person.get("metadata") or {}
            name = str(person["resourceName"])
            renamed |= dict.fromkeys(metadata.get("previousResourceNames") or [], name)
            if metadata.get("deleted"):
                gone.add(name)
            else:
                records.append(self._reader.record(person))
        gone = (gone | renamed.keys()) - {record.external_id for record in records}
        return Page(records=records, tombstones=frozenset(gone), renamed=renamed, cursor=cursor, is_certain=True)

    def _load_labels(self) -> dict[str, str]:
        return self._labels.load() if self._reader.has_labels else {}

    def _cursor(self, page: Mapping[str, Any], labels: Mapping[str, str]) -> Cursor:
        """Only the last page has a token."""
        token = page.get("nextSyncToken")
        return {"sync_token": token, "mask": self._client.mask, "labels": dict(labels)} if token else {}

    def read_records(self, external_ids: Sequence[str]) -> Page:
        """One that has another name by now is a tombstone and a record under the new one."""
        people: dict[str, Person] = {}
        gone: set[str] = set()
        renamed: dict[str, str] = {}
        for answer in self._client.get(list(dict.fromkeys(external_ids))):
            asked, person = str(answer["requestedResourceName"]), answer.get("person")
            if person is None and not wire.is_gone(answer):
                raise RetryableError("Google did not tell some of the contacts that were asked for")
            if person is None or person["resourceName"] != asked or (person.get("metadata") or {}).get("deleted"):
                gone.add(asked)
            if person is not None and not (person.get("metadata") or {}).get("deleted"):
                people[str(person["resourceName"])] = person
                renamed |= {asked: person["resourceName"]} if asked != person["resourceName"] else {}
        self._seen |= people
        for name in gone - people.keys():
            self._seen.pop(name, None)
        records = [self._reader.record(person) for person in people.values()]
        return Page(records=records, tombstones=frozenset(gone - people.keys()), renamed=renamed)

    def find_created(self, changes: Sequence[Change], since: datetime) -> Mapping[str, RemoteRecord]:
        """By the key that they carry, in a list of everything: nothing finds it sooner. `RetryableError` where some are
        not there and may only not be shown yet, lest they are made twice."""
        records = [self._reader.record(each) for page in self._client.pages() for each in page.get("connections", [])]
        wanted = {change.contact_id for change in changes}
        emails = {email for change in changes if (email := change.after.get("email", "").strip().lower())}
        near = [each for each in records if each.contact_key in wanted or self._is_keyless(each, emails)]
        found = created(changes, near)
        now = self._client.http.server_time
        left = wire.PROPAGATION_SECONDS - (now - since).total_seconds() if now else 0.0
        if found.keys() != wanted and left > 0:
            raise RetryableError(
                f"{len(wanted - found.keys())} new contacts of a run that ended early are not shown by Google yet: it "
                f"may take {wire.PROPAGATION_SECONDS / 60:.0f} minutes, and until then nobody can tell whether they "
                "were made; the next run after that goes on",
                retry_after_seconds=left,
            )
        return found

    @staticmethod
    def _is_keyless(record: RemoteRecord, emails: set[str]) -> bool:
        return not record.contact_key and record.fields.get("email", "").strip().lower() in emails

    def recheck(self, external_ids: Sequence[str]) -> Page:
        return self.read_records(external_ids)

    def prepare_write(self) -> None:
        self._columns.require()

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        writer = ContactsWriter(
            client=self._client,
            mapping=[mapped for mapped in self._columns.mapping if mapped.rule.to_remote],
            reader=self._reader,
            seen=self._seen,
            made=self._made,
        )
        return writer.write(batch)

    def close(self) -> None:
        self._client.close()
