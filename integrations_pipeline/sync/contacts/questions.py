"""The next agenda: which questions are new, which answered themselves, which stay. Pure.

A run finds the same questions again, asks each only once, and closes those that answered themselves. Belongs here: that
comparison. Does not: writing either down (`checkpoint`).
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from integrations_pipeline.engine.mass import NOT_WANTED
from integrations_pipeline.engine.match import AMBIGUOUS
from integrations_pipeline.model import (
    EVERYTHING,
    ORDERED,
    SETTLING,
    Agenda,
    AgendaItem,
    AgendaKind,
    Change,
    ChangeKind,
    ChangeState,
    Decision,
    Outcome,
    Plan,
    Side,
)

_QUESTIONS = (
    AgendaKind.HELD_DELETE,
    AgendaKind.HELD_CLEAR,
    AgendaKind.HELD_EMAIL,
    AgendaKind.HELD_CREATE,
    AgendaKind.HELD_PLACE,
    AgendaKind.CONFLICT,
    AgendaKind.AMBIGUOUS,
    AgendaKind.SKIPPED,
)
_SKIPS = (AgendaKind.AMBIGUOUS, AgendaKind.SKIPPED)
_ANSWERED = "answered itself"
_TAKEN_UP = {Decision.APPROVED: "approved and taken up by a run", Decision.REJECTED: "rejected"}
_DECIDED = "decided by a person and taken up by a run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What becomes of the agenda. `asked`: changes for the journal, by state; `closed`: its rows that are over, and
    why."""

    new: Sequence[AgendaItem] = ()
    gone: Sequence[AgendaItem] = ()
    asked: Mapping[ChangeState, Sequence[Change]] = field(default_factory=dict)
    closed: Mapping[UUID, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeps:
    """What a plan did not look at. `deletes`: an incremental read does not tell those again that were set aside;
    `unwanted`: where nothing else is told nobody looks at people who are not to be made; `doubted`: records of which
    what the read said is not believed yet."""

    deletes: bool = False
    unwanted: bool = False
    doubted: Set[str] = frozenset()


def settle_questions(
    agenda: Agenda, plan: Plan, outcomes: Sequence[Outcome], sides: Collection[Side], keeps: Keeps
) -> Settled:
    """Make the open questions on these sides be exactly those of the plan, and of what it did not look at (`keeps`).

    A decision of which something was tried and is not done stays, and so does that somebody is not to be made.
    """
    wanted = {item.question: item for item in _questions(plan)}
    undone = {outcome.change.contact_id for outcome in outcomes if outcome.state is not ChangeState.APPLIED}
    # Of whoever is being edited nothing was planned: what was asked about them is still the question, or its answer.
    unplanned = {key for change in plan.waiting for key in (change.contact_id, change.external_id) if key}
    unplanned |= keeps.doubted
    unwanted = {
        (change.side, change.contact_id or change.external_id) for change in plan.skipped if change.reason == NOT_WANTED
    }
    # Who goes on one side alone is not made there again: that answer stands before its question.
    foreseen = agenda.not_made_again
    over = (AgendaKind.HELD_DELETE,)
    known = {
        item.question: item
        for item in agenda.of(*_QUESTIONS)
        if not (item.decision is Decision.REJECTED and item.kind in over)
    }
    stays = {
        item.id
        for question, item in known.items()
        if question in wanted
        or (item.side is not None and item.side not in sides)
        or (keeps.deletes and item.kind in _SKIPS and item.change is ChangeKind.DELETE)
        or (keeps.unwanted and item.is_unwanted)
        or (item.decision and item.contact_id in undone)
        or not unplanned.isdisjoint((item.contact_id, item.external_id))
        or (item.field == ORDERED and not item.decision)
        or (item.side, item.contact_id or item.external_id) in unwanted
        or (item.kind is AgendaKind.HELD_CREATE and (item.side, item.contact_id or item.external_id) in foreseen)
    }
    gone = [item for item in agenda.of(*_QUESTIONS) if item.id not in stays]
    new = [item for question, item in wanted.items() if question not in known]
    left = {item.change_id for item in agenda.of(*_QUESTIONS) if item.id in stays}
    asked = {item.change_id for item in new}
    return Settled(
        new=new,
        gone=gone,
        asked={
            ChangeState.HELD: [change for change in (*plan.held, *plan.conflicts) if change.id in asked],
            ChangeState.SKIPPED: [change for change in plan.skipped if change.id in asked],
        },
        closed={
            item.change_id: _TAKEN_UP.get(item.decision, _DECIDED) if item.decision else _ANSWERED
            for item in gone
            if item.change_id and item.change_id not in left
        },
    )


def _questions(plan: Plan) -> list[AgendaItem]:
    held = [_held(change) for change in plan.held]
    conflicts = [item for change in plan.conflicts for item in AgendaItem.of_conflict(change)]
    skipped = [
        AgendaItem.of_change(AgendaKind.AMBIGUOUS if change.reason in AMBIGUOUS else AgendaKind.SKIPPED, change)
        for change in plan.skipped
        if change.reason != NOT_WANTED
    ]
    return [*held, *conflicts, *skipped]


def _held(change: Change) -> AgendaItem:
    """A held delete or create is one question, a held field of an update another."""
    if change.kind is ChangeKind.DELETE:
        return AgendaItem.of_change(AgendaKind.HELD_DELETE, change)
    if change.kind is ChangeKind.CREATE:
        return AgendaItem.of_change(AgendaKind.HELD_CREATE, change)
    ((name, value),) = change.after.items()
    kind = AgendaKind.HELD_EMAIL if value.strip() else AgendaKind.HELD_CLEAR
    return replace(AgendaItem.of_change(kind, change), field=name)


def settle_retries(
    agenda: Agenda, retry: Collection[str] | None, settling: Mapping[str, datetime], contacts: Collection[str]
) -> Settled:
    """What the next run looks at again: these records (None: everything), and whoever is being edited, since when.
    `contacts`: which of their ids are contacts'."""
    if retry is None:
        wanted = [_again(reason=EVERYTHING)]
    else:
        wanted = [_again(key) for key in sorted(set(retry) - settling.keys())]
    wanted += [
        _again(None if key in contacts else key, key if key in contacts else None, SETTLING, at)
        for key, at in settling.items()
    ]
    return _compared(agenda.of(AgendaKind.RETRY), wanted)


def _again(
    external_id: str | None = None, contact_id: str | None = None, reason: str = "", since: datetime | None = None
) -> AgendaItem:
    return AgendaItem(
        kind=AgendaKind.RETRY,
        side=Side.LOCAL if contact_id else Side.REMOTE,
        external_id=external_id,
        contact_id=contact_id,
        reason=reason,
        created_at=since,
    )


def settle_stopped(agenda: Agenda, stopped: Mapping[str, str]) -> Settled:
    """Fields that neither side gets because of the provider's columns, with the reason."""
    wanted = [
        AgendaItem(kind=AgendaKind.STOPPED_FIELD, field=name, reason=reason) for name, reason in sorted(stopped.items())
    ]
    return _compared(agenda.of(AgendaKind.STOPPED_FIELD), wanted)


def _compared(known: Sequence[AgendaItem], wanted: Sequence[AgendaItem]) -> Settled:
    before, after = ({item.question: item for item in items} for items in (known, wanted))
    return Settled(
        new=[item for question, item in after.items() if question not in before],
        gone=[item for item in known if item.question not in after],
    )
