"""Merge fields, tags and consent: between Mailchimp's forms and the texts of a contact. Pure.

    name           column FNAME+LNAME   joined by a space; split at the first space, so joining gives it back
    email          email_address
    tags           tags                 names
    email_opt_out  status               unsubscribed, cleaned → opted out; transactional, pending → nobody was asked
    anything else  a merge tag          by its type: text, number, date, birthday, phone, address, choices

Belongs here: values. Does not: members as records (`members`), requests (`writer`).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import MappedField, clean_text
from integrations_pipeline.providers.columns import JOIN, ColumnRules
from integrations_pipeline.providers.mailchimp.limits import FIXED as FIXED  # noqa: PLC0414 - its users ask here

LONGEST_TEXT = 255
LONGEST_TAG = 100
MONTHS = 12
_ADDRESS_PARTS = ("addr1", "addr2", "city", "state", "zip", "country")
_REQUIRED_PARTS = ("addr1", "city", "state", "zip")
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_BIRTHDAY = re.compile(r"(\d{1,2})[/-](\d{1,2})")
_LEADING_ZERO = re.compile(r"[+-]?0\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeField:
    """One merge field of an audience: its tag, type and choices (empty where any value goes); `id` stays when it is
    renamed."""

    tag: str
    id: str = ""
    type: str = "text"
    choices: tuple[str, ...] = ()
    is_required: bool = False


def merge_fields(documents: Sequence[Mapping[str, Any]]) -> dict[str, MergeField]:
    """The audience's merge fields by tag, from GET …/merge-fields."""
    return {
        str(each["tag"]): MergeField(
            tag=str(each["tag"]),
            id=str(each.get("merge_id") or ""),
            type=str(each.get("type") or "text"),
            choices=tuple(str(choice) for choice in (each.get("options") or {}).get("choices") or ()),
            is_required=bool(each.get("required")),
        )
        for each in documents
        if each.get("tag")
    }


_FAMILIES = dict.fromkeys(("text", "phone", "url", "imageurl", "zip", "dropdown", "radio"), "text")


def _family(kind: str) -> str:
    return _FAMILIES.get(kind, kind)


#: How merge fields hold mapped fields: any of them holds any text of its type, which each value tells for itself.
COLUMN_RULES = ColumnRules(
    family=_family,
    problem=lambda _mapped, _columns: "",
    told=lambda tag: f"merge field {tag} of the audience",
    parts=lambda column: column.split(JOIN),
    made_for={"phone": "phone"},
)


def tags_of(mapped: MappedField) -> list[str]:
    """The merge tags of a mapped field: none for the fixed columns, two for a joined one."""
    return [] if mapped.name in FIXED else mapped.column.split(JOIN)


def from_merged(values: Any, tags: Sequence[str]) -> str | None:
    """The text of a mapped field, from a member's merge fields by its tags; None where the answer does not tell it: an
    empty merge field is told as "", so a tag that is missing is no empty one."""
    if not isinstance(values, dict):
        return None
    texts = []
    for tag in tags:
        if tag not in values:
            return None
        value = values[tag]
        is_text = type(value) is str
        if not is_text and is_fault(value):
            return None
        is_plain = is_text and value.isascii() and "\0" not in value
        if text := value.strip() if is_plain else to_text(value):
            texts.append(text)
    return " ".join(texts)


def is_fault(value: Any) -> bool:
    """Whether it is no value of a merge field: an empty one is "", and an object is the parts of an address."""
    if isinstance(value, dict):
        return not any(part in value for part in _ADDRESS_PARTS)
    return value is None or isinstance(value, bool)


def to_text(value: Any) -> str:
    """A merge value as text; "" for an empty one."""
    if type(value) is str:
        return clean_text(value).strip()
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, dict):
        parts = [clean_text(str(value.get(part) or "")).replace(";", ",").strip() for part in _ADDRESS_PARTS]
        return re.sub(r"(; )+$", "", "; ".join(parts)) if any(parts[:4]) else ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return clean_text(str(value)).strip()


def clean_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """A member's own merge values in a form in which they can be sent: without halves of characters."""
    return {
        str(tag): clean_values(value)
        if isinstance(value, dict)
        else clean_text(value)
        if isinstance(value, str)
        else value
        for tag, value in values.items()
    }


def to_merge(
    text: str, mapped: MappedField, known: Mapping[str, MergeField], present: Mapping[str, Any]
) -> dict[str, Any]:
    """The merge values that hold a text. `present` are the member's as last seen, which decide how a name is
    split where they still fit. `PermanentError` names the column where it cannot hold the text."""
    tags = tags_of(mapped)
    if len(tags) == 1:
        return {tags[0]: _to_value(text, known.get(tags[0], MergeField(tag=tags[0])))}
    parts = split_name(text, str(present.get(tags[0]) or ""))
    return {tag: _to_value(part, known.get(tag, MergeField(tag=tag))) for tag, part in zip(tags, parts, strict=False)}


def split_name(text: str, first: str = "") -> tuple[str, str]:
    """First and last name: after the first name known so far if the text still begins with it, else at the
    first space. Joined by a space they give the text back."""
    words = " ".join(text.split())
    if first and (words == first or words.startswith(first + " ")):
        return first, words[len(first) :].strip()
    head, _, rest = words.partition(" ")
    return head, rest


def _to_value(text: str, field: MergeField) -> Any:
    text = text.strip()
    if not text:
        return ""
    convert = {
        "number": _number,
        "date": _date,
        "birthday": _birthday,
        "address": _address,
        "dropdown": _choice,
        "radio": _choice,
    }.get(field.type, _text)
    return convert(text, field)


def _misfit(field: MergeField, what: str) -> PermanentError:
    return PermanentError(f"merge field {field.tag} {what}", code="misfit")


def _text(text: str, field: MergeField) -> str:
    if len(text) > LONGEST_TEXT:
        raise _misfit(field, f"holds at most {LONGEST_TEXT} characters")
    return text


def _number(text: str, field: MergeField) -> int | float:
    """Only what comes back as the same number: "3.50" may become "3.5", but "0042" is none, and no number of
    twenty digits survives."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or _LEADING_ZERO.match(text):
        raise _misfit(field, "holds numbers only")
    number = int(number) if number.is_integer() else number
    if Decimal(str(number)) != Decimal(text):
        raise _misfit(field, "does not hold a number of so many digits")
    return number


def _date(text: str, field: MergeField) -> str:
    """Mailchimp reads the month first. Where the day could be a month, too, that would be a guess."""
    if found := _US_DATE.fullmatch(text):
        month, day, year = (int(part) for part in found.groups())
        if day <= MONTHS and day != month:
            raise _misfit(field, "holds dates only, as 2026-01-31: which number is the month cannot be told")
        text = f"{year:04d}-{month:02d}-{day:02d}"
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
    except ValueError:
        raise _misfit(field, "holds dates only, as 2026-01-31") from None


def _birthday(text: str, field: MergeField) -> str:
    # A date with a year would come back without it.
    found = _BIRTHDAY.fullmatch(text)
    month, day = found.groups() if found else ("0", "0")
    try:
        datetime(2024, int(month), int(day), tzinfo=UTC)  # a leap year: 29 February is a birthday
    except ValueError:
        raise _misfit(field, "holds birthdays only, as 12/31") from None
    return f"{int(month):02d}/{int(day):02d}"


def _address(text: str, field: MergeField) -> dict[str, str]:
    parts = [part.strip() for part in text.split(";")]
    values = dict(zip(_ADDRESS_PARTS, parts, strict=False))
    if len(parts) > len(_ADDRESS_PARTS) or not all(values.get(part) for part in _REQUIRED_PARTS):
        raise _misfit(field, 'holds addresses as "street; more; city; state; zip; country"; "more" may be empty')
    return {part: value for part, value in values.items() if value}


def _choice(text: str, field: MergeField) -> str:
    if not field.choices:
        return text
    for choice in field.choices:
        if choice.strip().lower() == text.lower():
            return choice
    raise _misfit(field, "does not have this choice")
