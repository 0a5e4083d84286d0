"""Suppressions and an audience: nobody is subscribed past one, and a member is told of it.

Belongs here: what outlives the contact. Does not: the contact's own flag (`test_consent`).
"""

import pytest

from integrations_pipeline.store import suppressions
from integrations_pipeline.store.suppressions import KEEPING_OUT, Reason
from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers


def suppress(tenant: Subscribers, email: str, reason: Reason) -> None:
    with tenant.world.database.workspace(tenant.workspace_id) as connection:
        suppressions.record(connection, tenant.workspace_id, [email], reason, "test")


def reasons(tenant: Subscribers) -> list[str]:
    return [row["reason"] for row in tenant.rows("select reason from suppressions order by reason")]


@pytest.mark.parametrize("is_synced_between", [True, False])
def test_a_contact_that_comes_again_without_its_opt_out_is_not_subscribed(
    world: MailchimpWorld, is_synced_between: bool
) -> None:
    tenant = world.tenant(status_if_new="subscribed")
    (contact_id,) = tenant.add_local(person(1, email_opt_out="true"))
    tenant.delete_local(contact_id)
    if is_synced_between:
        tenant.sync()
    (again,) = tenant.add_local(person(1))
    tenant.sync()
    assert tenant.is_out(again)
    assert tenant.status(tenant.record_of(again)) == "unsubscribed"
    tenant.assert_in_sync()
    tenant.assert_quiet()


@pytest.mark.parametrize("reason", Reason)
def test_a_member_of_a_suppressed_person_comes_in_opted_out_and_is_unsubscribed(
    world: MailchimpWorld, reason: Reason
) -> None:
    tenant = world.tenant()
    suppress(tenant, "person1@example.org", reason)
    (record_id,) = tenant.add_remote(person(1), status="subscribed")
    for _ in range(2):
        tenant.sync()
    assert tenant.is_out(tenant.contact_of(record_id)) is (reason in KEEPING_OUT)
    assert tenant.status(record_id) == ("unsubscribed" if reason in KEEPING_OUT else "subscribed")
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_who_opted_out_and_got_another_address_meanwhile_did_so_at_both(world: MailchimpWorld) -> None:
    """Of which of the two nobody can tell, and whoever has the old one next is not to be mailed there."""
    tenant = world.tenant(**NO_LIMIT)
    one, other, *_ = tenant.add_remote(*(person(number) for number in range(5)), status="subscribed")
    tenant.sync()
    tenant.unsubscribe(one)
    tenant.edit_remote(one, email="between@example.org")
    tenant.edit_remote(other, email="person0@example.org")
    tenant.edit_remote(one, email="person1@example.org")
    for _ in range(2):
        tenant.sync()
    assert {tenant.status(one), tenant.status(other)} == {"unsubscribed"}
    assert tenant.is_out(tenant.contact_of(other))
    tenant.assert_in_sync()


@pytest.mark.parametrize("reason", Reason)
def test_a_suppression_of_a_linked_person_reaches_the_member(world: MailchimpWorld, reason: Reason) -> None:
    tenant = world.tenant()
    (record_id,) = tenant.add_remote(person(1), status="subscribed")
    tenant.sync()
    suppress(tenant, "person1@example.org", reason)
    tenant.sync()
    assert tenant.status(record_id) == ("unsubscribed" if reason in KEEPING_OUT else "subscribed")
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_the_persons_own_later_opt_in_lifts_the_suppression(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    (record_id,) = tenant.add_remote(person(1), status="subscribed")
    tenant.sync()
    tenant.unsubscribe(record_id)
    tenant.sync()
    assert reasons(tenant) == ["opted_out"]
    world.clock.advance(60)
    tenant.opt_in(record_id)
    tenant.sync()
    assert reasons(tenant) == []
    assert not tenant.is_out(tenant.contact_of(record_id))
    tenant.assert_quiet()


def test_a_deleted_persons_own_later_opt_in_lifts_the_suppression(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1, email_opt_out="true"))
    tenant.delete_local(contact_id)
    (record_id,) = tenant.add_remote(person(1), status="subscribed")
    world.clock.advance(60)
    tenant.opt_in(record_id)
    tenant.sync()
    assert reasons(tenant) == []
    assert not tenant.is_out(tenant.contact_of(record_id))
    assert tenant.status(record_id) == "subscribed"
    tenant.assert_quiet()


@pytest.mark.parametrize("reason", [Reason.MANUAL, Reason.COMPLAINED])
def test_a_persons_own_opt_in_does_not_pass_what_an_operator_decided(world: MailchimpWorld, reason: Reason) -> None:
    tenant = world.tenant()
    (record_id,) = tenant.add_remote(person(1), status="subscribed")
    tenant.sync()
    suppress(tenant, "person1@example.org", reason)
    tenant.sync()
    world.clock.advance(60)
    tenant.opt_in(record_id)
    for _ in range(2):
        tenant.sync()
    assert tenant.is_out(tenant.contact_of(record_id))
    assert tenant.status(record_id) == "unsubscribed"
    assert reason.value in reasons(tenant)
    tenant.assert_in_sync()
    tenant.assert_quiet()


@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_a_member_that_gets_a_suppressed_address_at_mailchimp_is_unsubscribed(
    world: MailchimpWorld, is_full: bool
) -> None:
    """The opt-out comes with the address in the very write that takes the e-mail: the audience has yet to be told."""
    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(*(person(number) for number in range(4)))
    tenant.sync()
    tenant.unsubscribe(records[0])
    tenant.sync()
    tenant.edit_remote(records[0], email="between@example.org")
    tenant.edit_remote(records[1], email="person0@example.org")
    tenant.edit_remote(records[0], email="person1@example.org")
    for _ in range(2):
        tenant.sync(is_full=is_full)
    assert tenant.is_out(tenant.contact_of(records[1]))
    assert tenant.status(records[1]) == "unsubscribed"
    tenant.assert_in_sync()
    tenant.sync()
    tenant.assert_quiet()
