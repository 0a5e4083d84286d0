"""Airtable on the wire: addresses, limits, error bodies, formulas.

Belongs here: what the Web API's pages fix (https://airtable.com/developers/web/api). Does not: contacts.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx

from integrations_pipeline.errors import (
    ConfigurationError,
    CredentialsError,
    CursorExpiredError,
    IntegrationError,
    NeedsAttentionError,
    PermanentError,
    RetryableError,
    SharedCauseError,
)
from integrations_pipeline.providers.airtable.limits import PAGE_SIZE as PAGE_SIZE  # noqa: PLC0414 - and their users
from integrations_pipeline.providers.airtable.limits import WRITE_BATCH as WRITE_BATCH  # noqa: PLC0414 - ask here
from integrations_pipeline.providers.batches import passing_error

#: 5 requests per second and base (API reference, "Rate limits"), less 4 % for jitter on the way.
BASE_INTERVAL_SECONDS = 0.208
#: 50 requests per second for all traffic of one user's tokens (same page).
TOKEN_INTERVAL_SECONDS = 0.0208
#: After a 429 nothing succeeds for 30 seconds (same page).
PENALTY_SECONDS = 30.0
#: Requests longer than this must be sent as POST …/listRecords (API reference, "List records").
MAX_URL_LENGTH = 16_000
#: Calls over the monthly allowance: waiting does not help before the month turns.
BILLING_LIMIT = "PUBLIC_API_BILLING_LIMIT_EXCEEDED"
ITERATOR_EXPIRED = "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"
#: The record is not there (any more), in the words of the endpoints of records. A bare NOT_FOUND is no such word: a
#: table, a base or a path that is not there answers with it, too.
GONE_CODES = frozenset({"ROW_DOES_NOT_EXIST", "MODEL_ID_NOT_FOUND"})
#: The base, the table or the path is not there.
PLACE_GONE_CODES = GONE_CODES | {"NOT_FOUND", "404"}
_CODE = re.compile(r"[A-Z0-9_]{1,80}")
_CONFIGURATION_CODES = frozenset({"INVALID_FILTER_BY_FORMULA", "TABLE_NOT_FOUND"})


class DeniedError(NeedsAttentionError):
    """The token may not do this; whether it may do anything else another request tells."""


class UnknownColumnError(ConfigurationError):
    """Airtable has no such column any more; `column` is its name where the answer tells it."""

    def __init__(self, message: str, *, column: str) -> None:
        super().__init__(message)
        self.column = column


def error_code(response: httpx.Response) -> tuple[str, str]:
    """(type, message) of an error body, in any of the four forms Airtable uses; empty where there is none."""
    try:
        body = response.json()
    except ValueError:
        return "", ""
    error = body.get("error") if isinstance(body, dict) else None
    errors = body.get("errors") if isinstance(body, dict) else None
    if error is None and isinstance(errors, list) and errors:
        error = errors[0]
    if isinstance(error, dict):
        return _code(error.get("type") or error.get("error")), str(error.get("message") or "")
    return _code(error), ""


def _code(told: Any) -> str:
    """An error type, which messages repeat: a word like all of Airtable's, or nothing."""
    return told if isinstance(told, str) and _CODE.fullmatch(told) else ""


def read_error(response: httpx.Response, columns: Sequence[str] = ()) -> IntegrationError:
    """The exception for a refused request. Names our own columns where the message does, never a value."""
    status = response.status_code
    code, message = error_code(response)
    if (passing := _passing(response, code)) is not None:
        return passing
    if code == ITERATOR_EXPIRED:
        return CursorExpiredError("Airtable's page iterator expired")
    if status == 401:
        return CredentialsError(
            "Airtable refuses the token: it is wrong, expired or revoked; add the connection again with a valid one"
        )
    if status == 403:
        return DeniedError(
            f"Airtable denies access ({code or status}): share the base with the token and give it "
            "the scopes data.records:read, data.records:write and schema.bases:read"
        )
    named = _named_column(message, columns)
    if code == "UNKNOWN_FIELD_NAME":
        return UnknownColumnError(_configuration_text(code, _told(named)), column=named)
    if code in _CONFIGURATION_CODES:
        return ConfigurationError(_configuration_text(code, _told(named)))
    return PermanentError(f"Airtable refused the request ({code or status}){_told(named)}", code=code or str(status))


def _passing(response: httpx.Response, code: str) -> IntegrationError | None:
    """The error of an answer that says nothing of the request itself."""
    if code == BILLING_LIMIT and response.status_code == 429:
        return SharedCauseError(
            "Airtable's monthly API allowance is used up: upgrade the plan or wait for the next month"
        )
    return passing_error(response, "Airtable")


def _configuration_text(code: str, named: str) -> str:
    if code == "UNKNOWN_FIELD_NAME":
        return f"Airtable has no such column{named}: run `integrations connections check`"
    if code == "TABLE_NOT_FOUND":
        return "Airtable has no such table: correct table_id in the connection's settings"
    return f"Airtable does not understand the filter ({code}): check the column names{named}"


def _named_column(message: str, columns: Sequence[str]) -> str:
    """Our own column that a message names, or ""."""
    quoted = set(re.findall(r'"([^"]+)"', message))
    found = [column for column in columns if column in quoted]
    return found[0] if found else ""


def _told(column: str) -> str:
    return f' in column "{column}"' if column else ""


def text_literal(value: str) -> str:
    """A formula string literal; quotes and backslashes in it cannot end it."""
    return json.dumps(value, ensure_ascii=False)


def field_reference(column: str) -> str:
    """A formula reference to a column by name."""
    return "{" + column.replace("\\", "\\\\").replace("}", "\\}") + "}"


def any_of(terms: Iterable[str]) -> str:
    joined = ",".join(terms)
    return f"OR({joined})"


def ids_formula(external_ids: Sequence[str]) -> str:
    """Matches exactly the records with these ids."""
    return any_of(f"RECORD_ID()={text_literal(record_id)}" for record_id in external_ids)


def edited_since_formula(external_ids: Sequence[str], since: str) -> str:
    """Matches those of these records that were made or modified after an ISO time."""
    return f"AND({modified_since_formula(since)},{ids_formula(external_ids)})"


def modified_since_formula(since: str) -> str:
    """Matches records made or modified after an ISO time; computed columns do not count."""
    moment = f"DATETIME_PARSE({text_literal(since)})"
    return any_of((f"IS_AFTER(LAST_MODIFIED_TIME(),{moment})", f"IS_AFTER(CREATED_TIME(),{moment})"))


def cells_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The cells of a record; an answer without them is no answer about an empty record."""
    cells = record.get("fields")
    if not isinstance(cells, dict):
        raise RetryableError("Airtable told records without their fields")
    return cells
