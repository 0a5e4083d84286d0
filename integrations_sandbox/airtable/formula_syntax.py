"""The grammar of Airtable's formulas: text in, a tree out.

Belongs here: tokens, precedence, the tree's nodes.
Does not belong here: what a name or a function means (`formula`), values (`formula_values`).

    expression = sum (("=" | "!=" | "<" | ">" | "<=" | ">=") sum)*
    sum        = product (("+" | "-" | "&") product)*
    product    = unary (("*" | "/") unary)*
    unary      = "-" unary | primary
    primary    = number | 'text' | "text" | {Field Name} | name | name(expression, …) | (expression)
"""

import re
from collections.abc import Callable
from dataclasses import dataclass


class FormulaError(Exception):
    """The formula cannot be read, or uses something that the sandbox does not know."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | float


@dataclass(frozen=True, slots=True)
class FieldRef:
    name: str


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple["Node", ...]


Node = Literal | FieldRef | Binary | Call

TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?)
    | (?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
    | (?P<field>\{(?:\\.|[^}\\])*\})
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<operator><=|>=|!=|[=<>&+\-*/(),])
    )""",
    re.VERBOSE | re.DOTALL,
)

COMPARISONS = ("=", "!=", "<", ">", "<=", ">=")
#: What a backslash makes of the letter behind it; any other character stands for itself.
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str


def parse_formula(text: str) -> Node:
    """Raises FormulaError; deep nesting ends in RecursionError, which the caller handles."""
    parser = _Parser(_tokens(text))
    tree = parser.expression()
    parser.expect_end()
    return tree


def named_by_id(text: str, ids: dict[str, str]) -> str:
    """The formula with `{id}` wherever it names one of these columns, in braces or without."""
    tokens = [found for found in TOKEN.finditer(text) if found.lastgroup in ("field", "name")]
    for found in reversed(tokens):
        start, end = found.span(found.lastgroup or 0)
        name = _unescape(text[start + 1 : end - 1]) if found.lastgroup == "field" else text[start:end]
        if name in ids and not text[end:].lstrip().startswith("("):
            text = text[:start] + "{" + ids[name] + "}" + text[end:]
    return text


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        found = TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise FormulaError("Invalid formula. Please check your formula text.")
        tokens.append(Token(found.lastgroup, found.group(found.lastgroup)))
        position = found.end()
    return tokens


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text, flags=re.DOTALL)


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def expect_end(self) -> None:
        if self._position < len(self._tokens):
            raise FormulaError("Invalid formula. Please check your formula text.")

    def expression(self) -> Node:
        return self._chain(COMPARISONS, self._sum)

    def _sum(self) -> Node:
        return self._chain(("+", "-", "&"), self._product)

    def _product(self) -> Node:
        return self._chain(("*", "/"), self._unary)

    def _chain(self, operators: tuple[str, ...], operand: Callable[[], Node]) -> Node:
        tree = operand()
        while (operator := self._take_operator(*operators)) is not None:
            tree = Binary(operator, tree, operand())
        return tree

    def _unary(self) -> Node:
        if self._take_operator("-"):
            return Binary("-", Literal(0.0), self._unary())
        return self._primary()

    def _primary(self) -> Node:
        token = self._next()
        if token.kind == "number":
            return Literal(float(token.text))
        if token.kind == "text":
            return Literal(_unescape(token.text[1:-1]))
        if token.kind == "field":
            return FieldRef(_unescape(token.text[1:-1]))
        if token.kind == "name":
            return self._call(token.text) if self._take_operator("(") else FieldRef(token.text)
        if token.text == "(":
            tree = self.expression()
            self._require(")")
            return tree
        raise FormulaError("Invalid formula. Please check your formula text.")

    def _call(self, name: str) -> Node:
        arguments: list[Node] = []
        if self._take_operator(")"):
            return Call(name.upper(), ())
        arguments.append(self.expression())
        while self._take_operator(","):
            arguments.append(self.expression())
        self._require(")")
        return Call(name.upper(), tuple(arguments))

    def _next(self) -> Token:
        if self._position >= len(self._tokens):
            raise FormulaError("Invalid formula. Please check your formula text.")
        self._position += 1
        return self._tokens[self._position - 1]

    def _take_operator(self, *operators: str) -> str | None:
        if self._position >= len(self._tokens):
            return None
        token = self._tokens[self._position]
        if token.kind != "operator" or token.text not in operators:
            return None
        self._position += 1
        return token.text

    def _require(self, operator: str) -> None:
        if self._take_operator(operator) is None:
            raise FormulaError("Invalid formula. Please check your formula text.")
