"""The provider on a sandbox, and what other people do there. Belongs here: what the tests share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from google_sheets_sandbox import SheetsSandbox, Worksheet
from google_sheets_sandbox.cells import LONGEST_CELL
from google_sheets_sandbox.server import DEFAULT_TOKEN
from integrations_google_sheets import PROVIDER
from integrations_google_sheets.grid import Grid
from integrations_google_sheets.limits import API_URL
from integrations_google_sheets.provider import PAGE_SIZE, SheetsProvider
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.columns import KnownColumn
from integrations_pipeline.testing import Bench, Fields, provider_context

COLUMNS = {"email": "Email", "name": "Name", "company": "Company"}
MAPPING = tuple(MappedField(name=name, column=column) for name, column in COLUMNS.items())
HEADER = ["Email", "Notes", "Name", "Company", "Contact ID"]
KEY = HEADER.index("Contact ID")


class SheetBench(Bench):
    """One sheet whose columns stand in no order of ours, with one that nobody mapped."""

    capabilities = PROVIDER.capabilities
    page_size = PAGE_SIZE

    def __init__(self, sandbox: SheetsSandbox) -> None:
        self.sandbox = sandbox
        self.sheet: Worksheet = sandbox.create_sheet("book1", "Our People", [list(HEADER)])

    def provider(
        self,
        *,
        is_authorised: bool = True,
        known: Mapping[str, KnownColumn] = MappingProxyType({}),
        is_read_only: bool = False,
    ) -> SheetsProvider:
        return SheetsProvider(
            provider_context(
                token=DEFAULT_TOKEN if is_authorised else "wrong",
                settings={"spreadsheet_id": "book1", "sheet": "Our People"},
                mapping=MAPPING,
                known=known,
                addresses={API_URL: self.sandbox.url},
                is_read_only=is_read_only,
                sleep=lambda _seconds: None,
            )
        )

    def people_make(self, rows: Sequence[Fields]) -> list[str]:
        """Typed below the others; what key each gets is what a sync would give it."""
        first = len(self.sheet.rows)
        for row in rows:
            self.sheet.rows.append([row.get("email", ""), "", row.get("name", ""), row.get("company", "")])
        self.sheet.row_count = max(self.sheet.row_count, len(self.sheet.rows))
        grid = Grid.from_values(self.sheet.rows, "Contact ID")  # type: ignore[arg-type]  # no formulas among them
        return [grid.unkeyed[first - 1 + place] for place in range(len(rows))]

    def people_edit(self, external_id: str, fields: Fields) -> None:
        """A key that no sync has written yet is there before the edit, as after the run that told it."""
        row = self.row(external_id)
        for name, value in fields.items():
            self.sheet.put(row, HEADER.index(COLUMNS[name]), value)

    def people_delete(self, external_id: str) -> None:
        self.sheet.delete(self.row(external_id))

    def row(self, external_id: str) -> int:
        return next(i for i, row in enumerate(self.sheet.rows) if len(row) > KEY and row[KEY] == external_id)

    def shown(self) -> dict[str, str]:
        """Company by e-mail, of every row."""
        return {str(row[0]): str([*row, "", "", ""][3]) for row in self.sheet.rows[1:] if row}

    def admin_removes(self, name: str) -> None:
        place = self.sheet.rows[0].index(COLUMNS[name])
        for row in self.sheet.rows:
            del row[place : place + 1]

    @contextmanager
    def answers_without_values(self) -> Iterator[None]:
        reader = self.provider()
        list(reader.read_all())  # an account that a sync has seen before: its rows have keys
        reader.close()
        self.sandbox.state.is_blank, self.sandbox.state.shown = True, {"Contact ID"}
        yield
        self.sandbox.state.is_blank = False

    @contextmanager
    def drops(self, name: str) -> Iterator[None]:
        self.sandbox.state.drops.add(COLUMNS[name])
        yield
        self.sandbox.state.drops.clear()

    def forget_cursors(self) -> None:
        """There are none."""

    @property
    def poison(self) -> Fields:
        return {"email": "poison@example.org", "name": "x" * (LONGEST_CELL + 1)}

    @property
    def unknown_id(self) -> str:
        return "row-00000000000000000000"
