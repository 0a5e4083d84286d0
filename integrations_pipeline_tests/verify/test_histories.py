"""Whatever happened, after two quiet syncs nothing differs; and what is damaged then behind their back is found."""

import os
import random
from collections import Counter

from integrations_pipeline.verify.certify import certify
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.simulation.history import tell
from integrations_pipeline_tests.simulation.world import StrictWorld
from integrations_pipeline_tests.sync.arrangement import Tenant
from integrations_pipeline_tests.sync.clocked import Worlds
from integrations_pipeline_tests.verify.arrangement import behind_the_journal

#: How many seeds by Hypothesis profile. Not those of the simulation's own test.
FIRST = 500
SEEDS = {"dev": 3, "ci": 10, "round": 6, "nightly": 200}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]
AN_HOUR = 3600
FIELDS = ("name", "company", "phone", "job_title")


def test_after_two_quiet_syncs_nothing_differs_and_damage_is_found(worlds: Worlds[StrictWorld]) -> None:
    seen: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + SEEDS):
        with worlds.world(seed) as world:
            tenant = tell(world, seed).tenant
            for _ in range(2):
                # Later than what the provider tells again, so that nothing of before counts as just written.
                world.clock.advance(AN_HOUR)
                tenant.sync()
            found = certify(world.runtime, tenant.slug, tenant.provider)
            assert found.differing == (), (seed, found)
            seen += Counter({"histories": 1, "pairs": found.compared, "equal": found.equal, "waiting": found.waiting})
            seen[damage(tenant, random.Random(seed))] += 1
            damaged = certify(world.runtime, tenant.slug, tenant.provider)
            assert damaged.differing, (seed, damaged)
    gather("certificates after random histories", seen)
    assert seen["pairs"] >= 3 * SEEDS
    assert seen["equal"] >= 2 * SEEDS
    assert sum(name.startswith("damaged ") for name in seen) == 3, "of each kind at least one"


def damage(tenant: Tenant, source: random.Random) -> str:
    """One thing that no sync is told of; its name."""
    contact_id = source.choice(sorted(tenant.links()))
    name = source.choice(FIELDS)
    statements = {
        "a field": f"update workspace_contacts set {name} = 'damaged' where id = :id",
        "a link": "delete from integration_links where contact_id = :id",
        "a contact": "delete from workspace_contacts where id = :id",
    }
    what = source.choice(sorted(statements))
    behind_the_journal(tenant, statements[what], id=contact_id)
    return f"damaged {what}"
