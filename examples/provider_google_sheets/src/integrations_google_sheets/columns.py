"""The header row as schema: which column holds which field now.

Columns have no ids and no types: one is known by its name in the first row, so a renamed one is gone, and one that
moved is followed. Belongs here: that. Does not: rows (`grid`).
"""

from collections.abc import Callable, Mapping, Sequence

from integrations_google_sheets.grid import Grid
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.columns import (
    ColumnRules,
    KnownColumn,
    MappedColumns,
    PresentColumn,
    SchemaLook,
    look_at,
)


class SheetColumns(MappedColumns):
    """Those of one sheet, as every read shows them anew. `read`: reads the sheet."""

    def __init__(
        self, read: Callable[[], Grid], mapping: Sequence[MappedField], known: Mapping[str, KnownColumn], key: str
    ) -> None:
        super().__init__(mapping, known)
        self._read = read
        self._key = key
        self._header: tuple[str, ...] | None = None

    def see(self, grid: Grid) -> SchemaLook:
        """The look at a sheet that was just read; rows that cannot be told apart are a `ConfigurationError`."""
        if grid.key_column is None:
            raise ConfigurationError(
                f'the sheet has no column "{self._key}", by which rows are known: '
                "`integrations connections add google_sheets --create-field` makes it"
            )
        if grid.header != self._header:
            self._header = grid.header
            self.forget()
        return self.require()

    def _take_a_look(self) -> SchemaLook:
        if self._header is None:
            self._header = self._read().header
        names = [name for name in dict.fromkeys(self._header) if name]
        present = [PresentColumn(id="", name=name) for name in names]
        return look_at(self._mapping, self._known, present, self._rules(self._header))

    def _rules(self, header: Sequence[str]) -> ColumnRules:
        def problem(mapped: MappedField, columns: Sequence[PresentColumn]) -> str:
            name = columns[0].name
            if name == self._key:
                return f'column "{name}" is the key of the sync: map {mapped.name} to another, or set key_column'
            if header.count(name) > 1:
                return f'two columns are called "{name}" (mapped from {mapped.name}): give them names of their own'
            return ""

        return ColumnRules(family=str, problem=problem, told=lambda name: f'column "{name}"')
