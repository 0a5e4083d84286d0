"""What a property takes, and how it keeps it.

Belongs here: one value against its definition and an admin's rules. Does not: which contact it is for (`writing`).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from integrations_sandbox.hubspot import errors
from integrations_sandbox.hubspot.model import Portal, Property

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
LONGEST_TEXT = 65_536


def taken(portal: Portal, name: str, given: object) -> str:
    """The value as it is kept, "" for none. Raises Refusal for one that is not taken."""
    definition = portal.properties.get(name)
    if definition is None:
        raise errors.value(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
    if definition.is_read_only:
        raise errors.value(name, "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.')
    text = "" if given is None else str(given)
    if not text:
        return ""
    kept = _TAKE.get(definition.type, _text)(definition, text)
    kept = _email(kept) if name == "email" else kept
    for rule in portal.rules:
        if rule.property == name and not re.search(rule.pattern, kept):
            # Assumed: the code; that rules are enforced on all writes is documented from 2026-09 on.
            raise errors.value(name, "VALIDATION_RULE_FAILED", "The value breaks a validation rule of the property")
    return kept


def _email(text: str) -> str:
    cleaned = text.strip().lower()
    if not _EMAIL.fullmatch(cleaned):
        raise errors.value("email", "INVALID_EMAIL", f"Email address {text} is invalid")
    return cleaned


def _text(definition: Property, text: str) -> str:
    if len(text) > LONGEST_TEXT:
        # Assumed: the code.
        raise errors.value(definition.name, "VALUE_TOO_LONG", "The value is too long")
    return text


def _number(definition: Property, text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise errors.value(definition.name, "INVALID_LONG", f"{text} was not a valid number.")
    return text


def _date(definition: Property, text: str) -> str:
    """A day, or its midnight in milliseconds; shown as a day."""
    try:
        if text.lstrip("-").isdigit():
            when = datetime.fromtimestamp(int(text) / 1000, UTC)
            if (when.hour, when.minute, when.second, when.microsecond) != (0, 0, 0, 0):
                raise ValueError(text)
            return when.date().isoformat()
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        raise errors.value(definition.name, "INVALID_DATE", f"{text} was not a valid date.") from None


def _datetime(definition: Property, text: str) -> str:
    try:
        when = datetime.fromtimestamp(int(text) / 1000, UTC) if text.isdigit() else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise errors.value(definition.name, "INVALID_DATE", f"{text} was not a valid date.") from None
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _bool(definition: Property, text: str) -> str:
    if text not in ("true", "false"):
        raise errors.value(definition.name, "INVALID_OPTION", f"{text} was not one of the allowed options")
    return text


def _enumeration(definition: Property, text: str) -> str:
    allowed = {value for value, _ in definition.options}
    chosen = text.split(";") if definition.field_type == "checkbox" else [text]
    if unknown := [each for each in chosen if each and each not in allowed]:
        raise errors.value(definition.name, "INVALID_OPTION", f"{unknown[0]} was not one of the allowed options")
    return ";".join(dict.fromkeys(each for each in chosen if each))


_TAKE: dict[str, Callable[[Property, str], str]] = {
    "string": _text,
    "number": _number,
    "date": _date,
    "datetime": _datetime,
    "bool": _bool,
    "enumeration": _enumeration,
}
