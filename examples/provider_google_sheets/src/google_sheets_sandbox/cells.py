"""Cells: what they hold, how an answer shows them, what typing makes of a text. Addresses in A1 notation.

Belongs here: single cells and ranges. Does not: sheets (`state`).
"""

import re
from dataclasses import dataclass

LONGEST_CELL = 50_000
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_CELL = re.compile(r"([A-Z]{1,3})(\d{1,8})")


@dataclass(frozen=True)
class Formula:
    """A formula and what it comes to; this sandbox computes nothing."""

    text: str
    shown: str | int | float = "computed"


Cell = str | int | float | bool | Formula


def rendered(cell: Cell, form: str) -> str | int | float | bool:
    """As `valueRenderOption` asks for."""
    if isinstance(cell, Formula):
        cell = cell.text if form == "FORMULA" else cell.shown
    if form == "FORMATTED_VALUE" and not isinstance(cell, str):
        return str(cell).upper() if isinstance(cell, bool) else str(cell)
    return cell


def typed(value: str | float | bool, option: str) -> Cell:
    """What a written value becomes: as it is (RAW), or parsed as if a person had typed it (USER_ENTERED). Dates are not
    made here, though Sheets makes them of texts like 1-2."""
    if option == "RAW" or not isinstance(value, str):
        return value
    if value.startswith("="):
        return Formula(value)
    if value.upper() in ("TRUE", "FALSE"):
        return value.upper() == "TRUE"
    if _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value.removeprefix("'")


def column_index(letters: str) -> int:
    """A → 0."""
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1


def split_range(text: str) -> tuple[str, str]:
    """The title of the sheet, unquoted, and the rest."""
    if text.startswith("'"):
        end = re.match(r"'((?:[^']|'')*)'", text)
        title = end[1].replace("''", "'") if end else text
        return title, text[end.end() :].removeprefix("!") if end else ""
    title, _, rest = text.partition("!")
    return title, rest


def first_cell(address: str) -> tuple[int, int] | None:
    """(row, column) from 0 of the top left cell of `B2` or `B2:C3`; None for what is no address."""
    found = _CELL.fullmatch(address.partition(":")[0])
    return (int(found[2]) - 1, column_index(found[1])) if found else None
