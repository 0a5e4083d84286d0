"""Formulas over a table: `filterByFormula` and formula fields.

Belongs here: names, functions, and turning a tree into something that runs per record.
Does not belong here: the grammar (`formula_syntax`), what values mean (`formula_values`).

A formula is compiled once per request, so an unknown field or function is refused even on an empty table.
"""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from integrations_sandbox.airtable import formula_values as values
from integrations_sandbox.airtable.formula_syntax import (
    Binary,
    Call,
    FieldRef,
    FormulaError,
    Literal,
    Node,
    parse_formula,
)
from integrations_sandbox.airtable.formula_values import Value
from integrations_sandbox.airtable.model import Field, Record, Table

Evaluator = Callable[[Record], Value]
#: Reads a field of a record as a formula value; given by `cells`, which knows the types.
FieldReader = Callable[[Field, Record], Value]
Function = Callable[..., Value]

#: Field types whose changes LAST_MODIFIED_TIME does not see, and that it does not take as arguments.
UNSTAMPED = ("formula", "createdTime", "lastModifiedTime", "autoNumber")


def compile_formula(text: str, table: Table, read: FieldReader, now: datetime) -> Evaluator:
    """Raises FormulaError for bad syntax and for fields, functions or argument counts that do not exist."""
    try:
        return _Compiler(table, read, now).compile(parse_formula(text))
    except RecursionError as error:
        raise FormulaError("The formula is nested too deeply") from error


def _constant(value: Value) -> Evaluator:
    return lambda _: value


def _find(needle: Value, text: Value, start: Value = 1.0) -> float:
    """Assumed: SEARCH and FIND both tell upper from lower case; only their answer for "not found" differs."""
    return float(values.to_text(text).find(values.to_text(needle), max(int(values.to_number(start)) - 1, 0)) + 1)


def _is_after(left: Value, right: Value) -> bool:
    first, second = values.to_time(left), values.to_time(right)
    return first is not None and second is not None and first > second


def _xor(*arguments: Value) -> bool:
    return sum(values.is_true(each) for each in arguments) % 2 == 1


ANY_NUMBER = 1_000_000
#: Functions of their arguments' values alone: (fewest, most arguments, function).
FUNCTIONS: dict[str, tuple[int, int, Function]] = {
    "AND": (1, ANY_NUMBER, lambda *each: all(map(values.is_true, each))),
    "OR": (1, ANY_NUMBER, lambda *each: any(map(values.is_true, each))),
    "XOR": (1, ANY_NUMBER, _xor),
    "NOT": (1, 1, lambda value: not values.is_true(value)),
    "TRUE": (0, 0, lambda: True),
    "FALSE": (0, 0, lambda: False),
    "BLANK": (0, 0, lambda: None),
    "IF": (2, 3, lambda test, yes, no=None: yes if values.is_true(test) else no),
    "LOWER": (1, 1, lambda text: values.to_text(text).lower()),
    "UPPER": (1, 1, lambda text: values.to_text(text).upper()),
    "TRIM": (1, 1, lambda text: values.to_text(text).strip()),
    "LEN": (1, 1, lambda text: float(len(values.to_text(text)))),
    "FIND": (2, 3, _find),
    "SEARCH": (2, 3, lambda *each: _find(*each) or None),
    "DATETIME_PARSE": (1, 1, values.to_time),
    "DATEADD": (3, 3, values.add_time),
    "IS_AFTER": (2, 2, _is_after),
    "IS_BEFORE": (2, 2, lambda left, right: _is_after(right, left)),
    "IS_SAME": (2, 3, lambda left, right, unit="second": values.is_same_time(left, right, unit)),
}

ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": values.divide,
}


class _Compiler:
    def __init__(self, table: Table, read: FieldReader, now: datetime) -> None:
        self._table = table
        self._read = read
        self._now = now
        self._of_record: dict[str, Evaluator] = {
            "RECORD_ID": lambda record: record.id,
            "CREATED_TIME": lambda record: record.created_at,
            "NOW": _constant(now),
            "TODAY": _constant(now.replace(hour=0, minute=0, second=0, microsecond=0)),
        }

    def compile(self, node: Node) -> Evaluator:
        if isinstance(node, Literal):
            return _constant(node.value)
        if isinstance(node, FieldRef):
            return self._field_value(node)
        if isinstance(node, Binary):
            return self._binary(node)
        return self._call(node)

    def _field(self, name: str) -> Field:
        field = self._table.field(name)
        if field is None:
            raise FormulaError(f"Unknown field names: {name.lower()}")
        return field

    def _field_value(self, node: FieldRef) -> Evaluator:
        field, read = self._field(node.name), self._read
        return lambda record: read(field, record)

    def _binary(self, node: Binary) -> Evaluator:
        left, right, operator = self.compile(node.left), self.compile(node.right), node.operator
        if operator == "=":
            return lambda record: values.is_equal(left(record), right(record))
        if operator == "!=":
            return lambda record: not values.is_equal(left(record), right(record))
        if operator == "&":
            return lambda record: values.to_text(left(record)) + values.to_text(right(record))
        if operator in values.ORDERINGS:
            return lambda record: values.is_ordered(operator, left(record), right(record))
        calculate = ARITHMETIC[operator]
        return lambda record: calculate(values.to_number(left(record)), values.to_number(right(record)))

    def _call(self, call: Call) -> Evaluator:
        if call.name == "LAST_MODIFIED_TIME":
            return self._last_modified(call)
        if call.name in self._of_record and not call.arguments:
            return self._of_record[call.name]
        if call.name not in FUNCTIONS:
            raise FormulaError(f"Unknown function: {call.name}")
        fewest, most, function = FUNCTIONS[call.name]
        if not fewest <= len(call.arguments) <= most:
            raise FormulaError(f"Wrong number of arguments for {call.name}")
        arguments = [self.compile(each) for each in call.arguments]
        return lambda record: function(*(argument(record) for argument in arguments))

    def _last_modified(self, call: Call) -> Evaluator:
        """Without arguments the whole record; with fields, blank for a record in which none ever changed."""
        if not call.arguments:
            return lambda record: record.last_modified_at
        ids = [self._stamped_field_id(each) for each in call.arguments]

        def latest(record: Record) -> Value:
            return max((record.modified_at[each] for each in ids if each in record.modified_at), default=None)

        return latest

    def _stamped_field_id(self, node: Node) -> str:
        if not isinstance(node, FieldRef):
            raise FormulaError("LAST_MODIFIED_TIME takes field names")
        field = self._field(node.name)
        if field.type in UNSTAMPED:
            raise FormulaError("LAST_MODIFIED_TIME takes fields that can be edited")
        return field.id


def formula_result(evaluate: Evaluator, record: Record) -> Any:
    """The value as a formula field reports it: objects for what is no number, as Airtable does."""
    try:
        value = evaluate(record)
    except (ArithmeticError, ValueError, RecursionError):
        return {"error": "#ERROR!"}
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return _finite(value)
    return values.to_text(value) if isinstance(value, (datetime, list)) else value


def _finite(value: float) -> Any:
    if math.isnan(value):
        return {"specialValue": "NaN"}
    if math.isinf(value):
        return {"specialValue": "Infinity" if value > 0 else "-Infinity"}
    return int(value) if value.is_integer() else value
