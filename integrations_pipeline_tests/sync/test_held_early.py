"""A delete that was held, or approved, moments after a write of ours to that record stays so until it is decided."""

from uuid import UUID

import pytest

from integrations_pipeline.store import decisions
from integrations_pipeline_tests.sync.arrangement import Tenant, World, person


def held_moments_after_our_write(world: World) -> tuple[Tenant, str, UUID]:
    """A contact made there by us, deleted there at once: its delete here is held."""
    world.propagation_seconds = 60.0
    tenant = world.tenant()
    tenant.add_local(*(person(number) for number in range(8)))
    tenant.sync()
    (contact_id,) = tenant.add_local(person(20))
    tenant.sync()
    tenant.delete_remote(tenant.record_of(contact_id))
    tenant.sync()
    (held,) = tenant.journal("held")
    assert (held["side"], held["kind"]) == ("local", "delete")
    return tenant, contact_id, UUID(str(held["id"]))


@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_it_stays_held_with_its_id(world: World, is_full: bool) -> None:
    tenant, contact_id, change_id = held_moments_after_our_write(world)
    for _ in range(3):
        tenant.sync(is_full=is_full)
        assert [UUID(str(row["id"])) for row in tenant.journal("held")] == [change_id]
    assert contact_id in tenant.local()
    assert len(tenant.remote()) == 8


@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_an_approval_is_carried_out(world: World, is_full: bool) -> None:
    tenant, contact_id, change_id = held_moments_after_our_write(world)
    with world.database.workspace(tenant.workspace_id) as connection:
        assert decisions.decide_delete(connection, change_id, approve=True)
    tenant.sync(is_full=is_full)
    assert contact_id not in tenant.local()
    assert tenant.journal("held") == []
    tenant.sync()
    assert len(tenant.local()) == len(tenant.remote()) == 8


def test_a_rejection_makes_the_record_again(world: World) -> None:
    tenant, contact_id, change_id = held_moments_after_our_write(world)
    with world.database.workspace(tenant.workspace_id) as connection:
        assert decisions.decide_delete(connection, change_id, approve=False)
    tenant.sync()
    assert contact_id in tenant.local()
    assert len(tenant.remote()) == 9


def test_a_record_that_is_there_again_clears_its_hold(world: World) -> None:
    tenant, contact_id, _ = held_moments_after_our_write(world)
    fields = person(20)
    tenant.add_remote({**fields, "company": "Back"})
    tenant.sync()
    tenant.sync()
    assert len([row for row in tenant.local().values() if row["email"] == fields["email"]]) == 1
    assert tenant.local()[contact_id]["company"] == "Back"
    assert tenant.journal("held") == []
