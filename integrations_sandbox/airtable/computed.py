"""Which computed cells changed along with an edit, or with a column: what webhooks tell besides the edit itself.

Belongs here: comparing the cells of a table before and after. Does not belong here: calculating them (`cells`),
payloads (`webhooks`).

Assumed: the cells that follow from an edit come in the payload of that edit, with its source. Not imitated: those in
other tables and in other records, which change through links, and those that change with the clock.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from integrations_sandbox.airtable.cells import COMPUTED_TYPES, CellReader, is_empty
from integrations_sandbox.airtable.model import Field, Record
from integrations_sandbox.airtable.writing import CellChange

#: Values by record id and field id; an empty cell is None.
Cells = dict[str, dict[str, Any]]


def computed_cells(reader: CellReader, records: Iterable[Record]) -> Cells:
    columns = [each for each in reader.table.fields if each.type in COMPUTED_TYPES]
    return _cells(reader, columns, records)


def all_cells(reader: CellReader) -> Cells:
    return _cells(reader, reader.table.fields, reader.table.records.values())


def with_computed(changes: Iterable[CellChange], before: Cells, after: Cells) -> list[CellChange]:
    """The changes of an edit, each with the computed cells that changed with it."""
    return [_joined(each, _difference(each.record_id, before, after)) for each in changes]


def column_changes(before: Cells, after: Cells) -> list[CellChange]:
    """What the records show otherwise since a column was changed; cells of columns that are gone are not told."""
    found = [_difference(each, before, after) for each in after]
    return [each for each in found if each.after]


def _cells(reader: CellReader, columns: Iterable[Field], records: Iterable[Record]) -> Cells:
    return {record.id: {each.id: _shown(reader, each, record) for each in columns} for record in records}


def _shown(reader: CellReader, column: Field, record: Record) -> Any:
    value = reader.value(column, record)
    return None if is_empty(value) else value


def _difference(record_id: str, before: Cells, after: Cells) -> CellChange:
    old, new = before.get(record_id, {}), after.get(record_id, {})
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    return CellChange(record_id=record_id, before={key: old.get(key) for key in changed}, after=changed)


def _joined(change: CellChange, computed: CellChange) -> CellChange:
    return replace(change, before=change.before | computed.before, after=change.after | computed.after)
