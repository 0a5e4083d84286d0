"""What of a run can be put back, and why not: the decision alone."""

from typing import Any
from uuid import UUID

import pytest

from integrations_pipeline.model import ChangeKind, MappedField, Side
from integrations_pipeline.store.undoing import AppliedRow
from integrations_pipeline.sync.taking_back import TAKEN, LeftOut, Made, State, Undo, decide

MAPPING = [MappedField(name=name, column=name) for name in ("email", "company", "phone", "email_opt_out")]


def row(n: int, kind: ChangeKind = ChangeKind.UPDATE, contact: str = "c1", **more: Any) -> AppliedRow:
    told: dict[str, Any] = {"side": Side.LOCAL, "external_id": contact.replace("c", "x"), **more}
    return AppliedRow(id=UUID(int=n), kind=kind, contact_id=contact, **told)


def state(
    here: dict[str, dict[str, str]] | None = None,
    there: dict[str, dict[str, str]] | None = None,
    deleted: dict[str, bool] | None = None,
) -> State:
    return State(here=here or {}, deleted=deleted or {}, there=there or {})


def left(reason: str, name: str = "company", contact: str = "c1") -> LeftOut:
    return LeftOut(contact_id=contact, field=name, reason=reason)


EDIT = row(1, before={"company": "Old"}, after={"company": "New"})
NOW = {"c1": {"company": "New"}}


def test_a_written_value_is_put_back_where_nobody_edited_it_since() -> None:
    assert decide([EDIT], state(NOW), MAPPING) == Undo(values={"c1": {"company": "Old"}}, rows={UUID(int=1): "c1"})
    for record in ({"company": "New"}, {"phone": "1"}, {}):
        assert decide([EDIT], state(NOW, {"x1": record}), MAPPING).values == {"c1": {"company": "Old"}}


@pytest.mark.parametrize(
    ("now", "there", "reason"),
    [
        pytest.param({"c1": {"company": "Newer"}}, {}, "edited here since", id="here"),
        pytest.param({"c1": {}}, {}, "edited here since", id="cleared here"),
        pytest.param({}, {}, "edited here since", id="not told"),
        pytest.param(NOW, {"x1": {"company": "Newer"}}, "edited at the provider since", id="there"),
        pytest.param(NOW, {"x1": {"company": ""}}, "edited at the provider since", id="cleared there"),
    ],
)
def test_what_was_edited_since_is_left(now: Any, there: Any, reason: str) -> None:
    assert decide([EDIT], state(now, there), MAPPING) == Undo(left_out=[left(reason)])


def test_a_value_that_was_never_there_before_is_cleared() -> None:
    found = decide([row(1, after={"company": "New"})], state(NOW), MAPPING)
    assert found == Undo(values={"c1": {"company": ""}}, rows={UUID(int=1): "c1"})
    cleared = row(1, before={"company": "Old"}, after={"company": ""})
    assert decide([cleared], state({"c1": {}}), MAPPING).values == {"c1": {"company": "Old"}}


def test_another_spelling_is_no_edit() -> None:
    edit = row(1, before={"email": "old@example.org"}, after={"email": "new@example.org"})
    found = decide([edit], state({"c1": {"email": "New@example.org"}}, {"x1": {"email": "NEW@example.org"}}), MAPPING)
    assert found.values == {"c1": {"email": "old@example.org"}}


def test_a_field_that_is_not_mapped_any_more_is_compared_as_text() -> None:
    edit = row(1, before={"nick": "old"}, after={"nick": "new"})
    assert decide([edit], state({"c1": {"nick": " new "}}), MAPPING).values == {"c1": {"nick": "old"}}
    assert decide([edit], state({"c1": {"nick": "New"}}), MAPPING).left_out == [left("edited here since", "nick")]


def test_a_row_is_undone_only_with_all_of_its_fields() -> None:
    both = row(1, before={"company": "Old", "phone": "1"}, after={"company": "New", "phone": "2"})
    other = row(2, side=Side.REMOTE, before={"phone": "1"}, after={"phone": "2"})
    found = decide([both, other], state({"c1": {"company": "Newer", "phone": "2"}}), MAPPING)
    assert found == Undo(values={"c1": {"phone": "1"}}, left_out=[left("edited here since")], rows={UUID(int=2): "c1"})


def test_what_both_sides_had_changed_is_left_merged() -> None:
    rows = [
        row(1, before={"company": "Ours"}, after={"company": "Merged"}),
        row(2, side=Side.REMOTE, before={"company": "Theirs"}, after={"company": "Merged"}),
    ]
    found = decide(rows, state({"c1": {"company": "Merged"}}), MAPPING)
    assert found == Undo(left_out=[left("both sides had changed it before the run, and hold the merged value")])


def test_of_two_writes_of_a_field_the_last_says_what_it_should_be_now() -> None:
    rows = [
        row(1, before={"company": "Old"}, after={"company": "Between"}),
        row(2, side=Side.REMOTE, before={"company": "Old"}, after={"company": "New"}),
    ]
    assert decide(rows, state(NOW, {"x1": {"company": "New"}}), MAPPING).values == {"c1": {"company": "Old"}}
    rows = [row(1, after={"company": "New"}), row(2, side=Side.REMOTE, after={"company": "New"})]
    assert decide(rows, state(NOW), MAPPING).values == {"c1": {"company": ""}}
    rows = [row(1, after={"company": "New"}), row(2, before={"company": "Old"}, after={"company": "New"})]
    assert decide(rows, state(NOW), MAPPING).values == {}, "empty and something are two values"
    rows = [row(1, after={"company": "New"}), row(2, before={"company": ""}, after={"company": "New"})]
    assert decide(rows, state(NOW), MAPPING).values == {"c1": {"company": ""}}, "empty and not told are one"


@pytest.mark.parametrize("before", [{}, {"email_opt_out": ""}])
def test_an_opt_out_is_never_taken_back(before: dict[str, str]) -> None:
    edit = row(1, before=before, after={"email_opt_out": "true"})
    found = decide([edit], state({"c1": {"email_opt_out": "true"}}), MAPPING)
    reason = "consent is never raised: only the person can take an opt-out back"
    assert found == Undo(left_out=[left(reason, "email_opt_out")])


def test_an_opt_in_is_taken_back() -> None:
    edit = row(1, before={"email_opt_out": "true"}, after={"email_opt_out": ""})
    assert decide([edit], state({"c1": {}}), MAPPING).values == {"c1": {"email_opt_out": "true"}}


def test_of_whom_was_deleted_since_each_field_is_left() -> None:
    edit = row(1, after={"company": "New", "phone": "2"})
    found = decide([edit], state(NOW, deleted={"c1": True}), MAPPING)
    assert found == Undo(left_out=[left("deleted since"), left("deleted since", "phone")])


def test_whom_the_run_deleted_comes_back_as_the_row_has_them_or_the_journal() -> None:
    before = {"company": "Acme", "phone": "", "email_opt_out": "true"}
    gone = row(1, ChangeKind.DELETE, before=before)
    assert decide([gone], state(deleted={"c1": True}), MAPPING) == Undo(restored={"c1": {}}, rows={UUID(int=1): "c1"})
    found = decide([gone], state(deleted={"c1": False}), MAPPING)
    assert found.restored == {"c1": {"company": "Acme", "email_opt_out": "true"}}
    opted_in = row(1, ChangeKind.DELETE, before={"company": "Acme", "email_opt_out": "in@2024-05-01T12:00:00+00:00"})
    assert decide([opted_in], state(deleted={"c1": False}), MAPPING).restored == {"c1": {"company": "Acme"}}


def test_whom_somebody_else_brought_back_is_left() -> None:
    found = decide([row(1, ChangeKind.DELETE)], state(NOW), MAPPING)
    assert found == Undo(left_out=[left("is there again already", "")])


MADE = row(1, ChangeKind.CREATE, after={"company": "New", "phone": ""})
COPIED = Made(side=Side.LOCAL, external_id="x1", fields=MADE.after)


def test_whom_the_run_made_is_held_unless_edited_or_deleted_since() -> None:
    assert decide([MADE], state(NOW), MAPPING) == Undo(made={"c1": COPIED}, rows={UUID(int=1): "c1"})
    for here in ({"company": "Newer"}, {"company": "New", "phone": "1"}, {}):
        assert decide([MADE], state({"c1": here}), MAPPING) == Undo(left_out=[left("edited here since", "")])
    assert decide([MADE], state(), MAPPING) == Undo(left_out=[left("edited here since", "")])
    assert decide([MADE], state(NOW, deleted={"c1": False}), MAPPING) == Undo(left_out=[left("deleted since", "")])


def test_an_email_in_another_spelling_does_not_save_whom_the_run_made() -> None:
    made = row(1, ChangeKind.CREATE, after={"email": "a@example.org", "nick": "A"})
    assert (
        decide([made], state({"c1": {"email": "A@example.org", "nick": "A "}}), MAPPING).made["c1"].external_id == "x1"
    )


def test_each_contact_is_decided_by_itself_and_by_what_weighs_most() -> None:
    rows = [
        row(1, after={"company": "New"}),
        row(2, ChangeKind.DELETE),
        row(3, ChangeKind.CREATE, "c2", after={"company": "New"}),
        row(4, contact="c2", after={"company": "Newer"}),
        row(5, contact="c3", before={"company": "Old"}, after={"company": "New"}),
    ]
    here = {"c2": {"company": "New"}, "c3": {"company": "New"}}
    found = decide(rows, state(here, deleted={"c1": True}), MAPPING)
    assert found == Undo(
        restored={"c1": {}},
        made={"c2": Made(side=Side.LOCAL, external_id="x2", fields={"company": "New"})},
        values={"c3": {"company": "Old"}},
        rows={UUID(int=2): "c1", UUID(int=3): "c2", UUID(int=5): "c3"},
    )


def test_an_undo_that_decided_nothing_does_nothing() -> None:
    assert TAKEN == "another contact has this e-mail now"
    assert decide([], state(), MAPPING) == Undo(values={}, restored={}, made={}, left_out=[], rows={})
