"""Consent only goes down, in both systems, except by the person's own later opt-in.

That no request of ours raises anybody is looked at in every test of this folder (`watch`). Belongs here: what
the statuses mean to the workspace, what an opt-out there does, and everything that might bring somebody back.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.mailchimp.arrangement import SOMEWHERE, MailchimpWorld, Subscribers
from integrations_pipeline_tests.sync.test_backups import back_up, restore

STATUSES = ("subscribed", "transactional", "pending", "unsubscribed", "cleaned")
OUT = ("unsubscribed", "cleaned")


def linked(world: MailchimpWorld, status: str = "subscribed", **settings: Any) -> tuple[Subscribers, str, str]:
    tenant = world.tenant(**settings)
    (record_id,) = tenant.add_remote(person(1), status=status)
    tenant.sync()
    return tenant, tenant.contact_of(record_id), record_id


def statuses_sent(tenant: Subscribers) -> list[Any]:
    """What the last run said about the status of members that exist."""
    return [call.body for call in tenant.calls() if isinstance(call.body, dict) and "status" in call.body]


# What a status means here


@pytest.mark.parametrize("status", STATUSES)
def test_a_new_contact_is_opted_out_if_its_member_is(world: MailchimpWorld, status: str) -> None:
    tenant, contact_id, record_id = linked(world, status)
    assert tenant.is_out(contact_id) is (status in OUT)
    assert tenant.status(record_id) == status
    tenant.assert_in_sync()
    tenant.assert_quiet()


DEEDS: dict[str, Callable[[Subscribers, str], object]] = {
    "unsubscribed by the person": lambda tenant, record: tenant.unsubscribe(record),
    "unsubscribed by an admin": lambda tenant, record: tenant.unsubscribe(record, by="admin"),
    "bounced": lambda tenant, record: tenant.world.mailchimp.clean(tenant.list_id, record),
}
BY_DEED = pytest.mark.parametrize("deed", DEEDS)


@BY_DEED
@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
def test_an_opt_out_at_mailchimp_comes_down_with_its_time(world: MailchimpWorld, deed: str, is_full: bool) -> None:
    tenant, contact_id, record_id = linked(world)
    DEEDS[deed](tenant, record_id)
    tenant.sync(is_full=is_full)
    assert tenant.is_out(contact_id)
    (row,) = tenant.rows("select email_opt_out_at at from workspace_contacts")
    assert row["at"] is not None
    tenant.assert_in_sync()
    tenant.assert_quiet()


@pytest.mark.parametrize("status", STATUSES)
def test_an_opt_out_here_unsubscribes_only_whoever_is_subscribed(world: MailchimpWorld, status: str) -> None:
    tenant, contact_id, record_id = linked(world, status)
    tenant.edit_local(contact_id, email_opt_out="true", phone="+1")
    tenant.sync()
    expected = [{"status": "unsubscribed"}] if status == "subscribed" else []
    assert statuses_sent(tenant) == expected
    assert tenant.status(record_id) == ("unsubscribed" if status == "subscribed" else status)
    assert tenant.is_out(contact_id)
    tenant.assert_in_sync()
    tenant.assert_quiet()


@pytest.mark.parametrize("status_if_new", ["transactional", "subscribed", "unsubscribed", "pending"])
def test_a_member_made_by_a_sync_has_the_status_of_the_settings_unless_it_opted_out(
    world: MailchimpWorld, status_if_new: str
) -> None:
    tenant = world.tenant(status_if_new=status_if_new)
    usual, out = tenant.add_local(person(1), person(2, email_opt_out="true"))
    tenant.sync()
    assert tenant.status(tenant.record_of(usual)) == status_if_new
    assert tenant.status(tenant.record_of(out)) == "unsubscribed"
    tenant.sync()
    assert tenant.is_out(usual) is (status_if_new == "unsubscribed")
    tenant.assert_in_sync()


@pytest.mark.parametrize("status", STATUSES)
def test_a_contact_that_matches_a_member_leaves_its_status_alone(world: MailchimpWorld, status: str) -> None:
    tenant = world.tenant(status_if_new="subscribed")
    (record_id,) = tenant.add_remote(person(1), status=status)
    contact_id, _ = tenant.add_local(person(1, company="Acme", tags=["a"]), person(2))
    tenant.sync()
    assert tenant.record_of(contact_id) == record_id
    assert tenant.status(record_id) == status
    assert not statuses_sent(tenant)
    assert tenant.is_out(contact_id) is (status in OUT)


def test_a_contact_that_opted_out_here_unsubscribes_the_member_it_matches(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    (record_id,) = tenant.add_remote(person(1))
    tenant.add_local(person(1, email_opt_out="true"))
    tenant.sync()
    assert tenant.status(record_id) == "unsubscribed"
    tenant.assert_in_sync()


def test_an_opted_out_contact_that_meets_a_member_during_the_run_unsubscribes_it_in_the_next(
    world: MailchimpWorld,
) -> None:
    tenant = world.tenant()
    tenant.sync()
    tenant.add_local(person(1, email_opt_out="true"))
    world.hooks.before_write = lambda: tenant.add_remote(person(1))
    tenant.sync()
    tenant.sync()
    ((_, record_id),) = tenant.links().items()
    assert tenant.status(record_id) == "unsubscribed"
    tenant.assert_in_sync()


# Nothing brings anybody back


def resubscribed_by_an_admin(tenant: Subscribers, contact_id: str, record_id: str) -> None:
    tenant.world.mailchimp.resubscribe(tenant.list_id, record_id, by="admin")


def imported_again(tenant: Subscribers, contact_id: str, record_id: str) -> None:
    """Archived, and imported from a file that has the opt-in of the old days, as exports do."""
    tenant.delete_remote(record_id)
    tenant.world.mailchimp.resubscribe(tenant.list_id, record_id, by="admin")
    member = tenant.member(record_id)
    member.timestamp_opt, member.ip_opt = member.created_at - timedelta(days=30), SOMEWHERE


def archived_and_taken_out_again(tenant: Subscribers, contact_id: str, record_id: str) -> None:
    tenant.delete_remote(record_id)
    tenant.world.mailchimp.unarchive(tenant.list_id, record_id)


def taken_back_here(tenant: Subscribers, contact_id: str, record_id: str) -> None:
    tenant.edit_local(contact_id, email_opt_out="")


RETURNS = (resubscribed_by_an_admin, imported_again, archived_and_taken_out_again, taken_back_here)


@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
@pytest.mark.parametrize("how", RETURNS, ids=lambda each: each.__name__.replace("_", " "))
def test_nothing_but_the_person_brings_somebody_back(
    world: MailchimpWorld, how: Callable[[Subscribers, str, str], None], is_full: bool
) -> None:
    tenant, contact_id, record_id = linked(world)
    # By an admin: Mailchimp itself refuses to subscribe whoever unsubscribed by themselves.
    tenant.unsubscribe(record_id, by="admin")
    tenant.sync()
    for _ in range(2):
        how(tenant, contact_id, record_id)
        tenant.sync(is_full=is_full)
    assert tenant.is_out(contact_id)
    assert tenant.status(record_id) == "unsubscribed"
    tenant.assert_in_sync()
    tenant.assert_quiet()


@pytest.mark.parametrize("by", ["person", "admin"])
def test_a_restored_database_forgets_no_opt_out(world: MailchimpWorld, by: str) -> None:
    tenant, contact_id, record_id = linked(world)
    back_up(world)
    tenant.unsubscribe(record_id, by=by)
    tenant.sync()
    restore(world)
    assert not tenant.is_out(contact_id)
    tenant.sync()
    assert tenant.is_out(contact_id)
    assert tenant.status(record_id) == "unsubscribed"
    tenant.assert_in_sync()


@pytest.mark.parametrize("restores", [True, False], ids=["status_if_new restores", "only status restores"])
@pytest.mark.parametrize("policy", ["propagate", "hold"])
@pytest.mark.parametrize("by", ["person", "admin", "workspace"])
def test_an_opted_out_person_who_is_deleted_and_added_again_is_not_mailed(
    world: MailchimpWorld, by: str, policy: str, restores: bool
) -> None:
    world.options(status_if_new_restores_archived=restores)
    tenant, contact_id, record_id = linked(world, **{**NO_LIMIT, "delete_policy": policy})
    if by == "workspace":
        tenant.edit_local(contact_id, email_opt_out="true")
    else:
        tenant.unsubscribe(record_id, by=by)
    tenant.sync()
    tenant.delete_local(contact_id)
    tenant.sync()
    tenant.add_local(person(1, company="Again"), person(2))
    for _ in range(3):
        assert tenant.sync().status is not RunStatus.FAILED
    assert tenant.status(record_id) in ("unsubscribed", "archived")
    again = {row["email"]: key for key, row in tenant.local().items()}["person1@example.org"]
    assert tenant.is_out(again) or again not in tenant.links()


@pytest.mark.parametrize("status_if_new", ["transactional", "pending", "subscribed"])
def test_another_email_gives_an_archived_person_no_more_consent(world: MailchimpWorld, status_if_new: str) -> None:
    """The workspace never saw the opt-out: an archived member does not tell it any more."""
    tenant, contact_id, record_id = linked(world, "transactional", status_if_new=status_if_new, **NO_LIMIT)
    tenant.unsubscribe(record_id)
    tenant.delete_remote(record_id)
    tenant.edit_local(contact_id, email="new@example.org")
    for _ in range(2):
        assert tenant.sync().status is RunStatus.PARTIAL
        assert "archived" in tenant.journal("failed")[0]["reason"]
    assert [each.email_address for each in tenant.audience.members.values()] == ["person1@example.org"]
    assert tenant.local()[contact_id]["email"] == "new@example.org", "the edit stays"


@pytest.mark.parametrize("restores", [True, False], ids=["status_if_new restores", "only status restores"])
@pytest.mark.parametrize("by", ["person", "admin"])
def test_an_edit_that_brings_a_member_back_brings_no_consent_back(
    world: MailchimpWorld, by: str, restores: bool
) -> None:
    world.options(status_if_new_restores_archived=restores)
    tenant, contact_id, record_id = linked(world, **NO_LIMIT, status_if_new="subscribed")
    tenant.unsubscribe(record_id, by=by)
    tenant.sync()
    tenant.delete_remote(record_id)
    tenant.edit_local(contact_id, company="Edited")
    (good,) = tenant.add_local(person(2))
    for _ in range(3):
        assert tenant.sync().status is not RunStatus.FAILED
    assert tenant.status(record_id) in ("unsubscribed", "archived")
    assert tenant.is_out(contact_id)
    assert tenant.record_of(good)


# The person's own deed


@pytest.mark.parametrize("deed", ["unsubscribed by the person", "unsubscribed by an admin", "bounced"])
def test_the_persons_own_later_opt_in_is_believed(world: MailchimpWorld, deed: str) -> None:
    tenant, contact_id, record_id = linked(world)
    DEEDS[deed](tenant, record_id)
    tenant.sync()
    world.clock.advance(60)
    tenant.opt_in(record_id)
    tenant.sync()
    assert not tenant.is_out(contact_id)
    assert tenant.status(record_id) == "subscribed"
    assert not statuses_sent(tenant)
    tenant.assert_in_sync()
    tenant.assert_quiet()
    assert not tenant.sync(is_full=True).plan.changes


def test_an_opt_out_here_is_taken_back_by_the_person_too(world: MailchimpWorld) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, email_opt_out="true")
    tenant.sync()
    world.clock.advance(60)
    tenant.opt_in(record_id)
    tenant.sync()
    assert not tenant.is_out(contact_id)
    tenant.unsubscribe(record_id)
    tenant.sync()
    assert tenant.is_out(contact_id)
    tenant.assert_in_sync()


@pytest.mark.parametrize("when", ["before the opt-out", "in the same second"])
def test_an_opt_in_that_is_not_later_counts_for_nothing(world: MailchimpWorld, when: str) -> None:
    world.interval = 0.0
    tenant, contact_id, record_id = linked(world)
    tenant.opt_in(record_id)
    tenant.unsubscribe(record_id, by="admin")
    world.clock.advance(0.0 if when == "in the same second" else 3600.0)
    tenant.sync()
    assert tenant.is_out(contact_id)
    world.mailchimp.resubscribe(tenant.list_id, record_id, by="admin")
    tenant.sync()
    assert tenant.is_out(contact_id)
    assert tenant.status(record_id) == "unsubscribed"


def test_an_opt_in_at_mailchimp_and_an_opt_out_here_at_once_end_opted_out(world: MailchimpWorld) -> None:
    tenant, contact_id, record_id = linked(world, "transactional")
    tenant.edit_local(contact_id, email_opt_out="true")
    world.clock.advance(60)
    tenant.opt_in(record_id)
    tenant.sync()
    assert tenant.is_out(contact_id)
    assert tenant.status(record_id) == "unsubscribed"
    tenant.assert_in_sync()


def test_who_signed_up_by_themselves_is_no_news_in_every_read(world: MailchimpWorld) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.opt_in(record_id)
    tenant.sync()
    tenant.assert_quiet()
    assert not tenant.sync(is_full=True).plan.changes
    assert not tenant.is_out(contact_id)
    assert tenant.status(record_id) == "subscribed"


# Races


@pytest.mark.parametrize("moment", ["after_read", "before_recheck", "before_write", "after_write"])
def test_an_opt_out_at_any_moment_of_a_run_reaches_the_other_side(world: MailchimpWorld, moment: str) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, company="Acme")
    setattr(world.hooks, moment, lambda: tenant.unsubscribe(record_id))
    for _ in range(2):
        tenant.sync()
    assert tenant.is_out(contact_id)
    tenant.edit_local(contact_id, phone="+1")
    tenant.sync()
    assert tenant.status(record_id) == "unsubscribed"
    tenant.assert_in_sync()


@pytest.mark.parametrize("moment", ["after_read", "before_recheck", "before_write"])
def test_a_person_who_unsubscribes_while_we_do_it_stays_unsubscribed_by_themselves(
    world: MailchimpWorld, moment: str
) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, email_opt_out="true")
    setattr(world.hooks, moment, lambda: tenant.unsubscribe(record_id))
    for _ in range(2):
        tenant.sync()
        assert not statuses_sent(tenant)
    assert tenant.member(record_id).is_in_compliance
    tenant.assert_in_sync()
