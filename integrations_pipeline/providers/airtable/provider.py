"""Airtable as a provider: reading, incremental reading, checking.

Belongs here: `AirtableProvider`, which joins client, columns, feed and writer. Does not: their details.
Limits and oddities are told in docs/providers/airtable.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from integrations_pipeline.errors import CursorExpiredError, NeedsAttentionError
from integrations_pipeline.model import Change, ContactValues, Outcome
from integrations_pipeline.providers.airtable import cells, feed, schema, wire
from integrations_pipeline.providers.airtable.check import AirtableCheck
from integrations_pipeline.providers.airtable.client import AirtableClient
from integrations_pipeline.providers.airtable.limits import API_URL
from integrations_pipeline.providers.airtable.table import TableColumns
from integrations_pipeline.providers.airtable.writer import AirtableWriter
from integrations_pipeline.providers.base import (
    CheckReport,
    ConnectionSettings,
    Cursor,
    Page,
    PathId,
    PathName,
    ProviderContext,
    RemoteRecord,
)
from integrations_pipeline.providers.batches import chunks, created
from integrations_pipeline.providers.columns import SchemaLook

#: Assumed: LAST_MODIFIED_TIME compares by the minute, so an incremental read looks back further than that.
OVERLAP = timedelta(seconds=90)


class AirtableSettings(ConnectionSettings):
    """`table_id`: the table's id or name; `external_id_field`: the column that makes creates repeatable."""

    base_id: PathId
    table_id: PathName
    external_id_field: str = Field("Contact ID", min_length=1)
    typecast: bool = True
    settle_seconds: int = Field(30, ge=0, le=86_400)


class AirtableProvider:
    """One base and table with one token; implements `providers.base.Provider`."""

    def __init__(self, context: ProviderContext) -> None:
        self._settings = AirtableSettings.model_validate(dict(context.settings))
        self._mapping = tuple(context.mapping)
        self._is_read_only = context.is_read_only
        self._client = AirtableClient(
            context,
            api_url=context.addresses[API_URL],
            base_id=self._settings.base_id,
            table_id=self._settings.table_id,
            columns=[*(mapped.column for mapped in self._mapping), self._settings.external_id_field],
        )
        self._columns = TableColumns(self._client, self._settings, self._mapping, context.known)

    @property
    def call_count(self) -> int:
        return self._client.http.call_count

    def check(self, values: ContactValues) -> CheckReport:
        check = AirtableCheck(client=self._client, columns=self._columns, is_typecast=self._settings.typecast)
        return check.report(values)

    def create_key_column(self) -> None:
        """Make the external-id column where the token may (schema.bases:write)."""
        table = self._columns.read_table()
        if table is None:
            raise NeedsAttentionError("the token cannot read the schema: give it schema.bases:read")
        if self._settings.external_id_field not in table.columns:
            self._client.create_text_column(table.id, self._settings.external_id_field)
        self._columns.forget()

    def look(self) -> SchemaLook:
        return self._columns.require()

    @property
    def looked(self) -> SchemaLook | None:
        return self._columns.looked

    def is_place_of(self, settings: Mapping[str, Any]) -> bool:
        if settings.get("base_id") != self._settings.base_id:
            return False
        if settings.get("table_id") == self._settings.table_id:
            return True
        table = self._columns.read_table()
        own = {self._settings.table_id, *((table.id, table.name) if table else ())}
        return settings.get("table_id") in own

    def recently_edited(self, records: Sequence[RemoteRecord], seconds: float) -> frozenset[str]:
        """Those that the feed dates, by that; of the others Airtable is asked."""
        now = self._client.http.server_time
        if now is None:
            return frozenset()
        since = now - timedelta(seconds=seconds)
        young = {each.external_id for each in records if each.edited_at and each.edited_at > since}
        undated = {each.external_id for each in records if each.edited_at is None}
        return frozenset(young | self._edited_since(sorted(undated), since))

    def _edited_since(self, external_ids: Sequence[str], since: datetime) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(external_ids), wire.PAGE_SIZE):
            chosen = external_ids[start : start + wire.PAGE_SIZE]
            formula = wire.edited_since_formula(chosen, since.isoformat(timespec="seconds"))
            told = {str(record["id"]) for records in self._columns.pages(formula) for record in records}
            if not told <= set(chosen):
                # An answer with records that were not asked for did not heed the question.
                return set()
            found |= told
        return found

    def read_all(self) -> Iterator[Page]:
        self._columns.require()
        yield from self._read_everything(self._open_feed())

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        self._columns.presume_key(has_key=bool(cursor.get("has_key")))
        if cursor.get("mode") == feed.MODE:
            yield from self._read_feed(cursor)
        elif int(cursor.get("record_count", 0)) <= feed.SMALL_TABLE:
            # Deletes are invisible to a filter; a small table is read whole for the same calls.
            yield from self._read_everything(None)
        else:
            yield from self._read_modified(cursor)

    def _read_everything(self, feed_cursor: Cursor | None) -> Iterator[Page]:
        cursor = feed_cursor
        count = 0
        for records in self._columns.pages():
            # Without a feed the next read begins where the server's clock stood at the first page.
            cursor = cursor or self._clock_cursor()
            count += len(records)
            yield self._page(records, {**cursor, "record_count": count}, is_complete=True)

    def _open_feed(self) -> Cursor | None:
        table = None if self._is_read_only else self._columns.table
        opened = feed.open_feed(self._client, table.id) if table else None
        if table is None or opened is None:
            return None
        return feed.fed({**opened, "table_id": table.id}, self._client.http.server_time)

    def read_records(self, external_ids: Sequence[str]) -> Page:
        wanted = set(external_ids)
        found: dict[str, RemoteRecord] = {}
        for records in self._columns.pages(wire.ids_formula(sorted(wanted))):
            for record in self._records(records):
                if record.external_id in wanted:
                    found[record.external_id] = record
        return Page(records=tuple(found.values()), tombstones=frozenset(wanted - found.keys()))

    def find_created(self, changes: Sequence[Change], since: datetime) -> Mapping[str, RemoteRecord]:  # noqa: ARG002
        """By the key column; a record without a key by its e-mail, if it is the only one."""
        self._columns.require()
        found: dict[str, RemoteRecord] = {}
        for chosen in chunks(changes, wire.PAGE_SIZE):
            terms = self._terms(chosen)
            pages = self._columns.pages(wire.any_of(terms)) if terms else ()
            found |= created(chosen, self._records(each for records in pages for each in records))
        return found

    def _terms(self, changes: Sequence[Change]) -> list[str]:
        key, mapped = self._columns.key, {each.name: each.column for each in self._columns.mapping}
        terms = [f"{wire.field_reference(key)}={wire.text_literal(each.contact_id or '')}" for each in changes if key]
        emails = sorted({email for each in changes if (email := each.after.get("email", "").strip().lower())})
        if "email" in mapped:
            column = wire.field_reference(mapped["email"])
            terms += [f"LOWER(TRIM({column}))={wire.text_literal(email)}" for email in emails]
        return terms

    def recheck(self, external_ids: Sequence[str]) -> Page:
        return self.read_records(external_ids)

    def prepare_write(self) -> None:
        self._columns.require()

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        writer = AirtableWriter(
            client=self._client,
            mapping=schema.writable(self._columns.mapping),
            columns=self._columns.by_name,
            key=self._columns.key,
            is_typecast=self._settings.typecast,
        )
        return writer.write(batch)

    def close(self) -> None:
        self._client.close()

    def _page(self, records: Sequence[Mapping[str, Any]], cursor: Cursor, *, is_complete: bool) -> Page:
        return Page(
            records=self._records(records),
            cursor={**cursor, "has_key": self._columns.key is not None},
            is_complete=is_complete,
            tells_own_writes=cursor.get("mode") == feed.MODE,
        )

    def _records(self, records: Iterable[Mapping[str, Any]]) -> list[RemoteRecord]:
        """Records as they are told, by names of columns; how each column is read is found out once."""
        key, row = self._columns.key, cells.Row.of(self._columns.mapping, self._columns.by_name)
        found = []
        for record in records:
            shown = wire.cells_of(record)
            told = shown.get(key) if key else None
            contact_key = "" if told is None else cells.to_value(told)
            found.append(RemoteRecord(external_id=str(record["id"]), fields=row.values(shown), contact_key=contact_key))
        return found

    def _read_modified(self, cursor: Cursor) -> Iterator[Page]:
        since = cursor.get("since")
        if not since:
            raise CursorExpiredError("the last read left no time to go on from: everything is read again")
        fresh: Cursor | None = None
        for records in self._columns.pages(wire.modified_since_formula(str(since))):
            fresh = fresh or self._clock_cursor()
            yield self._page(records, {**cursor, **fresh}, is_complete=False)

    def _read_feed(self, cursor: Cursor) -> Iterator[Page]:
        folded = feed.FoldedFeed()
        position = int(cursor["payload_cursor"])
        for payloads, following in feed.read_payloads(self._client, cursor):
            if feed.is_outlived(cursor, self._client.http.server_time):
                raise CursorExpiredError("Airtable's webhook may have expired meanwhile: everything is read again")
            folded.add(payloads, str(cursor.get("table_id", "")))
            position = following
        yield Page(
            records=[record for key in sorted(folded.changed) if (record := self._fed(key, folded))],
            tombstones=frozenset(folded.destroyed),
            cursor=feed.fed({**cursor, "payload_cursor": position}, self._client.http.server_time),
            tells_own_writes=True,
            is_certain=True,
        )

    def _fed(self, record_id: str, folded: feed.FoldedFeed) -> RemoteRecord | None:
        """A record of the feed, by column ids; None where only columns changed that are not mapped."""
        told, columns = folded.changed[record_id], self._columns
        is_partial = record_id not in folded.created
        values = {
            mapped.name: cells.from_column(told.get(column.id), mapped, column)
            for mapped in columns.mapping
            if (column := columns.of(mapped)).id in told or not is_partial
        }
        fields = {name: value for name, value in values.items() if value is not None}
        if not fields:
            return None
        return RemoteRecord(
            external_id=record_id,
            fields=fields,
            contact_key=cells.to_value(told.get(columns.key_id)) if columns.key_id else "",
            edited_at=folded.edited_at.get(record_id),
            is_partial=is_partial,
            is_certain=True,
        )

    def _clock_cursor(self) -> Cursor:
        now = self._client.http.server_time
        since = (now - OVERLAP).isoformat(timespec="seconds") if now else None
        return {"mode": "modified_time", "since": since}
