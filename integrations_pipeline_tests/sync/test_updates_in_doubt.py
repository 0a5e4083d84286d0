"""An update that was sent and never answered is our own, whatever becomes of the contact meanwhile."""

from typing import Any

import pytest

from integrations_pipeline.model import ChangeState, RunStatus
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people
from integrations_pipeline_tests.sync.test_creates_in_doubt import Killed, die_after_the_write


def killed_in_an_update(world: World, **settings: Any) -> tuple[Tenant, str]:
    """The company is "New" on both sides, and nobody here knows of it."""
    tenant = world.tenant(**settings)
    contact_id, *_ = tenant.add_local(*({**each, "company": "Old"} for each in people(6)))
    tenant.sync()
    tenant.edit_local(contact_id, company="New")
    die_after_the_write(world)
    with pytest.raises(Killed):
        tenant.sync()
    assert tenant.remote()[tenant.record_of(contact_id)]["company"] == "New"
    return tenant, contact_id


@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_who_is_deleted_meanwhile_does_not_come_back(world: World, is_full: bool) -> None:
    tenant, contact_id = killed_in_an_update(world)
    tenant.delete_local(contact_id)
    tenant.sync(is_full=is_full)
    assert contact_id not in tenant.local()
    (held,) = tenant.journal("held")
    assert (held["kind"], held["side"], held["contact_id"]) == ("delete", "remote", contact_id)
    assert not tenant.conflicts()


@pytest.mark.parametrize("policy", ["remote_wins", "manual", "local_wins", "newest_wins"])
def test_a_further_edit_here_is_in_conflict_with_nobody(world: World, policy: str) -> None:
    tenant, contact_id = killed_in_an_update(world, conflict_policy=policy)
    tenant.edit_local(contact_id, company="Newer")
    assert tenant.sync().status is RunStatus.SUCCESS
    assert not tenant.conflicts()
    assert tenant.local()[contact_id]["company"] == "Newer"
    tenant.assert_in_sync()


def test_an_edit_there_meanwhile_is_kept(world: World) -> None:
    tenant, contact_id = killed_in_an_update(world, conflict_policy="remote_wins")
    tenant.edit_remote(tenant.record_of(contact_id), company="There", phone="+47 1")
    tenant.sync()
    assert tenant.local()[contact_id]["company"] == "There"
    tenant.assert_in_sync()


def test_what_was_carried_out_is_on_record_as_applied(world: World) -> None:
    tenant, contact_id = killed_in_an_update(world)
    tenant.sync()
    (found,) = [row for row in tenant.journal("applied", kind="update") if row["contact_id"] == contact_id]
    assert (found["state"], found["reason"]) == (
        ChangeState.APPLIED.value,
        "the run ended before it was told; what it wrote was found",
    )
    assert tenant.journal("intended") == []
    tenant.assert_quiet()


def test_what_was_never_carried_out_is_planned_anew(world: World) -> None:
    tenant = world.tenant()
    contact_id, *_ = tenant.add_local(*({**each, "company": "Old"} for each in people(6)))
    tenant.sync()
    tenant.edit_local(contact_id, company="New")

    def die() -> None:
        raise Killed

    world.hooks.before_write = die
    with pytest.raises(Killed):
        tenant.sync()
    tenant.delete_remote(tenant.record_of(contact_id))
    tenant.edit_local(contact_id, company="Newer")
    tenant.sync()
    assert [row["company"] for row in tenant.remote().values()].count("Newer") == 1
    assert tenant.journal("intended") == []
    tenant.assert_in_sync()
