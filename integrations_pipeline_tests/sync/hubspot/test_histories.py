"""Random histories end in agreement; the counters prove that they were histories worth telling."""

import os
from collections import Counter

import pytest

from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.hubspot.arrangement import open_hubspot_world
from integrations_pipeline_tests.sync.hubspot.history import tell
from integrations_sandbox import SandboxServer

#: How many seeds by Hypothesis profile.
SEEDS = {"dev": 2, "ci": 4, "round": 2, "nightly": 100}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]


def tell_all(seeds: range, server: SandboxServer, postgres: PostgresServer, clock: FakeClock) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        with open_hubspot_world(server, postgres, clock) as world:
            seen += tell(world, seed).seen
    gather("HubSpot histories", seen)
    return seen


def test_random_histories_converge_lose_nothing_and_leave_no_duplicate(
    live_hubspot: SandboxServer, postgres_server: PostgresServer, clock: FakeClock
) -> None:
    seen = tell_all(range(SEEDS), live_hubspot, postgres_server, clock)
    assert seen["edits looked for"] >= 5 * SEEDS


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_random_histories_converge_lose_nothing_and_leave_no_duplicate(
    live_hubspot: SandboxServer, postgres_server: PostgresServer, clock: FakeClock
) -> None:
    seen = tell_all(range(1000, 1000 + 5 * SEEDS), live_hubspot, postgres_server, clock)
    least = {
        "local create": 5, "remote create": 5, "local update": 5, "remote update": 5, "local delete": 1,
        "remote delete": 1, "conflict": 1, "stopped by Crash": 5, "edit during a run": 3, "merge": 2, "restore": 2,
        "edits looked for": 40,
    }  # fmt: skip
    missed = {name: (seen[name], wanted) for name, wanted in least.items() if seen[name] < wanted}
    assert not missed, f"hardly exercised (seen, wanted): {missed}; all: {dict(seen)}"
