"""Google Sheets on the wire: quotas, errors, addresses of cells.

Belongs here: what the API's pages fix (https://developers.google.com/workspace/sheets/api/limits, …/guides/concepts).
Does not: rows and keys (`grid`), requests (`client`).
"""

import re

import httpx

from integrations_pipeline.errors import (
    ConfigurationError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RateLimitedError,
)
from integrations_pipeline.providers.batches import default_error, passing_error
from integrations_pipeline.providers.http import retry_after

TITLE = "Google Sheets"
#: 60 reads and 60 writes per minute and user, 300 of each per minute and project.
USER_SECONDS = 1.0
PROJECT_SECONDS = 0.2
PENALTY_SECONDS = 30.0
#: Characters of one cell; more is a 400.
LONGEST_CELL = 50_000
FIRST_ROW = 2
_REASON = re.compile(r"[A-Za-z_]{1,60}")


def read_error(response: httpx.Response) -> IntegrationError:
    """The exception for a refused request; its message may hold a cell's text and is never repeated."""
    status, reason = response.status_code, reason_of(response)
    if status == 429:
        return RateLimitedError("Google Sheets asks for a pause", retry_after_seconds=retry_after(response))
    if status == 403:
        return _forbidden(reason)
    if status == 404:
        return ConfigurationError("the spreadsheet does not exist: correct spreadsheet_id in the connection's settings")
    return passing_error(response, TITLE) or default_error(response, TITLE, reason)


def _forbidden(reason: str) -> IntegrationError:
    if reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
        return NeedsAttentionError(
            "the token lacks the scope for spreadsheets: "
            "run `integrations connections authorize google_sheets` and leave every box ticked"
        )
    if reason == "PERMISSION_DENIED":
        return NeedsAttentionError("the spreadsheet is not shared with this account, or only to be read: share it")
    return NeedsAttentionError(
        f"Google Sheets denies access ({reason or 403}): check the account and the API's activation"
    )


def reason_of(response: httpx.Response) -> str:
    """The most exact short reason of an error body, or ""; Sheets tells no `errors`."""
    try:
        error = response.json()["error"]
        details = [each.get("reason", "") for each in error.get("details", [])]
        found = str(next(filter(None, details), "") or error.get("status") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return found if _REASON.fullmatch(found) else ""


def is_may_write(error: PermanentError) -> bool:
    """Whether a write of nothing was refused for being of nothing, and not for want of a right."""
    return error.code == "INVALID_ARGUMENT"


def column_letters(index: int) -> str:
    """0 → A, 25 → Z, 26 → AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def sheet_range(title: str) -> str:
    """All cells of a sheet."""
    quoted = title.replace("'", "''")
    return f"'{quoted}'"


def cell_range(title: str, row: int, column: int) -> str:
    """One cell; `row` is that of the sheet, from 1."""
    return f"{sheet_range(title)}!{column_letters(column)}{row}"
