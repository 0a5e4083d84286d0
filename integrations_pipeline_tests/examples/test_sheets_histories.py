"""Random histories of a workspace and a Google sheet through the whole sync, while somebody moves rows before writes.

Belongs here: the example with the engine. Does not: the provider alone (its own tests).
"""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from google_sheets_sandbox import SheetsSandbox
from google_sheets_sandbox.server import DEFAULT_TOKEN
from google_sheets_sandbox.state import Worksheet
from integrations_google_sheets import PROVIDER
from integrations_google_sheets.limits import API_URL
from integrations_pipeline.model import RunStatus
from integrations_pipeline.store import connections, contacts, workspaces
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.encryption import Cipher, generate_key_text
from integrations_pipeline.sync.run import SyncRequest, run_sync
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.testing import FreePacer

pytestmark = pytest.mark.slow
STAYING = frozenset(f"stays{number}@x.org" for number in range(12))
HEADER = ["Tags", "Email", "Notes", "Company", "Name", "Contact ID"]
EMAIL, NOTES, COMPANY = 1, 2, 3
SETTINGS = {
    "spreadsheet_id": "book1",
    "delete_policy": "propagate",
    "delete_limit": 1000,
    "delete_limit_fraction": 1.0,
    "change_limit": 1000,
    "change_limit_fraction": 1.0,
    "create_limit_fraction": 1000.0,
}


@dataclass
class Story:
    """`people`: what both sides must say in the end, company by e-mail."""

    database: Database
    sandbox: SheetsSandbox
    sheet: Worksheet
    runtime: Runtime
    workspace_id: UUID
    dice: random.Random
    people: dict[str, str] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    made: int = 0
    touched: set[str] = field(default_factory=set)

    def act(self) -> None:
        """One edit of one person who was not edited in this round, on one side."""
        self.made += 1
        value, who = f"Company {self.made}", f"p{self.made}@x.org"
        # A side on which nobody is left is not believed; so some stay.
        known = sorted(self.people.keys() - STAYING - self.touched)
        deed = self.dice.choice(["type", "add", "edit there", "edit here", "delete there", "delete here"])
        if deed in ("type", "add") or not known:
            self.people[who] = value
            self.make(who, value, is_there=deed == "type")
        elif deed.startswith("edit"):
            who = self.dice.choice(known)
            self.people[who] = value
            self.edit(who, value, is_there=deed == "edit there")
        else:
            who = self.dice.choice(known)
            del self.people[who]
            self.delete(who, is_there=deed == "delete there")
        self.happened[deed] += 1
        self.touched.add(who)

    def add(self, who: str) -> None:
        self.people[who] = "Stays"
        self.make(who, "Stays", is_there=False)

    def make(self, who: str, value: str, *, is_there: bool) -> None:
        if is_there:
            place = self.dice.randint(1, len(self.sheet.rows))
            self.sheet.insert(place, ["", who, f"note of {who}", value])
        else:
            self._upsert(who, value)

    def edit(self, who: str, value: str, *, is_there: bool) -> None:
        if is_there:
            self.sheet.put(self._row(who), COMPANY, value)
        else:
            self._upsert(who, value)

    def delete(self, who: str, *, is_there: bool) -> None:
        if is_there:
            self.sheet.delete(self._row(who))
            return
        with self.database.workspace(self.workspace_id) as connection:
            (contact_id,) = contacts.contact_ids_by_email(connection, self.workspace_id, [who])
            contacts.delete_contacts(connection, [ContactWrite(contact_id=contact_id, fields={})])

    def _upsert(self, who: str, value: str) -> None:
        with self.database.workspace(self.workspace_id) as connection:
            contacts.upsert_contacts(connection, self.workspace_id, [{"email": who, "company": value}])

    def _row(self, who: str) -> int:
        return next(i for i, row in enumerate(self.sheet.rows) if len(row) > EMAIL and row[EMAIL] == who)

    def somebody_moves_rows(self) -> None:
        def move() -> None:
            deed = self.dice.choice(["sort", "shuffle", "insert"])
            self.happened[deed] += 1
            header, *rows = self.sheet.rows
            if deed == "insert":
                rows.insert(0, [])
            else:
                self.dice.shuffle(rows)
            self.sheet.rows[:] = [header, *rows]

        for _ in range(self.dice.randint(0, 4)):
            self.sandbox.just_before_the_next_write(move)

    def sync(self) -> None:
        report = run_sync(self.runtime, SyncRequest(workspace="acme", provider="google_sheets"))
        assert report.status in (RunStatus.SUCCESS, RunStatus.PARTIAL)

    def there(self) -> list[tuple[str, str]]:
        rows = [[*map(str, row), *[""] * 6] for row in self.sheet.rows[1:] if any(row)]
        return sorted((row[EMAIL], row[COMPANY]) for row in rows)

    def here(self) -> list[tuple[str, str]]:
        with self.database.workspace(self.workspace_id) as connection:
            rows: list[Any] = list(contacts.list_contacts(connection, self.workspace_id, ("email", "company")))
        return sorted((row["email"], row.get("company", "")) for row in rows)


def story(database: Database, sandbox: SheetsSandbox, seed: int) -> Story:
    sheet = sandbox.create_sheet("book1", "Contacts", [list(HEADER)])
    cipher = Cipher.from_text(generate_key_text())
    runtime = Runtime(
        database=database,
        cipher=cipher,
        # The emulator is no cluster: what a read shows is so.
        specs={PROVIDER.name: replace(PROVIDER, capabilities=replace(PROVIDER.capabilities, propagation_seconds=0.0))},
        addresses={**PROVIDER.addresses, API_URL: sandbox.url},
        pacer=FreePacer(),
        sleep=lambda _seconds: None,
    )
    with database.admin() as connection:
        workspace_id = workspaces.add_workspace(connection, "acme").id
    new = NewConnection(
        integration_type=PROVIDER.name, credentials={"access_token": DEFAULT_TOKEN}, settings=dict(SETTINGS)
    )
    with database.workspace(workspace_id) as connection:
        connections.save_connection(connection, workspace_id, new, cipher)
    dice = random.Random(seed)
    return Story(database=database, sandbox=sandbox, sheet=sheet, runtime=runtime, workspace_id=workspace_id, dice=dice)


@pytest.mark.parametrize("seed", range(3))
def test_both_sides_agree_and_nobody_is_lost_or_doubled(database: Database, seed: int) -> None:
    with SheetsSandbox() as sandbox:
        told = story(database, sandbox, seed)
        for who in sorted(STAYING):
            told.add(who)
        for turn in range(8):
            for _ in range(told.dice.randint(1, 3)):
                told.act()
            told.touched.clear()
            told.somebody_moves_rows()
            told.sync()
            sandbox.state.before_write.clear()
            told.sync()
            expected = sorted(told.people.items())
            assert (told.there(), told.here()) == (expected, expected), (seed, turn, told.happened)
        notes = {str(row[EMAIL]): row[NOTES] for row in told.sheet.rows[1:] if len(row) > NOTES and row[NOTES]}
        assert all(note == f"note of {who}" for who, note in notes.items())
        assert sum(told.happened[each] for each in ("sort", "shuffle", "insert")) >= 3
        sandbox.requests.clear()
        told.sync()
        assert sandbox.requests == ["GET 'Contacts'"]
