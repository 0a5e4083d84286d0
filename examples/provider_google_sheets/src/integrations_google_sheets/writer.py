"""Writes to rows that may move: each by the row's number of a moment ago, then looked at, then put right.

    read the sheet → find the rows by their keys → write, once → read again → what struck another row gets its own back
    → what did not arrive goes round again

Belongs here: that loop for updates and deletes, and creates, which name no row. Does not: what is compared (`mending`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID

from integrations_google_sheets import mending
from integrations_google_sheets.client import SheetClient
from integrations_google_sheets.grid import MADE, Cell, Grid, Row
from integrations_google_sheets.keys import ATTEMPTS
from integrations_google_sheets.mending import Aimed
from integrations_google_sheets.values import to_cell, to_field
from integrations_google_sheets.wire import FIRST_ROW
from integrations_pipeline.errors import InDoubtError, PermanentError, RetryableError
from integrations_pipeline.model import Change, ChangeKind, MappedField, Outcome
from integrations_pipeline.providers.answers import Taken, verdict_on
from integrations_pipeline.providers.batches import applied, bisect, failed, superseded

RESTLESS = "the rows of the Google sheet do not hold still: too many edit it at this moment"


@dataclass(slots=True)
class _Round:
    """Changes that are not settled yet, by id, and the outcomes of those that are."""

    left: dict[UUID, Change]
    done: dict[UUID, Outcome] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: Sequence[Change]) -> "_Round":
        return cls(left={change.id: change for change in batch})

    def settle(self, outcome: Outcome) -> None:
        self.left.pop(outcome.change.id, None)
        self.done[outcome.change.id] = outcome

    def turns(self) -> Iterator[int]:
        """As long as anything is left, and no longer than rows that never hold still deserve."""
        yield from (turn for turn in range(ATTEMPTS) if self.left)

    def outcomes(self, batch: Sequence[Change]) -> list[Outcome]:
        for change in list(self.left.values()):
            self.settle(failed(change, RetryableError(RESTLESS)))
        return [self.done[change.id] for change in batch]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetWriter:
    """`mapping`: the fields that are there, by name. `shown`: the sheet as it was read last, without formulas."""

    client: SheetClient
    sheet_id: int
    mapping: Mapping[str, MappedField]
    shown: Grid | None

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        send = {ChangeKind.CREATE: self._create, ChangeKind.UPDATE: self._update, ChangeKind.DELETE: self._delete}
        return bisect(batch, send[batch[0].kind], failed)

    # Updates

    def _update(self, batch: Sequence[Change]) -> list[Outcome]:
        going = _Round.of(batch)
        for _ in going.turns():
            before = self.client.grid(shows_formulas=True)
            aimed = self._aim(before, going)
            if not aimed:
                break
            cells = {
                (each.index + FIRST_ROW, before.header.index(name)): cell
                for each in aimed.values()
                for name, cell in each.cells.items()
            }
            is_answered = _sent(partial(self.client.write_cells, cells)) is None
            after = self.client.grid()
            for change_id, each in aimed.items():
                self._judge_update(going, change_id, each, after, is_answered=is_answered)
            self._put_right(before, after, list(aimed.values()))
        return going.outcomes(batch)

    def _aim(self, before: Grid, going: _Round) -> dict[UUID, Aimed]:
        """Where each change goes; those that cannot go anywhere are settled."""
        found = {}
        for change in list(going.left.values()):
            key = change.external_id or ""
            index = before.by_key.get(key)
            if index is None:
                going.settle(superseded(change))
                continue
            try:
                cells = self._cells(change)
                self._require_no_formula(key, before.rows[index], before, cells)
            except PermanentError as error:
                going.settle(failed(change, error))
            else:
                found[change.id] = Aimed(key=key, index=index, cells=cells)
        return found

    def _judge_update(self, going: _Round, change_id: UUID, aimed: Aimed, after: Grid, *, is_answered: bool) -> None:
        change, index = going.left[change_id], after.by_key.get(aimed.key)
        if index is None:
            going.settle(superseded(change))
        elif mending.holds(after, index, aimed.cells):
            going.settle(applied(change))
        elif is_answered and index == aimed.index:
            names = ", ".join(
                f'"{name}"' for name, cell in aimed.cells.items() if not mending.holds(after, index, {name: cell})
            )
            going.settle(failed(change, PermanentError(f"column {names} did not take the value", code="NOT_TAKEN")))

    def _put_right(self, before: Grid, after: Grid, aimed: Sequence[Aimed], turns: int = ATTEMPTS) -> None:
        """Give rows that others' values were written to what they held. That names rows by their numbers, too, so it is
        looked at in the same way."""
        for turn in range(turns):
            struck = mending.misplaced(before, after, aimed)
            if not struck:
                return
            self._put_back(struck, after)
            later = self.client.grid()
            back = [Aimed(key=after.key_of(index), index=index, cells=held) for index, held in struck.items()]
            self._put_right(after, later, back, turns - turn - 1)
            after = later

    def _put_back(self, struck: Mapping[int, Mapping[str, Cell]], after: Grid) -> None:
        cells = {
            (index + FIRST_ROW, place): cell
            for index, held in struck.items()
            for name, cell in held.items()
            if (place := after.column(name)) is not None
        }
        formulas = {where: cell for where, cell in cells.items() if _is_formula(cell)}
        plain = {where: cell for where, cell in cells.items() if where not in formulas}
        for chosen, is_raw in ((plain, True), (formulas, False)):
            if chosen:
                _sent(partial(self.client.write_cells, chosen, is_raw=is_raw))

    def _cells(self, change: Change) -> dict[str, str]:
        """By the name of their column. A field whose column went away meanwhile waits for the next run."""
        missing = sorted(change.after.keys() - self.mapping.keys())
        if missing:
            raise PermanentError(f"the column of {missing[0]} is gone: the next run looks again")
        return {self.mapping[name].column: to_cell(text, self.mapping[name]) for name, text in change.after.items()}

    def _require_no_formula(self, key: str, row: Row, before: Grid, cells: Mapping[str, Cell]) -> None:
        """A text that begins like a formula is one unless the same was shown as text a moment ago."""
        shown = self.shown.find(key) if self.shown else None
        for name in cells:
            place = before.column(name)
            if place is None:
                raise PermanentError(f'column "{name}" is gone: the next run looks again')
            seen = self.shown.column(name) if self.shown else None
            is_text = shown is not None and seen is not None and shown[seen] == row[place]
            if _is_formula(row[place]) and not is_text:
                raise PermanentError(f'column "{name}" holds a formula in this row, which is not written over')

    # Creates

    def _create(self, batch: Sequence[Change]) -> list[Outcome]:
        going = _Round.of(batch)
        for _ in going.turns():
            before = self.client.grid()
            rows = self._new_rows(before, going)
            if not rows:
                break
            requests = [{"appendCells": {"sheetId": self.sheet_id, "rows": list(rows.values()), "fields": _FIELDS}}]
            doubt = _sent(partial(self.client.change, requests))
            after = self.client.grid()
            for change_id in rows:
                change = going.left[change_id]
                if key_of(change) in after.by_key:
                    going.settle(self._made(change, after))
                elif isinstance(doubt, InDoubtError):
                    raise doubt  # it may arrive yet: the next run looks for it
                elif doubt is None:
                    going.settle(superseded(change, "somebody took the new row away at once; the next run looks again"))
        return going.outcomes(batch)

    def _new_rows(self, before: Grid, going: _Round) -> dict[UUID, dict[str, Any]]:
        """Those that are not there by their key."""
        found = {}
        for change in list(going.left.values()):
            key = key_of(change)
            if key in before.by_key:
                going.settle(applied(change, key))
                continue
            try:
                cells = {**self._cells(change), before.key: key}
            except PermanentError as error:
                going.settle(failed(change, error))
            else:
                found[change.id] = _typed([cells.get(name, "") for name in before.header])
        return found

    def _made(self, change: Change, after: Grid) -> Outcome:
        """The row is there, also where it lacks a value; the next run tries that again."""
        key = key_of(change)
        row = after.rows[after.by_key[key]]
        back: dict[str, str] = {}
        for name in change.after:
            place = after.column(self.mapping[name].column)
            told = None if place is None else to_field(row[place], self.mapping[name])
            if told is not None:
                back[name] = told
        verdict = verdict_on(change.after, back, _same_or_lost)
        return replace(applied(change, key), answered=verdict.answered, lost=verdict.lost)

    # Deletes

    def _delete(self, batch: Sequence[Change]) -> list[Outcome]:
        going = _Round.of(batch)
        for _ in going.turns():
            before = self.client.grid(shows_formulas=True)
            self._settle_gone(going, before)
            keys = {change.external_id or "" for change in going.left.values()}
            if not keys:
                break
            places = sorted((before.by_key[key] for key in keys), reverse=True)
            _sent(partial(self.client.change, [self._deletion(place) for place in places]))
            after = self.client.grid(shows_formulas=True)
            if lost := mending.wrongly_deleted(before, after, keys):
                self._bring_back(lost)
            self._settle_gone(going, after)
        return going.outcomes(batch)

    @staticmethod
    def _settle_gone(going: _Round, grid: Grid) -> None:
        for change in list(going.left.values()):
            if change.external_id not in grid.by_key:
                going.settle(applied(change))

    def _deletion(self, index: int) -> dict[str, Any]:
        start = index + FIRST_ROW - 1
        dimension = {"sheetId": self.sheet_id, "dimension": "ROWS", "startIndex": start, "endIndex": start + 1}
        return {"deleteDimension": {"range": dimension}}

    def _bring_back(self, rows: Sequence[Row]) -> None:
        """At the end of the sheet, with their keys; what was shown as text a moment ago is no formula. Appending names
        no row by its number, so it may be sent until the rows are there."""
        texts = frozenset(cell for row in (self.shown.rows if self.shown else ()) for cell in row if _is_formula(cell))
        for _ in range(ATTEMPTS):
            typed = [_typed(row, texts, may_compute=True) for row in rows]
            append = {"sheetId": self.sheet_id, "rows": typed, "fields": _FIELDS}
            if _sent(partial(self.client.change, [{"appendCells": append}])) is None:
                return
            there = set(self.client.grid(shows_formulas=True).rows)
            rows = [row for row in rows if row not in there]
        raise RetryableError(
            "rows that came in the way of a delete could not be put back: see the sheet's version history"
        )


_FIELDS = "userEnteredValue"


def key_of(change: Change) -> str:
    """The key of the row that a create makes, the same however often it is asked for: the contact's id; where a row
    that somebody copied has that one, another."""
    contact_id = change.contact_id or ""
    return f"{MADE}of-{contact_id}" if change.is_key_taken else contact_id


def _typed(cells: Sequence[Cell], texts: Set[Cell] = frozenset(), *, may_compute: bool = False) -> dict[str, Any]:
    """A row as `appendCells` takes it: each cell of the type that it has, nothing parsed."""
    return {"values": [_typed_cell(cell, is_formula=may_compute and cell not in texts) for cell in cells]}


def _typed_cell(cell: Cell, *, is_formula: bool) -> dict[str, Any]:
    if cell == "":
        return {}
    if isinstance(cell, bool):
        return {"userEnteredValue": {"boolValue": cell}}
    if isinstance(cell, (int, float)):
        return {"userEnteredValue": {"numberValue": cell}}
    return {"userEnteredValue": {"formulaValue" if is_formula and _is_formula(cell) else "stringValue": cell}}


def _is_formula(cell: Cell) -> bool:
    return isinstance(cell, str) and cell.startswith("=")


def _same_or_lost(_name: str, sent: str, back: str) -> Taken:
    return Taken.SAME if sent.strip() == back.strip() else Taken.LOST


def _sent(send: Callable[[], None]) -> RetryableError | None:
    """Send once; what came instead of an answer, where the sheet has to tell what became of it."""
    try:
        send()
    except RetryableError as error:
        return error
    return None
