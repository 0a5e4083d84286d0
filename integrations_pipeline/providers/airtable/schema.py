"""Columns of an Airtable table: which values they can hold, and cells as field values and back.

Belongs here: the schema check and the pure mapping of cells. Does not: requests (`client`).
Source: https://airtable.com/developers/web/api/field-model.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import Direction, FieldKind, MappedField, Side, clean_text, join_set, split_set

#: Computed by Airtable: a write is refused with INVALID_VALUE_FOR_COLUMN.
COMPUTED_TYPES = frozenset(
    {
        "formula",
        "rollup",
        "count",
        "lookup",
        "multipleLookupValues",
        "autoNumber",
        "createdTime",
        "lastModifiedTime",
        "createdBy",
        "lastModifiedBy",
        "button",
        "aiText",
        "externalSyncSource",
    }
)
TEXT_TYPES = frozenset({"singleLineText", "multilineText", "richText", "email", "url", "phoneNumber"})
NUMBER_TYPES = frozenset({"number", "currency", "percent", "duration", "rating"})
_SIMPLE_TYPES = TEXT_TYPES | NUMBER_TYPES | {"singleSelect", "date", "dateTime", "checkbox"}
#: Of the columns that `performUpsert` accepts as a key (API reference, "Update multiple records"), those
#: that can hold an id of ours.
MERGE_KEY_TYPES = frozenset({"singleLineText", "multilineText"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    id: str
    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as the meta API tells it; `columns` by name."""

    id: str
    name: str
    columns: Mapping[str, Column]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Table":
        columns = [
            Column(id=found["id"], name=found["name"], type=found.get("type", "")) for found in body.get("fields", [])
        ]
        return cls(id=body["id"], name=body["name"], columns={column.name: column for column in columns})


def find_table(body: Mapping[str, Any], table_id: str) -> Table | None:
    """The table with this id or name, or None."""
    for found in body.get("tables", []):
        if table_id in (found.get("id"), found.get("name")):
            return Table.from_json(found)
    return None


def mapping_problems(table: Table, mapping: Sequence[MappedField], key: str) -> list[str]:
    """What is wrong with the mapped columns, one line each; empty if a sync can run. `key`: the key column."""
    problems = [problem for mapped in mapping if (problem := _problem(table, mapped))]
    taken = [mapped.name for mapped in mapping if mapped.column == key]
    if taken:
        problems.append(f'column "{key}" is the key of the sync: map {taken[0]} to another, or set external_id_field')
    return problems


def _problem(table: Table, mapped: MappedField) -> str:
    column = table.columns.get(mapped.column)
    where = f'column "{mapped.column}" of table "{table.name}"'
    if column is None:
        return f"{where} does not exist (mapped from {mapped.name}): create it or change field_mapping"
    if column.type in COMPUTED_TYPES:
        if mapped.direction is Direction.FROM_EXTERNAL:
            return ""
        return (
            f"{where} is computed ({column.type}) and cannot be written: "
            f"map {mapped.name} to another column or set its sync_direction to from_external"
        )
    if mapped.kind is FieldKind.SET:
        can_hold = column.type == "multipleSelects" or column.type in TEXT_TYPES
    else:
        can_hold = column.type in _SIMPLE_TYPES
    return "" if can_hold else f"{where} has type {column.type}, which cannot hold {mapped.name}"


def key_problem(table: Table, column_name: str) -> str:
    """Why creates cannot be made repeatable by this column, or ""."""
    column = table.columns.get(column_name)
    if column is None:
        return (
            f'column "{column_name}" does not exist: creates fall back to looking the e-mail up; '
            "`integrations connections add --create-field` makes it"
        )
    if column.type not in MERGE_KEY_TYPES:
        return f'column "{column_name}" has type {column.type}: use a single line text column as key'
    return ""


def to_value(cell: Any) -> str:
    """A cell as field value: absent and null as "", lists as sets, objects by their name."""
    if cell is None or cell is False:
        return ""
    if cell is True:
        return "true"
    if isinstance(cell, str):
        return clean_text(cell)
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, list):
        return join_set(to_value(member) for member in cell)
    if isinstance(cell, dict):
        return str(cell.get("name") or cell.get("email") or "")
    return str(cell)


def from_column(cell: Any, mapped: MappedField, column: Column | None) -> str:
    """A cell of a mapped column as field value; tags kept in a text column are separated by commas."""
    value = to_value(cell)
    is_text_column = column is None or column.type in TEXT_TYPES
    if mapped.kind is FieldKind.SET and is_text_column and isinstance(cell, str):
        return join_set(value.split(","))
    return value


def to_cell(value: str, mapped: MappedField, column: Column | None) -> Any:
    """A field value as cell; None clears. Raises `PermanentError` if the column cannot hold it as it is:
    what it would read back as must be the same value, or our own write would come back as somebody's edit."""
    cell = _cell(value, mapped, column)
    back = from_column(None if cell is False else cell, mapped, column)
    if not is_same_value(back, value, mapped, column):
        raise PermanentError(
            f'column "{mapped.column}" cannot hold {mapped.name} of this contact as it is',
            code="INVALID_VALUE_FOR_COLUMN",
        )
    return cell


def is_same_value(back: str, value: str, mapped: MappedField, column: Column | None) -> bool:
    """Whether a cell reads back as what was written: the same members, the same number, the same text."""
    if mapped.kind is FieldKind.SET:
        return sorted(split_set(back)) == sorted(split_set(value))
    if column is not None and column.type in NUMBER_TYPES and value:
        has_leading_zero = re.match(r"[+-]?0\d", value.strip()) is not None
        return not has_leading_zero and Decimal(back) == Decimal(value.strip())
    if mapped.kind is FieldKind.CONSENT:
        return True
    return back.strip() == value.strip()


def _cell(value: str, mapped: MappedField, column: Column | None) -> Any:
    kind = column.type if column else ""
    if kind == "checkbox":
        return value.lower() in ("true", "1", "yes")
    if value == "":
        return None
    if mapped.kind is FieldKind.SET:
        members = split_set(value)
        return ", ".join(members) if kind in TEXT_TYPES else members
    if kind in NUMBER_TYPES:
        return _to_number(value, mapped)
    return value


def _to_number(value: str, mapped: MappedField) -> float | int:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise PermanentError(
            f'column "{mapped.column}" holds numbers, and {mapped.name} of this contact is none',
            code="INVALID_VALUE_FOR_COLUMN",
        )
    return int(number) if number.is_integer() else number


def writable(mapping: Sequence[MappedField]) -> dict[str, MappedField]:
    """The mapped fields that may be written to Airtable, by workspace field name."""
    return {mapped.name: mapped for mapped in mapping if mapped.direction.allows(Side.REMOTE)}
