"""Two services that write one value each in its own way, and a workspace between them: all three come to rest."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline.providers.hubspot.limits import API_URL as HUBSPOT_URL
from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.store.database import Database
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import SyncRequest, run_sync
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.verify.certify import certify
from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World, person
from integrations_sandbox import SandboxServer
from integrations_sandbox.hubspot.model import Contact


class Both(World):
    @property
    def addresses(self) -> dict[str, str]:
        return {**super().addresses, HUBSPOT_URL: self.server.hubspot_url}

    @property
    def runtime(self) -> Runtime:
        """What HubSpot shows is so, as it is a minute after each write."""
        found = super().runtime
        spec = found.specs["hubspot"]
        at_once = replace(spec, capabilities=replace(spec.capabilities, propagation_seconds=0.0))
        return replace(found, specs={**found.specs, "hubspot": at_once})


@pytest.fixture
def both(live_sandbox: SandboxServer, database: Database) -> Iterator[Both]:
    live_sandbox.reset()
    world = Both(server=live_sandbox, database=database)
    yield world
    world.close()


COLUMNS: dict[str, Any] = {
    "a day": ("date", {"dateFormat": {"name": "iso"}}),
    "a moment": ("dateTime", {"dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}, "timeZone": "utc"}),
    "a text": ("singleLineText", {}),
    "a choice": ("singleSelect", {"choices": [{"name": "Red"}]}),
}
MOMENT = {"type": "datetime", "field_type": "date"}
DAY = {"type": "date", "field_type": "date"}
CHOICE = {"type": "enumeration", "field_type": "select", "options": ["red"]}
FIELD = "custom_fields.v"
ROUNDS = 4


@dataclass(slots=True, kw_only=True)
class Hub:
    """A workspace between Airtable's column V and HubSpot's property v."""

    world: Both
    tenant: Tenant
    portal: int

    def round(self, **options: Any) -> list[SyncReport]:
        return [
            run_sync(self.world.runtime, SyncRequest(workspace=self.tenant.slug, provider=provider, **options))
            for provider in ("airtable", "hubspot")
        ]

    def here(self) -> str:
        (row,) = self.tenant.local().values()
        return row[FIELD]

    @property
    def person(self) -> Contact:
        """The one contact that HubSpot has."""
        (found,) = self.world.server.hubspot.portal(self.portal).contacts.values()
        return found

    def rest(self) -> None:
        """Rounds in which nothing is written and nothing changes, on any of the three; the certificates agree."""
        seen = self.here()
        for is_full in (False, True, False):
            for report in self.round(is_full=is_full):
                assert report.status is RunStatus.SUCCESS
                assert not sum(result.records_updated + result.records_created for result in report.results)
        assert self.here() == seen
        for provider in ("airtable", "hubspot"):
            certificate = certify(self.world.runtime, self.tenant.slug, provider)
            assert (certificate.compared, certificate.equal) == (1, 1)


@pytest.fixture
def hub(both: Both, request: pytest.FixtureRequest) -> Hub:
    what, kind = request.param
    column, options = COLUMNS[what]
    tenant: Tenant = both.tenant(field_mapping={"name": "Name", "email": "Email", FIELD: "V"})
    both.airtable.create_field(tenant.base_id, TABLE, {"name": "V", "type": column, "options": options})
    hubspot = both.server.hubspot
    portal = hubspot.create_portal()
    hubspot.create_property(portal.id, "v", **kind)
    new = NewConnection(
        integration_type="hubspot",
        credentials={"api_key": hubspot.create_token(portal.id)},
        settings={"field_mapping": {"name": "firstname+lastname", FIELD: "v"}, "settle_seconds": 0},
    )
    with both.database.workspace(tenant.workspace_id) as connection:
        connections.save_connection(connection, tenant.workspace_id, new, both.cipher)
    return Hub(world=both, tenant=tenant, portal=portal.id)


@pytest.mark.parametrize(
    ("hub", "text"),
    [
        (("a moment", MOMENT), "2024-01-31T10:00:00+02:00"),
        (("a choice", CHOICE), "Red"),
        (("a day", MOMENT), "2024-01-31"),
        (("a moment", DAY), "2024-01-31"),
        (("a moment", DAY), "2024-01-31T00:00:00Z"),
    ],
    indirect=["hub"],
)
def test_two_services_that_write_a_value_differently_come_to_rest(hub: Hub, text: str) -> None:
    hub.tenant.add_local(person(1, **{FIELD: text}))
    for _ in range(ROUNDS):
        hub.round()
    hub.rest()


@pytest.mark.parametrize("hub", [("a day", MOMENT)], indirect=True)
@pytest.mark.parametrize("where", ["here", "airtable", "hubspot"])
def test_edits_after_that_reach_everybody(hub: Hub, where: str) -> None:
    (contact_id,) = hub.tenant.add_local(person(1, **{FIELD: "2024-01-31"}))
    for _ in range(ROUNDS):
        hub.round()
    (record_id,) = hub.tenant.remote()
    if where == "here":
        hub.tenant.edit_local(contact_id, **{FIELD: "2024-02-01"})
    elif where == "airtable":
        hub.tenant.edit_remote(record_id, **{FIELD: "2024-02-01"})
    else:
        hub.world.server.hubspot.edit(hub.portal, hub.person.id, {"v": "2024-02-01T00:00:00Z"})
    for _ in range(ROUNDS):
        hub.round()
    assert hub.here().startswith("2024-02-01")
    assert hub.tenant.remote()[record_id][FIELD] == "2024-02-01"
    assert hub.person.properties["v"].startswith("2024-02-01")
    hub.rest()


@pytest.mark.parametrize("hub", [("a text", CHOICE)], indirect=True)
def test_what_one_writes_in_its_own_way_stays_elsewhere_as_it_was_typed(hub: Hub) -> None:
    """HubSpot has the choice "red", however it is typed."""
    (contact_id,) = hub.tenant.add_local(person(1, **{FIELD: "Red"}))
    for _ in range(2):
        hub.round()
    for text in ("RED", "rEd", "Red", "red"):
        hub.tenant.edit_local(contact_id, **{FIELD: text})
        hub.round()
        assert hub.here() == text
        (record,) = hub.tenant.remote().values()
        assert (record[FIELD], hub.person.properties["v"]) == (text, "red")
        hub.rest()


@pytest.mark.parametrize("hub", [("a text", CHOICE)], indirect=True)
def test_with_one_service_its_way_of_writing_is_taken_over(hub: Hub) -> None:
    (contact_id,) = hub.tenant.add_local(person(1, **{FIELD: "Red"}))
    request = SyncRequest(workspace=hub.tenant.slug, provider="hubspot")
    run_sync(hub.world.runtime, request)
    hub.tenant.edit_local(contact_id, **{FIELD: "RED"})
    run_sync(hub.world.runtime, request)
    assert hub.here() == "red"


@pytest.mark.parametrize("hub", [("a day", MOMENT)], indirect=True)
def test_what_is_written_otherwise_and_cleared_is_cleared_everywhere(hub: Hub) -> None:
    (contact_id,) = hub.tenant.add_local(person(1, **{FIELD: "2024-01-31"}))
    for _ in range(ROUNDS):
        hub.round()
    (record_id,) = hub.tenant.remote()
    hub.tenant.edit_remote(record_id, **{FIELD: ""})
    for _ in range(2):
        hub.round()
    assert FIELD not in hub.tenant.local()[contact_id]
    assert not hub.person.properties.get("v")
    hub.tenant.edit_remote(record_id, **{FIELD: "2024-01-31"})
    hub.round()
    assert hub.here().startswith("2024-01-31"), "what it held before is somebody's word again"
