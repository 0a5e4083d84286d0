"""Merging one pair: what waits, what was decided by a person, and spellings that are no change."""

from datetime import timedelta

import pytest

from integrations_pipeline.engine.merge import Choices, FieldMerge, PairMerge, Times, is_edited, merge_field, merge_pair
from integrations_pipeline.model import AgendaItem, AgendaKind, ConflictPolicy, Decision, FieldRule, Side
from integrations_pipeline_tests.builders import COMPANY, EMAIL, EPOCH, NAME, OPT_OUT, TAGS, one_way, tags

MANUAL = Choices(policy=ConflictPolicy.MANUAL)


def answered(decision: Decision, **values: str) -> Choices:
    item = AgendaItem(kind=AgendaKind.CONFLICT, field="company", decision=decision, values=values)
    return Choices(policy=ConflictPolicy.MANUAL, answers={"company": item})


def test_who_edits_a_field_that_the_record_did_not_tell_waits_whatever_field_comes_after() -> None:
    merged = merge_pair((COMPANY, NAME), ({"company": "Old"}, {"company": "New"}, {}), Choices(), Times())
    assert merged == PairMerge(is_waiting=True)
    assert merge_pair((COMPANY,), ({"company": "Old"}, {"company": "Old"}, {}), Choices(), Times()) == PairMerge()


@pytest.mark.parametrize(
    ("rule", "local", "base"),
    [
        pytest.param(EMAIL, {"email": "A@Example.org"}, {"email": "a@example.org"}, id="another spelling"),
        pytest.param(COMPANY, {"company": ""}, {}, id="empty, and never agreed"),
        pytest.param(one_way(COMPANY, Side.LOCAL), {"company": "New"}, {"company": "Old"}, id="it does not go there"),
    ],
)
def test_what_is_no_edit_waits_for_nothing(rule: FieldRule, local: dict[str, str], base: dict[str, str]) -> None:
    assert merge_pair((rule,), (base, local, {}), Choices(), Times()) == PairMerge()
    assert not is_edited((rule,), base, local, Side.REMOTE)


@pytest.mark.parametrize("value", ["Third", ""])
def test_a_value_that_a_person_typed_goes_to_both_sides(value: str) -> None:
    choices = answered(Decision.VALUE, base="B", local="L", remote="R", value=value)
    merged = merge_field(COMPANY, ("B", "L", "R"), choices, Times())
    assert merged == FieldMerge(to_local=value, to_remote=value)


def test_an_answer_without_a_value_means_the_empty_one() -> None:
    choices = answered(Decision.VALUE, base="B", local="L", remote="R")
    assert merge_field(COMPANY, ("B", "L", "R"), choices, Times()) == FieldMerge(to_local="", to_remote="")


def test_an_answer_that_tells_no_base_is_about_an_empty_one() -> None:
    choices = answered(Decision.REMOTE, local="L", remote="R")
    assert merge_field(COMPANY, ("", "L", "R"), choices, Times()).to_local == "R"
    assert merge_field(COMPANY, ("B", "L", "R"), choices, Times()).to_local is None


def test_values_that_both_sides_have_and_never_agreed_on_are_agreed() -> None:
    """Also where the base knows other fields."""
    sides = {"company": "Acme", "name": "Ann"}
    merged = merge_pair((NAME, COMPANY), ({"name": "Ann"}, sides, sides), Choices(), Times())
    assert merged == PairMerge(agreed={"company": "Acme"})


def test_a_first_conflict_tells_an_empty_base() -> None:
    merged = merge_pair((COMPANY,), ({}, {"company": "L"}, {"company": "R"}), MANUAL, Times())
    assert merged.open
    assert dict(merged.open.fields["company"]) == {"base": "", "local": "L", "remote": "R"}


def test_an_email_that_only_one_side_spelled_anew_is_no_conflict() -> None:
    merged = merge_field(EMAIL, ("a@example.org", "b@example.org", "A@Example.org"), MANUAL, Times())
    assert merged == FieldMerge(to_remote="b@example.org")
    merged = merge_field(EMAIL, ("a@example.org", "A@Example.org", "b@example.org"), MANUAL, Times())
    assert merged == FieldMerge(to_local="b@example.org")


def test_tags_in_another_normal_form_are_the_same_tags() -> None:
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"
    sides = ({"tags": tags(composed)}, {"tags": tags(decomposed)}, {"tags": tags(composed, "new")})
    merged = merge_pair((TAGS,), sides, Choices(), Times())
    assert merged == PairMerge(to_local={"tags": tags(decomposed, "new")})


def test_tags_in_another_order_are_not_written_again() -> None:
    merged = merge_field(TAGS, ("", tags("b", "a"), tags("a", "b", "c")), MANUAL, Times())
    assert merged == FieldMerge(to_local=tags("b", "a", "c"))


def test_an_opt_out_that_is_written_another_way_is_not_written_again() -> None:
    assert merge_field(OPT_OUT, ("", "yes", ""), MANUAL, Times()) == FieldMerge(to_remote="true")
    assert merge_field(OPT_OUT, ("", "", "yes"), MANUAL, Times()) == FieldMerge(to_local="true")


@pytest.mark.parametrize(("base", "local"), [("yes", "true"), ("true", "yes"), ("1", "TRUE")])
def test_a_later_opt_in_lifts_an_opt_out_however_that_was_written(base: str, local: str) -> None:
    opted_in = f"in@{(EPOCH + timedelta(days=1)).isoformat()}"
    merged = merge_field(OPT_OUT, (base, local, opted_in), MANUAL, Times(opted_out_at=EPOCH))
    assert merged == FieldMerge(to_local="")
