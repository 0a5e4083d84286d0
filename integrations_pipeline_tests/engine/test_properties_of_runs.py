"""Properties of partial runs, partial reads, one-way runs, matching and counting; counters as in `test_properties`."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from integrations_pipeline.engine.canonical import canonical, identity_key, is_same
from integrations_pipeline.engine.frames import keys_lower
from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.tally import tally
from integrations_pipeline.model import (
    COUNT_NAMES,
    DIRECTION_OF,
    ChangeKind,
    ChangeState,
    ConflictPolicy,
    DeletePolicy,
    Direction,
    FieldKind,
    Outcome,
    Side,
)
from integrations_pipeline_tests.builders import (
    NAME,
    OPT_OUT,
    TAGS,
    Books,
    View,
    permissive,
    tags,
    whole,
)
from integrations_pipeline_tests.engine.observing import (
    SCALARS,
    Seen,
    assert_agreed,
    assert_one_to_one,
    canonical_row,
    demand,
    essence,
    linked_rows,
    note_changes,
    total_policies,
)
from integrations_pipeline_tests.strategies import EMAILS, MEMBERS, TEXTS, books, chances, evenly


def incremental(state: Books) -> tuple[View, View]:
    """The same books as a change feed tells them: what moved, and tombstones for what is gone."""
    local, remote = state.look_local(), state.look_remote()
    linked = {link.external_id for link in state.links.values()}
    moved = [key for key in remote.frame.index if key in state.changed_remote or key not in linked]
    return (
        replace(local, is_complete=False, tombstones=frozenset({*state.links} - {*state.local})),
        replace(
            remote,
            frame=remote.frame.loc[moved],
            is_complete=False,
            tombstones=frozenset(linked - {*state.remote}),
        ),
    )


def test_an_incremental_read_that_tells_every_edit_plans_the_same_as_a_complete_one() -> None:
    seen: Seen = Counter()

    @given(books(is_colliding=False, fates=("same", "same", "edit", "delete")), total_policies)
    def check(state: Books, policy: Policy) -> None:
        local, remote = incremental(state)
        plan = state.plan(policy, local=local, remote=remote)
        complete = state.plan(policy)
        assert [*map(essence, plan.changes)] == [*map(essence, complete.changes)]
        assert plan.skipped == complete.skipped
        note_changes(seen, plan)
        seen["presumed"] += len(state.remote) - len(remote.frame)

    check()
    demand(seen, presumed=20, update_local=10, update_remote=10, delete_local=4, delete_remote=4)


def test_absence_from_an_incomplete_read_deletes_and_restores_nothing() -> None:
    seen: Seen = Counter()

    @given(books(is_colliding=False, newcomers=0), chances)
    def check(state: Books, chance: Random) -> None:
        observed = {}
        for side, whole_view in ((Side.LOCAL, state.look_local()), (Side.REMOTE, state.look_remote())):
            keep = [key for key in whole_view.frame.index if chance.random() < 0.5]
            observed[side.value] = replace(whole_view, frame=whole_view.frame.loc[keep], is_complete=False)
            seen["absent"] += len(whole_view.frame) - len(keep)
        plan = state.plan(permissive(), **observed)
        assert {change.kind for change in plan.changes} <= {ChangeKind.UPDATE}
        seen["updates"] += len(plan.changes)

    check()
    demand(seen, absent=60, updates=20)


def test_every_contact_a_direction_looked_at_is_counted_once() -> None:
    seen: Seen = Counter()
    states = (ChangeState.APPLIED, ChangeState.APPLIED, ChangeState.FAILED, ChangeState.SUPERSEDED)

    @given(books(fates=("same", "edit", "delete", "delete"), newcomers=2), chances)
    def check(state: Books, chance: Random) -> None:
        plan = state.plan(
            permissive(
                delete_policy=chance.choice([*[DeletePolicy.PROPAGATE, DeletePolicy.HOLD] * 2, *DeletePolicy]),
                conflict_policy=chance.choice([*ConflictPolicy]),
                direction=chance.choice([Direction.BIDIRECTIONAL, *Direction]),
            )
        )
        outcomes = [
            Outcome(change=change, state=chance.choice(states))
            for change in plan.changes
            if change.kind not in (ChangeKind.LINK, ChangeKind.UNLINK)
        ]
        for direction, counts in tally(plan, outcomes).items():
            assert tuple(counts) == COUNT_NAMES
            assert sum(counts.values()) == plan.considered[direction]
            assert min(counts.values()) >= 0
            seen.update(counts)

    check()
    demand(seen, records_created=4, records_updated=5, records_deleted=1, records_failed=4)
    demand(seen, records_held=1, records_skipped=10, records_conflicted=4, records_unchanged=20)


def test_a_run_that_stops_anywhere_loses_no_edit_of_a_text_field() -> None:
    seen: Seen = Counter()

    @given(books(newcomers=0, fates=("same", "edit", "edit", "edit")), chances)
    def check(state: Books, chance: Random) -> None:
        whole_run = state.copy()
        whole_run.run(permissive())
        plan = state.plan(permissive())
        state.apply(plan, lambda change: chance.random() < 0.5)
        state.run(permissive())
        assert_agreed(state)
        for contact_id, row in whole_run.local.items():
            assert canonical_row(row, SCALARS) == canonical_row(state.local[contact_id], SCALARS)
        seen["changes"] += len(plan.changes)

    check()
    demand(seen, changes=60)


def tagged_on_both_sides() -> Books:
    state = Books()
    state.link("c0", "x0", {"email": "p0@example.org", "tags": tags("a")})
    state.put(Side.LOCAL, "c0", {"tags": tags("a", "b")})
    state.put(Side.REMOTE, "x0", {"tags": tags("a", "vip")})
    return state


def test_a_run_that_stops_anywhere_loses_no_tag() -> None:
    @given(books(newcomers=0, fates=("same", "edit", "edit", "edit")), st.sampled_from(Side))
    @example(tagged_on_both_sides(), Side.LOCAL)
    @example(tagged_on_both_sides(), Side.REMOTE)
    def check(drawn: Books, lost: Side) -> None:
        state, whole_run = drawn.copy(), drawn.copy()
        whole_run.run(permissive())
        state.apply(state.plan(permissive()), lambda change: change.side is lost)
        state.run(permissive())
        for contact_id, row in whole_run.local.items():
            assert canonical_row(row, (TAGS,)) == canonical_row(state.local[contact_id], (TAGS,))

    check()


def test_two_one_way_runs_keep_the_tags_of_both_sides() -> None:
    @given(books(newcomers=0, fates=("same", "edit", "edit")), st.permutations(["to_external", "from_external"]))
    @example(tagged_on_both_sides(), ["to_external", "from_external"])
    @example(tagged_on_both_sides(), ["from_external", "to_external"])
    def check(drawn: Books, order: list[str]) -> None:
        state, whole_run = drawn.copy(), drawn.copy()
        whole_run.run(permissive())
        for direction in order:
            state.run(permissive(direction=Direction(direction)))
        for contact_id, row in whole_run.local.items():
            assert canonical_row(row, (TAGS,)) == canonical_row(state.local[contact_id], (TAGS,))

    check()


def test_a_one_way_run_writes_one_side_and_the_way_back_brings_the_rest() -> None:
    seen: Seen = Counter()

    @given(books(is_colliding=False), evenly(Side))
    def check(state: Books, source: Side) -> None:
        direction = DIRECTION_OF[source.other]
        before = state.copy()
        plan = state.run(permissive(direction=direction))
        assert state.book(source) == before.book(source)
        written = {change.side for change in plan.changes if change.kind is not ChangeKind.UNLINK}
        assert written <= {source.other}
        seen[f"writes_{source.other}"] += len(plan.changes)
        seen["unsettled"] += sum(not change.is_settling for change in plan.changes)
        state.run(permissive())
        assert_agreed(state)

    check()
    demand(seen, writes_local=8, writes_remote=8, unsettled=4)


def test_a_contact_that_comes_back_from_its_deleted_row_equals_the_edit_that_restored_it() -> None:
    cleared = Books(keeps_deleted_rows=True)
    cleared.link("c0", "x0", {"email": "p0@example.org", "name": "Ann"})
    cleared.remove(Side.LOCAL, "c0")
    cleared.put(Side.REMOTE, "x0", {"name": ""})
    seen: Seen = Counter()

    @given(books(is_colliding=False, newcomers=0, keeps_deleted_rows=True), total_policies)
    @example(cleared, permissive())
    def check(drawn: Books, policy: Policy) -> None:
        state = drawn.copy()
        plan = state.run(policy)
        assert_agreed(state)
        seen["restored_local"] += sum((c.side, c.kind) == (Side.LOCAL, ChangeKind.CREATE) for c in plan.changes)
        seen["pairs"] += len(linked_rows(state))

    check()
    demand(seen, restored_local=3, pairs=10)


def test_consent_never_rises_whatever_else_happens() -> None:
    seen: Seen = Counter()

    @given(books(is_colliding=False), evenly(ConflictPolicy), evenly(Direction))
    def check(state: Books, chosen: ConflictPolicy, direction: Direction) -> None:
        out = {
            (side, key)
            for side in Side
            for key, row in state.book(side).items()
            if canonical(row[OPT_OUT.name], OPT_OUT.kind)
        }
        plan = state.run(permissive(conflict_policy=chosen, direction=direction))
        for side, key in out:
            row = state.book(side).get(key)
            assert row is None or canonical(row[OPT_OUT.name], OPT_OUT.kind)
        seen["opted_out"] += len(out)
        seen["lowered"] += sum(OPT_OUT.name in c.after for c in plan.changes if c.kind is ChangeKind.UPDATE)

    check()
    demand(seen, opted_out=40, lowered=3)


def test_a_match_is_one_to_one_with_shared_e_mails_and_copied_contact_ids() -> None:
    seen: Seen = Counter()
    holders = ("", "cnew0", "cnew1", "cnew2", "c0", "nobody")

    @given(books(newcomers=4), chances)
    def check(state: Books, chance: Random) -> None:
        state.contact_keys = {f"xnew{i}": key for i, key in enumerate(chance.choices(holders, k=4))}
        before = state.copy()
        plan = state.run(permissive())
        assert_one_to_one(state, plan)
        new = {*state.links} - {*before.links}
        for change in plan.changes:
            if change.kind is ChangeKind.LINK:
                row, other = (
                    before.local.get(change.contact_id or ""),
                    before.remote[change.external_id or ""],
                )
                keys = {identity_key((row or {}).get("email", "")), identity_key(other["email"])}
                is_claimed = state.contact_keys.get(change.external_id or "") == change.contact_id
                was_linked = change.contact_id in before.links
                assert is_claimed or len(keys) == 1 or was_linked or change.external_id in ends(before)
                seen["links_by_key" if is_claimed else "links_by_email"] += 1
        seen["new_links"] += len(new)
        seen["set_aside"] += len(plan.skipped)

    check()
    demand(seen, links_by_key=1, new_links=12, set_aside=15)


def ends(state: Books) -> set[str]:
    return {link.external_id for link in state.links.values()}


def test_the_fast_identity_key_is_the_canonical_one() -> None:
    letters = st.sampled_from([*"abcXYZ09@.+-_ \t", "\u00e9", "e\u0301", "\u00dc", "\u00df", "\u0416", "李"])

    @given(st.lists(st.one_of(st.sampled_from(EMAILS), st.lists(letters).map("".join)), max_size=20))
    def check(values: list[str]) -> None:
        assert keys_lower(values).to_pylist() == [identity_key(value) for value in values]

    check()


def test_sameness_of_values_does_not_depend_on_the_order_and_is_kept_by_the_canonical_form() -> None:
    seen: Seen = Counter()
    values = st.one_of(st.sampled_from(TEXTS), st.lists(st.sampled_from(MEMBERS)).map(lambda found: tags(*found)))

    @given(st.sampled_from(FieldKind), values, values)
    def check(kind: FieldKind, left: str, right: str) -> None:
        assert is_same(left, right, kind) == is_same(right, left, kind)
        assert is_same(left, left + " ", kind)
        if kind is not FieldKind.SET:
            assert canonical(canonical(left, kind), kind) == canonical(left, kind)
        seen["compared"] += 1

    check()
    demand(seen, compared=20)


def test_the_newest_edit_wins_by_the_times_of_the_snapshots() -> None:
    state = Books()
    state.link("c0", "x0", {"name": "Ann"})
    state.put(Side.REMOTE, "x0", {"name": "Anna"})
    state.put(Side.LOCAL, "c0", {"name": "Anne"})
    state.times[Side.REMOTE]["x0"] = datetime(2030, 1, 1, tzinfo=UTC)
    state.run(permissive(conflict_policy=ConflictPolicy.NEWEST_WINS))
    assert state.local["c0"] == whole({NAME.name: "Anna"})
