"""Random histories end in agreement, and one seed is one history; the counters prove that they were worth telling."""

import os

import pytest

from integrations_pipeline_tests.simulation.history import tell
from integrations_pipeline_tests.simulation.record import read_record
from integrations_pipeline_tests.simulation.world import StrictWorld
from integrations_pipeline_tests.sync.clocked import Worlds
from integrations_pipeline_tests.sync.telling import assert_seen, tell_all

#: How many seeds by Hypothesis profile; `make properties` goes on with further ones.
SEEDS = {"dev": 12, "ci": 40, "round": 12, "nightly": 400}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]


#: What is seldom enough to be missing in a few seeds.
EACH_KIND = (
    *(f"{kind} of e-mails {side}" for kind in ("swap", "ring", "chain", "merge") for side in ("local", "remote")),
    "place with everybody", "place without some", "killed, then deleted there",
    "copy deleted", "copy that became somebody else", "copy that stayed",
)  # fmt: skip


def test_random_histories_converge_lose_nothing_and_leave_no_duplicate(worlds: Worlds[StrictWorld]) -> None:
    seen = tell_all("random histories", tell, range(SEEDS), worlds)
    least = {
        "local create": 10, "remote create": 10, "local update": 10, "remote update": 10,
        "local delete": 1, "remote delete": 1, "conflict": 3, "edits looked for": 50,
        "stopped by Crash": 5, "edit during a run": 3, "stale answers": 1,
        "time_leaps": 1, "time_leaps_in_a_run": 1, "provider_leaps": 1, "workspace_is_set_back": 1,
        "admin_renames": 1, "admin_swaps": 1, "fault blank_values": 1, "runs that let edits settle": 1,
        "killed in a create": 1, "kill_then_edit": 3, "kill_then_delete_here": 1, "kill_then_delete_there": 1,
        "e-mails changed hands local": 1, "e-mails changed hands remote": 1, "place_changes": 2,
        "young delete in the window": 1, "young delete after the window": 1, "approved": 1, "rejected": 1,
        "decided during a run": 1, "value was put back": 1, "record with the key of another": 1,
        "reads of everything in between": 20, "deletes looked for": 5, "rejections looked for": 1,
    }  # fmt: skip
    if SEEDS >= 40:
        least |= dict.fromkeys(EACH_KIND, 1)
    assert_seen(seen, least)


@pytest.mark.parametrize("seed", [1, 3, 6], ids=["with webhooks", "without", "large table"])
def test_the_same_seed_tells_the_same_history_to_the_microsecond(worlds: Worlds[StrictWorld], seed: int) -> None:
    """Requests, journal, logs, contacts, links and cursor; `record` says what is normalised, and why."""
    tellings = []
    for _ in range(2):
        with worlds.world(seed) as world:
            history = tell(world, seed)
            tellings.append({"steps": history.log, "seen": history.seen, **read_record(history.tenant)})
    once, again = tellings
    assert [name for name, told in once.items() if not told] in ([], ["activity"])
    for name, told in once.items():
        assert told == again[name], name
