"""Creating, updating, upserting and deleting records, each request all or nothing.

Belongs here: checking a whole request, then applying it in one step that cannot fail.
Does not belong here: HTTP, permissions, cell types (`cell_input`), webhooks (they are told what changed).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations_sandbox.airtable import errors
from integrations_sandbox.airtable.cell_input import WRITABLE_TYPES, Cells, CellWriter
from integrations_sandbox.airtable.cells import is_empty
from integrations_sandbox.airtable.index import key_of
from integrations_sandbox.airtable.model import Field, Record, Table
from integrations_sandbox.stage import IdSource
from integrations_sandbox.wire import JsonObject

#: The types a merge field may have; e-mail, phone and url are not among them.
MERGE_TYPES = frozenset(["number", "singleLineText", "multilineText", "singleSelect", "multipleSelects", "date"])
MOST_MERGE_FIELDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What will happen to one record; `record_id` None creates one."""

    record_id: str | None
    cells: Cells


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """The cells of one record that really changed, by field id, before and after (None: empty)."""

    record_id: str
    before: Cells
    after: Cells


@dataclass(slots=True)
class Outcome:
    """What one request did. `records` in the order of the request; `created`, `destroyed` are ids."""

    records: list[Record] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    changes: list[CellChange] = field(default_factory=list)
    destroyed: list[str] = field(default_factory=list)


def plan_creates(writer: CellWriter, items: Sequence[JsonObject]) -> list[Edit]:
    return [Edit(record_id=None, cells=writer.cells(fields_of(item))) for item in items]


def plan_updates(writer: CellWriter, items: Sequence[JsonObject], replace: bool) -> list[Edit]:
    """Raises WireError for an unknown or repeated id, or for a value that is not accepted."""
    ids = [str(item.get("id")) for item in items if isinstance(item, dict)]
    if len(set(ids)) < len(ids):
        # Assumed: type and wording.
        raise errors.invalid_records("You cannot update the same record multiple times in a single request.")
    return [plan_update(writer, item, replace) for item in items]


def plan_update(writer: CellWriter, item: JsonObject, replace: bool) -> Edit:
    cells = writer.cells(fields_of(item))
    record_id = item.get("id")
    if not isinstance(record_id, str) or record_id not in writer.table.records:
        raise errors.row_does_not_exist(str(record_id))
    return Edit(record_id=record_id, cells=_with_cleared(writer.table, cells) if replace else cells)


def plan_upserts(writer: CellWriter, items: Sequence[JsonObject], merge_on: Any, replace: bool) -> list[Edit]:
    """Matches the records without an id by their merge fields; more than one match fails the request.

    Assumed: every record is matched against the table as it was before the request, so two new records with
    the same key in one request both become records; a record whose key is empty matches nothing.
    """
    columns = merge_fields(writer.table, merge_on)
    edits: list[Edit] = []
    for item in items:
        cells = writer.cells(fields_of(item))
        if item.get("id") is not None:
            edits.append(plan_update(writer, item, replace))
            continue
        found = _match(writer.table, columns, cells)
        is_clearing = replace and found is not None
        edits.append(Edit(record_id=found, cells=_with_cleared(writer.table, cells) if is_clearing else cells))
    return edits


def merge_fields(table: Table, names: Any) -> list[Field]:
    """Assumed: types and wording of these refusals; that they are refused with 422 is documented."""
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_MERGE_FIELDS:
        raise errors.invalid_request("fieldsToMergeOn must name one to three fields")
    columns = []
    for name in names:
        column = table.field(name)
        if column is None:
            raise errors.unknown_field(name)
        if column.type not in MERGE_TYPES:
            raise errors.invalid_request(f'Field "{column.name}" of type {column.type} cannot be merged on')
        columns.append(column)
    return columns


def apply_edits(table: Table, edits: Sequence[Edit], ids: IdSource, now: datetime) -> Outcome:
    outcome = Outcome()
    for edit in edits:
        if edit.record_id is None:
            record = _create(table, edit.cells, ids.new("rec"), now)
            outcome.created.append(record.id)
        else:
            record = table.records[edit.record_id]
            outcome.updated.append(record.id)
            _note_change(outcome, _update(table, record, edit.cells, now))
        outcome.records.append(record)
    return outcome


def delete_records(table: Table, record_ids: Sequence[str]) -> Outcome:
    """All or nothing. Raises WireError for the first id that is not in the table."""
    for record_id in record_ids:
        if record_id not in table.records:
            raise errors.row_does_not_exist(record_id)
    unique = list(dict.fromkeys(record_ids))
    for record_id in unique:
        table.indexes.leave(table.records.pop(record_id))
    return Outcome(destroyed=unique)


def fields_of(item: Any) -> Any:
    if not isinstance(item, dict):
        raise errors.invalid_request("every record must be an object")
    if "fields" not in item:
        raise errors.missing_fields()
    return item["fields"]


def _with_cleared(table: Table, cells: Cells) -> Cells:
    """The cells of a PUT: every writable field that is not listed becomes empty."""
    return {column.id: None for column in table.fields if column.type in WRITABLE_TYPES} | cells


def _match(table: Table, columns: list[Field], cells: Cells) -> str | None:
    field_ids = tuple(column.id for column in columns)
    key = key_of(cells, field_ids)
    if any(part is None for part in key):
        return None
    found = table.indexes.find(table.records, field_ids, key)
    if len(found) > 1:
        # Assumed: type and wording; that the whole request fails is documented.
        raise errors.invalid_request("more than one record matches the fields to merge on")
    return found[0] if found else None


def _create(table: Table, cells: Cells, record_id: str, now: datetime) -> Record:
    table.record_count += 1
    # Assumed: the time of creation is kept in whole seconds, because every answer seen shows `.000Z`.
    record = Record(id=record_id, number=table.record_count, created_at=now.replace(microsecond=0))
    _update(table, record, cells, now)
    table.records[record_id] = record
    return record


def _update(table: Table, record: Record, cells: Cells, now: datetime) -> CellChange:
    """Stores the cells that differ; writing what is already there changes no modification time."""
    changed = {key: value for key, value in cells.items() if record.cells.get(key) != value}
    before = {key: record.cells.get(key) for key in changed}
    table.indexes.leave(record)
    for key, value in changed.items():
        record.modified_at[key] = now
        if is_empty(value):
            record.cells.pop(key, None)
        else:
            record.cells[key] = value
    table.indexes.enter(record)
    return CellChange(record_id=record.id, before=before, after=changed)


def _note_change(outcome: Outcome, change: CellChange) -> None:
    if change.after:
        outcome.changes.append(change)
