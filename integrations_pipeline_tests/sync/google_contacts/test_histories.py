"""Random histories end in agreement; the counters prove that they were histories worth telling."""

import os
from collections import Counter

import pytest

from integrations_pipeline_tests.sync.clocked import Worlds
from integrations_pipeline_tests.sync.google_contacts.arrangement import ContactsWorld
from integrations_pipeline_tests.sync.google_contacts.history import tell
from integrations_pipeline_tests.sync.telling import assert_seen, tell_all

#: How many seeds the fast suite tells, and the slow one by Hypothesis profile.
FEW = 3
SEEDS = {"dev": 3, "ci": 12, "round": 3, "nightly": 120}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]
#: Minimum counts for each three seeds.
LEAST = {
    "local create": 4, "remote create": 4, "local update": 4, "remote update": 4, "edits looked for": 15,
    "stopped by Crash": 1, "edit during a run": 1, "join_profile": 1,
}  # fmt: skip


def assert_exercised(seen: Counter[str], seeds: int) -> None:
    wanted = {name: count * (seeds // 3) for name, count in LEAST.items()}
    if seeds >= 12:
        seldom = ("conflict", "local delete", "remote delete", "second phones looked for", "killed in a create")
        wanted |= dict.fromkeys(seldom, 1)
    assert_seen(seen, wanted)


def test_random_histories_converge_lose_nothing_and_leave_no_duplicate(worlds: Worlds[ContactsWorld]) -> None:
    assert_exercised(tell_all("Google Contacts histories", tell, range(FEW), worlds), FEW)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_random_histories_converge_lose_nothing_and_leave_no_duplicate(worlds: Worlds[ContactsWorld]) -> None:
    seeds = range(1000, 1000 + 2 * SEEDS)
    assert_exercised(tell_all("Google Contacts histories", tell, seeds, worlds), len(seeds))
