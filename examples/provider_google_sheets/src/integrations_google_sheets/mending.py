"""What a write by row number did to the wrong rows, and what puts it right. Pure.

Between the read that found a row and the write to its number a person may have sorted, inserted or deleted. There is no
lock, so each write is followed by a read, and compared with the sheet from just before it. Belongs here: that
comparison. Does not: requests (`writer`, `keys`).
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from integrations_google_sheets.grid import Cell, Grid, Row

#: Cells by the name of their column.
Cells = Mapping[str, Cell]


def holds(grid: Grid, index: int | None, cells: Cells) -> bool:
    """Whether a row has these cells."""
    return index is not None and all(_cell(grid, index, name) == cell for name, cell in cells.items())


def _cell(grid: Grid, index: int, name: str) -> Cell | None:
    place = grid.column(name)
    return None if place is None else grid.rows[index][place]


@dataclass(slots=True)
class Aims:
    """What a series of writes is to come to. `before`: the sheet as it was. `own`: the cells meant for the row of each
    key. `written`: how often each (column, value) was sent, and to which keys: only what we have written ourselves is
    ever taken back."""

    before: Grid
    own: dict[str, Cells]
    written: Counter[tuple[str, Cell]] = field(default_factory=Counter)
    receivers: dict[tuple[str, Cell], set[str]] = field(default_factory=dict)

    def note(self, now: Grid, writes: Mapping[int, Cells]) -> None:
        for index, cells in writes.items():
            for each in cells.items():
                self.written[each] += 1
                self.receivers.setdefault(each, set()).add(now.key_of(index))

    def missing(self, now: Grid) -> dict[int, Cells]:
        """Rows that do not hold what is meant for them."""
        places = {key: now.by_key.get(key) for key in self.own}
        return {
            index: self.own[key]
            for key, index in places.items()
            if index is not None and not holds(now, index, self.own[key])
        }

    def struck(self, now: Grid) -> dict[int, dict[str, Cell]]:
        """Rows that hold a value of ours meant for another, with what they should hold. Of no value more than went
        astray: somebody else may write the same."""
        found: dict[int, dict[str, Cell]] = {}
        for (name, value), count in self.written.items():
            keys = self.receivers[name, value]
            arrived = sum(holds(now, now.by_key.get(key), {name: value}) for key in keys if key)
            astray = [
                index
                for index in range(len(now.rows))
                if _cell(now, index, name) == value and self._due(now, index, name, value) != value
            ]
            for index in astray[: max(count - arrived, 0)]:
                found.setdefault(index, {})[name] = self._due(now, index, name, value)
        return found

    def _due(self, now: Grid, index: int, name: str, value: Cell) -> Cell:
        """What should stand in this cell. A row that nobody had seen was inserted, and held nothing there."""
        key = now.key_of(index)
        if key in self.own and name in self.own[key]:
            return self.own[key][name]
        known = self.before.by_key.get(key)
        if known is not None:
            told = _cell(self.before, known, name)
            return value if told is None else told
        return value if key or now.rows[index] in self.before.rows else ""


def wrongly_deleted(before: Grid, after: Grid, targets: Collection[str]) -> list[Row]:
    """Rows that went in place of targets that are still there. More may be told than were taken by us, if a person
    deleted one at that moment: a row too many is there to be seen, one too few is not."""
    if not any(key in after.by_key for key in targets):
        return []
    gone = Counter(before.rows) - Counter(after.rows)
    # A row whose key is still there was edited, or is where it was with other cells.
    return [
        row
        for row in gone.elements()
        if any(str(cell).strip() for cell in row)
        and (key := _key_in(before, row)) not in targets
        and key not in after.by_key
    ]


def _key_in(grid: Grid, row: Row) -> str:
    return "" if grid.key_column is None else str(row[grid.key_column]).strip()


def key_repairs(before: Grid, now: Grid, given: Mapping[int, str]) -> dict[int, str]:
    """Keys to write so that every row of `before` has its own, and those of `given` theirs: a row is known by all else
    that it says. A key that stands on another row is taken away there. A row that somebody edited meanwhile keeps what
    it has."""
    wanted: dict[Row, list[str]] = {}
    for index in [*before.by_key.values(), *given]:
        wanted.setdefault(before.content(index), []).append(given.get(index) or before.key_of(index))
    rows: dict[Row, list[int]] = {}
    for index in range(len(now.rows)):
        rows.setdefault(now.content(index), []).append(index)
    owners = {key: content for content, keys in wanted.items() for key in keys}
    found: dict[int, str] = {}
    for content, places in rows.items():
        keys = wanted.get(content, [])
        told = {now.key_of(index) for index in places}
        missing = [key for key in keys if key not in told]
        for index in places:
            key = now.key_of(index)
            if key in keys and now.by_key[key] == index:
                continue
            is_anothers = key in owners and owners[key] in rows
            if missing and (not key or is_anothers):
                found[index] = missing.pop(0)
            elif key and is_anothers:
                found[index] = ""
    return found
