"""Airtable as a provider: reading, incremental reading, checking.

Belongs here: `AirtableProvider`, which joins client, schema, feed and writer. Does not: their details.
Limits and oddities are told in docs/providers/airtable.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field

from integrations_pipeline.errors import (
    ConfigurationError,
    CredentialsError,
    CursorExpiredError,
    NeedsAttentionError,
    PermanentError,
)
from integrations_pipeline.model import Change, Outcome
from integrations_pipeline.providers.airtable import feed, schema, wire
from integrations_pipeline.providers.airtable.client import AirtableClient
from integrations_pipeline.providers.airtable.writer import AirtableWriter
from integrations_pipeline.providers.base import (
    CheckReport,
    ConnectionSettings,
    Cursor,
    Page,
    ProviderContext,
    RemoteRecord,
)

API_URL = "INTEGRATIONS_AIRTABLE_API_URL"
#: Assumed: LAST_MODIFIED_TIME compares by the minute, so an incremental read looks back further than that.
OVERLAP = timedelta(seconds=90)
#: Up to this many records, reading everything costs no more calls than an incremental read may.
SMALL_TABLE = 2 * wire.PAGE_SIZE


class AirtableSettings(ConnectionSettings):
    """`table_id`: the table's id or name; `external_id_field`: the column that makes creates repeatable."""

    base_id: str = Field(min_length=1)
    table_id: str = Field(min_length=1)
    external_id_field: str = Field("Contact ID", min_length=1)
    typecast: bool = True


class AirtableProvider:
    """One base and table with one token; implements `providers.base.Provider`."""

    def __init__(self, context: ProviderContext) -> None:
        self._settings = AirtableSettings.model_validate(dict(context.settings))
        self._mapping = tuple(context.mapping)
        self._is_read_only = context.is_read_only
        self._key = self._settings.external_id_field
        self._client = AirtableClient(
            context,
            api_url=context.addresses[API_URL],
            base_id=self._settings.base_id,
            table_id=self._settings.table_id,
            columns=[*(mapped.column for mapped in self._mapping), self._key],
        )
        self._table: schema.Table | None = None
        self._is_schema_read = False
        self._has_key = False

    @property
    def call_count(self) -> int:
        return self._client.http.call_count

    def check(self) -> CheckReport:
        problems, notes = self._look_at_schema()
        if not problems:
            next(self._client.pages([self._mapping[0].column]))
        return CheckReport(problems=tuple(problems), notes=tuple(notes))

    def create_key_column(self) -> None:
        """Make the external-id column where the token may (schema.bases:write)."""
        table = self._read_table()
        if table is None:
            raise NeedsAttentionError("the token cannot read the schema: give it schema.bases:read")
        if self._key not in table.columns:
            self._client.create_text_column(table.id, self._key)
        self._is_schema_read = False

    def read_all(self) -> Iterator[Page]:
        self._require_schema()
        yield from self._read_everything(self._open_feed())

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        self._has_key = bool(cursor.get("has_key"))
        if cursor.get("mode") == feed.MODE:
            yield from self._read_feed(cursor)
        elif int(cursor.get("record_count", 0)) <= SMALL_TABLE:
            # Deletes are invisible to a filter; a small table is read whole for the same calls.
            yield from self._read_everything(None)
        else:
            yield from self._read_modified(cursor)

    def _read_everything(self, feed_cursor: Cursor | None) -> Iterator[Page]:
        cursor = feed_cursor
        count = 0
        for records in self._client.pages(self._columns()):
            # Without a feed the next read begins where the server's clock stood at the first page.
            cursor = cursor or self._clock_cursor()
            count += len(records)
            yield self._page(records, {**cursor, **self._column_facts(), "record_count": count}, is_complete=True)

    def _open_feed(self) -> Cursor | None:
        table = None if self._is_read_only else self._table
        opened = feed.open_feed(self._client, table.id) if table else None
        if table is None or opened is None:
            return None
        return feed.fed({**opened, "table_id": table.id}, self._client.http.server_time)

    def _column_facts(self) -> Cursor:
        """Ids and types of our columns, as far as the schema was read."""
        if self._table is None:
            return {}
        known = self._table.columns
        columns = [known[name] for name in {*self._columns(), self._key} if name in known]
        return {
            "column_ids": {column.name: column.id for column in columns},
            "column_types": {column.name: column.type for column in columns},
        }

    def read_records(self, external_ids: Sequence[str]) -> Page:
        wanted = set(external_ids)
        found: dict[str, RemoteRecord] = {}
        for records in self._client.pages(self._columns(), wire.ids_formula(sorted(wanted))):
            for record in map(self._record, records):
                if record.external_id in wanted:
                    found[record.external_id] = record
        return Page(records=tuple(found.values()), tombstones=frozenset(wanted - found.keys()))

    def recheck(self, external_ids: Sequence[str]) -> Page:
        return self.read_records(external_ids)

    def prepare_write(self) -> None:
        self._require_schema()

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        writer = AirtableWriter(
            client=self._client,
            mapping=schema.writable(self._mapping),
            columns=self._table.columns if self._table else {},
            key=self._key if self._has_key else None,
            is_typecast=self._settings.typecast,
        )
        return writer.write(batch)

    def close(self) -> None:
        self._client.close()

    def _columns(self) -> list[str]:
        names = [mapped.column for mapped in self._mapping]
        return [*names, self._key] if self._has_key and self._key not in names else names

    def _page(self, records: Sequence[Mapping[str, Any]], cursor: Cursor, *, is_complete: bool) -> Page:
        return Page(
            records=[self._record(record) for record in records],
            cursor={**cursor, "has_key": self._has_key},
            is_complete=is_complete,
            tells_own_writes=cursor.get("mode") == feed.MODE,
        )

    def _record(self, record: Mapping[str, Any]) -> RemoteRecord:
        cells = wire.cells_of(record)
        columns = self._table.columns if self._table else {}
        return RemoteRecord(
            external_id=str(record["id"]),
            fields={
                mapped.name: schema.from_column(cells.get(mapped.column), mapped, columns.get(mapped.column))
                for mapped in self._mapping
            },
            contact_key=schema.to_value(cells.get(self._key)) if self._has_key else "",
        )

    def _read_modified(self, cursor: Cursor) -> Iterator[Page]:
        since = cursor.get("since")
        if not since:
            raise CursorExpiredError("the last read left no time to go on from: everything is read again")
        fresh: Cursor | None = None
        for records in self._client.pages(self._columns(), wire.modified_since_formula(str(since))):
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
            records=[record for key in sorted(folded.changed) if (record := self._fed(key, folded, cursor))],
            tombstones=frozenset(folded.destroyed),
            cursor=feed.fed({**cursor, "payload_cursor": position}, self._client.http.server_time),
            tells_own_writes=True,
            is_certain=True,
        )

    def _fed(self, record_id: str, folded: feed.FoldedFeed, cursor: Cursor) -> RemoteRecord | None:
        """A record of the feed; None where only columns changed that are not mapped."""
        column_ids: Mapping[str, str] = cursor.get("column_ids", {})
        cells = folded.changed[record_id]
        is_partial = record_id not in folded.created
        fields = {
            mapped.name: schema.from_column(cells.get(column_id), mapped, self._column(mapped.column, cursor))
            for mapped in self._mapping
            if (column_id := column_ids.get(mapped.column, "")) in cells or not is_partial
        }
        if not fields:
            return None
        key = schema.to_value(cells.get(column_ids.get(self._key, ""))) if self._has_key else ""
        return RemoteRecord(
            external_id=record_id, fields=fields, contact_key=key, is_partial=is_partial, is_certain=True
        )

    def _column(self, name: str, cursor: Cursor) -> schema.Column:
        types: Mapping[str, str] = cursor.get("column_types", {})
        return schema.Column(id="", name=name, type=types.get(name, ""))

    def _clock_cursor(self) -> Cursor:
        now = self._client.http.server_time
        since = (now - OVERLAP).isoformat(timespec="seconds") if now else None
        return {"mode": "modified_time", "since": since}

    def _require_schema(self) -> None:
        if self._is_schema_read:
            return
        problems, _ = self._look_at_schema()
        if problems:
            more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
            raise ConfigurationError(problems[0] + more)

    def _look_at_schema(self) -> tuple[list[str], list[str]]:
        self._table = self._read_table()
        self._is_schema_read = True
        if self._table is None:
            self._has_key = self._probe_key()
            return [], ["the token cannot read the schema (schema.bases:read): columns are not checked"]
        key_problem = schema.key_problem(self._table, self._key)
        self._has_key = not key_problem
        return schema.mapping_problems(self._table, self._mapping, self._key), [key_problem] if key_problem else []

    def _read_table(self) -> schema.Table | None:
        """The table's schema, or None where the token may not read it; an absent table is an error."""
        try:
            body = self._client.schema()
        except (NeedsAttentionError, PermanentError) as error:
            if isinstance(error, (ConfigurationError, CredentialsError)):
                raise
            return None
        table = schema.find_table(body, self._settings.table_id)
        if table is None:
            raise ConfigurationError(
                f'base {self._settings.base_id} has no table "{self._settings.table_id}": '
                "correct table_id in the connection's settings"
            )
        return table

    def _probe_key(self) -> bool:
        try:
            next(self._client.pages([self._key]))
        except ConfigurationError:
            return False
        return True
