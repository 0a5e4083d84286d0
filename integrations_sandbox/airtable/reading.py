"""Listing records: parameters, selection, order, pages.

Belongs here: everything between a list request's parameters and its page of record ids.
Does not belong here: HTTP, cell values, writing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrations_sandbox.airtable import errors
from integrations_sandbox.airtable.cells import CellReader
from integrations_sandbox.airtable.formula import Evaluator, compile_formula
from integrations_sandbox.airtable.formula_syntax import FormulaError
from integrations_sandbox.airtable.formula_values import is_true
from integrations_sandbox.airtable.model import Field, Record, Table
from integrations_sandbox.stage import Clock, IdSource
from integrations_sandbox.wire import JsonObject, Request

LARGEST_PAGE = 100
SORT_KEY = re.compile(r"sort\[(\d+)\]\[(field|direction)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """The parameters of a list request, from the query string or from the body of `listRecords`."""

    page_size: int = LARGEST_PAGE
    max_records: int | None = None
    offset: str | None = None
    view: str | None = None
    formula: str | None = None
    sort: tuple[tuple[str, bool], ...] = ()  # (field, is descending)
    fields: tuple[str, ...] = ()
    is_by_id: bool = False
    is_text: bool = False
    has_comment_count: bool = False


def query_from_url(request: Request) -> ListQuery:
    sort: dict[str, JsonObject] = {}
    for key, value in request.query:
        found = SORT_KEY.fullmatch(key)
        if found:
            sort.setdefault(found[1], {})[found[2]] = value
    document: JsonObject = dict(request.query)
    document["sort"] = [sort[key] for key in sorted(sort, key=int)]
    document["fields"] = request.values("fields[]") + request.values("fields")
    document["recordMetadata"] = request.values("recordMetadata[]") + request.values("recordMetadata")
    return query_from_json(document, request)


def query_from_json(document: JsonObject, request: Request) -> ListQuery:
    return ListQuery(
        page_size=_whole_number(document, "pageSize", LARGEST_PAGE) or LARGEST_PAGE,
        max_records=_whole_number(document, "maxRecords", None),
        offset=_text(document, "offset"),
        view=_text(document, "view"),
        formula=_text(document, "filterByFormula"),
        sort=tuple(_sort_item(item) for item in _items(document, "sort")),
        fields=tuple(str(each) for each in _items(document, "fields")),
        is_by_id=is_yes(document.get("returnFieldsByFieldId")),
        is_text=_is_text(document, request),
        has_comment_count="commentCount" in _items(document, "recordMetadata"),
    )


def is_yes(value: Any) -> bool:
    """`returnFieldsByFieldId` comes as a truth value in a body and as `1` or `true` in a query string."""
    return value is True or str(value).lower() in ("1", "true")


def _whole_number(document: JsonObject, key: str, most: int | None) -> int | None:
    if document.get(key) in (None, ""):
        return None
    try:
        number = int(document[key])
    except (TypeError, ValueError) as error:
        raise errors.invalid_request(f"{key} must be a whole number") from error
    # Assumed: a page size above the limit is refused, not cut.
    if number < 1 or (most is not None and number > most):
        raise errors.invalid_request(f"{key} is out of range")
    return number


def _items(document: JsonObject, key: str) -> list[Any]:
    items = document.get(key) or []
    if not isinstance(items, list):
        raise errors.invalid_request(f"{key} must be a list")
    return items


def _text(document: JsonObject, key: str) -> str | None:
    value = document.get(key)
    return None if value in (None, "") else str(value)


def _sort_item(item: Any) -> tuple[str, bool]:
    if not isinstance(item, dict) or "field" not in item:
        raise errors.invalid_request("sort needs objects with a field")
    if item.get("direction", "asc") not in ("asc", "desc"):
        raise errors.invalid_request("direction must be asc or desc")
    return item["field"], item.get("direction") == "desc"


def _is_text(document: JsonObject, request: Request) -> bool:
    if document.get("cellFormat", "json") == "json":
        return False
    for key in ("timeZone", "userLocale"):
        if not (document.get(key) or request.value(key)):
            raise errors.invalid_request(f"cellFormat string needs {key}")
    return True


def columns_of(table: Table, names: Sequence[str]) -> list[Field]:
    """The requested fields, or all; an unknown one is refused."""
    if not names:
        return table.fields
    return [_column(table, name) for name in names]


def _column(table: Table, name: str) -> Field:
    column = table.field(name)
    if column is None:
        raise errors.unknown_field(name)
    return column


def select_ids(table: Table, query: ListQuery, reader: CellReader) -> list[str]:
    """The ids that a list request walks through: view, then filter, then order, then `maxRecords`."""
    records = list(table.records.values())
    for formula in _formulas(table, query):
        evaluate = _compile(formula, table, reader)
        records = [record for record in records if _is_selected(evaluate, record)]
    for name, is_descending in reversed(query.sort):
        column = _column(table, name)
        records.sort(key=lambda record: _sort_key(reader.formula_value(column, record)), reverse=is_descending)
    return [record.id for record in records][: query.max_records]


def _formulas(table: Table, query: ListQuery) -> list[str]:
    found = []
    if query.view is not None:
        view = table.view(query.view)
        if view is None:
            # Assumed: the type.
            raise errors.refusal(422, "VIEW_NAME_NOT_FOUND", f"View {query.view} not found")
        found.append(view.formula)
    found.append(query.formula)
    return [formula for formula in found if formula]


def _compile(formula: str, table: Table, reader: CellReader) -> Evaluator:
    try:
        return compile_formula(formula, table, reader.formula_value, reader.now)
    except FormulaError as error:
        raise errors.invalid_formula(str(error)) from error


def _is_selected(evaluate: Evaluator, record: Record) -> bool:
    try:
        return is_true(evaluate(record))
    except (ArithmeticError, ValueError, RecursionError):
        return False


def _sort_key(value: Any) -> tuple[int, Any]:
    """Assumed: empty cells come first, and a select sorts by its name."""
    if value is None:
        return (0, 0)
    if isinstance(value, (bool, int, float)):
        return (1, value)
    return (2, value.isoformat()) if isinstance(value, datetime) else (3, str(value).lower())


@dataclass(slots=True)
class _Walk:
    table_id: str
    record_ids: list[str]
    used_at: datetime


class Iterators:
    """The walks that are open, addressed by the `offset` of their next page.

    An offset names the walk and a position in it, so a page can be asked for again. A walk that nobody has
    used for `idle_seconds` is forgotten. Records are read when their page is: what changed meanwhile shows,
    what was deleted is skipped, what was created is not seen.
    """

    def __init__(self, clock: Clock, ids: IdSource, idle_seconds: float) -> None:
        self._clock = clock
        self._ids = ids
        self._idle = timedelta(seconds=idle_seconds)
        self._walks: dict[str, _Walk] = {}

    def expire_all(self) -> None:
        self._walks.clear()

    def page(self, table: Table, record_ids: list[str], size: int) -> tuple[list[str], str | None]:
        """The first page of a new walk, and the offset of the second."""
        if len(record_ids) <= size:
            return record_ids, None
        now, name = self._clock.now(), self._ids.new("itr")
        self._walks = {key: walk for key, walk in self._walks.items() if now - walk.used_at <= self._idle}
        self._walks[name] = _Walk(table.id, record_ids, now)
        return self._cut(name, 0, size)

    def resume(self, table: Table, offset: str, size: int) -> tuple[list[str], str | None]:
        """Raises WireError when the walk is unknown, belongs to another table, or has expired."""
        name, _, position = offset.partition("/")
        now = self._clock.now()
        walk = self._walks.get(name)
        if walk is None or walk.table_id != table.id or not position.isdigit() or now - walk.used_at > self._idle:
            self._walks.pop(name, None)
            raise errors.iterator_gone()
        walk.used_at = now
        return self._cut(name, int(position), size)

    def _cut(self, name: str, start: int, size: int) -> tuple[list[str], str | None]:
        record_ids = self._walks[name].record_ids
        end = start + size
        return record_ids[start:end], f"{name}/{end}" if end < len(record_ids) else None
