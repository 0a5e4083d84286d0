"""Random histories end in agreement; the counters prove that they were histories worth telling."""

import os
from collections import Counter

import pytest

from integrations_pipeline_tests.sync.clocked import Worlds
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld
from integrations_pipeline_tests.sync.mailchimp.history import tell
from integrations_pipeline_tests.sync.telling import assert_seen, tell_all

#: How many seeds the fast suite tells, and the slow one by Hypothesis profile.
FEW = 8
SEEDS = {"dev": 8, "ci": 20, "round": 8, "nightly": 200}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]


EACH_KIND = (
    "approved", "rejected", "decided during a run", "value was put back", "place without some",
    "young delete in the window", "young delete after the window", "killed, then deleted there",
    "merge of e-mails local",
    *(f"{kind} of e-mails {side}" for kind in ("swap", "ring", "chain") for side in ("local", "remote")),
)  # fmt: skip


def assert_exercised(seen: Counter[str], seeds: int) -> None:
    """Minimum counts for each eight seeds."""
    least = {
        "local create": 10, "remote create": 10, "local update": 10, "remote update": 10, "local delete": 1,
        "remote delete": 1, "conflict": 3, "edits looked for": 50, "stopped by Crash": 5, "edit during a run": 3,
        "stale answers": 10, "e-mails changed there": 5, "unsubscribe": 3,
        "kill_then_edit": 1, "kill_then_delete_here": 1, "kill_then_delete_there": 1, "killed in a create": 1,
        "e-mails changed hands local": 2, "e-mails changed hands remote": 1,
        "young_delete": 2, "reads of everything in between": 20,
    }  # fmt: skip
    wanted = {name: count * (seeds // 8) for name, count in least.items()}
    # Seldom, so that not every eight seeds have them.
    wanted |= dict.fromkeys(EACH_KIND, 1) if seeds >= 20 else {}
    assert_seen(seen, wanted)


def test_random_histories_converge_lose_nothing_and_leave_no_duplicate(worlds: Worlds[MailchimpWorld]) -> None:
    assert_exercised(tell_all("Mailchimp histories", tell, range(FEW), worlds), FEW)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_random_histories_converge_lose_nothing_and_leave_no_duplicate(worlds: Worlds[MailchimpWorld]) -> None:
    seeds = range(1000, 1000 + 2 * SEEDS)
    assert_exercised(tell_all("Mailchimp histories", tell, seeds, worlds), len(seeds))
