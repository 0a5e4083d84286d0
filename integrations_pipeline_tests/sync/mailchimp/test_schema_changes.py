"""What becomes of values when an admin changes the merge fields of an audience, and what its answers show."""

from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers
from integrations_sandbox import FaultRule

MAPPING = {"name": "FNAME+LNAME", "company": "COMPANY", "custom_fields.city": "CITY"}
BIRTHDAY = {"tag": "BORN", "name": "Born", "type": "date", "required": False}


def synced(world: MailchimpWorld, count: int = 5, **settings: Any) -> Subscribers:
    tenant = world.tenant(extra_fields=("COMPANY", "CITY"), field_mapping=MAPPING, **settings)
    rows = (person(n, company=f"Firm {n}", **{"custom_fields.city": f"City {n}"}) for n in range(count))
    tenant.add_local(*rows)
    tenant.sync()
    tenant.assert_in_sync()
    return tenant


def held(tenant: Subscribers, name: str) -> set[str]:
    return {row.get(name, "") for row in tenant.local().values()}


def one_record(tenant: Subscribers) -> str:
    return sorted(tenant.remote())[0]


def spoil(kind: str, world: MailchimpWorld, tenant: Subscribers) -> None:
    if kind == "deleted":
        world.mailchimp.delete_merge_field(tenant.list_id, "COMPANY")
    else:
        world.mailchimp.change_merge_field(tenant.list_id, "COMPANY", type=kind)


@pytest.mark.parametrize("is_full", [True, False], ids=["full", "incremental"])
@pytest.mark.parametrize("kind", ["deleted", "number", "date", "address"])
def test_a_merge_field_that_no_longer_holds_its_field_moves_no_value_and_is_told_once(
    world: MailchimpWorld, kind: str, is_full: bool
) -> None:
    tenant = synced(world)
    before = held(tenant, "company")
    spoil(kind, world, tenant)
    tenant.edit_remote(one_record(tenant), FNAME="Renamed")
    report = tenant.sync(is_full=is_full)
    assert report.status is RunStatus.PARTIAL
    assert set(report.stopped_fields) == {"company"}
    assert held(tenant, "company") == before
    assert any("Renamed" in name for name in held(tenant, "name")), "everything else goes on"
    again = tenant.sync(is_full=True)
    assert (again.status, set(again.stopped_fields)) == (RunStatus.SUCCESS, {"company"})
    assert held(tenant, "company") == before


def test_a_renamed_merge_field_is_followed_in_both_directions(world: MailchimpWorld) -> None:
    tenant = synced(world)
    world.mailchimp.change_merge_field(tenant.list_id, "COMPANY", tag="FIRMA")
    record = next(key for key, row in tenant.remote().items() if row["name"] == "Person 1")
    tenant.edit_remote(record, FIRMA="Edited there")
    assert tenant.sync().status is RunStatus.SUCCESS
    assert "Edited there" in held(tenant, "company"), "also where nothing else changed"
    contact = next(key for key, row in tenant.local().items() if row["company"] == "Firm 4")
    tenant.edit_local(contact, company="Edited here")
    assert tenant.sync().status is RunStatus.SUCCESS
    assert {"Edited there", "Edited here"} < held(tenant, "company")
    members = {member.values["FIRMA"] for member in tenant.audience.members.values()}
    assert members == held(tenant, "company")
    assert not tenant.sync(is_full=True).stopped_fields
    assert not tenant.record_writes()


@pytest.mark.parametrize("is_full", [True, False], ids=["full", "incremental"])
def test_two_merge_fields_that_swap_their_tags_do_not_swap_their_values(world: MailchimpWorld, is_full: bool) -> None:
    tenant = synced(world)
    before = (held(tenant, "company"), held(tenant, "custom_fields.city"))
    world.mailchimp.swap_merge_tags(tenant.list_id, "COMPANY", "CITY")
    tenant.edit_remote(one_record(tenant), FNAME="Renamed")
    assert tenant.sync(is_full=is_full).status is RunStatus.SUCCESS
    assert (held(tenant, "company"), held(tenant, "custom_fields.city")) == before
    tenant.sync(is_full=True)
    assert not tenant.record_writes()


def test_half_of_a_joined_field_that_is_gone_stops_it_whole(world: MailchimpWorld) -> None:
    tenant = synced(world)
    before = held(tenant, "name")
    world.mailchimp.delete_merge_field(tenant.list_id, "LNAME")
    tenant.edit_remote(one_record(tenant), COMPANY="Edited there")
    assert set(tenant.sync().stopped_fields) == {"name"}
    assert held(tenant, "name") == before
    assert "Edited there" in held(tenant, "company")


@pytest.mark.parametrize("rule", [{}, {"drops_key": True}], ids=["no merge fields in it", "no key"])
@pytest.mark.parametrize("is_full", [True, False], ids=["full", "incremental"])
def test_members_without_merge_fields_are_a_fault_of_the_read(
    world: MailchimpWorld, rule: dict[str, Any], is_full: bool
) -> None:
    tenant = synced(world)
    before = tenant.local()
    world.mailchimp.add_fault(FaultRule(action="blank_values", times=-1, **rule))
    tenant.edit_remote(one_record(tenant), FNAME="Renamed")
    assert tenant.sync(is_full=is_full).status is RunStatus.FAILED
    assert tenant.local() == before
    world.server.stage.faults.clear()
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


@pytest.mark.parametrize("is_full", [True, False], ids=["full", "incremental"])
def test_a_tag_that_is_missing_in_an_answer_changes_nothing(world: MailchimpWorld, is_full: bool) -> None:
    tenant = synced(world)
    before = held(tenant, "company")
    world.mailchimp.add_fault(FaultRule(action="blank_values", names=("COMPANY",), times=-1))
    tenant.edit_remote(one_record(tenant), FNAME="Renamed")
    contact = next(key for key, row in tenant.local().items() if row["company"] == "Firm 4")
    tenant.edit_local(contact, company="Edited here")
    report = tenant.sync(is_full=is_full)
    assert report.status is RunStatus.FAILED
    assert "without the merge field COMPANY" in report.error
    assert held(tenant, "company") - {"Edited here"} == before - {"Firm 4"}
    world.server.stage.faults.clear()
    tenant.sync(is_full=True)
    tenant.assert_in_sync()
    assert "Edited here" in held(tenant, "company")


def test_a_column_of_the_default_mapping_that_never_was_there_is_left_out(world: MailchimpWorld) -> None:
    tenant = world.tenant(extra_fields=())
    tenant.add_local(person(1, company="Acme"))
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    assert set(report.stopped_fields) == {"company"}
    assert held(tenant, "company") == {"Acme"}
    world.mailchimp.create_merge_field(tenant.list_id, "COMPANY")
    tenant.sync(is_full=True)
    assert not tenant.sync(is_full=True).stopped_fields
    assert {member.values["COMPANY"] for member in tenant.audience.members.values()} == {"Acme"}


@pytest.mark.parametrize("how", ["updated", "exists"], ids=["among the updated", "exists"])
def test_a_create_that_meets_an_archived_member_fails_and_deletes_nobody(world: MailchimpWorld, how: str) -> None:
    tenant = world.tenant(**NO_LIMIT)
    (record,) = tenant.add_remote(person(1))
    tenant.delete_remote(record)
    world.options(bulk_archived=how)
    (contact, *_) = tenant.add_local(person(1), person(2), person(3))
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert report.results[0].records_created == 2
    assert "archived" in report.results[0].errors[0]
    for is_full in (False, True):
        tenant.sync(is_full=is_full)
        assert contact in tenant.local(), "nobody is deleted here for it"
        assert tenant.status(record) == "archived"


@pytest.mark.parametrize("how", ["leave_out", "keep_old", "cut"])
@pytest.mark.parametrize("count", [1, 4], ids=["alone", "in a batch"])
def test_a_merge_value_that_was_not_taken_fails_and_is_lost_on_neither_side(
    world: MailchimpWorld, how: str, count: int
) -> None:
    tenant = synced(world)
    rule: dict[str, Any] = {"how": how, "length": 4} if how == "cut" else {"how": how}
    world.mailchimp.add_fault(FaultRule(action="alter_written", names=("COMPANY",), times=1, **rule))
    chosen = sorted(tenant.local())[:count]
    for contact in chosen:
        tenant.edit_local(contact, company=f"Quite new {contact[:8]}")
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert "merge field COMPANY did not take the value" in report.results[0].errors[0]
    old = {member.values["COMPANY"] for member in tenant.audience.members.values()}
    assert old == {f"Firm {n}" for n in range(5)}, "the old values are there"
    assert sum(value.startswith("Quite new") for value in held(tenant, "company")) == count


def test_a_date_in_another_form_is_agreed_at_once_without_an_echo(world: MailchimpWorld) -> None:
    mapping = {"name": "FNAME+LNAME", "custom_fields.born": "BORN"}
    tenant = world.tenant(extra_fields=(BIRTHDAY,), field_mapping=mapping)
    tenant.add_local(person(1, **{"custom_fields.born": "12/31/1999"}))
    tenant.sync()
    assert held(tenant, "custom_fields.born") == {"1999-12-31"}
    tenant.sync(is_full=True)
    assert not tenant.record_writes()


NOT_ARCHIVED = (
    pytest.param({"action": "reshape", "shape": "object", "applies": False}, id="an empty object"),
    pytest.param({"action": "reshape", "shape": "list", "applies": False}, id="an empty list"),
    pytest.param({"action": "status", "status": 404, "html": "<h1>Not found</h1>"}, id="404 of a gateway"),
    pytest.param({"action": "status", "status": 404, "body": {"detail": "Not Found"}}, id="404 of the route"),
)


@pytest.mark.parametrize("rule", NOT_ARCHIVED)
def test_a_delete_counts_as_done_only_if_the_member_is_archived(world: MailchimpWorld, rule: dict[str, Any]) -> None:
    tenant = synced(world, **NO_LIMIT)
    contact = sorted(tenant.local())[0]
    world.mailchimp.add_fault(FaultRule(method="DELETE", path_regex="/members/", times=-1, **rule))
    tenant.delete_local(contact)
    report = tenant.sync()
    assert report.results[0].records_deleted == 0
    assert len(tenant.remote()) == 5
    world.server.stage.faults.clear()
    tenant.sync()
    assert len(tenant.remote()) == 4


def test_a_status_that_nobody_knows_is_told_and_is_no_consent(world: MailchimpWorld) -> None:
    tenant = synced(world)
    record = one_record(tenant)
    member = tenant.member(record)
    member.status = "snoozed"
    tenant.edit_remote(record, FNAME="Renamed")
    report = tenant.sync()
    assert any('"snoozed"' in notice for notice in report.notices)
    assert any("Renamed" in name for name in held(tenant, "name"))
