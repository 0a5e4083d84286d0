"""Requests to one sheet of one spreadsheet. Knows paths and which answer has which shape, decides nothing.

Belongs here: one method per endpoint. Does not: rows by their keys (`grid`), what to write (`writer`).
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from integrations_google_sheets import shapes, wire
from integrations_google_sheets.grid import Cell, Grid
from integrations_pipeline.errors import ConfigurationError, PermanentError
from integrations_pipeline.providers.base import ProviderContext
from integrations_pipeline.providers.http import Endpoint, HttpClient, PaceRule, RetryPolicy

#: A request that names rows by their numbers is never sent again as it is: by then they may be others.
_ONCE = RetryPolicy(budget_seconds=0.0, unreachable_seconds=0.0)
_FIELDS = "sheets.properties(sheetId,title,gridProperties(rowCount,columnCount))"


class SheetClient:
    """The endpoints that the sync uses, for one sheet by its title."""

    def __init__(self, context: ProviderContext, *, api_url: str, spreadsheet_id: str, title: str, key: str) -> None:
        self._context = context
        self._path = f"v4/spreadsheets/{quote(spreadsheet_id, safe='')}"
        self._title = title
        self._key = key
        self._place = httpx.URL(api_url).netloc.decode()
        self._reads = self._client(api_url, "read", RetryPolicy.within(context.patience_seconds))
        self._writes = self._client(api_url, "write", _ONCE)

    def _client(self, api_url: str, kind: str, retry: RetryPolicy) -> HttpClient:
        context, penalty = self._context, wire.PENALTY_SECONDS / self._context.rate_scale
        seconds = {
            f"google_sheets:{kind}:{self._place}:{context.account}": wire.USER_SECONDS,
            f"google_sheets:{kind}:{self._place}": wire.PROJECT_SECONDS,
        }
        pace = [
            PaceRule(key=key, interval_seconds=each / context.rate_scale, penalty_seconds=penalty)
            for key, each in seconds.items()
        ]
        endpoint = Endpoint(base_url=api_url, tokens=context.tokens, read_error=wire.read_error, pace=pace, retry=retry)
        return HttpClient(endpoint, pacer=context.pacer, transport=context.transport, sleep=context.sleep)

    @property
    def call_count(self) -> int:
        return self._reads.call_count + self._writes.call_count

    def grid(self, *, shows_formulas: bool = False) -> Grid:
        """The whole sheet at one moment: never read in parts, between which rows may move. `shows_formulas`: instead of
        what they come to, and dates as numbers."""
        form = "FORMULA" if shows_formulas else "UNFORMATTED_VALUE"
        params = [("valueRenderOption", form), ("dateTimeRenderOption", "FORMATTED_STRING")]
        try:
            body = self._reads.request("GET", self._values(), params=params, shape=shapes.VALUES)
        except PermanentError as error:
            raise ConfigurationError(self._no_sheet) from error
        return Grid.from_values(body.get("values", []), self._key)

    def _values(self) -> str:
        return f"{self._path}/values/{quote(wire.sheet_range(self._title), safe='')}"

    @property
    def _no_sheet(self) -> str:
        return f'the spreadsheet has no sheet "{self._title}": correct sheet in the connection\'s settings'

    def properties(self) -> Mapping[str, Any]:
        """Of this sheet; `ConfigurationError` where there is none of this title."""
        body = self._reads.request("GET", self._path, params=[("fields", _FIELDS)], shape=shapes.SPREADSHEET)
        for sheet in body["sheets"]:
            if sheet["properties"]["title"] == self._title:
                return dict(sheet["properties"])
        raise ConfigurationError(self._no_sheet)

    def write_cells(self, cells: Mapping[tuple[int, int], Cell], *, is_raw: bool = True) -> None:
        """Cells by (row of the sheet from 1, column from 0), all or none. Sent once, whatever the answer. Not `is_raw`:
        as if typed, which only the text of a formula may be."""
        data = [
            {"range": wire.cell_range(self._title, row, column), "values": [[value]]}
            for (row, column), value in cells.items()
        ]
        body = {"valueInputOption": "RAW" if is_raw else "USER_ENTERED", "data": data}
        self._writes.request(
            "POST", f"{self._path}/values:batchUpdate", json=body, is_repeatable=False, shape=shapes.WRITTEN
        )

    def change(self, requests: Sequence[Mapping[str, Any]]) -> None:
        """Changes of the sheet itself, all or none. Sent once, whatever the answer."""
        self._writes.request(
            "POST",
            f"{self._path}:batchUpdate",
            json={"requests": list(requests)},
            is_repeatable=False,
            shape=shapes.WRITTEN,
        )

    def may_write(self) -> bool:
        """Asks for a change of nothing, which is refused either for that or for want of a right."""
        try:
            self._reads.request("POST", f"{self._path}:batchUpdate", json={"requests": []}, shape=shapes.ANY)
        except PermanentError as error:
            return wire.is_may_write(error)
        return True

    def close(self) -> None:
        self._reads.close()
        self._writes.close()
