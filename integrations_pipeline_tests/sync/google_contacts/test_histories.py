"""Random histories end in agreement; the counters prove that they were histories worth telling."""

import os
from collections import Counter

import pytest

from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.google_contacts.arrangement import open_contacts_world
from integrations_pipeline_tests.sync.google_contacts.history import tell
from integrations_sandbox import SandboxServer

#: How many seeds by Hypothesis profile.
SEEDS = {"dev": 3, "ci": 12, "round": 3, "nightly": 120}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]
#: Minimum counts for each three seeds.
LEAST = {
    "local create": 4, "remote create": 4, "local update": 4, "remote update": 4, "edits looked for": 15,
    "stopped by Crash": 1, "edit during a run": 1, "join_profile": 1,
}  # fmt: skip


def tell_all(seeds: range, server: SandboxServer, postgres: PostgresServer, clock: FakeClock) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        with open_contacts_world(server, postgres, clock) as world:
            seen += tell(world, seed).seen
    gather("Google Contacts histories", seen)
    return seen


def assert_exercised(seen: Counter[str], seeds: int) -> None:
    wanted = {name: count * (seeds // 3) for name, count in LEAST.items()}
    if seeds >= 12:
        seldom = ("conflict", "local delete", "remote delete", "second phones looked for", "killed in a create")
        wanted |= dict.fromkeys(seldom, 1)
    missed = {name: (seen[name], count) for name, count in wanted.items() if seen[name] < count}
    assert not missed, f"hardly exercised (seen, wanted): {missed}; all: {dict(seen)}"


def test_random_histories_converge_lose_nothing_and_leave_no_duplicate(
    live_people: SandboxServer, postgres_server: PostgresServer, clock: FakeClock
) -> None:
    assert_exercised(tell_all(range(SEEDS), live_people, postgres_server, clock), SEEDS)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_random_histories_converge_lose_nothing_and_leave_no_duplicate(
    live_people: SandboxServer, postgres_server: PostgresServer, clock: FakeClock
) -> None:
    seeds = range(1000, 1000 + 2 * SEEDS)
    assert_exercised(tell_all(seeds, live_people, postgres_server, clock), len(seeds))
