"""The in-memory provider keeps what every provider must keep, and the whole sync runs on it unchanged."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import pytest

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.columns import KnownColumn
from integrations_pipeline.providers.memory import (
    CAPABILITIES,
    LONGEST_TEXT,
    PAGE_SIZE,
    TOKEN,
    Book,
    MemoryProvider,
    memory_spec,
)
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store import connections, contacts, workspaces
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.encryption import Cipher, generate_key_text
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import SyncRequest, run_sync
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.testing import Bench, Conformance, Fields, FreePacer, provider_context

MAPPING = tuple(MappedField(name=name, column=name) for name in ("email", "name", "company"))


class MemoryBench(Bench):
    capabilities = CAPABILITIES
    page_size = PAGE_SIZE

    def __init__(self) -> None:
        self.book = Book()

    def provider(
        self, *, is_authorised: bool = True, known: Mapping[str, KnownColumn] = MappingProxyType({})
    ) -> MemoryProvider:
        return MemoryProvider(self.book, MAPPING, TOKEN if is_authorised else "wrong")

    def people_make(self, rows: Sequence[Fields]) -> list[str]:
        return [self.book.make(row) for row in rows]

    def people_edit(self, external_id: str, fields: Fields) -> None:
        self.book.edit(external_id, fields)

    def people_delete(self, external_id: str) -> None:
        self.book.delete(external_id)

    def admin_removes(self, name: str) -> None:
        self.book.removed.add(name)

    @contextmanager
    def answers_without_values(self) -> Iterator[None]:
        held = {key: dict(entry.fields) for key, entry in self.book.entries.items()}
        for entry in self.book.entries.values():
            entry.fields.clear()
        yield
        for key, fields in held.items():
            self.book.entries[key].fields.update(fields)

    @contextmanager
    def drops(self, name: str) -> Iterator[None]:
        self.book.dropped.add(name)
        yield
        self.book.dropped.discard(name)

    def forget_cursors(self) -> None:
        self.book.forget()

    @property
    def poison(self) -> Fields:
        return {"email": "poison@example.org", "name": "x" * (LONGEST_TEXT + 1)}

    @property
    def unknown_id(self) -> str:
        return "mem999999"


class TestMemory(Conformance):
    @pytest.fixture
    def bench(self) -> Bench:
        return MemoryBench()


def test_a_place_is_the_book_that_its_settings_name() -> None:
    context = provider_context(settings={"book": "second"})
    provider = memory_spec({"default": Book(), "second": Book()}).contacts
    assert provider is not None
    assert provider(context).is_place_of({"book": "second"})
    assert not provider(context).is_place_of({})


def test_the_registry_does_not_offer_it() -> None:
    assert "memory" not in provider_specs()


def test_the_whole_sync_runs_on_a_provider_it_has_never_heard_of(database: Database) -> None:
    book, cipher = Book(), Cipher.from_text(generate_key_text())
    runtime = Runtime(
        database=database, cipher=cipher, specs={"memory": memory_spec({"b": book})}, addresses={}, pacer=FreePacer()
    )
    with database.admin() as connection:
        workspace_id = workspaces.add_workspace(connection, "acme").id
    with database.workspace(workspace_id) as connection:
        contacts.upsert_contacts(connection, workspace_id, [{"email": f"p{i}@example.org"} for i in range(12)])
        new = NewConnection(
            integration_type="memory",
            credentials={"token": TOKEN},
            settings={"book": "b", "delete_policy": "propagate", "delete_limit_fraction": 1.0},
        )
        connections.save_connection(connection, workspace_id, new, cipher)
    stranger = book.make({"email": "stranger@example.org", "tags": "a\x1fb"})

    def sync() -> SyncReport:
        return run_sync(runtime, SyncRequest(workspace="acme", provider="memory"))

    assert [result.records_created for result in sync().results] != [0, 0]
    assert len(book.entries) == 13
    assert not sync().plan.changes
    book.edit(stranger, {"company": "Edited"})
    book.delete(next(iter(book.entries.keys() - {stranger})))
    sync()
    with database.workspace(workspace_id) as connection:
        rows = contacts.list_contacts(connection, workspace_id, ("email", "company"))
    assert len(rows) == 12
    assert {"email": "stranger@example.org", "company": "Edited"} in rows
    assert not sync().plan.changes
