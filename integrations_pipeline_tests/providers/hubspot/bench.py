"""One HubSpot account and a provider on it, without a database: for the conformance suite and tests of the wire."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.columns import KnownColumn
from integrations_pipeline.providers.hubspot import PROVIDER
from integrations_pipeline.providers.hubspot.limits import API_URL
from integrations_pipeline.providers.hubspot.provider import HubSpotProvider
from integrations_pipeline.testing import Bench, Fields, provider_context
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import FaultRule, SandboxServer

COLUMNS = {**PROVIDER.fixed_mapping, **PROVIDER.default_mapping}


class HubSpotBench(Bench):
    capabilities = PROVIDER.capabilities
    page_size = 100
    looks_back = True

    def __init__(self, server: SandboxServer, network: Loopback, **more: str) -> None:
        self.server = server
        self.hubspot = server.hubspot
        self.network = network
        self.portal_id = self.hubspot.create_portal().id
        self.token = self.hubspot.create_token(self.portal_id)
        self.mapping = [MappedField(name=name, column=column) for name, column in {**COLUMNS, **more}.items()]
        self.waits: list[float] = []

    def provider(
        self,
        *,
        is_authorised: bool = True,
        known: Mapping[str, KnownColumn] = MappingProxyType({}),
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> HubSpotProvider:
        return HubSpotProvider(
            provider_context(
                token=self.token if is_authorised else "pat-wrong",
                settings=settings,
                mapping=self.mapping,
                known=known,
                addresses={API_URL: self.server.hubspot_url},
                transport=self.network,
                sleep=self.waits.append,
            )
        )

    def people_make(self, rows: Sequence[Fields]) -> list[str]:
        return [str(self.hubspot.make(self.portal_id, self._properties(row))["id"]) for row in rows]

    def people_edit(self, external_id: str, fields: Fields) -> None:
        self.hubspot.edit(self.portal_id, external_id, self._properties(fields))

    def people_delete(self, external_id: str) -> None:
        self.hubspot.archive(self.portal_id, external_id)

    def admin_removes(self, name: str) -> None:
        self.hubspot.archive_property(self.portal_id, COLUMNS[name])

    @contextmanager
    def answers_without_values(self) -> Iterator[None]:
        self.hubspot.add_fault(FaultRule(action="blank_values", times=-1))
        yield
        self.server.stage.faults.clear()

    @contextmanager
    def drops(self, name: str) -> Iterator[None]:
        self.hubspot.add_fault(FaultRule(action="alter_written", how="leave_out", names=(COLUMNS[name],), times=1))
        yield
        self.server.stage.faults.clear()

    def forget_cursors(self) -> None:
        """HubSpot's cursors are times, which nobody forgets."""

    @property
    def poison(self) -> Fields:
        return {"email": "poison is no address", "name": "Poison"}

    @property
    def unknown_id(self) -> str:
        return "999999999"

    def contact(self, external_id: str) -> dict[str, str]:
        """What a contact holds at HubSpot."""
        return self.hubspot.contact(self.portal_id, external_id).properties

    def count_requests(self) -> int:
        return len(self.hubspot.requests())

    @staticmethod
    def _properties(row: Fields) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in row.items():
            column = COLUMNS.get(name, name)
            if "+" in column:
                found["firstname"], _, found["lastname"] = value.partition(" ")
            else:
                found[column] = value
        return found
