"""What a connection gives access to: contacts, a mailbox, or both."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from integrations_pipeline.errors import PermanentError, UnreachableError
from integrations_pipeline.model import ContactValues, MappedField
from integrations_pipeline.providers.access import Access, open_access
from integrations_pipeline.providers.base import PEOPLE_MET, CheckReport, Later, ProviderContext, ProviderSpec
from integrations_pipeline.providers.mailbox import Mailbox, People
from integrations_pipeline.providers.memory import TOKEN, Book, MemorySettings, memory_spec
from integrations_pipeline.providers.people import PeopleMet
from integrations_pipeline.testing import provider_context

MAPPING = [MappedField(name=name, column=name) for name in ("email", "name")]
NOTE, FAULT = "the day's limit is high", UnreachableError("it does not answer")


@dataclass(slots=True)
class Letters:
    """As much of a mailbox as a run without pitches asks for: people by the place where they were met."""

    met: list[tuple[str, str]] = field(default_factory=list)
    calls: int = 0
    is_closed: bool = False

    @property
    def call_count(self) -> int:
        return self.calls

    def check(self) -> CheckReport:
        self.calls += 1
        return CheckReport(notes=(NOTE,), fault=FAULT)

    def people(self, cursor: Mapping[str, Any]) -> People:
        self.calls += 1
        return People(names=dict(self.met[cursor.get("at", 0) :]), cursor={"at": len(self.met)})

    def close(self) -> None:
        self.is_closed = True


def spec_of(letters: Letters, *, book: Book | None = None) -> ProviderSpec:
    spec = replace(memory_spec({"default": book or Book()}), mailbox=lambda _: cast(Mailbox, letters))
    return spec if book is not None else replace(spec, contacts=None, capabilities=PEOPLE_MET)


def opened(spec: ProviderSpec) -> Access:
    context: ProviderContext = provider_context(token=TOKEN, mapping=MAPPING, credentials={"token": TOKEN})
    return open_access(spec, context)


def test_contacts_of_a_mailbox_alone_are_the_people_met_in_it_each_told_once() -> None:
    letters = Letters([("ann@example.org", "Ann"), ("bo@example.org", "")])
    access = opened(spec_of(letters))
    (page,) = access.contacts.read_all()
    told = [(each.external_id, each.fields) for each in page.records]
    assert told == [
        ("ann@example.org", {"email": "ann@example.org", "name": "Ann"}),
        ("bo@example.org", {"email": "bo@example.org", "name": ""}),
    ]
    letters.met.append(("cy@example.org", "Cy"))
    (page,) = access.contacts.read_changes(page.cursor)
    assert [each.external_id for each in page.records] == ["cy@example.org"]
    assert not page.is_complete
    assert access.mailbox is not None


def test_people_met_are_taken_for_unchanged_and_never_written_to() -> None:
    people = PeopleMet(cast(Mailbox, Letters()), MAPPING)
    assert people.read_records(["ann@example.org"]).unchanged == {"ann@example.org"}
    with pytest.raises(PermanentError, match="no contacts that could be written"):
        people.prepare_write()
    with pytest.raises(PermanentError, match="no contacts that could be written"):
        people.write([])


def test_requests_check_and_end_of_a_mailbox_alone_count_once() -> None:
    letters = Letters()
    access = opened(spec_of(letters))
    report = access.check(ContactValues())
    assert (report.notes, report.fault, access.call_count) == ((NOTE,), FAULT, 1)
    access.close()
    assert letters.is_closed


def test_an_address_book_beside_a_mailbox_is_read_and_the_people_of_the_mailbox_are_not() -> None:
    letters, book = Letters([("ann@example.org", "Ann")]), Book()
    book.make({"email": "bo@example.org", "name": "Bo"})
    access = opened(spec_of(letters, book=book))
    (page,) = access.contacts.read_all()
    assert [each.fields["email"] for each in page.records] == ["bo@example.org"]
    report = access.check(ContactValues())
    assert (report.notes, report.fault) == ((NOTE,), FAULT)
    assert access.call_count == 3
    access.close()
    assert letters.is_closed


def test_a_provider_that_offers_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="offers neither contacts nor a mailbox"):
        replace(memory_spec({}), contacts=None)


def shelf(_context: ProviderContext) -> Any:
    """A provider's factory in a module of its own."""
    return opened(spec_of(Letters(), book=Book())).contacts


def test_what_a_provider_is_made_of_may_be_given_or_told_by_its_place() -> None:
    given = memory_spec({"default": Book()})
    told = replace(
        given,
        settings_model=Later("integrations_pipeline.providers.memory:MemorySettings"),
        contacts=Later(f"{__name__}:shelf"),
    )
    assert (given.settings_type, told.settings_type) == (MemorySettings, MemorySettings)
    assert [[*page.records] for spec in (given, told) for page in opened(spec).contacts.read_all()] == [[], []]


def test_what_contacts_can_is_said_where_contacts_are_offered_and_only_there() -> None:
    spec = memory_spec({})
    with pytest.raises(ValueError, match="without their capabilities"):
        replace(spec, capabilities=PEOPLE_MET)
    with pytest.raises(ValueError, match="without their capabilities"):
        replace(spec, contacts=None, mailbox=lambda _: cast(Mailbox, Letters()))
