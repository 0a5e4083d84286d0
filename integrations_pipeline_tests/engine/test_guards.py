"""Deletes that wait instead of happening."""

from typing import Any

import pytest

from integrations_pipeline.engine.guards import Policy, guard_deletes
from integrations_pipeline.model import Change, ChangeKind, DeletePolicy, Side


def deletes(count: int, side: Side = Side.REMOTE) -> list[Change]:
    return [Change(side=side, kind=ChangeKind.DELETE, contact_id=f"c{i}", external_id=f"x{i}") for i in range(count)]


def propagating(**settings: Any) -> Policy:
    return Policy(**{"delete_policy": DeletePolicy.PROPAGATE, "linked_count": 100, **settings})


@pytest.mark.parametrize(
    ("count", "policy", "is_source_empty", "refusal"),
    [
        pytest.param(3, propagating(), False, "", id="a few of many"),
        pytest.param(20, propagating(), False, "", id="exactly the fraction"),
        pytest.param(21, propagating(), False, "allowed: 20 of", id="one above the fraction"),
        pytest.param(25, propagating(linked_count=1000), False, "", id="exactly the limit"),
        pytest.param(26, propagating(linked_count=1000), False, "allowed: 25 of", id="one above the limit"),
        pytest.param(1, propagating(linked_count=4), False, "allowed: 0 of", id="a fraction below one is none"),
        pytest.param(1, propagating(linked_count=5), False, "", id="one of five"),
        pytest.param(
            2, propagating(deleted_today={Side.REMOTE: 19}), False, "21 in 24 hours", id="with those of today too many"
        ),
        pytest.param(1, propagating(deleted_today={Side.REMOTE: 19}), False, "", id="with those of today just enough"),
        pytest.param(
            2, propagating(deleted_today={Side.LOCAL: 19}), False, "", id="those of the other side do not count"
        ),
        pytest.param(1, propagating(), True, "the other side is empty", id="emptied side"),
        pytest.param(
            1,
            propagating(linked_count=0, delete_limit_fraction=1.0),
            True,
            "allowed: 0 of",
            id="empty side without links",
        ),
        pytest.param(
            1, propagating(is_configuration_changed=True), False, "configuration changed", id="changed configuration"
        ),
    ],
)
def test_a_guard_lets_all_deletes_of_a_side_pass_or_none(
    count: int, policy: Policy, is_source_empty: bool, refusal: str
) -> None:
    planned = deletes(count)
    guarded = guard_deletes(Side.REMOTE, planned, policy, is_source_empty=is_source_empty)
    assert refusal in guarded.refusal
    assert bool(guarded.refusal) == bool(refusal)
    assert len(guarded.allowed) == (0 if refusal else count)
    assert [change.contact_id for change in guarded.held] == (
        [change.contact_id for change in planned] if refusal else []
    )
    assert {change.reason for change in guarded.held} == ({guarded.refusal} if refusal else set())


@pytest.mark.parametrize("side", Side)
def test_the_refusal_names_the_side_that_nothing_is_deleted_from(side: Side) -> None:
    guarded = guard_deletes(side, deletes(1, side), propagating(), is_source_empty=True)
    assert ("workspace" if side is Side.LOCAL else "provider") in guarded.refusal


def test_the_hold_policy_holds_without_a_refusal() -> None:
    guarded = guard_deletes(Side.LOCAL, deletes(2), Policy(linked_count=100), is_source_empty=False)
    assert [change.reason for change in guarded.held] == ["delete_policy is hold"] * 2
    assert guarded.refusal == ""


def test_under_the_hold_policy_the_reason_is_the_policy_whatever_a_guard_would_say() -> None:
    guarded = guard_deletes(Side.LOCAL, deletes(2), Policy(linked_count=100), is_source_empty=True)
    assert [change.reason for change in guarded.held] == ["delete_policy is hold"] * 2
    assert guarded.refusal == ""


def test_the_ignore_policy_leaves_both_sides_as_they_are() -> None:
    policy = Policy(delete_policy=DeletePolicy.IGNORE, linked_count=100)
    guarded = guard_deletes(Side.LOCAL, deletes(2), policy, is_source_empty=True)
    assert [change.reason for change in guarded.ignored] == ["delete_policy is ignore"] * 2
    assert not guarded.allowed
    assert not guarded.held


@pytest.mark.parametrize("policy", DeletePolicy)
def test_an_approved_delete_passes_every_guard_and_the_rest_does_not_pass_with_it(policy: DeletePolicy) -> None:
    approved = frozenset({(Side.REMOTE, "c0"), (Side.LOCAL, "c1")})
    settings = propagating(delete_policy=policy, approved=approved, is_configuration_changed=True)
    guarded = guard_deletes(Side.REMOTE, deletes(2), settings, is_source_empty=True)
    assert [change.contact_id for change in guarded.allowed] == ["c0"]
    assert [change.contact_id for change in (*guarded.held, *guarded.ignored)] == ["c1"]


def test_what_was_held_once_waits_for_a_person_while_new_deletes_pass() -> None:
    waiting = {(Side.REMOTE, "c1"): "too many deletes", (Side.LOCAL, "c0"): "of the other side"}
    guarded = guard_deletes(Side.REMOTE, deletes(3), propagating(held=waiting), is_source_empty=False)
    assert [change.contact_id for change in guarded.allowed] == ["c0", "c2"]
    assert [(change.contact_id, change.reason) for change in guarded.held] == [("c1", "too many deletes")]
    assert guarded.refusal == ""


def test_a_held_delete_that_a_person_approved_passes() -> None:
    key = (Side.REMOTE, "c0")
    policy = propagating(held={key: "too many deletes"}, approved=frozenset({key}))
    guarded = guard_deletes(Side.REMOTE, deletes(1), policy, is_source_empty=False)
    assert len(guarded.allowed) == 1
    assert not guarded.held


@pytest.mark.parametrize(
    ("count", "linked_count", "is_held"),
    [
        pytest.param(1, 1, False, id="the only contact"),
        pytest.param(2, 2, True, id="both contacts"),
        pytest.param(2, 3, False, id="two of three"),
        pytest.param(3, 2, True, id="more than are linked"),
    ],
)
def test_a_delete_of_every_linked_contact_is_not_believed(count: int, linked_count: int, is_held: bool) -> None:
    policy = propagating(linked_count=linked_count, delete_limit_fraction=1.0)
    guarded = guard_deletes(Side.REMOTE, deletes(count), policy, is_source_empty=False)
    assert ("the other side is empty" in guarded.refusal) is is_held


def test_nothing_to_delete_is_nothing_to_refuse() -> None:
    guarded = guard_deletes(Side.REMOTE, [], propagating(), is_source_empty=True)
    assert not guarded.refusal
    assert not guarded.held
