from collections.abc import Iterator

import pytest

from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.world import StrictWorld, open_worlds
from integrations_pipeline_tests.sync.clocked import Worlds


@pytest.fixture(scope="package")
def worlds(postgres_server: PostgresServer) -> Iterator[Worlds[StrictWorld]]:
    """A world of its own for every seed, on the session's Postgres."""
    with open_worlds(postgres_server) as worlds:
        yield worlds
