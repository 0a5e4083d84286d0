"""Two services that write one value each in its own way, and a workspace between them: all three come to rest."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from integrations_pipeline.providers.hubspot.limits import API_URL as HUBSPOT_URL
from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.store.database import Database
from integrations_pipeline.sync.run import SyncRequest, run_sync
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World, person
from integrations_sandbox import SandboxServer


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
    "a moment": ("dateTime", {"dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}, "timeZone": "utc"}),
    "a choice": ("singleSelect", {"choices": [{"name": "Red"}]}),
}


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("a moment", {"type": "datetime", "field_type": "date"}, "2024-01-31T10:00:00+02:00"),
        ("a choice", {"type": "enumeration", "field_type": "select", "options": ["red"]}, "Red"),
    ],
)
def test_two_services_that_write_a_value_differently_come_to_rest(both: Both, what: str, kind: Any, text: str) -> None:
    tenant: Tenant = both.tenant(field_mapping={"name": "Name", "email": "Email", "custom_fields.v": "V"})
    column, options = COLUMNS[what]
    both.airtable.create_field(tenant.base_id, TABLE, {"name": "V", "type": column, "options": options})
    hubspot = both.server.hubspot
    portal = hubspot.create_portal()
    hubspot.create_property(portal.id, "v", **kind)
    new = NewConnection(
        integration_type="hubspot",
        credentials={"api_key": hubspot.create_token(portal.id)},
        settings={"field_mapping": {"name": "firstname+lastname", "custom_fields.v": "v"}, "settle_seconds": 0},
    )
    with both.database.workspace(tenant.workspace_id) as connection:
        connections.save_connection(connection, tenant.workspace_id, new, both.cipher)
    tenant.add_local(person(1, **{"custom_fields.v": text}))
    writings = []
    for _ in range(8):
        for provider in ("airtable", "hubspot"):
            run_sync(both.runtime, SyncRequest(workspace="acme", provider=provider))
            (row,) = tenant.local().values()
            writings.append(row["custom_fields.v"])
    assert len(set(writings[-6:])) == 1, writings
