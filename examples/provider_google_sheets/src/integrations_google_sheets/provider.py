"""Google Sheets as a provider: a sheet is read whole, its rows are known by their keys.

Belongs here: `SheetsProvider`, which joins client, columns, keys and writer. Does not: their details. What can be
promised, and what not, is told in README.md.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from integrations_google_sheets import values
from integrations_google_sheets.client import SheetClient
from integrations_google_sheets.columns import SheetColumns
from integrations_google_sheets.grid import Grid
from integrations_google_sheets.keys import give_keys
from integrations_google_sheets.limits import API_URL
from integrations_google_sheets.writer import SheetWriter
from integrations_pipeline.model import Change, ContactValues, Outcome, Side
from integrations_pipeline.providers.base import (
    CheckReport,
    ConnectionSettings,
    Cursor,
    Page,
    PathId,
    ProviderContext,
    RemoteRecord,
)
from integrations_pipeline.providers.batches import chunks, created
from integrations_pipeline.providers.columns import SchemaLook
from integrations_pipeline.providers.findings import Findings

#: Records told at once; the requests are the same.
PAGE_SIZE = 500
#: A key that a create of ours wrote: the contact's id.
_CONTACT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class SheetsSettings(ConnectionSettings):
    """`spreadsheet_id`: from the spreadsheet's address. `sheet`: the title of the tab. `key_column`: the column by
    which rows are known; the sync fills it."""

    spreadsheet_id: PathId
    sheet: str = Field("Contacts", min_length=1, max_length=100)
    key_column: str = Field("Contact ID", min_length=1)


class SheetsProvider:
    """One sheet with one token; implements `providers.base.Provider`."""

    def __init__(self, context: ProviderContext) -> None:
        self._settings = SheetsSettings.model_validate(dict(context.settings))
        self._is_read_only = context.is_read_only
        key = self._settings.key_column
        self._client = SheetClient(
            context,
            api_url=context.addresses[API_URL],
            spreadsheet_id=self._settings.spreadsheet_id,
            title=self._settings.sheet,
            key=key,
        )
        self._columns = SheetColumns(self._client.grid, context.mapping, context.known, key)
        self._sheet_id = 0
        self._shown: Grid | None = None

    @property
    def call_count(self) -> int:
        return self._client.call_count

    # Looking

    def check(self, values: ContactValues) -> CheckReport:
        """The sheet first: where there is none, nothing else is asked."""
        found = Findings()
        with found.until_ended():
            with found.asking("the sheet", is_vital=True):
                self._client.properties()
                self._look_at(found)
            if not found.problems:
                self._look_at_rights(found)
            found.notes += self._misfits(values)
        return found.report()

    def _look_at(self, found: Findings) -> None:
        grid = self._client.grid()
        found.add_look(self._columns.see(grid))
        if grid.unkeyed:
            found.notes.append(f"rows without a key: {len(grid.unkeyed)}; a sync writes one into each")

    def _look_at_rights(self, found: Findings) -> None:
        with found.asking("whether the token may write", is_vital=True):
            if not self._client.may_write():
                found.problems.append("whether the sheet may be written could not be told from Google's answer")

    def _misfits(self, held: ContactValues) -> list[str]:
        """Values of the workspace that no cell can hold, counted by column."""
        notes = []
        for mapped in self._columns.mapping:
            if not mapped.direction.allows(Side.REMOTE):
                continue
            told = [
                (problem, n) for text, n in held.of(mapped.name).items() if (problem := values.misfit(text, mapped))
            ]
            for problem in dict.fromkeys(problem for problem, _ in told):
                count = sum(n for each, n in told if each == problem)
                notes.append(f'{count} values of {mapped.name} do not fit: column "{mapped.column}" {problem}')
        return notes

    def create_key_column(self) -> None:
        """Make the key column after the last one that has a name or a cell."""
        grid, properties = self._client.grid(), self._client.properties()
        if grid.key_column is not None:
            return
        place = max([len(grid.header), *(len(row) for row in grid.rows)])
        sheet_id, size = properties.get("sheetId", 0), properties.get("gridProperties", {}).get("columnCount", 0)
        if size and place >= size:
            self._client.change([{"appendDimension": {"sheetId": sheet_id, "dimension": "COLUMNS", "length": 1}}])
        self._client.write_cells({(1, place): self._settings.key_column})
        self._columns.forget()

    def look(self) -> SchemaLook:
        return self._columns.require()

    @property
    def looked(self) -> SchemaLook | None:
        return self._columns.looked

    def recently_edited(self, records: Sequence[RemoteRecord], seconds: float) -> frozenset[str]:  # noqa: ARG002
        """A sheet does not tell when a row was edited."""
        return frozenset()

    def is_place_of(self, settings: Mapping[str, Any]) -> bool:
        own = (self._settings.spreadsheet_id, self._settings.sheet)
        return own == (settings.get("spreadsheet_id"), settings.get("sheet", "Contacts"))

    # Reading

    def read_all(self) -> Iterator[Page]:
        """One request for everything, and one more for rows without a key."""
        grid = self._read()
        records = [self._record(grid, index, key) for key, index in self._keyed(grid)]
        keyless = 0 if self._is_read_only else len(grid.unkeyed)
        told = f"rows left out: {keyless}; no key can be written there, as in protected rows"
        notices = (told,) if keyless else ()
        for chosen in list(chunks(records, PAGE_SIZE)) or [[]]:
            yield Page(records=chosen, cursor={"read": "whole"}, is_complete=True, notices=notices)

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:  # noqa: ARG002 - nothing tells changes
        yield from self.read_all()

    def read_records(self, external_ids: Sequence[str]) -> Page:
        grid = self._read()
        keyed = dict(self._keyed(grid))
        return Page(
            records=[self._record(grid, keyed[key], key) for key in external_ids if key in keyed],
            tombstones=frozenset(key for key in external_ids if key not in keyed),
        )

    def recheck(self, external_ids: Sequence[str]) -> Page:
        return self.read_records(external_ids)

    def find_created(self, changes: Sequence[Change], since: datetime) -> Mapping[str, RemoteRecord]:  # noqa: ARG002
        grid = self._read()
        return created(changes, [self._record(grid, index, key) for key, index in self._keyed(grid)])

    def _read(self) -> Grid:
        """The sheet as it is, with a key on every row; in a preview, with the keys that they would get."""
        grid = self._client.grid()
        self._columns.see(grid)
        if not self._is_read_only:
            grid = give_keys(self._client, grid)
            self._columns.see(grid)
        self._shown = grid
        return grid

    def _keyed(self, grid: Grid) -> list[tuple[str, int]]:
        """(key, index) of every row, from the top. One that took no key was never told, so its absence means
        nothing."""
        keys = {index: key for key, index in grid.by_key.items()}
        keys |= grid.unkeyed if self._is_read_only else {}
        return [(keys[index], index) for index in sorted(keys)]

    def _record(self, grid: Grid, index: int, key: str) -> RemoteRecord:
        row, fields = grid.rows[index], {}
        for mapped in self._columns.mapping:
            place = grid.column(mapped.column)
            value = None if place is None else values.to_field(row[place], mapped)
            if value is not None:
                fields[mapped.name] = value
        contact_key = key if _CONTACT_ID.fullmatch(key) else ""
        return RemoteRecord(external_id=key, fields=fields, contact_key=contact_key)

    # Writing

    def prepare_write(self) -> None:
        self._sheet_id = int(self._client.properties().get("sheetId", 0))
        self._columns.see(self._shown or self._client.grid())

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        mapping = {each.name: each for each in self._columns.mapping if each.direction.allows(Side.REMOTE)}
        writer = SheetWriter(client=self._client, sheet_id=self._sheet_id, mapping=mapping, shown=self._shown)
        return writer.write(batch)

    def close(self) -> None:
        self._client.close()
