"""Which records will be just as agreed once the plan is applied: those the next full read need not look at.

Belongs here: that judgement, which is pure. Does not: fingerprints themselves (`sync.sieve`), writing them down.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from integrations_pipeline.engine.canonical import differing
from integrations_pipeline.engine.frames import Mask, changed_rows, positions, texts, told_rows
from integrations_pipeline.engine.reader import World
from integrations_pipeline.model import ChangeKind, Direction, Plan, Side

#: Records that are looked at in Python at once: their fields are copied for it.
AT_ONCE = 1_000


def settled(world: World, plan: Plan, fingerprints: Mapping[str, str]) -> Mapping[str, str]:
    """Fingerprints, by record, of those whose every field both sides will agree on: nothing is written there, nothing
    is held or waits, no difference is left (a field that goes one way only may keep one for ever)."""
    if plan.direction is not Direction.BIDIRECTIONAL or not fingerprints:
        return {}
    remote = world.remote.frame
    at = positions(remote.index, world.base["external_id"])
    loud = _loud(plan)
    quiet = (key in fingerprints and key not in loud for key in _ids(remote))
    is_candidate = np.fromiter(quiet, dtype=bool, count=len(remote)) & _is_own(world, at)
    is_same = np.zeros(len(remote), dtype=bool)
    is_same[at >= 0] = ~changed_rows(
        world.base, remote, positions(world.base["external_id"], remote.index), world.rules
    )[at[at >= 0]]
    rest = np.flatnonzero(is_candidate & ~is_same)
    is_chosen = is_candidate & is_same
    is_chosen[rest] = _reconciled(world, rest, at[rest], _agreed(plan))
    if is_chosen.sum() == len(fingerprints):
        # So it is with most of a first load, and there a copy would be one of everybody.
        return fingerprints
    chosen = set(texts(remote.index, np.flatnonzero(is_chosen)))
    return {key: found for key, found in fingerprints.items() if key in chosen}


def _ids(remote: pd.DataFrame) -> Iterable[str]:
    """Some at a time: of a first load there are as many as records, and each would be a copy."""
    for start in range(0, len(remote), AT_ONCE):
        yield from texts(remote.index[start : start + AT_ONCE])


def _loud(plan: Plan) -> set[str | None]:
    """Records about which something else is to be done than taking them as they are."""
    written_there = (
        change for change in plan.changes if change.side is Side.REMOTE or change.kind is ChangeKind.UNLINK
    )
    open_questions = (*plan.held, *plan.skipped, *plan.conflicts, *plan.waiting)
    return {change.external_id for change in (*written_there, *open_questions)}


def _is_own(world: World, at: "np.typing.NDArray[np.int64]") -> Mask:
    """Whether a record carries no other contact's key: a copy must be looked at by whoever makes that contact's own."""
    remote = world.remote.frame
    if "contact_key" not in remote.columns or not len(remote):
        return np.ones(len(remote), dtype=bool)
    keys = np.array(texts(remote["contact_key"]), dtype=object)
    if not any(keys):
        return np.ones(len(remote), dtype=bool)
    owners = np.array(texts(world.base.index), dtype=object)
    own = np.where(at >= 0, owners[at] if len(owners) else "", "")
    result: Mask = (keys == "") | (keys == own)
    return result


def _agreed(plan: Plan) -> dict[str, Mapping[str, str]]:
    """What the base of a record gets, by its id."""
    found: dict[str, Mapping[str, str]] = {}
    taken: Iterable[tuple[str | None, Mapping[str, str]]] = (
        *((change.external_id, change.agreed) for change in plan.changes if change.side is Side.LOCAL),
        *((each.external_id, each.agreed) for each in plan.agreements),
    )
    for external_id, values in taken:
        key = external_id or ""
        found[key] = {**found[key], **values} if key in found else values
    return found


def _reconciled(
    world: World,
    rest: "np.typing.NDArray[np.int64]",
    at: "np.typing.NDArray[np.int64]",
    agreed: Mapping[str, Mapping[str, str]],
) -> list[bool]:
    return [
        key in agreed and (row == agreed[key] or not differing(row, {**base, **agreed[key]}, world.rules))
        for start in range(0, len(rest), AT_ONCE)
        for key, row, base in _rows(world, rest[start : start + AT_ONCE], at[start : start + AT_ONCE])
    ]


def _rows(
    world: World, rest: "np.typing.NDArray[np.int64]", at: "np.typing.NDArray[np.int64]"
) -> Iterable[tuple[str, dict[str, str], dict[str, str]]]:
    frame = world.remote.frame
    rows = told_rows(frame, rest, world.columns)
    return zip(texts(frame.index, rest), rows, _bases(world.base, at, world.columns), strict=True)


def _bases(base: pd.DataFrame, at: "np.typing.NDArray[np.int64]", columns: list[str]) -> list[dict[str, str]]:
    known = iter(told_rows(base, at[at >= 0], columns))
    return [next(known) if position >= 0 else {} for position in at]
