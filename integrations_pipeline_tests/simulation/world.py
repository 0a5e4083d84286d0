"""The world of a random history: one clock, one source of chance, no two threads at once; so one seed is one run.

Belongs here: what a history needs to happen the same way again. Does not: what happens in it (`history`).
"""

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from integrations_pipeline.model import Change, Outcome
from integrations_pipeline.providers.airtable import PROVIDER
from integrations_pipeline.providers.airtable.provider import AirtableProvider
from integrations_pipeline.providers.base import Provider, ProviderContext
from integrations_pipeline.store.pace import DatabasePacer
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.clocked import ClockedWorld, Worlds
from integrations_pipeline_tests.sync.watching import Hooks, WatchedProvider
from integrations_sandbox import SandboxOptions, SandboxServer

#: The product's own: for so long a read may be older than a write.
WINDOW = PROVIDER.capabilities.propagation_seconds
#: A write that takes longer than this, in real time, hangs.
PATIENCE_SECONDS = 60.0


class StrictWorld(ClockedWorld):
    """Reads may lag behind writes as the product expects, pauses take their time on the fake clock, the rate
    limit is kept as in production, and new ids and the jitter of retries follow the seed."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        # Not the stream of the history itself: the same numbers would become the ids of two contacts.
        self.ids = random.Random(f"ids of {self.seed}")
        self.max_concurrency = 1
        self.propagation_seconds = WINDOW
        self.pacer = DatabasePacer(self.database, sleep=self._wait)
        #: Counts the write requests that ended and that the run has not waited for yet.
        self.ended_writes = threading.Semaphore(0)

    def progress(self, stage: str, _done: int, _total: int) -> None:
        """Called after a write request was handed to its thread. The run would go on meanwhile and write down
        its next intents; who is first would be the machine's to decide."""
        if stage == "write remote" and not self.ended_writes.acquire(timeout=patient(PATIENCE_SECONDS)):
            raise AssertionError("a write request does not end")

    def _build(self, context: ProviderContext) -> Provider:
        return _AnnouncingProvider(AirtableProvider(context), self.hooks, self.ended_writes)


class _AnnouncingProvider(WatchedProvider):
    """Tells when a write has ended, however it did."""

    def __init__(self, inner: Provider, hooks: Hooks, ended_writes: threading.Semaphore) -> None:
        super().__init__(inner, hooks)
        self._ended_writes = ended_writes

    def write(self, batch: Sequence[Change]) -> list[Outcome]:
        try:
            return super().write(batch)
        finally:
            self._ended_writes.release()


@contextmanager
def open_worlds(postgres: PostgresServer) -> Iterator[Worlds[StrictWorld]]:
    """Worlds on this Postgres, with a sandbox of their own that reads their clock."""
    clock = FakeClock()
    with SandboxServer(SandboxOptions(rate_limit_scale=None, clock=clock.now)) as server:
        yield Worlds(StrictWorld, postgres, server, clock)
