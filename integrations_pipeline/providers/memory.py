"""A provider whose records lie in this process: the contract in its smallest form.

For tests of everything around providers, and to read before writing one. It keeps every promise of the
contract, with a change feed that tells deletes. No entry point offers it:
`memory_spec` makes a spec for the books it is given. Does not belong here: faults; tests wrap it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from integrations_pipeline.errors import ConfigurationError, CredentialsError, CursorExpiredError, PermanentError
from integrations_pipeline.model import Change, ChangeKind, ContactValues, MappedField, Outcome
from integrations_pipeline.providers.base import (
    Capabilities,
    CheckReport,
    ConnectionSettings,
    Cursor,
    Page,
    Provider,
    ProviderContext,
    ProviderFactory,
    ProviderSpec,
    RemoteRecord,
)
from integrations_pipeline.providers.batches import applied, failed, superseded
from integrations_pipeline.providers.columns import SchemaLook

PAGE_SIZE = 10
CAPABILITIES = Capabilities(max_batch=5, max_concurrency=1, max_read_batch=PAGE_SIZE, propagation_seconds=0.0)
#: A text longer than this is refused, as every real provider refuses some.
LONGEST_TEXT = 1000
TOKEN = "memory-token"  # noqa: S105 - guards nothing


@dataclass(slots=True)
class Entry:
    """One record: its fields, and the contact id that a create of ours left on it."""

    fields: dict[str, str]
    contact_key: str = ""


@dataclass(slots=True)
class Book:
    """The account: records by id, and who changed when. Also edited directly, as a person would."""

    entries: dict[str, Entry] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    #: History before this position is forgotten.
    forgotten: int = 0
    #: Fields that an owner of the book took away, and fields whose new values it drops without a word.
    removed: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    _made: int = 0

    def make(self, fields: Mapping[str, str], contact_key: str = "") -> str:
        self._made += 1
        external_id = f"mem{self._made:06d}"
        self.entries[external_id] = Entry(dict(fields), contact_key)
        self.history.append(external_id)
        return external_id

    def edit(self, external_id: str, fields: Mapping[str, str]) -> None:
        self.entries[external_id].fields.update(fields)
        self.history.append(external_id)

    def delete(self, external_id: str) -> None:
        del self.entries[external_id]
        self.history.append(external_id)

    def forget(self) -> None:
        self.forgotten = len(self.history)


class MemorySettings(ConnectionSettings):
    """`book`: which of the books given to `memory_spec`."""

    book: str = "default"


class MemoryProvider:
    """One book with one token; implements `providers.base.Provider`."""

    def __init__(self, book: Book, mapping: Sequence[MappedField], token: str, name: str = "default") -> None:
        self._book = book
        self._name = name
        self._mapping = tuple(mapping)
        self._names = tuple(mapped.name for mapped in mapping)
        self._token = token
        self._calls = 0

    @property
    def call_count(self) -> int:
        return self._calls

    def check(self, values: ContactValues) -> CheckReport:  # noqa: ARG002 - a book holds any value
        self._call()
        return CheckReport()

    def look(self) -> SchemaLook:
        """A book holds any field that its owner has not taken away."""
        reasons = {name: f"the book has no {name} any more" for name in self._book.removed & set(self._names)}
        return SchemaLook(mapping=tuple(m for m in self._mapping if m.name not in reasons), stopped=reasons)

    @property
    def looked(self) -> SchemaLook | None:
        return self.look()

    def recently_edited(self, records: Sequence[RemoteRecord], seconds: float) -> frozenset[str]:  # noqa: ARG002
        """A book keeps no times."""
        return frozenset()

    def is_place_of(self, settings: Mapping[str, Any]) -> bool:
        return bool(settings.get("book", "default") == self._name)

    def read_all(self) -> Iterator[Page]:
        cursor = {"position": len(self._book.history)}
        ids = list(self._book.entries)
        for start in range(0, max(len(ids), 1), PAGE_SIZE):
            self._call()
            chosen = [key for key in ids[start : start + PAGE_SIZE] if key in self._book.entries]
            records = [self._record(key) for key in chosen]
            yield Page(records=records, cursor=cursor, is_complete=True, tells_own_writes=True)

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        self._call()
        position = int(cursor["position"])
        if position < self._book.forgotten:
            raise CursorExpiredError("the book forgot what happened then: everything is read again")
        touched = dict.fromkeys(self._book.history[position:])
        yield Page(
            records=[self._record(key, is_certain=True) for key in touched if key in self._book.entries],
            tombstones=frozenset(key for key in touched if key not in self._book.entries),
            cursor={"position": len(self._book.history)},
            tells_own_writes=True,
            is_certain=True,
        )

    def read_records(self, external_ids: Sequence[str]) -> Page:
        self._call()
        return Page(
            records=[self._record(key) for key in external_ids if key in self._book.entries],
            tombstones=frozenset(key for key in external_ids if key not in self._book.entries),
        )

    def find_created(self, changes: Sequence[Change], since: datetime) -> Mapping[str, RemoteRecord]:  # noqa: ARG002
        self._call()
        wanted = {change.contact_id for change in changes}
        keys = {entry.contact_key: key for key, entry in self._book.entries.items() if entry.contact_key in wanted}
        return {contact_id: self._record(key) for contact_id, key in keys.items()}

    def recheck(self, external_ids: Sequence[str]) -> Page:
        return self.read_records(external_ids)

    def prepare_write(self) -> None:
        return None

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        self._call()
        return [self._write(change) for change in batch]

    def close(self) -> None:
        return None

    def _call(self) -> None:
        self._calls += 1
        if self._token != TOKEN:
            raise CredentialsError("the book refuses the token: add the connection again with a valid one")

    def _record(self, external_id: str, *, is_certain: bool = False) -> RemoteRecord:
        entry = self._book.entries[external_id]
        fields = {name: entry.fields.get(name, "") for name in self._names if name not in self._book.removed}
        return RemoteRecord(
            external_id=external_id, fields=fields, contact_key=entry.contact_key, is_certain=is_certain
        )

    def _write(self, change: Change) -> Outcome:
        if any(len(value) > LONGEST_TEXT for value in change.after.values()):
            reason = f"a text is longer than {LONGEST_TEXT} characters"
            return failed(change, PermanentError(reason))
        dropped = frozenset(self._book.dropped & change.after.keys())
        if change.kind is ChangeKind.CREATE:
            made = applied(change, self._create(change))
            return replace(made, answered=dict.fromkeys(dropped, ""), lost=dropped)
        if dropped and change.kind is ChangeKind.UPDATE:
            reason = f"the book did not take {', '.join(sorted(dropped))}"
            return failed(change, PermanentError(reason))
        if change.external_id not in self._book.entries:
            return applied(change) if change.kind is ChangeKind.DELETE else superseded(change)
        if change.kind is ChangeKind.DELETE:
            self._book.delete(change.external_id)
        else:
            self._book.edit(change.external_id, change.after)
        return applied(change)

    def _create(self, change: Change) -> str:
        """Made once per contact, however often it is asked for."""
        key = change.contact_id or ""
        for external_id, entry in self._book.entries.items():
            if key and entry.contact_key == key and not change.is_key_taken:
                return external_id
        kept = {name: value for name, value in change.after.items() if name not in self._book.dropped}
        return self._book.make(kept, key)


def memory_spec(books: Mapping[str, Book]) -> ProviderSpec:
    """A spec named `memory` over these books."""
    return ProviderSpec(
        name="memory",
        title="Memory",
        capabilities=CAPABILITIES,
        settings_model=MemorySettings,
        default_mapping={name: name for name in ("email", "name", "company", "phone", "job_title", "tags")},
        addresses={},
        credential_keys=("token",),
        contacts=_builder(books),
    )


def _builder(books: Mapping[str, Book]) -> ProviderFactory:
    def build(context: ProviderContext) -> Provider:
        settings = MemorySettings.model_validate(dict(context.settings))
        if settings.book not in books:
            raise ConfigurationError(f"there is no book {settings.book!r}: choose one of {', '.join(books)}")
        token = str(context.credentials.get("token", ""))
        return MemoryProvider(books[settings.book], context.mapping, token, settings.book)

    return build
