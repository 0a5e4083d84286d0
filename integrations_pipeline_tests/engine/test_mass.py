"""Many changes at once that may be one mistake: beyond a limit they are held, and the rest goes on."""

from collections import Counter
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given

from integrations_pipeline.engine.mass import NOT_WANTED
from integrations_pipeline.model import AgendaKind, Change, ChangeKind, Decision, FieldRule, Plan, Side
from integrations_pipeline_tests.builders import COMPANY, EMAIL, NAME, Link, Row, permissive, plan_of
from integrations_pipeline_tests.engine.observing import Seen, demand
from integrations_pipeline_tests.strategies import chances

RULES = (EMAIL, NAME, COMPANY, FieldRule(name="phone"))
FULL = {"email": "p{n}@example.org", "name": "Person {n}", "company": "Acme", "phone": "{n}"}


def person(n: int, **fields: str) -> Row:
    return {name: value.format(n=n) for name, value in {**FULL, **fields}.items()}


def plan(
    count: int, *, local: Mapping[int, Row] | None = None, remote: Mapping[int, Row] | None = None, **policy: Any
) -> Plan:
    """`count` linked people, of whom these changed on one side."""
    everybody = {n: person(n) for n in range(count)}
    return plan_of(
        base={f"c{n}": Link(external_id=f"x{n}", agreed=row) for n, row in everybody.items()},
        local={f"c{n}": row for n, row in {**everybody, **(local or {})}.items()},
        remote={f"x{n}": row for n, row in {**everybody, **(remote or {})}.items()},
        rules=RULES,
        policy=permissive(**{"linked_count": count, **policy}),
    )


def held_fields(found: Plan) -> Counter[tuple[str, str]]:
    return Counter((change.side.value, name) for change in found.held for name in change.after)


@pytest.mark.parametrize("cleared", [5, 6], ids=["just as many as allowed", "one more"])
def test_cleared_values_beyond_the_limit_are_held_and_the_rest_of_the_same_people_goes_on(cleared: int) -> None:
    remote = {n: person(n, company="", phone="new") for n in range(cleared)}
    found = plan(40, remote=remote, changes_allowed=5)
    if cleared == 5:
        assert not found.held
        assert not found.refusals
        return
    assert held_fields(found) == {("local", "company"): 6}
    assert len(found.refusals) == 1
    assert "6 now, 6 in 24 hours; allowed: 5 of 40" in found.refusals[0]
    assert {tuple(change.after) for change in found.changes} == {("phone",)}
    assert not any(change.is_settling for change in found.changes), "nothing of them is settled"


def test_each_field_and_side_has_a_limit_of_its_own() -> None:
    remote = {n: person(n, company="") for n in range(4)} | {n: person(n, phone="") for n in range(4, 8)}
    local = {n: person(n, company="") for n in range(10, 14)}
    found = plan(40, remote=remote, local=local, changes_allowed=4)
    assert not found.held
    found = plan(
        40, remote=remote, local=local, changes_allowed=4, spent={(Side.LOCAL, AgendaKind.HELD_CLEAR, "phone"): 1}
    )
    assert held_fields(found) == {("local", "phone"): 4}


def test_a_column_that_is_cleared_for_everybody_is_held_however_few_they_are() -> None:
    found = plan(3, remote={n: person(n, company="") for n in range(3)}, changes_allowed=100)
    assert held_fields(found) == {("local", "company"): 3}


def test_changed_emails_beyond_the_limit_are_held() -> None:
    local = {n: person(n, email="new{n}@example.org") for n in range(6)}
    found = plan(40, local=local, changes_allowed=5)
    assert held_fields(found) == {("remote", "email"): 6}
    spelled = {n: person(n, email="P{n}@EXAMPLE.org") for n in range(40)}
    assert not plan(40, local=spelled, changes_allowed=5).held, "another spelling is no other address"


def exchange(count: int) -> dict[int, Any]:
    return {n: person(n, email=f"p{(n + 1) % count}@example.org") for n in range(count)}


def test_emails_that_change_hands_are_lost_to_nobody() -> None:
    assert not plan(40, local=exchange(10), changes_allowed=0).held
    chain = {n: person(n, email=f"p{n + 1}@example.org") for n in range(10)} | {10: person(10, email="new@example.org")}
    assert held_fields(plan(40, local=chain, changes_allowed=0)) == {("remote", "email"): 1}


def test_a_column_of_emails_that_slipped_by_one_row_is_no_exchange() -> None:
    assert held_fields(plan(40, remote=exchange(40), changes_allowed=10)) == {("local", "email"): 40}
    assert held_fields(plan(40, remote=exchange(11), changes_allowed=10)) == {("local", "email"): 11}
    assert not plan(40, remote=exchange(11), changes_allowed=11).held


def test_new_people_beyond_the_limit_are_held() -> None:
    new = {100 + n: person(100 + n) for n in range(11)}
    found = plan(10, remote=new, creates_allowed=10)
    assert Counter(change.kind for change in found.held) == {ChangeKind.CREATE: 11}
    assert not plan(10, remote=new, creates_allowed=11).held
    assert not plan(10, remote=new, creates_allowed=None).held, "the first sync makes everybody"


def test_what_was_held_waits_for_a_person_or_its_cause_and_not_for_a_better_day() -> None:
    remote = {0: person(0, company="")}
    held = {(AgendaKind.HELD_CLEAR, Side.LOCAL, "c0", "company"): None}
    found = plan(40, remote=remote, changes_allowed=5, held_changes=held)
    assert held_fields(found) == {("local", "company"): 1}
    assert not found.refusals
    assert not plan(40, changes_allowed=5, held_changes=held).held, "the value is back"


def test_approved_changes_go_through_and_use_up_no_limit() -> None:
    remote = {n: person(n, company="") for n in range(20)}
    approved = {(AgendaKind.HELD_CLEAR, Side.LOCAL, f"c{n}", "company"): Decision.APPROVED for n in range(18)}
    found = plan(40, remote=remote, changes_allowed=2, held_changes=approved)
    assert not found.held
    assert len(found.changes) == 20


@pytest.mark.parametrize("side", Side)
def test_a_rejected_change_puts_the_value_back_on_the_side_that_lost_it(side: Side) -> None:
    lost = {0: person(0, company="", phone="new")}
    where: dict[str, Any] = {"remote" if side is Side.LOCAL else "local": lost}
    rejected = {(AgendaKind.HELD_CLEAR, side, "c0", "company"): Decision.REJECTED}
    found = plan(40, **where, changes_allowed=5, held_changes=rejected)
    writes = {change.side: dict(change.after) for change in found.changes}
    assert writes == {side: {"phone": "new"}, side.other: {"company": "Acme"}}
    assert not found.held


def test_a_rejected_write_joins_what_else_goes_to_that_side() -> None:
    rejected = {(AgendaKind.HELD_EMAIL, Side.LOCAL, "c0", "email"): Decision.REJECTED}
    found = plan(
        40,
        local={0: person(0, company="New")},
        remote={0: person(0, email="other@example.org")},
        changes_allowed=5,
        held_changes=rejected,
    )
    (change,) = found.changes
    assert (change.side, dict(change.after)) == (Side.REMOTE, {"company": "New", "email": "p0@example.org"})


def test_a_rejected_person_is_not_made() -> None:
    rejected = {(AgendaKind.HELD_CREATE, Side.LOCAL, "x100", ""): Decision.REJECTED}
    found = plan(10, remote={100: person(100)}, creates_allowed=10, held_changes=rejected)
    assert not found.changes
    assert [change.reason for change in found.skipped] == [NOT_WANTED]


def test_whatever_is_held_nothing_beyond_the_limits_is_done_and_nothing_is_lost() -> None:
    """Random edits of both sides: written plus held is what would have been written, field by field."""
    seen: Seen = Counter()

    @given(chances)
    def check(chance: Random) -> None:
        count, allowed = chance.randint(6, 30), chance.randint(0, 4)
        edits: tuple[dict[str, str], ...] = (
            {},
            {"company": ""},
            {"phone": ""},
            {"email": "new{n}@example.org"},
            {"name": "N"},
            {"company": "", "name": "N"},
        )
        book = {side: {n: person(n, **chance.choice(edits)) for n in range(count)} for side in Side}
        views = {"local": book[Side.LOCAL], "remote": {n: person(n) for n in range(count)}}
        if chance.random() < 0.5:
            views = {"local": views["remote"], "remote": book[Side.REMOTE]}
        free = plan(count, **views)
        found = plan(count, **views, changes_allowed=allowed)
        assert writes_of([*found.changes, *found.held]) == writes_of(free.changes)
        for (side, name), n in Counter(
            (change.side, name) for change in found.changes for name in losses(change)
        ).items():
            assert n <= allowed, (side, name)
        seen["held"] += len(found.held)
        seen["went on"] += len(found.changes)
        seen["refused"] += bool(found.refusals)
        seen["not refused"] += not found.refusals

    check()
    demand(seen, held=40, refused=10, **{"went on": 40, "not refused": 1})


def writes_of(changes: Iterable[Change]) -> set[tuple[str, str | None, str, str]]:
    return {
        (change.side.value, change.contact_id, name, value)
        for change in changes
        for name, value in change.after.items()
    }


def losses(change: Change) -> list[str]:
    return [name for name, value in change.after.items() if change.before[name] and (not value or name == "email")]
