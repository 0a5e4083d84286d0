"""Where the product can be mutated, and how: what mutmut's list of operators makes of each node.

mutmut, because it is maintained, works on Python 3.11, keeps the code's layout (libcst) and mutates what this code is
made of: arguments of calls, assigned values, keys, comparisons, constants. Only its operators are used: its own runner
leaves modules' constants and decorated functions out, and knows neither samples nor a database per test session.
Belongs here: finding mutations and writing them out. Does not: choosing among them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, cached_property
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

PROJECT = Path(__file__).resolve().parent.parent.parent
PRODUCT = "integrations_pipeline"
#: What is mutated; of the command line what decides exit codes. Migrations never change once released.
GROUPS = {
    "engine": ("engine/**/*.py",),
    "sync": ("sync/**/*.py",),
    "store": ("store/*.py",),
    "providers": ("providers/**/*.py",),
    "exit codes": ("cli/output.py", "cli/sync.py"),
}
#: In this file only these functions decide exit codes; the rest prints.
ONLY_FUNCTIONS = {"cli/sync.py": ("report_code",)}


#: Types and decorators act when a module is imported, if at all; the others hold nothing that an operator changes.
LEFT_ALONE = (
    *(cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom),
    *(cst.BaseParenthesizableWhitespace, cst.TrailingWhitespace, cst.EmptyLine, cst.Comma),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A node that can be mutated in `count` ways. `name` is what a module or class calls the value, if it does."""

    file: str
    index: int
    lines: range
    function: range | None
    name: str | None
    count: int


@dataclass(frozen=True)
class Mutant:
    """One way of mutating one place."""

    place: Place
    variant: int

    @cached_property
    def code(self) -> str:
        """The whole file, mutated."""
        found = _found(self.place.file)
        node, mutated = found.variants[self.place.index][self.variant]
        return cst.ensure_type(found.module.deep_replace(node, mutated), cst.Module).code

    @cached_property
    def change(self) -> tuple[str, str]:
        """The lines that differ, before and after, without their indentation."""
        before, after = source(self.place.file).splitlines(), self.code.splitlines()
        spans = [op for op in SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if op[0] != "equal"]
        first, last = spans[0], spans[-1]
        return _joined(before[first[1] : last[2]]), _joined(after[first[3] : last[4]])

    @cached_property
    def id(self) -> str:
        """The same for the same change of the same file, wherever the machine and whatever the seed."""
        words = (self.place.file, hashlib.sha256(source(self.place.file).encode()).hexdigest(), self.code)
        return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]

    @property
    def line(self) -> int:
        return self.place.lines.start


def files() -> dict[str, str]:
    """The group of every file that is mutated, by its path below the project."""
    return {
        str(path.relative_to(PROJECT)): group
        for group, patterns in GROUPS.items()
        for pattern in patterns
        for path in sorted((PROJECT / PRODUCT).glob(pattern))
    }


@cache
def source(file: str) -> str:
    return (PROJECT / file).read_text()


def places(file: str) -> list[Place]:
    return _found(file).places


class _Finder(cst.CSTVisitor):
    """Walks a module. Docstrings are left alone, and the texts of errors: no test holds their words, nor should it."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, file: str) -> None:
        super().__init__()
        self.places: list[Place] = []
        self.variants: list[list[tuple[cst.CSTNode, cst.CSTNode]]] = []
        self.module: cst.Module
        self._file = file
        self._only = ONLY_FUNCTIONS.get(file.removeprefix(f"{PRODUCT}/"), ())
        self._functions: list[tuple[str, range]] = []
        self._names: list[str | None] = []
        self._raising = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, LEFT_ALONE) or _is_docstring(node):
            return False
        self._enter(node)
        if self._is_wanted():
            self._look(node)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef):
            self._functions.pop()
        if isinstance(original_node, cst.SimpleStatementLine):
            self._names.pop()
        self._raising -= isinstance(original_node, cst.Raise)

    def _enter(self, node: cst.CSTNode) -> None:
        if isinstance(node, cst.FunctionDef):
            self._functions.append((node.name.value, self._lines(node)))
        if isinstance(node, cst.SimpleStatementLine):
            self._names.append(None if self._functions else _assigned_name(node))
        self._raising += isinstance(node, cst.Raise)

    def _is_wanted(self) -> bool:
        return not self._only or any(name in self._only for name, _ in self._functions)

    def _look(self, node: cst.CSTNode) -> None:
        found = [(node, mutated) for mutated in self._mutations(node)]
        if not found:
            return
        function = self._functions[0][1] if self._functions else None
        name = self._names[-1] if self._names else None
        place = Place(self._file, len(self.places), self._lines(node), function, name, len(found))
        self.places.append(place)
        self.variants.append(found)

    def _mutations(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        if isinstance(node, cst.BaseString) and self._raising:
            return
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                yield from operator(node)

    def _lines(self, node: cst.CSTNode) -> range:
        where = self.get_metadata(PositionProvider, node, None)
        assert isinstance(where, CodeRange)
        return range(where.start.line, where.end.line + 1)


@cache
def _found(file: str) -> _Finder:
    wrapper = MetadataWrapper(cst.parse_module(source(file)), unsafe_skip_copy=True)
    finder = _Finder(file)
    wrapper.visit(finder)
    finder.module = wrapper.module
    return finder


def _is_docstring(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString | cst.ConcatenatedString)


def _assigned_name(statement: cst.SimpleStatementLine) -> str | None:
    match statement.body[0]:
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name)), *_]):
            return str(name)
        case cst.AnnAssign(target=cst.Name(value=name)):
            return str(name)
    return None


def _joined(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines)
