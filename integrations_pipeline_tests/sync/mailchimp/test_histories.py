"""Random histories end in agreement; the counters prove that they were histories worth telling."""

import os
from collections import Counter

import pytest

from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.mailchimp.arrangement import open_mailchimp_world
from integrations_pipeline_tests.sync.mailchimp.history import tell
from integrations_sandbox import SandboxServer

#: How many seeds by Hypothesis profile.
SEEDS = {"dev": 8, "ci": 20, "round": 8, "nightly": 200}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]


EACH_KIND = (
    "approved", "rejected", "decided during a run", "value was put back", "place without some",
    "young delete in the window", "young delete after the window", "killed, then archived there",
    "merge of e-mails local",
    *(f"{kind} of e-mails {side}" for kind in ("swap", "ring", "chain") for side in ("local", "remote")),
)  # fmt: skip


def tell_all(seeds: range, server: SandboxServer, postgres: PostgresServer, clock: FakeClock) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        with open_mailchimp_world(server, postgres, clock) as world:
            seen += tell(world, seed).seen
    gather("Mailchimp histories", seen)
    return seen


def assert_exercised(seen: Counter[str], seeds: int) -> None:
    """Minimum counts for each eight seeds."""
    least = {
        "local create": 10, "remote create": 10, "local update": 10, "remote update": 10, "local delete": 1,
        "remote delete": 1, "conflict": 3, "edits looked for": 50, "stopped by Crash": 5, "edit during a run": 3,
        "stale answers": 10, "e-mails changed at Mailchimp": 5, "unsubscribe": 3,
        "kill_then_edit": 1, "kill_then_delete_here": 1, "kill_then_delete_there": 1, "killed in a create": 1,
        "e-mails changed hands local": 2, "e-mails changed hands remote": 1,
        "young_delete": 2, "reads of everything in between": 20,
    }  # fmt: skip
    wanted = {name: count * (seeds // 8) for name, count in least.items()}
    # Seldom, so that not every eight seeds have them.
    wanted |= dict.fromkeys(EACH_KIND, 1) if seeds >= 20 else {}
    missed = {name: (seen[name], count) for name, count in wanted.items() if seen[name] < count}
    assert not missed, f"hardly exercised (seen, wanted): {missed}; all: {dict(seen)}"


def test_random_histories_converge_lose_nothing_and_leave_no_duplicate(
    live_mailchimp: SandboxServer, postgres_server: PostgresServer, clock: FakeClock
) -> None:
    assert_exercised(tell_all(range(SEEDS), live_mailchimp, postgres_server, clock), SEEDS)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_random_histories_converge_lose_nothing_and_leave_no_duplicate(
    live_mailchimp: SandboxServer, postgres_server: PostgresServer, clock: FakeClock
) -> None:
    seeds = range(1000, 1000 + 2 * SEEDS)
    assert_exercised(tell_all(seeds, live_mailchimp, postgres_server, clock), len(seeds))
