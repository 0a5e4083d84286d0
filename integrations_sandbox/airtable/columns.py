"""What a person does to a column: another name, another type, another column in its place.

Belongs here: the effects on cells, on formulas and on the schema. Does not belong here: making a first column
(`schema`), webhooks, HTTP.

A formula goes on meaning the column that it meant: before a column gets another name, the formulas of its table name it
by id, as Airtable's own schema call always does.
"""

from collections.abc import Iterable
from typing import Any

from integrations_sandbox.airtable import errors, schema
from integrations_sandbox.airtable.cell_input import WRITABLE_TYPES, CellWriter
from integrations_sandbox.airtable.cells import CellReader
from integrations_sandbox.airtable.formula_syntax import named_by_id
from integrations_sandbox.airtable.model import Field, Table
from integrations_sandbox.stage import IdSource
from integrations_sandbox.wire import JsonObject, WireError


def column_of(table: Table, id_or_name: str) -> Field:
    found = table.field(id_or_name)
    if found is None:
        raise errors.unknown_field(id_or_name)
    return found


def rename(table: Table, column: Field, name: str) -> None:
    """Raises WireError for a name that is empty or another column's."""
    owner = next((each for each in table.fields if each.name == name), column)
    if not name.strip() or owner is not column:
        raise errors.field_name_taken()
    _pin_formulas(table, [column])
    column.name = name


def swap_names(table: Table, first: Field, second: Field) -> None:
    _pin_formulas(table, [first, second])
    first.name, second.name = second.name, first.name


def delete(table: Table, column: Field) -> None:
    table.fields.remove(column)
    _empty(table, column)


def replace(ids: IdSource, table: Table, column: Field, document: JsonObject) -> Field:
    """Another column of the same name, in the same place, with an id of its own and without cells."""
    position = table.fields.index(column)
    delete(table, column)
    made = schema.add_field(ids, table, {"type": column.type} | document | {"name": column.name}, by_person=True)
    table.fields.insert(position, table.fields.pop())
    return made


def change_type(reader: CellReader, writer: CellWriter, column: Field, kind: str, options: JsonObject | None) -> None:
    """Cells go along as their texts: what the new type cannot read is lost, and a computed type keeps none.

    Assumed: that it is typecast which converts them.
    """
    schema.check_type(kind)
    table = reader.table
    texts = {each.id: reader.text(column, each) for each in table.records.values()}
    _empty(table, column)
    column.type, column.options = kind, schema.stored_options(writer.ids, kind, options)
    if kind not in WRITABLE_TYPES:
        return
    for record_id, text in texts.items():
        value = _converted(writer, column, text)
        if value is not None:
            table.records[record_id].cells[column.id] = value
    writer.commit_choices()


def _converted(writer: CellWriter, column: Field, text: str | None) -> Any:
    try:
        return writer.value(column, text)
    except WireError:
        return None


def _empty(table: Table, column: Field) -> None:
    table.indexes.forget()
    column.outputs.clear()
    for record in table.records.values():
        record.cells.pop(column.id, None)
        record.modified_at.pop(column.id, None)


def _pin_formulas(table: Table, columns: Iterable[Field]) -> None:
    ids = {each.name: each.id for each in columns}
    for each in table.fields:
        if each.options and isinstance(each.options.get("formula"), str):
            each.options["formula"] = named_by_id(each.options["formula"], ids)
    for view in table.views:
        view.formula = named_by_id(view.formula, ids) if view.formula else view.formula
