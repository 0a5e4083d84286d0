"""Values inside a formula: conversion between text, numbers and times, comparison, arithmetic.

Belongs here: what two values mean to an operator. Does not belong here: syntax, fields, functions by name.

A value is text, a number, a truth value, a time (aware UTC), a list of texts, or None for BLANK().
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import ge, gt, le, lt
from typing import Any

Value = str | float | int | bool | datetime | list[str] | None

#: Seconds per unit of DATEADD and IS_SAME; months and years are left out of DATEADD.
UNIT_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
#: How much of an ISO time two times must share to be the same in that unit.
UNIT_PREFIX = {"year": 4, "month": 7, "day": 10, "hour": 13, "minute": 16, "second": 19}

ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, ">": gt, "<=": le, ">=": ge}


def is_true(value: Value) -> bool:
    return bool(value)


def to_text(value: Value) -> str:
    """Assumed: a time joins as ISO with milliseconds, a list with comma and space."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return ", ".join(value) if isinstance(value, list) else str(value)


def to_number(value: Value) -> float:
    """Blank counts as 0, text that is no number as NaN."""
    if value is None:
        return 0.0
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return float(to_text(value))
    except ValueError:
        return math.nan


def to_time(value: Value) -> datetime | None:
    """A time cut to the second, because that is how finely Airtable compares; None if it is none."""
    if isinstance(value, str):
        value = parse_time(value)
    return value.replace(microsecond=0) if isinstance(value, datetime) else None


def parse_time(text: str) -> datetime | None:
    """An ISO date or time; a naive one is taken as UTC."""
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def is_equal(left: Value, right: Value) -> bool:
    """Blank equals empty text, 0 and FALSE(); text is compared exactly; times by the second."""
    if left is None or right is None:
        return not is_true(left) and not is_true(right)
    if isinstance(left, datetime) or isinstance(right, datetime):
        times = to_time(left), to_time(right)
        return None not in times and times[0] == times[1]
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return float(left) == float(right)
    return type(left) is not bool and type(right) is not bool and to_text(left) == to_text(right)


def is_ordered(operator: str, left: Value, right: Value) -> bool:
    """Times by the second, text with text by code point, everything else as numbers; blank counts as 0."""
    compare = ORDERINGS[operator]
    if isinstance(left, datetime) or isinstance(right, datetime):
        earlier, later = to_time(left), to_time(right)
        return earlier is not None and later is not None and compare(earlier, later)
    if isinstance(left, str) and isinstance(right, str):
        return compare(left, right)
    return compare(to_number(left), to_number(right))


def divide(left: float, right: float) -> float:
    if right:
        return left / right
    return math.copysign(math.inf, left) if left else math.nan


def add_time(start: Value, count: Value, unit: Value) -> datetime | None:
    time, seconds = to_time(start), UNIT_SECONDS.get(singular(unit))
    if time is None or seconds is None:
        return None
    return time + timedelta(seconds=seconds * to_number(count))


def is_same_time(left: Value, right: Value, unit: Value) -> bool:
    first, second = to_time(left), to_time(right)
    if first is None or second is None:
        return False
    length = UNIT_PREFIX.get(singular(unit), 19)
    return first.isoformat()[:length] == second.isoformat()[:length]


def singular(unit: Value) -> str:
    return to_text(unit).lower().rstrip("s")
