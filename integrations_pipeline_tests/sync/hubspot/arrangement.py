"""A world around a HubSpot account: `HubSpotWorld` and its tenants, `Portals`.

Everything reads one clock that only tests move: the sandbox, Postgres, and the runs. Belongs here: an account in the
words of `Tenant`, and what no request may do to consent. Does not: what tests expect.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from uuid import UUID

import httpx

from integrations_pipeline.providers.base import Provider, ProviderContext, ProviderSpec
from integrations_pipeline.providers.hubspot import PROVIDER
from integrations_pipeline.providers.hubspot.limits import API_URL
from integrations_pipeline.providers.hubspot.provider import HubSpotProvider
from integrations_pipeline.store import workspaces
from integrations_pipeline.store.database import Database
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.arrangement import Loopback, Tenant, Value, WatchedProvider, World, as_text
from integrations_sandbox import HubSpot, SandboxServer
from integrations_sandbox.hubspot.model import Contact, Portal

#: So few people edit so much that a guard would hold their ordinary days.
NO_LIMIT: dict[str, Any] = {
    "delete_policy": "propagate",
    "delete_limit": 1000,
    "delete_limit_fraction": 1.0,
    "change_limit": 1000,
    "change_limit_fraction": 1000,
    "create_limit_fraction": 1000,
}


class ConsentWatch(Loopback):
    """The network, which remembers what a request did to consent that none may do: an address is out no more, or
    somebody who was out has another address that is not."""

    def __init__(self, hubspot: HubSpot) -> None:
        super().__init__()
        self.problems: list[str] = []
        self._hubspot = hubspot

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.before(request)
        before = self._consent()
        try:
            response = self._network.handle_request(request)
            response.read()
        finally:
            after = self._consent()
            raised = [key for key, is_out in before.items() if is_out and after.get(key) is False]
            self.problems += [f"{request.method} opted a contact in"] * len(raised)
        self.after(request)
        return response

    def _consent(self) -> dict[str, bool]:
        """Whether each contact with an address is opted out."""
        with self._hubspot.stage.lock:
            return {
                contact.id: contact.email in portal.opted_out
                for portal in self._hubspot.portals.values()
                for contact in portal.contacts.values()
                if contact.is_there and contact.email
            }


class HubSpotWorld(World):
    """`interval` is how long after the last deed a run begins."""

    network: ConsentWatch

    def __init__(self, *, server: SandboxServer, database: Database, clock: FakeClock) -> None:
        super().__init__(
            server=server,
            database=database,
            network=ConsentWatch(server.hubspot),
            max_concurrency=PROVIDER.capabilities.max_concurrency,
        )
        self.clock = clock
        self.interval = 60.0
        self._ids = random.Random("contacts")

    @property
    def hubspot(self) -> HubSpot:
        return self.server.hubspot

    @property
    def spec(self) -> ProviderSpec:
        capabilities = replace(
            PROVIDER.capabilities, max_concurrency=self.max_concurrency, propagation_seconds=self.propagation_seconds
        )
        return replace(PROVIDER, contacts=self._build, capabilities=capabilities)

    @property
    def runtime(self) -> Runtime:
        usual = super().runtime
        return replace(
            usual,
            specs={**usual.specs, PROVIDER.name: self.spec},
            addresses={**usual.addresses, API_URL: self.server.hubspot_url},
            clock=self.clock.now,
            new_id=self._new_id,
        )

    def tenant(self, slug: str = "acme", **settings: Any) -> "Portals":
        """A workspace with a connection to an account of its own."""
        portal = self.hubspot.create_portal()
        with self.database.admin() as connection:
            workspace = workspaces.add_workspace(connection, slug)
        tenant = Portals(world=self, slug=slug, workspace_id=workspace.id, base_id=str(portal.id), table_id="")
        tenant.token = self.hubspot.create_token(portal.id)
        tenant.configure(**settings)
        self.tenants[slug] = tenant
        return tenant

    def options(self, **changes: Any) -> None:
        self.hubspot.set_options(**changes)

    def _new_id(self) -> UUID:
        return UUID(int=self._ids.getrandbits(128), version=4)

    def _build(self, context: ProviderContext) -> Provider:
        return WatchedProvider(HubSpotProvider(context), self.hooks)

    def _wait(self, seconds: float) -> None:
        super()._wait(seconds)
        self.clock.advance(seconds)


@contextmanager
def open_hubspot_world(server: SandboxServer, postgres: PostgresServer, clock: FakeClock) -> Iterator[HubSpotWorld]:
    """A world on a reset server, which must read `clock`, with a database of its own. At the end consent must have been
    kept."""
    with postgres.new_database(TEMPLATE) as url, clock.drive(url):
        server.reset()
        database = Database(url)
        world = HubSpotWorld(server=server, database=database, clock=clock)
        try:
            yield world
        finally:
            world.close()
            database.close()
        assert not world.network.problems, world.network.problems


@dataclass(slots=True)
class Portals(Tenant):
    """One workspace with its account. Remote fields go by workspace field names, except that names of properties stand
    for themselves."""

    world: HubSpotWorld
    provider: ClassVar[str] = "hubspot"
    SECRETS: ClassVar[tuple[str, ...]] = ("@", "Bearer", "pat-eu1-")

    @property
    def portal_id(self) -> int:
        return int(self.base_id)

    @property
    def portal(self) -> Portal:
        return self.world.hubspot.portal(self.portal_id)

    @property
    def columns(self) -> dict[str, str]:
        mapping: dict[str, str] = self.settings.get("field_mapping") or dict(PROVIDER.default_mapping)
        return {**mapping, **PROVIDER.fixed_mapping}

    def place(self) -> dict[str, str]:
        return {"portal_id": self.base_id}

    def sync(self, **options: Any) -> SyncReport:
        self.world.clock.advance(self.world.interval)
        return Tenant.sync(self, **options)

    def calls(self, method: str | None = None) -> list[Any]:
        """The requests of this account's token since the last run began."""
        found = self.world.hubspot.requests(self.calls_seen)
        return [call for call in found if call.token == self.token and method in (None, call.method)]

    def record_writes(self) -> list[Any]:
        reads = ("/search", "/batch/read")
        return [call for call in self.calls() if call.method != "GET" and not call.path.endswith(reads)]

    def assert_quiet(self, most_calls: int = 2) -> SyncReport:
        """The first run after a write reads back what was written; every further one costs two requests."""
        Tenant.assert_quiet(self, most_calls=3)
        return Tenant.assert_quiet(self, most_calls)

    # The account's side

    def add_remote(self, *people: Mapping[str, Value]) -> list[str]:
        made = [self.world.hubspot.make(self.portal_id, self._properties(person)) for person in people]
        return [str(each["id"]) for each in made]

    def edit_remote(self, record_id: str, **fields: Value) -> None:
        self.world.hubspot.edit(self.portal_id, record_id, self._properties(fields))

    def delete_remote(self, *record_ids: str) -> None:
        for record_id in record_ids:
            self.world.hubspot.archive(self.portal_id, record_id)

    def remote(self) -> dict[str, dict[str, str]]:
        """Contacts that are there: id → mapped fields by workspace name, empty ones left out."""
        return {key: self._fields(each) for key, each in self.portal.contacts.items() if each.is_there}

    def emails(self) -> list[str]:
        return sorted(row.get("email", "") for row in self.remote().values())

    # Consent

    def opt_out_remote(self, record_id: str) -> None:
        self.world.hubspot.opt_out(self.portal_id, self.portal.contacts[record_id].email)

    def is_out(self, contact_id: str) -> bool:
        return self.local()[contact_id].get("email_opt_out") == "true"

    # What an account holds, in the words of a workspace

    def _properties(self, fields: Mapping[str, Value]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in fields.items():
            column = self.columns.get(name, name)
            text = as_text(value) if isinstance(value, str) else ";".join(value)
            if "+" in column:
                found["firstname"], _, found["lastname"] = text.partition(" ")
            else:
                found[column] = text
        return found

    def _fields(self, contact: Contact) -> dict[str, str]:
        held = contact.properties
        found = {
            name: " ".join(filter(None, (held.get(part, "") for part in column.split("+"))))
            for name, column in self.columns.items()
        }
        found["email_opt_out"] = "true" if contact.email in self.portal.opted_out else ""
        if "tags" in found:
            found["tags"] = "\x1f".join(filter(None, found["tags"].split(";")))
        return {name: value for name, value in found.items() if value}
