"""What a check of an account looks at: the token, the account, properties, values, rights. Nothing is written.

Belongs here: the questions and what their answers mean. Does not: requests (`client`), values (`values`).

What no question shows: the validation rules of an account, addresses that HubSpot takes for invalid, and whether the
token may opt somebody out.
"""

from collections import Counter
from dataclasses import dataclass

from integrations_pipeline.errors import ConfigurationError, PermanentError
from integrations_pipeline.model import ContactValues, MappedField
from integrations_pipeline.providers.base import CheckReport
from integrations_pipeline.providers.findings import Findings
from integrations_pipeline.providers.hubspot import values as contact_values
from integrations_pipeline.providers.hubspot.client import HubSpotClient
from integrations_pipeline.providers.hubspot.properties import FIXED, ContactProperties


def require_portal(client: HubSpotClient, portal_id: str) -> None:
    """Nothing, where no account is named; else the token must be of that one."""
    if portal_id and (found := client.portal_id()) != portal_id:
        raise ConfigurationError(
            f"the token is of the HubSpot account {found}, and portal_id in the connection's settings is {portal_id}: "
            "correct one of them"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSpotCheck:
    client: HubSpotClient
    fields: ContactProperties
    portal_id: str

    def report(self, values: ContactValues) -> CheckReport:
        found = Findings()
        with found.until_ended():
            with found.asking("the contacts", is_vital=True):
                self.client.page()
            with found.asking("the account", is_vital=bool(self.portal_id)):
                require_portal(self.client, self.portal_id)
                if not self.portal_id:
                    found.notes.append(
                        f"the token is of the HubSpot account {self.client.portal_id()}: with portal_id in the "
                        "connection's settings, a token of another account is refused"
                    )
            with found.asking("the properties of contacts", is_vital=True):
                found.add_look(self.fields.look())
                if not self.fields.may_look:
                    found.notes.append(
                        "the token cannot read properties (crm.schemas.contacts.read): they are not checked"
                    )
                found.notes += self._misfits(values)
            with found.asking("whether the token may write", is_vital=True):
                self.client.require_write()
        return found.report()

    def _misfits(self, values: ContactValues) -> list[str]:
        """What the workspace's values meet in the properties, each kind of trouble with its number of contacts."""
        notes: list[str] = []
        for mapped in self.fields.mapping:
            if mapped.rule.to_remote and mapped.name not in FIXED:
                troubles = self._troubles(values, mapped)
                notes += [
                    f"{count} of {values.contact_count} contacts fail alone: {trouble}"
                    for trouble, count in troubles.items()
                ]
        return notes

    def _troubles(self, values: ContactValues, mapped: MappedField) -> Counter[str]:
        found: Counter[str] = Counter()
        for value, count in values.of(mapped.name).items():
            try:
                contact_values.to_properties({mapped.name: value}, [mapped], self.fields.definitions, {})
            except PermanentError as error:
                found[str(error)] += count
        return found
