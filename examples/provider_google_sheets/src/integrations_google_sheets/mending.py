"""What a write by row number did to the wrong rows, and what puts it right. Pure.

Between the read that found a row and the write to its number a person may have sorted, inserted or deleted. There is no
lock, so each write is followed by a read, and compared with the sheet from just before it. Belongs here: that
comparison. Does not: requests (`writer`, `keys`).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from integrations_google_sheets.grid import Cell, Grid, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimed:
    """Cells written to the row of `key` ("" for one that has none), which was at `index` just before: by the name of
    their column."""

    key: str
    index: int
    cells: Mapping[str, Cell]


def holds(grid: Grid, index: int | None, cells: Mapping[str, Cell]) -> bool:
    """Whether a row has these cells."""
    if index is None:
        return False
    columns = {name: grid.column(name) for name in cells}
    row = grid.rows[index]
    return all(place is not None and row[place] == cells[name] for name, place in columns.items())


def misplaced(before: Grid, after: Grid, aimed: Sequence[Aimed]) -> dict[int, dict[str, Cell]]:
    """Rows of `after` that hold what another row was meant to get, with what they should hold: what was aimed at them
    themselves, else what they held before. A row that nobody had keyed was inserted: it held nothing there."""
    found: dict[int, dict[str, Cell]] = {}
    own = {each.key: each.cells for each in aimed if each.key}
    for each in aimed:
        if _has_arrived(before, after, each):
            continue
        struck = {
            index: due
            for index in range(len(after.rows))
            if index not in found
            and holds(after, index, each.cells)
            and (due := _due(before, after, index, own, each.cells)) != each.cells
        }
        if struck:
            index = min(struck, key=lambda place: abs(place - each.index))
            found[index] = struck[index]
    return found


def _has_arrived(before: Grid, after: Grid, aimed: Aimed) -> bool:
    """Where it was meant to go; a row without a key is known by all that it held."""
    if not aimed.key:
        return before.rows[aimed.index] not in after.rows
    return holds(after, after.by_key.get(aimed.key), aimed.cells)


def _due(
    before: Grid, after: Grid, index: int, own: Mapping[str, Mapping[str, Cell]], names: Mapping[str, Cell]
) -> dict[str, Cell]:
    """What a row should hold in these columns."""
    key = after.key_of(index)
    if not key and after.rows[index] in before.rows:
        return dict(names)
    row, meant = before.find(key), own.get(key, {})
    places = {name: before.column(name) for name in names}
    held = {name: row[place] if row and place is not None else "" for name, place in places.items()}
    return {name: meant.get(name, held[name]) for name in names}


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


def miskeyed(before: Grid, after: Grid, given: Mapping[int, str]) -> dict[int, str]:
    """Rows of `after` that got a key meant for another, with the key that they should have: their own of before, or
    ""."""
    found: dict[int, str] = {}
    owners = {before.content(index): before.key_of(index) for index in before.by_key.values()}
    waiting = {after.content(index) for index in range(len(after.rows)) if not after.key_of(index)}
    for index, key in given.items():
        place, meant = after.by_key.get(key), before.content(index)
        if place is None or after.content(place) == meant:
            continue
        own = owners.get(after.content(place), "")
        if own and own not in after.by_key:
            found[place] = own
        elif meant in waiting:
            found[place] = ""
    return found
