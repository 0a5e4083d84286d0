"""A sheet as it is at one moment, and its rows by their keys. Pure.

A row is known by the text in its key column and never by its number: people sort and insert. Belongs here: the grid,
and which key a row without one gets. Does not: what a write did to the wrong row (`mending`), cells as values
(`values`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

Cell = str | int | float | bool
Row = tuple[Cell, ...]
#: Begins a key of our making on a row that people made.
MADE = "row-"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """`header`: the first row. `rows`: those below, as long as the longest, empty cells as "". `key`: the name of the
    key column. Of columns with one name the first counts."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    key: str

    @classmethod
    def from_values(cls, values: Sequence[Sequence[Cell]], key: str) -> "Grid":
        """From an answer, whose rows end with their last filled cell."""
        width = max(map(len, values), default=0)
        padded = [(*row, *("",) * (width - len(row))) for row in values]
        header = tuple(str(cell).strip() for cell in padded[0]) if padded else ()
        return cls(header=header, rows=tuple(padded[1:]), key=key)

    def column(self, name: str) -> int | None:
        return self.header.index(name) if name in self.header else None

    @property
    def key_column(self) -> int | None:
        return self.column(self.key)

    @cached_property
    def by_key(self) -> Mapping[str, int]:
        """The index of each keyed row. Of rows with one key, as copies have, the topmost is the original."""
        found: dict[str, int] = {}
        for index in range(len(self.rows)):
            if key := self.key_of(index):
                found.setdefault(key, index)
        return found

    def key_of(self, index: int) -> str:
        """What stands in the row's key cell; "" for nothing."""
        column = self.key_column
        return "" if column is None else str(self.rows[index][column]).strip()

    def find(self, key: str) -> Row | None:
        index = self.by_key.get(key)
        return None if index is None else self.rows[index]

    def content(self, index: int) -> Row:
        """The row without its key."""
        return tuple(cell for place, cell in enumerate(self.rows[index]) if place != self.key_column)

    def is_blank(self, index: int) -> bool:
        """Whether there is no row at all: nothing in any cell."""
        return all(str(cell).strip() == "" for cell in self.rows[index])

    @cached_property
    def unkeyed(self) -> Mapping[int, str]:
        """The rows without a key of their own, with the one that each would get: made of what the row says, so that a
        preview and the run after it call it the same."""
        taken = set(self.by_key)
        found: dict[int, str] = {}
        for index in range(len(self.rows)):
            key = self.key_of(index)
            if self.is_blank(index) or (key and self.by_key[key] == index):
                continue
            found[index] = _made_of(self.content(index), taken)
            taken.add(found[index])
        return found


def _made_of(content: Row, taken: set[str]) -> str:
    told = json.dumps(content, ensure_ascii=True)
    for turn in range(len(taken) + 1):
        key = MADE + hashlib.sha256(f"{turn} {told}".encode()).hexdigest()[:20]
        if key not in taken:
            break
    return key
