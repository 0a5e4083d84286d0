"""Counts that add up: every contact a direction looked at ends in exactly one outcome.

Belongs here: turning a plan and what became of its changes into the counts of `SyncResult`. Does not:
writing log rows (`store.sync_log`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from integrations_pipeline.model import (
    COUNT_NAMES,
    DIRECTION_OF,
    Change,
    ChangeKind,
    ChangeState,
    Direction,
    Outcome,
    Plan,
    Side,
)

_WRITTEN = {
    ChangeKind.CREATE: "records_created",
    ChangeKind.UPDATE: "records_updated",
    ChangeKind.DELETE: "records_deleted",
}
#: A contact with several outcomes in one direction counts once, as the first of these.
_PRECEDENCE = (
    "records_failed",
    "records_created",
    "records_updated",
    "records_deleted",
    "records_held",
    "records_conflicted",
    "records_skipped",
)

Counts = dict[str, int]


def tally(plan: Plan, outcomes: Iterable[Outcome]) -> dict[Direction, Counts]:
    """Counts per direction (keys `COUNT_NAMES`), whose sum is `plan.considered`.

    A resolved conflict counts as conflicted in the direction whose value lost, an open one once;
    a change that was superseded by an edit during the run counts as skipped.
    """
    # A contact and a record that has none yet may have one id.
    ends: dict[tuple[Direction, bool], dict[str | None, str]] = {}
    for direction, change, name in _events(plan, outcomes):
        found = ends.setdefault((direction, change.contact_id is not None), {})
        unit = change.contact_id or change.external_id
        found[unit] = min(found.get(unit, name), name, key=_PRECEDENCE.index)
    totals = {direction: Counter[str]() for direction in plan.considered}
    for (direction, _), found in ends.items():
        if direction in totals:
            totals[direction].update(found.values())
    return {direction: _filled(counts, plan.considered[direction]) for direction, counts in totals.items()}


def _filled(counts: Counter[str], considered: int) -> Counts:
    filled = {name: counts[name] for name in COUNT_NAMES}
    filled["records_unchanged"] = considered - counts.total()
    return filled


def _events(plan: Plan, outcomes: Iterable[Outcome]) -> Iterator[tuple[Direction, Change, str]]:
    for outcome in outcomes:
        yield from _outcome_events(outcome)
    for change in plan.held:
        yield DIRECTION_OF[change.side], change, "records_held"
    for change in plan.skipped:
        yield DIRECTION_OF[change.side], change, "records_skipped"
    for change in plan.waiting:
        yield DIRECTION_OF[change.side], change, "records_skipped"
    for change in plan.conflicts:
        yield _told_in(plan), change, "records_conflicted"


def _told_in(plan: Plan) -> Direction:
    """An open conflict is one, whichever way it is decided: it counts on its way out, if that way is open."""
    return Direction.TO_EXTERNAL if plan.direction.allows(Side.REMOTE) else Direction.FROM_EXTERNAL


def _outcome_events(outcome: Outcome) -> Iterator[tuple[Direction, Change, str]]:
    change = outcome.change
    direction = DIRECTION_OF[change.side]
    if outcome.state is ChangeState.FAILED or outcome.lost:
        yield direction, change, "records_failed"
    elif change.kind in _WRITTEN:
        is_applied = outcome.state is ChangeState.APPLIED
        yield direction, change, _WRITTEN[change.kind] if is_applied else "records_skipped"
    if change.conflict and change.conflict.winner:
        yield DIRECTION_OF[_loser_flow(change.side)], change, "records_conflicted"


def _loser_flow(written: Side) -> Side:
    """The side to which the losing value would have gone: the winner's own."""
    return written.other
