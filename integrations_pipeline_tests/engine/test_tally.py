"""Counts that add up."""

from collections.abc import Sequence
from typing import Any

import pytest

from integrations_pipeline.engine.tally import tally
from integrations_pipeline.model import (
    COUNT_NAMES,
    Change,
    ChangeKind,
    ChangeState,
    Conflict,
    Direction,
    Outcome,
    Plan,
    Side,
)

OUT, IN = Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL
APPLIED, FAILED, SUPERSEDED = ChangeState.APPLIED, ChangeState.FAILED, ChangeState.SUPERSEDED


def change(side: Side, kind: ChangeKind, contact_id: str | None = "c1", **rest: Any) -> Change:
    return Change(side=side, kind=kind, contact_id=contact_id, external_id=rest.pop("external_id", "x1"), **rest)


def counted(plan: Plan, outcomes: Sequence[Outcome] = ()) -> dict[Direction, dict[str, int]]:
    """The counts that are not zero, with the prefix off."""
    return {
        direction: {name.removeprefix("records_"): count for name, count in counts.items() if count}
        for direction, counts in tally(plan, outcomes).items()
    }


CONSIDERED = {OUT: 3, IN: 2}


@pytest.mark.parametrize(
    ("side", "kind", "state", "expected"),
    [
        pytest.param(
            Side.REMOTE,
            ChangeKind.CREATE,
            APPLIED,
            {OUT: {"created": 1, "unchanged": 2}, IN: {"unchanged": 2}},
            id="created out",
        ),
        pytest.param(
            Side.LOCAL,
            ChangeKind.UPDATE,
            APPLIED,
            {OUT: {"unchanged": 3}, IN: {"updated": 1, "unchanged": 1}},
            id="updated in",
        ),
        pytest.param(
            Side.LOCAL,
            ChangeKind.DELETE,
            APPLIED,
            {OUT: {"unchanged": 3}, IN: {"deleted": 1, "unchanged": 1}},
            id="deleted in",
        ),
        pytest.param(
            Side.REMOTE,
            ChangeKind.UPDATE,
            FAILED,
            {OUT: {"failed": 1, "unchanged": 2}, IN: {"unchanged": 2}},
            id="failed",
        ),
        pytest.param(
            Side.REMOTE,
            ChangeKind.UPDATE,
            SUPERSEDED,
            {OUT: {"skipped": 1, "unchanged": 2}, IN: {"unchanged": 2}},
            id="edited during the run",
        ),
        pytest.param(
            Side.LOCAL, ChangeKind.LINK, APPLIED, {OUT: {"unchanged": 3}, IN: {"unchanged": 2}}, id="a link is no write"
        ),
        pytest.param(
            Side.LOCAL,
            ChangeKind.LINK,
            FAILED,
            {OUT: {"unchanged": 3}, IN: {"failed": 1, "unchanged": 1}},
            id="a link may fail",
        ),
    ],
)
def test_an_outcome_counts_in_the_direction_it_was_written(
    side: Side, kind: ChangeKind, state: ChangeState, expected: dict[Direction, dict[str, int]]
) -> None:
    made = change(side, kind)
    plan = Plan(changes=(made,), considered=CONSIDERED)
    assert counted(plan, [Outcome(change=made, state=state)]) == expected


def test_held_and_skipped_changes_count_where_they_would_have_gone() -> None:
    plan = Plan(
        held=(change(Side.REMOTE, ChangeKind.DELETE),),
        skipped=(change(Side.LOCAL, ChangeKind.CREATE, None, external_id="x7"),),
        considered=CONSIDERED,
    )
    assert counted(plan) == {OUT: {"held": 1, "unchanged": 2}, IN: {"skipped": 1, "unchanged": 1}}


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        (Direction.BIDIRECTIONAL, {OUT: {"conflicted": 1, "unchanged": 2}, IN: {"unchanged": 2}}),
        (OUT, {OUT: {"conflicted": 1, "unchanged": 2}, IN: {"unchanged": 2}}),
        (IN, {OUT: {"unchanged": 3}, IN: {"conflicted": 1, "unchanged": 1}}),
    ],
)
def test_an_open_conflict_counts_once(direction: Direction, expected: dict[Direction, dict[str, int]]) -> None:
    conflicts = (change(Side.REMOTE, ChangeKind.UPDATE),)
    assert counted(Plan(conflicts=conflicts, direction=direction, considered=CONSIDERED)) == expected


def test_whoever_is_being_edited_counts_as_skipped() -> None:
    plan = Plan(waiting=(change(Side.REMOTE, ChangeKind.UPDATE),), considered=CONSIDERED)
    assert counted(plan) == {OUT: {"skipped": 1, "unchanged": 2}, IN: {"unchanged": 2}}


def test_an_applied_change_that_lost_a_value_counts_as_failed() -> None:
    made = change(Side.REMOTE, ChangeKind.CREATE)
    outcome = Outcome(change=made, state=ChangeState.APPLIED, answered={"name": ""}, lost=frozenset({"name"}))
    counts = tally(Plan(changes=(made,), considered=CONSIDERED), [outcome])
    assert counts[OUT]["records_failed"] == 1


@pytest.mark.parametrize(
    ("winner", "expected"),
    [
        pytest.param(
            Side.LOCAL, {OUT: {"updated": 1, "unchanged": 2}, IN: {"conflicted": 1, "unchanged": 1}}, id="local wins"
        ),
        pytest.param(
            Side.REMOTE, {OUT: {"conflicted": 1, "unchanged": 2}, IN: {"updated": 1, "unchanged": 1}}, id="remote wins"
        ),
    ],
)
def test_a_resolved_conflict_counts_in_the_direction_whose_value_lost(
    winner: Side, expected: dict[Direction, dict[str, int]]
) -> None:
    conflict = Conflict(policy="local_wins", winner=winner, fields={"name": {}})
    made = change(winner.other, ChangeKind.UPDATE, conflict=conflict)
    plan = Plan(changes=(made,), considered=CONSIDERED)
    assert counted(plan, [Outcome(change=made, state=APPLIED)]) == expected


def test_a_contact_with_several_outcomes_counts_once_as_the_gravest() -> None:
    first, second = change(Side.LOCAL, ChangeKind.UPDATE), change(Side.LOCAL, ChangeKind.LINK)
    plan = Plan(changes=(first, second), conflicts=(first,), considered=CONSIDERED)
    outcomes = [Outcome(change=first, state=APPLIED), Outcome(change=second, state=FAILED)]
    assert counted(plan, outcomes)[IN] == {"failed": 1, "unchanged": 1}
    assert counted(plan, outcomes[:1])[IN] == {"updated": 1, "unchanged": 1}


def test_a_direction_that_was_not_considered_is_not_told() -> None:
    made = change(Side.LOCAL, ChangeKind.UPDATE)
    plan = Plan(changes=(made,), considered={OUT: 1})
    counts = tally(plan, [Outcome(change=made, state=APPLIED)])
    assert list(counts) == [OUT]
    assert tuple(counts[OUT]) == COUNT_NAMES
