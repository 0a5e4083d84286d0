"""`undo`: what a run wrote is as it was before, on both sides; what was edited since stays and is told."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, event, text

from integrations_pipeline.engine.pairs import EDITED_SINCE
from integrations_pipeline.errors import BusyError, ConfigurationError
from integrations_pipeline.model import ORDERED, AgendaItem, AgendaKind, Decision, Direction, Side
from integrations_pipeline.store import undoing
from integrations_pipeline.store.decisions import TAKEN_BACK, Verdict, decide_delete, decide_holds
from integrations_pipeline.store.waiting import Choice
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.taking_back import EDITED, EDITED_THERE, GONE, MERGED, MET, NOT_RAISED, TAKEN
from integrations_pipeline.sync.undo import UndoReport, undo_run
from integrations_pipeline_tests.costs.counting import Statements
from integrations_pipeline_tests.engine.observing import Seen, demand
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people

FREE: dict[str, Any] = {"delete_policy": "propagate", "delete_limit_fraction": 1.0, "change_limit_fraction": 1.0}


def started(world: World, count: int = 6, **settings: Any) -> Tenant:
    tenant = world.tenant(**{**FREE, "change_limit": 1000, **settings})
    tenant.add_remote(*({**each, "company": "Acme", "tags": ["a"]} for each in people(count)))
    tenant.sync()
    return tenant


def undo(tenant: Tenant, run: SyncReport | UndoReport | UUID | None, **options: Any) -> UndoReport:
    run_id = run if isinstance(run, UUID) else run.run_id if run else None
    assert run_id
    with tenant.world.database.admin() as connection:
        found = undoing.find_run(connection, run_id)
    assert found
    report = undo_run(tenant.world.runtime, found, "ann", **options)
    assert report.sync is None or not report.sync.error
    return report


def both(tenant: Tenant) -> dict[str, dict[str, dict[str, str]]]:
    """By e-mail, what each side has."""
    return {
        side: {row["email"]: row for row in rows.values()}
        for side, rows in (("here", tenant.local()), ("there", tenant.remote()))
    }


def ids(tenant: Tenant) -> list[str]:
    return sorted(tenant.links())


def reasons(report: UndoReport) -> Counter[tuple[str, str]]:
    return Counter((each.field, each.reason) for each in report.left_out)


@pytest.mark.parametrize("side", ["here", "there"])
def test_updates_are_put_back_on_both_sides_and_stay_so(world: World, side: str) -> None:
    tenant = started(world)
    before = both(tenant)
    for contact_id in ids(tenant):
        if side == "here":
            tenant.edit_local(contact_id, company="Oops", name="Wrong")
        else:
            tenant.edit_remote(tenant.record_of(contact_id), company="Oops", name="Wrong")
    mistake = tenant.sync()
    assert both(tenant) != before

    report = undo(tenant, mistake)

    assert (report.undone, report.left_out) == (12, ())
    assert both(tenant) == before
    tenant.assert_in_sync()
    tenant.sync(is_full=True)
    assert both(tenant) == before
    rows = tenant.rows("select distinct state from integration_changes where run_id = :id", id=mistake.run_id)
    assert rows == [{"state": "undone"}]


def test_an_undo_can_be_undone(world: World) -> None:
    tenant = started(world)
    for contact_id in ids(tenant)[:3]:
        tenant.edit_local(contact_id, company="New")
    edited = tenant.sync()
    after = both(tenant)
    taken_back = undo(tenant, edited)
    assert both(tenant) != after

    assert undo(tenant, taken_back).left_out == ()

    assert both(tenant) == after
    tenant.assert_in_sync()
    with pytest.raises(ConfigurationError, match="it was undone already"):
        undo(tenant, taken_back)


def test_what_was_edited_since_is_listed_and_left(world: World) -> None:
    tenant = started(world)
    first, second, third, fourth = ids(tenant)[:4]
    for contact_id in (first, second, third, fourth):
        tenant.edit_local(contact_id, company="Wrong", phone="1")
    mistake = tenant.sync()
    tenant.edit_local(first, company="Right")
    tenant.edit_remote(tenant.record_of(second), company="Right there")
    tenant.delete_local(third)

    report = undo(tenant, mistake)

    assert reasons(report) == {
        ("company", EDITED): 1, ("company", EDITED_THERE): 1, ("company", GONE): 1, ("phone", GONE): 1,
    }  # fmt: skip
    here = tenant.local()
    assert [here[key]["company"] for key in (first, second, fourth)] == ["Right", "Right there", "Acme"]
    assert not any("phone" in here[key] for key in (first, second, fourth))
    tenant.sync()
    tenant.assert_in_sync()


def test_deleted_people_come_back_on_both_sides(world: World) -> None:
    tenant = started(world)
    before = both(tenant)
    tenant.delete_local(*ids(tenant)[:2])
    tenant.delete_remote(*[tenant.record_of(key) for key in ids(tenant)[2:4]])
    mistake = tenant.sync()
    assert len(tenant.local()) == len(tenant.remote()) == 2

    report = undo(tenant, mistake)

    assert (report.undone, report.left_out) == (4, ())
    assert both(tenant) == before
    tenant.assert_in_sync()


def test_somebody_whose_address_another_has_by_now_stays_deleted(world: World) -> None:
    tenant = started(world)
    (contact_id,) = (key for key, row in tenant.local().items() if row["email"] == "person1@example.org")
    tenant.delete_remote(tenant.record_of(contact_id))
    mistake = tenant.sync()
    tenant.add_local({"email": "person1@example.org", "name": "Another"})
    assert reasons(undo(tenant, mistake)) == {("", TAKEN): 1}
    assert [row["name"] for row in tenant.local().values() if row["email"] == "person1@example.org"] == ["Another"]


@pytest.mark.parametrize("is_approved", [True, False])
def test_people_whom_a_run_made_are_held_for_deletion_where_it_made_them(world: World, is_approved: bool) -> None:
    tenant = started(world)
    tenant.add_remote({"email": "junk1@example.org"}, {"email": "junk2@example.org", "name": "J"})
    mistake = tenant.sync()
    junk = [key for key, row in tenant.local().items() if row["email"] == "junk2@example.org"]
    tenant.edit_local(junk[0], name="No junk")

    report = undo(tenant, mistake)

    assert (report.held, reasons(report)) == (1, {("", EDITED): 1})
    tenant.sync(is_full=True)
    (item,) = tenant.agenda.of(AgendaKind.HELD_DELETE)
    assert item.field == ORDERED
    assert len(tenant.local()) == 8, "nothing is deleted before somebody says so"
    there = tenant.remote()
    decide(tenant, item, is_approved=is_approved)
    for is_full in (False, False, True):
        tenant.sync(is_full=is_full)
        assert (addresses(tenant.local()) == addresses(there)) is not is_approved
        assert tenant.remote() == there, "they were there before the run"
    assert not tenant.agenda.of(AgendaKind.HELD_DELETE)
    assert addresses(there) - addresses(tenant.local()) == ({"junk1@example.org"} if is_approved else set())


def decide(tenant: Tenant, item: AgendaItem, *, is_approved: bool = True) -> None:
    with tenant.world.database.workspace(tenant.workspace_id) as connection:
        assert decide_delete(connection, item.id, approve=is_approved)


def made(tenant: Tenant, side: Side, *persons: dict[str, Any]) -> SyncReport:
    """A run that makes these people on this side: they were on the other one."""
    if side is Side.LOCAL:
        tenant.add_remote(*persons)
    else:
        tenant.add_local(*persons)
    return tenant.sync()


def addresses(rows: Mapping[str, Mapping[str, str]]) -> set[str]:
    return {row["email"] for row in rows.values()}


@pytest.mark.parametrize("is_full", [False, True])
def test_who_was_only_copied_to_the_provider_stays_here(world: World, is_full: bool) -> None:
    tenant = started(world)
    tenant.add_local({"email": "ours@example.org", "name": "O"})
    undo(tenant, tenant.sync())
    here = tenant.local()
    (item,) = tenant.agenda.of(AgendaKind.HELD_DELETE)
    assert "at the provider alone" in item.reason
    decide(tenant, item)
    tenant.sync(is_full=is_full)
    for again in (False, True):
        assert tenant.local() == here
        assert "ours@example.org" not in addresses(tenant.remote())
        tenant.sync(is_full=again)
    assert not tenant.agenda.of(AgendaKind.HELD_DELETE)


@pytest.mark.parametrize("side", [Side.LOCAL, Side.REMOTE])
def test_whom_nobody_wants_costs_a_quiet_run_nothing_and_is_looked_at_when_something_is_told(
    world: World, side: Side
) -> None:
    tenant = started(world)
    group = [{"email": f"late{n}@example.org", "name": "L"} for n in range(4)]
    undo(tenant, made(tenant, side, *group))
    for item in tenant.agenda.of(AgendaKind.HELD_DELETE):
        decide(tenant, item)
    tenant.sync()
    tenant.sync()
    with Statements() as statements:
        tenant.sync()
    assert not [each for each, _ in statements.seen if "from workspace_contacts c" in each and "c.updated_at" in each]
    assert len(tenant.agenda.of(AgendaKind.HELD_CREATE)) == 4
    # Somebody brings one of them in by hand: both sides have them then, and nobody twice.
    if side is Side.LOCAL:
        tenant.add_local({"email": "late1@example.org", "name": "By hand"})
    else:
        tenant.add_remote({"email": "late1@example.org", "name": "By hand"})
    tenant.sync()
    assert len(tenant.agenda.of(AgendaKind.HELD_CREATE)) == 3
    assert Counter(row["email"] for row in tenant.local().values())["late1@example.org"] == 1
    assert Counter(row["email"] for row in tenant.remote().values())["late1@example.org"] == 1


@pytest.mark.parametrize("side", [Side.LOCAL, Side.REMOTE])
def test_who_was_taken_back_on_one_side_comes_again_when_somebody_says_so(world: World, side: Side) -> None:
    tenant = started(world)
    person = {"email": "late@example.org", "name": "L"}
    undo(tenant, made(tenant, side, person))
    decide(tenant, *tenant.agenda.of(AgendaKind.HELD_DELETE))
    tenant.sync()
    (kept,) = tenant.agenda.of(AgendaKind.HELD_CREATE)
    assert (kept.side, kept.decision, kept.reason) == (side, Decision.REJECTED, TAKEN_BACK)
    with world.database.workspace(tenant.workspace_id) as connection:
        choice = Choice(kinds=["held_create"], ids=[str(kept.id)])
        with pytest.raises(ConfigurationError, match="decided already, rejected"):
            decide_holds(connection, tenant.workspace_id, choice, Verdict(decision=Decision.REJECTED, by="ann"))
        decide_holds(connection, tenant.workspace_id, choice, Verdict(decision=Decision.APPROVED, by="ann"))
    tenant.sync()
    assert "late@example.org" in addresses(tenant.local()) & addresses(tenant.remote())
    assert not tenant.agenda.items
    tenant.assert_in_sync()


@pytest.mark.parametrize("where", [Side.LOCAL, Side.REMOTE])
@pytest.mark.parametrize("side", [Side.LOCAL, Side.REMOTE])
def test_an_edit_on_either_side_after_the_approval_keeps_who_was_to_go(world: World, side: Side, where: Side) -> None:
    tenant = started(world)
    person = {"email": "late@example.org", "name": "L"}
    undo(tenant, made(tenant, side, person))
    (item,) = tenant.agenda.of(AgendaKind.HELD_DELETE)
    decide(tenant, item)
    if where is Side.LOCAL:
        tenant.edit_local(str(item.contact_id), name="Wanted")
    else:
        tenant.edit_remote(tenant.record_of(str(item.contact_id)), name="Wanted")
    tenant.sync()
    assert [item.reason for item in tenant.agenda.of(AgendaKind.SKIPPED)] == [EDITED_SINCE]
    tenant.sync(is_full=True)
    assert "Wanted" in {row.get("name") for row in tenant.local().values()}
    assert not tenant.agenda.items
    tenant.assert_in_sync()


def test_a_person_who_is_gone_by_then_is_gone_on_both_sides(world: World) -> None:
    tenant = started(world)
    tenant.add_remote({"email": "one@example.org"}, {"email": "two@example.org"})
    undo(tenant, tenant.sync())
    first, second = tenant.agenda.of(AgendaKind.HELD_DELETE)
    decide(tenant, first)
    tenant.delete_remote(tenant.record_of(str(first.contact_id)))
    tenant.delete_remote(tenant.record_of(str(second.contact_id)))
    tenant.sync()
    decide(tenant, second)
    tenant.sync(is_full=True)
    assert len(tenant.local()) == len(tenant.remote()) == 6
    assert not tenant.agenda.items


def test_a_record_that_went_before_the_run_could_tell_leaves_the_contact_here(world: World) -> None:
    """As if the run had been killed after the provider deleted it."""
    tenant = started(world)
    tenant.add_local({"email": "ours@example.org", "name": "O"})
    undo(tenant, tenant.sync())
    here = tenant.local()
    (item,) = tenant.agenda.of(AgendaKind.HELD_DELETE)
    decide(tenant, item)
    tenant.delete_remote(tenant.record_of(str(item.contact_id)))
    for is_full in (False, True):
        tenant.sync(is_full=is_full)
        assert tenant.local() == here
        assert len(tenant.remote()) == 6


def test_whom_an_undo_brought_back_an_undo_of_it_deletes_on_both_sides(world: World) -> None:
    tenant = started(world)
    tenant.delete_local(ids(tenant)[0])
    back = undo(tenant, tenant.sync())
    assert len(tenant.local()) == len(tenant.remote()) == 6
    undo(tenant, back)
    (item,) = tenant.agenda.of(AgendaKind.HELD_DELETE)
    assert "here and at the provider" in item.reason
    decide(tenant, item)
    tenant.sync()
    assert len(tenant.local()) == len(tenant.remote()) == 5
    assert not tenant.agenda.items


def test_people_who_were_edited_since_an_undo_held_them_are_not_deleted_by_its_approval(world: World) -> None:
    tenant = started(world)
    tenant.add_remote({"email": "junk1@example.org"}, {"email": "junk2@example.org"})
    undo(tenant, tenant.sync())
    first, second = tenant.agenda.of(AgendaKind.HELD_DELETE)
    tenant.edit_local(str(first.contact_id), name="No junk")
    with world.database.workspace(tenant.workspace_id) as connection:
        with pytest.raises(ConfigurationError, match="edited since"):
            decide_delete(connection, first.id, approve=True)
        assert decide_delete(connection, second.id, approve=True)
    tenant.sync()
    assert first.contact_id in tenant.local()
    assert second.contact_id not in tenant.local()
    decide(tenant, first, is_approved=False)
    tenant.sync()
    assert not tenant.agenda.of(AgendaKind.HELD_DELETE)


def test_merged_tags_and_consent_stay(world: World) -> None:
    columns = {"email": "Email", "name": "Name", "company": "Company", "tags": "Tags", "email_opt_out": "Job Title"}
    tenant = started(world, field_mapping=columns)
    first, second = ids(tenant)[:2]
    tenant.edit_local(first, tags=["a", "here"])
    tenant.edit_remote(tenant.record_of(first), tags=["a", "there"])
    tenant.edit_remote(tenant.record_of(second), email_opt_out="true")
    mistake = tenant.sync()
    report = undo(tenant, mistake)
    assert reasons(report) == {("tags", MERGED): 1, ("email_opt_out", NOT_RAISED): 1}
    assert tenant.local()[second]["email_opt_out"] == "true"


def test_what_each_side_had_before_the_two_met_stays_where_it_was(world: World) -> None:
    """Nothing was agreed before: emptied on both sides it would be lost to the side that had it."""
    tenant = world.tenant(**FREE)
    tenant.add_remote({"email": "ann@example.org", "name": "Ann", "phone": "1", "tags": ["there"]})
    tenant.add_local({"email": "ann@example.org", "name": "Ann", "company": "Nordlys", "tags": ["here"]})
    first = tenant.sync()
    after = both(tenant)

    report = undo(tenant, first)

    assert {name for name, reason in reasons(report) if reason == MET} >= {"company", "phone"}
    assert both(tenant) == after
    tenant.edit_local(ids(tenant)[0], company="Typo")
    undo(tenant, tenant.sync())
    assert both(tenant) == after, "from then on there is something agreed"


def test_only_some_people(world: World) -> None:
    tenant = started(world)
    for contact_id in ids(tenant):
        tenant.edit_local(contact_id, company="Wrong")
    mistake = tenant.sync()
    undo(tenant, mistake, only=ids(tenant)[:2])
    assert Counter(row["company"] for row in tenant.remote().values()) == {"Wrong": 4, "Acme": 2}
    assert undo(tenant, mistake).undone == 4, "the others later"


def test_a_dry_run_does_nothing(world: World) -> None:
    tenant = started(world)
    tenant.edit_local(ids(tenant)[0], company="Wrong")
    mistake = tenant.sync()
    before = tenant.fingerprint()
    report = undo(tenant, mistake, is_dry=True)
    assert (report.undone, report.run_id, report.sync) == (1, None, None)
    assert tenant.fingerprint() == before


def test_what_an_undo_empties_passes_the_guards_that_would_hold_a_mistake(world: World) -> None:
    tenant = started(world, 40, change_limit=3)
    for contact_id in ids(tenant):
        tenant.edit_local(contact_id, phone="1")
    mistake = tenant.sync()
    assert len([row for row in tenant.remote().values() if row.get("phone")]) == 40
    report = undo(tenant, mistake)
    assert report.sync
    assert report.sync.held == 0
    assert not [row for row in tenant.remote().values() if row.get("phone")]
    assert not tenant.agenda.items


def test_nothing_to_undo_and_a_run_at_work_are_told(world: World) -> None:
    tenant = started(world)
    quiet = tenant.sync()
    with pytest.raises(ConfigurationError, match="it changed nobody"):
        undo(tenant, quiet)
    tenant.edit_local(ids(tenant)[0], company="Wrong")
    mistake = tenant.sync()
    with world.database.session(tenant.workspace_id) as session:
        assert session.try_lock(tenant.connection.id, "another run")
        with pytest.raises(BusyError):
            undo(tenant, mistake)


def test_an_undo_that_cannot_reach_the_provider_goes_out_with_the_next_sync(world: World) -> None:
    tenant = started(world)
    before = both(tenant)
    for contact_id in ids(tenant):
        tenant.edit_local(contact_id, company="Wrong")
    mistake = tenant.sync()
    world.fault("status", status=403, method="PATCH", times=1)
    with tenant.world.database.admin() as connection:
        found = undoing.find_run(connection, mistake.run_id or UUID(int=0))
    assert found
    undo_run(world.runtime, found, "ann")
    with world.database.admin() as connection:
        connection.execute(text("update integration_connections set status = 'active', error_count = 0"))
    tenant.sync()
    assert both(tenant) == before


def test_undo_then_a_quiet_run_leaves_every_field_as_before_the_run(world: World) -> None:
    """Random edits on both sides, a run, random edits since, an undo: field by field, as before or listed."""
    seen: Seen = Counter()
    for seed in range(6):
        chance = Random(seed)
        tenant = world.tenant(f"seed{seed}", **FREE, change_limit=1000)
        tenant.add_remote(*({**each, "company": "Acme"} for each in people(8)))
        tenant.sync()
        agreed = tenant.local()
        _edit(tenant, chance, seen, "before")
        run = tenant.sync()
        since = _edit(tenant, chance, seen, "since") if chance.random() < 0.7 else set()
        if not tenant.rows("select 1 from integration_changes where run_id = :id and state = 'applied'", id=run.run_id):
            continue
        report = undo(tenant, run)
        tenant.sync()
        tenant.sync(direction=Direction.BIDIRECTIONAL)
        left = {(each.contact_id, each.field) for each in report.left_out}
        for contact_id, row in tenant.local().items():
            for name in ("name", "company", "phone"):
                if (contact_id, name) in left | since or (contact_id, "") in left:
                    seen["left"] += 1
                    continue
                assert row.get(name, "") == agreed[contact_id].get(name, ""), (seed, contact_id, name)
                seen["as before"] += 1
        tenant.assert_in_sync()
    demand(seen, **{"as before": 60, "left": 10, "before": 20, "since": 10})


def _edit(tenant: Tenant, chance: Random, seen: Seen, when: str) -> set[tuple[str, str]]:
    """Edits of one field each, never both sides of the same; the fields concerned."""
    done = set()
    for contact_id in ids(tenant):
        name = chance.choice(("name", "company", "phone"))
        value = (
            chance.choice(("", f"{when}-{chance.randint(0, 99)}")) if name != "name" else f"N{chance.randint(0, 99)}"
        )
        where = chance.choice(("here", "there", "nowhere"))
        if where == "here":
            tenant.edit_local(contact_id, **{name: value})
        elif where == "there":
            tenant.edit_remote(tenant.record_of(contact_id), **{name: value})
        if where != "nowhere":
            done.add((contact_id, name))
            seen[when] += 1
    return done


class Died(BaseException):
    """The process is gone: nothing after it runs."""


@contextmanager
def dying_at(commit: int) -> Iterator[list[int]]:
    """Die before the commit of this number; the list counts them."""
    seen = [0]

    def count(_: Connection) -> None:
        seen[0] += 1
        if seen[0] == commit:
            raise Died

    event.listen(Engine, "commit", count)
    try:
        yield seen
    finally:
        event.remove(Engine, "commit", count)


@pytest.mark.slow
def test_an_undo_that_dies_at_any_commit_is_done_whole_or_not_at_all_and_can_be_done_again(world: World) -> None:
    points, number = Counter[str](), 0
    while True:
        number += 1
        tenant = world.tenant(f"death{number}", **FREE, change_limit=1000)
        tenant.add_remote(*({**each, "company": "Acme"} for each in people(4)))
        tenant.sync()
        before = both(tenant)
        for contact_id in ids(tenant)[:3]:
            tenant.edit_local(contact_id, company="Wrong", phone="1")
        mistake = tenant.sync()
        with dying_at(number) as seen:
            try:
                undo(tenant, mistake)
            except Died:
                points["died"] += 1
        is_whole = seen[0] < number
        here = {row.get("company") for row in tenant.local().values()}
        assert here in ({"Acme"}, {"Acme", "Wrong"}), number
        points["before it" if "Wrong" in here else "after it"] += 1
        with suppress(ConfigurationError):  # it was undone already
            undo(tenant, mistake)
        tenant.sync()
        assert both(tenant) == before, number
        tenant.assert_in_sync()
        if is_whole:
            break
    demand(points, died=10, **{"before it": 3, "after it": 5})
