"""Who is who: names of contacts that change, merges, e-mails that several share, creates whose answer was lost."""

from typing import Any

import pytest

from integrations_pipeline.model import AgendaKind, RunStatus
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.google_contacts.arrangement import WINDOW, ContactsWorld
from integrations_sandbox import FaultRule


@pytest.mark.parametrize("is_full", [False, True], ids=["told", "found missing"])
@pytest.mark.parametrize("is_ours", [True, False], ids=["made by us", "matched"])
def test_a_contact_whose_resource_name_changes_keeps_its_link(
    world: ContactsWorld, is_full: bool, is_ours: bool
) -> None:
    tenant = world.tenant(**NO_LIMIT)
    (contact,) = tenant.add_local(person(1))
    if not is_ours:
        tenant.add_remote(person(1))
    tenant.sync()
    old = tenant.record_of(contact)
    new = world.people.join_profile(tenant.account, old)
    # Its e-mail may be another one by then, so that nothing but Google's word tells who it is.
    tenant.edit_remote(new, company="There", email="renamed@example.org")
    tenant.sync(is_full=is_full)
    assert tenant.links() == {contact: new}
    assert tenant.local()[contact]["company"] == "There"
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_a_resource_name_that_changes_in_the_middle_of_a_run_is_followed(world: ContactsWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    (contact,) = tenant.add_local(person(1))
    tenant.sync()
    tenant.edit_local(contact, company="Here")
    world.hooks.before_recheck = lambda: world.people.join_profile(tenant.account, tenant.record_of(contact))
    for _ in range(3):
        tenant.sync()
    assert len(tenant.remote()) == 1
    tenant.assert_in_sync()
    assert tenant.local()[contact]["company"] == "Here"


def test_contacts_that_share_an_email_are_set_aside_and_the_rest_goes_on(world: ContactsWorld) -> None:
    tenant = world.tenant()
    tenant.add_remote(person(1), person(1, name="Another"), person(2))
    tenant.sync()
    assert [row["name"] for row in tenant.local().values()] == ["Person 2"]
    assert len(tenant.agenda.of(AgendaKind.AMBIGUOUS)) == 2
    tenant.assert_in_sync(unlinked=2)


def test_contacts_that_a_person_merges_stay_one(world: ContactsWorld) -> None:
    """The one that is gone is the workspace's to delete, and that is held."""
    tenant = world.tenant()
    ids = tenant.add_local(person(1, phone="+1"), person(2))
    tenant.sync()
    one, other = (tenant.record_of(key) for key in ids)
    world.people.merge_people(tenant.account, one, other)
    tenant.sync()
    assert len(tenant.local()) == 2
    assert tenant.agenda.of(AgendaKind.HELD_DELETE)
    assert tenant.record_of(ids[1]) == other


@pytest.mark.parametrize("action", ["drop_before", "drop_after", "status_after"])
def test_new_contacts_whose_answer_is_lost_are_made_once(world: ContactsWorld, action: str) -> None:
    world.propagation_seconds = WINDOW
    world.options(sync_lag_seconds=300)
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_local(*people(3))
    world.fault(action, method="POST", path_regex="batchCreate", times=1)
    tenant.sync()
    for _ in range(2):
        report = tenant.sync()
        assert report.status is RunStatus.FAILED
        assert "not shown by Google yet" in (report.error or "")
    assert tenant.connection.status == "active"
    world.clock.advance(WINDOW)
    assert tenant.sync().status is RunStatus.SUCCESS
    world.clock.advance(WINDOW)
    tenant.sync()
    assert len(tenant.remote()) == 3
    tenant.assert_in_sync()


def test_new_contacts_that_are_shown_at_once_are_not_waited_for(world: ContactsWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_local(*people(3))
    world.fault("drop_after", method="POST", path_regex="batchCreate", times=1)
    tenant.sync()
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(tenant.remote()) == 3
    tenant.assert_in_sync()


def test_a_second_workspace_with_the_same_account_takes_its_contacts_as_they_are(world: ContactsWorld) -> None:
    """The keys on them are the first workspace's, and mean nothing there."""
    first = world.tenant("acme")
    first.add_local(person(1))
    first.sync()
    second = world.tenant("other")
    second.base_id, second.token = first.account, first.token
    second.configure()
    second.add_local(person(1))
    second.sync()
    assert len(first.remote()) == 1
    second.assert_in_sync()
    first.sync()
    first.assert_in_sync()


@pytest.mark.parametrize("count", [1, 3])
def test_a_delete_that_finds_nobody_counts_only_for_those_who_are_not_there(world: ContactsWorld, count: int) -> None:
    tenant = world.tenant(**NO_LIMIT)
    chosen = tenant.add_local(*people(6))[:count]
    tenant.sync()
    links = tenant.links()
    tenant.delete_local(*chosen)
    rule: dict[str, Any] = {"method": "POST", "path_regex": "batchDeleteContacts$", "times": 1}
    body = {"error": {"code": 404, "message": "Method not found.", "status": "NOT_FOUND"}}
    world.people.add_fault(FaultRule(action="status", status=404, body=body, **rule))
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert len(report.results[0].errors) == count
    assert "the contact is there" in report.results[0].errors[0]
    assert (tenant.links(), len(tenant.remote())) == (links, 6)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(tenant.remote()) == len(tenant.links()) == 6 - count
