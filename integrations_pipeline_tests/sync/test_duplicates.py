"""Ambiguous e-mails: set aside one by one with a reason, and everything else goes on."""

import pytest

from integrations_pipeline.model import AgendaKind, RunStatus
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people, person


def assert_aside(tenant: Tenant, count: int) -> None:
    """So many records are set aside, each with its reason, and the others agree."""
    rows = tenant.journal("skipped")
    assert len(rows) == count
    assert all("duplicate e-mail" in row["reason"] for row in rows)


def settled(tenant: Tenant, count: int) -> None:
    """Still aside over quiet runs of both kinds, each asked only once."""
    for is_full in (False, True, False):
        tenant.sync(is_full=is_full)
        assert_aside(tenant, count)
        assert not tenant.record_writes()
    assert len(tenant.journal("superseded")) == 0


@pytest.mark.parametrize("has_feed", [True, False], ids=["feed", "full reads"])
def test_duplicates_at_the_provider_are_set_aside_until_one_is_gone(world: World, has_feed: bool) -> None:
    if not has_feed:
        world.forbid_webhooks()
    tenant = world.tenant()
    first, second = tenant.add_remote(person(1), person(1, name="Other", email="PERSON1@example.org "))
    tenant.add_remote(person(2))
    tenant.add_local(person(3))
    tenant.sync()
    assert_aside(tenant, 2)
    tenant.assert_in_sync(unlinked=2)
    settled(tenant, 2)
    tenant.delete_remote(second)
    tenant.sync()
    assert_aside(tenant, 0)
    assert tenant.contact_of(first)
    tenant.assert_in_sync()


def test_duplicates_that_match_a_contact_leave_it_alone_too(world: World) -> None:
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1))
    first, second = tenant.add_remote(person(1), person(1, name="Other"))
    tenant.sync()
    assert_aside(tenant, 3)
    settled(tenant, 3)
    tenant.edit_remote(second, email="person2@example.org")
    tenant.sync()
    assert tenant.record_of(contact_id) == first
    tenant.assert_in_sync()
    assert len(tenant.local()) == 2


def test_duplicates_in_the_workspace_are_set_aside_until_one_changes(world: World) -> None:
    tenant = world.tenant()
    ids = tenant.add_local(person(1), person(1, email=" person1@example.org", name="Other"), person(2))
    tenant.add_remote(person(3))
    tenant.sync()
    assert_aside(tenant, 2)
    tenant.assert_in_sync(unlinked=2)
    settled(tenant, 2)
    tenant.edit_local(ids[1], email="person4@example.org")
    tenant.sync()
    assert_aside(tenant, 0)
    tenant.assert_in_sync()


def test_a_second_record_with_a_linked_persons_email_is_set_aside(world: World) -> None:
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1))
    tenant.sync()
    record_id = tenant.record_of(contact_id)
    (copy,) = tenant.add_remote(person(1, name="Copy"))
    tenant.sync()
    assert_aside(tenant, 1)
    settled(tenant, 1)
    assert tenant.links() == {contact_id: record_id}
    tenant.edit_remote(copy, email="person2@example.org")
    tenant.sync()
    tenant.assert_in_sync()


def test_a_set_aside_record_that_is_edited_is_taken_up_with_the_edit(world: World) -> None:
    tenant = world.tenant()
    first, second = tenant.add_remote(person(1), person(1, name="Other"))
    tenant.sync()
    tenant.edit_remote(first, company="Acme")
    tenant.sync()
    assert_aside(tenant, 2)
    tenant.delete_remote(second)
    tenant.sync()
    assert tenant.local()[tenant.contact_of(first)]["company"] == "Acme"
    tenant.assert_in_sync()


def test_an_email_given_to_a_second_contact_does_not_move_a_link(world: World) -> None:
    tenant = world.tenant()
    ids = tenant.add_local(person(1), person(2))
    tenant.sync()
    links = tenant.links()
    tenant.edit_remote(links[ids[1]], email="person1@example.org")
    report = tenant.sync()
    assert tenant.links() == links
    assert tenant.local()[ids[1]]["email"] == "person2@example.org"
    assert report.results[1].records_failed == 1
    tenant.edit_remote(links[ids[1]], email="person5@example.org")
    tenant.sync()
    tenant.assert_in_sync()


@pytest.mark.parametrize("is_raced", [False, True], ids=["before the run", "during the run"])
def test_a_deleted_contact_whose_e_mail_another_has_by_now_is_told_until_that_is_mended(
    world: World, is_raced: bool
) -> None:
    """Edited there since, it is to come back here; it is not said to have been edited meanwhile, which it never was."""
    tenant = world.tenant(delete_policy="hold")
    tenant.add_local(*people(3))
    tenant.sync()
    (contact_id, record_id), (other, _), (_, third) = sorted(tenant.links().items())
    email = tenant.local()[contact_id]["email"]
    tenant.delete_local(contact_id)
    tenant.sync()
    tenant.edit_remote(record_id, company="Edited there")

    def take_it(stage: str = "write local", *_: object) -> None:
        if stage == "write local" and tenant.local()[other]["email"] != email:
            tenant.edit_local(other, email=email)

    if is_raced:
        tenant.edit_remote(third, company="Written before, so that there is a moment between")
        assert run_sync(world.runtime, tenant.request(), take_it).status is RunStatus.PARTIAL
        (row,) = tenant.journal("failed")
        assert (row["contact_id"], row["kind"]) == (contact_id, "create")
        assert "another contact of the workspace has this e-mail" in row["reason"]
    else:
        take_it()
    for _ in range(2):
        tenant.sync()
        assert {item.contact_id for item in tenant.agenda.of(AgendaKind.AMBIGUOUS)} == {contact_id}
        assert contact_id not in tenant.local()
    tenant.edit_local(other, email="other@example.org")
    tenant.sync()
    assert tenant.local()[contact_id]["company"] == "Edited there"
    assert tenant.agenda.items == ()
