"""What the property tests share: counters of events, and the statements that hold after every run."""

from collections import Counter

from integrations_pipeline.engine.canonical import canonical
from integrations_pipeline.model import (
    Change,
    ConflictPolicy,
    FieldKind,
    FieldRule,
    Plan,
)
from integrations_pipeline_tests.builders import (
    RULES,
    Books,
    Row,
    permissive,
)
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.strategies import evenly

TOTAL_POLICIES = (ConflictPolicy.LOCAL_WINS, ConflictPolicy.REMOTE_WINS, ConflictPolicy.NEWEST_WINS)
SCALARS = tuple(rule for rule in RULES if rule.kind in (FieldKind.TEXT, FieldKind.EMAIL))
total_policies = evenly(TOTAL_POLICIES).map(lambda chosen: permissive(conflict_policy=chosen))

Seen = Counter[str]


def demand(seen: Seen, **least: int) -> None:
    """Fail if an event happened less often than it must have for the property to mean something."""
    gather("planner properties", seen)
    missed = {name: (seen[name], count) for name, count in least.items() if seen[name] < count}
    assert not missed, f"hardly exercised (seen, wanted): {missed}; all events: {dict(seen)}"


def note_changes(seen: Seen, plan: Plan) -> None:
    seen.update(f"{change.kind}_{change.side}" for change in plan.changes)
    seen["skipped"] += len(plan.skipped)
    seen["held"] += len(plan.held)


def canonical_row(row: Row, rules: tuple[FieldRule, ...] = RULES) -> dict[str, str]:
    return {rule.name: canonical(row.get(rule.name, ""), rule.kind) for rule in rules}


def linked_rows(state: Books) -> list[tuple[Row, Row, Row]]:
    """(base, local, remote) of every link whose both ends exist."""
    return [
        (link.agreed, state.local[contact_id], state.remote[link.external_id])
        for contact_id, link in state.links.items()
        if contact_id in state.local and link.external_id in state.remote
    ]


def assert_agreed(state: Books) -> None:
    for agreed, local, remote in linked_rows(state):
        assert canonical_row(local) == canonical_row(remote) == canonical_row(agreed)


def assert_one_to_one(state: Books, plan: Plan) -> None:
    """No record has two links, and every link both its ends, but for those that wait for a person."""
    waiting = {change.contact_id for change in (*plan.skipped, *plan.held)}
    joined = [link.external_id for link in state.links.values()]
    assert len(joined) == len(set(joined))
    for contact_id, link in state.links.items():
        assert (contact_id in state.local and link.external_id in state.remote) or contact_id in waiting


def essence(change: Change) -> tuple[object, ...]:
    """A change without the raw spelling of what it writes."""
    after = tuple(sorted(canonical_row(change.after).items())) if change.after else ()
    conflict = tuple(sorted(change.conflict.fields)) if change.conflict else ()
    return (change.side, change.kind, change.contact_id, change.external_id, after, conflict)
