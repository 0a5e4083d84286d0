"""From one contact on both sides to the changes that bring them together.

Belongs here: building `Change` values for a single pair or a single unlinked record. Does not: choosing
which pairs to look at (`plan`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.merge import Choices, Fields, PairMerge, Times, is_edited, merge_pair
from integrations_pipeline.model import CONSENT_UNASKED, Agreement, Change, ChangeKind, Conflict, FieldRule, Side

#: Why somebody whom an undo was to delete on one side stays there.
EDITED_SINCE = "edited since the undo that was to delete it: it stays"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One contact with its fields on both sides; `is_linked` is False for a match made in this plan.

    `version` is the contact's now, `agreed_version` the one that the link knows.
    """

    contact_id: str
    external_id: str
    base: Fields
    local: Fields
    remote: Fields
    version: int | None
    agreed_version: int | None = None
    times: Times = field(default_factory=Times)
    is_linked: bool = True
    #: The remote record's e-mail, "" where none is mapped.
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """What one pair contributes to the plan."""

    changes: tuple[Change, ...] = ()
    agreement: Agreement | None = None
    conflict: Change | None = None


def plan_pair(pair: Pair, rules: Sequence[FieldRule], policy: Policy) -> PairPlan:
    """Merge one pair into its changes, in the order they are to be applied: link, local, remote."""
    merged = merge_pair(rules, (pair.base, pair.local, pair.remote), _choices(pair, rules, policy), pair.times)
    wanted = {Side.LOCAL: merged.to_local, Side.REMOTE: merged.to_remote}
    # A write that the direction leaves out keeps the pair unsettled, so that a later run makes it.
    is_left_over = any(after and not policy.direction.allows(side) for side, after in wanted.items())
    # So does an edit of a field that the other side did not tell.
    is_settling = merged.open is None and not is_left_over and not merged.is_waiting
    allowed = {side: after for side, after in wanted.items() if after and policy.direction.allows(side)}
    writes = [
        _update(pair, side, after, merged, is_settling=is_settling, also=allowed.get(side.other, {}))
        for side, after in allowed.items()
    ]
    conflict = _open_conflict(pair, merged) if merged.open else None
    if not pair.is_linked:
        return PairPlan(changes=(_link(pair, merged, is_settling=is_settling), *writes), conflict=conflict)
    is_settled = not writes and is_settling
    return PairPlan(
        changes=tuple(writes),
        agreement=_agreement(pair, merged, is_settled=is_settled),
        conflict=conflict,
    )


def _choices(pair: Pair, rules: Sequence[FieldRule], policy: Policy) -> Choices:
    answers = policy.answers
    # Nobody has answered anything, as a rule.
    asked = [(pair.contact_id, rule.name) for rule in rules] if answers else []
    mine = {key[1]: answers[key] for key in asked if key in answers}
    return Choices(policy=policy.conflict_policy, by_field=policy.field_policies, answers=mine)


def _update(pair: Pair, side: Side, after: Fields, merged: PairMerge, *, is_settling: bool, also: Fields) -> Change:
    """The write of one side. `also` is what the same plan writes to the other.

    A merged set that the other side neither has nor gets now is not agreed: the base takes the other
    side's own value, so that what it lacks of the merged one still counts as news there.
    """
    seen, other = (pair.local, pair.remote) if side is Side.LOCAL else (pair.remote, pair.local)
    conflict = merged.resolved.get(side)
    return Change(
        side=side,
        kind=ChangeKind.UPDATE,
        contact_id=pair.contact_id,
        external_id=pair.external_id,
        before={name: seen[name] for name in after},
        after=dict(after),
        base={name: pair.base.get(name, "") for name in after},
        agreed={name: value if name in also else other[name] for name, value in after.items()},
        expected_version=pair.version,
        is_settling=is_settling,
        address=pair.address,
        conflict=conflict,
        reason=_conflict_reason(conflict) if conflict else "",
    )


def _conflict_reason(conflict: Conflict) -> str:
    names = ", ".join(sorted(conflict.fields))
    kept = f"the {conflict.winner.value} value was kept" if conflict.winner else "waits for a decision"
    return f"conflict in {names}: {kept} ({conflict.policy})"


def _open_conflict(pair: Pair, merged: PairMerge) -> Change:
    conflict = merged.open
    if conflict is None:
        raise ValueError("a pair without an open conflict")
    return Change(
        side=Side.REMOTE,
        kind=ChangeKind.UPDATE,
        contact_id=pair.contact_id,
        external_id=pair.external_id,
        before={name: pair.remote[name] for name in conflict.fields},
        after={name: pair.local[name] for name in conflict.fields},
        base={name: pair.base.get(name, "") for name in conflict.fields},
        expected_version=pair.version,
        is_settling=False,
        conflict=conflict,
        reason=_conflict_reason(conflict),
    )


def _link(pair: Pair, merged: PairMerge, *, is_settling: bool) -> Change:
    return Change(
        side=Side.LOCAL,
        kind=ChangeKind.LINK,
        contact_id=pair.contact_id,
        external_id=pair.external_id,
        agreed=dict(merged.agreed),
        expected_version=pair.version,
        is_settling=is_settling,
        reason="the same identity key or contact id on both sides",
    )


def _agreement(pair: Pair, merged: PairMerge, *, is_settled: bool) -> Agreement | None:
    is_news = is_settled and pair.version != pair.agreed_version
    if not merged.agreed and not is_news:
        return None
    version = pair.version if is_settled and pair.version is not None else -1
    return Agreement(
        contact_id=pair.contact_id,
        external_id=pair.external_id,
        agreed=dict(merged.agreed),
        version=version,
    )


def create_remote(contact_id: str, fields: Fields, version: int, rules: Sequence[FieldRule]) -> Change | None:
    """A create at the provider from a local contact, or None if it has nothing the provider could hold."""
    names = [rule.name for rule in rules if rule.to_remote and rule.name in fields]
    after = {name: fields[name] for name in names if fields[name].strip()}
    if not after:
        return None
    return Change(
        side=Side.REMOTE,
        kind=ChangeKind.CREATE,
        contact_id=contact_id,
        external_id=None,
        after=after,
        # A consent that nobody was asked for there is agreed as the workspace has it: as none.
        agreed={name: "" if fields[name] == CONSENT_UNASKED else fields[name] for name in names},
        expected_version=version,
    )


def create_local(
    external_id: str, fields: Fields, rules: Sequence[FieldRule], contact_id: str | None = None
) -> Change | None:
    """A create in the workspace from a remote record; with `contact_id` it restores a deleted contact."""
    agreed = _of_rules(fields, [rule.name for rule in rules if rule.to_local])
    filled = {name: value for name, value in agreed.items() if value.strip()}
    if not filled:
        return None
    # A deleted contact comes back with its old row: there a field that was cleared must be cleared too. Where nothing
    # is empty one dictionary serves both: of a first load there are as many as records.
    is_whole = contact_id is not None or len(filled) == len(agreed)
    return Change(
        side=Side.LOCAL,
        kind=ChangeKind.CREATE,
        contact_id=contact_id,
        external_id=external_id,
        after=agreed if is_whole else filled,
        agreed=agreed,
    )


def _of_rules(fields: Fields, names: Sequence[str]) -> Fields:
    """These fields, as far as they are told; the very same mapping where it holds nothing else."""
    if len(fields) == len(names) and all(name in fields for name in names):
        return fields
    return {name: fields[name] for name in names if name in fields}


def plan_gone(pair: Pair, gone: Side, rules: Sequence[FieldRule]) -> Change:
    """One side deleted a linked contact: a delete for the other side, or the edit that beats it.

    The restored record is written whole, and the change carries the conflict between presence and edit.
    """
    alive = gone.other
    seen = pair.local if alive is Side.LOCAL else pair.remote
    if is_edited(rules, pair.base, seen, gone):
        restored = _restore(pair, gone, seen, rules)
        if restored is not None:
            return restored
    return Change(
        side=alive,
        kind=ChangeKind.DELETE,
        contact_id=pair.contact_id,
        external_id=pair.external_id,
        before=dict(seen),
        base=dict(pair.base),
        expected_version=pair.version,
        address=pair.address,
    )


def delete_one_sided(pair: Pair, side: Side, rules: Sequence[FieldRule]) -> Change:
    """The delete, on one side alone, of somebody whom an undone run made there. What anybody edited since the two sides
    agreed keeps them: the change says so then."""
    is_kept = is_edited(rules, pair.base, pair.local, Side.REMOTE) or is_edited(
        rules, pair.base, pair.remote, Side.LOCAL
    )
    return Change(
        side=side,
        kind=ChangeKind.DELETE,
        contact_id=pair.contact_id,
        external_id=pair.external_id,
        before=dict(pair.local if side is Side.LOCAL else pair.remote),
        base=dict(pair.base),
        expected_version=pair.version,
        address=pair.address,
        reason=EDITED_SINCE if is_kept else "",
    )


def _restore(pair: Pair, gone: Side, seen: Fields, rules: Sequence[FieldRule]) -> Change | None:
    values = {"base": "present", gone.value: "deleted", gone.other.value: "edited"}
    conflict = Conflict(
        policy="edit_beats_delete",
        winner=gone.other,
        fields={"presence": values},
        local_at=pair.times.local_at,
        remote_at=pair.times.remote_at,
    )
    if gone is Side.REMOTE:
        made = create_remote(pair.contact_id, seen, pair.version or 0, rules)
        # The old id tells the provider that a record with the contact's key may be somebody's copy.
        made = replace(made, external_id=pair.external_id) if made else None
    else:
        made = create_local(pair.external_id, seen, rules, contact_id=pair.contact_id)
    reason = f"deleted on the {gone.value} side but edited on the other: the edit beats the delete"
    return replace(made, base=dict(pair.base), conflict=conflict, reason=reason) if made else None


def unlink(contact_id: str, external_id: str, reason: str, base: Mapping[str, str]) -> Change:
    return Change(
        side=Side.LOCAL,
        kind=ChangeKind.UNLINK,
        contact_id=contact_id,
        external_id=external_id,
        base=dict(base),
        reason=reason,
    )
