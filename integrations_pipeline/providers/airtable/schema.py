"""Columns of an Airtable table: which values they can hold.

Belongs here: the schema as the meta API tells it, and its rules. Does not: cells (`cells`), requests (`client`).
Source: https://airtable.com/developers/web/api/field-model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations_pipeline.model import Direction, FieldKind, MappedField, Side
from integrations_pipeline.providers.columns import ColumnRules, PresentColumn

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
DATE_TYPES = frozenset({"date", "dateTime"})
SELECT_TYPES = frozenset({"singleSelect", "multipleSelects"})
#: What can hold a field at all; whether it holds a value, the value tells.
_HOLDERS = {
    FieldKind.SET: TEXT_TYPES | {"multipleSelects"},
    FieldKind.EMAIL: TEXT_TYPES | {"singleSelect"},
    FieldKind.CONSENT: TEXT_TYPES | {"singleSelect", "checkbox"},
    FieldKind.TEXT: TEXT_TYPES | NUMBER_TYPES | DATE_TYPES | {"singleSelect", "checkbox"},
}
_FAMILIES = {
    **dict.fromkeys(COMPUTED_TYPES, "computed"),
    **dict.fromkeys(TEXT_TYPES, "text"),
    **dict.fromkeys(NUMBER_TYPES, "number"),
    **dict.fromkeys(DATE_TYPES, "date"),
}
_MADE_FOR = {"email": "email", "phoneNumber": "phone", "multipleSelects": "tags"}
#: Of the columns that `performUpsert` accepts as a key (API reference, "Update multiple records"), those
#: that can hold an id of ours.
MERGE_KEY_TYPES = frozenset({"singleLineText", "multilineText"})


Column = PresentColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as the meta API tells it; `columns` by name."""

    id: str
    name: str
    columns: Mapping[str, Column]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Table":
        columns = [
            Column(id=each["id"], name=each["name"], type=each.get("type", ""), choices=_choices(each.get("options")))
            for each in body.get("fields", [])
        ]
        return cls(id=body["id"], name=body["name"], columns={column.name: column for column in columns})


def _choices(options: Any) -> tuple[str, ...]:
    """The options of a select column, by name; none of any other."""
    told = options.get("choices") if isinstance(options, Mapping) else None
    names = [each.get("name") for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []
    return tuple(name for name in names if isinstance(name, str))


def find_table(body: Mapping[str, Any], table_id: str) -> Table | None:
    """The table with this id or name, or None."""
    for found in body.get("tables", []):
        if table_id in (found.get("id"), found.get("name")):
            return Table.from_json(found)
    return None


def rules(table: Table, key: str) -> ColumnRules:
    """What this table's columns can hold. `key`: the key column, which holds no field."""

    def told(column: str) -> str:
        return f'column "{column}" of table "{table.name}"'

    def problem(mapped: MappedField, columns: Sequence[PresentColumn]) -> str:
        return _problem(mapped, columns[0], told(columns[0].name), key)

    return ColumnRules(family=lambda kind: _FAMILIES.get(kind, kind), problem=problem, told=told, made_for=_MADE_FOR)


def _problem(mapped: MappedField, column: PresentColumn, where: str, key: str) -> str:
    if column.name == key:
        return f'column "{key}" is the key of the sync: map {mapped.name} to another, or set external_id_field'
    if column.type in COMPUTED_TYPES:
        if mapped.direction is Direction.FROM_EXTERNAL:
            return ""
        return (
            f"{where} is computed ({column.type}) and cannot be written: "
            f"map {mapped.name} to another column or set its sync_direction to from_external"
        )
    return (
        ""
        if column.type in _HOLDERS[mapped.kind]
        else f"{where} has type {column.type}, which cannot hold {mapped.name}"
    )


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


def writable(mapping: Sequence[MappedField]) -> dict[str, MappedField]:
    """The mapped fields that may be written to Airtable, by workspace field name."""
    return {mapped.name: mapped for mapped in mapping if mapped.direction.allows(Side.REMOTE)}
