"""Who is who when e-mails change: a member is its contact id, and an e-mail belongs to one member for ever."""

from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline.providers.mailchimp.wire import TAKEN
from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers

NEW = "new@example.org"
RICH: dict[str, Any] = {"phone": "+47", "company": "Acme", "tags": ["a", "b"]}


def linked(world: MailchimpWorld, status: str = "subscribed", **settings: Any) -> tuple[Subscribers, str, str]:
    """A tenant with one person on both sides; contact id and record id."""
    tenant = world.tenant(**settings)
    (record_id,) = tenant.add_remote(person(1, **RICH), status=status)
    tenant.sync()
    return tenant, tenant.contact_of(record_id), record_id


def assert_settled(tenant: Subscribers) -> None:
    tenant.assert_in_sync()
    tenant.assert_quiet()
    assert not tenant.sync(is_full=True).plan.changes


@pytest.mark.parametrize("status", ["subscribed", "transactional", "unsubscribed", "pending", "cleaned"])
def test_an_email_changed_at_mailchimp_is_an_update_here(world: MailchimpWorld, status: str) -> None:
    tenant, contact_id, record_id = linked(world, status)
    tenant.edit_remote(record_id, email=NEW)
    report = tenant.sync()
    assert report.results[1].records_updated == 1
    assert tenant.local()[contact_id]["email"] == NEW
    assert tenant.links() == {contact_id: record_id}
    assert not tenant.record_writes()
    assert_settled(tenant)


@pytest.mark.parametrize("fields", [{}, {"company": "Other", "tags": ["b", "c"]}], ids=["alone", "with others"])
def test_an_email_changed_here_keeps_a_subscribed_member(world: MailchimpWorld, fields: dict[str, str]) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, email=NEW, **fields)
    tenant.sync()
    assert tenant.links() == {contact_id: record_id}
    assert tenant.emails() == [NEW]
    assert tenant.status(record_id) == "subscribed"
    assert_settled(tenant)


@pytest.mark.parametrize("fields", [{}, {"company": "Other", "tags": ["b", "c"]}], ids=["alone", "with others"])
@pytest.mark.parametrize(("status", "then"), [("transactional", "transactional"), ("unsubscribed", "unsubscribed")])
def test_whoever_is_not_subscribed_gets_a_member_for_a_new_email(
    world: MailchimpWorld, status: str, then: str, fields: dict[str, str]
) -> None:
    tenant, contact_id, old = linked(world, status)
    tenant.edit_local(contact_id, email=NEW, **fields)
    tenant.sync()
    new = tenant.record_of(contact_id)
    assert new != old
    assert (tenant.status(old), tenant.status(new)) == ("archived", then)
    assert set(tenant.tags_of(new)) == set(fields.get("tags", RICH["tags"]))
    assert tenant.member(new).values["PHONE"] == "+47"
    assert tenant.emails() == [NEW]
    assert_settled(tenant)


def test_a_bounced_member_stays_beside_the_one_for_the_new_email(world: MailchimpWorld) -> None:
    """It cannot be archived, and nobody can be mailed there; whether the new one may be is not ours to say."""
    tenant, contact_id, old = linked(world, "cleaned")
    tenant.edit_local(contact_id, email=NEW)
    tenant.sync()
    assert tenant.status(tenant.record_of(contact_id)) == "unsubscribed"
    assert tenant.status(old) == "cleaned"
    assert tenant.is_out(contact_id)
    tenant.sync()
    assert len(tenant.local()) == 1


@pytest.mark.xfail(strict=True, reason="Mailchimp archives nobody who bounced: a full read takes the old one for news")
def test_a_bounced_member_left_behind_is_no_new_contact(world: MailchimpWorld) -> None:
    tenant, contact_id, _ = linked(world, "cleaned")
    tenant.edit_local(contact_id, email=NEW)
    tenant.sync()
    tenant.sync(is_full=True)
    assert len(tenant.local()) == 1


def test_an_unconfirmed_members_email_changes_once_it_is_confirmed(world: MailchimpWorld) -> None:
    tenant, contact_id, record_id = linked(world, "pending")
    tenant.edit_local(contact_id, email=NEW)
    for _ in range(2):
        report = tenant.sync()
        assert report.status is RunStatus.PARTIAL
        assert "not confirmed" in tenant.journal("failed")[0]["reason"]
    world.mailchimp.confirm(tenant.list_id, record_id)
    tenant.sync()
    assert tenant.emails() == [NEW]
    assert_settled(tenant)


def test_an_email_changed_on_both_sides_is_a_conflict_and_nobody_is_doubled(world: MailchimpWorld) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, email=NEW)
    world.clock.advance(60)
    tenant.edit_remote(record_id, email="theirs@example.org")
    tenant.sync()
    assert tenant.local()[contact_id]["email"] == "theirs@example.org"
    (row,) = tenant.conflicts("applied")
    assert row["conflict"]["fields"]["email"]["local"] == NEW
    assert_settled(tenant)


# Somebody else has it


@pytest.mark.parametrize("status", ["subscribed", "transactional", "archived"])
def test_an_email_that_another_member_has_is_refused_alone_until_that_one_is_gone(
    world: MailchimpWorld, status: str
) -> None:
    tenant, contact_id, _ = linked(world)
    # Not in the workspace: the sync must not see it as a duplicate first.
    (other,) = tenant.add_remote({"email": "gone@example.org", "name": "Other"}, status="subscribed")
    tenant.sync()
    world.mailchimp.change_email(tenant.list_id, other, "taken@example.org")
    if status == "archived":
        tenant.delete_remote(other)
    good = tenant.add_local(person(2))
    tenant.edit_local(contact_id, email="taken@example.org")
    report = tenant.sync()
    assert report.status is not RunStatus.FAILED
    assert tenant.record_of(good[0])
    assert tenant.local()[contact_id]["email"] == "taken@example.org"
    assert len({row["email"] for row in tenant.remote().values()}) == len(tenant.remote())


def test_emails_that_go_round_in_a_chain_arrive_in_any_order(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    records = tenant.add_remote(*(person(number) for number in range(4)))
    tenant.sync()
    ids = [tenant.contact_of(record) for record in records]
    tenant.edit_local(ids[3], email="free@example.org")
    for number in (2, 1, 0):
        tenant.edit_local(ids[number], email=f"person{number + 1}@example.org")
    for _ in range(4):
        tenant.sync()
    here = {key: row["email"] for key, row in tenant.local().items()}
    assert [here[key] for key in ids] == [
        "person1@example.org", "person2@example.org", "person3@example.org", "free@example.org",
    ]  # fmt: skip
    assert tenant.links() == dict(zip(ids, records, strict=True))
    assert_settled(tenant)


def swap(tenant: Subscribers, ids: list[str]) -> None:
    """Two contacts change e-mails with each other; the workspace itself lets nobody have one twice."""
    first, second = (tenant.local()[key]["email"] for key in ids)
    tenant.edit_local(ids[0], email="between@example.org")
    tenant.edit_local(ids[1], email=first)
    tenant.edit_local(ids[0], email=second)


def test_emails_swapped_here_double_nobody_and_are_told_until_one_is_freed(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    records = tenant.add_remote(*(person(number) for number in range(2)))
    tenant.sync()
    ids = [tenant.contact_of(record) for record in records]
    swap(tenant, ids)
    for _ in range(3):
        assert tenant.sync().status is RunStatus.PARTIAL
        assert len(tenant.journal("failed")) == 2
    assert tenant.links() == dict(zip(ids, records, strict=True))
    assert tenant.emails() == ["person0@example.org", "person1@example.org"]
    tenant.edit_local(ids[0], email="free@example.org")
    for _ in range(3):
        tenant.sync()
    assert tenant.emails() == ["free@example.org", "person0@example.org"]
    assert_settled(tenant)


@pytest.mark.parametrize("status", ["subscribed", "transactional"])
def test_an_email_that_another_member_has_blocks_nothing_else(world: MailchimpWorld, status: str) -> None:
    tenant = world.tenant()
    records = tenant.add_remote(*(person(number) for number in range(2)), status=status)
    tenant.sync()
    ids = [tenant.contact_of(record) for record in records]
    swap(tenant, ids)
    tenant.edit_local(ids[0], name="Ann Lee", tags=["met"])
    for _ in range(2):
        report = tenant.sync()
        assert report.status is RunStatus.PARTIAL
        assert any(TAKEN in each for each in report.results[0].errors)
    row = tenant.remote()[records[0]]
    assert (row["name"], row["tags"], row["email"]) == ("Ann Lee", "met", "person0@example.org")
    assert tenant.emails() == ["person0@example.org", "person1@example.org"]
    assert tenant.local()[ids[0]]["email"] == "person1@example.org"
    if status == "subscribed":  # what is left behind by the others is an archived member, who keeps the address
        tenant.edit_local(ids[1], email="free@example.org")
        for _ in range(3):
            tenant.sync()
        assert tenant.emails() == ["free@example.org", "person1@example.org"]
        assert_settled(tenant)


def test_emails_swapped_at_mailchimp_are_swapped_here(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    records = tenant.add_remote(*(person(number) for number in range(2)))
    tenant.sync()
    ids = [tenant.contact_of(record) for record in records]
    for record, email in zip(records, ("between@example.org", "person0@example.org"), strict=True):
        tenant.edit_remote(record, email=email)
    tenant.edit_remote(records[0], email="person1@example.org")
    assert tenant.sync().status is RunStatus.SUCCESS
    assert [tenant.local()[key]["email"] for key in ids] == ["person1@example.org", "person0@example.org"]
    assert not tenant.record_writes()
    assert_settled(tenant)


@pytest.mark.parametrize("fields", [{}, {"name": "Ann Lee", "phone": "+47"}], ids=["bare", "with the same data"])
@pytest.mark.parametrize("status", ["subscribed", "transactional"])
def test_the_email_of_a_deleted_double_is_not_taken_from_its_member(
    world: MailchimpWorld, status: str, fields: dict[str, str]
) -> None:
    """Somebody is there twice; one contact is deleted and the other gets its e-mail. The delete is held."""
    tenant = world.tenant()
    kept, double = tenant.add_remote(*({"email": f"{key}@example.org", **fields} for key in "ab"), status=status)
    tenant.sync()
    contact_id, other = tenant.contact_of(kept), tenant.contact_of(double)
    tenant.delete_local(other)
    tenant.edit_local(contact_id, email="b@example.org")
    for _ in range(3):
        assert tenant.sync().status is RunStatus.PARTIAL
        assert tenant.links() == {contact_id: kept, other: double}
        assert (tenant.status(kept), tenant.status(double)) == (status, status)
    world.mailchimp.archive(tenant.list_id, double)
    tenant.edit_local(contact_id, email="c@example.org")
    for _ in range(2):
        tenant.sync()
    assert tenant.emails() == ["c@example.org"]
    assert_settled(tenant)


def test_a_member_renamed_to_a_new_contacts_email_stays_whose_it_is(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    (record_id,) = tenant.add_remote({"email": "a@example.org", "name": "Info"})
    tenant.sync()
    contact_id = tenant.contact_of(record_id)
    tenant.add_local({"email": NEW, "name": "Info"})
    world.hooks.before_write = lambda: tenant.edit_remote(record_id, email=NEW)
    for _ in range(3):
        assert tenant.sync().status is not RunStatus.FAILED
    assert tenant.links() == {contact_id: record_id}
    assert "duplicate e-mail" in tenant.journal("skipped")[0]["reason"]


# Archived and deleted members


@pytest.mark.parametrize("restores", [True, False], ids=["status_if_new restores", "only status restores"])
def test_a_contact_whose_email_is_archived_is_never_a_second_member(world: MailchimpWorld, restores: bool) -> None:
    world.options(status_if_new_restores_archived=restores)
    tenant = world.tenant()
    (record_id,) = tenant.add_remote(person(1))
    tenant.delete_remote(record_id)
    world.clock.advance(3600)
    contact_id, good = tenant.add_local(person(1, company="Acme"), person(2))
    for _ in range(2):
        tenant.sync()
    assert tenant.record_of(good)
    assert [each.email_address for each in tenant.audience.members.values()].count("person1@example.org") == 1
    if contact_id not in tenant.links():
        assert "archived" in tenant.journal("failed")[0]["reason"]
        world.mailchimp.unarchive(tenant.list_id, record_id)
        tenant.sync()
    assert tenant.record_of(contact_id) == record_id
    assert_settled(tenant)


def test_a_member_deleted_for_good_and_signed_up_again_is_the_same_person(world: MailchimpWorld) -> None:
    tenant, contact_id, old = linked(world, **NO_LIMIT)
    world.mailchimp.delete_permanently(tenant.list_id, old)
    (new,) = tenant.add_remote(person(1, company="Later"), by="person")
    tenant.sync(is_full=True)
    assert tenant.links() == {contact_id: new}
    assert tenant.local()[contact_id]["company"] == "Later"
    assert_settled(tenant)


def test_a_member_that_took_over_anothers_email_is_not_overwritten(world: MailchimpWorld) -> None:
    """Two members exchange addresses between our look and our write; a batch goes by address."""
    tenant = world.tenant()
    records = tenant.add_remote(*(person(number, company="Base") for number in range(3)))
    tenant.sync()
    ids = [tenant.contact_of(record) for record in records]
    for number, contact_id in enumerate(ids):
        tenant.edit_local(contact_id, phone=f"+{number}")

    def move() -> None:
        tenant.edit_remote(records[0], email="elsewhere@example.org")

    world.hooks.before_write = move
    for _ in range(3):
        tenant.sync()
    assert len(tenant.remote()) == len(tenant.local()) == 3
    assert tenant.links() == dict(zip(ids, records, strict=True))
    assert [tenant.member(record).values["PHONE"] for record in records] == ["+0", "+1", "+2"]
    assert_settled(tenant)
