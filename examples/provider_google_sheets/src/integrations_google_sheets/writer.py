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

from integrations_google_sheets.client import SheetClient
from integrations_google_sheets.grid import MADE, Cell, Grid, Row
from integrations_google_sheets.keys import ATTEMPTS
from integrations_google_sheets.mending import Aims, Cells, holds, wrongly_deleted
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

    @property
    def _texts(self) -> Set[Cell]:
        """What was shown as text a moment ago although it begins like a formula."""
        return frozenset(cell for row in (self.shown.rows if self.shown else ()) for cell in row if _is_formula(cell))

    # Updates

    def _update(self, batch: Sequence[Change]) -> list[Outcome]:
        """Rows that do not hold theirs are written again, and those that were struck with them, until all is right."""
        going = _Round.of(batch)
        now = before = self.client.grid(shows_formulas=True)
        aims = Aims(before=before, own=self._aim(before, going))
        for _ in range(ATTEMPTS):
            missing = aims.missing(now)
            writes = {**aims.struck(now), **missing}
            if not writes:
                break
            is_answered = self._put(now, writes, aims)
            aims.note(now, writes)
            then, now = now, self.client.grid()
            if is_answered:
                self._settle_lost(going, aims, missing, then, now)
        for change in list(going.left.values()):
            self._judge(going, change, aims, now)
        return going.outcomes(batch)

    def _aim(self, before: Grid, going: _Round) -> dict[str, Cells]:
        """The cells for each row by its key; changes that cannot go anywhere are settled."""
        found: dict[str, Cells] = {}
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
                found[key] = cells
        return found

    @staticmethod
    def _settle_lost(going: _Round, aims: Aims, missing: Mapping[int, Cells], then: Grid, now: Grid) -> None:
        """Rows that stood still, were written and do not have it: the sheet keeps no such value."""
        for index in missing:
            key = then.key_of(index)
            change = next((each for each in going.left.values() if each.external_id == key), None)
            if change is None or now.by_key.get(key) != index or holds(now, index, aims.own[key]):
                continue
            names = ", ".join(
                f'"{each[0]}"' for each in aims.own[key].items() if not holds(now, index, {each[0]: each[1]})
            )
            going.settle(failed(change, PermanentError(f"column {names} did not take the value", code="NOT_TAKEN")))
            del aims.own[key]

    @staticmethod
    def _judge(going: _Round, change: Change, aims: Aims, now: Grid) -> None:
        key = change.external_id or ""
        if key not in now.by_key:
            going.settle(superseded(change))
        elif holds(now, now.by_key[key], aims.own[key]):
            going.settle(applied(change))

    def _put(self, now: Grid, writes: Mapping[int, Cells], aims: Aims) -> bool:
        """Send these cells once; whether an answer said that they arrived. Texts of formulas are only ever put back."""
        plain: dict[tuple[int, int], Cell] = {}
        formulas: dict[tuple[int, int], Cell] = {}
        for index, held in writes.items():
            own = aims.own.get(now.key_of(index), {})
            for name, cell in held.items():
                place = now.column(name)
                is_text = own.get(name) == cell or not _is_formula(cell) or cell in self._texts
                if place is not None:
                    (plain if is_text else formulas)[index + FIRST_ROW, place] = cell
        sent = [
            _sent(partial(self.client.write_cells, chosen, is_raw=is_raw)) is None
            for chosen, is_raw in ((plain, True), (formulas, False))
            if chosen
        ]
        return all(sent)

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
            if lost := wrongly_deleted(before, after, keys):
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
        for _ in range(ATTEMPTS):
            typed = [_typed(row, self._texts, may_compute=True) for row in rows]
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
