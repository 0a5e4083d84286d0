"""The three-way merge of one contact, field by field."""

from datetime import UTC, datetime

import pytest

from integrations_pipeline.engine.merge import (
    BY_PERSON,
    Choices,
    FieldMerge,
    Times,
    choose_winner,
    is_edited,
    merge_field,
    merge_pair,
    merge_set,
)
from integrations_pipeline.model import AgendaItem, AgendaKind, ConflictPolicy, Decision, FieldRule, Side
from integrations_pipeline_tests.builders import COMPANY, EMAIL, NAME, OPT_OUT, TAGS, one_way, tags

LOCAL_WINS, REMOTE_WINS = ConflictPolicy.LOCAL_WINS, ConflictPolicy.REMOTE_WINS
NEWEST, MANUAL = ConflictPolicy.NEWEST_WINS, ConflictPolicy.MANUAL
EARLY, LATE = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
TO_REMOTE, TO_LOCAL = one_way(NAME, Side.REMOTE), one_way(NAME, Side.LOCAL)


def by(policy: ConflictPolicy) -> Choices:
    return Choices(policy=policy)


def lost(winner: Side | None, reason: str, **writes: str) -> FieldMerge:
    return FieldMerge(is_conflict=True, winner=winner, reason=reason, **writes)


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        pytest.param(NAME, ("a", "a", "a"), FieldMerge(agreed="a"), id="nobody changed it"),
        pytest.param(NAME, ("a", "b", "b"), FieldMerge(agreed="b"), id="both to the same"),
        pytest.param(NAME, ("a", "b ", "b"), FieldMerge(agreed="b "), id="both to the same, spelled differently"),
        pytest.param(NAME, ("a", "b", "a"), FieldMerge(to_remote="b"), id="only local changed"),
        pytest.param(NAME, ("a", "a", "b"), FieldMerge(to_local="b"), id="only remote changed"),
        pytest.param(NAME, ("a", "", "a"), FieldMerge(to_remote=""), id="only local cleared"),
        pytest.param(NAME, ("a", "a", ""), FieldMerge(to_local=""), id="only remote cleared"),
        pytest.param(NAME, ("a", "b", "a "), FieldMerge(to_remote="b"), id="remote only spells it differently"),
        pytest.param(NAME, ("a\nb", "c", "a\r\nb"), FieldMerge(to_remote="c"), id="line ends are no change"),
        pytest.param(EMAIL, ("a@x", "A@X", "b@x"), FieldMerge(to_local="b@x"), id="case of an e-mail is no change"),
        pytest.param(NAME, ("a", "b", "c"), lost(Side.LOCAL, "local_wins", to_remote="b"), id="both changed"),
        pytest.param(NAME, ("a", "", "c"), lost(Side.LOCAL, "local_wins", to_remote=""), id="cleared against changed"),
        pytest.param(NAME, ("", "b", "c"), lost(Side.LOCAL, "local_wins", to_remote="b"), id="both filled it"),
        pytest.param(TO_REMOTE, ("a", "b", "a"), FieldMerge(to_remote="b"), id="outward field, local changed"),
        pytest.param(TO_REMOTE, ("a", "a", "b"), FieldMerge(), id="outward field, remote changed"),
        pytest.param(
            TO_REMOTE,
            ("a", "b", "c"),
            lost(Side.LOCAL, "sync_direction", to_remote="b"),
            id="outward field, both changed",
        ),
        pytest.param(TO_LOCAL, ("a", "b", "a"), FieldMerge(), id="inward field, local changed"),
        pytest.param(TO_LOCAL, ("a", "a", "b"), FieldMerge(to_local="b"), id="inward field, remote changed"),
        pytest.param(
            TO_LOCAL,
            ("a", "b", "c"),
            lost(Side.REMOTE, "sync_direction", to_local="c"),
            id="inward field, both changed",
        ),
        pytest.param(OPT_OUT, ("", "true", ""), FieldMerge(to_remote="true"), id="opted out in the workspace"),
        pytest.param(OPT_OUT, ("", "", "true"), FieldMerge(to_local="true"), id="opted out at the provider"),
        pytest.param(OPT_OUT, ("true", "", "true"), FieldMerge(to_local="true"), id="no opt-in by the workspace"),
        pytest.param(OPT_OUT, ("true", "true", ""), FieldMerge(to_remote="true"), id="no opt-in by the provider"),
        pytest.param(OPT_OUT, ("", "yes", "true"), FieldMerge(agreed="yes"), id="opted out on both"),
        pytest.param(
            one_way(OPT_OUT, Side.REMOTE), ("", "", "true"), FieldMerge(), id="an outward opt-out is not written back"
        ),
        pytest.param(one_way(OPT_OUT, Side.LOCAL), ("", "true", ""), FieldMerge(), id="an inward opt-out is not sent"),
        pytest.param(TAGS, ("a", "a\x1fb", "a"), FieldMerge(to_remote="a\x1fb"), id="tag added in the workspace"),
        pytest.param(TAGS, ("a", "a", "a\x1fb"), FieldMerge(to_local="a\x1fb"), id="tag added at the provider"),
        pytest.param(
            TAGS,
            ("a", "a\x1fl", "a\x1fr"),
            FieldMerge(to_local="a\x1fl\x1fr", to_remote="a\x1fl\x1fr"),
            id="tags added on both",
        ),
        pytest.param(TAGS, ("a", "", "a"), FieldMerge(to_remote=""), id="last tag removed"),
        pytest.param(
            TAGS,
            ("a\x1fb", "b\x1fa\x1fa", "a\x1fb"),
            FieldMerge(agreed="b\x1fa\x1fa"),
            id="order and repeats are no change",
        ),
    ],
)
def test_the_field_table(rule: FieldRule, values: tuple[str, str, str], expected: FieldMerge) -> None:
    assert merge_field(rule, values, by(LOCAL_WINS), Times()) == expected


@pytest.mark.parametrize(
    ("base", "local", "remote", "expected"),
    [
        pytest.param("a", "a\x1fb", "a\x1fc", ["a", "b", "c"], id="both add"),
        pytest.param("a\x1fb", "a", "b", [], id="each removes another"),
        pytest.param("a\x1fb", "a", "a\x1fb\x1fc", ["a", "c"], id="one removes, the other adds"),
        pytest.param("a\x1fb", "a", "a", ["a"], id="both remove the same"),
        pytest.param("", "b\x1fa", "a\x1fc", ["b", "a", "c"], id="local order first"),
        pytest.param("a", "a\x1fb\x1fb", "b", ["b"], id="repeats count once"),
    ],
)
def test_tags_merge_as_sets(base: str, local: str, remote: str, expected: list[str]) -> None:
    assert merge_set(base, local, remote) == tags(*expected)


def test_a_tag_removed_in_the_workspace_stays_removed_although_the_provider_spells_it_decomposed() -> None:
    assert merge_set("Zu\u0308rich", "", "Z\u00fcrich") == ""


@pytest.mark.parametrize(
    ("policy", "times", "winner"),
    [
        pytest.param(LOCAL_WINS, Times(local_at=EARLY, remote_at=LATE), Side.LOCAL, id="local wins"),
        pytest.param(REMOTE_WINS, Times(local_at=LATE, remote_at=EARLY), Side.REMOTE, id="remote wins"),
        pytest.param(MANUAL, Times(local_at=EARLY, remote_at=LATE), None, id="nobody wins"),
        pytest.param(NEWEST, Times(local_at=EARLY, remote_at=LATE), Side.REMOTE, id="remote is newer"),
        pytest.param(NEWEST, Times(local_at=LATE, remote_at=EARLY), Side.LOCAL, id="local is newer"),
        pytest.param(NEWEST, Times(local_at=LATE, remote_at=LATE), Side.LOCAL, id="equally new"),
        pytest.param(NEWEST, Times(remote_at=LATE), Side.LOCAL, id="local time unknown"),
        pytest.param(NEWEST, Times(local_at=EARLY), Side.LOCAL, id="remote time unknown"),
        pytest.param(NEWEST, Times(), Side.LOCAL, id="both times unknown"),
    ],
)
def test_who_wins_a_conflict(policy: ConflictPolicy, times: Times, winner: Side | None) -> None:
    assert choose_winner(NAME, policy, times) == (winner, policy.value)
    merged = merge_field(NAME, ("a", "l", "r"), by(policy), times)
    assert merged.to_remote == ("l" if winner is Side.LOCAL else None)
    assert merged.to_local == ("r" if winner is Side.REMOTE else None)
    assert merged.is_conflict


@pytest.mark.parametrize("policy", ConflictPolicy)
def test_the_side_that_gives_a_field_wins_it_under_every_policy(policy: ConflictPolicy) -> None:
    assert choose_winner(TO_REMOTE, policy, Times()) == (Side.LOCAL, "sync_direction")
    assert choose_winner(TO_LOCAL, policy, Times()) == (Side.REMOTE, "sync_direction")


OUT, IN_LATE, IN_EARLY = "true", f"in@{LATE.isoformat()}", f"in@{EARLY.isoformat()}"
BETWEEN = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "opted_out_at", "expected"),
    [
        pytest.param(("", OUT, ""), BETWEEN, FieldMerge(to_remote=OUT), id="opted out here"),
        pytest.param(("", "", OUT), None, FieldMerge(to_local=OUT), id="opted out there"),
        pytest.param((OUT, "", OUT), BETWEEN, FieldMerge(to_local=OUT), id="taken back here by somebody"),
        pytest.param((OUT, OUT, ""), BETWEEN, FieldMerge(to_remote=OUT), id="subscribed there by somebody"),
        pytest.param((OUT, OUT, IN_LATE), BETWEEN, FieldMerge(to_local=""), id="the person's own later opt-in"),
        pytest.param((OUT, OUT, IN_EARLY), BETWEEN, FieldMerge(to_remote=OUT), id="an opt-in of before, re-imported"),
        pytest.param((OUT, OUT, IN_LATE), None, FieldMerge(to_remote=OUT), id="nobody knows when they opted out"),
        pytest.param(("", OUT, IN_LATE), BETWEEN, FieldMerge(to_remote=OUT), id="an opt-out not agreed on yet wins"),
        pytest.param((OUT, OUT, "unasked"), BETWEEN, FieldMerge(agreed=OUT), id="nobody was asked there"),
        pytest.param(("", "", "unasked"), None, FieldMerge(agreed=""), id="nobody was asked anywhere"),
        pytest.param(("", "", IN_LATE), None, FieldMerge(agreed=""), id="never opted out"),
    ],
)
def test_consent_only_goes_down_but_for_the_persons_own_later_opt_in(
    values: tuple[str, str, str], opted_out_at: datetime | None, expected: FieldMerge
) -> None:
    assert merge_field(OPT_OUT, values, by(LOCAL_WINS), Times(opted_out_at=opted_out_at)) == expected


def test_an_opt_in_is_not_written_where_the_field_is_not_taken() -> None:
    outward = one_way(OPT_OUT, Side.REMOTE)
    assert merge_field(outward, (OUT, OUT, IN_LATE), by(LOCAL_WINS), Times(opted_out_at=BETWEEN)) == FieldMerge()


def test_a_side_that_was_not_asked_has_made_no_edit() -> None:
    assert not is_edited([OPT_OUT], {OPT_OUT.name: OUT}, {OPT_OUT.name: "unasked"}, Side.LOCAL)


def test_a_field_that_one_side_cannot_hold_is_left_alone() -> None:
    merged = merge_pair((NAME, COMPANY), ({}, {"name": "a", "company": "b"}, {"name": "a"}), by(LOCAL_WINS), Times())
    assert merged.agreed == {"name": "a"}
    assert not merged.to_remote
    assert not merge_pair((NAME,), ({}, {}, {"name": "a"}), by(LOCAL_WINS), Times()).to_local


def test_only_what_the_base_does_not_hold_yet_is_newly_agreed() -> None:
    sides = {"name": "a", "company": "b", "email": ""}
    merged = merge_pair(
        (NAME, COMPANY, EMAIL), ({"name": "a", "company": "old"}, sides, sides), by(LOCAL_WINS), Times()
    )
    assert merged.agreed == {"company": "b", "email": ""}


def test_each_losing_side_gets_one_conflict_with_every_field_it_lost() -> None:
    rules = (NAME, COMPANY, one_way(FieldRule(name="phone"), Side.LOCAL))
    base, local, remote = (dict.fromkeys(("name", "company", "phone"), text) for text in ("b", "l", "r"))
    merged = merge_pair(rules, (base, local, remote), by(LOCAL_WINS), Times(local_at=EARLY, remote_at=LATE))
    assert merged.to_remote == {"name": "l", "company": "l"}
    assert merged.to_local == {"phone": "r"}
    triple = {"base": "b", "local": "l", "remote": "r"}
    overridden, taken = merged.resolved[Side.REMOTE], merged.resolved[Side.LOCAL]
    assert overridden.fields == {"name": triple, "company": triple}
    assert (overridden.policy, overridden.winner) == ("local_wins", Side.LOCAL)
    assert (overridden.local_at, overridden.remote_at) == (EARLY, LATE)
    assert taken.fields == {"phone": triple}
    assert (taken.policy, taken.winner) == ("sync_direction", Side.REMOTE)
    assert merged.open is None


def test_under_the_manual_policy_a_conflict_stays_open_beside_what_can_be_written() -> None:
    base, local, remote = {"name": "b", "company": "b"}, {"name": "l", "company": "l"}, {"name": "r", "company": "b"}
    merged = merge_pair((NAME, COMPANY), (base, local, remote), by(MANUAL), Times())
    assert merged.to_remote == {"company": "l"}
    assert not merged.resolved
    assert merged.open is not None
    assert merged.open.winner is None
    assert merged.open.fields == {"name": {"base": "b", "local": "l", "remote": "r"}}


@pytest.mark.parametrize(
    ("rule", "base", "side", "expected"),
    [
        pytest.param(NAME, {"name": "a"}, {"name": "b"}, True, id="changed"),
        pytest.param(NAME, {"name": "a"}, {"name": ""}, True, id="cleared"),
        pytest.param(NAME, {}, {"name": "b"}, True, id="never agreed"),
        pytest.param(NAME, {"name": "a"}, {"name": "a "}, False, id="spelled differently"),
        pytest.param(NAME, {"name": "a"}, {}, False, id="cannot hold it"),
        pytest.param(TO_LOCAL, {"name": "a"}, {"name": "b"}, False, id="the other side cannot take it"),
    ],
)
def test_what_counts_as_an_edit_against_a_delete(
    rule: FieldRule, base: dict[str, str], side: dict[str, str], expected: bool
) -> None:
    assert is_edited((rule,), base, side, Side.REMOTE) is expected


ASKED = {"base": "a", "local": "l", "remote": "r"}


@pytest.mark.parametrize(
    ("decision", "more", "expected"),
    [
        (Decision.LOCAL, {}, lost(Side.LOCAL, BY_PERSON, to_remote="l")),
        (Decision.REMOTE, {}, lost(Side.REMOTE, BY_PERSON, to_local="r")),
        (Decision.VALUE, {"value": "new"}, FieldMerge(to_local="new", to_remote="new")),
        (Decision.VALUE, {"value": "l"}, FieldMerge(to_remote="l")),
        (Decision.VALUE, {"value": ""}, FieldMerge(to_local="", to_remote="")),
    ],
)
def test_what_a_person_decided_wins_the_conflict_it_was_about(
    decision: Decision, more: dict[str, str], expected: FieldMerge
) -> None:
    answer = AgendaItem(kind=AgendaKind.CONFLICT, field="name", decision=decision, values={**ASKED, **more})
    choices = Choices(policy=MANUAL, answers={"name": answer})
    assert merge_field(NAME, ("a", "l", "r"), choices, Times()) == expected
    later = merge_field(NAME, ("a", "l", "changed since"), choices, Times())
    assert (later.is_conflict, later.winner) == (True, None), "of other values nobody said anything"


def test_a_field_may_have_a_policy_of_its_own() -> None:
    choices = Choices(policy=MANUAL, by_field={"name": REMOTE_WINS})
    assert merge_field(NAME, ("a", "l", "r"), choices, Times()).winner is Side.REMOTE
    assert merge_field(COMPANY, ("a", "l", "r"), choices, Times()).winner is None
