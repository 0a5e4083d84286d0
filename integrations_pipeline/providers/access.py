"""What one connection gives access to: contacts, a mailbox, or both.

Belongs here: building it from a spec, and what both have in common. Does not: either's contract (`base`, `mailbox`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from integrations_pipeline.model import ContactValues
from integrations_pipeline.providers.base import CheckReport, Provider, ProviderContext, ProviderSpec
from integrations_pipeline.providers.people import PeopleMet

if TYPE_CHECKING:
    from integrations_pipeline.providers.mailbox import Mailbox


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


def open_access(spec: ProviderSpec, context: ProviderContext) -> Access:
    """What the provider offers, for one connection; close it."""
    mailbox = spec.mailbox(context) if spec.mailbox else None
    contacts = spec.contacts(context) if spec.contacts else None
    if contacts is None and mailbox is not None:
        contacts = PeopleMet(mailbox, context.mapping)
    # A spec offers at least one of them.
    assert contacts is not None  # noqa: S101 - for the type checker
    return Access(contacts=contacts, mailbox=mailbox)
