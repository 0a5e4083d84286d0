"""Requests to the API, as parsed from HTTP, and their answers.

Belongs here: which request means what. Does not: state (`state`), sockets (`server`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google_sheets_sandbox.cells import rendered, split_range
from google_sheets_sandbox.state import READ_SCOPE, SCOPE, State, WireError, Worksheet, invalid

#: Reads, and writes, of one user in one minute.
LIMIT = 60


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, list[str]]
    body: Any
    token: str

    def option(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]


class Api:
    """`now`: seconds, for the quota; a limit of None is none."""

    def __init__(self, state: State, now: Callable[[], float], limit: int | None = LIMIT) -> None:
        self.state = state
        self.now = now
        self.limit = limit
        self._spent: dict[tuple[str, str, int], int] = {}

    def answer(self, request: Request) -> dict[str, Any]:
        found = re.fullmatch(r"/v4/spreadsheets/([^/:]+)(.*)", request.path)
        if not found:
            raise WireError(404, "NOT_FOUND", "Requested entity was not found.")
        spreadsheet_id, rest = found[1], found[2]
        self._admit(request, spreadsheet_id)
        handlers: dict[tuple[str, str], Callable[..., dict[str, Any]]] = {
            ("GET", r""): self._properties,
            ("GET", r"/values/(.+)"): self._values,
            ("GET", r"/values:batchGet"): self._many_values,
            ("POST", r"/values:batchUpdate"): self._write_values,
            ("POST", r":batchUpdate"): self._change,
        }
        for (method, pattern), handle in handlers.items():
            if method == request.method and (matched := re.fullmatch(pattern, rest)):
                return handle(request, spreadsheet_id, *matched.groups())
        raise WireError(404, "NOT_FOUND", "Requested entity was not found.")

    def _admit(self, request: Request, spreadsheet_id: str) -> None:
        scopes = self.state.tokens.get(request.token)
        if scopes is None:
            message = "Request had invalid authentication credentials."
            raise WireError(401, "UNAUTHENTICATED", message)
        is_write = request.method == "POST"
        self._spend(request.token, "Write" if is_write else "Read")
        if not scopes & ({SCOPE} if is_write else {SCOPE, READ_SCOPE}):
            message = "Request had insufficient authentication scopes."
            raise WireError(403, "PERMISSION_DENIED", message, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
        self.state.spreadsheet(spreadsheet_id)
        if spreadsheet_id in self.state.unshared or (is_write and spreadsheet_id in self.state.read_only):
            raise WireError(403, "PERMISSION_DENIED", "The caller does not have permission")

    def _spend(self, token: str, kind: str) -> None:
        key = (token, kind, int(self.now() // 60))
        self._spent[key] = self._spent.get(key, 0) + 1
        if self.limit is not None and self._spent[key] > self.limit:
            message = (
                f"Quota exceeded for quota metric '{kind} requests' and limit '{kind} requests per minute per user' "
                "of service 'sheets.googleapis.com' for consumer 'project_number:1'."
            )
            raise WireError(429, "RESOURCE_EXHAUSTED", message, "RATE_LIMIT_EXCEEDED")

    # Reading

    def _properties(self, _: Request, spreadsheet_id: str) -> dict[str, Any]:
        """`fields` is taken to ask for the sheets' properties, whatever else it says."""
        return {"sheets": [{"properties": _properties(each)} for each in self.state.spreadsheet(spreadsheet_id)]}

    def _values(self, request: Request, spreadsheet_id: str, asked: str) -> dict[str, Any]:
        """Whole sheets alone are answered; empty cells at the end of a row, and empty rows at the end, are not told."""
        title, rest = split_range(asked)
        sheet = self.state.worksheet(spreadsheet_id, title)
        if rest:
            raise invalid(f"Unable to parse range: {asked}")
        form = request.option("valueRenderOption", "FORMATTED_VALUE")
        values = [[rendered(cell, form) for cell in row] for row in sheet.rows]
        if self.state.is_blank:
            kept = {place for place, name in enumerate(sheet.rows[0]) if name in self.state.shown}
            blank = [[cell if place in kept else "" for place, cell in enumerate(row)] for row in values[1:]]
            values = [*values[:1], *blank]
        answer: dict[str, Any] = {"range": f"'{title}'!A1:Z{sheet.row_count}", "majorDimension": "ROWS"}
        return {**answer, "values": values} if values else answer

    def _many_values(self, request: Request, spreadsheet_id: str) -> dict[str, Any]:
        found = [self._values(request, spreadsheet_id, asked) for asked in request.query.get("ranges", [])]
        return {"spreadsheetId": spreadsheet_id, "valueRanges": found}

    # Writing

    def _write_values(self, request: Request, spreadsheet_id: str) -> dict[str, Any]:
        option = request.body.get("valueInputOption")
        if option not in ("RAW", "USER_ENTERED"):
            raise invalid("'valueInputOption' is required but not specified")
        data = request.body.get("data", [])
        self.state.atomically(spreadsheet_id, lambda: self.state.write_values(spreadsheet_id, option, data))
        return {"spreadsheetId": spreadsheet_id, "totalUpdatedCells": len(data)}

    def _change(self, request: Request, spreadsheet_id: str) -> dict[str, Any]:
        requests = request.body.get("requests", [])
        if not requests:
            raise invalid("Must specify at least one request.")
        self.state.atomically(spreadsheet_id, lambda: self._apply_all(spreadsheet_id, requests))
        return {"spreadsheetId": spreadsheet_id, "replies": [{} for _ in requests]}

    def _apply_all(self, spreadsheet_id: str, requests: list[dict[str, Any]]) -> None:
        for each in requests:
            self._apply(spreadsheet_id, each)

    def _apply(self, spreadsheet_id: str, request: dict[str, Any]) -> None:
        ((kind, asked),) = request.items()
        place = asked.get("range", asked)
        sheet = self.state.by_id(spreadsheet_id, int(place.get("sheetId", 0)))
        if kind == "appendCells":
            self.state.append(sheet, asked["rows"])
        elif kind == "deleteDimension" and place["dimension"] == "ROWS":
            del sheet.rows[place["startIndex"] : place["endIndex"]]
        elif kind == "appendDimension" and place["dimension"] == "COLUMNS":
            sheet.column_count += int(place["length"])
        else:
            raise invalid(f"Invalid requests[0].{kind}: this sandbox does not know it")


def _properties(sheet: Worksheet) -> dict[str, Any]:
    size = {"rowCount": sheet.row_count, "columnCount": sheet.column_count}
    told: dict[str, Any] = {"title": sheet.title, "gridProperties": size}
    # As Google: an id of 0 is left out.
    return {**told, "sheetId": sheet.sheet_id} if sheet.sheet_id else told
