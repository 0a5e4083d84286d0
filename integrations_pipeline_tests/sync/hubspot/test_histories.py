"""Random histories end in agreement; the counters prove that they were histories worth telling."""

import os

import pytest

from integrations_pipeline_tests.sync.clocked import Worlds
from integrations_pipeline_tests.sync.hubspot.arrangement import HubSpotWorld
from integrations_pipeline_tests.sync.hubspot.history import tell
from integrations_pipeline_tests.sync.telling import assert_seen, tell_all

#: How many seeds the fast suite tells, and the slow one by Hypothesis profile.
FEW = 2
SEEDS = {"dev": 2, "ci": 4, "round": 2, "nightly": 100}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]


def test_random_histories_converge_lose_nothing_and_leave_no_duplicate(worlds: Worlds[HubSpotWorld]) -> None:
    seen = tell_all("HubSpot histories", tell, range(FEW), worlds)
    assert seen["edits looked for"] >= 5 * FEW


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_random_histories_converge_lose_nothing_and_leave_no_duplicate(worlds: Worlds[HubSpotWorld]) -> None:
    seen = tell_all("HubSpot histories", tell, range(1000, 1000 + 5 * SEEDS), worlds)
    least = {
        "local create": 5, "remote create": 5, "local update": 5, "remote update": 5, "local delete": 1,
        "remote delete": 1, "conflict": 1, "stopped by Crash": 5, "edit during a run": 3, "merge": 2, "restore": 2,
        "edits looked for": 40,
    }  # fmt: skip
    assert_seen(seen, least)
