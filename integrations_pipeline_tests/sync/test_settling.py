"""Half-typed values do not travel: whatever was edited a moment ago waits for the next run, on either side."""

import json

import httpx
import pytest

from integrations_pipeline.model import AgendaKind, Decision, RunStatus, Side
from integrations_pipeline.sync.contacts.belief import MOST_SETTLE_TIMES
from integrations_pipeline_tests.sync.arrangement import Tenant, World

SETTLE = 30


def started(world: World, *, has_feed: bool = True) -> Tenant:
    """Three linked contacts, all of them left alone for long."""
    if not has_feed:
        world.forbid_webhooks()
    tenant = world.tenant(settle_seconds=SETTLE)
    tenant.add_local(*({"email": f"p{n}@example.org", "name": f"Person {n}"} for n in range(3)))
    tenant.sync()
    tenant.assert_in_sync()
    rest(tenant)
    return tenant


def rest(tenant: Tenant, seconds: float = SETTLE + 1) -> None:
    tenant.pass_time(seconds)


def record(tenant: Tenant, name: str) -> str:
    return next(key for key, row in tenant.remote().items() if row["name"] == name)


def emails(tenant: Tenant) -> set[str]:
    return {row["email"] for row in tenant.local().values()}


FEED = pytest.mark.parametrize("has_feed", [True, False], ids=["feed", "no feed"])


@FEED
def test_an_email_that_is_being_typed_there_arrives_whole(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed=has_feed)
    key = record(tenant, "Person 1")
    for typed in ("p1@new.e", "p1@new.examp", "p1@new.example"):
        tenant.edit_remote(key, email=typed)
        report = tenant.sync()
        assert report.status is RunStatus.SUCCESS
        assert report.settling == 1
        assert "p1@example.org" in emails(tenant)
        rest(tenant, 10)
    rest(tenant)
    assert not tenant.sync().settling
    assert "p1@new.example" in emails(tenant)
    tenant.assert_in_sync()


@FEED
def test_an_edit_here_waits_too(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed=has_feed)
    contact = next(key for key, row in tenant.local().items() if row["name"] == "Person 1")
    tenant.edit_local(contact, email="p1@new.e")
    assert tenant.sync().settling == 1
    assert not tenant.record_writes()
    tenant.edit_local(contact, email="p1@new.example")
    rest(tenant)
    assert not tenant.sync().settling
    tenant.assert_in_sync()


@FEED
def test_edits_of_others_and_earlier_ones_go_on_meanwhile(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed=has_feed)
    tenant.edit_remote(record(tenant, "Person 2"), company="Settled")
    rest(tenant)
    tenant.edit_remote(record(tenant, "Person 1"), company="Typing")
    tenant.sync()
    assert {row.get("company") for row in tenant.local().values()} == {None, "Settled"}


@FEED
def test_somebody_new_who_is_being_typed_waits_and_is_not_made_twice(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed=has_feed)
    tenant.add_remote({"email": "new@example.org", "name": "New"})
    tenant.add_local({"email": "new@example.org", "name": "New"})
    rest(tenant)
    tenant.add_remote({"email": "other@example.org", "name": "Other"})
    tenant.edit_remote(record(tenant, "New"), phone="1")
    assert tenant.sync().settling
    assert len(tenant.remote()) == 5, "the contact here is not made there beside the record that waits"
    rest(tenant)
    tenant.sync()
    tenant.assert_in_sync()
    assert (len(tenant.local()), len(tenant.remote())) == (5, 5)


def test_a_contact_edited_on_one_side_keeps_its_record_waiting_on_the_other(world: World) -> None:
    tenant = started(world)
    contact = next(key for key, row in tenant.local().items() if row["name"] == "Person 1")
    tenant.edit_remote(record(tenant, "Person 1"), company="There")
    rest(tenant)
    tenant.edit_local(contact, phone="1")
    assert tenant.sync().settling == 1
    assert "company" not in tenant.local()[contact]
    rest(tenant)
    tenant.sync()
    assert tenant.local()[contact]["company"] == "There"
    tenant.assert_in_sync()


def test_a_record_that_is_edited_all_the_time_goes_out_in_the_end(world: World) -> None:
    tenant = started(world)
    key = record(tenant, "Person 1")
    went = 0
    for number in range(MOST_SETTLE_TIMES * 4):
        tenant.edit_remote(key, company=f"Edit {number}")
        went += not tenant.sync().settling
        tenant.pass_time(15)
    assert went, "nobody waits for ever"


def test_the_first_sync_waits_for_nobody(world: World) -> None:
    tenant = world.tenant(settle_seconds=SETTLE)
    tenant.add_local({"email": "a@example.org", "name": "Ann"})
    tenant.add_remote({"email": "b@example.org", "name": "Bo"})
    assert not tenant.sync().settling
    tenant.assert_in_sync()


def test_our_own_write_here_is_no_edit_that_anybody_waits_for(world: World) -> None:
    tenant = started(world)
    tenant.edit_remote(record(tenant, "Person 1"), company="There")
    rest(tenant)
    tenant.sync()
    assert not tenant.sync(is_full=True).settling


def test_a_server_that_ignores_the_question_makes_nobody_wait(world: World) -> None:
    tenant = started(world, has_feed=False)
    tenant.add_remote(*({"email": f"q{n}@example.org", "name": f"Other {n}"} for n in range(5)))
    rest(tenant)
    tenant.sync()
    tenant.edit_remote(record(tenant, "Person 1"), company="There")

    def ignore(request: httpx.Request) -> None:
        if "LAST_MODIFIED_TIME" in str(request.url) and "RECORD_ID" in str(request.url):
            kept = [(key, value) for key, value in request.url.params.multi_items() if key != "filterByFormula"]
            request.url = request.url.copy_with(params=kept)

    world.network.before = ignore
    assert not tenant.sync().settling
    tenant.assert_in_sync()


@FEED
def test_what_is_held_stays_held_while_somebody_of_it_is_being_edited(world: World, has_feed: bool) -> None:
    """Else each edit would let one of a mistake's many through, as the only one of its day."""
    tenant = started(world, has_feed=has_feed)
    tenant.rows(
        "update integration_connections set settings = settings || cast(:more as jsonb) returning 1",
        more=json.dumps({"change_limit": 1, "change_limit_fraction": 1.0}),
    )
    for key in tenant.links():
        tenant.edit_local(key, phone="1")
    rest(tenant)
    tenant.sync()
    rest(tenant, 120)
    for key in tenant.remote():
        tenant.edit_remote(key, phone="")
    rest(tenant)
    assert tenant.sync().held == 3
    asked = {item.id for item in tenant.agenda.of(AgendaKind.HELD_CLEAR)}
    (touched, *_) = tenant.links()
    tenant.edit_local(touched, company="Typing")
    assert tenant.sync().settling
    assert {item.id for item in tenant.agenda.of(AgendaKind.HELD_CLEAR)} == asked
    rest(tenant)
    assert tenant.sync().held == 3
    assert all(row["phone"] == "1" for row in tenant.local().values())


@FEED
@pytest.mark.parametrize("side", [Side.LOCAL, Side.REMOTE])
def test_who_was_rejected_is_not_made_because_somebody_edited_it(world: World, has_feed: bool, side: Side) -> None:
    tenant = started(world, has_feed=has_feed)
    tenant.rows(
        "update integration_connections set settings = settings || cast(:more as jsonb) returning 1",
        more=json.dumps({"create_limit_fraction": 0.1}),
    )
    person = {"email": "new@example.org", "name": "New"}
    if side is Side.LOCAL:
        tenant.add_remote(person)
    else:
        tenant.add_local(person)
    rest(tenant)
    assert tenant.sync().held == 1
    tenant.rows(
        "update integration_agenda set decision = 'rejected', decided_at = now() where kind = 'held_create' returning 1"
    )
    if side is Side.LOCAL:
        tenant.edit_remote(record(tenant, "New"), name="Newer")
    else:
        tenant.edit_local(next(key for key, row in tenant.local().items() if row["name"] == "New"), name="Newer")
    for is_full in (False, True, False):
        tenant.sync(is_full=is_full)
        rest(tenant)
    assert len(tenant.local() if side is Side.LOCAL else tenant.remote()) == 3
    assert [item.decision for item in tenant.agenda.of(AgendaKind.HELD_CREATE)] == [Decision.REJECTED]
