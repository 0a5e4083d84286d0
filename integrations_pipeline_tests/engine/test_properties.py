"""Properties of the plan over drawn address books, each with counters that prove it was exercised.

Every property is a function inside its test, so that the test can demand afterwards that the events it is
about really happened. A property that never saw a conflict says nothing about conflicts.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from integrations_pipeline.engine.canonical import canonical, differing, is_same
from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.plan import plan_sync
from integrations_pipeline.model import (
    Change,
    ChangeKind,
    ConflictPolicy,
    DeletePolicy,
    FieldKind,
    FieldRule,
    Plan,
    Side,
    Snapshot,
    split_set,
)
from integrations_pipeline_tests.builders import (
    RULES,
    Books,
    permissive,
)
from integrations_pipeline_tests.engine.observing import (
    SCALARS,
    Seen,
    assert_agreed,
    assert_one_to_one,
    demand,
    essence,
    note_changes,
    total_policies,
)
from integrations_pipeline_tests.strategies import books, chances, evenly


def test_one_quiet_run_makes_both_sides_and_the_base_agree_and_a_second_has_nothing_to_do() -> None:
    seen: Seen = Counter()

    @given(books(), total_policies)
    def check(state: Books, policy: Policy) -> None:
        first = state.run(policy)
        note_changes(seen, first)
        seen[f"conflicts_{policy.conflict_policy}"] += first.conflict_count
        assert_agreed(state)
        assert_one_to_one(state, first)
        links = dict(state.links)
        second = state.run(policy)
        if first.skipped:
            # What stood in the way of a match may be gone now; after that nothing is left.
            seen["second_runs_after_skips"] += 1
            second = state.run(policy)
        else:
            assert {key: link.version for key, link in links.items()} == {
                key: link.version for key, link in state.links.items()
            }
        seen["second_runs"] += 1
        assert second.changes == ()
        unlinked = {*state.local} - {*state.links}
        assert unlinked <= {change.contact_id for change in second.skipped}

    check()
    demand(seen, second_runs=20, second_runs_after_skips=5, skipped=10)
    demand(seen, create_local=4, create_remote=4, update_local=20, update_remote=20)
    demand(seen, delete_local=1, delete_remote=1, unlink_local=1)
    demand(seen, conflicts_local_wins=1, conflicts_remote_wins=1, conflicts_newest_wins=1)


def expected_text(rule: FieldRule, triple: tuple[str, str, str], winner: Side) -> str:
    """What a text field must hold afterwards, told without the engine's merge."""
    base, local, remote = triple
    if is_same(base, remote, rule.kind):
        return local
    if is_same(base, local, rule.kind):
        return remote
    return local if winner is Side.LOCAL else remote


def expected_members(triple: tuple[str, str, str]) -> set[str]:
    """Adds and removes of both sides, applied to what was agreed."""
    base, local, remote = (set(split_set(text)) - {""} for text in triple)
    return (base | (local - base) | (remote - base)) - (base - local) - (base - remote)


def note_field(seen: Seen, rule: FieldRule, triple: tuple[str, str, str]) -> None:
    base, local, remote = triple
    by_local, by_remote = not is_same(base, local, rule.kind), not is_same(base, remote, rule.kind)
    if not (by_local or by_remote):
        return
    kind = "tags" if rule.kind is FieldKind.SET else "field"
    if by_local and by_remote:
        seen[f"{kind}_same_edit" if is_same(local, remote, rule.kind) else f"{kind}_both"] += 1
    else:
        seen[f"{kind}_only_{'local' if by_local else 'remote'}"] += 1


def test_an_edit_of_one_side_is_on_both_afterwards_field_by_field_and_tags_merge() -> None:
    seen: Seen = Counter()

    @given(books(newcomers=0), evenly([ConflictPolicy.LOCAL_WINS, ConflictPolicy.REMOTE_WINS]))
    def check(state: Books, chosen: ConflictPolicy) -> None:
        winner = Side.LOCAL if chosen is ConflictPolicy.LOCAL_WINS else Side.REMOTE
        before = state.copy()
        plan = state.run(permissive(conflict_policy=chosen))
        overridden = conflicts_by_field(plan)
        for contact_id, link in before.links.items():
            local, remote = before.local.get(contact_id), before.remote.get(link.external_id)
            if local is None or remote is None:
                continue
            seen["pairs"] += 1
            after = state.local[contact_id]
            edited = set()
            for rule in RULES:
                triple = (link.agreed[rule.name], local[rule.name], remote[rule.name])
                note_field(seen, rule, triple)
                if not is_same(triple[0], triple[1], rule.kind):
                    edited.add(Side.LOCAL)
                if not is_same(triple[0], triple[2], rule.kind):
                    edited.add(Side.REMOTE)
                assert_field(rule, triple, after[rule.name], winner)
                recorded = overridden[contact_id, rule.name]
                assert recorded == ([triple] if is_conflict(rule, triple) else [])
                seen["conflicts"] += len(recorded)
            seen["edited_on_both"] += len(edited) == 2

    check()
    demand(seen, pairs=40, field_only_local=20, field_only_remote=20, field_both=4, edited_on_both=10)
    demand(seen, tags_only_local=3, tags_only_remote=3, tags_both=1, conflicts=4)


def is_conflict(rule: FieldRule, triple: tuple[str, str, str]) -> bool:
    base, local, remote = triple
    pairs = ((base, local), (base, remote), (local, remote))
    return rule in SCALARS and not any(is_same(left, right, rule.kind) for left, right in pairs)


def assert_field(rule: FieldRule, triple: tuple[str, str, str], after: str, winner: Side) -> None:
    if rule.kind is FieldKind.SET:
        assert set(split_set(after)) - {""} == expected_members(triple)
    elif rule.kind is FieldKind.CONSENT:
        assert canonical(after, rule.kind) == max(canonical(value, rule.kind) for value in triple[1:])
    else:
        assert is_same(after, expected_text(rule, triple, winner), rule.kind)


def conflicts_by_field(plan: Plan) -> Mapping[tuple[str | None, str], list[tuple[str, ...]]]:
    """(contact, field) → the (base, local, remote) of each conflict recorded for it."""
    found: dict[tuple[str | None, str], list[tuple[str, ...]]] = _Lists()
    for change in (*plan.changes, *plan.conflicts):
        for name, values in change.conflict.fields.items() if change.conflict else ():
            found[change.contact_id, name].append(tuple(values.values()))
    return found


class _Lists(dict[tuple[str | None, str], list[tuple[str, ...]]]):
    def __missing__(self, key: tuple[str | None, str]) -> list[tuple[str, ...]]:
        return self.setdefault(key, [])


def test_under_the_manual_policy_both_sides_agree_everywhere_but_on_the_listed_conflicts() -> None:
    seen: Seen = Counter()
    manual = permissive(conflict_policy=ConflictPolicy.MANUAL)

    @given(books(newcomers=1))
    def check(state: Books) -> None:
        before = state.copy()
        first = state.run(manual)
        listed = {
            (change.contact_id, name)
            for change in first.conflicts
            for name in (change.conflict.fields if change.conflict else ())
        }
        for contact_id, link in state.links.items():
            if contact_id not in state.local or link.external_id not in state.remote:
                continue
            local, remote = state.local[contact_id], state.remote[link.external_id]
            different = {(contact_id, rule.name) for rule in differing(local, remote, RULES)}
            assert different == {key for key in listed if key[0] == contact_id}
        for changed, name in listed:
            seen["open_conflicts"] += 1
            key = str(changed)
            assert state.local[key][name] == before.local[key][name]
        second = state.plan(manual)
        assert {(c.contact_id, *(c.conflict.fields if c.conflict else ())) for c in first.conflicts} <= {
            (c.contact_id, *(c.conflict.fields if c.conflict else ())) for c in second.conflicts
        }
        seen["updates"] += sum(change.kind is ChangeKind.UPDATE for change in first.changes)

    check()
    demand(seen, open_conflicts=4, updates=30)


def shuffled(snapshot: Snapshot, order: st.DataObject) -> Snapshot:
    return replace(snapshot, frame=snapshot.frame.iloc[order.draw(st.permutations(range(len(snapshot.frame))))])


def test_the_order_of_rows_does_not_matter() -> None:
    seen: Seen = Counter()

    @given(books(), total_policies, st.data())
    def check(state: Books, policy: Policy, order: st.DataObject) -> None:
        world = state.world(policy)
        other = replace(
            world,
            local=shuffled(world.local, order),
            remote=shuffled(world.remote, order),
            base=world.base.iloc[order.draw(st.permutations(range(len(world.base))))],
        )
        plan = plan_sync(world)
        assert plan_sync(other) == plan
        seen["changes"] += len(plan.changes)
        seen["skipped"] += len(plan.skipped)
        seen["reordered"] += list(other.base.index) != list(world.base.index)

    check()
    demand(seen, changes=80, skipped=10, reordered=10)


def mirrored(state: Books) -> Books:
    """The same books with the sides swapped."""
    result = Books()
    for contact_id, link in state.links.items():
        result.links[link.external_id] = replace(link, external_id=contact_id)
    result.local, result.remote = dict(state.remote), dict(state.local)
    result.versions = dict.fromkeys(state.remote, 2)
    result.times = {side: dict(state.times[side.other]) for side in Side}
    return result


def test_swapping_the_sides_and_the_policy_swaps_the_plan() -> None:
    seen: Seen = Counter()
    opposite = {
        ConflictPolicy.LOCAL_WINS: ConflictPolicy.REMOTE_WINS,
        ConflictPolicy.REMOTE_WINS: ConflictPolicy.LOCAL_WINS,
        ConflictPolicy.NEWEST_WINS: ConflictPolicy.NEWEST_WINS,
    }

    @given(books(is_colliding=False), total_policies)
    def check(state: Books, policy: Policy) -> None:
        turned = replace(policy, conflict_policy=opposite[policy.conflict_policy])
        plan, other = state.plan(policy), mirrored(state).plan(turned)
        writes, other_writes = (
            [one_sided(change) for change in made.changes if change.kind is not ChangeKind.UNLINK]
            for made in (plan, other)
        )
        assert len(plan.changes) - len(writes) == len(other.changes) - len(other_writes)
        assert sorted(map(repr, writes)) == sorted(repr((side.other, *rest)) for side, *rest in other_writes)
        assert plan.conflict_count == other.conflict_count
        note_changes(seen, plan)
        seen["conflicts"] += plan.conflict_count

    check()
    demand(seen, update_local=20, update_remote=20, create_local=10, create_remote=10, conflicts=10)
    demand(seen, delete_local=1, delete_remote=1)


def one_sided(change: Change) -> tuple[Side, ChangeKind, str | None, tuple[object, ...]]:
    """A change named by the record on the side that it does not write."""
    source = change.external_id if change.side is Side.LOCAL else change.contact_id
    return change.side, change.kind, source, essence(change)[4:]


def test_deletes_are_never_undone_and_edits_beat_them_on_the_record() -> None:
    seen: Seen = Counter()

    @given(books(is_colliding=False, fates=("same", "edit", "edit", "delete", "delete")), total_policies)
    def check(state: Books, policy: Policy) -> None:
        before = state.copy()
        plan = state.run(policy)
        again = state.run(policy)
        assert again.changes == ()
        holders = {row["email"] for book in (state.local, state.remote) for row in book.values()}
        for contact_id, link in before.links.items():
            rows = {
                Side.LOCAL: before.local.get(contact_id),
                Side.REMOTE: before.remote.get(link.external_id),
            }
            alive = [side for side, row in rows.items() if row is not None]
            if len(alive) == 2:
                continue
            is_edited = any(differing(rows[side] or {}, link.agreed, RULES) for side in alive)
            recorded = [
                change.conflict.winner for change in plan.changes if change.contact_id == contact_id and change.conflict
            ]
            is_blank = not any((rows[side] or {}).get("email") for side in alive)
            assert recorded == ([alive[0]] if is_edited else [])
            assert (link.agreed["email"] in holders) is (is_edited and not is_blank)
            seen["_".join(["gone", *(["edited"] if is_edited else []), *alive])] += 1

    check()
    demand(seen, gone=3, gone_local=2, gone_remote=2, gone_edited_local=4, gone_edited_remote=4)


def test_a_faulty_read_never_deletes_more_than_the_budget_and_heals_when_the_records_reappear() -> None:
    seen: Seen = Counter()
    fates = ("same", "same", "same", "same", "edit", "delete")

    @given(
        books(is_colliding=False, fates=fates, newcomers=1),
        evenly(Side),
        chances,
    )
    def check(state: Books, side: Side, chance: Random) -> None:
        limit, today = chance.choice([0, 1, 4, 25]), chance.randint(0, 2)
        policy = Policy(
            delete_policy=DeletePolicy.PROPAGATE,
            delete_limit=limit,
            delete_limit_fraction=1.0,
            deleted_today={side.other: today},
        )
        keys = sorted(state.book(side))
        lost = keys if chance.random() < 0.3 else [key for key in keys if chance.random() < 0.4]
        look = state.look_local if side is Side.LOCAL else state.look_remote
        plan = state.plan(policy, **{side.value: look(hidden=lost)})
        deletes = [c for c in plan.changes if c.kind is ChangeKind.DELETE and c.side is side.other]
        budget = min(limit, len(state.links)) - today
        assert len(deletes) <= max(0, budget)
        held = [change for change in plan.held if change.side is side.other]
        assert not (deletes and held)
        seen[f"faults_{side}"] += bool(lost)
        seen["emptied"] += lost == keys
        seen["applied"] += bool(deletes)
        if held:
            seen["refused"] += 1
            assert any(reason for reason in plan.refusals)
            seen["other_work_goes_on"] += any(change.kind is ChangeKind.CREATE for change in plan.changes)
        hidden = {*lost}
        healed = state.plan(policy)
        assert not hidden & {
            (c.contact_id if side is Side.LOCAL else c.external_id)
            for c in (*healed.changes, *healed.held)
            if c.kind is ChangeKind.DELETE and c.side is side.other
        }

    check()
    demand(seen, faults_local=3, faults_remote=3, emptied=2, refused=6, applied=1, other_work_goes_on=2)
