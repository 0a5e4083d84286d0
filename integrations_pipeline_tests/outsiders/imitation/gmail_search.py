"""Gmail's search, as far as it is imitated: operators joined by blanks, `-` before what must not be."""

import re
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Protocol

_TERM = re.compile(r'(-?)(?:([a-zA-Z0-9_]+):)?("[^"]*"|\([^)]*\)|\{[^}]*\}|\S+)')
_UNITS = {"d": 1, "m": 30, "y": 365}


class Searched(Protocol):
    """What a search sees of a message."""

    raw: bytes
    labels: set[str]
    at: datetime

    @property
    def parsed(self) -> Message: ...
    def header(self, name: str) -> str: ...


def found_by(query: str, mail: Searched, unknown: list[str]) -> bool:
    """Whether the message is in the result; operators that are not imitated go to `unknown` and find nothing."""
    for minus, operator, value in _TERM.findall(query):
        if _fits(operator.lower(), value.strip('"(){}'), mail, unknown) == bool(minus):
            return False
    return True


def _fits(operator: str, value: str, mail: Searched, unknown: list[str]) -> bool:
    if operator in ("in", "is", "label"):
        return value.lower() == "anywhere" or value.upper().rstrip("S") in {name.rstrip("S") for name in mail.labels}
    if operator in ("from", "to", "cc", "bcc", "subject"):
        return _holds(mail.header(operator), value)
    if operator in ("after", "newer", "before", "older"):
        moment = _moment(value)
        return mail.at >= moment if operator in ("after", "newer") else mail.at < moment
    if operator in ("newer_than", "older_than"):
        moment = datetime.now(UTC) - timedelta(days=int(value[:-1]) * _UNITS[value[-1]])
        return mail.at >= moment if operator == "newer_than" else mail.at < moment
    if operator == "rfc822msgid":
        return mail.header("Message-ID").strip("<> ") == value.strip("<> ")
    if operator == "":
        return _holds(
            f"{mail.header('Subject')} {mail.header('From')} {mail.header('To')} {mail.raw.decode('utf-8', 'replace')}",
            value,
        )
    unknown.append(f"search operator {operator}:")
    return False


def _holds(text: str, value: str) -> bool:
    """Every word of the value, whatever the case."""
    text = text.lower()
    return all(word in text for word in value.lower().split())


def _moment(value: str) -> datetime:
    if value.isdigit():
        return datetime.fromtimestamp(int(value), UTC)
    return datetime.strptime(value.replace("-", "/"), "%Y/%m/%d").replace(tzinfo=UTC)
