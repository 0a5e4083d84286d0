"""Cells of an Airtable table as field values, and back; and what an answered cell says of the value that was sent.

Belongs here: pure mapping of cells by the type of their column. Does not: columns (`schema`), requests (`client`).
Source: https://airtable.com/developers/web/api/field-model.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import (
    CONSENT_OUT,
    CONSENT_WORDS,
    NO_CONSENT_WORDS,
    FieldKind,
    MappedField,
    clean_text,
    join_set,
    split_set,
)
from integrations_pipeline.providers.airtable.schema import DATE_TYPES, NUMBER_TYPES, TEXT_TYPES, Column
from integrations_pipeline.providers.answers import Taken, judge

#: Objects that stand for a value have one of these; any other (`error`, `specialValue`, what nobody knows) has none.
_NAMED = ("name", "email")
_LOOSE_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
#: A time without an offset counts in the column's own time zone, which is at most this far from UTC.
WIDEST_OFFSET = timedelta(hours=14)


def is_fault(cell: Any) -> bool:
    """Whether a cell tells an error instead of a value: then the field is absent."""
    if isinstance(cell, list):
        return any(map(is_fault, cell))
    return isinstance(cell, dict) and not any(name in cell for name in _NAMED)


def to_value(cell: Any) -> str:
    """A cell as field value: nothing and null as "", lists as sets, objects by their name."""
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
        return clean_text(str(cell.get("name") or cell.get("email") or ""))
    return str(cell)


def from_column(cell: Any, mapped: MappedField, column: Column | None) -> str | None:
    """A cell of a mapped column as field value, None if it tells an error; tags kept in a text column are separated by
    commas."""
    if is_fault(cell):
        return None
    value = to_value(cell)
    if mapped.kind is FieldKind.CONSENT:
        return _consent(value)
    is_text_column = column is None or column.type in TEXT_TYPES
    if mapped.kind is FieldKind.SET and is_text_column and isinstance(cell, str):
        return join_set(value.split(","))
    return value


@dataclass(frozen=True, slots=True)
class Row:
    """Reads the mapped cells of many records. Most hold a text of a field that is one, or nothing: those are read on
    the spot, any other by `from_column`."""

    #: Field, its column's name, whether it is a text, and all that `from_column` wants to know.
    places: Sequence[tuple[str, str, bool, MappedField, Column | None]]

    @classmethod
    def of(cls, mapping: Iterable[MappedField], columns: Mapping[str, Column]) -> "Row":
        texts = (FieldKind.TEXT, FieldKind.EMAIL)
        return cls([(m.name, m.column, m.kind in texts, m, columns.get(m.column)) for m in mapping])

    def values(self, shown: Mapping[str, Any]) -> dict[str, str]:
        """Field values by name; those whose cells tell an error are left out."""
        values: dict[str, str] = {}
        for name, place, is_text, mapped, column in self.places:
            cell = shown.get(place)
            if cell is None:
                values[name] = ""
            elif is_text and type(cell) is str:
                values[name] = cell if cell.isascii() and "\0" not in cell else clean_text(cell)
            elif (value := from_column(cell, mapped, column)) is not None:
                values[name] = value
        return values


def _consent(text: str) -> str | None:
    """A checkbox, or one of the documented words in a text column; any other word says nothing."""
    word = text.strip().lower()
    if word in CONSENT_WORDS:
        return CONSENT_OUT
    return "" if word in NO_CONSENT_WORDS else None


def to_cell(value: str, mapped: MappedField, column: Column | None) -> Any:
    """A field value as cell; None clears. Raises `PermanentError` if the column cannot hold it as it is:
    what it would read back as must be the same value, or our own write would come back as somebody's edit."""
    cell = _cell(value, mapped, column)
    back = from_column(None if cell is False else cell, mapped, column) or ""
    if judge_cell(value, back, mapped, column) is Taken.LOST:
        raise PermanentError(
            f'column "{mapped.column}" cannot hold {mapped.name} of this contact as it is',
            code="INVALID_VALUE_FOR_COLUMN",
        )
    return cell


def judge_cell(sent: str, back: str, mapped: MappedField, column: Column | None) -> Taken:
    """Whether a cell that reads as `back` holds what was sent: by members, number, day or text."""
    kind = column.type if column else ""
    if mapped.kind is FieldKind.CONSENT:
        return Taken.LOST if sent == CONSENT_OUT != back else Taken.SAME
    if sent.strip() == back.strip():
        return Taken.SAME
    if not (sent.strip() and back.strip()):
        return Taken.LOST
    if kind in NUMBER_TYPES and mapped.kind is not FieldKind.SET:
        return _judge_number(sent.strip(), back)
    if kind in DATE_TYPES:
        return Taken.NORMALISED if _is_same_time(sent, back) else Taken.LOST
    return judge(sent, back, mapped.kind)


def _judge_number(sent: str, back: str) -> Taken:
    has_leading_zero = re.match(r"[+-]?0\d", sent) is not None
    try:
        is_same = not has_leading_zero and Decimal(back) == Decimal(sent)
    except ArithmeticError:
        is_same = False
    return Taken.NORMALISED if is_same else Taken.LOST


def _is_same_time(sent: str, back: str) -> bool:
    told, held = _read_time(sent), _read_time(back)
    if told is None or held is None:
        return False
    if told.tzinfo is None:
        return abs(told.replace(tzinfo=UTC) - held.replace(tzinfo=held.tzinfo or UTC)) <= WIDEST_OFFSET
    return told == held.replace(tzinfo=held.tzinfo or UTC)


def _read_time(text: str) -> datetime | None:
    """A day or moment in ISO form, year first; None for anything else, whose order of day and month is a guess."""
    loose = _LOOSE_DATE.fullmatch(text.strip())
    try:
        if loose:
            year, month, day = map(int, loose.groups())
            return datetime(year, month, day)  # noqa: DTZ001 - a day has no zone
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _cell(value: str, mapped: MappedField, column: Column | None) -> Any:
    kind = column.type if column else ""
    if kind == "checkbox":
        return value.strip().lower() in CONSENT_WORDS
    if mapped.kind is FieldKind.CONSENT and value != CONSENT_OUT:
        return None
    if value == "":
        return None
    if mapped.kind is FieldKind.SET:
        members = split_set(value)
        return ", ".join(members) if kind in TEXT_TYPES else members
    if kind in NUMBER_TYPES:
        return _to_number(value, mapped)
    return _to_time(value, mapped, kind) if kind in DATE_TYPES else value


def _to_number(value: str, mapped: MappedField) -> float | int:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _misfit(mapped, "numbers", "number")
    return int(number) if number.is_integer() else number


def _to_time(value: str, mapped: MappedField, kind: str) -> str:
    """A day as 2026-01-31, a moment in ISO form. Airtable empties a cell whose text it cannot read as a date."""
    found = _read_time(value)
    if found is None:
        raise _misfit(mapped, "dates, as 2026-01-31", "date")
    if kind == "date":
        if (found.hour, found.minute, found.second) != (0, 0, 0):
            raise _misfit(mapped, "days without a time, as 2026-01-31", "day")
        return found.date().isoformat()
    is_day = len(value.strip()) <= len(date.min.isoformat())
    return found.date().isoformat() if is_day else found.isoformat()


def _misfit(mapped: MappedField, holds: str, what: str) -> PermanentError:
    reason = f'column "{mapped.column}" holds {holds}, and {mapped.name} of this contact is no {what}'
    return PermanentError(reason, code="INVALID_VALUE_FOR_COLUMN")


def cells_before(
    before: Mapping[str, str], names: frozenset[str], mapping: Mapping[str, MappedField], columns: Mapping[str, Column]
) -> dict[str, Any]:
    """The cells that put the old values of these fields back."""
    return {
        mapping[name].column: to_cell(before.get(name, ""), mapping[name], columns.get(mapping[name].column))
        for name in sorted(names)
        if name in mapping
    }
