"""The part of Airtable's formula language that this imitation understands (support.airtable.com, formula reference).

`evaluate(text, record)` gives the value for one record; a function or a field it does not know is an `UnknownFormula`,
which the service answers with 422 as the true one does for a formula that it cannot read.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\{(?P<field>(?:\\.|[^}\\])*)\}|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<mark>!=|>=|<=|[=<>&(),+\-*/]))""",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class UnknownFormula(Exception):
    """This imitation cannot read the formula; the text says where."""


class Looked(Protocol):
    """What a formula sees of a record."""

    @property
    def record_id(self) -> str: ...
    @property
    def modified(self) -> datetime: ...
    @property
    def created(self) -> datetime: ...

    def value(self, name: str) -> Any:
        """The cell under this name or id; KeyError for a column that there is not."""


def evaluate(formula: str, record: Looked) -> Any:
    """The formula's value for this record."""
    tokens = list(_tokens(formula))
    value, rest = _comparison(tokens, record)
    if rest:
        raise UnknownFormula(f"after its end: {rest[0][1]!r}")
    return value


def _tokens(formula: str) -> Iterator[tuple[str, str]]:
    at = 0
    while formula[at:].strip():
        found = _TOKEN.match(formula, at)
        if not found or found.lastgroup is None:
            raise UnknownFormula(f"at {formula[at : at + 20]!r}")
        at = found.end()
        text = found.group(found.lastgroup)
        if found.lastgroup == "text":
            text = _unescaped(text[1:-1])
        yield found.lastgroup, _unescaped(text) if found.lastgroup == "field" else text


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(1)), text, flags=re.DOTALL)


_Tokens = Sequence[tuple[str, str]]


def _comparison(tokens: _Tokens, record: Looked) -> tuple[Any, _Tokens]:
    left, tokens = _joined(tokens, record)
    while tokens and tokens[0][1] in _COMPARE and tokens[0][0] == "mark":
        mark = tokens[0][1]
        right, tokens = _joined(tokens[1:], record)
        left = _COMPARE[mark](left, right)
    return left, tokens


def _joined(tokens: _Tokens, record: Looked) -> tuple[Any, _Tokens]:
    left, tokens = _operand(tokens, record)
    while tokens and tokens[0] == ("mark", "&"):
        right, tokens = _operand(tokens[1:], record)
        left = as_text(left) + as_text(right)
    return left, tokens


def _operand(tokens: _Tokens, record: Looked) -> tuple[Any, _Tokens]:
    if not tokens:
        raise UnknownFormula("it ends too early")
    (kind, text), rest = tokens[0], tokens[1:]
    if kind == "text":
        return text, rest
    if kind == "number":
        return float(text), rest
    if kind == "field":
        return _cell(record, text), rest
    if kind == "name":
        return _called(text, rest, record)
    if text == "(":
        value, rest = _comparison(rest, record)
        return value, _past(rest, ")")
    raise UnknownFormula(f"at {text!r}")


def _cell(record: Looked, name: str) -> Any:
    try:
        return record.value(name)
    except KeyError:
        raise UnknownFormula(f"unknown field names: {name.lower()}") from None


def _called(name: str, tokens: _Tokens, record: Looked) -> tuple[Any, _Tokens]:
    if not tokens or tokens[0] != ("mark", "("):
        # A column whose name is one word needs no braces.
        return _cell(record, name), tokens
    function = _FUNCTIONS.get(name.upper())
    if function is None:
        raise UnknownFormula(f"function {name}")
    arguments = []
    tokens = tokens[1:]
    while tokens and tokens[0] != ("mark", ")"):
        value, tokens = _comparison(tokens, record)
        arguments.append(value)
        if tokens and tokens[0] == ("mark", ","):
            tokens = tokens[1:]
    return function(record, *arguments), _past(tokens, ")")


def _past(tokens: _Tokens, mark: str) -> _Tokens:
    if not tokens or tokens[0] != ("mark", mark):
        raise UnknownFormula(f"missing {mark!r}")
    return tokens[1:]


def as_text(value: Any) -> str:
    """A value as Airtable shows it in a text: lists joined, empty for nothing."""
    if value is None or value is False:
        return ""
    if isinstance(value, list):
        return ", ".join(map(as_text, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "1" if value is True else str(value)


def _time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    found = datetime.fromisoformat(as_text(value).replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _parse_time(_record: Looked, value: Any, *_format: Any) -> datetime:
    try:
        return _time(value)
    except ValueError:
        raise UnknownFormula("DATETIME_PARSE of what is no ISO time") from None


def _is_equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return bool(left) == bool(right)
    return as_text(left) == as_text(right)


def _compared(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if isinstance(left, datetime) or isinstance(right, datetime):
            return test(_time(left), _time(right))
        return test(float(as_text(left) or 0), float(as_text(right) or 0))

    return compare


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": _is_equal,
    "!=": lambda left, right: not _is_equal(left, right),
    ">": _compared(lambda left, right: left > right),
    "<": _compared(lambda left, right: left < right),
    ">=": _compared(lambda left, right: left >= right),
    "<=": _compared(lambda left, right: left <= right),
}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "OR": lambda _record, *values: any(values),
    "AND": lambda _record, *values: all(values),
    "NOT": lambda _record, value: not value,
    "IF": lambda _record, test, yes, no=None: yes if test else no,
    "TRUE": lambda _record: True,
    "FALSE": lambda _record: False,
    "BLANK": lambda _record: None,
    "RECORD_ID": lambda record: record.record_id,
    "CREATED_TIME": lambda record: record.created,
    # With columns named it is the time of the last change of any of them; here the record's.
    "LAST_MODIFIED_TIME": lambda record, *_columns: record.modified,
    "LOWER": lambda _record, value: as_text(value).lower(),
    "UPPER": lambda _record, value: as_text(value).upper(),
    "TRIM": lambda _record, value: as_text(value).strip(),
    "LEN": lambda _record, value: len(as_text(value)),
    "CONCATENATE": lambda _record, *values: "".join(map(as_text, values)),
    "EXACT": lambda _record, left, right: as_text(left) == as_text(right),
    "FIND": lambda _record, part, text, *_from: as_text(text).find(as_text(part)) + 1,
    "SEARCH": lambda _record, part, text, *_from: as_text(text).lower().find(as_text(part).lower()) + 1 or None,
    "ARRAYJOIN": lambda _record, values, glue=", ": as_text(glue).join(map(as_text, values or ())),
    "IS_AFTER": lambda _record, left, right: _time(left) > _time(right),
    "IS_BEFORE": lambda _record, left, right: _time(left) < _time(right),
    "IS_SAME": lambda _record, left, right, *_unit: _time(left) == _time(right),
    "DATETIME_PARSE": _parse_time,
}
