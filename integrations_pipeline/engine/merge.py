"""The three-way merge of one contact, field by field.

Belongs here: what happens to one pair of records whose fields differ. Does not: which pairs there are
(`match`, `diff`) and what may be written at all (`guards`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integrations_pipeline.engine.canonical import canonical, is_same, opted_in_at
from integrations_pipeline.model import (
    CONSENT_OUT,
    AgendaItem,
    Conflict,
    ConflictPolicy,
    Decision,
    FieldKind,
    FieldRule,
    Side,
    join_set,
    split_set,
)

Fields = Mapping[str, str]

#: The policy of a conflict that a person decided.
BY_PERSON = "decided by a person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When each side was last modified, and when the contact opted out here; None where it is not told."""

    local_at: datetime | None = None
    remote_at: datetime | None = None
    opted_out_at: datetime | None = None

    @property
    def is_remote_newer(self) -> bool:
        """False also where it cannot be told."""
        return self.local_at is not None and self.remote_at is not None and self.remote_at > self.local_at


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMerge:
    """The outcome for one field: what to write to each side, or None."""

    to_local: str | None = None
    to_remote: str | None = None
    agreed: str | None = None
    is_conflict: bool = False
    winner: Side | None = None
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class PairMerge:
    """The outcome for one pair; `agreed` are fields on which both sides are already the same. `is_waiting`: an edit
    here is of a field that the other side did not tell, and goes out once it does."""

    to_local: dict[str, str] = field(default_factory=dict)
    to_remote: dict[str, str] = field(default_factory=dict)
    agreed: dict[str, str] = field(default_factory=dict)
    resolved: dict[Side, Conflict] = field(default_factory=dict)
    open: Conflict | None = None
    is_waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Who wins a conflict: `policy`, or that of the field, or what a person said of just these values (`answers`)."""

    policy: ConflictPolicy = ConflictPolicy.LOCAL_WINS
    by_field: Mapping[str, ConflictPolicy] = field(default_factory=dict)
    answers: Mapping[str, AgendaItem] = field(default_factory=dict)

    def of(self, name: str) -> ConflictPolicy:
        return self.by_field.get(name, self.policy)

    def answer(self, name: str, values: tuple[str, str, str]) -> AgendaItem | None:
        """A decision about other values than these was about another conflict."""
        item = self.answers.get(name)
        asked = item and tuple(item.values.get(key, "") for key in ("base", "local", "remote"))
        return item if asked == values else None


def merge_field(rule: FieldRule, values: tuple[str, str, str], choices: Choices, times: Times) -> FieldMerge:
    """Merge one field from its (base, local, remote) values.

    ================  ================  ==========================================
    local             remote            outcome
    ================  ================  ==========================================
    same as remote    same as local     base advances
    changed           unchanged         write remote
    unchanged         changed           write local
    changed           changed           conflict, by policy (sets and consent merge)
    ================  ================  ==========================================

    A side that the rule does not allow to be written never is; if both changed then, the side that
    gives the field wins, and the conflict is recorded all the same.
    """
    base, local, remote = values
    if is_same(local, remote, rule.kind):
        return FieldMerge(agreed=local)
    if rule.kind is FieldKind.SET:
        return _write_both(rule, merge_set(base, local, remote), local, remote)
    if rule.kind is FieldKind.CONSENT:
        return merge_consent(rule, values, times)
    if is_same(remote, base, rule.kind):
        return FieldMerge(to_remote=local) if rule.to_remote else FieldMerge()
    if is_same(local, base, rule.kind):
        return FieldMerge(to_local=remote) if rule.to_local else FieldMerge()
    return _merge_conflict(rule, values, choices, times)


def merge_set(base: str, local: str, remote: str) -> str:
    """Members added by either side stay, members removed by either side go; local order first."""
    base_members, local_members, remote_members = (
        {canonical(member, FieldKind.TEXT) for member in split_set(text)} for text in (base, local, remote)
    )
    removed = (base_members - local_members) | (base_members - remote_members)
    spelled: dict[str, str] = {}
    for member in (*split_set(local), *split_set(remote)):
        spelled.setdefault(canonical(member, FieldKind.TEXT), member)
    return join_set(member for key, member in spelled.items() if key not in removed)


def merge_consent(rule: FieldRule, values: tuple[str, str, str], times: Times) -> FieldMerge:
    """Merge a consent in which the sides differ: opted out wins, whoever said it, and stays.

    The one way back is the person's own opt-in at the provider, later than the opt-out that both sides had
    agreed on. An opt-in that is older (a re-imported member) or whose time cannot be compared does not count.
    """
    base, local, remote = values
    opted_in = opted_in_at(remote)
    is_agreed_out = canonical(base, rule.kind) == canonical(local, rule.kind) == CONSENT_OUT
    if opted_in and is_agreed_out and times.opted_out_at and opted_in > times.opted_out_at:
        return FieldMerge(to_local="" if rule.to_local else None)
    return _write_both(rule, CONSENT_OUT, local, remote)


def _write_both(rule: FieldRule, merged: str, local: str, remote: str) -> FieldMerge:
    to_local = merged if rule.to_local and not is_same(merged, local, rule.kind) else None
    to_remote = merged if rule.to_remote and not is_same(merged, remote, rule.kind) else None
    return FieldMerge(to_local=to_local, to_remote=to_remote)


def choose_winner(rule: FieldRule, policy: ConflictPolicy, times: Times) -> tuple[Side | None, str]:
    """Who wins a field that both sides changed, and by which policy; nobody wins under `manual`.

    `newest_wins` without both times falls back to the local side: an unknown time must not beat a known
    edit in the workspace's own table.
    """
    if not (rule.to_remote and rule.to_local):
        return (Side.LOCAL if rule.to_remote else Side.REMOTE), "sync_direction"
    if policy is ConflictPolicy.MANUAL:
        return None, policy.value
    if policy is ConflictPolicy.REMOTE_WINS:
        return Side.REMOTE, policy.value
    if policy is ConflictPolicy.NEWEST_WINS and times.is_remote_newer:
        return Side.REMOTE, policy.value
    return Side.LOCAL, policy.value


def _merge_conflict(rule: FieldRule, values: tuple[str, str, str], choices: Choices, times: Times) -> FieldMerge:
    _, local, remote = values
    answer = choices.answer(rule.name, values)
    if answer is not None and answer.decision is Decision.VALUE:
        return _write_both(rule, answer.values.get("value", ""), local, remote)
    winner, reason = choose_winner(rule, choices.of(rule.name), times)
    if answer is not None:
        winner, reason = Side(answer.decision or Side.LOCAL), BY_PERSON
    return FieldMerge(
        to_remote=local if winner is Side.LOCAL and rule.to_remote else None,
        to_local=remote if winner is Side.REMOTE and rule.to_local else None,
        is_conflict=True,
        winner=winner,
        reason=reason,
    )


def merge_pair(
    rules: Sequence[FieldRule],
    values: tuple[Fields, Fields, Fields],
    choices: Choices,
    times: Times,
) -> PairMerge:
    """Merge every field of one pair from its (base, local, remote) fields.

    A field that one of the two sides does not carry at all is absent there and left alone.
    Conflicts are gathered into one per losing side, so that each write carries what it overrode.
    """
    base, local, remote = values
    outcome = PairMerge()
    lost: dict[Side | None, dict[str, Mapping[str, str]]] = {}
    reasons: dict[Side | None, str] = {}
    for rule in rules:
        name = rule.name
        if name not in local or name not in remote:
            outcome.is_waiting |= _is_waiting(rule, base, local)
            continue
        if local[name] == remote[name] == base.get(name):
            continue
        triple = (base.get(name, ""), local[name], remote[name])
        merged = merge_field(rule, triple, choices, times)
        _collect(outcome, name, merged, is_new=name not in base or triple[0] != merged.agreed)
        if merged.is_conflict:
            loser = merged.winner.other if merged.winner else None
            lost.setdefault(loser, {})[name] = dict(zip(("base", "local", "remote"), triple, strict=True))
            reasons[loser] = merged.reason
    for loser, fields in lost.items():
        conflict = Conflict(
            policy=reasons[loser],
            winner=loser.other if loser else None,
            fields=fields,
            local_at=times.local_at,
            remote_at=times.remote_at,
        )
        if loser is None:
            outcome.open = conflict
        else:
            outcome.resolved[loser] = conflict
    return outcome


def _is_waiting(rule: FieldRule, base: Fields, local: Fields) -> bool:
    is_edited_here = rule.name in local and not is_same(local[rule.name], base.get(rule.name, ""), rule.kind)
    return rule.to_remote and is_edited_here


def _collect(outcome: PairMerge, name: str, merged: FieldMerge, *, is_new: bool) -> None:
    if merged.to_local is not None:
        outcome.to_local[name] = merged.to_local
    if merged.to_remote is not None:
        outcome.to_remote[name] = merged.to_remote
    if merged.agreed is not None and is_new:
        outcome.agreed[name] = merged.agreed


def is_edited(rules: Sequence[FieldRule], base: Fields, side: Fields, other: Side) -> bool:
    """Whether a side holds an edit since the base that `other` could take: such an edit beats a delete."""
    return any(
        rule.writes(other) and rule.name in side and not is_same(side[rule.name], base.get(rule.name, ""), rule.kind)
        for rule in rules
    )
