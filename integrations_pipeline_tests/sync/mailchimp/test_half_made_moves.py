"""A move to a new e-mail that a death left half made: the new member is nobody else, whatever comes after."""

import httpx
import pytest

from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.crashes import Crash
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers


def half_moved(world: MailchimpWorld, dies_after: str = "PUT") -> tuple[Subscribers, str]:
    """Who is not subscribed gets a new member for a new e-mail; the run dies before the old one is archived (PUT), when
    it is (DELETE), or when the new one is like any other (POST)."""
    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(*(person(number, company="Acme") for number in range(5)), status="transactional")
    tenant.sync()
    contact_id = tenant.contact_of(records[0])
    world.max_concurrency = 1
    tenant.edit_local(contact_id, email="moved@example.org")

    seen: list[str] = []

    def die(request: httpx.Request) -> None:
        seen.append(request.method)
        if request.method == dies_after and (dies_after != "POST" or "DELETE" in seen):
            raise Crash

    world.network.after = die
    with pytest.raises(Crash):
        tenant.sync()
    world.network.after = lambda _: None
    assert "moved@example.org" in tenant.emails()
    return tenant, contact_id


@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_the_next_run_goes_on_with_it(world: MailchimpWorld, is_full: bool) -> None:
    tenant, contact_id = half_moved(world)
    tenant.sync(is_full=is_full)
    tenant.sync()
    assert len(tenant.local()) == 5
    assert tenant.remote()[tenant.record_of(contact_id)]["email"] == "moved@example.org"
    tenant.assert_in_sync()


@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_another_e_mail_meanwhile_makes_nobody_twice(world: MailchimpWorld, is_full: bool) -> None:
    tenant, contact_id = half_moved(world)
    tenant.edit_local(contact_id, email="again@example.org")
    for _ in range(3):
        tenant.sync(is_full=is_full)
    assert len(tenant.local()) == 5
    assert "moved@example.org" not in tenant.emails()
    assert tenant.remote()[tenant.record_of(contact_id)]["email"] == "again@example.org"


@pytest.mark.parametrize("moment", ["DELETE", "POST"], ids=["marked", "done"])
@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_another_e_mail_after_the_old_one_is_archived_makes_nobody_twice(
    world: MailchimpWorld, is_full: bool, moment: str
) -> None:
    tenant, contact_id = half_moved(world, moment)
    tenant.edit_local(contact_id, email="again@example.org")
    for _ in range(3):
        tenant.sync(is_full=is_full)
    assert len(tenant.local()) == 5
    assert tenant.remote()[tenant.record_of(contact_id)]["email"] == "again@example.org"
    tenant.assert_in_sync()


@pytest.mark.parametrize("moment", ["PUT", "DELETE", "POST"], ids=["both are there", "marked", "done"])
@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_who_is_deleted_meanwhile_does_not_come_back(world: MailchimpWorld, is_full: bool, moment: str) -> None:
    tenant, contact_id = half_moved(world, moment)
    tenant.delete_local(contact_id)
    for each in (is_full, is_full, True):
        tenant.sync(is_full=each)
    assert contact_id not in tenant.local()
    assert len(tenant.local()) == 4
    assert "moved@example.org" not in tenant.emails()


def test_a_tag_that_a_person_named_like_the_mark_stays_theirs(world: MailchimpWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    (record_id,) = tenant.add_remote(person(1, tags=["new e-mail under way"]), status="transactional")
    tenant.sync()
    assert tenant.local()[tenant.contact_of(record_id)]["tags"] == "new e-mail under way"
