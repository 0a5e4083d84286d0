"""The people met in a Gmail mailbox keep what every provider must keep that is only read, over the sandbox."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType

import pytest

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.access import open_access
from integrations_pipeline.providers.base import Provider
from integrations_pipeline.providers.columns import KnownColumn
from integrations_pipeline.providers.gmail import PROVIDER
from integrations_pipeline.providers.gmail.limits import API_URL
from integrations_pipeline.testing import Bench, Conformance, Fields, provider_context
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_sandbox import SandboxOptions, SandboxServer

OWN = "me@agency.org"
SCOPES = PROVIDER.oauth.scopes if PROVIDER.oauth else ()


class MailboxBench(Bench):
    """A mailbox in which everybody written with counts. Nobody edits or deletes whom one met."""

    capabilities = PROVIDER.capabilities
    page_size = 100

    def __init__(self, server: SandboxServer, network: Loopback) -> None:
        self.server = server
        self.network = network
        server.gmail.create_mailbox(OWN)
        self.token = server.gmail.token(OWN, SCOPES)

    def provider(
        self, *, is_authorised: bool = True, known: Mapping[str, KnownColumn] = MappingProxyType({})
    ) -> Provider:
        context = provider_context(
            token=self.token if is_authorised else "wrong",
            settings={"harvest": "all"},
            mapping=[MappedField(name=name, column=column) for name, column in PROVIDER.default_mapping.items()],
            known=known,
            addresses={API_URL: self.server.gmail_url},
            transport=self.network,
        )
        return open_access(PROVIDER, context).contacts

    def people_make(self, rows: Sequence[Fields]) -> list[str]:
        """They write."""
        for row in rows:
            sender = {"From": f"{row['name']} <{row['email']}>", "Subject": "Hello"}
            self.server.gmail.world.letter(OWN, sender, "Hi")
        return [row["email"] for row in rows]

    def people_edit(self, external_id: str, fields: Fields) -> None:
        raise NotImplementedError

    def people_delete(self, external_id: str) -> None:
        raise NotImplementedError

    def admin_removes(self, name: str) -> None:
        raise NotImplementedError

    def answers_without_values(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def drops(self, name: str) -> AbstractContextManager[None]:
        raise NotImplementedError

    def forget_cursors(self) -> None:
        self.server.gmail.expire_history(OWN)

    @property
    def poison(self) -> Fields:
        raise NotImplementedError

    @property
    def unknown_id(self) -> str:
        return "nobody@example.org"


class TestGmail(Conformance):
    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        network = Loopback()
        with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
            yield MailboxBench(server, network)
        network.shut_down()
