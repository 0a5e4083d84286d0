"""Spreadsheets in memory: sheets, their rows, and the changes that a request makes to them, all or none.

Belongs here: state and its rules. Does not: HTTP (`server`), which request means what (`api`).
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from google_sheets_sandbox.cells import LONGEST_CELL, Cell, Formula, first_cell, split_range, typed

SCOPE = "https://www.googleapis.com/auth/spreadsheets"
READ_SCOPE = SCOPE + ".readonly"


class WireError(Exception):
    """A refusal as Google words it. `details`: the entry of that name, where there is one."""

    def __init__(self, code: int, status: str, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.status, self.reason = code, status, reason

    def body(self) -> dict[str, object]:
        error: dict[str, object] = {"code": self.code, "message": str(self), "status": self.status}
        if self.reason:
            kind = "type.googleapis.com/google.rpc.ErrorInfo"
            error["details"] = [{"@type": kind, "reason": self.reason, "domain": "googleapis.com"}]
        return {"error": error}


def invalid(message: str) -> WireError:
    return WireError(400, "INVALID_ARGUMENT", message)


@dataclass
class Worksheet:
    """One tab. `rows` are as short as their last filled cell; also changed directly, as a person would."""

    title: str
    sheet_id: int = 0
    rows: list[list[Cell]] = field(default_factory=list)
    row_count: int = 1000
    column_count: int = 26
    protected_rows: set[int] = field(default_factory=set)

    def cell(self, row: int, column: int) -> Cell:
        held = self.rows[row] if row < len(self.rows) else []
        return held[column] if column < len(held) else ""

    def put(self, row: int, column: int, value: Cell) -> None:
        if row >= self.row_count or column >= self.column_count:
            raise invalid(f"Range exceeds grid limits. Max rows: {self.row_count}, max columns: {self.column_count}")
        if row in self.protected_rows:
            raise invalid("You are trying to edit a protected cell or object.")
        if isinstance(value, str) and len(value) > LONGEST_CELL:
            raise invalid(f"Your input contains more than the maximum of {LONGEST_CELL} characters in a single cell.")
        self.rows += [[] for _ in range(row + 1 - len(self.rows))]
        held = self.rows[row]
        held += [""] * (column + 1 - len(held))
        held[column] = value
        self.trim()

    def trim(self) -> None:
        """As answers are: without empty cells at the ends."""
        for row in self.rows:
            while row and row[-1] == "":
                row.pop()
        while self.rows and not self.rows[-1]:
            self.rows.pop()

    # What people do

    def sort(self, column: int, *, descending: bool = False) -> None:
        """The rows below the header, by the texts of one column."""
        width = max(map(len, self.rows))
        body = [[*row, *[""] * (width - len(row))] for row in self.rows[1:]]
        self.rows[1:] = sorted(body, key=lambda row: str(row[column]), reverse=descending)
        self.trim()

    def insert(self, row: int, cells: list[Cell]) -> None:
        self.rows.insert(row, list(cells))
        self.row_count += 1

    def delete(self, row: int) -> None:
        del self.rows[row]


@dataclass
class State:
    """Everything behind the API. `drops`: columns whose new values are kept by nobody; `is_blank`: rows are told
    without values, but for those of the columns in `shown`."""

    sheets: dict[str, list[Worksheet]] = field(default_factory=dict)
    tokens: dict[str, set[str]] = field(default_factory=dict)
    unshared: set[str] = field(default_factory=set)
    read_only: set[str] = field(default_factory=set)
    drops: set[str] = field(default_factory=set)
    is_blank: bool = False
    shown: set[str] = field(default_factory=set)
    #: Done one each, right before the next writes are applied: a person who is faster.
    before_write: list[Callable[[], None]] = field(default_factory=list)

    def worksheet(self, spreadsheet_id: str, title: str) -> Worksheet:
        for sheet in self.spreadsheet(spreadsheet_id):
            if sheet.title == title:
                return sheet
        raise invalid(f"Unable to parse range: {title}")

    def by_id(self, spreadsheet_id: str, sheet_id: int) -> Worksheet:
        for sheet in self.spreadsheet(spreadsheet_id):
            if sheet.sheet_id == sheet_id:
                return sheet
        raise invalid(f"Invalid requests: No grid with id: {sheet_id}")

    def spreadsheet(self, spreadsheet_id: str) -> list[Worksheet]:
        if spreadsheet_id not in self.sheets:
            raise WireError(404, "NOT_FOUND", "Requested entity was not found.")
        return self.sheets[spreadsheet_id]

    def atomically(self, spreadsheet_id: str, change: Callable[[], None]) -> None:
        """All of a request's changes, or none."""
        if self.before_write:
            self.before_write.pop(0)()
        sheets = self.spreadsheet(spreadsheet_id)
        kept = deepcopy(sheets)
        try:
            change()
        except WireError:
            for sheet, before in zip(sheets, kept, strict=True):
                sheet.__dict__.update(before.__dict__)
            raise

    def put(self, sheet: Worksheet, row: int, column: int, value: Cell) -> None:
        if row and sheet.cell(0, column) in self.drops:
            return
        sheet.put(row, column, value)

    def write_values(self, spreadsheet_id: str, option: str, data: list[dict[str, Any]]) -> None:
        """The entries of `values.batchUpdate`; a null leaves its cell alone."""
        for each in data:
            title, address = split_range(str(each["range"]))
            sheet, start = self.worksheet(spreadsheet_id, title), first_cell(address)
            if start is None:
                raise invalid(f"Unable to parse range: {each['range']}")
            for down, row in enumerate(each.get("values", [])):
                for right, value in enumerate(row):
                    if value is not None:
                        self.put(sheet, start[0] + down, start[1] + right, typed(value, option))

    def append(self, sheet: Worksheet, rows: list[dict[str, list[dict[str, dict[str, Cell]]]]]) -> None:
        """`appendCells`: after the last row with data, whatever is empty in between."""
        for each in rows:
            place = len(sheet.rows)
            sheet.row_count = max(sheet.row_count, place + 1)
            for column, cell in enumerate(each.get("values", [])):
                for kind, value in cell.get("userEnteredValue", {}).items():
                    entered = Formula(str(value)) if kind == "formulaValue" else value
                    self.put(sheet, place, column, entered)
