"""Mailchimp refuses an eleventh request of an account while ten are under way, whoever sends it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.wire import UNDER_WAY
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.pace import DatabasePacer
from integrations_pipeline.testing import provider_context
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer

PROCESSES, REQUESTS = 12, 5


class Busy:
    """A server that answers nobody before as many have come as may: in groups of ten."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.come = self.under_way = self.most = self.answered = 0

    def __call__(self, _: httpx.Request) -> httpx.Response:
        with self._changed:
            self.come += 1
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            group = -(-self.come // UNDER_WAY) * UNDER_WAY
            self._changed.notify_all()
            is_full = self._changed.wait_for(lambda: self.come >= group, timeout=patient(30.0))
            self.under_way -= 1
            self.answered += is_full
        return httpx.Response(200, json={"pricing_plan_type": "monthly", "total_subscribers": 0})


@pytest.fixture
def pacers(postgres_server: PostgresServer) -> Iterator[list[DatabasePacer]]:
    """Each as a process of its own has it."""
    with postgres_server.new_database(TEMPLATE) as url:
        databases = [Database(url) for _ in range(PROCESSES)]
        made = [DatabasePacer(database) for database in databases]
        yield made
        for pacer, database in zip(made, databases, strict=True):
            pacer.close()
            database.close()


def test_twelve_processes_have_ten_requests_under_way_and_no_more(pacers: list[DatabasePacer]) -> None:
    server = Busy()
    clients = [
        MailchimpClient(
            provider_context(
                pacer=pacer, transport=httpx.MockTransport(server), account="one", rate_scale=1e6, credentials={}
            ),
            api_url="http://localhost",
            list_id="l1",
        )
        for pacer in pacers
    ]
    with ThreadPoolExecutor(PROCESSES * 2) as threads:
        for _ in threads.map(lambda n: clients[n % PROCESSES].account(), range(PROCESSES * REQUESTS)):
            pass
    for client in clients:
        client.close()
    assert server.answered == PROCESSES * REQUESTS
    assert server.most == UNDER_WAY == 10
