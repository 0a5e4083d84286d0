"""The plan as a whole: presence, matching, deletes, directions and partial reads."""

from dataclasses import replace

import pytest

from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.match import HELD_LOCAL, HELD_REMOTE, MANY_LOCAL, MANY_REMOTE
from integrations_pipeline.engine.merge import PairMerge
from integrations_pipeline.engine.pairs import Pair, _open_conflict
from integrations_pipeline.engine.plan import NOT_RESTORED, plan_sync
from integrations_pipeline.model import (
    Agreement,
    ChangeKind,
    ConflictPolicy,
    DeletePolicy,
    Direction,
    Plan,
    Side,
)
from integrations_pipeline_tests.builders import (
    BYSTANDER,
    COMPANY,
    EMAIL,
    EPOCH,
    NAME,
    OPT_OUT,
    RULES,
    TAGS,
    Books,
    Link,
    Row,
    base_frame,
    linked_pair,
    local_snapshot,
    one_way,
    permissive,
    plan_of,
    remote_snapshot,
    summary,
    tags,
    whole,
    world_of,
)

ANN = {"email": "ann@example.org", "name": "Ann"}
ANNA = {**ANN, "name": "Anna"}
ANNE = {**ANN, "name": "Anne"}
BOB = {"email": "bob@example.org", "name": "Bob"}
DELETE_LOCAL = [("local", "delete", "c1", "x1")]
DELETE_REMOTE = [("remote", "delete", "c1", "x1")]
MANUAL = permissive(conflict_policy=ConflictPolicy.MANUAL)
OUT, IN = Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL


@pytest.mark.parametrize(
    ("is_linked", "local", "remote", "expected"),
    [
        pytest.param(False, ANN, None, [("remote", "create", "c1", None)], id="0 1 0 create remote"),
        pytest.param(False, None, ANN, [("local", "create", None, "x1")], id="0 0 1 create local"),
        pytest.param(False, ANN, ANN, [("local", "link", "c1", "x1")], id="0 1 1 link"),
        pytest.param(
            False,
            ANN,
            ANNA,
            [("local", "link", "c1", "x1"), ("remote", "update", "c1", "x1")],
            id="0 1 1 link and merge",
        ),
        pytest.param(True, ANN, ANN, [], id="1 1 1 nothing"),
        pytest.param(True, ANNA, ANN, [("remote", "update", "c1", "x1")], id="1 1 1 local edited"),
        pytest.param(True, ANN, ANNA, [("local", "update", "c1", "x1")], id="1 1 1 remote edited"),
        pytest.param(True, ANN, None, DELETE_LOCAL, id="1 1 0 delete local"),
        pytest.param(True, ANNA, None, [("remote", "create", "c1", "x1")], id="1 1 0 edited: recreate remote"),
        pytest.param(True, None, ANN, DELETE_REMOTE, id="1 0 1 delete remote"),
        pytest.param(True, None, ANNA, [("local", "create", "c1", "x1")], id="1 0 1 edited: restore local"),
        pytest.param(True, None, None, [("local", "unlink", "c1", "x1")], id="1 0 0 unlink"),
        pytest.param(False, None, None, [], id="0 0 0 nobody"),
    ],
)
def test_the_presence_table(
    is_linked: bool, local: Row | None, remote: Row | None, expected: list[tuple[str, str, str | None, str | None]]
) -> None:
    standing = {"c0": Link(external_id="x0", agreed=BYSTANDER)}
    plan = plan_of(
        base={**standing, "c1": Link(external_id="x1", agreed=ANN)} if is_linked else standing,
        local={"c0": BYSTANDER} | ({"c1": local} if local else {}),
        remote={"x0": BYSTANDER} | ({"x1": remote} if remote else {}),
    )
    assert summary(plan.changes) == expected
    assert plan.considered == {
        OUT: 1 + int(is_linked or local is not None),
        IN: 1 + int(is_linked or remote is not None),
    }


def test_an_update_tells_what_was_what_will_be_and_what_was_agreed() -> None:
    plan = linked_pair(ANN, {**ANN, "company": "Acme"}, ANN)
    change = plan.changes[0]
    assert (change.before, change.after, change.base) == ({"company": ""}, {"company": "Acme"}, {"company": ""})
    assert change.agreed == {"company": "Acme"}
    assert change.expected_version == 1
    assert change.is_settling


def test_a_create_writes_what_is_filled_and_agrees_on_every_field_it_may_write() -> None:
    rules = (EMAIL, NAME, COMPANY, one_way(TAGS, Side.LOCAL))
    names = [rule.name for rule in rules]
    row = {**ANN, "tags": tags("a")}
    out = plan_of(local=local_snapshot({"c1": row}, names=names, versions={"c1": 4}), rules=rules).changes[0]
    assert out.after == ANN
    assert out.agreed == {**ANN, "company": ""}
    assert out.expected_version == 4
    back = plan_of(remote={"x1": row}, rules=rules).changes[0]
    assert back.after == row
    assert back.agreed == {**row, "company": ""}
    assert back.expected_version is None


@pytest.mark.parametrize("side", Side)
def test_an_empty_record_is_skipped(side: Side) -> None:
    plan = plan_of(local={"c1": {}} if side is Side.LOCAL else {}, remote={"x1": {}} if side is Side.REMOTE else {})
    assert not plan.changes
    assert [change.reason for change in plan.skipped] == ["every mapped field is empty"]
    assert plan.skipped[0].side is side.other


@pytest.mark.parametrize("side", Side)
def test_a_record_of_blanks_is_as_empty_as_one_without_text(side: Side) -> None:
    blank = {"name": "  "}
    plan = plan_of(
        local={"c1": blank} if side is Side.LOCAL else {}, remote={"x1": blank} if side is Side.REMOTE else {}
    )
    assert not plan.changes


@pytest.mark.parametrize(
    ("policy", "winner", "side", "value"),
    [
        pytest.param(ConflictPolicy.LOCAL_WINS, Side.LOCAL, Side.REMOTE, "Anna", id="local wins"),
        pytest.param(ConflictPolicy.REMOTE_WINS, Side.REMOTE, Side.LOCAL, "Anne", id="remote wins"),
        pytest.param(ConflictPolicy.NEWEST_WINS, Side.LOCAL, Side.REMOTE, "Anna", id="newest wins without times"),
    ],
)
def test_a_conflict_is_on_the_change_that_overrides_a_value(
    policy: ConflictPolicy, winner: Side, side: Side, value: str
) -> None:
    plan = linked_pair(ANN, ANNA, ANNE, policy=permissive(conflict_policy=policy))
    (change,) = plan.changes
    assert (change.side, change.after) == (side, {"name": value})
    assert change.conflict is not None
    assert change.conflict.winner is winner
    assert change.conflict.fields == {"name": {"base": "Ann", "local": "Anna", "remote": "Anne"}}
    assert change.reason == f"conflict in name: the {winner.value} value was kept ({policy.value})"
    assert plan.conflict_count == 1


def test_an_open_conflict_writes_nothing_and_keeps_the_contact_unsettled() -> None:
    plan = linked_pair(ANN, {**ANNA, "company": "Acme"}, {**ANNE, "tags": tags("a")}, policy=MANUAL)
    assert [(change.side, sorted(change.after), change.is_settling) for change in plan.changes] == [
        (Side.LOCAL, ["tags"], False),
        (Side.REMOTE, ["company"], False),
    ]
    (conflict,) = plan.conflicts
    assert (conflict.before, conflict.after, conflict.base) == ({"name": "Anne"}, {"name": "Anna"}, {"name": "Ann"})
    assert conflict.reason == "conflict in name: waits for a decision (manual)"
    assert not conflict.is_settling
    assert not plan.agreements
    assert plan.conflict_count == 1


def test_a_pair_without_an_open_conflict_has_none_to_tell() -> None:
    pair = Pair(contact_id="c1", external_id="x1", base={}, local={}, remote={}, version=1)
    with pytest.raises(ValueError, match="without an open conflict"):
        _open_conflict(pair, PairMerge())


def test_the_times_of_both_sides_decide_and_are_recorded() -> None:
    later = EPOCH.replace(year=2030)
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN)},
        local=local_snapshot({"c1": ANNA}, times={"c1": EPOCH}),
        remote=remote_snapshot({"x1": ANNE}, times={"x1": later}),
        policy=permissive(conflict_policy=ConflictPolicy.NEWEST_WINS),
    )
    (change,) = plan.changes
    assert change.side is Side.LOCAL
    assert change.conflict is not None
    assert (change.conflict.local_at, change.conflict.remote_at) == (EPOCH, later)


@pytest.mark.parametrize(
    ("local", "remote", "version", "expected"),
    [
        pytest.param(ANN, ANN, 1, (), id="nothing changed"),
        pytest.param(
            ANN,
            ANN,
            2,
            (Agreement(contact_id="c1", external_id="x1", agreed={}, version=2),),
            id="only the version moved",
        ),
        pytest.param(
            ANNA,
            ANNA,
            2,
            (Agreement(contact_id="c1", external_id="x1", agreed={"name": "Anna"}, version=2),),
            id="both to the same",
        ),
        pytest.param(
            {**ANNA, "company": "Acme"},
            ANNA,
            2,
            (Agreement(contact_id="c1", external_id="x1", agreed={"name": "Anna"}, version=-1),),
            id="agreed in part",
        ),
    ],
)
def test_where_both_sides_agree_only_base_and_version_advance(
    local: Row, remote: Row, version: int, expected: tuple[Agreement, ...]
) -> None:
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN)},
        local=local_snapshot({"c1": local}, versions={"c1": version}),
        remote=remote_snapshot({"x1": remote}),
    )
    assert plan.agreements == expected


@pytest.mark.parametrize("gone", Side)
def test_an_edit_that_beats_a_delete_is_recorded_and_written_whole(gone: Side) -> None:
    edited = {**ANNA, "tags": tags("a")}
    plan = linked_pair(ANN, None if gone is Side.LOCAL else edited, None if gone is Side.REMOTE else edited)
    (change,) = plan.changes
    assert change.conflict is not None
    assert change.conflict.fields == {
        "presence": {"base": "present", gone.value: "deleted", gone.other.value: "edited"}
    }
    assert (change.conflict.policy, change.conflict.winner) == ("edit_beats_delete", gone.other)
    assert {name: value for name, value in change.after.items() if value} == edited
    assert change.agreed == whole(edited)
    assert change.base == whole(ANN)
    assert plan.conflict_count == 1


def test_a_record_that_was_emptied_does_not_come_back_after_a_delete() -> None:
    assert summary(linked_pair(ANN, {}, None).changes) == DELETE_LOCAL


def test_an_edit_that_the_other_side_cannot_take_does_not_beat_its_delete() -> None:
    rules = (EMAIL, one_way(NAME, Side.LOCAL), COMPANY, TAGS, OPT_OUT)
    assert summary(linked_pair(ANN, ANNA, None, rules=rules).changes) == DELETE_LOCAL


def test_a_delete_tells_what_is_lost_and_the_version_it_saw() -> None:
    (change,) = linked_pair(ANN, ANN, None).changes
    assert change.before == whole(ANN)
    assert change.base == whole(ANN)
    assert change.expected_version == 1


@pytest.mark.parametrize(
    ("policy", "held", "skipped", "refusals"),
    [
        pytest.param(Policy(linked_count=10), 1, 0, 0, id="hold"),
        pytest.param(Policy(linked_count=10, delete_policy=DeletePolicy.IGNORE), 0, 1, 0, id="ignore"),
        pytest.param(permissive(delete_limit=0), 1, 0, 1, id="over the limit"),
        pytest.param(permissive(is_configuration_changed=True), 1, 0, 1, id="changed configuration"),
    ],
)
def test_a_delete_that_may_not_happen_is_held_or_skipped_and_the_rest_goes_on(
    policy: Policy, held: int, skipped: int, refusals: int
) -> None:
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN), "c2": Link(external_id="x2", agreed=BOB)},
        local={"c1": ANN, "c2": {**BOB, "company": "Acme"}},
        remote={"x2": BOB},
        policy=policy,
    )
    assert summary(plan.changes) == [("remote", "update", "c2", "x2")]
    assert (len(plan.held), len(plan.skipped), len(plan.refusals)) == (held, skipped, refusals)


@pytest.mark.parametrize("side", Side)
def test_nothing_is_deleted_because_the_other_side_is_empty(side: Side) -> None:
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN)},
        local={"c1": ANN} if side is Side.LOCAL else {},
        remote={"x1": ANN} if side is Side.REMOTE else {},
    )
    assert [change.side for change in plan.held] == [side]
    assert len(plan.refusals) == 1


def test_an_emptied_side_does_not_make_a_deleted_contact_come_back() -> None:
    state = Books()
    for number in range(4):
        state.link(f"c{number}", f"x{number}", {"email": f"p{number}@example.org"})
    state.remove(Side.LOCAL, "c0")
    state.run(permissive(), remote=state.look_remote(hidden=[*state.remote]))
    state.run(permissive())
    assert "p0@example.org" not in {row["email"] for row in state.local.values()}


def test_a_merge_at_the_provider_moves_the_link_and_deletes_nobody() -> None:
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN)},
        local={"c1": {**ANN, "company": "Acme"}},
        remote={"x9": {**ANNA, "email": "ANN@example.org"}},
    )
    assert summary(plan.changes) == [
        ("local", "link", "c1", "x9"),
        ("local", "update", "c1", "x9"),
        ("remote", "update", "c1", "x9"),
    ]
    assert plan.conflict_count == 0


def test_a_merge_into_a_record_that_is_linked_already_waits_for_a_person() -> None:
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN), "c2": Link(external_id="x2", agreed=BOB)},
        local={"c1": ANN, "c2": BOB},
        remote={"x2": {**BOB, "email": "ann@example.org"}},
    )
    assert [(change.contact_id, change.reason) for change in plan.skipped] == [("c1", HELD_REMOTE)]
    assert ChangeKind.DELETE not in {change.kind for change in plan.changes}


def test_a_new_contact_takes_over_the_record_of_a_deleted_one_with_its_e_mail() -> None:
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN)}, local={"c2": {**ANN, "name": "Anna"}}, remote={"x1": ANN}
    )
    assert summary(plan.changes) == [
        ("local", "link", "c2", "x1"),
        ("local", "unlink", "c1", "x1"),
        ("remote", "update", "c2", "x1"),
    ]
    assert plan.changes[1].reason == "its e-mail belongs to a new contact of the workspace now"


def test_a_new_contact_takes_over_a_record_that_an_incremental_read_did_not_tell() -> None:
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN)},
        local=local_snapshot({"c2": {**ANN, "company": "Acme"}}, is_complete=False, tombstones=["c1"]),
        remote=remote_snapshot({}, is_complete=False),
    )
    assert ("remote", "update", "c2", "x1") in summary(plan.changes)


@pytest.mark.parametrize("gone", Side)
def test_nobody_is_created_with_the_present_e_mail_of_an_edited_record_whose_counterpart_is_gone(gone: Side) -> None:
    moved = {**ANN, "email": "new@example.org"}
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN)},
        local={"c1": moved} if gone is Side.REMOTE else {"c2": moved},
        remote={"x1": moved} if gone is Side.LOCAL else {"x2": moved},
    )
    assert ChangeKind.CREATE not in {change.kind for change in plan.changes}


@pytest.mark.parametrize(
    ("local", "remote", "holder", "reasons"),
    [
        pytest.param({"c1": ANN, "c2": ANNA}, {"x1": ANN}, None, [MANY_LOCAL] * 3, id="twice in the workspace"),
        pytest.param({"c1": ANN}, {"x1": ANN, "x2": ANNA}, None, [MANY_REMOTE] * 3, id="twice at the provider"),
        pytest.param({"c1": ANN}, {}, Side.REMOTE, [HELD_REMOTE], id="a linked record took its e-mail"),
        pytest.param({}, {"x1": ANN}, Side.LOCAL, [HELD_LOCAL], id="a linked contact took its e-mail"),
    ],
)
def test_ambiguous_records_are_set_aside_and_everybody_else_syncs(
    local: dict[str, Row], remote: dict[str, Row], holder: Side | None, reasons: list[str]
) -> None:
    plan = plan_of(
        base={"c0": Link(external_id="x0", agreed=BYSTANDER)},
        local={**local, "c0": ANN if holder is Side.LOCAL else BYSTANDER, "other": BOB},
        remote={**remote, "x0": ANN if holder is Side.REMOTE else BYSTANDER},
    )
    assert [change.reason for change in plan.skipped] == reasons
    assert ("remote", "create", "other", None) in summary(plan.changes)
    assert ChangeKind.LINK not in {change.kind for change in plan.changes}


def test_a_linked_record_that_an_incremental_read_did_not_tell_still_holds_its_e_mail() -> None:
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN)},
        local=local_snapshot({"c2": ANN}, is_complete=False),
        remote=remote_snapshot({}, is_complete=False),
    )
    assert [change.reason for change in plan.skipped] == [MANY_LOCAL]
    assert not plan.changes


def test_records_without_e_mail_are_never_matched_but_created_on_the_other_side() -> None:
    plan = plan_of(local={"c1": {"name": "Ann"}}, remote={"x1": {"name": "Ann"}})
    assert summary(plan.changes) == [("local", "create", None, "x1"), ("remote", "create", "c1", None)]


def test_without_an_e_mail_field_nothing_matches_but_contact_ids_do() -> None:
    rows = {"c1": {"name": "Ann"}, "c2": {"name": "Bob"}}
    remote = remote_snapshot({"x1": {"name": "Ann"}, "x2": {"name": "Bob"}}, names=["name"], contact_keys={"x2": "c2"})
    plan = plan_of(local=local_snapshot(rows, names=["name"]), remote=remote, rules=(NAME,))
    assert summary(plan.changes) == [
        ("local", "create", None, "x1"),
        ("local", "link", "c2", "x2"),
        ("remote", "create", "c1", None),
    ]


def test_an_incremental_read_leaves_alone_what_it_does_not_tell() -> None:
    plan = plan_of(
        base={f"c{i}": Link(external_id=f"x{i}", agreed={"email": f"p{i}@example.org"}) for i in range(3)},
        local=local_snapshot({"c0": {"email": "p0@example.org", "name": "Ann"}}, is_complete=False),
        remote=remote_snapshot({"x9": {"email": "P1@example.org"}}, is_complete=False, tombstones=["x2"]),
    )
    assert summary(plan.changes) == [("local", "delete", "c2", "x2"), ("remote", "update", "c0", "x0")]
    assert [(change.external_id, change.reason) for change in plan.skipped] == [("x9", HELD_LOCAL)]


def test_a_base_and_a_side_without_the_e_mail_column_still_plan() -> None:
    names = ["name"]
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed={"name": "Ann"})},
        local={"c2": ANN},
        remote=remote_snapshot({"x1": {"name": "Ann"}}, names=names),
        policy=permissive(delete_policy=DeletePolicy.HOLD),
    )
    assert summary(plan.changes) == [("remote", "create", "c2", None)]
    assert summary(plan.held) == DELETE_REMOTE


@pytest.mark.parametrize(
    ("direction", "local", "remote", "expected"),
    [
        pytest.param(OUT, ANN, ANNA, [], id="out leaves a remote edit"),
        pytest.param(IN, ANNA, ANN, [], id="in leaves a local edit"),
        pytest.param(OUT, ANN, None, [], id="out leaves a delete at the provider"),
        pytest.param(IN, None, ANN, [], id="in leaves a delete in the workspace"),
        pytest.param(OUT, None, ANN, DELETE_REMOTE, id="out deletes at the provider"),
        pytest.param(IN, ANN, None, DELETE_LOCAL, id="in deletes in the workspace"),
        pytest.param(OUT, None, ANNA, [], id="out restores nobody in the workspace"),
        pytest.param(IN, ANNA, None, [], id="in restores nobody at the provider"),
    ],
)
def test_a_direction_writes_its_own_side_only(
    direction: Direction, local: Row | None, remote: Row | None, expected: list[tuple[str, str, str, str]]
) -> None:
    plan = linked_pair(ANN, local, remote, policy=permissive(direction=direction))
    assert summary(plan.changes) == expected
    assert not plan.agreements


@pytest.mark.parametrize("direction", [OUT, IN])
def test_a_direction_creates_on_its_own_side_only(direction: Direction) -> None:
    plan = plan_of(local={"c1": ANN}, remote={"x1": BOB}, policy=permissive(direction=direction))
    assert [direction.allows(change.side) for change in plan.changes] == [True]


def test_a_one_way_run_keeps_a_pair_unsettled_that_has_more_to_sync() -> None:
    plan = linked_pair(ANN, {**ANN, "company": "Acme"}, ANNA, policy=permissive(direction=IN))
    assert [(change.side, change.is_settling) for change in plan.changes] == [(Side.LOCAL, False)]


@pytest.mark.parametrize(
    "policy", [permissive(direction=IN), MANUAL], ids=["the way out is left", "a conflict is open"]
)
def test_a_new_link_keeps_a_pair_unsettled_that_has_more_to_sync(policy: Policy) -> None:
    plan = plan_of(
        local={"c1": ANNA}, remote={"x1": ANN if policy.direction is not IN else {**ANN, "name": ""}}, policy=policy
    )
    assert [(change.kind, change.is_settling) for change in plan.changes] == [(ChangeKind.LINK, False)]


@pytest.mark.parametrize("direction", [OUT, IN])
def test_tags_of_both_sides_survive_a_run_one_way_and_a_run_both_ways(direction: Direction) -> None:
    state = Books()
    state.link("c1", "x1", {**ANN, "tags": tags("a")})
    state.put(Side.LOCAL, "c1", {"tags": tags("a", "l")})
    state.put(Side.REMOTE, "x1", {"tags": tags("a", "r")})
    state.run(permissive(direction=direction))
    state.run(permissive())
    assert state.local["c1"]["tags"] == tags("a", "l", "r")


def test_a_tag_of_the_provider_in_an_outward_field_survives_the_second_run() -> None:
    rules = tuple(one_way(rule, Side.REMOTE) if rule == TAGS else rule for rule in RULES)
    state = Books()
    state.link("c1", "x1", {**ANN, "tags": tags("a", "b")})
    state.put(Side.LOCAL, "c1", {"tags": tags("b")})
    state.put(Side.REMOTE, "x1", {"tags": tags("a", "b", "r")})
    for _ in range(2):
        state.run(permissive(), rules=rules)
    assert state.remote["x1"]["tags"] == tags("b", "r")


@pytest.mark.parametrize("direction", [OUT, IN])
def test_a_tag_that_is_removed_after_a_one_way_run_has_sent_it_stays_removed(direction: Direction) -> None:
    state = Books()
    state.link("c1", "x1", {**ANN, "tags": tags("a")})
    state.put(Side.LOCAL, "c1", {"tags": tags("a", "l")})
    state.put(Side.REMOTE, "x1", {"tags": tags("a", "r")})
    state.run(permissive(direction=direction))
    side, key, left = (Side.REMOTE, "x1", "r") if direction is OUT else (Side.LOCAL, "c1", "l")
    state.put(side, key, {"tags": tags("a", left)})
    state.run(permissive())
    assert state.local["c1"]["tags"] == state.remote["x1"]["tags"] == tags("a", left)


def test_an_incremental_base_without_the_e_mail_column_still_tells_who_is_linked() -> None:
    links = {"c1": Link(external_id="x1", agreed={"name": "Ann"})}
    plan = plan_sync(
        world_of(
            local=local_snapshot({"c2": ANN}, is_complete=False),
            remote=remote_snapshot({}, is_complete=False),
            base=base_frame(links, ["name"]),
            rules=RULES,
            policy=permissive(),
        )
    )
    assert summary(plan.changes) == [("remote", "create", "c2", None)]


def test_a_deserted_record_that_was_not_told_keeps_its_e_mail_though_a_new_contact_has_none() -> None:
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN)},
        local=local_snapshot({"c9": {"name": "Zoe"}}, is_complete=False, tombstones=["c1"]),
        remote=remote_snapshot({"x2": ANN}, is_complete=False),
    )
    assert [(change.external_id, change.reason) for change in plan.skipped] == [("x2", MANY_REMOTE)]


def test_the_plan_of_nothing_is_empty() -> None:
    plan = plan_of()
    assert plan == Plan(considered={OUT: 0, IN: 0})
    assert plan.is_empty


def test_changes_come_sorted_by_side_kind_and_id() -> None:
    local = {f"c{i}": {"email": f"l{i}@example.org"} for i in (2, 0, 1)}
    remote = {f"x{i}": {"email": f"r{i}@example.org"} for i in (1, 0)}
    plan = plan_of(local=local, remote=remote)
    assert [change.sort_key for change in plan.changes] == sorted(change.sort_key for change in plan.changes)
    assert replace(plan, changes=()) == replace(plan_of(local=dict(sorted(local.items())), remote=remote), changes=())


def test_an_edited_contact_is_not_made_again_on_a_side_that_shows_nobody() -> None:
    plan = plan_of(
        base={f"c{i}": Link(external_id=f"x{i}", agreed={**ANN, "email": f"a{i}@example.org"}) for i in range(3)},
        local={f"c{i}": {**ANN, "email": f"a{i}@example.org", "company": "Edited"} for i in range(3)},
        remote={},
    )
    assert plan.changes == ()
    assert {change.reason for change in plan.skipped} == {NOT_RESTORED}


def test_a_record_whose_e_mail_two_new_contacts_share_is_kept_for_a_person_to_decide() -> None:
    plan = plan_of(
        base={"c1": Link(external_id="x1", agreed=ANN)},
        local={"c2": ANN, "c3": ANN},
        remote={"x1": ANN},
        policy=permissive(),
    )
    assert ChangeKind.DELETE not in {change.kind for change in plan.changes}
    assert ("x1", MANY_LOCAL) in {(change.external_id, change.reason) for change in plan.skipped}


def test_a_contact_without_what_the_other_side_requires_is_skipped_and_the_rest_goes_on() -> None:
    rules = [replace(rule, is_required=rule.name == EMAIL.name) for rule in RULES]
    plan = plan_of(local={"c1": ANN, "c2": {"name": "Nobody"}}, rules=rules)
    assert summary(plan.changes) == [("remote", "create", "c1", None)]
    assert [(change.contact_id, change.reason) for change in plan.skipped] == [
        ("c2", "email is empty, and the other side keeps nobody without it")
    ]


def test_a_change_of_a_known_record_carries_its_present_address() -> None:
    plan = linked_pair(ANN, {**ANN, "name": "Anna", "email": "new@example.org"}, ANN)
    assert [change.address for change in plan.changes] == ["ann@example.org"]
