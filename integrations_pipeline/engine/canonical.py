"""Canonical forms: when two values of a field are the same value.

Belongs here: comparison of single values. Does not: comparison of whole frames (`frames`), which compares
raw text first and comes here only for the rows that differ.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from integrations_pipeline.model import (
    CONSENT_IN_AT,
    CONSENT_OUT,
    CONSENT_UNASKED,
    CONSENT_WORDS,
    SET_SEPARATOR,
    FieldKind,
    FieldRule,
    split_set,
)

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def canonical(value: str, kind: FieldKind) -> str:
    """The form in which equal values are equal texts.

    Text: Unicode NFC, line ends as LF, outer white space off; a moment in UTC: each service writes it in its own way,
    and two of them would rewrite it for ever. E-mail: also lower case. Sets: members
    sorted, each once. Consent: "true" for opted out, else "".
    """
    text = value if value.isascii() else unicodedata.normalize("NFC", value)
    text = text.replace("\r\n", "\n").strip()
    if kind is FieldKind.EMAIL:
        return text.lower()
    if kind is FieldKind.SET:
        return SET_SEPARATOR.join(sorted({member.strip() for member in split_set(text)} - {""}))
    if kind is FieldKind.CONSENT:
        return CONSENT_OUT if text.lower() in CONSENT_WORDS else ""
    return _in_utc(text) if _MOMENT.fullmatch(text) else text


def _in_utc(moment: str) -> str:
    try:
        return datetime.fromisoformat(moment).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return moment


def is_same(left: str, right: str, kind: FieldKind) -> bool:
    """Whether two values are the same value of a field of this kind."""
    if kind is FieldKind.CONSENT and CONSENT_UNASKED in (left, right):
        return True
    return left == right or canonical(left, kind) == canonical(right, kind)


def differing(left: Mapping[str, str], right: Mapping[str, str], rules: Sequence[FieldRule]) -> tuple[FieldRule, ...]:
    """The fields, in rule order, in which two contacts really differ; a missing key counts as empty."""
    return tuple(rule for rule in rules if not is_same(left.get(rule.name, ""), right.get(rule.name, ""), rule.kind))


def opted_in_at(consent: str) -> datetime | None:
    """When the person opted in by their own deed, or None where the value does not tell."""
    return datetime.fromisoformat(consent.removeprefix(CONSENT_IN_AT)) if consent.startswith(CONSENT_IN_AT) else None


def identity_key(email: str) -> str:
    """The key by which contacts that are not linked yet are matched: the canonical e-mail, or ""."""
    return canonical(email, FieldKind.EMAIL)
