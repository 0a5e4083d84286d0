"""Walking through a search: whom it finds since a time, however many they are and however they move meanwhile.

A search reaches 10,000 results, by offset, while rows move between its pages. So no offset is ever used: each request
begins where the last one ended, at its last modification date, and among very many of one moment by id. Belongs here:
which request comes next, pure but for `Search`. Does not: requests (`client`), the contacts (`provider`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations_pipeline.errors import WrongAnswerError

_MODIFIED, _ID = "lastmodifieddate", "hs_object_id"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(milliseconds=1)

#: (filters, property to sort by) → the first results, and whether there are more.
Search = Callable[[Sequence[Mapping[str, Any]], str], tuple[list[Mapping[str, Any]], bool]]


def modified_since(search: Search, since: datetime) -> dict[str, str]:
    """Modification dates by id of all contacts modified at or after that time, as the index knows them."""
    found: dict[str, str] = {}
    while True:
        rows, has_more = search([_filter(_MODIFIED, "GTE", _milliseconds(since))], _MODIFIED)
        found.update(_dated(rows))
        if not has_more:
            return found
        last = _last_time(rows)
        if last > since:
            since = last
            continue
        found.update(_of_moment(search, since))
        since += _STEP


def _of_moment(search: Search, moment: datetime) -> dict[str, str]:
    """Everybody modified in one millisecond, by id: an import dates a whole batch alike."""
    found: dict[str, str] = {}
    after = "0"
    while True:
        filters = [_filter(_MODIFIED, "EQ", _milliseconds(moment)), _filter(_ID, "GT", after)]
        rows, has_more = search(filters, _ID)
        dated = _dated(rows)
        found.update(dated)
        if not has_more:
            return found
        following = max(dated, key=_number, default=after)
        if _number(following) <= _number(after):
            raise WrongAnswerError("HubSpot's search does not go on by id")
        after = following


def _dated(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {str(row["id"]): str(row["properties"].get(_MODIFIED) or "") for row in rows}


def _last_time(rows: Sequence[Mapping[str, Any]]) -> datetime:
    times = [when for row in rows if (when := read_time(row["properties"].get(_MODIFIED)))]
    if not times:
        raise WrongAnswerError("HubSpot's search told no modification dates")
    return max(times)


def _filter(name: str, operator: str, value: str) -> Mapping[str, str]:
    return {"propertyName": name, "operator": operator, "value": value}


def _milliseconds(when: datetime) -> str:
    return str((when - _EPOCH) // _STEP)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def read_time(text: Any) -> datetime | None:
    """An ISO time, aware; None for "" and whatever is no time."""
    try:
        found = datetime.fromisoformat(text) if text and isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
