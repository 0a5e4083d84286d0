"""What Airtable makes of a text under `typecast`: a number, a date, a time, a tick, or nothing.

Belongs here: reading texts as a person would write them in a column of that type and format. Does not belong here:
storing, refusing (without `typecast` a value is never guessed: `cell_input`).

A text that cannot be read becomes an empty cell, and the write is answered 200. That this is so for dates is
reported; assumed: it is the same for every type here. Assumed too: which ways of writing a type understands.
"""

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from integrations_sandbox.airtable.model import Field
from integrations_sandbox.stage import iso

TICKED = ("true", "checked", "yes", "1")
#: Days and months as a column of each format reads them, after ISO; points are for those that put the day first.
_DATES = {
    "european": ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"),
    "iso": ("%Y/%m/%d", "%m/%d/%Y"),
}
_US_DATES = ("%m/%d/%Y", "%m-%d-%Y")
_WORDY_DATES = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M%p")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_CLOCK = re.compile(r"(-?\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?")


def number(column: Field, value: Any) -> float | int | None:
    """A number as the column holds it, or None. A rating is rounded, and cut to its highest value."""
    found = _duration(column, value) if column.type == "duration" else None
    found = _plain(value) if found is None else found
    if found is None:
        return None
    if column.type == "percent" and str(value).rstrip().endswith("%"):
        found = found / 100
    return _rating(column, found) if column.type == "rating" else _whole(found)


def is_ticked(value: str | float) -> bool:
    return str(value).strip().lower() in TICKED


def day(column: Field, value: Any) -> str | None:
    """`YYYY-MM-DD`, or None. A time counts for its day as written."""
    text = str(value).strip()
    try:
        return _iso(text).date().isoformat()
    except ValueError:
        found = next(_readings(column, text), None)
        return found.date().isoformat() if found else None


def moment(column: Field, value: Any) -> str | None:
    """ISO in UTC with milliseconds, or None. What names no zone is in the zone of the column."""
    text = str(value).strip()
    try:
        found: datetime | None = _iso(text)
    except ValueError:
        found = next(_readings(column, text), None)
    return None if found is None else in_utc(column, found)


def in_utc(column: Field, at: datetime) -> str | None:
    """None for what lies outside of the calendar once it is in UTC."""
    try:
        return iso(at if at.tzinfo else at.replace(tzinfo=_time_zone(column)))
    except OverflowError:
        return None


def _iso(text: str) -> datetime:
    """Raises ValueError. The form without hyphens is a number to Airtable, not a date."""
    if not re.match(r"\d{4}-\d\d-\d\d", text):
        raise ValueError("not an ISO date")
    return datetime.fromisoformat(text)


def _readings(column: Field, text: str) -> Iterator[datetime]:
    style = str(((column.options or {}).get("dateFormat") or {}).get("name", "local"))
    for form in (*_DATES.get(style, _US_DATES), *_WORDY_DATES):
        for time in _TIMES:
            try:
                yield datetime.strptime(text, form + time)  # noqa: DTZ007 - the column's zone follows
            except ValueError:
                continue


def _plain(value: Any) -> float | None:
    """Blanks, thousands commas and the signs of money and percent mean nothing."""
    if isinstance(value, bool):
        return None
    text = re.sub(r"[\s,$€£%]", "", str(value))
    found = float(text) if _NUMBER.fullmatch(text) else math.nan
    return found if math.isfinite(found) else None


def _duration(column: Field, value: Any) -> float | None:
    """`h:mm`, `h:mm:ss`; minutes and seconds where the column shows seconds."""
    clock = _CLOCK.fullmatch(str(value).strip())
    if clock is None:
        return None
    first, second, third = int(clock[1]), int(clock[2]), clock[3]
    if third is None and "ss" in str((column.options or {}).get("durationFormat", "h:mm")):
        return float(first * 60 + second)
    return first * 3600 + second * 60 + float(third or 0)


def _rating(column: Field, found: float) -> int | None:
    rounded = min(math.floor(found + 0.5), int((column.options or {}).get("max", 5)))
    return rounded if rounded >= 1 else None


def _whole(found: float) -> float | int:
    return int(found) if found.is_integer() else found


def _time_zone(column: Field) -> Any:
    name = (column.options or {}).get("timeZone", "utc")
    try:
        return UTC if name in ("utc", "client") else ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return UTC
