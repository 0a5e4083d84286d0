"""When two values are the same value, written a second time and simply.

Belongs here: values of single fields, as Postgres, the base and providers hold them. Does not: whose they are
(`compare`).
"""

import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from integrations_pipeline.model import CONSENT_UNASKED, FieldKind, split_set

_OUT_WORDS = ("true", "1", "yes")


def is_same(kind: FieldKind, here: Any, there: Any) -> bool:
    """Whether a field holds the same on both sides. E-mails compare without case, tags as sets, of a consent only
    whether somebody opted out, and nobody differs from who was never asked there; moments whatever their time zone."""
    if kind is FieldKind.CONSENT and CONSENT_UNASKED in (here, there):
        return True
    return bool(_plain(kind, here) == _plain(kind, there))


def is_out(value: Any) -> bool:
    """Whether a consent says "opted out"."""
    return value is True or _text(value).lower() in _OUT_WORDS


def email_key(value: Any) -> str:
    return _text(value).lower()


def _plain(kind: FieldKind, value: Any) -> Any:
    if kind is FieldKind.SET:
        members = value if isinstance(value, list) else split_set(value or "")
        return {_text(member) for member in members} - {""}
    if kind is FieldKind.CONSENT:
        return is_out(value)
    return email_key(value) if kind is FieldKind.EMAIL else _moment(_text(value))


def _moment(text: str) -> Any:
    """The moment that a text is, if it is one with a date, a time and an offset; else the text."""
    if text[10:11] == "T" and text.isascii():
        with suppress(ValueError, OverflowError):
            found = datetime.fromisoformat(text)
            return found.astimezone(UTC) if found.tzinfo else text
    return text


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()
