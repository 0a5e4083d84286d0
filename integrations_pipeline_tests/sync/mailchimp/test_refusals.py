"""What Mailchimp refuses fails alone, is told without personal data, and is not sent again before it changes."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations_pipeline.model import Direction, RunStatus
from integrations_pipeline.store.failures import retry_failures
from integrations_pipeline.store.waiting import FAILURES, Choice
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers

REQUIRED = {"tag": "CITY", "name": "City", "type": "text", "required": True}


def forgotten(tenant: Subscribers) -> dict[str, Any]:
    """Somebody who was deleted for good."""
    (record_id,) = tenant.add_remote(person(90))
    tenant.world.mailchimp.delete_permanently(tenant.list_id, record_id)
    return person(90)


def in_compliance(tenant: Subscribers) -> dict[str, Any]:
    """Somebody who unsubscribed by themselves and was archived."""
    (record_id,) = tenant.add_remote(person(91))
    tenant.unsubscribe(record_id)
    tenant.delete_remote(record_id)
    return person(91)


def fake(tenant: Subscribers) -> dict[str, Any]:
    return {"email": "somebody@example.com", "name": "Fake"}


def no_address(tenant: Subscribers) -> dict[str, Any]:
    return {"email": "no address", "name": "No Address"}


def too_long(tenant: Subscribers) -> dict[str, Any]:
    return person(92, company="x" * 256)


def too_long_name(tenant: Subscribers) -> dict[str, Any]:
    return person(93, name="x" * 300 + " y")


WHO = (forgotten, in_compliance, fake, no_address, too_long, too_long_name)
WORDS = {
    "forgotten": "deleted for good",
    "in_compliance": "archived",
    "fake": "fake or invalid",
    "no_address": "invalid",
    "too_long": "at most 255",
    "too_long_name": "at most 255",
}
RESTORES = pytest.mark.parametrize("restores", [True, False], ids=["status_if_new restores", "only status restores"])


def counts(report: SyncReport) -> tuple[int, int, int]:
    """Created, updated and failed at Mailchimp."""
    result = report.results[0]
    assert result.direction == Direction.TO_EXTERNAL.value
    return result.records_created, result.records_updated, result.records_failed


@RESTORES
@pytest.mark.parametrize("bad", WHO, ids=lambda each: each.__name__.replace("_", " "))
def test_one_refused_contact_among_good_ones_fails_alone(
    world: MailchimpWorld, bad: Callable[[Subscribers], dict[str, Any]], restores: bool
) -> None:
    world.options(status_if_new_restores_archived=restores)
    tenant = world.tenant()
    row = bad(tenant)
    world.clock.advance(3600)
    (contact_id, *good) = tenant.add_local(row, *people(5))
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert counts(report) == (5, 0, 1)
    (failure,) = tenant.journal("failed")
    assert failure["contact_id"] == contact_id
    assert WORDS[bad.__name__] in failure["reason"]
    assert len(report.results[0].errors) == 1
    assert set(tenant.links()) == set(good)
    assert tenant.connection.error_count == 0


def test_a_contact_without_an_email_waits_for_one_and_is_no_failure(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    contact_id, good = tenant.add_local({"name": "Nameless"}, person(1))
    for _ in range(2):
        report = tenant.sync()
        assert report.status is RunStatus.SUCCESS
        assert report.results[0].records_skipped == 1
    assert "email is empty" in tenant.journal("skipped")[0]["reason"]
    assert set(tenant.links()) == {good}
    tenant.edit_local(contact_id, email="found@example.org")
    tenant.sync()
    tenant.assert_in_sync()


def test_all_kinds_of_refusals_in_one_batch_leave_the_others_alone(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    rows = [make(tenant) for make in WHO]
    world.clock.advance(3600)
    bad = tenant.add_local(*rows)
    tenant.add_local(*people(40))
    assert counts(tenant.sync()) == (40, 0, len(WHO))
    assert {row["contact_id"] for row in tenant.journal("failed")} == set(bad)
    for _ in range(2):
        report = tenant.sync()
        assert counts(report) == (0, 0, len(WHO))
        assert not tenant.record_writes()
        assert len(tenant.journal("failed")) == len(WHO)
    # One thing changes: only that one is sent again.
    tenant.edit_local(bad[2], email="real@example.org")
    assert counts(tenant.sync()) == (1, 0, len(WHO) - 1)
    (write,) = tenant.record_writes()
    assert [each["email_address"] for each in write.body["members"]] == ["real@example.org"]


def test_a_required_merge_field_that_is_empty_refuses_only_whom_it_lacks(world: MailchimpWorld) -> None:
    mapping = {"name": "FNAME+LNAME", "company": "COMPANY", "custom_fields.city": "CITY"}
    fields = ("COMPANY", REQUIRED)
    tenant = world.tenant(extra_fields=fields, field_mapping=mapping, skip_merge_validation=False)
    bad, good = tenant.add_local(person(1), person(2, **{"custom_fields.city": "Oslo"}))
    assert counts(tenant.sync()) == (1, 0, 1)
    assert "CITY is required and empty" in tenant.journal("failed")[0]["reason"]
    tenant.edit_local(good, **{"custom_fields.city": ""})
    assert counts(tenant.sync()) == (0, 0, 2)
    assert tenant.sync().results[0].records_failed == 2
    assert not tenant.record_writes()
    tenant.edit_local(bad, **{"custom_fields.city": "Bergen"})
    tenant.edit_local(good, **{"custom_fields.city": "Oslo"})
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


@pytest.mark.parametrize("how_many", [1, 30], ids=["alone", "among others"])
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("phone", "12", "PHONE does not take this value"),
        ("email", "somebody@example.com", "fake or invalid"),
        ("email", "nobody", "invalid"),
        ("email", "", "without an e-mail"),
        ("custom_fields.site", "no address", "SITE does not take this value"),
    ],
)
def test_a_refused_update_fails_alone_until_the_record_changes(
    world: MailchimpWorld, name: str, value: str, words: str, how_many: int
) -> None:
    site = {"tag": "SITE", "name": "Site", "type": "url"}
    mapping = {"name": "FNAME+LNAME", "phone": "PHONE", "company": "COMPANY", "custom_fields.site": "SITE"}
    tenant = world.tenant(extra_fields=("COMPANY", site), field_mapping=mapping)
    world.mailchimp.change_merge_field(tenant.list_id, "PHONE", options={"phone_format": "US"})
    records = tenant.add_remote(*people(how_many))
    tenant.sync()
    bad, *good = (tenant.contact_of(record) for record in records)
    tenant.edit_local(bad, **{name: value})
    for contact_id in good:
        tenant.edit_local(contact_id, company="Acme")
    assert counts(tenant.sync()) == (0, how_many - 1, 1)
    assert words in tenant.journal("failed")[0]["reason"]
    for _ in range(2):
        assert counts(tenant.sync()) == (0, 0, 1)
        assert not tenant.record_writes()
        assert tenant.local()[bad].get(name, "") == value
    # It changes at Mailchimp, in another field: that comes here, and the refused one is refused still.
    tenant.edit_remote(records[0], company="Theirs")
    tenant.sync()
    assert tenant.local()[bad]["company"] == "Theirs"
    assert tenant.local()[bad].get(name, "") == value
    # It changes here.
    tenant.edit_local(bad, **{name: "good@example.org" if name == "email" else ""})
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


def test_a_refused_update_is_tried_again_when_a_person_says_so(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    world.mailchimp.change_merge_field(tenant.list_id, "PHONE", options={"phone_format": "US"})
    (record,) = tenant.add_remote(person(1))
    tenant.sync()
    tenant.edit_local(tenant.contact_of(record), phone="+47 22 00 00 00")
    assert counts(tenant.sync()) == (0, 0, 1)
    world.mailchimp.change_merge_field(tenant.list_id, "PHONE", options={"phone_format": "none"})
    assert counts(tenant.sync()) == (0, 0, 1)
    assert not tenant.record_writes()
    with world.database.workspace(tenant.workspace_id) as connection:
        choice = Choice(kinds=FAILURES, is_all=True)
        assert len(retry_failures(connection, tenant.workspace_id, choice, "ann", "").done) == 1
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


def test_an_address_that_signed_up_too_often_lately_is_tried_again_by_itself(world: MailchimpWorld) -> None:
    world.options(busy_addresses=("person1@example.org",))
    tenant = world.tenant(status_if_new="subscribed")
    tenant.add_local(person(1), person(2))
    assert counts(tenant.sync()) == (1, 0, 1)
    assert "too many lists" in tenant.journal("failed")[0]["reason"]
    world.options(busy_addresses=())
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


def test_a_forgotten_person_who_signs_up_again_is_linked(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    row = forgotten(tenant)
    (contact_id,) = tenant.add_local(row)
    tenant.sync()
    assert len(tenant.journal("failed")) == 1
    (record_id,) = tenant.add_remote({**row, "company": "Back"}, by="person")
    assert tenant.sync().status is RunStatus.SUCCESS
    assert tenant.links() == {contact_id: record_id}
    assert tenant.local()[contact_id]["company"] == "Back"
    assert not tenant.journal("failed")


def test_a_refused_delete_is_told_and_done_once_it_can_be(world: MailchimpWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    pending, bounced, *_ = tenant.add_remote(*people(4), status="pending")
    world.mailchimp.clean(tenant.list_id, bounced)
    tenant.sync()
    tenant.delete_local(tenant.contact_of(pending), tenant.contact_of(bounced))
    for runs in range(3):
        assert counts(tenant.sync())[2] == 2
        assert bool(tenant.record_writes()) is (runs == 0)
    world.mailchimp.confirm(tenant.list_id, pending)
    report = tenant.sync()
    assert report.results[0].records_deleted == 1
    assert tenant.status(pending) == "archived"
    assert tenant.status(bounced) == "cleaned"
    assert len(tenant.local()) == 2


def test_runs_with_nothing_but_old_refusals_cost_no_more_than_quiet_ones(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    tenant.add_remote(*people(22))
    tenant.sync()
    for contact_id in sorted(tenant.local())[:20]:
        tenant.edit_local(contact_id, email=f"{contact_id}@example.com")
    tenant.sync()
    for _ in range(2):
        tenant.sync()
    assert len(tenant.calls()) <= 3
