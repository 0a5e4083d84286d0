"""Cell values on their way in: what each field type accepts, with and without typecast.

Belongs here: checking and converting the values of one request; nothing is stored before all are accepted.
Does not belong here: records, batches, readers of cells (`cells`).
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from integrations_sandbox.airtable import errors, typecast
from integrations_sandbox.airtable.cells import (
    COMPUTED_TYPES,
    NUMBER_TYPES,
    TEXT_TYPES,
    is_empty,
    linked_table,
)
from integrations_sandbox.airtable.model import Base, Field, Table
from integrations_sandbox.stage import IdSource
from integrations_sandbox.wire import JsonObject

#: Assumed: the limit of a long text cell, taken for every text type; the API reference does not name one.
TEXT_LIMIT = 100_000
CHOICE_COLORS = (
    "blueLight2",
    "cyanLight2",
    "tealLight2",
    "greenLight2",
    "yellowLight2",
    "orangeLight2",
    "redLight2",
)
#: What a date column takes without typecast: a day, or a time, whose day counts.
ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")

#: The cells of one record as they will be stored, by field id; None clears.
Cells = dict[str, Any]


@dataclass(slots=True)
class CellWriter:
    """Converts the `fields` objects of one request; `commit_choices` adds the options it invented, where it
    `may_configure` columns."""

    base: Base
    table: Table
    ids: IdSource
    is_typecast: bool
    may_configure: bool = True
    new_choices: dict[str, list[JsonObject]] = field(default_factory=dict)

    def cells(self, fields: Any) -> Cells:
        """Raises WireError for the first value that the table does not accept."""
        if not isinstance(fields, dict):
            raise errors.invalid_request("fields must be an object")
        return dict(self._cell(name, value) for name, value in fields.items())

    def value(self, column: Field, value: Any) -> Any:
        """One value as it would be stored, None for an empty one."""
        if is_empty(value) and value is not False:
            return None
        accepted = _ACCEPT[column.type](self, column, value)
        return None if is_empty(accepted) else accepted

    def commit_choices(self) -> None:
        for column in self.table.fields:
            column_choices = self.new_choices.get(column.id)
            if column_choices:
                column.choices.extend(column_choices)

    def _cell(self, name: str, value: Any) -> tuple[str, Any]:
        column = self.table.field(name)
        if column is None:
            raise errors.unknown_field(name)
        if column.type in COMPUTED_TYPES or column.type not in _ACCEPT:
            raise errors.computed_field(column.name)
        return column.id, self.value(column, value)

    def _text(self, column: Field, value: Any) -> str:
        # An e-mail or url column takes any text; only the app's own editor complains about its form.
        if not isinstance(value, str):
            if not self.is_typecast or isinstance(value, (dict, list)):
                raise errors.invalid_value(column.name)
            value = str(value)
        if len(value) > TEXT_LIMIT:
            raise errors.invalid_value(column.name)
        return str(value)

    def _number(self, column: Field, value: Any) -> float | int | None:
        if self.is_typecast and isinstance(value, (str, int, float)):
            return typecast.number(column, value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise errors.invalid_value(column.name)
        if column.type == "rating" and not self._is_rating(column, value):
            raise errors.invalid_value(column.name)
        return value

    @staticmethod
    def _is_rating(column: Field, value: float) -> bool:
        return value == int(value) and 1 <= value <= (column.options or {}).get("max", 5)

    def _checkbox(self, column: Field, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if self.is_typecast and isinstance(value, (str, int)):
            return typecast.is_ticked(value)
        raise errors.invalid_value(column.name)

    def _date(self, column: Field, value: Any) -> str | None:
        if self.is_typecast and isinstance(value, (str, int, float)):
            return typecast.day(column, value)
        try:
            if not isinstance(value, str) or not ISO_DAY.fullmatch(value.strip()):
                raise errors.invalid_value(column.name)
            return date.fromisoformat(value.strip()[:10]).isoformat()
        except ValueError as error:
            raise errors.invalid_value(column.name) from error

    def _date_time(self, column: Field, value: Any) -> str | None:
        if self.is_typecast and isinstance(value, (str, int, float)):
            return typecast.moment(column, value)
        try:
            found = typecast.in_utc(column, datetime.fromisoformat(str(value).strip()))
        except ValueError as error:
            raise errors.invalid_value(column.name) from error
        if found is None:
            raise errors.invalid_value(column.name)
        return found

    def _single_select(self, column: Field, value: Any) -> str:
        if self.is_typecast and isinstance(value, (int, float)):
            value = str(value)
        if not isinstance(value, str):
            raise errors.invalid_value(column.name)
        return self._choice(column, value)

    def _multiple_selects(self, column: Field, value: Any) -> list[str]:
        # Assumed: typecast cuts a text at its commas.
        if self.is_typecast and isinstance(value, str):
            value = [each.strip() for each in value.split(",") if each.strip()]
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise errors.invalid_value(column.name)
        return list(dict.fromkeys(self._choice(column, each) for each in value))

    def _choice(self, column: Field, name: str) -> str:
        """Assumed: typecast trims the text, and compares exactly before it creates an option."""
        name = name.strip() if self.is_typecast else name
        added = self.new_choices.get(column.id, [])
        if any(choice["name"] == name for choice in [*column.choices, *added]):
            return name
        if not (self.is_typecast and self.may_configure):
            raise errors.unknown_choice(name)
        choice = make_choice(self.ids, name, len(column.choices) + len(added))
        self.new_choices.setdefault(column.id, []).append(choice)
        return name

    def _links(self, column: Field, value: Any) -> list[str]:
        # Assumed: with typecast too, links are accepted as record ids only.
        linked = linked_table(self.base, column)
        if linked is None or not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise errors.invalid_value(column.name)
        for each in value:
            if each not in linked.records:
                raise errors.row_does_not_exist(each)
        return list(dict.fromkeys(value))

    def _attachments(self, column: Field, value: Any) -> list[JsonObject]:
        """Kept as sent, with an id; nothing is downloaded and the addresses do not expire."""
        if not isinstance(value, list) or not all(isinstance(each, dict) and "url" in each for each in value):
            raise errors.invalid_value(column.name)
        return [{"id": self.ids.new("att")} | each for each in value]

    def _object(self, column: Field, value: Any) -> Any:
        if not isinstance(value, (dict, list)):
            raise errors.invalid_value(column.name)
        return value


Accept = Callable[[CellWriter, Field, Any], Any]

_ACCEPT: dict[str, Accept] = {
    **dict.fromkeys(TEXT_TYPES, CellWriter._text),
    **dict.fromkeys(NUMBER_TYPES, CellWriter._number),
    "checkbox": CellWriter._checkbox,
    "date": CellWriter._date,
    "dateTime": CellWriter._date_time,
    "singleSelect": CellWriter._single_select,
    "multipleSelects": CellWriter._multiple_selects,
    "multipleRecordLinks": CellWriter._links,
    "multipleAttachments": CellWriter._attachments,
    "singleCollaborator": CellWriter._object,
    "multipleCollaborators": CellWriter._object,
    "barcode": CellWriter._object,
}
WRITABLE_TYPES = frozenset(_ACCEPT)


def make_choice(ids: IdSource, name: str, position: int) -> JsonObject:
    return {"id": ids.new("sel"), "name": name, "color": CHOICE_COLORS[position % len(CHOICE_COLORS)]}
