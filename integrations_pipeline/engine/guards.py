"""What protects an address book from deletes that nobody meant.

Belongs here: turning planned deletes into holds. Does not: finding them (`diff`, `plan`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from integrations_pipeline.model import Change, ConflictPolicy, DeletePolicy, Direction, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a connection wants conflicts and deletes treated, and what the guards need to know.

    `linked_count` is the number of linked contacts before the run; `deleted_today` counts the deletes
    applied per side in the last 24 hours; `approved` holds (side, contact_id) of deletes a person approved.
    """

    conflict_policy: ConflictPolicy = ConflictPolicy.LOCAL_WINS
    delete_policy: DeletePolicy = DeletePolicy.HOLD
    delete_limit: int = 25
    delete_limit_fraction: float = 0.2
    direction: Direction = Direction.BIDIRECTIONAL
    linked_count: int = 0
    deleted_today: Mapping[Side, int] = field(default_factory=dict)
    approved: frozenset[tuple[Side, str]] = frozenset()
    is_configuration_changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedDeletes:
    allowed: tuple[Change, ...] = ()
    held: tuple[Change, ...] = ()
    ignored: tuple[Change, ...] = ()
    refusal: str = ""


def guard_deletes(side: Side, deletes: Sequence[Change], policy: Policy, *, is_source_empty: bool) -> GuardedDeletes:
    """Decide about all deletes planned for one side at once.

    In this order: deletes that a person approved pass; policy `ignore` leaves both sides as they are;
    policy `hold` holds; then the guards, each of which holds *all* the rest: the other side is empty
    although it had contacts, the configuration changed since the last run, more deletes than
    `delete_limit` or `delete_limit_fraction` of the linked contacts, counted over 24 hours.
    `refusal` is set where a guard overruled `propagate`; under `hold` its text is only the reason.
    """
    approved = tuple(change for change in deletes if (side, change.contact_id) in policy.approved)
    rest = tuple(change for change in deletes if (side, change.contact_id) not in policy.approved)
    if not rest:
        return GuardedDeletes(allowed=approved)
    if policy.delete_policy is DeletePolicy.IGNORE:
        ignored = tuple(replace(change, reason="delete_policy is ignore") for change in rest)
        return GuardedDeletes(allowed=approved, ignored=ignored)
    refusal = _refusal(side, len(rest), policy, is_source_empty=is_source_empty)
    is_propagating = policy.delete_policy is DeletePolicy.PROPAGATE
    if is_propagating and not refusal:
        return GuardedDeletes(allowed=approved + rest)
    held = tuple(replace(change, reason=refusal or "delete_policy is hold") for change in rest)
    return GuardedDeletes(allowed=approved, held=held, refusal=refusal if is_propagating else "")


def _refusal(side: Side, count: int, policy: Policy, *, is_source_empty: bool) -> str:
    where = "workspace" if side is Side.LOCAL else "provider"
    if is_source_empty and policy.linked_count:
        return f"the other side is empty: no delete applied to the {where}"
    if policy.is_configuration_changed:
        return f"the configuration changed since the last run: no delete applied to the {where}"
    total = count + policy.deleted_today.get(side, 0)
    allowed = min(policy.delete_limit, int(policy.delete_limit_fraction * policy.linked_count))
    if total > allowed:
        return (
            f"{count} deletes on the {where} ({total} in 24 hours) are more than the {allowed} allowed "
            f"of {policy.linked_count} linked contacts"
        )
    return ""
