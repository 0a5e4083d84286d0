"""Guards and boundaries that another one hides: each alone, where only it decides."""

from dataclasses import replace
from datetime import timedelta

import pytest

from integrations_pipeline.engine.match import HELD_LOCAL, Unlinked, match_unlinked
from integrations_pipeline.engine.merge import Times, choose_winner, merge_consent
from integrations_pipeline.engine.plan import plan_sync
from integrations_pipeline.model import CONSENT_IN_AT, CONSENT_OUT, ConflictPolicy, Side
from integrations_pipeline_tests.builders import (
    BYSTANDER,
    EMAIL,
    EPOCH,
    NAME,
    OPT_OUT,
    RULES,
    Link,
    Row,
    base_frame,
    linked_pair,
    local_snapshot,
    permissive,
    plan_of,
    remote_snapshot,
    summary,
    whole,
    world_of,
)

ANN = {"email": "ann@example.org", "name": "Ann"}
ANNA = {**ANN, "name": "Anna"}
LINKED = {"c1": Link(external_id="x1", agreed=ANN)}


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        pytest.param(ANN, [("local", "delete", "c1", "x1")], id="a delete"),
        pytest.param(ANNA, [("remote", "create", "c1", "x1")], id="an edit that beats it"),
    ],
)
def test_a_tombstone_that_comes_alone_is_no_emptied_side(here: Row, expected: list[tuple[str, ...]]) -> None:
    """An incremental read shows nobody but whom it tells of."""
    plan = plan_of(
        base=LINKED,
        local=local_snapshot({"c1": here}, is_complete=False),
        remote=remote_snapshot({}, is_complete=False, tombstones=["x1"]),
    )
    assert summary(plan.changes) == expected
    assert (plan.refusals, plan.skipped) == ((), ())


def test_while_the_email_is_silent_a_delete_goes_on() -> None:
    rules = tuple(rule for rule in RULES if rule is not EMAIL)
    names = tuple(rule.name for rule in rules)
    rows = {"c0": {"name": "By"}, "c1": {"name": "Ann"}}
    base = {
        "c0": Link(external_id="x0", agreed=whole(rows["c0"])),
        "c1": Link(external_id="x1", agreed=whole(rows["c1"])),
    }
    world = world_of(
        local=local_snapshot(rows, names=names),
        remote=remote_snapshot({"x0": rows["c0"]}, names=names),
        base=base_frame(base, names),
        rules=rules,
        policy=permissive(),
    )
    for is_silent in (False, True):
        plan = plan_sync(replace(world, is_identity_silent=is_silent))
        assert summary(plan.changes) == [("local", "delete", "c1", "x1")]


def test_what_was_agreed_in_another_table_is_not_agreed_with_the_person_found_here() -> None:
    here, there = {"c1": {**ANN, "company": "Acme"}}, {"x9": ANN}
    base = {"c1": Link(external_id="x1", agreed={**ANN, "company": "Acme"})}
    moved = plan_of(base=base, local=here, remote=there, policy=permissive())
    assert ("local", "update", "c1", "x9") in summary(moved.changes), "in the same table somebody cleared it"
    policy = permissive(is_place_changed=True, is_configuration_changed=True)
    found = plan_of(base=base, local=here, remote=there, policy=policy)
    assert summary(found.changes) == [("local", "link", "c1", "x9"), ("remote", "update", "c1", "x9")]


@pytest.mark.parametrize(("key", "is_taken"), [("c1", True), ("c0", False)])
def test_a_create_knows_whether_some_record_carries_its_contacts_id(key: str, is_taken: bool) -> None:
    plan = plan_of(
        base={"c0": Link(external_id="x0", agreed=BYSTANDER)},
        local={"c0": BYSTANDER, "c1": ANN},
        remote=remote_snapshot({"x0": BYSTANDER}, contact_keys={"x0": key}),
    )
    (change,) = plan.changes
    assert (change.contact_id, change.is_key_taken) == ("c1", is_taken)


def test_another_record_with_its_email_keeps_no_record_whose_contact_was_deleted() -> None:
    plan = plan_of(
        base={**LINKED, "c0": Link(external_id="x0", agreed=BYSTANDER)},
        local={"c0": BYSTANDER},
        remote={"x0": BYSTANDER, "x1": ANN, "x2": ANN},
    )
    assert ("remote", "delete", "c1", "x1") in summary(plan.changes)


def test_of_a_new_and_an_old_email_the_old_one_tells_where_a_record_went() -> None:
    """Its record was merged into x2; x3, which has the address that the contact got meanwhile, is somebody else."""
    plan = plan_of(
        base=LINKED,
        local={"c1": {**ANN, "email": "new@example.org"}},
        remote={"x2": ANN, "x3": {"email": "new@example.org"}},
    )
    assert ("local", "link", "c1", "x2") in summary(plan.changes)


def test_an_email_that_a_contact_paired_by_its_id_holds_sets_another_record_aside() -> None:
    found = match_unlinked(
        Unlinked(keys={"c1": "a"}), Unlinked(keys={"x1": "old", "x2": "a"}, contact_keys={"x1": "c1"})
    )
    assert found.pairs == (("c1", "x1"),)
    assert found.remote_aside == {"x2": HELD_LOCAL}


def test_a_contact_that_comes_back_has_no_field_that_was_cleared_meanwhile() -> None:
    """It comes back with its old row, in which the field is still filled."""
    plan = linked_pair({**ANN, "company": "Acme"}, None, ANNA)
    (change,) = plan.changes
    assert (change.side, change.after["name"], change.after["company"]) == (Side.LOCAL, "Anna", "")


@pytest.mark.parametrize(("seconds", "winner"), [(-1, Side.LOCAL), (0, Side.LOCAL), (1, Side.REMOTE)])
def test_of_two_edits_of_the_same_moment_the_one_here_wins(seconds: int, winner: Side) -> None:
    times = Times(local_at=EPOCH, remote_at=EPOCH + timedelta(seconds=seconds))
    assert choose_winner(NAME, ConflictPolicy.NEWEST_WINS, times) == (winner, "newest_wins")


@pytest.mark.parametrize(("seconds", "to_local"), [(-1, None), (0, None), (1, "")])
def test_an_opt_in_of_the_moment_of_the_opt_out_raises_nothing(seconds: int, to_local: str | None) -> None:
    opted_in = (EPOCH + timedelta(seconds=seconds)).isoformat()
    values = (CONSENT_OUT, CONSENT_OUT, f"{CONSENT_IN_AT}{opted_in}")
    merged = merge_consent(OPT_OUT, values, Times(opted_out_at=EPOCH))
    assert merged.to_local == to_local
