"""Deletes: what is carried out, what is held, what beats a delete, and what is never taken for one."""

from typing import Any
from uuid import UUID

import pytest

from integrations_pipeline.model import AgendaKind, Direction, RunStatus
from integrations_pipeline.store import decisions
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people, person

#: Limits that a handful of contacts does not meet.
NO_LIMIT: dict[str, Any] = {"delete_limit_fraction": 1.0, "delete_limit": 100}


def started(world: World, count: int = 5, **settings: Any) -> Tenant:
    """A tenant whose people are on both sides."""
    tenant = world.tenant(**settings)
    tenant.add_local(*people(count))
    tenant.sync()
    tenant.assert_in_sync()
    return tenant


def delete_one(tenant: Tenant, side: str) -> tuple[str, str]:
    """Delete the first contact on one side; its id and its record's."""
    contact_id, record_id = next(iter(sorted(tenant.links().items())))
    if side == "local":
        tenant.delete_local(contact_id)
    else:
        tenant.delete_remote(record_id)
    return contact_id, record_id


def decide(tenant: Tenant, row: dict[str, Any], *, approve: bool) -> None:
    with tenant.world.database.workspace(tenant.workspace_id) as connection:
        assert decisions.decide_delete(connection, UUID(str(row["id"])), approve=approve)


SIDES = pytest.mark.parametrize("side", ["local", "remote"])


@SIDES
def test_a_delete_is_held_by_default_and_asked_once(world: World, side: str) -> None:
    tenant = started(world)
    delete_one(tenant, side)
    reports = [tenant.sync(), tenant.sync(), tenant.sync(is_full=True), tenant.sync()]
    assert [report.held for report in reports] == [1, 1, 1, 1]
    (row,) = tenant.journal("held", "superseded", kind="delete")
    assert row["side"] == ("remote" if side == "local" else "local")
    assert len(tenant.local()) + len(tenant.remote()) == 9


@SIDES
def test_a_delete_propagates_and_stays_carried_out(world: World, side: str) -> None:
    tenant = started(world, delete_policy="propagate", **NO_LIMIT)
    delete_one(tenant, side)
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    assert sum(result.records_deleted for result in report.results) == 1
    tenant.assert_in_sync()
    tenant.assert_quiet(most_calls=1)
    tenant.sync(is_full=True)
    assert len(tenant.local()) == len(tenant.remote()) == 4


@SIDES
def test_an_ignored_delete_leaves_the_other_side_as_it_is(world: World, side: str) -> None:
    tenant = started(world, delete_policy="ignore")
    delete_one(tenant, side)
    for is_full in (False, False, True, False):
        tenant.sync(is_full=is_full)
        assert len(tenant.local()) + len(tenant.remote()) == 9
    assert len(tenant.journal("skipped", kind="delete")) == 1


@SIDES
def test_an_approved_delete_is_carried_out_by_the_next_run(world: World, side: str) -> None:
    tenant = started(world)
    delete_one(tenant, side)
    tenant.sync()
    decide(tenant, tenant.journal("held")[0], approve=True)
    tenant.sync()
    assert len(tenant.local()) == len(tenant.remote()) == 4
    tenant.assert_in_sync()
    tenant.assert_quiet(most_calls=1)
    assert not tenant.journal("held", "planned")


@SIDES
def test_a_rejected_delete_brings_the_record_back(world: World, side: str) -> None:
    tenant = started(world)
    delete_one(tenant, side)
    tenant.sync()
    decide(tenant, tenant.journal("held")[0], approve=False)
    tenant.sync()
    assert len(tenant.local()) == len(tenant.remote()) == 5
    tenant.assert_in_sync()
    assert not tenant.journal("held")


@SIDES
def test_an_approval_outlives_a_run_that_may_not_carry_it_out(world: World, side: str) -> None:
    tenant = started(world)
    delete_one(tenant, side)
    tenant.sync()
    decide(tenant, tenant.journal("held")[0], approve=True)
    tenant.sync(direction=Direction.FROM_EXTERNAL if side == "local" else Direction.TO_EXTERNAL)
    tenant.sync()
    assert len(tenant.local()) == len(tenant.remote()) == 4


@SIDES
def test_a_delete_found_by_a_one_way_run_is_not_forgotten(world: World, side: str) -> None:
    tenant = started(world, delete_policy="propagate", **NO_LIMIT)
    delete_one(tenant, side)
    tenant.sync(direction=Direction.FROM_EXTERNAL if side == "local" else Direction.TO_EXTERNAL)
    assert len(tenant.local()) + len(tenant.remote()) == 9
    tenant.sync()
    tenant.assert_in_sync()


@pytest.mark.parametrize("action", ["truncate_page", "empty_page"])
def test_a_page_cut_short_is_found_out_and_deletes_nothing(world: World, action: str) -> None:
    tenant = started(world, delete_policy="propagate", **NO_LIMIT)
    world.fault(action, path_regex=f"{tenant.base_id}/Contacts$")
    assert tenant.sync(is_full=True).status is RunStatus.SUCCESS
    assert not tenant.journal("held")
    tenant.assert_in_sync()


def vanished(world: World, **settings: Any) -> Tenant:
    """All records are missing from a full read and from the second look; the next read shows them again."""
    tenant = started(world, **settings)
    world.fault("empty_page", path_regex=f"{tenant.base_id}/Contacts$", times=2)
    assert tenant.sync(is_full=True).held == 5
    return tenant


def test_a_hold_clears_itself_when_the_record_reappears(world: World) -> None:
    tenant = vanished(world)
    tenant.sync(is_full=True)
    assert not tenant.journal("held")
    assert len(tenant.journal("superseded", kind="delete")) == 5
    tenant.assert_in_sync()


def test_a_hold_clears_itself_by_incremental_runs_too(world: World) -> None:
    tenant = vanished(world)
    tenant.sync()
    assert not tenant.journal("held")


def test_approving_a_hold_of_a_record_that_is_there_again_deletes_nothing(world: World) -> None:
    tenant = vanished(world)
    decide(tenant, tenant.journal("held")[0], approve=True)
    tenant.sync()
    assert len(tenant.local()) == 5


def test_a_table_that_was_empty_for_a_moment_deletes_nothing_later(world: World) -> None:
    tenant = vanished(world, delete_policy="propagate", **NO_LIMIT)
    tenant.sync()
    assert len(tenant.local()) == 5


@pytest.mark.parametrize("count", [1, 3, 30])
@pytest.mark.parametrize("has_feed", [True, False], ids=["feed", "full reads"])
def test_an_emptied_table_deletes_nothing_under_the_default_limits(world: World, count: int, has_feed: bool) -> None:
    if not has_feed:
        world.forbid_webhooks()
    tenant = started(world, count, delete_policy="propagate")
    tenant.delete_remote(*tenant.remote())
    for _ in range(3):
        report = tenant.sync()
        assert report.status is RunStatus.REFUSED
        assert len(tenant.local()) == count
    assert len(tenant.journal("held")) == count


@pytest.mark.parametrize(
    "has_feed",
    [
        pytest.param(True, id="feed"),
        pytest.param(False, id="full reads"),
    ],
)
def test_an_emptied_table_deletes_nothing_whatever_the_limits(world: World, has_feed: bool) -> None:
    if not has_feed:
        world.forbid_webhooks()
    tenant = started(world, delete_policy="propagate", **NO_LIMIT)
    tenant.delete_remote(*tenant.remote())
    for _ in range(3):
        tenant.sync()
        assert len(tenant.local()) == 5


def test_more_deletes_than_allowed_are_held_and_the_rest_goes_on(world: World) -> None:
    tenant = started(world, 10, delete_policy="propagate")
    contact_ids = sorted(tenant.links())
    tenant.delete_remote(*(tenant.record_of(key) for key in contact_ids[:3]))
    tenant.edit_local(contact_ids[5], company="Acme")
    tenant.add_remote(person(50))
    report = tenant.sync()
    assert report.status is RunStatus.REFUSED
    assert report.held == 3
    assert len(tenant.local()) == 11
    assert tenant.remote()[tenant.record_of(contact_ids[5])]["company"] == "Acme"


def test_deletes_count_over_a_day(world: World) -> None:
    tenant = started(world, 20, delete_policy="propagate")
    for allowed in (True, True, True, False):
        delete_one(tenant, "remote")
        assert (tenant.sync().status is RunStatus.SUCCESS) is allowed
        if allowed:
            tenant.assert_in_sync()
    assert len(tenant.local()) == 17


@SIDES
def test_an_edit_on_one_side_survives_a_delete_on_the_other(world: World, side: str) -> None:
    tenant = started(world, delete_policy="propagate", **NO_LIMIT)
    contact_id, record_id = delete_one(tenant, side)
    if side == "local":
        tenant.edit_remote(record_id, company="Edited")
    else:
        tenant.edit_local(contact_id, company="Edited")
    tenant.sync()
    tenant.assert_in_sync()
    assert len(tenant.local()) == 5
    assert tenant.local()[contact_id]["company"] == "Edited"
    (row,) = tenant.conflicts("applied")
    assert row["conflict"]["policy"] == "edit_beats_delete"
    tenant.assert_quiet(most_calls=1)


def test_deleted_on_both_sides_is_only_unlinked(world: World) -> None:
    tenant = started(world)
    contact_id, record_id = delete_one(tenant, "local")
    tenant.delete_remote(record_id)
    report = tenant.sync()
    assert report.held == 0
    assert contact_id not in tenant.links()
    tenant.assert_in_sync()


def test_a_merge_at_the_provider_is_no_deletion(world: World) -> None:
    tenant = started(world, delete_policy="propagate", **NO_LIMIT)
    contact_id, record_id = delete_one(tenant, "remote")
    email = tenant.local()[contact_id]["email"]
    (survivor,) = tenant.add_remote({"email": email, "name": "Merged"})
    tenant.sync()
    assert tenant.links()[contact_id] == survivor
    assert len(tenant.local()) == 5
    tenant.assert_in_sync()
    assert record_id not in tenant.remote()


def test_a_delete_that_became_an_edit_during_the_run_is_not_carried_out(world: World) -> None:
    tenant = started(world, delete_policy="propagate", **NO_LIMIT)
    contact_id, record_id = delete_one(tenant, "local")
    world.hooks.before_recheck = lambda: tenant.edit_remote(record_id, company="Edited")
    tenant.sync()
    assert record_id in tenant.remote()
    tenant.sync()
    assert tenant.local()[contact_id]["company"] == "Edited"
    tenant.assert_in_sync()


@pytest.mark.parametrize("what", ["base", "mapping"])
def test_a_changed_configuration_reads_everything_and_deletes_nothing(world: World, what: str) -> None:
    tenant = started(world, delete_policy="propagate", **NO_LIMIT)
    _reconfigure(tenant, what)
    report = tenant.sync()
    assert report.results[0].metadata["read"] == "complete"
    assert len(tenant.local()) == 5
    held = 2 if what == "base" else 0
    assert [item.kind for item in tenant.agenda.items] == [AgendaKind.HELD_DELETE] * held
    assert report.status is (RunStatus.REFUSED if held else RunStatus.SUCCESS)


@pytest.mark.parametrize(
    "what",
    [
        pytest.param("base"),
        "mapping",
        pytest.param("base, first seen by a one-way run"),
    ],
)
def test_a_changed_configuration_deletes_nothing_in_later_runs_either(world: World, what: str) -> None:
    tenant = started(world, delete_policy="propagate", **NO_LIMIT)
    _reconfigure(tenant, what)
    for _ in range(3):
        tenant.sync()
    tenant.sync(is_full=True)
    assert len(tenant.local()) == 5


def _reconfigure(tenant: Tenant, what: str) -> None:
    """Another mapping, or another base in which two of the five are missing."""
    if what == "mapping":
        tenant.configure(field_mapping={"email": "Email", "name": "Notes"})
        return
    other = tenant.world.airtable.create_base("copy")
    tenant.world.airtable.create_contacts_table(other.id, "Contacts")
    tenant.base_id = other.id
    tenant.add_remote(*people(3))
    tenant.configure(base_id=other.id)
    if what.endswith("one-way run"):
        tenant.sync(direction=Direction.TO_EXTERNAL)
