"""Cells as field values, and back. Pure.

Texts are written as they are (RAW): nothing becomes a formula, a date or a number by being written. Numbers that people
typed are read without their format. Belongs here: single values. Does not: rows.
"""

from integrations_google_sheets.grid import Cell
from integrations_google_sheets.wire import LONGEST_CELL
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

#: What a formula shows where it has no value, and while it has none yet.
FAULTS = frozenset(
    {"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#ERROR!", "#SPILL!", "#CALC!", "Loading..."}
)
SEPARATOR = ","
TOO_LONG = f"holds at most {LONGEST_CELL} characters in a cell"
WITH_COMMA = "cannot hold a tag with a comma in it: commas stand between tags"


def to_text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "true" if cell else ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return clean_text(str(cell)).strip()


def to_field(cell: Cell, mapped: MappedField) -> str | None:
    """A cell as the value of a field; None where it tells none: an error, a word about consent that nobody knows."""
    text = to_text(cell)
    if text in FAULTS:
        return None
    if mapped.kind is FieldKind.SET:
        return join_set(text.split(SEPARATOR))
    if mapped.kind is FieldKind.CONSENT:
        word = text.lower()
        return CONSENT_OUT if word in CONSENT_WORDS else "" if word in NO_CONSENT_WORDS else None
    return text


def to_cell(text: str, mapped: MappedField) -> str:
    """The text of a cell that holds the value; `PermanentError` names the column where none can."""
    if problem := misfit(text, mapped):
        raise PermanentError(f'column "{mapped.column}" {problem}', code="misfit")
    return f"{SEPARATOR} ".join(split_set(text)) if mapped.kind is FieldKind.SET else text


def misfit(text: str, mapped: MappedField) -> str:
    """Why no cell can hold the value, or ""."""
    if mapped.kind is FieldKind.SET and SEPARATOR in text:
        return WITH_COMMA
    return TOO_LONG if len(text) > LONGEST_CELL else ""
