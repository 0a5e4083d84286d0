import pytest

from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.clocked import Worlds, world
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld
from integrations_sandbox import SandboxServer

__all__ = ["world"]


@pytest.fixture(scope="package")
def worlds(postgres_server: PostgresServer, clocked_sandbox: SandboxServer, clock: FakeClock) -> Worlds[MailchimpWorld]:
    return Worlds(MailchimpWorld, postgres_server, clocked_sandbox, clock)
