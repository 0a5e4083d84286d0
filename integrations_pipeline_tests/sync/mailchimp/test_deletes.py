"""Deletes: an archive each way, what is held, what beats it, what refuses it, and what comes back.

That no request deletes anybody for good is looked at in every test of this folder (`watch`).
"""

from typing import Any
from uuid import UUID

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline.store import decisions
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers
from integrations_sandbox import FaultRule

SIDES = pytest.mark.parametrize("side", ["local", "remote"])
RESTORES = pytest.mark.parametrize("restores", [True, False], ids=["status_if_new restores", "only status restores"])


def started(world: MailchimpWorld, count: int = 5, **settings: Any) -> Subscribers:
    """A tenant whose people are on both sides."""
    tenant = world.tenant(**settings)
    tenant.add_remote(*people(count))
    tenant.sync()
    return tenant


def one_of(tenant: Subscribers) -> tuple[str, str]:
    return min(tenant.links().items())


def delete_one(tenant: Subscribers, side: str) -> tuple[str, str]:
    contact_id, record_id = one_of(tenant)
    if side == "local":
        tenant.delete_local(contact_id)
    else:
        tenant.delete_remote(record_id)
    return contact_id, record_id


def decide(tenant: Subscribers, row: dict[str, Any], *, approve: bool) -> None:
    with tenant.world.database.workspace(tenant.workspace_id) as connection:
        assert decisions.decide_delete(connection, UUID(str(row["id"])), approve=approve)


@SIDES
@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
def test_a_delete_here_archives_and_an_archive_there_deletes(world: MailchimpWorld, side: str, is_full: bool) -> None:
    tenant = started(world, **NO_LIMIT)
    contact_id, record_id = delete_one(tenant, side)
    report = tenant.sync(is_full=is_full)
    assert report.status is RunStatus.SUCCESS
    assert sum(result.records_deleted for result in report.results) == 1
    assert tenant.status(record_id) == "archived"
    assert contact_id not in tenant.local()
    assert contact_id not in tenant.links()
    tenant.assert_in_sync()
    tenant.assert_quiet()
    assert not tenant.sync(is_full=True).plan.changes


@SIDES
def test_a_delete_is_held_by_default_and_asked_once(world: MailchimpWorld, side: str) -> None:
    tenant = started(world)
    delete_one(tenant, side)
    for is_full in (False, False, True, False):
        assert tenant.sync(is_full=is_full).held == 1
    (row,) = tenant.journal("held", "superseded", kind="delete")
    assert row["side"] == ("remote" if side == "local" else "local")
    assert len(tenant.local()) + len(tenant.remote()) == 9


@SIDES
@pytest.mark.parametrize("approve", [True, False], ids=["approved", "rejected"])
def test_a_held_delete_is_decided_by_a_person(world: MailchimpWorld, side: str, approve: bool) -> None:
    tenant = started(world)
    contact_id, record_id = delete_one(tenant, side)
    tenant.sync()
    decide(tenant, tenant.journal("held")[0], approve=approve)
    for _ in range(2):
        tenant.sync()
    if approve:
        assert tenant.status(record_id) == "archived"
        assert len(tenant.local()) == len(tenant.remote()) == 4
        tenant.assert_in_sync()
    elif side == "local":
        assert contact_id in tenant.local()
        tenant.assert_in_sync()
    else:
        # Whom somebody archived at Mailchimp the sync does not bring back: it says so.
        assert contact_id in tenant.local()
        assert "archived" in tenant.journal("failed")[0]["reason"]


def test_a_hold_clears_itself_when_the_member_is_taken_out_of_the_archive(world: MailchimpWorld) -> None:
    tenant = started(world)
    _, record_id = delete_one(tenant, "remote")
    assert tenant.sync().held == 1
    world.mailchimp.unarchive(tenant.list_id, record_id)
    assert tenant.sync().held == 0
    assert not tenant.journal("held")
    tenant.assert_in_sync()


def test_archived_and_taken_out_again_between_two_runs_is_nothing(world: MailchimpWorld) -> None:
    tenant = started(world, **NO_LIMIT)
    _, record_id = delete_one(tenant, "remote")
    world.mailchimp.unarchive(tenant.list_id, record_id)
    assert not tenant.sync().plan.changes
    tenant.assert_in_sync()


@RESTORES
@SIDES
def test_an_edit_beats_a_delete(world: MailchimpWorld, side: str, restores: bool) -> None:
    """An edit of the contact is kept here; whom somebody archived is theirs to bring back."""
    world.options(status_if_new_restores_archived=restores)
    tenant = started(world, **NO_LIMIT)
    contact_id, record_id = delete_one(tenant, side)
    if side == "local":
        tenant.edit_remote(record_id, company="Edited", tags=["late"])
    else:
        tenant.edit_local(contact_id, company="Edited", tags=["late"])
    for _ in range(2):
        tenant.sync()
    assert tenant.local()[contact_id]["company"] == "Edited"
    if side == "remote":
        assert tenant.status(record_id) == "archived"
        assert "archived" in tenant.journal("failed")[0]["reason"]
        world.mailchimp.unarchive(tenant.list_id, record_id)
        tenant.sync()
        assert tenant.member(record_id).values["COMPANY"] == "Edited"
    conflicts = [row["conflict"]["policy"] for row in tenant.conflicts("applied", "failed", "superseded")]
    assert "edit_beats_delete" in conflicts
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_who_is_archived_on_both_sides_is_only_unlinked(world: MailchimpWorld) -> None:
    tenant = started(world, **NO_LIMIT)
    contact_id, record_id = delete_one(tenant, "local")
    tenant.delete_remote(record_id)
    tenant.sync()
    assert contact_id not in tenant.links()
    assert not tenant.record_writes()
    tenant.assert_in_sync()


@pytest.mark.parametrize("status", ["pending", "cleaned"])
def test_a_delete_that_mailchimp_refuses_fails_alone_and_keeps_the_member(world: MailchimpWorld, status: str) -> None:
    tenant = started(world, **NO_LIMIT)
    (refused,) = tenant.add_remote(person(50), status=status)
    tenant.sync()
    _, record_id = one_of(tenant)
    tenant.delete_local(*{tenant.contact_of(refused), tenant.contact_of(record_id)})
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert tenant.status(refused) == status
    expected = "archived" if record_id != refused else status
    assert tenant.status(record_id) == expected
    assert "bounced or has not confirmed" in tenant.journal("failed")[0]["reason"]
    for _ in range(2):
        tenant.sync()
        assert not tenant.record_writes()


def test_a_delete_that_finds_nobody_counts_only_if_the_member_is_not_there(world: MailchimpWorld) -> None:
    tenant = started(world, 6, **NO_LIMIT)
    contact_id, record_id = delete_one(tenant, "local")
    body = {"title": "Resource Not Found", "status": 404, "detail": "The requested resource could not be found."}
    rule = FaultRule(action="status", status=404, body=body, method="DELETE", times=1)
    world.mailchimp.add_fault(rule)
    assert tenant.sync().status is RunStatus.PARTIAL
    assert tenant.links()[contact_id] == record_id
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(tenant.remote()) == len(tenant.links()) == 5


def test_an_archive_of_somebody_archived_during_the_run_is_done(world: MailchimpWorld) -> None:
    tenant = started(world, **NO_LIMIT)
    _, record_id = delete_one(tenant, "local")
    world.hooks.before_write = lambda: tenant.delete_remote(record_id)
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_an_edit_at_mailchimp_right_before_our_archive_is_not_lost(world: MailchimpWorld) -> None:
    tenant = started(world, **NO_LIMIT)
    contact_id, record_id = delete_one(tenant, "local")
    world.hooks.before_recheck = lambda: tenant.edit_remote(record_id, company="Edited")
    for _ in range(2):
        tenant.sync()
    assert tenant.local()[contact_id]["company"] == "Edited"
    assert tenant.status(record_id) == "subscribed"
    tenant.assert_in_sync()


def test_a_member_deleted_for_good_is_found_by_the_next_full_read(world: MailchimpWorld) -> None:
    tenant = started(world, **NO_LIMIT)
    contact_id, record_id = one_of(tenant)
    world.mailchimp.delete_permanently(tenant.list_id, record_id)
    tenant.sync()
    assert contact_id in tenant.local()
    tenant.sync(is_full=True)
    assert contact_id not in tenant.local()
    tenant.assert_in_sync()


def test_an_edit_of_somebody_deleted_for_good_stays_here_and_is_told(world: MailchimpWorld) -> None:
    tenant = started(world, **NO_LIMIT)
    contact_id, record_id = one_of(tenant)
    world.mailchimp.delete_permanently(tenant.list_id, record_id)
    tenant.edit_local(contact_id, company="Edited")
    for is_full in (False, True, False):
        assert tenant.sync(is_full=is_full).status is not RunStatus.FAILED
    assert tenant.local()[contact_id]["company"] == "Edited"
    assert "deleted for good" in tenant.journal("failed")[0]["reason"]
    assert len(tenant.remote()) == 4


@pytest.mark.parametrize("count", [1, 3, 30])
def test_an_emptied_audience_deletes_nobody_under_the_default_limits(world: MailchimpWorld, count: int) -> None:
    tenant = started(world, count, delete_policy="propagate")
    tenant.delete_remote(*list(tenant.remote()))
    for is_full in (False, True, False):
        assert tenant.sync(is_full=is_full).status is RunStatus.REFUSED
        assert len(tenant.local()) == count
    assert len(tenant.journal("held")) == count


def test_an_emptied_audience_deletes_nobody_whatever_the_limits(world: MailchimpWorld) -> None:
    tenant = started(world, **NO_LIMIT)
    tenant.delete_remote(*list(tenant.remote()))
    for is_full in (False, True, False):
        tenant.sync(is_full=is_full)
        assert len(tenant.local()) == 5


def test_more_deletes_than_allowed_are_held_and_the_rest_goes_on(world: MailchimpWorld) -> None:
    tenant = started(world, 10, delete_policy="propagate")
    contact_ids = sorted(tenant.links())
    tenant.delete_remote(*(tenant.record_of(key) for key in contact_ids[:3]))
    tenant.edit_local(contact_ids[5], company="Acme")
    tenant.add_remote(person(50))
    report = tenant.sync()
    assert report.status is RunStatus.REFUSED
    assert report.held == 3
    assert len(tenant.local()) == 11
    assert tenant.member(tenant.record_of(contact_ids[5])).values["COMPANY"] == "Acme"


@pytest.mark.parametrize("what", ["audience", "mapping"])
def test_a_changed_configuration_deletes_nobody(world: MailchimpWorld, what: str) -> None:
    tenant = started(world, **NO_LIMIT)
    if what == "mapping":
        tenant.configure(field_mapping={"name": "FNAME+LNAME"})
    else:
        other = world.mailchimp.create_list("Other", extra_fields=("COMPANY",))
        tenant.base_id = other.id
        tenant.add_remote(*people(3))
        tenant.configure(list_id=other.id)
    for is_full in (False, False, True):
        tenant.sync(is_full=is_full)
        assert len(tenant.local()) == 5


def test_a_setting_that_only_says_how_new_members_are_made_is_no_other_place(world: MailchimpWorld) -> None:
    tenant = started(world, **NO_LIMIT)
    tenant.configure(status_if_new="unsubscribed")
    report = tenant.sync()
    assert report.results[0].metadata["read"] == "incremental"
    assert not report.plan.changes
