"""What protects an address book from a mistake that a correct sync would spread to everybody.

A column cleared, a wrong table, an import run over the list: each single change is in order, and a thousand of them are
not. Values that would become empty (per field), e-mails that would change and people that would be made are counted per
side and day; beyond a limit all of that kind are held, and the rest goes on. Belongs here: that decision about a whole
plan, and carrying out what a person said about it. Does not: deletes (`guards`), finding changes (`plan`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from integrations_pipeline.engine.canonical import canonical, is_same
from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.model import (
    AgendaKind,
    Agreement,
    Change,
    ChangeKind,
    Decision,
    FieldKind,
    FieldRule,
    Side,
)

_WHERE = {Side.LOCAL: "workspace", Side.REMOTE: "provider"}
#: So many people may exchange their e-mails at once.
MOST_EXCHANGED = 10
#: Nobody is made: a person said so.
NOT_WANTED = "a person rejected it: nobody is made"

#: Side, kind of hold, field.
_Group = tuple[Side, AgendaKind, str]


@dataclass(slots=True)
class Restrained:
    """A plan's changes without what is held back; `held` are the parts that are."""

    changes: list[Change]
    agreements: list[Agreement]
    held: list[Change] = field(default_factory=list)
    skipped: list[Change] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Part:
    """One field of an update, or a whole create, that counts toward a limit."""

    group: _Group
    change: Change

    @property
    def key(self) -> tuple[AgendaKind, Side, str, str]:
        side, kind, name = self.group
        return (kind, side, self.change.contact_id or self.change.external_id or "", name)


def restrain(
    changes: Sequence[Change], agreements: Sequence[Agreement], rules: Sequence[FieldRule], policy: Policy
) -> Restrained:
    """Hold what goes beyond a limit, and what is held already; carry out what was decided."""
    are_creates_counted = policy.creates_allowed is not None or bool(policy.held_changes)
    counted = changes if are_creates_counted else [each for each in changes if each.kind is not ChangeKind.CREATE]
    parts = [part for change in counted for part in _parts(change, rules)]
    handed_on = _handed_on(changes, rules)
    parts = [part for part in parts if part.change.id not in handed_on or part.group[1] is not AgendaKind.HELD_EMAIL]
    refusals = {
        group: text for group in dict.fromkeys(p.group for p in parts) if (text := _refusal(group, parts, policy))
    }
    known = parts if policy.held_changes else []
    decided = {part.key: _decision(part, policy) for part in known if part.key in policy.held_changes}
    held = [part for part in parts if _is_held(part, refusals, decided)]
    rejected = [part for part in parts if decided.get(part.key) is Decision.REJECTED]
    result = Restrained(changes=list(changes), agreements=list(agreements))
    result.refusals = list(refusals.values())
    _take_out(result, [*held, *rejected])
    result.held = [_as_held(part, refusals.get(part.group, "")) for part in held]
    _put_back(result, [part for part in rejected if part.change.kind is ChangeKind.UPDATE], policy)
    result.skipped = [
        replace(part.change, reason=NOT_WANTED) for part in rejected if part.change.kind is ChangeKind.CREATE
    ]
    return result


def _handed_on(changes: Sequence[Change], rules: Sequence[FieldRule]) -> set[UUID]:
    """Changes of e-mails that somebody else gets in this plan: those who give them away only change hands. More than a
    few at once are no exchange but a column that slipped, and count like any other."""
    name = next((rule.name for rule in rules if rule.kind is FieldKind.EMAIL), "")
    moves = [each for each in changes if each.kind is ChangeKind.UPDATE and each.after.get(name)]
    kept = {(each.side, canonical(each.after[name], FieldKind.EMAIL)) for each in moves}
    found = [each for each in moves if (each.side, canonical(each.before.get(name, ""), FieldKind.EMAIL)) in kept]
    count = Counter(each.side for each in found)
    return {each.id for each in found if count[each.side] <= MOST_EXCHANGED}


def _parts(change: Change, rules: Sequence[FieldRule]) -> Iterable[_Part]:
    if change.kind is ChangeKind.CREATE and change.conflict is None:
        yield _Part((change.side, AgendaKind.HELD_CREATE, ""), change)
    if change.kind is not ChangeKind.UPDATE:
        return
    for rule in rules:
        before, after = change.before.get(rule.name, "").strip(), change.after.get(rule.name)
        if after is None or not before or rule.kind is FieldKind.CONSENT:
            continue
        if not after.strip():
            yield _Part((change.side, AgendaKind.HELD_CLEAR, rule.name), change)
        elif rule.kind is FieldKind.EMAIL:
            yield _Part((change.side, AgendaKind.HELD_EMAIL, rule.name), change)


def _refusal(group: _Group, parts: Sequence[_Part], policy: Policy) -> str:
    """Why all of a kind are held, or ""."""
    side, kind, name = group
    mine = [part for part in parts if part.group == group]
    fresh = sum(policy.held_changes.get(part.key) is None for part in mine)
    spent = policy.spent.get(group, 0)
    allowed = policy.creates_allowed if kind is AgendaKind.HELD_CREATE else policy.changes_allowed
    # A column that is cleared for all.
    is_everybody = kind is AgendaKind.HELD_CLEAR and fresh >= max(policy.linked_count, 2)
    if allowed is None or (fresh + spent <= allowed and not is_everybody) or not fresh:
        return ""
    what = {
        AgendaKind.HELD_CLEAR: f"values of {name} would become empty",
        AgendaKind.HELD_EMAIL: "e-mails would change",
        AgendaKind.HELD_CREATE: "people would be made",
    }[kind]
    return (
        f"too many {what} in the {_WHERE[side]}: {fresh} now, {fresh + spent} in 24 hours; allowed: {allowed} "
        f"of {policy.linked_count} linked contacts"
    )


def _decision(part: _Part, policy: Policy) -> Decision | None:
    """What a person said of this very change: nobody said anything of another e-mail than was asked about."""
    asked = policy.held_emails.get(part.key)
    is_other = asked is not None and not is_same(asked, part.change.after[part.group[2]], FieldKind.EMAIL)
    return None if is_other else policy.held_changes[part.key]


def _is_held(
    part: _Part, refusals: Mapping[_Group, str], decided: Mapping[tuple[AgendaKind, Side, str, str], Decision | None]
) -> bool:
    """What was held once waits for a person, or for its cause to go away: not for a better day."""
    if part.key in decided:
        return decided[part.key] is None
    return part.group in refusals


def _take_out(result: Restrained, parts: Sequence[_Part]) -> None:
    """Leave the held fields out of their changes; of these contacts nothing is settled then."""
    names: dict[object, set[str]] = {}
    for part in parts:
        names.setdefault(part.change.id, set()).add(part.group[2])
    touched = {part.change.contact_id for part in parts if part.change.contact_id}
    kept = [_without(change, names.get(change.id, set())) for change in result.changes]
    result.changes = [
        replace(change, is_settling=False) if change.contact_id in touched else change for change in kept if change
    ]
    result.agreements = [
        replace(each, version=-1) if each.contact_id in touched else each for each in result.agreements
    ]


def _without(change: Change, names: set[str]) -> Change | None:
    if not names:
        return change
    if change.kind is ChangeKind.CREATE:
        return None
    before, after, base, agreed = (
        {name: value for name, value in part.items() if name not in names}
        for part in (change.before, change.after, change.base, change.agreed)
    )
    return replace(change, before=before, after=after, base=base, agreed=agreed) if after else None


def _as_held(part: _Part, refusal: str) -> Change:
    name = part.group[2]
    reason = refusal or "held since an earlier run"
    if part.change.kind is ChangeKind.CREATE:
        return replace(part.change, reason=reason)
    before, after, base = (
        {name: fields[name]} if name in fields else {}
        for fields in (part.change.before, part.change.after, part.change.base)
    )
    return replace(
        part.change, before=before, after=after, base=base, agreed={}, conflict=None, reason=reason, id=uuid4()
    )


def _put_back(result: Restrained, parts: Sequence[_Part], policy: Policy) -> None:
    """A rejected change: the side that lost the value gets it again, in the write that its contact has there anyway."""
    if not parts:
        return
    changes = list(result.changes)
    at = {_target(change): position for position, change in enumerate(changes)}
    for part in parts:
        if not policy.direction.allows(part.change.side.other):
            result.held.append(_as_held(part, "rejected; this run may not write there"))
            continue
        back = _put_back_of(part)
        position = at.setdefault(_target(back), len(changes))
        if position == len(changes):
            changes.append(back)
        else:
            changes[position] = _joined(changes[position], back)
    result.changes = changes


def _target(change: Change) -> tuple[str | None, Side, ChangeKind]:
    return (change.contact_id, change.side, change.kind)


def _put_back_of(part: _Part) -> Change:
    change, name = part.change, part.group[2]
    return replace(
        change,
        side=change.side.other,
        before={name: change.after[name]},
        after={name: change.before[name]},
        base={name: change.base.get(name, "")},
        agreed={name: change.before[name]},
        conflict=None,
        reason="a person rejected the change: the value is put back",
        id=uuid4(),
    )


def _joined(change: Change, new: Change) -> Change:
    """Both writes as one."""
    return replace(
        change,
        before={**change.before, **new.before},
        after={**change.after, **new.after},
        base={**change.base, **new.base},
        agreed={**change.agreed, **new.agreed},
    )
