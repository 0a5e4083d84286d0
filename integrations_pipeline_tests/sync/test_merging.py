"""What a run does to both sides when nothing goes wrong."""

import pytest

from integrations_pipeline.model import Direction, RunStatus
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people, person, tags


@pytest.fixture
def tenant(world: World) -> Tenant:
    return world.tenant()


def linked(tenant: Tenant, **fields: str | list[str]) -> tuple[str, str]:
    """One contact, synced: its id and its record's."""
    (contact_id,) = tenant.add_local(person(1, **fields))
    tenant.sync()
    return contact_id, tenant.record_of(contact_id)


def test_the_first_sync_creates_links_and_merges_both_ways(tenant: Tenant) -> None:
    tenant.add_local(*people(12), person(50, phone="+1"))
    tenant.add_remote(*people(12, first=20), {"email": "PERSON50@example.org", "company": "Acme"})
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    tenant.assert_in_sync()
    assert len(tenant.local()) == len(tenant.remote()) == 25
    merged = next(row for row in tenant.local().values() if row.get("phone") == "+1")
    assert merged["company"] == "Acme"
    assert merged["name"] == "Person 50"


def test_a_second_run_finds_nothing_and_costs_one_call(tenant: Tenant) -> None:
    tenant.add_local(*people(12))
    tenant.add_remote(*people(12, first=20))
    tenant.sync()
    tenant.assert_quiet(most_calls=1)
    tenant.assert_quiet(most_calls=1)


def test_a_full_run_finds_nothing_either(tenant: Tenant) -> None:
    tenant.add_local(*people(3))
    tenant.add_remote(*people(3, first=20))
    tenant.sync()
    before = tenant.fingerprint()
    report = tenant.sync(is_full=True)
    assert not report.plan.changes
    assert tenant.fingerprint() == before


def test_different_fields_edited_on_the_two_sides_both_survive(tenant: Tenant) -> None:
    contact_id, record_id = linked(tenant)
    tenant.edit_local(contact_id, company="Acme")
    tenant.edit_remote(record_id, phone="+1")
    report = tenant.sync()
    assert tenant.local()[contact_id] == person(1, company="Acme", phone="+1")
    tenant.assert_in_sync()
    assert report.conflicts == 0
    tenant.assert_quiet(most_calls=1)


def test_the_same_edit_on_both_sides_is_no_conflict(tenant: Tenant) -> None:
    contact_id, record_id = linked(tenant)
    tenant.edit_local(contact_id, company="Acme ")
    tenant.edit_remote(record_id, company="Acme")
    report = tenant.sync()
    assert not report.plan.changes
    assert report.conflicts == 0
    tenant.assert_in_sync()
    tenant.assert_quiet(most_calls=1)


def test_clearing_a_field_travels_in_both_directions(tenant: Tenant) -> None:
    contact_id, record_id = linked(tenant, company="Acme", phone="+1")
    tenant.edit_local(contact_id, company="")
    tenant.edit_remote(record_id, phone="")
    tenant.sync()
    assert tenant.local()[contact_id] == tenant.remote()[record_id] == person(1)
    tenant.assert_in_sync()


def test_tags_added_and_removed_on_both_sides_all_apply(tenant: Tenant) -> None:
    contact_id, record_id = linked(tenant, tags=["keep", "local-drops", "remote-drops"])
    tenant.edit_local(contact_id, tags=["keep", "remote-drops", "local-adds"])
    tenant.edit_remote(record_id, tags=["keep", "local-drops", "remote-adds"])
    report = tenant.sync()
    assert tags(tenant.local()[contact_id]["tags"]) == {"keep", "local-adds", "remote-adds"}
    assert report.conflicts == 0
    tenant.assert_in_sync()
    tenant.assert_quiet(most_calls=1)


@pytest.mark.parametrize(
    ("policy", "kept", "winner"),
    [
        ("local_wins", "Local", "local"),
        ("remote_wins", "Remote", "remote"),
        ("newest_wins", "Local", "local"),
        (None, "Local", "local"),
    ],
    ids=["local wins", "remote wins", "newest, untold, is local", "by default local"],
)
def test_a_conflict_is_settled_by_policy_and_recorded_once(
    world: World, policy: str | None, kept: str, winner: str
) -> None:
    tenant = world.tenant(conflict_policy=policy)
    contact_id, record_id = linked(tenant, company="Base")
    tenant.edit_local(contact_id, company="Local")
    tenant.edit_remote(record_id, company="Remote")
    report = tenant.sync()
    assert report.conflicts == 1
    tenant.sync()
    tenant.sync(is_full=True)
    (row,) = tenant.conflicts()
    assert row["conflict"]["fields"] == {"company": {"base": "Base", "local": "Local", "remote": "Remote"}}
    assert row["conflict"]["winner"] == winner
    assert row["state"] == "applied"
    assert tenant.local()[contact_id]["company"] == kept
    tenant.assert_in_sync()


def test_a_manual_conflict_stays_open_exactly_once_and_keeps_both_values(world: World) -> None:
    tenant = world.tenant(conflict_policy="manual")
    contact_id, record_id = linked(tenant, company="Base")
    tenant.edit_local(contact_id, company="Local", phone="+1")
    tenant.edit_remote(record_id, company="Remote", job_title="Editor")
    tenant.sync()
    first = tenant.conflicts("held")
    for is_full in (False, False, True, False, True):
        report = tenant.sync(is_full=is_full)
        assert not tenant.record_writes()
        assert report.conflicts == 1
    assert tenant.conflicts("held", "superseded", "applied") == first
    assert len(first) == 1
    assert tenant.local()[contact_id] == person(1, company="Local", phone="+1", job_title="Editor")
    assert tenant.remote()[record_id] == person(1, company="Remote", phone="+1", job_title="Editor")


def test_a_manual_conflict_survives_another_edit_of_the_record(world: World) -> None:
    tenant = world.tenant(conflict_policy="manual")
    contact_id, record_id = linked(tenant, company="Base")
    tenant.edit_local(contact_id, company="Local")
    tenant.edit_remote(record_id, company="Remote")
    tenant.sync()
    tenant.edit_remote(record_id, phone="+1")
    tenant.sync()
    assert len(tenant.conflicts("held")) == 1
    tenant.sync()
    assert len(tenant.conflicts("held")) == 1
    assert tenant.remote()[record_id]["company"] == "Remote"
    assert tenant.local()[contact_id] == person(1, company="Local", phone="+1")


@pytest.mark.parametrize("side", ["local", "remote"])
def test_a_manual_conflict_ends_when_a_person_makes_both_sides_equal(world: World, side: str) -> None:
    tenant = world.tenant(conflict_policy="manual")
    contact_id, record_id = linked(tenant, company="Base")
    tenant.edit_local(contact_id, company="Local")
    tenant.edit_remote(record_id, company="Remote")
    tenant.sync()
    if side == "local":
        tenant.edit_local(contact_id, company="Remote")
    else:
        tenant.edit_remote(record_id, company="Local")
    tenant.sync()
    assert not tenant.conflicts("held")
    tenant.assert_in_sync()
    tenant.assert_quiet(most_calls=1)


def test_a_contact_without_email_is_created_linked_and_never_matched(tenant: Tenant) -> None:
    tenant.add_local({"name": "Nameless"})
    tenant.add_remote({"name": "Nameless"})
    tenant.sync()
    assert len(tenant.local()) == len(tenant.remote()) == len(tenant.links()) == 2
    tenant.assert_in_sync()
    tenant.assert_quiet(most_calls=1)


def test_empty_records_are_skipped_once_and_stay_skipped(tenant: Tenant) -> None:
    tenant.add_local({"custom_fields.only": "unmapped"})
    tenant.world.airtable.create_records(tenant.base_id, "Contacts", [{}])
    tenant.add_local(person(1))
    report = tenant.sync()
    assert [result.records_skipped for result in report.results] == [1, 1]
    tenant.sync()
    tenant.sync(is_full=True)
    assert len(tenant.journal("skipped")) == 2
    tenant.assert_in_sync(unlinked=2)


def test_an_empty_record_that_is_filled_in_is_taken_up(tenant: Tenant) -> None:
    (made,) = tenant.world.airtable.create_records(tenant.base_id, "Contacts", [{}])
    tenant.sync()
    tenant.edit_remote(made["id"], **person(1))
    tenant.sync()
    tenant.assert_in_sync()
    assert not tenant.journal("skipped")


def test_odd_texts_arrive_unchanged_and_do_not_come_back_as_edits(tenant: Tenant) -> None:
    odd = person(1, name="Zoë 李 \U0001f3a7", company='O\'Brien "&" {Co} \\', phone="0049", tags=["a, b", "Ü"])
    tenant.add_local(odd)
    tenant.add_remote(person(2, name="two\nlines", company="ends in blank ", tags=["Ü", "a, b"]))
    tenant.sync()
    tenant.assert_in_sync()
    tenant.assert_quiet(most_calls=1)


def test_an_email_that_changes_travels_and_keeps_the_link(tenant: Tenant) -> None:
    contact_id, record_id = linked(tenant)
    tenant.edit_local(contact_id, email="New.Address@example.org")
    tenant.sync()
    assert tenant.remote()[record_id]["email"] == "New.Address@example.org"
    tenant.edit_remote(record_id, email="newer@example.org")
    tenant.sync()
    assert tenant.local()[contact_id]["email"] == "newer@example.org"
    assert tenant.links() == {contact_id: record_id}
    tenant.assert_in_sync()


def test_a_one_way_run_leaves_the_other_direction_for_later(tenant: Tenant) -> None:
    contact_id, record_id = linked(tenant)
    tenant.add_local(person(2))
    tenant.add_remote(person(3))
    tenant.edit_local(contact_id, company="Acme")
    tenant.edit_remote(record_id, phone="+1")
    report = tenant.sync(direction=Direction.TO_EXTERNAL)
    assert [result.direction for result in report.results] == ["to_external"]
    assert len(tenant.local()) == 2
    assert len(tenant.remote()) == 3
    assert "phone" not in tenant.local()[contact_id]
    tenant.sync(direction=Direction.FROM_EXTERNAL)
    assert tenant.local()[contact_id] == person(1, company="Acme", phone="+1")
    tenant.assert_in_sync()
    tenant.sync()
    tenant.assert_quiet(most_calls=1)


def test_a_run_from_the_provider_alone_writes_nothing_to_it(tenant: Tenant) -> None:
    contact_id, record_id = linked(tenant)
    tenant.add_local(person(2))
    tenant.add_remote(person(3))
    tenant.edit_local(contact_id, company="Acme")
    tenant.edit_remote(record_id, phone="+1")
    tenant.sync(direction=Direction.FROM_EXTERNAL)
    assert not tenant.record_writes()
    assert len(tenant.local()) == 3
    assert len(tenant.remote()) == 2
    tenant.sync()
    tenant.assert_in_sync()


def test_tags_that_only_one_side_has_taken_so_far_are_not_removed_from_it(tenant: Tenant) -> None:
    """The side that missed the merged set does not look as if somebody had taken the others' tags away there."""
    contact_id, record_id = linked(tenant, tags=["base"])
    tenant.edit_local(contact_id, tags=["base", "local"])
    tenant.edit_remote(record_id, tags=["base", "remote"])
    refused = {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "no"}}
    tenant.world.fault("status", method="PATCH", status=422, body=refused, times=-1)
    tenant.sync()
    assert tags(tenant.local()[contact_id]["tags"]) == {"base", "local", "remote"}
    tenant.world.server.stage.faults.clear()
    tenant.sync(is_full=True)
    assert tags(tenant.local()[contact_id]["tags"]) == {"base", "local", "remote"}
    assert tags(tenant.remote()[record_id]["tags"]) == {"base", "local", "remote"}


@pytest.mark.parametrize("direction", [Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL])
def test_tags_of_both_sides_survive_a_one_way_run(tenant: Tenant, direction: Direction) -> None:
    contact_id, record_id = linked(tenant, tags=["base"])
    tenant.edit_local(contact_id, tags=["base", "local"])
    tenant.edit_remote(record_id, tags=["base", "remote"])
    tenant.sync(direction=direction)
    tenant.sync()
    tenant.sync(is_full=True)
    assert tags(tenant.local()[contact_id]["tags"]) == {"base", "local", "remote"}
    assert tags(tenant.remote()[record_id]["tags"]) == {"base", "local", "remote"}


@pytest.mark.parametrize("direction", [Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL])
def test_tags_of_newly_matched_records_survive_a_one_way_run(tenant: Tenant, direction: Direction) -> None:
    (contact_id,) = tenant.add_local(person(1, tags=["local"]))
    (record_id,) = tenant.add_remote(person(1, tags=["remote"]))
    tenant.sync(direction=direction)
    tenant.sync()
    tenant.sync(is_full=True)
    assert tags(tenant.local()[contact_id]["tags"]) == {"local", "remote"}
    assert tags(tenant.remote()[record_id]["tags"]) == {"local", "remote"}


def test_two_workspaces_with_the_same_people_stay_separate(world: World) -> None:
    one, two = world.tenant("one"), world.tenant("two")
    for tenant, company in ((one, "One"), (two, "Two")):
        tenant.add_local(person(1, company=company), person(2))
        tenant.add_remote(person(1, phone=company), person(3))
    one.sync()
    two.add_local(person(4))
    two.sync()
    one.edit_local(next(iter(one.local())), job_title="Only here")
    one.sync()
    two.sync()
    for tenant, company, count in ((one, "One", 3), (two, "Two", 4)):
        assert len(tenant.local()) == len(tenant.remote()) == count
        first = next(row for row in tenant.local().values() if row["name"] == "Person 1")
        assert (first["company"], first["phone"]) == (company, company)
        tenant.assert_in_sync()
    assert not any("job_title" in row for row in [*two.local().values(), *two.remote().values()])
