"""The certificate of an audience: consent, tags and archived members compared by other code than the sync's."""

import os
from collections import Counter

from integrations_pipeline.verify.compare import FIELD, NO_CONTACT
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import Worlds
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers
from integrations_pipeline_tests.sync.mailchimp.history import tell
from integrations_pipeline_tests.sync.telling import WINDOW
from integrations_pipeline_tests.verify.arrangement import behind_the_journal, certified

#: Not the seeds of the histories' own test.
FIRST = 500
SEEDS = {"dev": 2, "ci": 6, "round": 4, "nightly": 100}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]


def synced(world: MailchimpWorld) -> Subscribers:
    """Two contacts and two members, one of whom has unsubscribed."""
    tenant = world.tenant()
    tenant.add_local(person(0, tags=["a", "b"]), person(1, name="Ann"))
    _, gone = tenant.add_remote(person(2, tags=["c"]), person(3))
    tenant.unsubscribe(gone)
    tenant.sync()
    tenant.sync()
    world.clock.advance(3600)
    return tenant


def test_consent_and_tags_that_agree_are_equal(world: MailchimpWorld) -> None:
    assert certified(synced(world)).equal == 4


def test_an_opt_out_that_no_sync_was_told_of_differs(world: MailchimpWorld) -> None:
    tenant = synced(world)
    contact_id = next(key for key, row in tenant.local().items() if row.get("email_opt_out") == "true")
    behind_the_journal(tenant, "delete from suppressions")
    behind_the_journal(tenant, "update workspace_contacts set email_opt_out = false where id = :id", id=contact_id)
    (found,) = certified(tenant).differing
    assert (found.contact_id, found.field, found.reason) == (contact_id, "email_opt_out", FIELD)


def test_a_suppressed_address_counts_as_opted_out(world: MailchimpWorld) -> None:
    tenant = synced(world)
    contact_id = next(key for key, row in tenant.local().items() if row.get("email_opt_out") == "true")
    behind_the_journal(tenant, "update workspace_contacts set email_opt_out = false where id = :id", id=contact_id)
    assert certified(tenant).equal == 4


def test_what_happened_there_waits_for_the_next_sync(world: MailchimpWorld) -> None:
    tenant = synced(world)
    by_status = {tenant.status(key): key for key in tenant.remote()}
    tenant.edit_remote(by_status["transactional"], tags=["new"])
    tenant.unsubscribe(by_status["subscribed"])
    tenant.delete_remote(by_status["unsubscribed"])
    assert certified(tenant).waiting_by == {"edited_there": 2, "deleted_there": 1}


def test_a_member_deleted_for_good_is_left_to_the_full_read_and_one_overlooked_differs(world: MailchimpWorld) -> None:
    tenant = synced(world)
    contact_id, record_id = next(iter(tenant.links().items()))
    del tenant.audience.members[record_id]
    assert certified(tenant).waiting_by == {"next_full_read": 1}
    other = next(key for key in tenant.links() if key != contact_id)
    behind_the_journal(tenant, "delete from integration_links where contact_id = :id", id=other)
    assert NO_CONTACT in {each.reason for each in certified(tenant).differing}


def test_after_random_histories_and_two_quiet_syncs_nothing_differs(worlds: Worlds[MailchimpWorld]) -> None:
    seen: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + SEEDS):
        with worlds.world() as world:
            tenant = tell(world, seed).tenant
            for _ in range(2):
                world.clock.advance(WINDOW + 1)
                tenant.sync()
            found = certified(tenant)
            assert found.differing == (), (seed, found)
            seen += Counter({"pairs": found.compared, "equal": found.equal, "waiting": found.waiting})
    gather("certificates after random Mailchimp histories", seen)
    assert seen["equal"] >= 2 * SEEDS
