"""Which records the next full read need not look at: those that will be just as agreed."""

from collections.abc import Mapping
from typing import Any

import pytest

from integrations_pipeline.engine.reader import World
from integrations_pipeline.model import Agreement, Change, ChangeKind, Conflict, Direction, Plan, Side
from integrations_pipeline.sync.contacts.settled import settled
from integrations_pipeline_tests.builders import (
    COMPANY,
    EMAIL,
    NAME,
    Link,
    Row,
    base_frame,
    local_snapshot,
    permissive,
    remote_snapshot,
    world_of,
)

RULES = (EMAIL, NAME, COMPANY)
NAMES = tuple(rule.name for rule in RULES)
AGREED = {"email": "ann@example.org", "name": "Ann", "company": "Acme"}
LINKS = {f"c{n}": Link(external_id=f"x{n}", agreed=AGREED) for n in (1, 2, 3)}
OTHER = {**AGREED, "company": "Other", "name": "Anna"}


def world(remote: Mapping[str, Row], contact_keys: Mapping[str, str] | None = None, **links: Link) -> World:
    return world_of(
        local=local_snapshot({}, names=NAMES, is_complete=False),
        remote=remote_snapshot(remote, names=NAMES, contact_keys=contact_keys, is_complete=False),
        base=base_frame({**LINKS, **links}, NAMES),
        rules=RULES,
        policy=permissive(),
    )


def chosen(
    remote: Mapping[str, Row], plan: Plan | None = None, contact_keys: Mapping[str, str] | None = None, **links: Link
) -> set[str]:
    told = {key: f"fingerprint of {key}" for key in remote}
    found = settled(world(remote, contact_keys, **links), plan or Plan(), told)
    assert found == {key: told[key] for key in found}
    return set(found)


def change(
    external_id: str = "x2", side: Side = Side.LOCAL, kind: ChangeKind = ChangeKind.UPDATE, **more: Any
) -> Change:
    return Change(side=side, kind=kind, contact_id=external_id.replace("x", "c"), external_id=external_id, **more)


def agreement(agreed: Row, external_id: str = "x2") -> Agreement:
    return Agreement(contact_id="c2", external_id=external_id, agreed=agreed, version=1)


def test_a_record_that_is_as_agreed_is_settled_and_another_is_not() -> None:
    assert chosen({"x3": AGREED, "x2": OTHER, "x1": AGREED}) == {"x1", "x3"}


def test_a_record_that_was_not_told_whole_has_no_fingerprint_to_settle() -> None:
    everything = world({"x1": AGREED, "x2": AGREED})
    assert settled(everything, Plan(), {"x2": "f", "x9": "g"}) == {"x2": "f"}
    assert settled(everything, Plan(), {}) == {}
    assert settled(world({}), Plan(), {"x1": "f"}) == {}


@pytest.mark.parametrize("direction", [Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL])
def test_a_run_of_one_way_settles_nobody(direction: Direction) -> None:
    assert chosen({"x1": AGREED}, Plan(direction=direction)) == set()


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(Plan(changes=(change(agreed=OTHER),)), id="taken here"),
        pytest.param(Plan(agreements=(agreement(OTHER),)), id="agreed already"),
        pytest.param(
            Plan(
                changes=(change(agreed={"company": "Other"}),),
                agreements=(agreement({"name": "Anna"}),),
            ),
            id="one field so and one so",
        ),
        pytest.param(Plan(agreements=(agreement({**OTHER, "email": "Ann@Example.org"}),)), id="another spelling"),
    ],
)
def test_what_the_plan_agrees_on_is_settled(plan: Plan) -> None:
    assert chosen({"x1": OTHER, "x2": OTHER}, plan) == {"x2"}


def test_what_the_plan_agrees_on_in_part_is_not() -> None:
    for agreed in ({"company": "Other"}, {}, {**OTHER, "name": "Somebody"}):
        assert chosen({"x2": OTHER}, Plan(agreements=(agreement(agreed),))) == set()


CONFLICT = change(conflict=Conflict(policy="manual", winner=None, fields={}))


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(Plan(changes=(change(side=Side.REMOTE),)), id="written there"),
        pytest.param(Plan(changes=(change(kind=ChangeKind.UNLINK),)), id="let go"),
        pytest.param(Plan(held=(change(),)), id="held"),
        pytest.param(Plan(skipped=(change(),)), id="skipped"),
        pytest.param(Plan(conflicts=(CONFLICT,)), id="open conflict"),
        pytest.param(Plan(waiting=(change(),)), id="being edited"),
    ],
)
def test_a_record_about_which_something_is_open_is_not_settled(plan: Plan) -> None:
    assert chosen({"x1": AGREED, "x2": AGREED}, plan) == {"x1"}


def test_a_change_here_does_not_keep_an_equal_record_from_being_settled() -> None:
    assert chosen({"x2": AGREED}, Plan(changes=(change(),))) == {"x2"}


def test_a_copy_that_carries_another_contact_s_key_is_not_settled() -> None:
    keys = {"x1": "c1", "x2": "c1", "x3": ""}
    assert chosen({"x1": AGREED, "x2": AGREED, "x3": AGREED}, contact_keys=keys) == {"x1", "x3"}


def test_a_new_record_is_settled_once_it_is_made_here_whole() -> None:
    new = {"x9": OTHER}
    made = Plan(changes=(change("x9", kind=ChangeKind.CREATE, agreed=OTHER),))
    assert chosen(new, made) == {"x9"}
    assert chosen(new) == set()
    assert chosen(new, Plan(changes=(change("x9", kind=ChangeKind.CREATE, agreed={"name": "Anna"}),))) == set()
    assert chosen(new, made, {"x9": "c2"}) == set(), "its key is somebody else's"
    assert chosen(new, made, {"x9": ""}) == {"x9"}


def test_nobody_linked_is_no_owner_of_a_key() -> None:
    bare = world_of(
        local=local_snapshot({}, names=NAMES, is_complete=False),
        remote=remote_snapshot({"x8": OTHER, "x9": OTHER}, names=NAMES, contact_keys={"x8": "c1"}, is_complete=False),
        base=base_frame({}, NAMES),
        rules=RULES,
        policy=permissive(),
    )
    plan = Plan(changes=tuple(change(key, kind=ChangeKind.CREATE, agreed=OTHER) for key in ("x8", "x9")))
    assert settled(bare, plan, {"x8": "f8", "x9": "f9"}) == {"x9": "f9"}


def test_each_record_is_held_against_its_own_base() -> None:
    """In whatever order they come, with new ones in between."""
    remote = {"x9": OTHER, "x3": {**AGREED, "company": "New"}, "x1": OTHER, "x2": {**OTHER, "company": "New"}}
    links = {"c2": Link(external_id="x2", agreed=OTHER)}
    plan = Plan(agreements=tuple(agreement({"company": "New"}, key) for key in ("x1", "x2", "x3", "x9")))
    assert chosen(remote, plan, None, **links) == {"x3", "x2"}


def test_a_record_without_its_key_s_column_belongs_to_whom_it_is_linked() -> None:
    assert chosen({"x1": AGREED, "x9": AGREED}, Plan(agreements=(agreement(AGREED, "x9"),))) == {"x1", "x9"}
