"""The plan: what one run would do to both sides. Read this file first.

    snapshots + base ──► diff (all links, vectorised) ──► pairs that changed ──► merge ──┐
                    └──► match (records without link) ──► links, creates ────────────────┼──► guards ──► Plan
                         links with one side gone ──► deletes, or edits that beat them ──┘

Presence of a linked contact (B base, L local, R remote; 0 only by a tombstone):

    0 1 0  create remote         1 1 1  merge fields
    0 0 1  create local          1 1 0  delete local, or recreate remote if local was edited
    0 1 1  link, merge with an   1 0 1  delete remote, or restore local if remote was edited
           empty base            1 0 0  unlink
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from integrations_pipeline.engine.diff import LinkedDiff, diff_linked, unlinked_rows
from integrations_pipeline.engine.frames import Positions, arrow, keys_lower, texts
from integrations_pipeline.engine.guards import guard_deletes
from integrations_pipeline.engine.mass import restrain
from integrations_pipeline.engine.match import HELD_LOCAL, MANY_LOCAL, Matches, Unlinked, match_unlinked
from integrations_pipeline.engine.pairs import (
    Pair,
    create_local,
    create_remote,
    delete_one_sided,
    plan_gone,
    plan_pair,
    unlink,
)
from integrations_pipeline.engine.reader import PairReader, World
from integrations_pipeline.model import (
    CONSENT_UNASKED,
    Agreement,
    Change,
    ChangeKind,
    Direction,
    FieldKind,
    Plan,
    Side,
    Snapshot,
)


@dataclass(slots=True)
class _Draft:
    changes: list[Change] = field(default_factory=list)
    agreements: list[Agreement] = field(default_factory=list)
    conflicts: list[Change] = field(default_factory=list)
    skipped: list[Change] = field(default_factory=list)
    deletes: list[Change] = field(default_factory=list)
    waiting: list[Change] = field(default_factory=list)

    def add_pair(self, pair: Pair, world: World) -> None:
        if self.waits(world, pair.contact_id, pair.external_id) or self._goes(world, pair):
            return
        planned = plan_pair(pair, world.rules, world.policy)
        self.changes.extend(planned.changes)
        if planned.agreement:
            self.agreements.append(planned.agreement)
        if planned.conflict:
            self.conflicts.append(planned.conflict)

    def _goes(self, world: World, pair: Pair) -> bool:
        """Whether a person wants this contact to be gone on one side alone, and it can go."""
        side = world.policy.one_sided.get(pair.contact_id)
        if side is None or not pair.is_linked:
            return False
        change = delete_one_sided(pair, side, world.rules)
        if change.reason:
            self.skipped.append(change)
        elif world.policy.direction.allows(side):
            self.deletes.append(change)
        return not change.reason

    def waits(self, world: World, contact_id: str | None, external_id: str | None) -> bool:
        """Note whoever is being edited: nothing of theirs is planned in this run."""
        is_waiting = contact_id in world.waiting or external_id in world.waiting
        if is_waiting:
            side = Side.LOCAL if external_id in world.waiting else Side.REMOTE
            unit = Change(side=side, kind=ChangeKind.UPDATE, contact_id=contact_id, external_id=external_id)
            self.waiting.append(unit)
        return is_waiting


#: Why nobody new is made while the e-mail cannot be read or written.
NO_IDENTITY = "the e-mail is stopped: nobody new is made on either side before its column is there again"
#: Why an edited record is not made again on a side that shows nobody: it may all be there in truth.
NOT_RESTORED = "edited here and missing on the other side, which is empty: nothing is restored to an empty side"


def plan_sync(world: World) -> Plan:
    """Plan one run. Pure and independent of the order of rows.

    `world.base` has the shape told in `diff.diff_linked`, the snapshots that of `model.Snapshot`.
    The changes come sorted by side, kind and id; `Plan.considered` counts the contacts of each direction.
    """
    if not (len(world.base) or len(world.local.frame) or len(world.remote.frame)):
        # Most runs of most workspaces: nothing changed, so nothing is compared.
        known = dict.fromkeys((Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL), world.unread_count)
        return _guarded(_Draft(), world, known)
    diff = diff_linked(world.base, world.local, world.remote, world.rules)
    reader = PairReader(world, diff)
    draft = _Draft()
    free_local = unlinked_rows(len(world.local.frame), diff.local_at)
    free_remote = unlinked_rows(len(world.remote.frame), diff.remote_at)
    matches = _match(world, diff, free_local, free_remote)
    _plan_both_there(draft, reader)
    _plan_matches(draft, reader, matches)
    _plan_gone_sides(draft, reader, matches)
    _plan_unlinked_local(draft, reader, free_local, matches)
    _plan_unlinked_remote(draft, reader, free_remote, matches)
    considered = {
        Direction.TO_EXTERNAL: world.unread_count + len(world.base) + len(free_local),
        Direction.FROM_EXTERNAL: world.unread_count + len(world.base) + len(free_remote),
    }
    return _guarded(draft, world, considered)


def _match(world: World, diff: LinkedDiff, free_local: Positions, free_remote: Positions) -> Matches:
    """Match unlinked records; links with one side gone take part, so that a merge is not a deletion."""
    local_keys = _keys(world, world.local.frame, free_local)
    remote_keys = _keys(world, world.remote.frame, free_remote)
    lost_remote = np.flatnonzero(diff.is_remote_gone & ~diff.is_local_gone)
    lost_local = np.flatnonzero(diff.is_local_gone & ~diff.is_remote_gone)
    abandoned = _abandoned_keys(world, world.local, lost_remote, diff.local_at, remote_keys)
    deserted = _abandoned_keys(world, world.remote, lost_local, diff.remote_at, local_keys)
    local_keys |= dict(zip(texts(world.base.index, lost_remote), abandoned, strict=True))
    remote_keys |= dict(zip(texts(world.base["external_id"], lost_local), deserted, strict=True))
    wanted = {*local_keys.values(), *remote_keys.values()} - {""}
    return match_unlinked(
        Unlinked(keys=local_keys, linked_keys=_linked_keys(world, diff, world.local, diff.local_at, wanted)),
        Unlinked(
            keys=remote_keys,
            contact_keys=_contact_keys(world.remote.frame, free_remote),
            linked_keys=_linked_keys(world, diff, world.remote, diff.remote_at, wanted),
        ),
    )


def _abandoned_keys(
    world: World, alive: Snapshot, lost: Positions, at: Positions, others: Mapping[str, str]
) -> list[str]:
    """Identity keys of contacts whose other side is gone: the one both sides knew, or the present one if a
    new record of the other side has that and not the old one."""
    known = list(_keys(world, world.base, lost).values())
    row_at = at[lost]
    read = iter(_keys(world, alive.frame, row_at[row_at >= 0]).values())
    present = [next(read) if position >= 0 else "" for position in row_at]
    there = set(others.values()) - {""}
    return [new if new in there and old not in there else old for old, new in zip(known, present, strict=True)]


def _keys(world: World, frame: pd.DataFrame, at: Positions) -> dict[str, str]:
    if not len(at):
        return {}
    ids = texts(frame.index, at)
    column = world.identity_column
    if column is None or column not in frame.columns:
        return dict.fromkeys(ids, "")
    return dict(zip(ids, keys_lower(frame[column].iloc[at].fillna("")).to_pylist(), strict=True))


def _contact_keys(frame: pd.DataFrame, at: Positions) -> dict[str, str]:
    """The contact ids that creates of ours left on these records, by record."""
    if "contact_key" not in frame.columns or not len(at):
        return {}
    keys = arrow(frame["contact_key"]).take(pa.array(at))
    filled = np.flatnonzero(pc.not_equal(keys, "").to_numpy(zero_copy_only=False))
    return dict(zip(texts(frame.index, at[filled]), texts(keys, filled), strict=True))


def _copied(frame: pd.DataFrame, contact_ids: Sequence[str]) -> set[str]:
    """Those of these contacts whose id any record carries."""
    if "contact_key" not in frame.columns or not contact_ids:
        return set()
    wanted = pa.array(contact_ids, type=pa.large_string())
    keys = arrow(frame["contact_key"])
    return set(keys.filter(pc.is_in(keys, value_set=wanted)).to_pylist())


def _linked_keys(world: World, diff: LinkedDiff, snapshot: Snapshot, at: Positions, wanted: set[str]) -> frozenset[str]:
    """Those of the wanted identity keys that records of complete links hold on one side."""
    column = world.identity_column
    if column is None or column not in snapshot.frame.columns or not wanted or not len(world.base):
        return frozenset()
    alive = diff.is_both_there
    values = [snapshot.frame[column].iloc[at[alive & (at >= 0)]]]
    if column in world.base.columns:
        values.append(world.base[column].iloc[np.flatnonzero(alive & (at < 0))].fillna(""))
    targets = pa.array(sorted(wanted), type=pa.large_string())
    found: set[str] = set()
    for part in values:
        keys = keys_lower(part)
        found.update(keys.filter(pc.is_in(keys, value_set=targets)).to_pylist())
    return frozenset(found)


def _plan_both_there(draft: _Draft, reader: PairReader) -> None:
    diff = reader.diff
    changed = diff.is_local_changed | diff.is_remote_changed | diff.is_touched
    if wanted := reader.world.policy.one_sided:
        changed = changed | reader.world.base.index.isin(list(wanted))
    for pair in reader.linked(np.flatnonzero(changed & diff.is_both_there)):
        draft.add_pair(pair, reader.world)


def _plan_matches(draft: _Draft, reader: PairReader, matches: Matches) -> None:
    for pair in reader.matched(matches.pairs):
        draft.add_pair(pair, reader.world)


def _plan_gone_sides(draft: _Draft, reader: PairReader, matches: Matches) -> None:
    diff = reader.diff
    both_gone = diff.is_local_gone & diff.is_remote_gone
    # A side without anybody is more likely a fault of the read than the truth.
    is_trusted = not (reader.world.local.is_empty or reader.world.remote.is_empty)
    for pair in reader.linked(np.flatnonzero(both_gone & is_trusted)):
        draft.changes.append(unlink(pair.contact_id, pair.external_id, "deleted on both sides", pair.base))
    moved_contacts = {contact_id for contact_id, _ in matches.pairs}
    for pair in reader.linked(np.flatnonzero(diff.is_remote_gone & ~both_gone)):
        if pair.contact_id not in moved_contacts:
            _plan_gone(draft, reader.world, pair, Side.REMOTE, matches.local_aside.get(pair.contact_id, ""))
    moved_records = {external_id for _, external_id in matches.pairs}
    for pair in reader.linked(np.flatnonzero(diff.is_local_gone & ~both_gone)):
        if pair.external_id in moved_records:
            reason = "its e-mail belongs to a new contact of the workspace now"
            draft.changes.append(unlink(pair.contact_id, pair.external_id, reason, pair.base))
        else:
            # Only who has its e-mail in the workspace keeps a record; another record with it does not.
            aside = matches.remote_aside.get(pair.external_id, "")
            _plan_gone(draft, reader.world, pair, Side.LOCAL, aside if aside in (MANY_LOCAL, HELD_LOCAL) else "")


def _plan_gone(draft: _Draft, world: World, pair: Pair, gone: Side, aside: str) -> None:
    """One link with one side gone; `aside` is why the match left it to a person, or ""."""
    if draft.waits(world, pair.contact_id, pair.external_id):
        return
    if world.policy.one_sided.get(pair.contact_id) is gone:
        draft.changes.append(unlink(pair.contact_id, pair.external_id, "is gone on the side that was meant", pair.base))
        return
    change = plan_gone(pair, gone, world.rules)
    emptied = (world.local if gone is Side.LOCAL else world.remote).is_empty
    is_create = change.kind is ChangeKind.CREATE
    reason = aside or (NOT_RESTORED if emptied and is_create else "")
    reason = reason or (NO_IDENTITY if world.is_identity_silent and is_create else "")
    if reason:
        draft.skipped.append(replace(change, reason=reason))
    else:
        _sort_gone(draft, change, world)


def _sort_gone(draft: _Draft, change: Change, world: World) -> None:
    if world.policy.direction.allows(change.side):
        target = draft.deletes if change.kind is ChangeKind.DELETE else draft.changes
        target.append(change)


def _plan_unlinked_local(draft: _Draft, reader: PairReader, at: Positions, matches: Matches) -> None:
    world = reader.world
    if not world.policy.direction.allows(Side.REMOTE):
        return
    matched = {contact_id for contact_id, _ in matches.pairs}
    copied = _copied(world.remote.frame, texts(world.local.frame.index, at))
    for contact_id, fields, version in reader.unlinked(world.local, at):
        if contact_id in matched or draft.waits(world, contact_id, None):
            continue
        change = create_remote(contact_id, _spared(contact_id, fields, world), version, world.rules)
        if change is not None and contact_id in copied:
            change = replace(change, is_key_taken=True)
        reason = matches.local_aside.get(contact_id, "") or _lacking(fields, world)
        _sort_create(draft, change or _empty(Side.REMOTE, contact_id, None), reason)


def _spared(contact_id: str, fields: Mapping[str, str], world: World) -> Mapping[str, str]:
    """The fields of a contact that is made at the provider: one whose address takes no mail is signed up for none."""
    if contact_id not in world.bounced:
        return fields
    names = [rule.name for rule in world.rules if rule.kind is FieldKind.CONSENT and fields.get(rule.name) == ""]
    return {**fields, **dict.fromkeys(names, CONSENT_UNASKED)}


def _lacking(fields: Mapping[str, str], world: World) -> str:
    """Why the other side would keep no such record, or ""."""
    if world.is_identity_silent:
        return NO_IDENTITY
    lacking = [rule.name for rule in world.rules if rule.is_required and not fields.get(rule.name, "").strip()]
    return f"{lacking[0]} is empty, and the other side keeps nobody without it" if lacking else ""


def _plan_unlinked_remote(draft: _Draft, reader: PairReader, at: Positions, matches: Matches) -> None:
    world = reader.world
    if not world.policy.direction.allows(Side.LOCAL):
        return
    matched = {external_id for _, external_id in matches.pairs}
    for external_id, fields, _ in reader.unlinked(world.remote, at):
        if external_id in matched or draft.waits(world, None, external_id):
            continue
        change = create_local(external_id, fields, world.rules)
        aside = matches.remote_aside.get(external_id, "")
        reason = aside or (NO_IDENTITY if world.is_identity_silent else "")
        _sort_create(draft, change or _empty(Side.LOCAL, None, external_id), reason)


def _empty(side: Side, contact_id: str | None, external_id: str | None) -> Change:
    return Change(side=side, kind=ChangeKind.CREATE, contact_id=contact_id, external_id=external_id)


def _sort_create(draft: _Draft, change: Change, reason: str) -> None:
    if not change.after:
        draft.skipped.append(replace(change, reason="every mapped field is empty"))
    elif reason:
        draft.skipped.append(replace(change, reason=reason))
    else:
        draft.changes.append(change)


def _guarded(draft: _Draft, world: World, considered: Mapping[Direction, int]) -> Plan:
    changes, skipped = list(draft.changes), list(draft.skipped)
    held: list[Change] = []
    refusals: list[str] = []
    for side, source in ((Side.LOCAL, world.remote), (Side.REMOTE, world.local)):
        deletes = sorted((c for c in draft.deletes if c.side is side), key=lambda c: c.sort_key)
        guarded = guard_deletes(side, deletes, world.policy, is_source_empty=source.is_empty)
        changes.extend(guarded.allowed)
        held.extend(guarded.held)
        skipped.extend(guarded.ignored)
        refusals.extend([guarded.refusal] if guarded.refusal else [])
    restrained = restrain(changes, draft.agreements, world.rules, world.policy)
    held.extend(restrained.held)
    skipped.extend(restrained.skipped)
    refusals.extend(restrained.refusals)
    return Plan(
        changes=tuple(sorted(restrained.changes, key=lambda change: change.sort_key)),
        agreements=tuple(sorted(restrained.agreements, key=lambda entry: entry.contact_id)),
        held=tuple(held),
        skipped=tuple(sorted(skipped, key=lambda change: change.sort_key)),
        conflicts=tuple(sorted(draft.conflicts, key=lambda change: change.sort_key)),
        refusals=tuple(refusals),
        waiting=tuple(draft.waiting),
        direction=world.policy.direction,
        considered=considered,
    )
