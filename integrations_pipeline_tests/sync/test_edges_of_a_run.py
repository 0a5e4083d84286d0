"""The edges of a run: what changes between its read and its end, and how long an edit waits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from integrations_pipeline.model import RunStatus
from integrations_pipeline.store import connections
from integrations_pipeline.sync.contacts.belief import SHORTEST_PATIENCE, _patient
from integrations_pipeline_tests.sync.arrangement import Tenant, World, person

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def linked(world: World, **settings: Any) -> tuple[Tenant, str, str]:
    tenant = world.tenant(**settings)
    contact_id, _ = tenant.add_local(person(1, company="Base"), person(2))
    tenant.sync()
    return tenant, contact_id, tenant.record_of(contact_id)


def once_before(world: World, statement: str, act: Callable[[], object]) -> None:
    """Act from another connection just before the first statement that holds this text."""
    left = [act]

    def look(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if statement in sql and left:
            left.pop()()

    event.listen(world.database._engine, "before_cursor_execute", look)


def test_a_record_that_is_deleted_right_after_it_was_written_counts_as_deleted_in_the_next_run(world: World) -> None:
    """The run reads the feed on past its own writes, and must not read past this."""
    tenant, contact_id, record_id = linked(world, delete_policy="propagate", delete_limit_fraction=1.0)
    tenant.edit_local(contact_id, company="Local")
    world.hooks.after_write = lambda: tenant.delete_remote(record_id)
    tenant.sync()
    tenant.sync()
    assert contact_id not in tenant.local()
    tenant.assert_in_sync()


def test_what_is_there_already_is_not_written_once_more(world: World) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, company="Same")
    world.hooks.before_recheck = lambda: tenant.edit_remote(record_id, company="Same")
    report = tenant.sync()
    assert (report.status, tenant.record_writes()) == (RunStatus.SUCCESS, [])
    assert report.results[0].records_updated == 1
    tenant.assert_in_sync()
    tenant.sync()
    tenant.assert_quiet()


def test_a_contact_that_was_edited_just_before_its_write_is_no_failure_and_is_due_at_once(world: World) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_remote(record_id, company="Remote")
    once_before(world, "update workspace_contacts c set", lambda: tenant.edit_local(contact_id, phone="+1"))
    assert tenant.sync().status is RunStatus.SUCCESS
    assert not tenant.journal("failed")
    is_due = "select next_sync_at <= clock_timestamp() as is_due from integration_connections"
    assert tenant.rows(is_due) == [{"is_due": True}]
    tenant.sync()
    assert tenant.rows(is_due) == [{"is_due": False}]
    tenant.assert_in_sync()


@pytest.mark.parametrize("side", ["local", "remote"])
def test_whoever_waits_for_an_editor_is_due_at_once(world: World, side: str) -> None:
    tenant, contact_id, record_id = linked(world, settle_seconds=30)
    tenant.pass_time(60)
    if side == "local":
        tenant.edit_local(contact_id, company="Typing")
    else:
        tenant.edit_remote(record_id, company="Typing")
    assert tenant.sync().settling == 1
    is_due = "select next_sync_at <= clock_timestamp() as is_due from integration_connections"
    assert tenant.rows(is_due) == [{"is_due": True}]


def test_a_record_with_one_value_that_is_emptied_was_emptied(world: World) -> None:
    """To lose the only value is no sign of a faulty answer."""
    tenant = world.tenant()
    (contact_id, *_) = tenant.add_local({"name": "Nameless"}, person(1), person(2))
    tenant.sync()
    tenant.edit_remote(tenant.record_of(contact_id), name="")
    tenant.sync()
    assert tenant.local()[contact_id] == {}


@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
def test_one_blank_record_is_no_faulty_answer_although_it_is_all_that_came(world: World, is_full: bool) -> None:
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1, company="Base"))
    tenant.sync()
    tenant.edit_remote(tenant.record_of(contact_id), email="", name="", company="")
    assert tenant.sync(is_full=is_full).status is RunStatus.PARTIAL, "told, and left alone"
    assert tenant.local()[contact_id] == person(1, company="Base")


@pytest.mark.parametrize(
    ("before", "after"), [("active", "error"), ("paused", "paused"), ("disconnected", "disconnected")]
)
def test_a_third_failure_stops_only_who_was_active(world: World, before: str, after: str) -> None:
    """Who is disconnected is told so, and not that something went wrong thrice."""
    tenant, _, _ = linked(world)
    connection_id = tenant.connection.id
    with world.database.workspace(tenant.workspace_id) as connection:
        set_status = text("update integration_connections set status = :status where id = :id")
        connection.execute(set_status, {"status": before, "id": connection_id})
        found = [connections.record_failure(connection, connection_id, "wrong") for _ in range(3)]
    assert found == [before, before, after]


@pytest.mark.parametrize(
    ("seconds", "waited", "is_waiting"),
    [
        pytest.param(1, SHORTEST_PATIENCE, True, id="a short settle time waits five minutes"),
        pytest.param(1, SHORTEST_PATIENCE + timedelta(seconds=1), False, id="and no longer"),
        pytest.param(300, timedelta(seconds=3000), True, id="a long one ten times that"),
        pytest.param(300, timedelta(seconds=3001), False, id="and no longer either"),
    ],
)
def test_nobody_waits_for_ever(seconds: int, waited: timedelta, is_waiting: bool) -> None:
    found = _patient(["x1"], {"x1": NOW - waited}, NOW, seconds)
    assert (found.ids, "x1" in found.since) == (frozenset(["x1"] if is_waiting else []), is_waiting)


def test_the_wait_begins_when_somebody_is_first_left_waiting() -> None:
    since = NOW - timedelta(seconds=100)
    found = _patient(["x1", "x2"], {"x1": since, "gone": since}, NOW, 30)
    assert found.since == {"x1": since, "x2": NOW}
