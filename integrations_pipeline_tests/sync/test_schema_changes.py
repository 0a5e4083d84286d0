"""What becomes of values when somebody changes the columns of a table: a field stops, the values stay."""

from collections.abc import Mapping
from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World

COMPUTED = ("formula", "rollup", "multipleLookupValues", "count")
MAPPING = {"name": "Name", "email": "Email", "company": "Company", "phone": "Phone"}


def person(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "email": f"p{number}@example.org",
        "name": f"Person {number}",
        "company": f"Firm {number}",
        "phone": f"+44 20 {number}",
        **fields,
    }


def synced(world: World, count: int = 4, **settings: Any) -> Tenant:
    tenant = world.tenant(field_mapping=MAPPING, **settings)
    tenant.add_local(*(person(number) for number in range(count)))
    tenant.sync()
    tenant.assert_in_sync()
    return tenant


def record_named(tenant: Tenant, name: str) -> str:
    return next(key for key, fields in tenant.remote().items() if fields.get("name") == name)


def companies(tenant: Tenant) -> set[str]:
    return {row.get("company", "") for row in tenant.local().values()}


def spoil(kind: str, world: World, tenant: Tenant) -> None:
    """Somebody changes the column Company so that it no longer holds what it held."""
    base = tenant.base_id
    if kind == "deleted":
        world.airtable.delete_field(base, TABLE, "Company")
    elif kind == "becomes a number":
        world.airtable.change_field_type(base, TABLE, "Company", "number", {"precision": 0})
    elif kind == "becomes a date":
        world.airtable.change_field_type(base, TABLE, "Company", "date", {"dateFormat": {"name": "iso"}})
    elif kind == "becomes a checkbox":
        world.airtable.change_field_type(base, TABLE, "Company", "checkbox", {"icon": "check", "color": "greenBright"})
    else:
        world.airtable.change_field_type(base, TABLE, "Company", "formula", {"formula": "{Name}"})


SPOILT = ("deleted", "becomes a number", "becomes a date", "becomes a checkbox", "becomes a formula")


@pytest.mark.parametrize("has_feed", [True, False], ids=["feed", "no feed"])
@pytest.mark.parametrize("kind", SPOILT)
def test_a_column_that_no_longer_holds_its_field_moves_no_value_and_is_told_once(
    world: World, kind: str, has_feed: bool
) -> None:
    if not has_feed:
        world.forbid_webhooks()
    tenant = synced(world)
    before = companies(tenant)
    spoil(kind, world, tenant)
    tenant.edit_remote(record_named(tenant, "Person 1"), name="Renamed")
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert set(report.stopped_fields) == {"company"}
    assert companies(tenant) == before, "no value moved"
    assert "Renamed" in {row["name"] for row in tenant.local().values()}, "everything else goes on"
    told = tenant.rows("select error_message from integration_activity where action = 'field_stopped'")
    assert len(told) == 1
    again = tenant.sync(is_full=True)
    assert again.status is RunStatus.SUCCESS
    assert set(again.stopped_fields) == {"company"}, "it stays visible"
    assert companies(tenant) == before
    assert len(tenant.rows("select 1 from integration_activity where action = 'field_stopped'")) == 1


@pytest.mark.parametrize("kind", COMPUTED)
def test_a_field_that_only_comes_in_stops_too_when_its_column_begins_to_compute(world: World, kind: str) -> None:
    tenant = synced(world)
    tenant.map_one_way("company", "Company", "from_external")
    tenant.sync()
    before = companies(tenant)
    world.airtable.change_field_type(tenant.base_id, TABLE, "Company", "formula", {"formula": "{Name}"})
    tenant.edit_remote(record_named(tenant, "Person 1"), name="Renamed")
    assert set(tenant.sync().stopped_fields) == {"company"}
    assert companies(tenant) == before


def test_a_person_who_maps_the_field_anew_has_decided(world: World) -> None:
    tenant = synced(world)
    spoil("becomes a formula", world, tenant)
    tenant.edit_remote(record_named(tenant, "Person 1"), phone="1")
    tenant.sync()
    tenant.map_one_way("company", "Company", "from_external")
    report = tenant.sync()
    assert not report.stopped_fields
    assert companies(tenant) == {"Person 0", "Person 1", "Person 2", "Person 3"}


@pytest.mark.parametrize("has_feed", [True, False], ids=["feed", "no feed"])
def test_a_renamed_column_is_followed_in_both_directions(world: World, has_feed: bool) -> None:
    if not has_feed:
        world.forbid_webhooks()
    tenant = synced(world)
    record = record_named(tenant, "Person 1")
    contact = next(key for key, row in tenant.local().items() if row["name"] == "Person 2")
    world.airtable.rename_field(tenant.base_id, TABLE, "Company", "Firma")
    world.airtable.update_record(tenant.base_id, TABLE, record, Firma="Edited there")
    tenant.edit_local(contact, company="Edited here")
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    assert companies(tenant) == {"Firm 0", "Edited there", "Edited here", "Firm 3"}
    held = {each["fields"].get("Firma") for each in world.airtable.records(tenant.base_id, TABLE)}
    assert held == companies(tenant)
    tenant.assert_quiet()


@pytest.mark.parametrize("has_feed", [True, False], ids=["feed", "no feed"])
@pytest.mark.parametrize("count", [4, 230], ids=["small", "large"])
def test_two_columns_that_swap_their_names_do_not_swap_their_values(world: World, has_feed: bool, count: int) -> None:
    if not has_feed:
        world.forbid_webhooks()
    tenant = synced(world, count)
    world.server.stage.clock.advance(600)
    before = tenant.local()
    world.airtable.swap_fields(tenant.base_id, TABLE, "Company", "Phone")
    world.airtable.update_record(tenant.base_id, TABLE, record_named(tenant, "Person 1"), Name="Renamed")
    assert tenant.sync().status is RunStatus.SUCCESS
    after = tenant.local()
    assert {key: row | {"name": ""} for key, row in after.items()} == {
        key: row | {"name": ""} for key, row in before.items()
    }
    tenant.sync(is_full=True)
    assert tenant.local() == after
    there = {each["fields"]["Email"]: each["fields"] for each in world.airtable.records(tenant.base_id, TABLE)}
    for row in after.values():
        cells = there[row["email"]]
        assert (cells["Phone"], cells["Company"]) == (row["company"], row["phone"]), "each kept what it held"


def test_a_column_deleted_and_made_anew_takes_the_values_that_are_here(world: World) -> None:
    tenant = synced(world)
    world.airtable.replace_field(tenant.base_id, TABLE, "Company", {"type": "singleLineText"})
    tenant.edit_remote(record_named(tenant, "Person 1"), name="Renamed")
    tenant.sync()
    tenant.sync(is_full=True)
    assert companies(tenant) == {"Firm 0", "Firm 1", "Firm 2", "Firm 3"}
    tenant.assert_in_sync()


def test_edits_made_on_both_sides_while_a_field_was_stopped_arrive_once_it_goes_on(world: World) -> None:
    tenant = synced(world)
    contacts = {row["name"]: key for key, row in tenant.local().items()}
    records = {name: record_named(tenant, name) for name in contacts}
    spoil("becomes a number", world, tenant)
    tenant.edit_remote(records["Person 0"], name="Renamed")
    tenant.sync()
    tenant.edit_local(contacts["Person 1"], company="Edited here meanwhile")
    tenant.sync()
    assert not any("Edited here" in str(call.body) for call in tenant.calls()), "nothing of a stopped field goes out"
    world.airtable.change_field_type(tenant.base_id, TABLE, "Company", "singleLineText", {})
    for name, record in records.items():
        company = {"Person 2": "Edited there"}.get(name, f"Firm {name[-1]}")
        world.airtable.update_record(tenant.base_id, TABLE, record, Company=company)
    report = tenant.sync()
    assert not report.stopped_fields
    assert companies(tenant) == {"Firm 0", "Edited here meanwhile", "Edited there", "Firm 3"}
    tenant.assert_in_sync()


def test_a_connection_that_is_set_to_stop_as_a_whole_does(world: World) -> None:
    tenant = synced(world, on_schema_change="stop_connection")
    spoil("deleted", world, tenant)
    tenant.edit_remote(record_named(tenant, "Person 1"), name="Renamed")
    report = tenant.sync()
    assert report.status is RunStatus.FAILED
    assert "company is stopped" in report.error
    assert "Renamed" not in {row["name"] for row in tenant.local().values()}


def test_while_the_email_is_stopped_linked_people_go_on_and_nobody_new_is_made(world: World) -> None:
    tenant = synced(world)
    world.airtable.delete_field(tenant.base_id, TABLE, "Email")
    tenant.edit_remote(record_named(tenant, "Person 1"), company="Edited there")
    tenant.add_local(person(50))
    world.airtable.create_records(tenant.base_id, TABLE, [{"Name": "Somebody"}])
    report = tenant.sync()
    assert set(report.stopped_fields) == {"email"}
    assert "Edited there" in companies(tenant)
    assert len(tenant.local()) == 5, "a new record without an e-mail is nobody that could be matched"
    assert not [call for call in tenant.record_writes() if "p50" in str(call.body)]
    assert {row["email"] for row in tenant.local().values()} == {f"p{n}@example.org" for n in (0, 1, 2, 3, 50)}


def test_without_the_schema_scope_a_refused_column_stops_its_field(world: World) -> None:
    tenant = synced(world, 2)
    tenant.token = world.airtable.create_token(scopes=["data.records:read", "data.records:write"]).value
    tenant.configure()
    tenant.sync()
    before = companies(tenant)
    world.airtable.delete_field(tenant.base_id, TABLE, "Company")
    tenant.edit_remote(record_named(tenant, "Person 1"), name="Renamed")
    assert set(tenant.sync(is_full=True).stopped_fields) == {"company"}
    assert companies(tenant) == before
    assert "Renamed" in {row["name"] for row in tenant.local().values()}


@pytest.mark.parametrize("cell", [{"error": "#ERROR!"}, {"specialValue": "NaN"}])
@pytest.mark.parametrize("is_full", [True, False])
def test_a_cell_that_tells_an_error_empties_nothing(world: World, cell: Mapping[str, str], is_full: bool) -> None:
    tenant = world.tenant(field_mapping=MAPPING)
    tenant.map_one_way("company", "Company", "from_external")
    world.airtable.change_field_type(tenant.base_id, TABLE, "Company", "formula", {"formula": "{Phone}"})
    tenant.add_remote(*({"email": f"p{n}@example.org", "name": f"Person {n}", "phone": f"{n}"} for n in range(3)))
    tenant.sync()
    assert companies(tenant) == {"0", "1", "2"}
    world.airtable.set_outputs(tenant.base_id, TABLE, "Company", {"*": dict(cell)})
    tenant.edit_remote(record_named(tenant, "Person 1"), name="Renamed")
    tenant.sync(is_full=is_full)
    assert companies(tenant) == {"0", "1", "2"}
    assert "Renamed" in {row["name"] for row in tenant.local().values()}


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"action": "blank_values"}, id="no cells"),
        pytest.param({"action": "blank_values", "drops_key": True}, id="no fields"),
    ],
)
@pytest.mark.parametrize("is_full", [True, False])
def test_records_without_values_are_a_fault_of_the_read(world: World, rule: dict[str, Any], is_full: bool) -> None:
    world.forbid_webhooks()
    tenant = synced(world)
    before = tenant.local()
    world.fault(times=-1, **rule)
    report = tenant.sync(is_full=is_full)
    assert report.status is RunStatus.FAILED
    assert tenant.local() == before
    world.server.stage.faults.clear()
    tenant.edit_remote(record_named(tenant, "Person 1"), name="Renamed")
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


def test_one_record_that_lost_all_its_values_is_told_and_left_alone(world: World) -> None:
    world.forbid_webhooks()
    tenant = synced(world)
    before = tenant.local()
    record = record_named(tenant, "Person 1")
    shown = {column: None for column in MAPPING.values()}
    world.airtable.update_record(tenant.base_id, TABLE, record, **shown)
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert "without any value" in report.results[1].errors[0]
    assert tenant.local() == before
    world.airtable.update_record(tenant.base_id, TABLE, record, Name="Back", Email="p1@example.org")
    assert tenant.sync().status is RunStatus.SUCCESS
    assert "Back" in {row["name"] for row in tenant.local().values()}


def test_a_quiet_run_does_not_look_at_the_columns(world: World) -> None:
    tenant = synced(world)
    tenant.assert_quiet(most_calls=1)


def test_what_a_column_lost_while_it_was_of_another_type_is_no_edit(world: World) -> None:
    tenant = synced(world)
    spoil("becomes a number", world, tenant)
    tenant.edit_remote(record_named(tenant, "Person 1"), name="Renamed")
    tenant.sync()
    world.airtable.change_field_type(tenant.base_id, TABLE, "Company", "singleLineText", {})
    assert not tenant.sync().stopped_fields
    assert companies(tenant) == {"Firm 0", "Firm 1", "Firm 2", "Firm 3"}, "what Airtable emptied goes back there"
    tenant.assert_in_sync()


def test_a_new_record_that_came_without_values_is_read_once_more(world: World) -> None:
    world.forbid_webhooks()
    tenant = synced(world, 230)
    for _ in range(2):
        world.server.stage.clock.advance(600)
        tenant.sync()
    world.server.stage.clock.advance(600)
    tenant.add_remote(person(500))
    world.fault("blank_values", times=1)
    tenant.sync()
    assert len(tenant.local()) == 230
    tenant.sync()
    assert len(tenant.local()) == 231


def test_an_empty_row_is_read_once_more_and_then_left_alone(world: World) -> None:
    tenant = synced(world)
    world.airtable.create_records(tenant.base_id, TABLE, [{}])
    tenant.sync()
    tenant.sync()
    tenant.assert_quiet(most_calls=1)
    assert len(tenant.local()) == 4
