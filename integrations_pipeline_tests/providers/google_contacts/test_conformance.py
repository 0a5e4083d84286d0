"""Google Contacts keep the promises of the contract, over the sandbox."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.columns import KnownColumn
from integrations_pipeline.providers.google_contacts import PROVIDER
from integrations_pipeline.providers.google_contacts.limits import API_URL
from integrations_pipeline.providers.google_contacts.provider import ContactsProvider
from integrations_pipeline.testing import Bench, Conformance, Fields, provider_context
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import FaultRule, SandboxOptions, SandboxServer

OWNER = "owner@gmail.example"
MAPPING = [MappedField(name=name, column=column) for name, column in PROVIDER.default_mapping.items()]
#: Workspace field → the contact's field.
FIELDS = {"email": "emailAddresses", "name": "names", "company": "organizations"}


def document(row: Fields) -> dict[str, Any]:
    """A contact as the app writes it."""
    found: dict[str, Any] = {}
    if "email" in row:
        found["emailAddresses"] = [{"value": row["email"]}]
    if "name" in row:
        found["names"] = [{"unstructuredName": row["name"]}]
    if "company" in row:
        found["organizations"] = [{"name": row["company"]}]
    return found


class GoogleBench(Bench):
    capabilities = PROVIDER.capabilities
    page_size = 1000

    def __init__(self, server: SandboxServer, network: Loopback) -> None:
        self.people = server.people
        self.server = server
        self.network = network
        self.token = self.people.token(OWNER)

    def provider(
        self, *, is_authorised: bool = True, known: Mapping[str, KnownColumn] = MappingProxyType({})
    ) -> ContactsProvider:
        return ContactsProvider(
            provider_context(
                token=self.token if is_authorised else "ya29.wrong",
                mapping=MAPPING,
                known=known,
                addresses={API_URL: self.server.people_url},
                transport=self.network,
                sleep=lambda _: None,
            )
        )

    def people_make(self, rows: Sequence[Fields]) -> list[str]:
        return [self.people.create_person(OWNER, document(row)) for row in rows]

    def people_edit(self, external_id: str, fields: Fields) -> None:
        self.people.edit_person(OWNER, external_id, document(fields))

    def people_delete(self, external_id: str) -> None:
        self.people.delete_person(OWNER, external_id)

    def admin_removes(self, name: str) -> None:
        raise AssertionError("the fields of contacts are Google's own")

    @contextmanager
    def answers_without_values(self) -> Iterator[None]:
        self.people.add_fault(FaultRule(action="blank_values", times=-1))
        yield
        self.people.clear_faults()

    @contextmanager
    def drops(self, name: str) -> Iterator[None]:
        self.people.add_fault(FaultRule(action="alter_written", how="leave_out", names=(FIELDS[name],), times=1))
        yield
        self.people.clear_faults()

    def forget_cursors(self) -> None:
        self.people.expire_sync_tokens(OWNER)

    @property
    def poison(self) -> Fields:
        return {"email": "poison@example.org", "name": "Poison " * 400}

    @property
    def unknown_id(self) -> str:
        return "people/c404"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    # An hour ahead of whoever asks: what a create made "a minute ago" is shown by then.
    with SandboxServer(
        SandboxOptions(rate_limit_scale=None, clock=lambda: datetime.now(UTC) + timedelta(hours=1))
    ) as server:
        yield server


class TestGoogleContacts(Conformance):
    @pytest.fixture
    def bench(self, server: SandboxServer) -> Iterator[Bench]:
        server.reset()
        network = Loopback()
        yield GoogleBench(server, network)
        network.shut_down()
