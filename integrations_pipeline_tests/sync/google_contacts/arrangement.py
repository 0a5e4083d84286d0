"""A world around Google accounts with contacts: `ContactsWorld` and its tenants, `AddressBook`.

Everything reads one clock that only tests move: the sandbox, Postgres, and the runs. It stands still unless a test
moves it, a run begins (`interval`) or a run pauses. Ids of contacts are the same in every world. Belongs here: an
address book in the words of `Tenant`. Does not: what tests expect of it.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

from integrations_pipeline.model import split_set
from integrations_pipeline.providers.base import Provider, ProviderContext, ProviderSpec
from integrations_pipeline.providers.google_contacts import PROVIDER
from integrations_pipeline.providers.google_contacts.limits import API_URL
from integrations_pipeline.providers.google_contacts.provider import ContactsProvider
from integrations_pipeline.store import connections, workspaces
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.store.database import Database
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.arrangement import Tenant, Value, WatchedProvider, World, as_text
from integrations_sandbox import People, SandboxServer

#: Deletes are believed without a person, and so few people edit so much that a guard would hold their ordinary days.
NO_LIMIT: dict[str, Any] = {
    "delete_policy": "propagate",
    "delete_limit": 1000,
    "delete_limit_fraction": 1.0,
    "change_limit": 1000,
    "change_limit_fraction": 1000,
    "create_limit_fraction": 1000,
}
#: For so long Google may not show a write, and a little more.
WINDOW = PROVIDER.capabilities.propagation_seconds
_SINGLE = {"email": "emailAddresses", "phone": "phoneNumbers"}


class ContactsWorld(World):
    """`interval` is how long after the last deed a run begins."""

    def __init__(self, *, server: SandboxServer, database: Database, clock: FakeClock) -> None:
        super().__init__(server=server, database=database, max_concurrency=1)
        self.clock = clock
        self.interval = 60.0
        self._ids = random.Random("contacts")

    @property
    def people(self) -> People:
        return self.server.people

    @property
    def spec(self) -> ProviderSpec:
        capabilities = replace(PROVIDER.capabilities, propagation_seconds=self.propagation_seconds)
        return replace(PROVIDER, contacts=self._build, capabilities=capabilities)

    @property
    def runtime(self) -> Runtime:
        usual = super().runtime
        return replace(
            usual,
            specs={**usual.specs, PROVIDER.name: self.spec},
            addresses={**usual.addresses, API_URL: self.server.people_url},
            clock=self.clock.now,
            new_id=self._new_id,
        )

    def tenant(self, slug: str = "acme", **settings: Any) -> "AddressBook":
        """A workspace with a connection to an account of its own."""
        account = f"{slug}@gmail.example"
        with self.database.admin() as connection:
            workspace = workspaces.add_workspace(connection, slug)
        tenant = AddressBook(world=self, slug=slug, workspace_id=workspace.id, base_id=account, table_id="")
        tenant.token = self.people.token(account)
        tenant.configure(**settings)
        self.tenants[slug] = tenant
        return tenant

    def options(self, **changes: Any) -> None:
        self.people.set_options(**changes)

    def _new_id(self) -> UUID:
        return UUID(int=self._ids.getrandbits(128), version=4)

    def _build(self, context: ProviderContext) -> Provider:
        return WatchedProvider(ContactsProvider(context), self.hooks)

    def _wait(self, seconds: float) -> None:
        super()._wait(seconds)
        self.clock.advance(seconds)


@contextmanager
def open_contacts_world(server: SandboxServer, postgres: PostgresServer, clock: FakeClock) -> Iterator[ContactsWorld]:
    """A world on a reset server, which must read `clock`, with a database of its own."""
    with postgres.new_database(TEMPLATE) as url, clock.drive(url):
        server.reset()
        database = Database(url)
        world = ContactsWorld(server=server, database=database, clock=clock)
        try:
            yield world
        finally:
            world.close()
            database.close()


class AddressBook(Tenant):
    """One workspace with its account. Remote fields go by workspace field names; records go by resource name."""

    world: ContactsWorld
    provider: ClassVar[str] = "google_contacts"
    SECRETS: ClassVar[tuple[str, ...]] = ("@", "Bearer", "ya29.")

    @property
    def account(self) -> str:
        return self.base_id

    @property
    def columns(self) -> dict[str, str]:
        return dict(self.settings.get("field_mapping") or PROVIDER.default_mapping)

    def place(self) -> dict[str, str]:
        return {}

    def configure(self, **settings: Any) -> None:
        self.settings = {**self.settings, **settings}
        credentials = {"access_token": self.token}
        new = NewConnection(integration_type=self.provider, credentials=credentials, settings=self.settings)
        with self.world.database.workspace(self.workspace_id) as connection:
            connections.save_connection(connection, self.workspace_id, new, self.world.cipher)

    def sync(self, **options: Any) -> SyncReport:
        self.world.clock.advance(self.world.interval)
        return super().sync(**options)

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

    def calls(self, method: str | None = None) -> list[Any]:
        found = self.world.people.requests(self.calls_seen)
        return [call for call in found if call.token == self.token and method in (None, call.method)]

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
