"""What becomes of a value that is written into an Airtable column, with and without `typecast` (field model)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

COMPUTED = frozenset(
    [
        "formula",
        "rollup",
        "count",
        "multipleLookupValues",
        "autoNumber",
        "createdTime",
        "lastModifiedTime",
        "createdBy",
        "lastModifiedBy",
        "button",
        "aiText",
        "externalSyncSource",
    ]
)
_NUMBERS = frozenset(("number", "currency", "percent", "duration", "rating"))
#: How dates may be written for `typecast`: ISO, and the column's own format, which is the American one here.
_DATES = ("%Y-%m-%d", "%m/%d/%Y", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%m/%d/%y")
_TIMES = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M", *_DATES)


class NotForColumn(Exception):
    """A value that the column refuses without `typecast`."""

    def __init__(self, kind: str = "INVALID_VALUE_FOR_COLUMN") -> None:
        super().__init__(kind)
        self.kind = kind


def stored(kind: str, options: dict[str, Any], value: Any, *, typecast: bool) -> Any:
    """The cell: None is empty. Under `typecast` what cannot be read becomes empty, in silence, as at the true one."""
    if value in (None, "", []):
        return None
    read = _READERS.get(kind)
    if kind in _NUMBERS:
        read = _number
    if read is None:
        return _text(value, typecast=typecast)
    if kind in ("singleSelect", "multipleSelects"):
        return _selected(kind, options, value, typecast=typecast)
    try:
        return read(value, typecast)
    except (ValueError, TypeError):
        if typecast:
            return None
        raise NotForColumn from None


def _text(value: Any, *, typecast: bool) -> str:
    if isinstance(value, str):
        return value
    if not typecast:
        raise NotForColumn
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _number(value: Any, typecast: bool) -> float | int:
    if isinstance(value, bool) or (isinstance(value, str) and not typecast):
        raise TypeError
    if isinstance(value, str):
        value = float(re.sub(r"[,\s$%]", "", value))
    return int(value) if float(value).is_integer() else float(value)


def _checkbox(value: Any, typecast: bool) -> bool | None:
    if isinstance(value, bool):
        return value or None
    if not typecast:
        raise TypeError
    return str(value).strip().lower() in ("true", "yes", "1", "checked", "on") or None


def _date(value: Any, typecast: bool) -> str:
    return _parsed(value, typecast, _DATES).strftime("%Y-%m-%d")


def _date_time(value: Any, typecast: bool) -> str:
    return _parsed(value, typecast, _TIMES).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _parsed(value: Any, typecast: bool, formats: tuple[str, ...]) -> datetime:
    if not isinstance(value, str):
        raise TypeError
    text = value.strip()
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        if not typecast:
            raise
    for each in formats:
        try:
            return datetime.strptime(text, each).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ValueError


def _selected(kind: str, options: dict[str, Any], value: Any, *, typecast: bool) -> Any:
    choices = options.setdefault("choices", [])
    if kind == "multipleSelects" and isinstance(value, str) and typecast:
        value = [part.strip() for part in value.split(",") if part.strip()]
    wanted = value if kind == "multipleSelects" else [value]
    if not isinstance(wanted, list):
        raise NotForColumn
    names = {choice["name"] for choice in choices}
    for name in dict.fromkeys(map(str, wanted)):
        if name not in names and not typecast:
            raise NotForColumn("INVALID_MULTIPLE_CHOICE_OPTIONS")
        if name not in names:
            choices.append({"id": f"sel{len(choices):014d}", "name": name})
    return list(dict.fromkeys(map(str, wanted))) if kind == "multipleSelects" else str(value)


_READERS: dict[str, Callable[[Any, bool], Any]] = {
    "checkbox": _checkbox,
    "date": _date,
    "dateTime": _date_time,
    "singleSelect": lambda value, _typecast: value,
    "multipleSelects": lambda value, _typecast: value,
}
