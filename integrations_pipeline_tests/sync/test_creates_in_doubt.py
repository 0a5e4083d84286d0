"""A create that was sent and never answered: whatever becomes of the contact meanwhile, the person is there once."""

import httpx
import pytest

from integrations_pipeline.model import ChangeState, RunStatus
from integrations_pipeline_tests.sync.arrangement import Tenant, World, person


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


def die_after_the_write(world: World) -> None:
    """The next write is carried out, and nobody hears of it."""

    def after(request: httpx.Request) -> None:
        if request.method in ("POST", "PATCH", "PUT") and "/meta/" not in request.url.path:
            world.network.after = lambda _: None
            raise Killed

    world.network.after = after


def killed_in_a_create(world: World, *, with_contact_id: bool, count: int = 1) -> tuple[Tenant, list[str]]:
    tenant = world.tenant(with_contact_id=with_contact_id)
    tenant.add_local(person(50), person(51), person(52), person(53))
    tenant.sync()
    ids = tenant.add_local(*(person(number) for number in range(count)))
    world.max_concurrency = 1
    die_after_the_write(world)
    with pytest.raises(Killed):
        tenant.sync()
    assert len(tenant.remote()) == 4 + min(count, 10)
    return tenant, ids


@pytest.mark.parametrize("with_contact_id", [True, False], ids=["key column", "no key column"])
@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_another_e_mail_meanwhile_makes_nobody_twice(world: World, with_contact_id: bool, is_full: bool) -> None:
    tenant, (contact_id,) = killed_in_a_create(world, with_contact_id=with_contact_id)
    tenant.edit_local(contact_id, email="new@example.org", company="Moved")
    assert tenant.sync(is_full=is_full).status is RunStatus.SUCCESS
    assert len(tenant.local()) == len(tenant.remote()) == 5
    assert tenant.remote()[tenant.record_of(contact_id)]["email"] == "new@example.org"
    assert tenant.journal("intended") == []
    tenant.assert_in_sync()


@pytest.mark.parametrize("with_contact_id", [True, False], ids=["key column", "no key column"])
def test_who_is_deleted_meanwhile_does_not_come_back(world: World, with_contact_id: bool) -> None:
    tenant, (contact_id,) = killed_in_a_create(world, with_contact_id=with_contact_id)
    tenant.delete_local(contact_id)
    tenant.sync()
    assert contact_id not in tenant.local()
    assert len(tenant.local()) == 4
    (held,) = tenant.journal("held")
    assert (held["kind"], held["side"], held["contact_id"]) == ("delete", "remote", contact_id)


@pytest.mark.parametrize("with_contact_id", [True, False], ids=["key column", "no key column"])
def test_edits_of_both_sides_meanwhile_are_kept(world: World, with_contact_id: bool) -> None:
    tenant, (contact_id,) = killed_in_a_create(world, with_contact_id=with_contact_id)
    (record_id,) = (key for key, row in tenant.remote().items() if row["email"] == person(0)["email"])
    tenant.edit_remote(record_id, phone="+47 1")
    tenant.edit_local(contact_id, email="new@example.org", company="Moved")
    tenant.sync()
    row = tenant.remote()[record_id]
    assert (row["email"], row["company"], row["phone"]) == ("new@example.org", "Moved", "+47 1")
    assert tenant.local()[contact_id]["phone"] == "+47 1"
    tenant.assert_in_sync()


def test_what_was_never_carried_out_is_planned_anew(world: World) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1))
    tenant.sync()
    (contact_id,) = tenant.add_local(person(2))

    def die() -> None:
        raise Killed

    world.hooks.before_write = die
    with pytest.raises(Killed):
        tenant.sync()
    assert len(tenant.journal("intended")) == 1
    tenant.edit_local(contact_id, email="new@example.org")
    tenant.sync()
    assert {row["email"] for row in tenant.remote().values()} == {person(1)["email"], "new@example.org"}
    assert tenant.journal("intended") == []
    tenant.assert_in_sync()


def test_a_run_that_cannot_look_leaves_the_doubt_to_the_next(world: World) -> None:
    tenant, (contact_id,) = killed_in_a_create(world, with_contact_id=False)
    tenant.edit_local(contact_id, email="new@example.org")

    def die(request: httpx.Request) -> None:
        raise Killed

    world.network.before = die
    with pytest.raises(Killed):
        tenant.sync()
    world.network.before = lambda _: None
    assert len(tenant.journal("intended")) == 1
    tenant.sync()
    assert len(tenant.local()) == len(tenant.remote()) == 5
    tenant.assert_in_sync()


def test_a_record_that_belongs_to_somebody_else_by_now_is_left_to_them(world: World) -> None:
    """Without a key only the e-mail tells whose it is, and somebody else may have taken that meanwhile."""
    tenant, (contact_id,) = killed_in_a_create(world, with_contact_id=False)
    (record_id,) = (key for key, row in tenant.remote().items() if row["email"] == person(0)["email"])
    (taker, *_) = (key for key in tenant.links())
    tenant.rows(
        "update integration_links set external_id = :record where contact_id = cast(:taker as uuid) returning 1",
        record=record_id,
        taker=taker,
    )
    tenant.sync()
    assert tenant.links()[taker] == record_id
    states = {row["state"] for row in tenant.journal() if row["contact_id"] == contact_id and row["kind"] == "create"}
    assert ChangeState.INTENDED.value not in states
