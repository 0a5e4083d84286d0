"""Edits that land while a run is under way, and runs that meet each other."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from integrations_pipeline.errors import BusyError
from integrations_pipeline.model import RunStatus
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline_tests.sync.arrangement import Tenant, World, person


def linked(world: World, **settings: Any) -> tuple[Tenant, str, str]:
    tenant = world.tenant(**settings)
    (contact_id,) = tenant.add_local(person(1, company="Base", tags=["base"]))
    tenant.sync()
    return tenant, contact_id, tenant.record_of(contact_id)


def once_before(world: World, statement: str, act: Callable[[], object]) -> None:
    """Act from another connection just before the first statement that holds this text."""
    left = [act]

    def look(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if statement in sql and left:
            left.pop()()

    event.listen(world.database._engine, "before_cursor_execute", look)


MOMENTS = pytest.mark.parametrize("moment", ["after_read", "before_recheck", "before_write", "after_write"])


@MOMENTS
def test_a_remote_edit_of_another_field_survives_at_every_moment(world: World, moment: str) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, company="Local")
    setattr(world.hooks, moment, lambda: tenant.edit_remote(record_id, phone="+1"))
    tenant.sync()
    tenant.sync()
    assert tenant.local()[contact_id]["phone"] == "+1"
    assert tenant.remote()[record_id]["company"] == "Local"
    tenant.assert_in_sync()


@pytest.mark.parametrize("moment", ["after_read", "before_recheck", "after_write"])
def test_a_remote_edit_of_the_same_field_is_never_lost_in_silence(world: World, moment: str) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, company="Local")
    setattr(world.hooks, moment, lambda: tenant.edit_remote(record_id, company="Remote"))
    tenant.sync()
    tenant.sync()
    tenant.assert_in_sync()
    is_everywhere = tenant.local()[contact_id]["company"] == "Remote"
    recorded = [row["conflict"]["fields"]["company"]["remote"] for row in tenant.conflicts("applied")]
    assert is_everywhere or recorded == ["Remote"]


@MOMENTS
def test_a_local_edit_survives_a_write_to_the_provider(world: World, moment: str) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, company="First")
    setattr(world.hooks, moment, lambda: tenant.edit_local(contact_id, company="Second"))
    tenant.sync()
    tenant.sync()
    assert tenant.remote()[record_id]["company"] == "Second"
    tenant.assert_in_sync()


def test_two_local_edits_just_before_local_writes_of_no_email_are_not_overwritten(world: World) -> None:
    tenant = world.tenant()
    ids = tenant.add_local(person(1), person(2))
    tenant.sync()
    for number, contact_id in enumerate(ids):
        tenant.edit_remote(tenant.record_of(contact_id), phone=f"+{number}")

    def edit_both() -> None:
        for contact_id in ids:
            tenant.edit_local(contact_id, company="Mine")

    once_before(world, "update workspace_contacts c set", edit_both)
    report = tenant.sync()
    assert report.results[1].records_updated == 0
    tenant.sync()
    assert [tenant.local()[key]["company"] for key in ids] == ["Mine", "Mine"]
    assert [tenant.local()[key]["phone"] for key in ids] == ["+0", "+1"]
    tenant.assert_in_sync()


@pytest.mark.parametrize("field", ["company", "phone"])
def test_a_local_edit_just_before_a_local_write_is_not_overwritten(world: World, field: str) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_remote(record_id, company="Remote")
    once_before(world, "update workspace_contacts c set", lambda: tenant.edit_local(contact_id, **{field: "Local"}))
    report = tenant.sync()
    assert report.results[1].records_updated == 0
    assert tenant.connection.next_sync_at is not None
    tenant.sync()
    assert tenant.local()[contact_id][field] == "Local"
    tenant.assert_in_sync()
    if field == "company":
        assert len(tenant.conflicts("applied")) == 1


def test_a_local_edit_just_before_a_local_delete_saves_the_contact(world: World) -> None:
    tenant, contact_id, record_id = linked(world, delete_policy="propagate", delete_limit_fraction=1.0)
    tenant.delete_remote(record_id)
    once_before(world, "set deleted_at = now()", lambda: tenant.edit_local(contact_id, company="Local"))
    tenant.sync()
    tenant.sync()
    assert tenant.local()[contact_id]["company"] == "Local"
    tenant.assert_in_sync()


def test_tags_added_on_both_sides_during_the_run_all_survive(world: World) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, tags=["base", "local"])
    tenant.edit_remote(record_id, tags=["base", "remote"])
    once_before(
        world,
        "update workspace_contacts c set",
        lambda: tenant.edit_local(contact_id, tags=["base", "local", "late"]),
    )
    world.hooks.before_recheck = lambda: tenant.edit_remote(record_id, tags=["base", "remote", "later"])
    for _ in range(3):
        tenant.sync()
    assert set(tenant.local()[contact_id]["tags"].split("\x1f")) == {"base", "late", "later", "local", "remote"}
    tenant.assert_in_sync()


def test_a_record_deleted_during_the_run_is_not_written_to(world: World) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.edit_local(contact_id, company="Local")
    world.hooks.before_recheck = lambda: tenant.delete_remote(record_id)
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.sync()
    tenant.assert_in_sync()
    assert [row["company"] for row in tenant.remote().values()] == ["Local"]


def test_a_record_deleted_right_before_the_request_fails_nobody_else(world: World) -> None:
    tenant, contact_id, record_id = linked(world)
    tenant.add_local(person(2))
    tenant.edit_local(contact_id, company="Local")
    world.hooks.before_write = lambda: tenant.delete_remote(record_id)
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.sync()
    tenant.assert_in_sync()
    assert len(tenant.remote()) == len(tenant.local()) == 2


def test_a_record_made_during_the_run_is_taken_up_by_the_next(world: World) -> None:
    tenant, contact_id, _ = linked(world)
    tenant.edit_local(contact_id, company="Local")
    world.hooks.after_write = lambda: tenant.add_remote(person(2))
    tenant.sync()
    tenant.sync()
    assert len(tenant.local()) == 2
    tenant.assert_in_sync()


def test_a_second_run_of_the_same_connection_is_refused_with_the_holders_name(world: World) -> None:
    tenant, contact_id, _ = linked(world)
    tenant.edit_local(contact_id, company="Local")
    refused: list[BusyError] = []

    def sync_again() -> None:
        with pytest.raises(BusyError, match="being synced by run ") as caught:
            run_sync(world.runtime, tenant.request())
        refused.append(caught.value)

    world.hooks.before_write = sync_again
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(refused) == 1
    tenant.assert_in_sync()
    assert tenant.connection.error_count == 0


def test_a_second_run_that_may_wait_follows_the_first(world: World) -> None:
    tenant, contact_id, _ = linked(world)
    tenant.edit_local(contact_id, company="Local")
    reports: list[SyncReport] = []
    request = tenant.request(wait_seconds=30.0)
    second = threading.Thread(target=lambda: reports.append(run_sync(world.runtime, request)))
    world.hooks.before_write = second.start
    first = run_sync(world.runtime, tenant.request())
    second.join()
    assert first.status is reports[0].status is RunStatus.SUCCESS
    assert not reports[0].plan.changes
    tenant.assert_in_sync()


def test_another_workspace_syncs_meanwhile(world: World) -> None:
    tenant, contact_id, _ = linked(world)
    other = world.tenant("other")
    other.add_local(person(1))
    tenant.edit_local(contact_id, company="Local")
    reports: list[SyncReport] = []
    world.hooks.before_write = lambda: reports.append(run_sync(world.runtime, other.request()))
    tenant.sync()
    assert reports[0].status is RunStatus.SUCCESS
    tenant.assert_in_sync()
    other.assert_in_sync()
