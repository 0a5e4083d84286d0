"""Reads that are older than the writes before them, and the end of the time in which they may be.

Belongs here: making a tenant's table lag. Does not: what the sync makes of it.
"""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from sqlalchemy import text

from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World
from integrations_sandbox.airtable.model import Record


class Lag:
    """Makes reads of a tenant's table lag: within `behind`, records are answered as they were when it began.
    Writes, the schema and the change feed stay the table's own. `stale_reads` counts answers that differed."""

    def __init__(self, tenant: Tenant) -> None:
        self.stale_reads = 0
        self._world = tenant.world
        self._table = tenant.world.airtable.table(tenant.base_id, TABLE)
        self._path = f"{tenant.base_id}/{TABLE}"
        self._turn = threading.Lock()
        self._present: dict[str, Record] = {}

    @contextmanager
    def behind(self) -> Iterator[None]:
        earlier = copy.deepcopy(self._table.records)
        network = self._world.network

        def answer_as_earlier(request: httpx.Request) -> None:
            self._turn.acquire()
            self._present = self._table.records
            if self._is_read(request):
                self._table.records = copy.deepcopy(earlier)
                self.stale_reads += earlier != self._present

        def give_back(_: httpx.Request) -> None:
            self._table.records = self._present
            self._turn.release()

        network.before, network.after = answer_as_earlier, give_back
        try:
            yield
        finally:
            network.before = network.after = lambda _: None

    def _is_read(self, request: httpx.Request) -> bool:
        path = request.url.path
        is_list = request.method == "GET" and path.endswith(self._path)
        return is_list or path.endswith(f"{self._path}/listRecords")


def let_the_window_pass(world: World) -> None:
    """Two minutes go by since every write so far."""
    with world.database.admin() as connection:
        connection.execute(text("alter table integration_changes disable trigger user"))
        connection.execute(text("update integration_changes set updated_at = updated_at - interval '2 minutes'"))
        connection.execute(text("alter table integration_changes enable trigger user"))
