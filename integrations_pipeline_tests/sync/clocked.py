"""Worlds whose sandbox, Postgres and runs read one clock that only tests move; what those of all providers share.

The clock stands still unless a test moves it, a run begins (`interval`) or a run pauses. Ids of contacts are the same
in every world. Belongs here: what such a world is, and opening one after another. Does not: a provider's words.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from uuid import UUID

import pytest

from integrations_pipeline.store.database import Database
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline_tests.postgres import CLOCKED, PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.arrangement import Loopback, Tenant, World
from integrations_sandbox import SandboxServer

#: Deletes are believed without a person, and so few people edit so much that a guard would hold their ordinary days.
NO_LIMIT: dict[str, Any] = {
    "delete_policy": "propagate",
    "delete_limit": 1000,
    "delete_limit_fraction": 1.0,
    "change_limit": 1000,
    "change_limit_fraction": 1000,
    "create_limit_fraction": 1000,
}


class ClockedWorld(World):
    """`interval` is how long after the last deed a run begins; 0 puts everything into one second."""

    def __init__(
        self,
        *,
        server: SandboxServer,
        database: Database,
        clock: FakeClock,
        seed: int = 0,
        network: Loopback | None = None,
    ) -> None:
        super().__init__(
            server=server,
            database=database,
            network=network or Loopback(),
            max_concurrency=self.tested.capabilities.max_concurrency,
        )
        self.clock = clock
        self.seed = seed
        self.interval = 60.0
        self.ids = random.Random("contacts")

    @property
    def runtime(self) -> Runtime:
        return replace(super().runtime, clock=self.clock.now, new_id=self._new_id)

    def assert_kept(self) -> None:
        """What must have held at every request."""

    def _new_id(self) -> UUID:
        return UUID(int=self.ids.getrandbits(128), version=4)

    def _wait(self, seconds: float) -> None:
        super()._wait(seconds)
        self.clock.advance(seconds)


class ClockedTenant(Tenant):
    """One workspace in such a world."""

    world: ClockedWorld

    def sync(self, **options: Any) -> SyncReport:
        self.world.clock.advance(self.world.interval)
        return super().sync(**options)


WorldType = TypeVar("WorldType", bound=ClockedWorld)


@dataclass(frozen=True, slots=True)
class Worlds(Generic[WorldType]):
    """Worlds of one kind, one after the other, each with a fresh database and a reset server, which must read the
    clock; so a seed tells the same alone as after a thousand others."""

    kind: Callable[..., WorldType]
    postgres: PostgresServer
    server: SandboxServer
    clock: FakeClock

    @contextmanager
    def world(self, seed: int = 0) -> Iterator[WorldType]:
        """At the end what must have held at every request has held."""
        with self.postgres.new_database(CLOCKED) as url, self.clock.drive(url):
            self.server.reset()
            database = Database(url)
            world = self.kind(server=self.server, database=database, clock=self.clock, seed=seed)
            # The jitter of retries has no source of its own.
            state = random.getstate()
            random.seed(seed)
            try:
                yield world
            finally:
                random.setstate(state)
                world.close()
                database.close()
            world.assert_kept()


@pytest.fixture
def world(worlds: Worlds[Any], caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """A reset server and a fresh database; nothing personal may be logged."""
    with worlds.world() as world:
        yield world
    assert "@example" not in caplog.text
