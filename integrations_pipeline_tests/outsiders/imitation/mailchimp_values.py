"""What a merge field takes and gives back, by type (the reference's page on merge fields)."""

import re
from datetime import datetime
from typing import Any


class NotForField(Exception):
    """The message that Mailchimp gives for a value that the field refuses."""


def checked(kind: str, options: dict[str, Any], value: Any) -> Any:
    """The value as stored; `NotForField` if it is refused. "" clears."""
    if value is None:
        raise NotForField("Schema describes string, number, object, NULL found instead")
    if value == "":
        return ""
    check = _CHECKS.get(kind)
    return check(options, value) if check else _text(options, value)


def _text(_options: dict[str, Any], value: Any) -> str:
    text = str(value)
    if len(text) > 255:
        raise NotForField("Please limit this value to 255 characters")
    return text


def _number(_options: dict[str, Any], value: Any) -> float | int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise NotForField("This value should be numeric.") from None
    return int(number) if number.is_integer() else number


def _date(_options: dict[str, Any], value: Any) -> str:
    for each in ("%Y-%m-%d", "%m/%d/%Y"):
        try:
            return datetime.strptime(str(value), each).strftime("%Y-%m-%d")  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
    raise NotForField("Please enter a valid date.")


def _birthday(_options: dict[str, Any], value: Any) -> str:
    if not re.fullmatch(r"(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])", str(value)):
        raise NotForField("Please enter a month (01-12) and a day (01-31).")
    return str(value)


def _choice(options: dict[str, Any], value: Any) -> str:
    for choice in options.get("choices", []):
        if str(choice).lower() == str(value).lower():
            return str(choice)
    raise NotForField("Value must be one of: " + ", ".join(options.get("choices", [])))


def _address(_options: dict[str, Any], value: Any) -> Any:
    if not isinstance(value, dict) or any(not value.get(key) for key in ("addr1", "city", "state", "zip")):
        raise NotForField("Please enter a complete address.")
    return value


def _url(_options: dict[str, Any], value: Any) -> str:
    if not re.match(r"https?://", str(value)):
        raise NotForField("Please enter a valid URL.")
    return str(value)


_CHECKS = {
    "number": _number,
    "date": _date,
    "birthday": _birthday,
    "dropdown": _choice,
    "radio": _choice,
    "address": _address,
    "url": _url,
    "imageurl": _url,
}
