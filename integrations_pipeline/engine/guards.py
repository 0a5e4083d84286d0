"""What protects an address book from deletes that nobody meant.

Belongs here: turning planned deletes into holds. Does not: finding them (`diff`, `plan`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from integrations_pipeline.model import (
    AgendaItem,
    AgendaKind,
    Change,
    ConflictPolicy,
    Decision,
    DeletePolicy,
    Direction,
    Side,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a connection wants conflicts and deletes treated, and what the guards need to know.

    `linked_count` is the number of linked contacts before the run; `deleted_today` counts the deletes
    applied per side in the last 24 hours; `approved` holds (side, contact_id) of deletes a person approved,
    `held` those that are held already, with the reason.

    `changes_allowed`, `creates_allowed`: how many of a kind per side and day (None: any number), of which `spent` were
    made; `held_changes`: what is held already, by kind, side, contact (or record) and field, with what a person said;
    `held_emails`: of those that are e-mails, the one that was asked about.
    `one_sided`: contacts to be deleted on that side alone, if nobody edited them.
    `field_policies`: conflict policies of single fields. `answers`: decided conflicts by contact and field.
    """

    conflict_policy: ConflictPolicy = ConflictPolicy.LOCAL_WINS
    delete_policy: DeletePolicy = DeletePolicy.HOLD
    delete_limit: int = 25
    delete_limit_fraction: float = 0.2
    direction: Direction = Direction.BIDIRECTIONAL
    linked_count: int = 0
    deleted_today: Mapping[Side, int] = field(default_factory=dict)
    approved: frozenset[tuple[Side, str]] = frozenset()
    held: Mapping[tuple[Side, str], str] = field(default_factory=dict)
    one_sided: Mapping[str, Side] = field(default_factory=dict)
    is_configuration_changed: bool = False
    is_place_changed: bool = False
    changes_allowed: int | None = None
    creates_allowed: int | None = None
    spent: Mapping[tuple[Side, AgendaKind, str], int] = field(default_factory=dict)
    held_changes: Mapping[tuple[AgendaKind, Side, str, str], Decision | None] = field(default_factory=dict)
    held_emails: Mapping[tuple[AgendaKind, Side, str, str], str] = field(default_factory=dict)
    field_policies: Mapping[str, ConflictPolicy] = field(default_factory=dict)
    answers: Mapping[tuple[str, str], AgendaItem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedDeletes:
    allowed: tuple[Change, ...] = ()
    held: tuple[Change, ...] = ()
    ignored: tuple[Change, ...] = ()
    refusal: str = ""


def guard_deletes(side: Side, deletes: Sequence[Change], policy: Policy, *, is_source_empty: bool) -> GuardedDeletes:
    """Decide about all deletes planned for one side at once.

    In this order: deletes that a person approved pass; policy `ignore` leaves both sides as they are;
    policy `hold` holds; then the guards, each of which holds *all* the rest: the other side is empty, or
    every linked contact would go, the configuration changed since the last run, more deletes than
    `delete_limit` or `delete_limit_fraction` of the linked contacts, counted over 24 hours.
    `refusal` is set where a guard overruled `propagate`.
    """
    approved = tuple(change for change in deletes if (side, change.contact_id) in policy.approved)
    rest = tuple(change for change in deletes if (side, change.contact_id) not in policy.approved)
    if not rest:
        return GuardedDeletes(allowed=approved)
    if policy.delete_policy is DeletePolicy.IGNORE:
        ignored = tuple(replace(change, reason="delete_policy is ignore") for change in rest)
        return GuardedDeletes(allowed=approved, ignored=ignored)
    if policy.delete_policy is DeletePolicy.HOLD:
        return GuardedDeletes(
            allowed=approved, held=tuple(replace(change, reason="delete_policy is hold") for change in rest)
        )
    refusal = _refusal(side, len(rest), policy, is_source_empty=is_source_empty)
    # What was held once waits for a person, or for the record to be there again: not for a better day.
    waiting = {
        change.id: policy.held[(side, change.contact_id or "")]
        for change in rest
        if (side, change.contact_id) in policy.held
    }
    if not refusal:
        approved += tuple(change for change in rest if change.id not in waiting)
        rest = tuple(change for change in rest if change.id in waiting)
    held = tuple(replace(change, reason=waiting.get(change.id, refusal)) for change in rest)
    return GuardedDeletes(allowed=approved, held=held, refusal=refusal)


def _refusal(side: Side, count: int, policy: Policy, *, is_source_empty: bool) -> str:
    where = "workspace" if side is Side.LOCAL else "provider"
    # One explicit delete of the only contact is believed; a read that shows nobody is not.
    if policy.linked_count and (is_source_empty or count >= max(policy.linked_count, 2)):
        return f"the other side is empty: no delete applied to the {where}"
    if policy.is_configuration_changed:
        return f"the configuration changed since the last run: no delete applied to the {where}"
    total = count + policy.deleted_today.get(side, 0)
    allowed = min(policy.delete_limit, int(policy.delete_limit_fraction * policy.linked_count))
    if total > allowed:
        return (
            f"too many deletes for the {where}: {count} now, {total} in 24 hours; allowed: {allowed} "
            f"of {policy.linked_count} linked contacts"
        )
    return ""
