"""What is read again before it counts, and when so much is to be read again that everything is."""

import copy
from typing import Any

import pytest
from sqlalchemy import text

from integrations_pipeline.model import Agenda, Change, ChangeKind, FieldKind, Side
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store.agenda import add_items
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.sync.contacts.deliver import _verdict
from integrations_pipeline.sync.reading import MAX_RETRY
from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World, people

NO_LIMIT: dict[str, Any] = {"delete_policy": "propagate", "delete_limit_fraction": 1.0, "delete_limit": 1000}


def started(world: World, count: int, **settings: Any) -> Tenant:
    """A tenant whose people are on both sides."""
    tenant = world.tenant(**settings)
    tenant.add_remote(*people(count))
    tenant.sync()
    tenant.assert_in_sync()
    return tenant


def of(tenant: Tenant, number: int) -> tuple[str, str]:
    """A person's contact and record."""
    emails = {row["email"]: contact_id for contact_id, row in tenant.local().items()}
    contact_id = emails[f"person{number}@example.org"]
    return contact_id, tenant.record_of(contact_id)


# What the record as it is now makes of a change

BEFORE, AFTER, OTHER = {"name": "Old"}, {"name": "New"}, {"name": "Somebody's"}


@pytest.mark.parametrize(
    ("kind", "fields", "is_recent", "expected"),
    [
        pytest.param("create", None, False, None, id="made where nothing is"),
        pytest.param("create", AFTER, False, "superseded", id="what seemed deleted is there"),
        pytest.param("update", None, False, "superseded", id="an update of what is gone"),
        pytest.param("delete", None, False, None, id="a delete of what one read does not show"),
        pytest.param("update", BEFORE, False, None, id="an update of what is as it was"),
        pytest.param("delete", BEFORE, False, None, id="a delete of what is as it was"),
        pytest.param("update", AFTER, False, "applied", id="an update that is there already"),
        pytest.param("update", AFTER, True, None, id="the same, where the read may be old"),
        pytest.param("delete", AFTER, False, "superseded", id="a delete of what was edited"),
        pytest.param("update", OTHER, False, "superseded", id="an update of what was edited"),
        pytest.param("update", {}, False, "superseded", id="an update of what does not tell the field"),
    ],
)
def test_what_the_record_as_it_is_now_makes_of_a_change(
    kind: str, fields: dict[str, str] | None, is_recent: bool, expected: str | None
) -> None:
    change = Change(
        side=Side.REMOTE, kind=ChangeKind(kind), contact_id="c", external_id="r", before=BEFORE, after=AFTER
    )
    record = None if fields is None else RemoteRecord(external_id="r", fields=fields)

    found = _verdict(change, record, {"name": FieldKind.TEXT}, is_recent=is_recent)

    assert (found.state.value if found else None) == expected


# What a listing does not show


def test_a_full_read_that_hides_more_records_than_are_read_at_once_deletes_nothing(world: World) -> None:
    count = 2 * world.spec.capabilities.max_read_batch + 60
    tenant = started(world, count, **NO_LIMIT)
    world.fault("truncate_page", path_regex=f"{tenant.base_id}/{TABLE}$")
    report = tenant.sync(is_full=True)
    assert len(report.plan.changes) == report.held == 0
    assert len(tenant.local()) == len(tenant.remote()) == count


def test_a_limit_below_what_is_read_at_once_keeps_nobody_from_looking(world: World) -> None:
    tenant = started(world, 5, **{**NO_LIMIT, "delete_limit": 1})
    world.fault("truncate_page", path_regex=f"{tenant.base_id}/{TABLE}$")
    report = tenant.sync(is_full=True)
    assert len(report.plan.changes) == report.held == 0
    tenant.assert_in_sync()


def test_an_edit_that_beats_a_delete_makes_no_second_record_where_the_first_one_is_back(world: World) -> None:
    """The delete is undone in the app, which keeps the record's id, between our read and our write."""
    tenant = started(world, 3, **NO_LIMIT)
    contact_id, record_id = of(tenant, 0)
    records = world.airtable.table(tenant.base_id, TABLE).records
    record = records[record_id]
    tenant.delete_remote(record_id)
    tenant.edit_local(contact_id, company="Edited")
    world.hooks.before_recheck = lambda: records.setdefault(record_id, record)
    tenant.sync()
    assert len(tenant.remote()) == 3
    tenant.sync()
    assert tenant.remote()[record_id]["company"] == "Edited"
    assert tenant.record_of(contact_id) == record_id
    tenant.assert_in_sync()


# Another table


def test_what_was_agreed_with_another_table_clears_nothing_here(world: World) -> None:
    """A copy of a base has the ids of its records; a value that somebody removed there was never removed from ours."""
    tenant = started(world, 3, conflict_policy="local_wins")
    contact_id, record_id = of(tenant, 0)
    tenant.edit_local(contact_id, company="Acme", phone="+1")
    tenant.sync()
    other = world.airtable.create_base("A copy")
    table = copy.deepcopy(world.airtable.table(tenant.base_id, TABLE))
    other.tables[table.id] = table
    tenant.base_id = other.id
    tenant.edit_remote(record_id, company="", phone="+2")
    tenant.configure(base_id=other.id)
    tenant.sync()
    assert (tenant.local()[contact_id]["company"], tenant.local()[contact_id]["phone"]) == ("Acme", "+1")
    assert tenant.remote()[record_id]["company"] == "Acme"
    tenant.sync()
    tenant.assert_in_sync()


def test_a_run_that_dies_after_a_change_of_table_leaves_no_old_base_behind(world: World) -> None:
    tenant = started(world, 3)
    contact_id, record_id = of(tenant, 0)
    tenant.edit_local(contact_id, company="Acme")
    tenant.sync()
    other = world.airtable.create_base("A copy")
    table = copy.deepcopy(world.airtable.table(tenant.base_id, TABLE))
    other.tables[table.id] = table
    tenant.base_id = other.id
    tenant.edit_remote(record_id, company="")
    tenant.configure(base_id=other.id)
    world.fault("status", status=401, method="PATCH", path_regex=f"{other.id}/{TABLE}$")
    assert tenant.sync().error
    assert "company" not in tenant.base()[contact_id]


# So many that everything is read


def test_more_records_than_are_read_one_by_one_are_read_with_all_the_others(world: World) -> None:
    """Somebody imports a list into the table: all of it waits for its editor, and then arrives whole."""
    tenant = started(world, 1, settle_seconds=30, create_limit_fraction=10_000)
    tenant.add_remote(*people(MAX_RETRY + 1, first=10))
    assert tenant.sync().settling == MAX_RETRY + 1
    assert (tenant.agenda.is_full_wanted, len(tenant.agenda.settling)) == (True, MAX_RETRY + 1)
    tenant.pass_time(60)
    report = tenant.sync()
    assert report.results[0].metadata["read"] == "complete"
    assert len(tenant.local()) == MAX_RETRY + 2
    assert not tenant.agenda.items


@pytest.mark.parametrize(("more", "read"), [(0, "incremental"), (1, "complete")], ids=["just as many", "one more"])
def test_a_list_of_records_to_read_again_that_is_too_long_leads_to_a_full_read(
    world: World, more: int, read: str
) -> None:
    tenant = started(world, 1)
    retry = [f"recGone{number:010d}" for number in range(MAX_RETRY + more)]
    with world.database.workspace(tenant.workspace_id) as connection:
        scope = JournalScope(connection_id=tenant.connection.id, workspace_id=tenant.workspace_id)
        add_items(connection, scope, [*Agenda().with_retry(retry).items])
    assert tenant.sync().results[0].metadata["read"] == read
    tenant.assert_in_sync()


# What is really gone


@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
def test_a_contact_whose_row_is_really_removed_counts_as_deleted(world: World, is_full: bool) -> None:
    tenant = started(world, 3, **NO_LIMIT)
    contact_id, record_id = of(tenant, 0)
    with world.database.workspace(tenant.workspace_id) as connection:
        removed = text("delete from workspace_contacts where id = cast(:id as uuid)")
        assert connection.execute(removed, {"id": contact_id}).rowcount == 1
    tenant.sync(is_full=is_full)
    assert record_id not in tenant.remote()
    tenant.assert_in_sync()
    tenant.assert_quiet()
