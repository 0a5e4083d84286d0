"""Random histories end in agreement; the counters prove that they were histories worth telling."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from integrations_pipeline.providers.airtable import PROVIDER
from integrations_pipeline.sandbox import SandboxServer
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.simulation.history import History, StrictWorld

#: How many seeds by Hypothesis profile; `make properties` goes on with further ones.
SEEDS = {"dev": 12, "ci": 40, "round": 12, "nightly": 400}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]
#: The product's own: for so long a read may be older than a write.
WINDOW = PROVIDER.capabilities.propagation_seconds
SETTINGS: dict[str, Any] = {"delete_policy": "propagate", "delete_limit": 1000, "delete_limit_fraction": 1.0}


@pytest.fixture
def strict_world(shared_sandbox: SandboxServer, database: Database) -> Iterator[StrictWorld]:
    shared_sandbox.reset()
    world = StrictWorld(server=shared_sandbox, database=database, max_concurrency=1, propagation_seconds=WINDOW)
    yield world
    world.close()


def tell(world: StrictWorld, seed: int) -> History:
    """One history, judged; every third has no webhooks, so that both ways of reading changes are walked."""
    world.airtable.set_options(allows_webhooks=seed % 3 != 0)
    world.ids = random.Random(seed)
    history = History(seed, world.tenant(f"s{seed}", **SETTINGS))
    history.run()
    history.judge()
    return history


def test_random_histories_converge_lose_nothing_and_leave_no_duplicate(strict_world: StrictWorld) -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        seen += tell(strict_world, seed).seen
    gather("random histories", seen)

    least = {
        "local create": 10, "remote create": 10, "local update": 10, "remote update": 10,
        "local delete": 1, "remote delete": 1, "conflict": 3, "edits looked for": 50,
        "stopped by Crash": 5, "edit during a run": 3,
    }  # fmt: skip
    missed = {name: (seen[name], wanted) for name, wanted in least.items() if seen[name] < wanted}
    assert not missed, f"hardly exercised (seen, wanted): {missed}; all: {dict(seen)}"
