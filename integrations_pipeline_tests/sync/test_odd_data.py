"""Data that nobody expects: the record it is in may fail, the connection may not."""

import pytest
from sqlalchemy import text

from integrations_pipeline.model import Direction, RunStatus
from integrations_pipeline_tests.sync.arrangement import World, people, person

ODD = ["C:\\u0000", "\\", '"quoted" {braced} %s :name', "\u2028line\u2029", "😀" * 50, "a\ttab"]


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_travel_both_ways_and_stay(world: World, text: str) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1, company=text))
    tenant.add_remote(person(2, company=text))
    tenant.sync()
    assert {row["company"] for row in tenant.local().values()} == {text.strip()} or text.strip() != text
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_half_characters_and_nul_from_the_provider_are_left_out(world: World) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1))
    tenant.sync()
    tenant.add_remote(person(2, name="half \ud83d", company="nul \x00 here"), person(3))
    for is_full in (False, True):
        assert tenant.sync(is_full=is_full).status is RunStatus.SUCCESS
    assert len(tenant.local()) == 3
    assert "nul  here" in {row.get("company") for row in tenant.local().values()}


def test_an_address_too_long_for_an_index_fails_alone(world: World) -> None:
    import random  # noqa: PLC0415 - incompressible on purpose

    source = random.Random(1)
    endless = "".join(source.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000)) + "@example.org"
    tenant = world.tenant()
    tenant.add_remote({"email": endless, "name": "Endless"}, *people(3))
    tenant.sync()
    assert len(tenant.local()) == 3


def test_an_open_conflict_survives_runs_of_either_direction(world: World) -> None:
    tenant = world.tenant(conflict_policy="manual")
    (contact_id,) = tenant.add_local(person(1))
    tenant.sync()
    tenant.edit_local(contact_id, name="Here")
    tenant.edit_remote(tenant.record_of(contact_id), name="There")
    tenant.sync()
    for direction in (Direction.FROM_EXTERNAL, Direction.TO_EXTERNAL, Direction.BIDIRECTIONAL):
        assert tenant.sync(direction=direction).status is RunStatus.SUCCESS
    assert len(tenant.conflicts("held")) == 1


def test_a_column_made_anew_under_its_old_name_clears_nothing(world: World) -> None:
    tenant = world.tenant()
    tenant.add_local(*(person(number, phone=f"+47 {number}") for number in range(5)))
    tenant.sync()
    world.airtable.delete_field(tenant.base_id, "Contacts", "Phone")
    world.airtable.create_field(tenant.base_id, "Contacts", {"name": "Phone", "type": "phoneNumber"})
    tenant.sync(is_full=True)
    tenant.sync()
    assert {row.get("phone") for row in tenant.local().values()} == {f"+47 {number}" for number in range(5)}
    tenant.assert_in_sync()


def test_a_tag_with_a_comma_is_not_cut_in_two_by_a_text_column(world: World) -> None:
    tenant = world.tenant(field_mapping={"email": "Email", "name": "Name", "tags": "Notes"})
    tenant.add_local(person(1, tags=["Sales, EMEA"]), person(2, tags=["plain", "two words"]))
    report = tenant.sync()
    assert sum(result.records_failed for result in report.results) == 1
    tenant.sync()
    assert {row["tags"] for row in tenant.local().values()} == {"Sales, EMEA", "plain\x1ftwo words"}


def test_the_key_column_cannot_be_mapped(world: World) -> None:
    tenant = world.tenant(field_mapping={"email": "Email", "custom_fields.code": "Contact ID"})
    tenant.add_local(person(1))
    report = tenant.sync()
    assert report.status is RunStatus.FAILED
    assert "Contact ID" in report.error
    assert tenant.remote() == {}


def test_a_copied_record_is_not_overwritten_when_a_rejected_delete_makes_the_original_again(world: World) -> None:
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1))
    tenant.sync()
    record_id = tenant.record_of(contact_id)
    (copy,) = tenant.add_remote({**person(2), "Contact ID": contact_id})
    tenant.sync()
    tenant.delete_remote(record_id)
    tenant.sync()
    with world.database.workspace(tenant.workspace_id) as connection:
        from integrations_pipeline.store.decisions import decide_delete  # noqa: PLC0415

        (held,) = tenant.journal("held", kind="delete")
        assert decide_delete(connection, held["id"], approve=False)
    tenant.sync()
    tenant.sync()
    assert tenant.remote()[copy]["name"] == "Person 2"
    assert sorted(row["name"] for row in tenant.remote().values()) == ["Person 1", "Person 2"]
    tenant.assert_in_sync()


@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
@pytest.mark.parametrize("edits", [0, 1], ids=["as it was made", "edited once"])
def test_a_row_that_is_deleted_and_inserted_again_under_its_id_is_an_edit(
    world: World, edits: int, is_full: bool
) -> None:
    """As applications write a row back. Its version begins anew, and may be the one that both sides agreed on."""
    tenant = world.tenant()
    contact_id, *_ = tenant.add_local(*people(5))
    for number in range(edits):
        tenant.edit_local(contact_id, phone=f"+{number}")
    tenant.sync()
    with world.database.admin() as connection:
        for statement in (
            "create temporary table kept on commit drop as select * from workspace_contacts where id = :id",
            "delete from workspace_contacts where id = :id",
            "insert into workspace_contacts (id, workspace_id, email, name, company) "
            "select id, workspace_id, email, name, 'Again' from kept",
        ):
            connection.execute(text(statement), {"id": contact_id})
    tenant.sync(is_full=is_full)
    assert tenant.remote()[tenant.record_of(contact_id)]["company"] == "Again"
    tenant.assert_in_sync()
