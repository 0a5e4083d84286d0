"""Mailchimp keeps the promises of the contract."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import pytest

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.columns import KnownColumn
from integrations_pipeline.providers.mailchimp import PROVIDER
from integrations_pipeline.providers.mailchimp.fields import FIXED
from integrations_pipeline.providers.mailchimp.provider import MailchimpProvider
from integrations_pipeline.testing import Bench, Conformance, Fields, provider_context
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY, FaultRule, SandboxOptions, SandboxServer

COLUMNS = {"email": FIXED["email"], **PROVIDER.default_mapping}
MAPPING = [MappedField(name=name, column=column) for name, column in COLUMNS.items()]


class MailchimpBench(Bench):
    capabilities = PROVIDER.capabilities
    page_size = 1000
    looks_back = True

    def __init__(self, server: SandboxServer, network: Loopback) -> None:
        self.mailchimp = server.mailchimp
        self.server = server
        self.network = network
        self.list_id = self.mailchimp.create_list("Friends", extra_fields=["COMPANY"]).id

    def provider(
        self, *, is_authorised: bool = True, known: Mapping[str, KnownColumn] = MappingProxyType({})
    ) -> MailchimpProvider:
        return MailchimpProvider(
            provider_context(
                token=DEFAULT_MAILCHIMP_KEY if is_authorised else "wrong-us1",
                settings={"list_id": self.list_id},
                mapping=MAPPING,
                known=known,
                addresses={"INTEGRATIONS_MAILCHIMP_API_URL": self.server.mailchimp_url},
                transport=self.network,
            )
        )

    def people_make(self, rows: Sequence[Fields]) -> list[str]:
        made = [self.mailchimp.subscribe(self.list_id, row["email"], merge_fields=self._merged(row)) for row in rows]
        return [str(member["contact_id"]) for member in made]

    def people_edit(self, external_id: str, fields: Fields) -> None:
        self.mailchimp.edit(self.list_id, external_id, **self._merged(fields))

    def people_delete(self, external_id: str) -> None:
        self.mailchimp.archive(self.list_id, external_id)

    def admin_removes(self, name: str) -> None:
        self.mailchimp.delete_merge_field(self.list_id, name.upper())

    @contextmanager
    def answers_without_values(self) -> Iterator[None]:
        self.mailchimp.add_fault(FaultRule(action="blank_values", times=-1))
        yield
        self.server.stage.faults.clear()

    @contextmanager
    def drops(self, name: str) -> Iterator[None]:
        self.mailchimp.add_fault(FaultRule(action="alter_written", how="leave_out", names=(name.upper(),), times=1))
        yield
        self.server.stage.faults.clear()

    def forget_cursors(self) -> None:
        """Mailchimp's cursors are times, which nobody forgets."""

    @property
    def poison(self) -> Fields:
        return {"email": "poison@example.com", "name": "Poison"}

    @property
    def unknown_id(self) -> str:
        return "0123456789abcdef0123456789abcdef"

    @staticmethod
    def _merged(row: Fields) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        if "name" in row:
            merged["FNAME"], _, merged["LNAME"] = row["name"].partition(" ")
        return merged | ({"COMPANY": row["company"]} if "company" in row else {})


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


class TestMailchimp(Conformance):
    @pytest.fixture
    def bench(self, server: SandboxServer) -> Iterator[Bench]:
        server.reset()
        network = Loopback()
        yield MailchimpBench(server, network)
        network.shut_down()
