"""What one connection gives access to: contacts, a mailbox, or both.

Belongs here: building it from a spec, what both have in common, and contacts as both sides agreed on them. Does not:
either's contract (`base`, `mailbox`), when a writing of the provider's own is remembered (`sync.contacts.acknowledge`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from integrations_pipeline.model import ContactValues, Normalised
from integrations_pipeline.providers.base import (
    CheckReport,
    Cursor,
    Page,
    Provider,
    ProviderContext,
    ProviderSpec,
    RemoteRecord,
)
from integrations_pipeline.providers.columns import SchemaLook
from integrations_pipeline.providers.people import PeopleMet

if TYPE_CHECKING:
    from integrations_pipeline.providers.mailbox import Mailbox


#: By external id and field.
Held = Mapping[str, Mapping[str, Normalised]]

#: What is asked of the provider itself.
_AS_IT_IS = ("check", "look", "recently_edited", "is_place_of", "find_created", "prepare_write", "write", "close")


class AsAgreed:
    """A `Provider` whose values are read as both sides agreed on them where it writes them in its own way. `load` tells
    which: it is asked by each read that finds anybody, so that it knows what was written before."""

    def __init__(self, inner: Provider, load: Callable[[], Held]) -> None:
        self._inner = inner
        self._load = load
        self._held: Held | None = None
        for name in _AS_IT_IS:
            setattr(self, name, getattr(inner, name))

    @property
    def call_count(self) -> int:
        return self._inner.call_count

    @property
    def looked(self) -> SchemaLook | None:
        return self._inner.looked

    def read_all(self) -> Iterator[Page]:
        return self._told(self._inner.read_all())

    def read_changes(self, cursor: Cursor) -> Iterator[Page]:
        return self._told(self._inner.read_changes(cursor))

    def read_records(self, external_ids: Sequence[str]) -> Page:
        return self._page(self._inner.read_records(external_ids))

    def recheck(self, external_ids: Sequence[str]) -> Page:
        return self._page(self._inner.recheck(external_ids))

    def _told(self, pages: Iterator[Page]) -> Iterator[Page]:
        self._held = None
        return map(self._page, pages)

    def _page(self, page: Page) -> Page:
        if not page.records:
            return page
        if self._held is None:
            self._held = self._load()
        held = self._held
        return replace(page, records=[_agreed(each, held) for each in page.records]) if held else page


def _agreed(record: RemoteRecord, held: Held) -> RemoteRecord:
    own = held.get(record.external_id)
    if not own:
        return record
    fields = {
        name: own[name].agreed if name in own and own[name].held == value else value
        for name, value in record.fields.items()
    }
    return replace(record, fields=fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`contacts`: an address book, or the people met in the mailbox. `mailbox`: None where the provider has none."""

    contacts: Provider
    mailbox: "Mailbox | None" = None

    @property
    def _beside(self) -> "Mailbox | None":
        """A mailbox that the contacts are not read through."""
        return None if isinstance(self.contacts, PeopleMet) else self.mailbox

    @property
    def call_count(self) -> int:
        """HTTP requests sent so far."""
        return self.contacts.call_count + (self._beside.call_count if self._beside else 0)

    def check(self, values: ContactValues) -> CheckReport:
        """What both find (`Provider.check`, `Mailbox.check`)."""
        found = self.contacts.check(values)
        if self._beside is None:
            return found
        more = self._beside.check()
        return CheckReport(
            problems=(*found.problems, *more.problems),
            notes=(*found.notes, *more.notes),
            fault=found.fault or more.fault,
        )

    def close(self) -> None:
        self.contacts.close()
        if self._beside is not None:
            self._beside.close()


def nothing_held() -> Held:
    """Of a connection that never wrote anything."""
    return {}


def open_access(spec: ProviderSpec, context: ProviderContext, held: Callable[[], Held] = nothing_held) -> Access:
    """What the provider offers, for one connection; close it. `held`: what it writes in its own way."""
    mailbox = spec.mailbox(context) if spec.mailbox else None
    contacts = cast("Provider", AsAgreed(spec.contacts(context), held)) if spec.contacts else None
    if contacts is None and mailbox is not None:
        contacts = PeopleMet(mailbox, context.mapping)
    # A spec offers at least one of them.
    assert contacts is not None  # noqa: S101 - for the type checker
    return Access(contacts=contacts, mailbox=mailbox)
