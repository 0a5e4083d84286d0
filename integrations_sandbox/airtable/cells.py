"""Cell values on their way out: as JSON, as text, as webhook values, as formula values.

Belongs here: what a stored cell looks like to each reader, including computed fields.
Does not belong here: accepting values (`cell_input`), choosing records.

Stored forms: text as str, numbers as int or float, a ticked checkbox as True, dates as `YYYY-MM-DD`, times as
ISO with Z, a select as its name, several as a list of names, links as a list of record ids. Empty cells are
not stored, and so never leave the server.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations_sandbox.airtable.formula import Evaluator, compile_formula, formula_result
from integrations_sandbox.airtable.formula_syntax import FormulaError
from integrations_sandbox.airtable.formula_values import Value, parse_time, to_text
from integrations_sandbox.airtable.model import Base, Field, Record, Table
from integrations_sandbox.stage import iso
from integrations_sandbox.wire import JsonObject

#: Types that cannot be written; those that the sandbox does not calculate are always empty.
COMPUTED_TYPES = frozenset(
    [
        "formula",
        "rollup",
        "multipleLookupValues",
        "count",
        "autoNumber",
        "createdTime",
        "lastModifiedTime",
        "createdBy",
        "lastModifiedBy",
        "button",
        "aiText",
        "externalSyncSource",
    ]
)
TEXT_TYPES = frozenset(["singleLineText", "multilineText", "richText", "email", "url", "phoneNumber"])
NUMBER_TYPES = frozenset(["number", "currency", "percent", "duration", "rating"])
LINKED_TYPES = frozenset(["rollup", "multipleLookupValues", "count"])
SELECT_TYPES = frozenset(["singleSelect", "multipleSelects"])


def is_empty(value: Any) -> bool:
    """Empty text, an empty list, false and null vanish from answers; the number 0 does not."""
    return value is None or value is False or value in ("", [])


@dataclass(slots=True)
class CellReader:
    """Reads the cells of one table; formulas are compiled once, so a reader lives for one request."""

    base: Base
    table: Table
    now: datetime
    _formulas: dict[str, Evaluator] = field(default_factory=dict)

    def value(self, column: Field, record: Record) -> Any:
        """The cell as the API's JSON value, None where it is empty."""
        if column.type not in COMPUTED_TYPES:
            return record.cells.get(column.id)
        if column.has_output(record.id):
            return column.output(record.id)
        if column.type == "formula":
            return formula_result(self._formula(column), record)
        if column.type in LINKED_TYPES:
            return self._looked_up(column, record)
        return self._stamp(column, record)

    def formula_value(self, column: Field, record: Record) -> Value:
        """The cell as a formula sees it: dates as times, lists as text, an empty checkbox as false."""
        if column.type == "formula" and not column.has_output(record.id):
            return self._formula(column)(record)
        value = self.value(column, record)
        if isinstance(value, dict) and column.type in COMPUTED_TYPES:
            raise ArithmeticError(f"the formula meets {column.name}, which is an error itself")
        if column.type == "checkbox":
            return bool(value)
        if column.type in ("date", "dateTime", "createdTime", "lastModifiedTime"):
            return parse_time(value) if value else None
        return to_text(self._names(column, value)) if isinstance(value, list) else value

    def fields_json(self, record: Record, columns: list[Field], by_id: bool) -> JsonObject:
        pairs = ((column, self.value(column, record)) for column in columns)
        return {(column.id if by_id else column.name): value for column, value in pairs if not is_empty(value)}

    def text(self, column: Field, record: Record) -> str | None:
        """The cell for `cellFormat=string`. Assumed: numbers and times are written plainly, as in JSON."""
        value = self.value(column, record)
        if is_empty(value):
            return None
        if column.type == "checkbox":
            return "checked"
        if isinstance(value, dict) and column.type in COMPUTED_TYPES:
            return str(next(iter(value.values()), ""))
        return to_text(self._names(column, value)) if isinstance(value, list) else to_text(value)

    def hook_value(self, column: Field, value: Any) -> Any:
        """A stored cell in the webhooks' format: selects and links are objects, an empty cell is null."""
        if is_empty(value):
            return None
        if column.type == "singleSelect":
            return find_choice(column, value)
        if column.type == "multipleSelects":
            return [find_choice(column, each) for each in value]
        if column.type == "multipleRecordLinks":
            names = self._names(column, value)
            return [{"id": each, "name": name} for each, name in zip(value, names, strict=True)]
        return value

    def _formula(self, column: Field) -> Evaluator:
        if column.id not in self._formulas:
            text = (column.options or {}).get("formula", "")
            try:
                compiled = compile_formula(text, self.table, self.formula_value, self.now)
            except FormulaError:
                compiled = _broken
            self._formulas[column.id] = compiled
        return self._formulas[column.id]

    def _looked_up(self, column: Field, record: Record) -> Any:
        """The linked records' values in a list, their texts in one, or their number.

        Assumed: a roll-up joins; its own formula is not calculated.
        """
        options = column.options or {}
        link = self.table.field(options.get("recordLinkFieldId", ""))
        linked = None if link is None else linked_table(self.base, link)
        if link is None or linked is None:
            return None
        found = [linked.records[each] for each in record.cells.get(link.id, ()) if each in linked.records]
        if column.type == "count":
            return len(found)
        source = linked.field(options.get("fieldIdInLinkedTable", ""))
        if source is None:
            return None
        reader = CellReader(self.base, linked, self.now)
        values = [value for value in (reader.value(source, each) for each in found) if not is_empty(value)]
        return values if column.type == "multipleLookupValues" else to_text([to_text(each) for each in values])

    def _stamp(self, column: Field, record: Record) -> Any:
        if column.type == "createdTime":
            return iso(record.created_at)
        if column.type == "lastModifiedTime":
            return iso(record.last_modified_at)
        return record.number if column.type == "autoNumber" else None

    def _names(self, column: Field, value: list[Any]) -> list[str]:
        if column.type != "multipleRecordLinks":
            return [to_text(each) if not isinstance(each, dict) else str(each.get("url", "")) for each in value]
        linked = linked_table(self.base, column)
        records = linked.records if linked else {}
        return [
            to_text(records[each].cells.get(linked.primary.id)) if linked and each in records else each
            for each in value
        ]


def _broken(record: Record) -> Value:
    raise ArithmeticError(f"the formula field of {record.id} cannot be compiled")


def linked_table(base: Base, column: Field) -> Table | None:
    return base.tables.get((column.options or {}).get("linkedTableId", ""))


def find_choice(column: Field, name: str) -> JsonObject | None:
    return next((choice for choice in column.choices if choice["name"] == name), None)
