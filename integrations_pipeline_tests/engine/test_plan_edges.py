"""The plan at its edges: who is not to be matched, what is told of whom nothing is known, and the order of it all."""

from dataclasses import replace

import pytest

from integrations_pipeline.engine.match import HELD_LOCAL, HELD_REMOTE
from integrations_pipeline.engine.plan import NO_IDENTITY, NOT_RESTORED, plan_sync
from integrations_pipeline.model import ChangeKind, ConflictPolicy, FieldRule, Plan, Side
from integrations_pipeline_tests.builders import (
    EMAIL,
    NAME,
    Link,
    base_frame,
    linked_pair,
    local_snapshot,
    permissive,
    plan_of,
    remote_snapshot,
    summary,
    text_frame,
    world_of,
)

ANN = {"email": "ann@example.org", "name": "Ann"}
BOB = {"email": "bob@example.org", "name": "Bob"}
LINKED = {"c1": Link(external_id="x1", agreed=ANN)}


def reasons(plan: Plan) -> list[tuple[str | None, str | None, str]]:
    return [(change.contact_id, change.external_id, change.reason) for change in plan.skipped]


def test_a_new_record_with_the_email_of_a_linked_contact_is_set_aside() -> None:
    plan = plan_of(base=LINKED, local={"c1": ANN}, remote={"x1": ANN, "x9": ANN})
    assert reasons(plan) == [(None, "x9", HELD_LOCAL)]
    assert not plan.changes


def test_a_new_contact_with_the_email_of_a_linked_record_is_set_aside() -> None:
    other = {**ANN, "email": "other@example.org"}
    plan = plan_of(base=LINKED, local={"c1": other, "c9": ANN}, remote={"x1": ANN})
    assert ("c9", None, HELD_REMOTE) in reasons(plan)


def test_an_email_that_a_linked_contact_gave_up_is_free() -> None:
    plan = plan_of(base=LINKED, local={"c1": {**ANN, "email": "new@example.org"}}, remote={"x1": ANN, "x9": BOB})
    assert ("local", "create", None, "x9") in summary(plan.changes)
    moved = {**ANN, "email": "new@example.org"}
    plan = plan_of(base=LINKED, local={"c1": moved}, remote={"x1": moved, "x9": ANN})
    assert ("local", "create", None, "x9") in summary(plan.changes)


def test_where_nobody_has_an_email_nobody_is_matched() -> None:
    plan = plan_of(local={"c1": {"name": "Ann"}}, remote={"x1": {"name": "Ann"}}, rules=(NAME,))
    assert summary(plan.changes) == [("local", "create", None, "x1"), ("remote", "create", "c1", None)]


def test_a_record_that_does_not_tell_its_email_is_matched_with_nobody() -> None:
    untold = replace(
        remote_snapshot({}, names=("email", "name")),
        frame=text_frame({"x1": {"name": "Ann"}, "x2": {"name": "Bob"}}, ("email", "name"), "external_id"),
    )
    plan = plan_of(local={"c1": {"name": "Ann"}}, remote=untold, rules=(EMAIL, NAME))
    assert summary(plan.changes) == [
        ("local", "create", None, "x1"),
        ("local", "create", None, "x2"),
        ("remote", "create", "c1", None),
    ]


def test_who_is_matched_does_not_keep_others_from_being_made() -> None:
    plan = plan_of(local={"c1": ANN, "c2": BOB}, remote={"x1": ANN, "x3": {**BOB, "email": "carl@example.org"}})
    made = [row for row in summary(plan.changes) if row[1] == "create"]
    assert made == [("local", "create", None, "x3"), ("remote", "create", "c2", None)]


def test_whose_key_is_on_a_copy_goes_out_without_it() -> None:
    remote = remote_snapshot({"x1": ANN}, contact_keys={"x1": "c9"})
    plan = plan_of(base=LINKED, local={"c1": ANN, "c8": {**BOB, "email": "carl@example.org"}, "c9": BOB}, remote=remote)
    created = {each.contact_id: each.is_key_taken for each in plan.changes if each.kind is ChangeKind.CREATE}
    assert created == {"c8": False, "c9": True}


def test_of_whom_nothing_is_known_the_plan_says_who_it_is() -> None:
    plan = plan_of(local={"c1": {}}, remote={"x1": {}})
    assert reasons(plan) == [
        (None, "x1", "every mapped field is empty"),
        ("c1", None, "every mapped field is empty"),
    ]


def test_who_lacks_what_the_other_side_requires_is_not_made_there() -> None:
    phone = FieldRule(name="phone", is_required=True)
    world = world_of(
        local=local_snapshot({"c1": ANN}, names=("email", "name")),
        remote=remote_snapshot({}, names=("email", "name", "phone")),
        base=base_frame({}, ("email", "name", "phone")),
        rules=(EMAIL, NAME, phone),
        policy=permissive(),
    )
    plan = plan_sync(world)
    assert reasons(plan) == [("c1", None, "phone is empty, and the other side keeps nobody without it")]
    assert not plan.changes


def test_who_is_gone_on_both_sides_is_let_go_with_the_reason() -> None:
    (change,) = linked_pair(ANN, None, None).changes
    assert (change.kind, change.reason) == (ChangeKind.UNLINK, "deleted on both sides")


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (NO_IDENTITY, "the e-mail is stopped: nobody new is made on either side before its column is there again"),
        (
            NOT_RESTORED,
            "edited here and missing on the other side, which is empty: nothing is restored to an empty side",
        ),
    ],
)
def test_people_read_why_nobody_is_made(reason: str, text: str) -> None:
    assert reason == text


def test_whatever_the_order_of_rows_everything_comes_by_id() -> None:
    ids = (3, 1, 2)
    base = {f"c{n}": Link(external_id=f"x{n}", agreed={**ANN, "email": f"{n}@example.org"}) for n in ids}
    same = {n: {"email": f"{n}@example.org", "name": "Both"} for n in ids}
    plan = plan_of(base=base, local={f"c{n}": same[n] for n in ids}, remote={f"x{n}": same[n] for n in ids})
    assert [each.contact_id for each in plan.agreements] == ["c1", "c2", "c3"]

    plan = plan_of(
        base=base,
        local={f"c{n}": {**same[n], "name": "Here"} for n in ids},
        remote={f"x{n}": same[n] for n in ids},
        policy=permissive(conflict_policy=ConflictPolicy.MANUAL),
    )
    assert [each.contact_id for each in plan.conflicts] == ["c1", "c2", "c3"]

    plan = plan_of(local={f"c{n}": {} for n in ids}, remote={f"x{n}": {} for n in ids})
    assert [(each.side, each.contact_id or each.external_id) for each in plan.skipped] == [
        *((Side.LOCAL, f"x{n}") for n in (1, 2, 3)),
        *((Side.REMOTE, f"c{n}") for n in (1, 2, 3)),
    ]
