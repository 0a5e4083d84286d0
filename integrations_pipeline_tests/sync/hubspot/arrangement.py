"""A world around a HubSpot account: `HubSpotWorld` and its tenants, `Portals`.

Belongs here: an account in the words of `Tenant`, and what no request may do to consent. Does not: what worlds on a
clock share (`clocked`), what tests expect.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import httpx

from integrations_pipeline.providers.hubspot import PROVIDER
from integrations_pipeline.providers.hubspot.limits import API_URL
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.sync.arrangement import Loopback, Value, as_text, filled
from integrations_pipeline_tests.sync.clocked import ClockedTenant, ClockedWorld
from integrations_sandbox import HubSpot, SandboxServer
from integrations_sandbox.hubspot.model import Contact, Portal
from integrations_sandbox.stage import LoggedRequest


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


class HubSpotWorld(ClockedWorld):
    network: ConsentWatch
    tested = PROVIDER

    def __init__(self, *, server: SandboxServer, **given: Any) -> None:
        super().__init__(server=server, network=ConsentWatch(server.hubspot), **given)

    @property
    def hubspot(self) -> HubSpot:
        return self.server.hubspot

    @property
    def addresses(self) -> dict[str, str]:
        return {API_URL: self.server.hubspot_url}

    def tenant(self, slug: str = "acme", **settings: Any) -> "Portals":
        """A workspace with a connection to an account of its own."""
        portal = self.hubspot.create_portal()
        tenant = Portals(world=self, slug=slug, base_id=str(portal.id), token=self.hubspot.create_token(portal.id))
        return self.connected(tenant, settings)

    def options(self, **changes: Any) -> None:
        self.hubspot.set_options(**changes)

    def assert_kept(self) -> None:
        assert not self.network.problems, self.network.problems


class Portals(ClockedTenant):
    """One workspace with its account. Remote fields go by workspace field names, except that names of properties stand
    for themselves."""

    world: HubSpotWorld
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

    def is_own(self, call: LoggedRequest) -> bool:
        return call.token == self.token

    def record_writes(self) -> list[Any]:
        reads = ("/search", "/batch/read")
        return [call for call in self.calls() if call.method != "GET" and not call.path.endswith(reads)]

    def assert_quiet(self, most_calls: int = 2) -> SyncReport:
        """The first run after a write reads back what was written; every further one costs two requests."""
        super().assert_quiet(most_calls=3)
        return super().assert_quiet(most_calls)

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

    # Consent

    def opt_out_remote(self, record_id: str) -> None:
        self.world.hubspot.opt_out(self.portal_id, self.portal.contacts[record_id].email)

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
        return filled(found)
