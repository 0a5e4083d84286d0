"""What waits for one connection, and what a run asks of it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from integrations_pipeline.model import (
    ORDERED,
    Agenda,
    AgendaItem,
    AgendaKind,
    Change,
    ChangeKind,
    Checkpoint,
    Conflict,
    Decision,
    Side,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
CHANGE = Change(
    side=Side.REMOTE,
    kind=ChangeKind.UPDATE,
    contact_id="c1",
    external_id="x1",
    before={"name": "Old", "company": "B"},
    after={"name": "New", "company": "A"},
    base={"name": "Base"},
    reason="of the change",
)


def item(kind: AgendaKind, **more: Any) -> AgendaItem:
    return AgendaItem(kind=kind, **more)


def held(n: int, side: Side = Side.LOCAL, **more: Any) -> AgendaItem:
    told: dict[str, Any] = {"contact_id": f"c{n}", "external_id": f"x{n}", "reason": f"why {n}", **more}
    return item(AgendaKind.HELD_DELETE, side=side, **told)


def test_every_kind_and_decision_is_stored_under_its_name() -> None:
    assert {kind.name.lower() for kind in AgendaKind} == {kind.value for kind in AgendaKind}
    assert {each.name.lower() for each in Decision} == {each.value for each in Decision}
    assert ORDERED == "undo"
    assert [kind for kind in AgendaKind if kind.value.startswith("held_")] == [
        AgendaKind.HELD_DELETE,
        AgendaKind.HELD_CLEAR,
        AgendaKind.HELD_EMAIL,
        AgendaKind.HELD_CREATE,
        AgendaKind.HELD_PLACE,
    ]


def test_an_item_of_which_nothing_is_told_is_about_nothing() -> None:
    bare = item(AgendaKind.RETRY)
    assert bare == AgendaItem(
        kind=AgendaKind.RETRY,
        side=None,
        contact_id=None,
        external_id=None,
        field=None,
        change=None,
        change_id=None,
        before={},
        after={},
        base={},
        values={},
        reason="",
        created_at=None,
        decision=None,
    )
    assert isinstance(bare.id, UUID)
    assert bare.id != item(AgendaKind.RETRY).id


def test_an_item_of_a_change_has_all_of_it() -> None:
    made = AgendaItem.of_change(AgendaKind.FAILED, CHANGE)
    assert made == AgendaItem(
        kind=AgendaKind.FAILED,
        side=Side.REMOTE,
        contact_id="c1",
        external_id="x1",
        change=ChangeKind.UPDATE,
        change_id=CHANGE.id,
        before=CHANGE.before,
        after=CHANGE.after,
        base=CHANGE.base,
        reason="of the change",
    )
    assert made.id == CHANGE.id
    assert made.write_key == CHANGE.write_key
    assert AgendaItem.of_change(AgendaKind.FAILED, CHANGE, "of its own").reason == "of its own"


def test_a_conflict_is_one_question_per_field() -> None:
    values = {name: {"base": "B", "local": name, "remote": "R"} for name in ("name", "company")}
    change = replace(CHANGE, conflict=Conflict(policy="manual", winner=None, fields=values))
    made = AgendaItem.of_conflict(change)
    common = {"side": Side.REMOTE, "contact_id": "c1", "external_id": "x1", "change": ChangeKind.UPDATE}
    assert made == [
        item(
            AgendaKind.CONFLICT,
            **common,
            change_id=change.id,
            field=name,
            values=values[name],
            reason="of the change",
        )
        for name in ("company", "name")
    ]
    assert len({*(each.id for each in made), change.id}) == 3
    assert AgendaItem.of_conflict(CHANGE) == []


def test_an_agenda_of_which_nothing_is_told_is_empty() -> None:
    assert Agenda() == Agenda(())
    assert Agenda().items == ()


QUESTION = AgendaItem.of_change(AgendaKind.FAILED, CHANGE)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(QUESTION, kind=AgendaKind.SKIPPED), id="kind"),
        pytest.param(replace(QUESTION, side=Side.LOCAL), id="side"),
        pytest.param(replace(QUESTION, contact_id="c2"), id="contact"),
        pytest.param(replace(QUESTION, external_id="x2"), id="record"),
        pytest.param(replace(QUESTION, field="name"), id="field"),
        pytest.param(replace(QUESTION, change=ChangeKind.DELETE), id="what is done"),
        pytest.param(replace(QUESTION, after={}), id="the new value"),
        pytest.param(replace(QUESTION, values={"local": "L"}), id="the values of a conflict"),
        pytest.param(replace(QUESTION, reason="another"), id="reason"),
    ],
)
def test_another_question_is_another(other: AgendaItem) -> None:
    assert other.question != QUESTION.question


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(replace(QUESTION, after=dict(reversed(list(CHANGE.after.items())))), id="order of fields"),
        pytest.param(replace(QUESTION, before={}, base={}), id="what it was before"),
        pytest.param(replace(QUESTION, change_id=None, created_at=NOON), id="row and time"),
        pytest.param(replace(QUESTION, decision=Decision.APPROVED), id="what was said of it"),
    ],
)
def test_the_same_question_is_told_by_what_is_asked(same: AgendaItem) -> None:
    assert same.question == QUESTION.question


def test_the_reason_of_a_hold_may_tell_numbers_that_move() -> None:
    assert held(1, reason="5 now").question == held(1, reason="6 now").question


def test_a_write_is_told_by_side_kind_ids_and_values_in_any_order() -> None:
    turned = replace(QUESTION, before=dict(reversed(list(CHANGE.before.items()))))
    assert turned.write_key == CHANGE.write_key
    assert replace(QUESTION, before={}).write_key != CHANGE.write_key
    assert replace(QUESTION, after={}).write_key != CHANGE.write_key


def test_deletes_are_told_by_decision_and_side() -> None:
    agenda = Agenda(
        (
            held(1),
            held(2, Side.REMOTE),
            held(3, decision=Decision.APPROVED),
            held(4, Side.REMOTE, decision=Decision.APPROVED),
            held(5, decision=Decision.REJECTED),
            held(6, Side.REMOTE, decision=Decision.REJECTED),
            held(7, contact_id=None),
            held(8, external_id=None),
            item(AgendaKind.HELD_CLEAR, side=Side.LOCAL, contact_id="c9", external_id="x9"),
            held(10, side=None),  # type: ignore[arg-type]  # as an older row may be
        )
    )
    assert agenda.approved_deletes == {(Side.LOCAL, "c3"), (Side.REMOTE, "c4")}
    assert agenda.held_deletes == {
        (Side.LOCAL, "c1"): "why 1",
        (Side.REMOTE, "c2"): "why 2",
        (Side.LOCAL, "c8"): "why 8",
    }
    assert agenda.missing_records == {"x1", "x3"}
    assert agenda.believed_gone == {"x1", "x3", "x5"}


def test_held_changes_are_told_with_what_a_person_said() -> None:
    agenda = Agenda(
        (
            item(AgendaKind.HELD_CLEAR, side=Side.LOCAL, contact_id="c1", external_id="x1", field="name"),
            item(AgendaKind.HELD_EMAIL, side=Side.REMOTE, contact_id="c2", field="email", decision=Decision.APPROVED),
            item(AgendaKind.HELD_CREATE, side=Side.LOCAL, external_id="x3", decision=Decision.REJECTED),
            item(AgendaKind.HELD_CREATE, side=Side.LOCAL),
            item(AgendaKind.HELD_CREATE, external_id="x4"),
            held(5),
        )
    )
    assert agenda.held_changes == {
        (AgendaKind.HELD_CLEAR, Side.LOCAL, "c1", "name"): None,
        (AgendaKind.HELD_EMAIL, Side.REMOTE, "c2", "email"): Decision.APPROVED,
        (AgendaKind.HELD_CREATE, Side.LOCAL, "x3", ""): Decision.REJECTED,
        (AgendaKind.HELD_CREATE, Side.LOCAL, "", ""): None,
    }


def test_answers_are_decided_conflicts_of_a_contact_and_field() -> None:
    conflict = item(AgendaKind.CONFLICT, contact_id="c1", field="name", decision=Decision.LOCAL)
    others = (
        replace(conflict, decision=None, contact_id="c2"),
        replace(conflict, contact_id=None),
        replace(conflict, field=None),
        replace(conflict, kind=AgendaKind.HELD_CLEAR, contact_id="c3"),
    )
    assert Agenda((conflict, *others)).answers == {("c1", "name"): conflict}


def test_records_to_read_again_are_told_and_added_once() -> None:
    agenda = Agenda((item(AgendaKind.RETRY, external_id="x1"), item(AgendaKind.RETRY, contact_id="c1"), held(2)))
    assert agenda.retry == {"x1"}
    more = agenda.with_retry(["x4", "x1", "x3"])
    assert more.items == (
        *agenda.items,
        item(AgendaKind.RETRY, side=Side.REMOTE, external_id="x3"),
        item(AgendaKind.RETRY, side=Side.REMOTE, external_id="x4"),
    )


def test_whoever_is_being_edited_is_told_since_when() -> None:
    editing = item(AgendaKind.RETRY, reason="settling", contact_id="c1", external_id="x1", created_at=NOON)
    agenda = Agenda(
        (
            editing,
            replace(editing, contact_id=None, external_id="x2"),
            replace(editing, contact_id="c3", created_at=None),
            replace(editing, contact_id="c4", reason=""),
            replace(editing, contact_id=None, external_id=None),
            replace(editing, contact_id="c5", kind=AgendaKind.FAILED),
        )
    )
    assert agenda.settling == {"c1": NOON, "x2": NOON}


def test_everything_is_wanted_only_where_a_retry_says_so() -> None:
    assert Agenda((item(AgendaKind.RETRY, reason="everything"),)).is_full_wanted
    assert not Agenda((item(AgendaKind.RETRY, external_id="x1"),)).is_full_wanted
    assert not Agenda((item(AgendaKind.FAILED, reason="everything"),)).is_full_wanted


def test_stopped_fields_are_told_in_order() -> None:
    stopped = [item(AgendaKind.STOPPED_FIELD, field=name) for name in ("phone", "company", None)]
    assert Agenda((*stopped, held(1, field="name"))).stopped == ["company", "phone"]


@pytest.mark.parametrize("kind", [AgendaKind.AMBIGUOUS, AgendaKind.SKIPPED, AgendaKind.HELD_CREATE])
def test_a_record_that_is_not_made_here_yet_is_kept_whole(kind: AgendaKind) -> None:
    record = item(kind, side=Side.LOCAL, change=ChangeKind.CREATE, external_id="x1", after={"name": "Ann"})
    assert Agenda((record,)).set_aside == {"x1": {"name": "Ann"}}
    for other in (
        replace(record, side=Side.REMOTE),
        replace(record, change=ChangeKind.UPDATE),
        replace(record, external_id=None),
    ):
        assert Agenda((other,)).set_aside == {}


def test_of_held_fields_and_conflicts_the_record_s_values_are_kept() -> None:
    clear = item(
        AgendaKind.HELD_CLEAR,
        side=Side.LOCAL,
        external_id="x1",
        field="company",
        before={"company": "ours"},
        after={"company": "theirs"},
    )
    conflict = item(AgendaKind.CONFLICT, external_id="x1", field="name", values={"remote": "theirs", "local": "ours"})
    email = replace(clear, kind=AgendaKind.HELD_EMAIL, side=Side.REMOTE, external_id="x2")
    agenda = Agenda(
        (
            clear,
            conflict,
            email,
            replace(clear, external_id=None),
            replace(conflict, external_id=None),
            replace(conflict, external_id="x3", field=None),
            replace(conflict, external_id="x4", values={}),
            item(AgendaKind.FAILED, side=Side.LOCAL, external_id="x5", after={"name": "no"}),
        )
    )
    assert agenda.set_aside == {
        "x1": {"company": "theirs", "name": "theirs"},
        "x2": {"company": "ours"},
        "x4": {"name": ""},
    }


@pytest.mark.parametrize("stored", [None, {}])
def test_a_connection_that_was_never_synced_has_no_checkpoint(stored: Any) -> None:
    assert Checkpoint.from_json(stored) is None


@pytest.mark.parametrize(
    ("checkpoint", "stored"),
    [
        pytest.param(Checkpoint(), {"remote": {}, "configuration": {}}, id="bare"),
        pytest.param(
            Checkpoint(
                remote={"at": 1}, configuration={"place": "p"}, columns={"name": "text"}, silent={"phone": "gone"}
            ),
            {
                "remote": {"at": 1},
                "configuration": {"place": "p"},
                "columns": {"name": "text"},
                "silent": {"phone": "gone"},
            },
            id="whole",
        ),
    ],
)
def test_a_checkpoint_is_read_as_it_was_written(checkpoint: Checkpoint, stored: dict[str, Any]) -> None:
    assert checkpoint.to_json() == stored
    assert Checkpoint.from_json(stored) == checkpoint
    assert Checkpoint() == Checkpoint(remote={}, configuration={}, columns=None, silent={})
    assert Checkpoint.from_json({"columns": None, "version": 1}) == Checkpoint()
