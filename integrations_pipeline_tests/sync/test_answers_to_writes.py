"""What we wrote is what is there, or both sides know better: every answer to a write is read."""

from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World

MAPPING = {"name": "Name", "email": "Email", "company": "Company", "custom_fields.birthday": "Birthday"}
OLD = "1970-01-31"


def born(world: World, kind: str = "date", options: dict[str, Any] | None = None, **settings: Any) -> Tenant:
    """A tenant whose table has a typed column besides."""
    tenant = world.tenant(field_mapping=MAPPING, **settings)
    given = options or {"dateFormat": {"name": "iso"}}
    world.airtable.create_field(tenant.base_id, TABLE, {"name": "Birthday", "type": kind, "options": given})
    return tenant


def with_one(tenant: Tenant, birthday: str = OLD) -> str:
    (contact,) = tenant.add_local({"email": "a@example.org", "name": "Ann", "custom_fields.birthday": birthday})
    tenant.sync()
    return contact


def cell(tenant: Tenant, column: str = "Birthday") -> Any:
    (record,) = tenant.world.airtable.records(tenant.base_id, TABLE)
    return record["fields"].get(column)


def here(tenant: Tenant, contact: str) -> str:
    return tenant.local()[contact].get("custom_fields.birthday", "")


UNREADABLE = ("31.12.1999", "next week", "12/31/1999", "1999-13-01", "1999-02-30", "31 December", "1999")


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_text_that_is_no_date_empties_no_cell_and_is_not_lost_here(world: World, text: str) -> None:
    tenant = born(world)
    contact = with_one(tenant)
    tenant.edit_local(contact, **{"custom_fields.birthday": text})
    for _ in range(2):
        report = tenant.sync()
        assert report.status is RunStatus.PARTIAL
        assert 'column "Birthday" holds dates' in report.results[0].errors[0]
        assert (cell(tenant), here(tenant, contact)) == (OLD, text)
    tenant.edit_local(contact, **{"custom_fields.birthday": "1999-12-31"})
    assert tenant.sync().status is RunStatus.SUCCESS
    assert cell(tenant) == "1999-12-31"


@pytest.mark.parametrize(
    ("kind", "options", "sent", "agreed"),
    [
        ("date", {"dateFormat": {"name": "iso"}}, "1999-1-5", "1999-01-05"),
        ("date", {"dateFormat": {"name": "iso"}}, "1999/12/31", "1999-12-31"),
        ("number", {"precision": 2}, "3.50", "3.5"),
        (
            "dateTime",
            {"dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}, "timeZone": "utc"},
            "1999-12-31T10:00:00+02:00",
            "1999-12-31T08:00:00.000Z",
        ),
        ("singleLineText", {}, "  spaced  ", "  spaced  "),
    ],
)
@pytest.mark.parametrize("is_create", [True, False], ids=["create", "update"])
def test_another_way_of_writing_a_value_is_agreed_at_once_without_an_echo(
    world: World, kind: str, options: dict[str, Any], sent: str, agreed: str, is_create: bool
) -> None:
    tenant = born(world, kind, options)
    contact = with_one(tenant, sent if is_create else "")
    if not is_create:
        tenant.edit_local(contact, **{"custom_fields.birthday": sent})
        tenant.sync()
    assert here(tenant, contact) == agreed
    tenant.sync(is_full=True)
    assert not tenant.record_writes()
    assert here(tenant, contact) == agreed
    tenant.assert_quiet()


@pytest.mark.parametrize("how", ["leave_out", "keep_old", "cut"], ids=["emptied", "ignored", "cut"])
def test_a_value_that_was_not_taken_fails_its_record_and_is_lost_on_neither_side(world: World, how: str) -> None:
    tenant = world.tenant(field_mapping=MAPPING | {"custom_fields.birthday": "Phone"})
    good, bad = tenant.add_local(
        {"email": "a@example.org", "name": "Ann", "company": "Old Firm"},
        {"email": "b@example.org", "name": "Bo", "company": "Bo's Firm"},
    )
    tenant.sync()
    length = {"length": 5} if how == "cut" else {}
    world.fault("alter_written", how=how, names=["Company"], times=1, method="PATCH", **length)
    tenant.edit_local(good, company="A Quite New Firm")
    tenant.edit_local(bad, name="Robert")
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert 'column "Company" did not take the value' in report.results[0].errors[0]
    (record,) = [each for each in world.airtable.records(tenant.base_id, TABLE) if each["fields"]["Name"] == "Ann"]
    assert record["fields"]["Company"] == "Old Firm", "the old value is there"
    assert tenant.local()[good]["company"] == "A Quite New Firm", "and the new one here"
    assert "Robert" in {row["name"] for row in tenant.remote().values()}, "the other record went through"
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


def test_a_new_record_that_lacks_a_value_is_made_once_and_told(world: World) -> None:
    tenant = world.tenant(field_mapping=MAPPING | {"custom_fields.birthday": "Phone"})
    tenant.add_local({"email": "a@example.org", "name": "Ann", "company": "Firm"})
    world.fault("alter_written", how="leave_out", names=["Company"], times=1)
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert report.results[0].records_failed == 1
    assert 'column "Company" of the new record did not take the value' in report.results[0].errors[0]
    assert len(tenant.remote()) == 1
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()
    assert len(tenant.remote()) == 1


def test_an_answer_without_values_is_no_answer(world: World) -> None:
    tenant = world.tenant(field_mapping=MAPPING | {"custom_fields.birthday": "Phone"})
    (contact,) = tenant.add_local({"email": "a@example.org", "name": "Ann", "company": "Firm"})
    tenant.sync()
    tenant.edit_local(contact, company="New")
    world.fault("blank_values", times=1, method="PATCH")
    assert tenant.sync().status is RunStatus.PARTIAL
    assert tenant.local()[contact]["company"] == "New"
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


NOT_DELETED = (
    pytest.param({"action": "reshape", "shape": "object", "applies": False}, id="an empty object"),
    pytest.param({"action": "reshape", "shape": "list", "applies": False}, id="an empty list"),
    pytest.param({"action": "deny_delete"}, id="deleted is false"),
    pytest.param({"action": "status", "status": 404, "body": {"error": "NOT_FOUND"}}, id="404 of the route"),
    pytest.param({"action": "status", "status": 404, "html": "<h1>Not found</h1>"}, id="404 of a gateway"),
)


@pytest.mark.parametrize("rule", NOT_DELETED)
@pytest.mark.parametrize("count", [1, 3])
def test_a_delete_counts_as_done_only_if_the_answer_says_so(world: World, rule: dict[str, Any], count: int) -> None:
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    contacts = tenant.add_local(*({"email": f"p{n}@example.org", "name": f"P {n}"} for n in range(6)))
    tenant.sync()
    world.fault(times=-1, method="DELETE", **rule)
    tenant.delete_local(*contacts[:count])
    report = tenant.sync()
    assert report.status is not RunStatus.SUCCESS
    assert len(tenant.remote()) == 6
    assert report.results[0].records_deleted == 0
    world.server.stage.faults.clear()
    tenant.sync()
    assert len(tenant.remote()) == 6 - count
    assert len(tenant.local()) == 6 - count
    tenant.assert_quiet()


def test_a_delete_whose_record_is_gone_already_is_done(world: World) -> None:
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    first, _ = tenant.add_local(*({"email": f"p{n}@example.org", "name": f"P {n}"} for n in range(2)))
    tenant.sync()
    record_id = tenant.record_of(first)
    tenant.delete_local(first)
    world.hooks.before_write = lambda: tenant.delete_remote(record_id)
    world.fault("status", status=422, method="DELETE", times=1, body={"error": {"type": "ROW_DOES_NOT_EXIST"}})
    assert tenant.sync().results[0].records_deleted == 1
