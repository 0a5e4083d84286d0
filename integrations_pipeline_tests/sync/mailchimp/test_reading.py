"""Reading an audience that moves while it is read: nothing is lost or doubled, and nobody is deleted by accident."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from integrations_pipeline.model import Direction, RunStatus
from integrations_pipeline_tests.spread import spread
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers

PAGE = 1000
#: More than two pages.
MANY = 2 * PAGE + 100


def between_pages(world: MailchimpWorld, page: int, act: Callable[[], object]) -> list[int]:
    """Act after that page of members was answered; the list holds its number once it happened."""
    pages: list[int] = []
    done: list[int] = []

    def after(request: httpx.Request) -> None:
        if request.method == "GET" and request.url.path.endswith("/members"):
            pages.append(1)
            if len(pages) == page:
                done.append(page)
                act()

    world.network.after = after
    return done


def in_seconds(world: MailchimpWorld, tenant: Subscribers, count: int, seconds: int) -> list[str]:
    """So many members, spread over so many seconds."""
    made = []
    for number in range(seconds):
        made += tenant.add_remote(*people(count // seconds, number * (count // seconds)))
        world.clock.advance(1)
    return made


@pytest.mark.parametrize("shuffles", [False, True], ids=["ties in order", "ties in any order"])
def test_thousands_who_changed_in_one_second_are_all_read(world: MailchimpWorld, shuffles: bool) -> None:
    """As after an import. A full read does not take any of them for deleted, nor ask for them one by one."""
    world.options(shuffle_ties=shuffles)
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_remote(*people(MANY))
    for is_full in (False, True):
        assert tenant.sync(is_full=is_full).status is RunStatus.SUCCESS
        assert len(tenant.local()) == MANY
        assert len(tenant.calls()) <= (50 if shuffles else 6)
    assert not tenant.journal("applied", kind="delete")
    tenant.assert_quiet()


def edited(tenant: Subscribers, records: list[str]) -> None:
    for record_id in records[:200]:
        tenant.edit_remote(record_id, company="Edited")


def archived(tenant: Subscribers, records: list[str]) -> None:
    tenant.delete_remote(*records[:200])


def joined(tenant: Subscribers, records: list[str]) -> None:
    tenant.add_remote(*people(200, 10_000))


def all_of_it(tenant: Subscribers, records: list[str]) -> None:
    for record_id in records[:80]:
        tenant.edit_remote(record_id, company="Edited")
    for record_id in records[80:160]:
        tenant.edit_remote(record_id, tags=["late"])
    tenant.delete_remote(*records[160:240])
    joined(tenant, records)


DEEDS = (edited, archived, joined, all_of_it)


@pytest.mark.parametrize("seconds", [1, 3], ids=["one second", "three seconds"])
@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_first_read_of_a_moving_list_misses_nobody(world: MailchimpWorld, page: int, seconds: int) -> None:
    tenant = world.tenant(**NO_LIMIT)
    records = in_seconds(world, tenant, MANY, seconds)

    def act() -> None:
        world.clock.advance(5)
        all_of_it(tenant, records)

    done = between_pages(world, page, act)
    tenant.sync()
    assert done
    world.network.after = lambda _: None
    for _ in range(2):
        tenant.sync()
    assert len(tenant.local()) == len(tenant.remote()) == MANY + 200 - 80
    tenant.assert_in_sync()


@pytest.mark.slow
@spread("deed, page, is_full, is_same_second", DEEDS, [1, 2, 3], [True, False], [True, False], one_of=3)
def test_whatever_happens_between_pages_is_not_lost_and_deletes_nobody_else(
    world: MailchimpWorld,
    deed: Callable[[Subscribers, list[str]], None],
    page: int,
    is_full: bool,
    is_same_second: bool,
) -> None:
    tenant = world.tenant(**NO_LIMIT)
    records = in_seconds(world, tenant, MANY, 3)
    tenant.sync()
    world.clock.advance(60)
    for record_id in records:
        tenant.member(record_id).values["PHONE"] = "+1"
        tenant.audience.touch(tenant.member(record_id), world.clock.now())
    if not is_same_second:
        world.clock.advance(5)

    def act() -> None:
        world.clock.advance(0 if is_same_second else 5)
        deed(tenant, records)

    done = between_pages(world, page, act)
    world.interval = 0.0
    tenant.sync(is_full=is_full)
    assert done
    world.network.after = lambda _: None
    world.interval = 60.0
    for _ in range(2):
        tenant.sync()
    gone = 200 if deed is archived else 80 if deed is all_of_it else 0
    came = 200 if deed in (joined, all_of_it) else 0
    assert len(tenant.local()) == len(tenant.remote()) == MANY + came - gone
    assert sum(row.get("phone") == "+1" for row in tenant.local().values()) == MANY - gone
    tenant.assert_in_sync()


# Incremental reads


@pytest.mark.parametrize("pause", [0.0, 0.4, 1.0, 2.9, 3.1, 60.0])
def test_an_edit_at_any_time_around_a_run_is_read(world: MailchimpWorld, pause: float) -> None:
    """Times have whole seconds: an edit in the second of a read must not fall between two reads."""
    world.interval = 0.0
    tenant = world.tenant(**NO_LIMIT)
    first, second, third = tenant.add_remote(*people(3))
    tenant.sync()
    for number, record_id in enumerate((first, second, first, third, second)):
        tenant.edit_remote(record_id, company=f"Company {number}")
        tenant.sync()
        world.clock.advance(pause)
        assert tenant.local()[tenant.contact_of(record_id)]["company"] == f"Company {number}"
    tenant.assert_in_sync()


@pytest.mark.parametrize("moment", ["after_read", "before_recheck", "before_write", "after_write"])
@pytest.mark.parametrize("interval", [0.0, 60.0])
def test_edits_during_a_run_are_taken_up_by_the_next(world: MailchimpWorld, moment: str, interval: float) -> None:
    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(*people(6))
    tenant.sync()
    world.interval = interval
    ids = [tenant.contact_of(record) for record in records]
    for contact_id in ids[:3]:
        tenant.edit_local(contact_id, company="Local")

    def act() -> None:
        tenant.edit_remote(records[0], phone="+1")
        tenant.edit_remote(records[3], phone="+1")
        tenant.edit_remote(records[1], tags=["late"])
        tenant.edit_remote(records[4], email="late@example.org")
        tenant.delete_remote(records[5])
        tenant.add_remote(person(50))

    setattr(world.hooks, moment, act)
    for _ in range(3):
        tenant.sync()
    local = tenant.local()
    assert {local[key].get("phone") for key in (ids[0], ids[3])} == {"+1"}
    assert [local[key].get("company") for key in ids[:3]] == ["Local"] * 3
    assert local[ids[4]]["email"] == "late@example.org"
    assert len(local) == 6
    tenant.assert_in_sync()


@pytest.mark.parametrize("restores", [True, False], ids=["status_if_new restores", "only status restores"])
@pytest.mark.parametrize("deed", ["archived", "unsubscribed and archived", "deleted for good", "renamed"])
def test_who_vanishes_right_before_a_batch_is_neither_made_again_nor_raised(
    world: MailchimpWorld, deed: str, restores: bool
) -> None:
    world.options(status_if_new_restores_archived=restores)
    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(*people(3))
    tenant.sync()
    for record_id in records:
        tenant.edit_local(tenant.contact_of(record_id), company="Local")

    def act() -> None:
        if deed == "renamed":
            tenant.edit_remote(records[0], email="renamed@example.org")
        elif deed == "deleted for good":
            world.mailchimp.delete_permanently(tenant.list_id, records[0])
        else:
            if deed != "archived":
                tenant.unsubscribe(records[0], by="admin")
            tenant.delete_remote(records[0])

    world.hooks.before_write = act
    for is_full in (False, False, True, False):
        assert tenant.sync(is_full=is_full).status is not RunStatus.FAILED
    assert {tenant.member(record).values["COMPANY"] for record in records[1:]} == {"Local"}
    assert "Local" in {row.get("company") for row in tenant.local().values()}
    assert len(tenant.remote()) == (3 if deed == "renamed" else 2)
    if deed == "renamed":
        assert tenant.member(records[0]).values["COMPANY"] == "Local"
        tenant.assert_in_sync()


# Runs of one way, and previews


def test_a_preview_of_a_moving_audience_changes_nothing(world: MailchimpWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(*people(5))
    tenant.sync()
    tenant.edit_local(tenant.contact_of(records[0]), company="Local", tags=["a"], email="new@example.org")
    tenant.edit_remote(records[1], company="Remote")
    tenant.delete_remote(records[2])
    tenant.add_local(person(60))
    before = tenant.fingerprint(), tenant.connection.cursor
    preview = tenant.preview()
    assert (tenant.fingerprint(), tenant.connection.cursor) == before
    assert not tenant.record_writes()
    report = tenant.sync(plan_id=preview.plan_id)
    assert report.status is RunStatus.SUCCESS
    assert len(report.plan.changes) == len(preview.plan.changes)
    tenant.sync()
    tenant.assert_in_sync()


def test_one_way_runs_together_do_what_a_run_of_both_ways_does(world: MailchimpWorld) -> None:

    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(*people(4))
    tenant.sync()
    ids = [tenant.contact_of(record) for record in records]
    tenant.edit_local(ids[0], company="Local")
    tenant.edit_remote(records[1], company="Remote")
    tenant.delete_remote(records[2])
    tenant.unsubscribe(records[3])
    ways: tuple[Any, ...] = (Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL, Direction.BIDIRECTIONAL)
    for direction in ways:
        tenant.sync(direction=direction)
    tenant.assert_in_sync()
    assert tenant.is_out(ids[3])
    assert len(tenant.local()) == 3
