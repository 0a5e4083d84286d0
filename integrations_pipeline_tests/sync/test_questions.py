"""The next agenda: what is asked anew, what answered itself, what stays."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from integrations_pipeline.engine.match import AMBIGUOUS
from integrations_pipeline.model import (
    ORDERED,
    Agenda,
    AgendaItem,
    AgendaKind,
    Change,
    ChangeKind,
    ChangeState,
    Conflict,
    Decision,
    Outcome,
    Plan,
    Side,
)
from integrations_pipeline.sync.contacts.questions import (
    Keeps,
    Settled,
    settle_questions,
    settle_retries,
    settle_stopped,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
UNWANTED = "a person rejected it: nobody is made"
CONFLICT = Conflict(policy="manual", winner=None, fields={"company": {"base": "B", "local": "L", "remote": "R"}})


def change(kind: ChangeKind, side: Side = Side.LOCAL, contact_id: str | None = "c1", **more: Any) -> Change:
    return Change(side=side, kind=kind, contact_id=contact_id, external_id="x1", **more)


DELETE = change(ChangeKind.DELETE, reason="too many")
CREATE = change(ChangeKind.CREATE, contact_id=None, after={"name": "Ann"}, reason="too many")
CLEAR = change(ChangeKind.UPDATE, before={"company": "A"}, after={"company": " "}, reason="too many")
RENAME = change(ChangeKind.UPDATE, before={"email": "a@example.org"}, after={"email": "b@example.org"})
OPEN = change(ChangeKind.UPDATE, conflict=CONFLICT)
SKIPPED = change(ChangeKind.CREATE, contact_id=None, reason="it has no e-mail")
SET_ASIDE = change(ChangeKind.CREATE, contact_id=None, reason="several records with this e-mail")


def settle(
    items: Collection[AgendaItem],
    plan: Plan | None = None,
    *outcomes: Outcome,
    sides: Collection[Side] = tuple(Side),
    keeps_deletes: bool = False,
) -> Settled:
    agenda = Agenda(tuple(items))
    return settle_questions(agenda, plan or Plan(), outcomes, sides, Keeps(deletes=keeps_deletes))


def asked(found: Settled) -> list[AgendaItem]:
    """What a run asked, as the next one finds it."""
    return [replace(item, created_at=NOON) for item in found.new]


def item_of(plan: Plan, **more: Any) -> AgendaItem:
    (item,) = asked(settle((), plan))
    return replace(item, **more)


@pytest.mark.parametrize(
    ("plan", "kind", "field", "state"),
    [
        pytest.param(Plan(held=(DELETE,)), AgendaKind.HELD_DELETE, None, ChangeState.HELD, id="delete"),
        pytest.param(Plan(held=(CREATE,)), AgendaKind.HELD_CREATE, None, ChangeState.HELD, id="create"),
        pytest.param(Plan(held=(CLEAR,)), AgendaKind.HELD_CLEAR, "company", ChangeState.HELD, id="clear"),
        pytest.param(Plan(held=(RENAME,)), AgendaKind.HELD_EMAIL, "email", ChangeState.HELD, id="e-mail"),
        pytest.param(Plan(conflicts=(OPEN,)), AgendaKind.CONFLICT, "company", ChangeState.HELD, id="conflict"),
        pytest.param(Plan(skipped=(SKIPPED,)), AgendaKind.SKIPPED, None, ChangeState.SKIPPED, id="skipped"),
    ],
)
def test_a_new_question_is_asked_once_and_closed_when_it_answered_itself(
    plan: Plan, kind: AgendaKind, field: str | None, state: ChangeState
) -> None:
    (wanted,) = (*plan.held, *plan.conflicts, *plan.skipped)
    first = settle((), plan)
    (item,) = asked(first)
    assert (item.kind, item.field, item.side, item.contact_id) == (kind, field, wanted.side, wanted.contact_id)
    assert (item.external_id, item.change, item.change_id, item.reason) == (
        wanted.external_id,
        wanted.kind,
        wanted.id,
        wanted.reason,
    )
    assert {key: list(changes) for key, changes in first.asked.items() if changes} == {state: [wanted]}
    assert (first.gone, first.closed) == ([], {})

    again = settle([item], replace(plan, held=tuple(replace(each) for each in plan.held)))
    assert (again.new, again.gone, again.closed) == ([], [], {})
    assert not any(again.asked.values())

    over = settle([item])
    assert (over.new, over.gone, over.closed) == ([], [item], {wanted.id: "answered itself"})


def test_a_record_that_was_set_aside_is_told_from_one_that_is_skipped() -> None:
    plan = Plan(skipped=tuple(replace(SET_ASIDE, reason=reason) for reason in sorted(AMBIGUOUS)))
    assert {item.kind for item in settle((), plan).new} == {AgendaKind.AMBIGUOUS}


def test_a_question_of_a_side_that_this_run_does_not_write_stays() -> None:
    item = item_of(Plan(held=(DELETE,)))
    assert settle([item], sides=[Side.REMOTE]).gone == []
    assert settle([item], sides=[Side.LOCAL]).gone == [item]
    place = AgendaItem(kind=AgendaKind.HELD_PLACE)
    assert settle([place], sides=[Side.REMOTE]).gone == [place], "it is of no side"


@pytest.mark.parametrize("reason", ["it has no e-mail", "deleted here and set aside"])
def test_a_skipped_delete_stays_where_the_read_does_not_tell_it_again(reason: str) -> None:
    item = item_of(Plan(skipped=(replace(DELETE, reason=reason),)))
    assert settle([item], keeps_deletes=True).gone == []
    assert settle([item], keeps_deletes=False).gone == [item]


def test_of_what_an_incremental_read_does_not_tell_again_only_skipped_deletes_stay() -> None:
    items = [item_of(Plan(skipped=(SKIPPED,))), item_of(Plan(held=(DELETE,)))]
    assert settle(items, keeps_deletes=True).gone == items


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        pytest.param(Decision.APPROVED, "approved and taken up by a run", id="approved"),
        pytest.param(Decision.REJECTED, "rejected", id="rejected"),
        pytest.param(Decision.LOCAL, "decided by a person and taken up by a run", id="here"),
        pytest.param(Decision.VALUE, "decided by a person and taken up by a run", id="a value"),
    ],
)
def test_a_decision_stays_until_what_it_asked_for_is_done(decision: Decision, told: str) -> None:
    item = item_of(Plan(held=(CLEAR,)), decision=decision)
    assert settle([item]).closed == {CLEAR.id: told}
    for state in (ChangeState.FAILED, ChangeState.SUPERSEDED):
        assert settle([item], Plan(), Outcome(change=CLEAR, state=state)).gone == []
    assert settle([item], Plan(), Outcome(change=CLEAR, state=ChangeState.APPLIED)).gone == [item]
    other = change(ChangeKind.UPDATE, contact_id="c2")
    assert settle([item], Plan(), Outcome(change=other, state=ChangeState.FAILED)).gone == [item]


def test_an_undecided_question_does_not_stay_because_something_else_failed() -> None:
    item = item_of(Plan(held=(CLEAR,)))
    assert settle([item], Plan(), Outcome(change=CLEAR, state=ChangeState.FAILED)).gone == [item]


def test_a_rejected_delete_that_is_found_again_is_asked_again() -> None:
    plan = Plan(held=(DELETE,))
    item = item_of(plan, decision=Decision.REJECTED)
    again = settle([item], plan)
    assert again.gone == [item]
    assert [each.question for each in again.new] == [item.question]
    clear = item_of(Plan(held=(CLEAR,)), decision=Decision.REJECTED)
    assert settle([clear], Plan(held=(CLEAR,))).new == [], "a rejected value that comes again stays rejected"


def test_a_delete_that_an_undo_asks_for_waits_until_it_is_decided() -> None:
    item = item_of(Plan(held=(DELETE,)), field=ORDERED)
    assert settle([item]).gone == []
    assert settle([replace(item, decision=Decision.APPROVED)]).gone != []


def test_that_somebody_is_not_to_be_made_stays_where_nobody_looked() -> None:
    rejected = AgendaItem(
        kind=AgendaKind.HELD_CREATE, side=Side.LOCAL, external_id="x1", change=ChangeKind.CREATE,
        decision=Decision.REJECTED,
    )  # fmt: skip
    waiting = replace(rejected, external_id="x2", decision=None, id=uuid4())
    settled = settle_questions(Agenda((rejected, waiting)), Plan(), [], list(Side), Keeps(unwanted=True))
    assert settled.gone == [waiting]
    assert settle([rejected]).gone == [rejected]


def test_what_was_asked_about_a_record_that_is_not_believed_yet_stays() -> None:
    doubted, other = (
        AgendaItem(
            kind=AgendaKind.HELD_CLEAR, side=Side.LOCAL, contact_id=f"c{key}", external_id=key, field="phone",
            change=ChangeKind.UPDATE, after={"phone": ""},
        )
        for key in ("x1", "x2")
    )  # fmt: skip
    settled = settle_questions(Agenda((doubted, other)), Plan(), [], list(Side), Keeps(doubted={"x1"}))
    assert settled.gone == [other]


@pytest.mark.parametrize("contact_id", [None, "c1"])
def test_that_somebody_is_not_to_be_made_stays_and_is_no_question(contact_id: str | None) -> None:
    made = replace(CREATE, contact_id=contact_id)
    item = item_of(Plan(held=(made,)), decision=Decision.REJECTED)
    plan = Plan(skipped=(replace(made, reason=UNWANTED),))
    found = settle([item], plan)
    assert (found.new, found.gone) == ([], [])
    elsewhere = Plan(skipped=(replace(made, reason=UNWANTED, side=Side.REMOTE),))
    assert settle([item], elsewhere).gone == [item]


def test_a_row_of_the_journal_stays_open_while_any_of_its_questions_does() -> None:
    fields = {name: {"base": "B", "local": "L", "remote": "R"} for name in ("company", "name")}
    plan = Plan(conflicts=(replace(OPEN, conflict=replace(CONFLICT, fields=fields)),))
    one, two = asked(settle((), plan))
    found = settle(
        [one, two], Plan(conflicts=(replace(OPEN, conflict=replace(CONFLICT, fields={"name": fields["name"]})),))
    )
    assert (found.new, found.gone, found.closed) == ([], [one], {})


def test_a_question_without_a_row_in_the_journal_closes_none() -> None:
    item = item_of(Plan(held=(CLEAR,)), change_id=None)
    found = settle([item])
    assert (found.gone, found.closed) == ([item], {})


def test_the_next_run_reads_again_what_is_not_done_and_whoever_is_being_edited() -> None:
    found = settle_retries(Agenda(), ["x2", "x1", "x3"], {"x3": NOON, "c1": NOON}, ["c1"])
    assert [(item.kind, item.side, item.external_id, item.contact_id) for item in found.new] == [
        (AgendaKind.RETRY, Side.REMOTE, "x1", None),
        (AgendaKind.RETRY, Side.REMOTE, "x2", None),
        (AgendaKind.RETRY, Side.REMOTE, "x3", None),
        (AgendaKind.RETRY, Side.LOCAL, None, "c1"),
    ]
    assert [(item.reason, item.created_at) for item in found.new] == [("", None), ("", None)] + [("settling", NOON)] * 2
    again = settle_retries(Agenda(tuple(found.new)), ["x1"], {"c1": NOON}, ["c1"])
    assert again.new == []
    assert [item.external_id for item in again.gone] == ["x2", "x3"]


def test_everything_is_read_again_where_nobody_can_tell_what() -> None:
    found = settle_retries(Agenda(), None, {}, ())
    assert found.new == [AgendaItem(kind=AgendaKind.RETRY, side=Side.REMOTE, reason="everything")]


def test_a_stopped_field_is_told_once_with_its_reason_and_goes_when_it_is_back() -> None:
    first = settle_stopped(Agenda(), {"phone": "is gone", "company": "is a number"})
    assert first.new == [
        AgendaItem(kind=AgendaKind.STOPPED_FIELD, field="company", reason="is a number"),
        AgendaItem(kind=AgendaKind.STOPPED_FIELD, field="phone", reason="is gone"),
    ]
    retry = AgendaItem(kind=AgendaKind.RETRY, external_id="x1")
    agenda = Agenda((*first.new, retry))
    again = settle_stopped(agenda, {"phone": "is gone"})
    assert (again.new, again.gone) == ([], [first.new[0]])


def test_nothing_settled_is_nothing_to_write() -> None:
    assert Settled() == Settled(new=(), gone=(), asked={}, closed={})
