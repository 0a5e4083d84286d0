"""Values of contacts: properties as fields and back, and what an answer says of a value that was sent. Pure.

Belongs here: one contact's values. Does not: definitions (`properties`), batches (`writer`).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations_pipeline.errors import PermanentError, WrongAnswerError
from integrations_pipeline.model import (
    CONSENT_OUT,
    CONSENT_WORDS,
    NO_CONSENT_WORDS,
    FieldKind,
    MappedField,
    clean_text,
    join_set,
    split_set,
)
from integrations_pipeline.providers.answers import Taken, Verdict, judge, verdict_on
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.providers.hubspot.properties import (
    MERGED,
    MODIFIED,
    OPT_OUT,
    TEXT_TYPES,
    Property,
    parts_of,
)
from integrations_pipeline.providers.hubspot.walking import read_time

Shown = Mapping[str, str | None]
Definitions = Mapping[str, Property]
#: What separates several values of one property.
SEPARATOR = ";"
LONGEST_TEXT = 65_536
_UNKNOWN = Property(name="", options={})


# Reading


def shown_of(contact: Mapping[str, Any]) -> Shown:
    """A contact's properties. Its id and date are in every answer: one without them has lost the values."""
    shown: Shown = contact["properties"]
    if MODIFIED not in shown:
        raise WrongAnswerError("HubSpot told a contact without its properties")
    return shown


def record_of(contact: Mapping[str, Any], mapping: Iterable[MappedField]) -> RemoteRecord:
    """A contact as a record; properties that the answer does not tell are absent."""
    shown = shown_of(contact)
    values = {mapped.name: value for mapped in mapping if (value := value_of(shown, mapped)) is not None}
    return RemoteRecord(external_id=contact["id"], fields=values, modified_at=read_time(shown[MODIFIED]))


def value_of(shown: Shown, mapped: MappedField) -> str | None:
    """A field's value; None where a property of it is not told, or tells a consent in a word that nobody knows."""
    parts = parts_of(mapped.column)
    if any(part not in shown for part in parts):
        return None
    texts = [clean_text(shown[part] or "") for part in parts]
    if mapped.kind is FieldKind.CONSENT:
        word = texts[0].strip().lower()
        return CONSENT_OUT if word in CONSENT_WORDS else "" if word in NO_CONSENT_WORDS else None
    if mapped.kind is FieldKind.SET:
        return join_set(texts[0].split(SEPARATOR))
    return " ".join(filter(None, (text.strip() for text in texts))) if len(texts) > 1 else texts[0]


def merged_ids(shown: Shown) -> list[str]:
    """Ids of the contacts that this one took in."""
    return [each.strip() for each in (shown.get(MERGED) or "").split(SEPARATOR) if each.strip()]


def is_opted_out(shown: Shown) -> bool:
    return (shown.get(OPT_OUT) or "").strip().lower() in CONSENT_WORDS


# Writing


def to_properties(
    after: Mapping[str, str], mapping: Sequence[MappedField], known: Definitions, shown: Shown
) -> dict[str, str]:
    """The properties that hold these fields. `shown`: the contact as last seen, which decides how a name is split.
    `PermanentError` names the property that cannot hold its value."""
    found: dict[str, str] = {}
    for mapped in mapping:
        if mapped.name not in after or mapped.kind is FieldKind.CONSENT:
            continue
        parts, value = parts_of(mapped.column), after[mapped.name]
        texts = [value] if len(parts) == 1 else split_name(value, (shown.get(parts[0]) or "").strip())
        for part, text in zip(parts, texts, strict=False):
            found[part] = to_property(text, mapped, known.get(part, _UNKNOWN), part)
    return found


def split_name(text: str, first: str = "") -> tuple[str, str]:
    """First and last name: after the first name known so far if the text still begins with it, else at the first
    space. Joined by a space they give the text back."""
    words = " ".join(text.split())
    if first and (words == first or words.startswith(first + " ")):
        return first, words[len(first) :].strip()
    head, _, rest = words.partition(" ")
    return head, rest


def to_property(text: str, mapped: MappedField, definition: Property, name: str) -> str:
    """A text as the property takes it: without blanks around what is no text, options by their values."""
    if mapped.kind is FieldKind.SET:
        return _members(text, definition, name)
    if mapped.kind is FieldKind.EMAIL:
        return text.strip()
    convert = _CONVERT.get(definition.type)
    if convert is not None:
        return convert(text.strip(), definition, name) if text.strip() else ""
    if len(text) > LONGEST_TEXT:
        raise _misfit(name, f"holds at most {LONGEST_TEXT} characters")
    return text


def _members(text: str, definition: Property, name: str) -> str:
    members = split_set(text)
    if any(SEPARATOR in member for member in members):
        raise _misfit(name, f'holds no tag with a "{SEPARATOR}" in it')
    if definition.type not in TEXT_TYPES and definition.type:
        members = [_option(member, definition, name) for member in members]
    return SEPARATOR.join(members)


def _misfit(name: str, what: str) -> PermanentError:
    return PermanentError(f"property {name} {what}", code="misfit")


def _number(text: str, definition: Property, name: str) -> str:  # noqa: ARG001 - one table holds them all
    try:
        is_number = math.isfinite(float(text)) and "_" not in text
    except ValueError:
        is_number = False
    if not is_number:
        raise _misfit(name, "holds numbers only")
    return text


def _day(text: str, definition: Property, name: str) -> str:  # noqa: ARG001
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise _misfit(name, "holds days only, as 2026-01-31") from None
    if (when.hour, when.minute, when.second) != (0, 0, 0):
        raise _misfit(name, "holds days without a time, as 2026-01-31")
    return when.date().isoformat()


def _moment(text: str, definition: Property, name: str) -> str:  # noqa: ARG001
    when = read_time(text)
    try:
        moment = when.astimezone(UTC) if when is not None else None
    except OverflowError:  # in the first or last hours of the calendar
        moment = None
    if moment is None:
        raise _misfit(name, "holds times only, as 2026-01-31T10:00:00Z")
    return moment.isoformat().replace("+00:00", "Z")


def _truth(text: str, definition: Property, name: str) -> str:  # noqa: ARG001
    word = text.lower()
    if word not in CONSENT_WORDS | NO_CONSENT_WORDS:
        raise _misfit(name, "holds true or false only")
    return "true" if word in CONSENT_WORDS else "false"


def _option(text: str, definition: Property, name: str) -> str:
    if definition.is_several and SEPARATOR in text:
        return SEPARATOR.join(_option(part.strip(), definition, name) for part in text.split(SEPARATOR))
    found = definition.options.get(text.lower())
    if found is None:
        raise _misfit(name, "does not have this option")
    return found


_CONVERT: Mapping[str, Callable[[str, Property, str], str]] = {
    "number": _number,
    "date": _day,
    "datetime": _moment,
    "bool": _truth,
    "enumeration": _option,
}


# What an answer says


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent of a change: its fields, and as which properties."""

    fields: Mapping[str, str]
    properties: Mapping[str, str]


def verdict(sent: Sent, shown: Shown, mapping: Sequence[MappedField], known: Definitions) -> Verdict:
    """Judge every sent field whose properties the answer tells; a stage that was set back comes back as it was."""
    told = {mapped.name: mapped for mapped in mapping if mapped.name in sent.fields and mapped.name not in _UNJUDGED}
    back = {name: value for name, mapped in told.items() if (value := value_of(shown, mapped)) is not None}

    def judged(name: str, value: str, held: str) -> Taken:
        parts = parts_of(told[name].column)
        if all(_is_same(sent.properties.get(part, ""), shown[part] or "", known.get(part)) for part in parts):
            return Taken.SAME if value.strip() == held.strip() else Taken.NORMALISED
        return judge(value, held, told[name].kind)

    return verdict_on(sent.fields, back, judged)


def untold(sent: Sent, shown: Shown, mapping: Sequence[MappedField]) -> frozenset[str]:
    """Fields of which a property was sent that the answer, which shows what was written, does not show."""
    missing = {name for name, value in sent.properties.items() if value and name not in shown}
    told = [mapped for mapped in mapping if mapped.name in sent.fields and mapped.name not in _UNJUDGED]
    return frozenset(mapped.name for mapped in told if missing.intersection(parts_of(mapped.column)))


#: An opt-out is written by a request of its own, which tells what became of it.
_UNJUDGED = frozenset({"email_opt_out"})


def _is_same(sent: str, held: str, definition: Property | None) -> bool:
    kind = definition.type if definition else ""
    if sent.strip() == held.strip():
        return True
    if kind == "number":
        try:
            return Decimal(sent) == Decimal(held)
        except InvalidOperation:
            return False
    if kind in ("date", "datetime"):
        one, other = read_time(sent), read_time(held)
        return one is not None and other is not None and abs((one - other).total_seconds()) < 1
    if kind == "enumeration":
        return set(sent.split(SEPARATOR)) == set(held.split(SEPARATOR))
    return False
