"""The guards against mass changes, change by change: what is held, what is left of it, and what it says."""

from dataclasses import replace
from typing import Any

import pytest

from integrations_pipeline.engine.guards import Policy, guard_deletes
from integrations_pipeline.engine.mass import Restrained, restrain
from integrations_pipeline.model import (
    AgendaKind,
    Agreement,
    Change,
    ChangeKind,
    Conflict,
    ConflictPolicy,
    Decision,
    DeletePolicy,
    Direction,
    FieldRule,
    Side,
)
from integrations_pipeline_tests.builders import COMPANY, EMAIL, OPT_OUT, permissive

RULES = (EMAIL, COMPANY, FieldRule(name="phone"), OPT_OUT)
CLEARED = (AgendaKind.HELD_CLEAR, Side.LOCAL, "c0", "company")
CONFLICT = Conflict(policy="newest_wins", winner=Side.REMOTE, fields={})


def update(
    before: dict[str, str], after: dict[str, str], side: Side = Side.LOCAL, contact: str = "c0", **more: Any
) -> Change:
    told: dict[str, Any] = {"base": before, "agreed": after, **more}
    return Change(
        side=side,
        kind=ChangeKind.UPDATE,
        contact_id=contact,
        external_id=contact.replace("c", "x"),
        before=before,
        after=after,
        **told,
    )


def clearing(contact: str = "c0", **more: Any) -> Change:
    return update({"company": "Acme"}, {"company": ""}, contact=contact, **more)


def creating(side: Side = Side.LOCAL, **more: Any) -> Change:
    return Change(side=side, kind=ChangeKind.CREATE, contact_id=None, external_id="x9", after={"name": "Ann"}, **more)


def restrained(*changes: Change, agreements: tuple[Agreement, ...] = (), **policy: Any) -> Restrained:
    usual: dict[str, Any] = {"linked_count": 40, "changes_allowed": 0, "creates_allowed": 0}
    return restrain(changes, agreements, RULES, permissive(**{**usual, **policy}))


NEW_EMAIL = update({"email": "a@example.org"}, {"email": "b@example.org"}, Side.REMOTE)


@pytest.mark.parametrize(
    ("change", "group", "told"),
    [
        pytest.param(
            clearing(),
            (Side.LOCAL, AgendaKind.HELD_CLEAR, "company"),
            "too many values of company would become empty in the workspace",
            id="cleared",
        ),
        pytest.param(
            NEW_EMAIL,
            (Side.REMOTE, AgendaKind.HELD_EMAIL, "email"),
            "too many e-mails would change in the provider",
            id="e-mail",
        ),
        pytest.param(
            creating(),
            (Side.LOCAL, AgendaKind.HELD_CREATE, ""),
            "too many people would be made in the workspace",
            id="made",
        ),
    ],
)
def test_a_refusal_says_what_would_happen_where_and_how_often(change: Change, group: Any, told: str) -> None:
    found = restrained(change, changes_allowed=2, creates_allowed=2, spent={group: 2})
    assert found.refusals == [f"{told}: 1 now, 3 in 24 hours; allowed: 2 of 40 linked contacts"]
    assert [each.reason for each in found.held] == found.refusals
    assert restrained(change, changes_allowed=3, creates_allowed=3, spent={group: 2}).changes == [change]


def test_a_held_field_takes_its_values_along_and_leaves_the_others() -> None:
    before, after = {"company": "Acme", "phone": "1"}, {"company": "", "phone": "2"}
    change = update(before, after, agreed=after, conflict=CONFLICT, expected_version=7)
    (held,), (left,) = (found := restrained(change)).held, found.changes
    assert left == replace(
        change,
        before={"phone": "1"},
        after={"phone": "2"},
        base={"phone": "1"},
        agreed={"phone": "2"},
        is_settling=False,
    )
    assert left.id == change.id
    assert held == replace(
        change,
        before={"company": "Acme"},
        after={"company": ""},
        base={"company": "Acme"},
        agreed={},
        conflict=None,
        reason=found.refusals[0],
    )
    assert held.id not in (change.id, None)


def test_a_held_field_that_was_never_agreed_has_no_base() -> None:
    (held,) = restrained(clearing(base={})).held
    assert (dict(held.before), dict(held.base)) == ({"company": "Acme"}, {})


def test_only_those_of_whom_something_is_held_are_not_settled() -> None:
    other = update({"phone": "1"}, {"phone": "2"}, contact="c1")
    agreements = tuple(
        Agreement(contact_id=f"c{n}", external_id=f"x{n}", agreed={"phone": "1"}, version=3) for n in range(2)
    )
    found = restrained(clearing(), other, agreements=agreements)
    assert found.changes == [other]
    assert found.changes[0].is_settling
    assert found.agreements == [replace(agreements[0], version=-1), agreements[1]]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        pytest.param(clearing(), CLEARED, id="a field"),
        pytest.param(creating(), (AgendaKind.HELD_CREATE, Side.LOCAL, "x9", ""), id="a person"),
    ],
)
def test_what_stays_held_below_the_limit_says_that_an_earlier_run_held_it(change: Change, key: Any) -> None:
    found = restrained(change, changes_allowed=9, creates_allowed=9, held_changes={key: None})
    assert [each.reason for each in found.held] == ["held since an earlier run"]
    assert found.refusals == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(creating(conflict=CONFLICT), id="made anew because an edit beat a delete"),
        pytest.param(update({"phone": "1"}, {"phone": "2"}), id="an edit makes nobody"),
        pytest.param(update({}, {"company": ""}), id="nothing was known of the field"),
        pytest.param(update({"company": ""}, {"company": ""}), id="it was empty"),
        pytest.param(update({"company": " "}, {"company": ""}), id="it was blank"),
        pytest.param(update({"email_opt_out": "true"}, {"email_opt_out": ""}), id="consent has rules of its own"),
        pytest.param(update({"company": "Acme"}, {"phone": "1"}), id="it is not written"),
    ],
)
def test_what_nobody_loses_is_never_held(change: Change) -> None:
    assert restrained(change).changes == [change]


@pytest.mark.parametrize(("old", "new"), [("a@example.org", "A@Example.org"), ("A@Example.org", "a@example.org")])
def test_an_email_in_another_spelling_changes_hands_all_the_same(old: str, new: str) -> None:
    given_away = update({"email": old}, {"email": "b@example.org"})
    taken = update({"email": "b@example.org"}, {"email": new}, contact="c1")
    assert restrained(given_away, taken).held == []


@pytest.mark.parametrize("decision", [Decision.APPROVED, Decision.REJECTED])
@pytest.mark.parametrize(
    ("asked", "is_held"), [("b@example.org", False), ("B@Example.org", False), ("c@example.org", True)]
)
def test_a_decision_is_about_the_email_that_was_asked_about(decision: Decision, asked: str, is_held: bool) -> None:
    key = (AgendaKind.HELD_EMAIL, Side.REMOTE, "c0", "email")
    found = restrained(NEW_EMAIL, held_changes={key: decision}, held_emails={key: asked})
    assert [dict(each.after) for each in found.held] == ([{"email": "b@example.org"}] if is_held else [])
    assert len(found.changes) == (0 if is_held else 1)


@pytest.mark.parametrize(
    ("linked", "is_held"), [pytest.param(2, True, id="both of two"), pytest.param(3, False, id="two of three")]
)
def test_two_people_are_everybody_only_where_there_are_two(linked: int, is_held: bool) -> None:
    found = restrained(clearing(), clearing("c1"), linked_count=linked, changes_allowed=100)
    assert len(found.held) == (2 if is_held else 0)


def test_one_person_is_nobody_s_whole_address_book() -> None:
    assert restrained(clearing(), linked_count=1, changes_allowed=100).held == []


def test_a_rejected_change_becomes_the_write_of_the_old_value_on_the_other_side() -> None:
    change = clearing(conflict=CONFLICT)
    (back,) = restrained(change, held_changes={CLEARED: Decision.REJECTED}).changes
    value = {"company": "Acme"}
    reason = "a person rejected the change: the value is put back"
    assert back == replace(
        change,
        side=Side.REMOTE,
        before={"company": ""},
        after=value,
        base=value,
        agreed=value,
        conflict=None,
        reason=reason,
    )
    assert back.id not in (change.id, None)


def test_a_value_that_was_never_agreed_is_put_back_over_an_empty_base() -> None:
    (back,) = restrained(clearing(base={}), held_changes={CLEARED: Decision.REJECTED}).changes
    assert dict(back.base) == {"company": ""}


def test_a_rejected_change_waits_where_this_run_may_not_write_the_old_value() -> None:
    other = ("c1", (AgendaKind.HELD_CLEAR, Side.LOCAL, "c1", "company"))
    found = restrained(
        clearing(),
        clearing(other[0]),
        direction=Direction.FROM_EXTERNAL,
        held_changes={CLEARED: Decision.REJECTED, other[1]: Decision.REJECTED},
    )
    assert found.changes == []
    assert [(each.side, each.contact_id, dict(each.after), each.reason) for each in found.held] == [
        (Side.LOCAL, key, {"company": ""}, "rejected; this run may not write there") for key in ("c0", "c1")
    ]


def test_a_value_that_is_put_back_joins_the_write_of_its_contact_and_no_other() -> None:
    there = update({"phone": "1"}, {"phone": "2"}, Side.REMOTE)
    further = [update({"phone": "1"}, {"phone": "2"}, Side.REMOTE, key) for key in ("c1", "c2")]
    found = restrained(clearing(), there, *further, held_changes={CLEARED: Decision.REJECTED})
    joined, *rest = found.changes
    assert joined == replace(
        there,
        before={"phone": "1", "company": ""},
        after={"phone": "2", "company": "Acme"},
        base={"phone": "1", "company": "Acme"},
        agreed={"phone": "2", "company": "Acme"},
        is_settling=False,
    )
    assert rest == further


def test_a_rejected_person_is_skipped_with_the_reason() -> None:
    change = creating()
    found = restrained(change, held_changes={(AgendaKind.HELD_CREATE, Side.LOCAL, "x9", ""): Decision.REJECTED})
    assert found.skipped == [replace(change, reason="a person rejected it: nobody is made")]
    assert (found.changes, found.held, found.refusals) == ([], [], [])


def test_approved_deletes_pass_together_with_those_within_the_limit() -> None:
    planned = [
        Change(side=Side.REMOTE, kind=ChangeKind.DELETE, contact_id=f"c{n}", external_id=f"x{n}") for n in range(3)
    ]
    policy = permissive(approved=frozenset({(Side.REMOTE, "c0")}), held={(Side.REMOTE, "c1"): "held before"})
    guarded = guard_deletes(Side.REMOTE, planned, policy, is_source_empty=False)
    assert guarded.allowed == (planned[0], planned[2])
    assert guarded.held == (replace(planned[1], reason="held before"),)


@pytest.mark.parametrize("side", Side)
def test_a_refused_delete_says_on_which_side(side: Side) -> None:
    planned = [Change(side=side, kind=ChangeKind.DELETE, contact_id="c0", external_id="x0")]
    guarded = guard_deletes(side, planned, permissive(delete_limit=0, linked_count=9), is_source_empty=False)
    where = {Side.LOCAL: "workspace", Side.REMOTE: "provider"}[side]
    assert guarded.refusal == (
        f"too many deletes for the {where}: 1 now, 1 in 24 hours; allowed: 0 of 9 linked contacts"
    )
    assert (guarded.allowed, guarded.ignored) == ((), ())


def test_a_policy_of_which_nothing_is_told_holds_deletes_and_knows_of_nothing_else() -> None:
    assert Policy() == Policy(
        conflict_policy=ConflictPolicy.LOCAL_WINS,
        delete_policy=DeletePolicy.HOLD,
        delete_limit=25,
        delete_limit_fraction=0.2,
        direction=Direction.BIDIRECTIONAL,
        linked_count=0,
        deleted_today={},
        approved=frozenset(),
        held={},
        is_configuration_changed=False,
        is_place_changed=False,
        changes_allowed=None,
        creates_allowed=None,
        spent={},
        held_changes={},
        held_emails={},
        field_policies={},
        answers={},
    )
