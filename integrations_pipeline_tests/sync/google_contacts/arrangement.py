"""A world around Google accounts with contacts: `ContactsWorld` and its tenants, `AddressBook`.

Belongs here: an address book in the words of `Tenant`. Does not: what worlds on a clock share (`clocked`), what tests
expect of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from integrations_pipeline.model import split_set
from integrations_pipeline.providers.google_contacts import PROVIDER
from integrations_pipeline.providers.google_contacts.limits import API_URL
from integrations_pipeline_tests.sync.arrangement import Value, as_text
from integrations_pipeline_tests.sync.clocked import ClockedTenant, ClockedWorld
from integrations_sandbox import People
from integrations_sandbox.stage import LoggedRequest

#: For so long Google may not show a write, and a little more.
WINDOW = PROVIDER.capabilities.propagation_seconds
_SINGLE = {"email": "emailAddresses", "phone": "phoneNumbers"}


class ContactsWorld(ClockedWorld):
    tested = PROVIDER

    @property
    def people(self) -> People:
        return self.server.people

    @property
    def addresses(self) -> dict[str, str]:
        return {API_URL: self.server.people_url}

    def tenant(self, slug: str = "acme", **settings: Any) -> "AddressBook":
        """A workspace with a connection to an account of its own."""
        account = f"{slug}@gmail.example"
        tenant = AddressBook(world=self, slug=slug, base_id=account, token=self.people.token(account))
        return self.connected(tenant, settings)

    def options(self, **changes: Any) -> None:
        self.people.set_options(**changes)


class AddressBook(ClockedTenant):
    """One workspace with its account. Remote fields go by workspace field names; records go by resource name."""

    world: ContactsWorld
    SECRETS: ClassVar[tuple[str, ...]] = ("@", "Bearer", "ya29.")

    @property
    def account(self) -> str:
        return self.base_id

    @property
    def columns(self) -> dict[str, str]:
        return dict(self.settings.get("field_mapping") or PROVIDER.default_mapping)

    def place(self) -> dict[str, str]:
        return {}

    def credentials(self) -> dict[str, Any]:
        return {"access_token": self.token}

    def is_own(self, call: LoggedRequest) -> bool:
        return call.token == self.token

    # The account's side

    def add_remote(self, *people: Mapping[str, Value]) -> list[str]:
        """Contacts that the owner makes in the app; their resource names."""
        return [
            self.world.people.create_person(self.account, self._document(person, {}), _labels(person.get("tags", ())))
            for person in people
        ]

    def edit_remote(self, record_id: str, **fields: Value) -> None:
        """`tags` are all the labels that the contact has afterwards."""
        labels = _labels(fields["tags"]) if "tags" in fields else None
        self.world.people.edit_person(self.account, record_id, self._document(fields, self.person(record_id)), labels)

    def delete_remote(self, *record_ids: str) -> None:
        self.world.people.delete_person(self.account, *record_ids)

    def person(self, record_id: str) -> dict[str, Any]:
        """The contact as the API tells it, with everything."""
        return self.world.people.person(self.account, record_id)

    def remote(self) -> dict[str, dict[str, str]]:
        """Contacts: resource name → mapped fields by workspace name, empty ones left out."""
        return {str(each["resourceName"]): self._fields(each) for each in self.world.people.people(self.account)}

    def by_email(self, email: str) -> str | None:
        """The contact with that e-mail as its first."""
        return next((key for key, row in self.remote().items() if row.get("email") == email), None)

    def record_writes(self) -> list[Any]:
        return [call for call in self.calls() if call.method != "GET"]

    # What an account holds, in the words of a workspace

    def _document(self, fields: Mapping[str, Value], present: Mapping[str, Any]) -> dict[str, Any]:
        """The fields as the app replaces them: the first e-mail, phone and organization are what is edited."""
        document: dict[str, Any] = {}
        for name, value in fields.items():
            if name == "name":
                document["names"] = [{"unstructuredName": as_text(value)}] if value else []
            elif name in _SINGLE:
                rest = list(present.get(_SINGLE[name], []))[1:]
                document[_SINGLE[name]] = [*([{"value": as_text(value)}] if value else []), *rest]
            elif name in ("company", "job_title"):
                items = document.get("organizations", present.get("organizations", []))
                key = "name" if name == "company" else "title"
                document["organizations"] = [{**(items[0] if items else {}), key: as_text(value)}, *items[1:]]
        return document

    def _fields(self, person: Mapping[str, Any]) -> dict[str, str]:
        names, organizations = person.get("names", [{}]), person.get("organizations", [{}])
        found = {
            "name": names[0].get("displayName", ""),
            "company": organizations[0].get("name", ""),
            "job_title": organizations[0].get("title", ""),
            "tags": as_text(self.world.people.group_names(self.account, str(person["resourceName"]))),
        }
        found |= {name: person.get(field, [{}])[0].get("value", "") for name, field in _SINGLE.items()}
        return {name: value for name, value in found.items() if value and name in self.columns}


def _labels(tags: Value) -> Sequence[str]:
    return split_set(tags) if isinstance(tags, str) else list(tags)
