"""Which values merge fields accept, and what becomes of them.

Belongs here: one function per type, and required fields. Does not belong here: unknown statuses, addresses of
members, HTTP.

A text that is empty clears a field of any type. A tag that the audience does not have is ignored without a word.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from integrations_sandbox.mailchimp import errors
from integrations_sandbox.mailchimp.errors import FieldError
from integrations_sandbox.mailchimp.model import MergeField
from integrations_sandbox.wire import JsonObject

#: From the help pages: what a text field holds.
TEXT_LENGTH = 255
ADDRESS_PARTS = ("addr1", "city", "state", "zip")
_US_PHONE = re.compile(r"\(?\d{3}\)?[-. ]?\d{3}[-. ]?\d{4}")
_BIRTHDAY = re.compile(r"\d\d/\d\d")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ZIP = re.compile(r"\d{5}(-\d{4})?")
_URL = re.compile(r"https?://[^\s/]+\.[^\s]+", re.IGNORECASE)
#: A leap year, so that a birthday on the 29th of February is one.
_LEAP_YEAR = 2000


class NotAccepted(Exception):
    """A value that its field refuses; the text is Mailchimp's message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """`values` by tag, "" where a field is cleared; `errors` in the order of the audience's fields."""

    values: JsonObject
    errors: list[FieldError]


def cut_texts(fields: list[MergeField], given: JsonObject) -> JsonObject:
    """What is left of texts that are too long, where they are not refused."""
    tags = {each.tag for each in fields if each.type == "text"}
    return {
        tag: value[:TEXT_LENGTH] if tag in tags and isinstance(value, str) else value for tag, value in given.items()
    }


def check(fields: list[MergeField], given: JsonObject) -> Checked:
    """`given` holds no None any more: see `schema_errors`."""
    values: JsonObject = {}
    refusals: list[FieldError] = []
    for each in fields:
        if each.tag not in given:
            continue
        try:
            values[each.tag] = accept(each, given[each.tag])
        except NotAccepted as error:
            refusals.append((each.tag, str(error)))
    return Checked(values=values, errors=refusals)


def missing(fields: list[MergeField], values: JsonObject) -> list[FieldError]:
    """A message for each required field that `values`, as they would be stored, leave empty."""
    return [
        (each.tag, "Please enter a value") for each in fields if each.is_required and values.get(each.tag) in ("", None)
    ]


def schema_errors(given: JsonObject) -> list[FieldError]:
    """What no merge field takes, whatever its type: null, true, a list. Assumed: the field's name in the message."""
    return [
        errors.not_of_type(f"merge_fields.{tag}", "string", value)
        for tag, value in given.items()
        if value is None or isinstance(value, (bool, list))
    ]


def accept(field: MergeField, value: Any) -> Any:
    """The value as it is stored and shown. Raises NotAccepted."""
    if isinstance(value, str) and not value.strip():
        return ""
    if field.type in _BY_FIELD:
        return _BY_FIELD[field.type](field, value)
    return _BY_TYPE[field.type](value)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        # Assumed: this wording, and the next.
        raise NotAccepted("Please enter a value")
    text = str(value)
    if len(text) > TEXT_LENGTH:
        raise NotAccepted(f"Please limit this value to {TEXT_LENGTH} characters")
    return text


def _number(value: Any) -> float | int:
    try:
        number = float(value) if isinstance(value, (str, int, float)) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise NotAccepted("Please enter a number")
    return int(number) if number.is_integer() else number


def _date(value: Any) -> str:
    """Shown as YYYY-MM-DD, however it was sent."""
    text = str(value).strip()
    try:
        if _ISO_DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
        return datetime.strptime(text, "%m/%d/%Y").date().isoformat()  # noqa: DTZ007 - a day has no zone
    except ValueError as error:
        raise NotAccepted("Please enter the date") from error


def _birthday(value: Any) -> str:
    text = str(value).strip()
    try:
        if not _BIRTHDAY.fullmatch(text):
            raise ValueError(text)
        date(_LEAP_YEAR, int(text[:2]), int(text[3:]))
    except ValueError as error:
        raise NotAccepted("Please enter a month (01-12) and a day (01-31)") from error
    return text


def _phone(field: MergeField, value: Any) -> str:
    """Only a field of the US format looks at the number."""
    text = _text(value)
    if field.options.get("phone_format") == "US" and not _US_PHONE.fullmatch(text.strip()):
        # Assumed: the wording.
        raise NotAccepted("Please enter a valid phone number")
    return text


def _address(value: Any) -> JsonObject:
    """Assumed: every required part must hold something, and a country that is not given is the US."""
    parts = value if isinstance(value, dict) else {}
    if any(not str(parts.get(each) or "").strip() for each in ADDRESS_PARTS):
        raise NotAccepted("Please enter a complete address")
    texts = {each: str(parts.get(each) or "") for each in ("addr1", "addr2", "city", "state", "zip")}
    return texts | {"country": str(parts.get("country") or "US")}


def _choice(field: MergeField, value: Any) -> str:
    text = str(value)
    if text not in field.choices:
        raise NotAccepted(f"Value must be one of: {', '.join([*field.choices, ''])} (not {text})")
    return text


def _url(value: Any) -> str:
    text = _text(value).strip()
    if not _URL.fullmatch(text):
        # Assumed: the wording.
        raise NotAccepted("Please enter a valid URL")
    return text


def _zip(value: Any) -> str:
    text = str(value).strip()
    if not _ZIP.fullmatch(text):
        # Assumed: the wording, and that the nine digits are accepted too.
        raise NotAccepted("Please enter a zip code (5 digits)")
    return text


_BY_TYPE: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "number": _number,
    "date": _date,
    "birthday": _birthday,
    "address": _address,
    "url": _url,
    "imageurl": _url,
    "zip": _zip,
}
#: Types for which the field's options count.
_BY_FIELD: dict[str, Callable[[MergeField, Any], Any]] = {"phone": _phone, "dropdown": _choice, "radio": _choice}
TYPES = (*_BY_TYPE, *_BY_FIELD)
