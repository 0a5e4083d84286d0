"""Airtable keeps what every provider must keep; over the sandbox, with a feed and without."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import pytest

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.airtable import PROVIDER
from integrations_pipeline.providers.airtable.provider import AirtableProvider
from integrations_pipeline.providers.columns import KnownColumn
from integrations_pipeline.testing import Bench, Conformance, Fields, provider_context
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import DEFAULT_TOKEN, FaultRule, SandboxOptions, SandboxServer

MAPPING = (
    MappedField(name="email", column="Email"),
    MappedField(name="name", column="Name"),
    MappedField(name="company", column="Company"),
    MappedField(name="custom_fields.employees", column="Employees"),
)
COLUMNS = {mapped.name: mapped.column for mapped in MAPPING}
DAYS = 24 * 3600


class AirtableBench(Bench):
    capabilities = PROVIDER.capabilities
    page_size = 100

    def __init__(self, server: SandboxServer, network: Loopback) -> None:
        self.server = server
        self.network = network
        self.base_id = server.airtable.create_base("CRM").id
        server.airtable.create_contacts_table(self.base_id)
        column = {"name": "Employees", "type": "number", "options": {"precision": 0}}
        server.airtable.create_field(self.base_id, "Contacts", column)

    def provider(
        self, *, is_authorised: bool = True, known: Mapping[str, KnownColumn] = MappingProxyType({})
    ) -> AirtableProvider:
        return AirtableProvider(
            provider_context(
                token=DEFAULT_TOKEN if is_authorised else "patWrong",
                settings={"base_id": self.base_id, "table_id": "Contacts"},
                mapping=MAPPING,
                known=known,
                addresses={"INTEGRATIONS_AIRTABLE_API_URL": self.server.airtable_url},
                transport=self.network,
            )
        )

    def people_make(self, rows: Sequence[Fields]) -> list[str]:
        cells = [self._cells(row) for row in rows]
        return [str(made["id"]) for made in self.server.airtable.create_records(self.base_id, "Contacts", cells)]

    def people_edit(self, external_id: str, fields: Fields) -> None:
        self.server.airtable.update_record(self.base_id, "Contacts", external_id, **self._cells(fields))

    def people_delete(self, external_id: str) -> None:
        self.server.airtable.delete_records(self.base_id, "Contacts", [external_id])

    def admin_removes(self, name: str) -> None:
        self.server.airtable.delete_field(self.base_id, "Contacts", COLUMNS[name])

    @contextmanager
    def answers_without_values(self) -> Iterator[None]:
        self.server.airtable.add_fault(FaultRule(action="blank_values", times=-1))
        yield
        self.server.stage.faults.clear()

    @contextmanager
    def drops(self, name: str) -> Iterator[None]:
        self.server.airtable.add_fault(
            FaultRule(action="alter_written", how="leave_out", names=(COLUMNS[name],), times=1)
        )
        yield
        self.server.stage.faults.clear()

    def forget_cursors(self) -> None:
        self.server.airtable.expire_iterators()
        self.server.stage.clock.advance(15 * DAYS)

    @property
    def poison(self) -> Fields:
        return {"email": "poison@example.org", "name": "Poison", "custom_fields.employees": "many"}

    @property
    def unknown_id(self) -> str:
        return "recNothingIsHere0"

    @staticmethod
    def _cells(row: Fields) -> dict[str, Any]:
        return {COLUMNS[name]: value for name, value in row.items()}


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


class TestWithFeed(Conformance):
    @pytest.fixture
    def bench(self, server: SandboxServer) -> Iterator[Bench]:
        yield from opened(server, allows_webhooks=True)


class TestWithoutFeed(Conformance):
    @pytest.fixture
    def bench(self, server: SandboxServer) -> Iterator[Bench]:
        yield from opened(server, allows_webhooks=False)


def opened(server: SandboxServer, *, allows_webhooks: bool) -> Iterator[Bench]:
    server.reset()
    server.airtable.set_options(allows_webhooks=allows_webhooks, shuffle_pages=True)
    network = Loopback()
    yield AirtableBench(server, network)
    network.shut_down()
