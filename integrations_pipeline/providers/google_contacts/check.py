"""What a check of a connection looks at: the mapping, what the grant allows, how full it is. It writes nothing.

Belongs here: the questions and what their answers mean. Does not: requests (`client`).
"""

from dataclasses import dataclass

from integrations_pipeline.model import ContactValues
from integrations_pipeline.providers.base import CheckReport
from integrations_pipeline.providers.columns import MappedColumns
from integrations_pipeline.providers.findings import Findings
from integrations_pipeline.providers.google_contacts import wire
from integrations_pipeline.providers.google_contacts.client import ContactsClient


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsCheck:
    client: ContactsClient
    columns: MappedColumns
    has_labels: bool

    def report(self, values: ContactValues) -> CheckReport:
        found = Findings()
        with found.until_ended():
            found.add_look(self.columns.look())
            with found.asking("the account's contacts (scope contacts)", is_vital=True):
                self._look_at_room(found, self.client.count(), values.contact_count)
            if self.has_labels:
                with found.asking("the account's labels (scope contacts)", is_vital=True):
                    self.client.groups()
            with found.asking("whether contacts may be written (scope contacts)", is_vital=True):
                self.client.require_writing()
        return found.report()

    @staticmethod
    def _look_at_room(found: Findings, there: int, here: int) -> None:
        if there + here > wire.MOST_CONTACTS:
            found.notes.append(
                f"the account has {there} contacts, the workspace {here}: Google keeps {wire.MOST_CONTACTS} at most, "
                "those in the trash among them, and refuses more"
            )
