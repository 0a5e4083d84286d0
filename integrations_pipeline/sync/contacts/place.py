"""Another base, table or list: whom a connection is linked to is not there, and nothing of that is anybody's deed.

Taken as usual, everybody would count as deleted there, and everybody there as new here. So the run does nothing and
asks once; what was linked stays linked until a person says that the new place is meant. Then it is a first sync.
Belongs here: telling it, asking, starting anew. Does not: what a first sync does.
"""

from typing import TYPE_CHECKING

from integrations_pipeline.model import AgendaItem, AgendaKind, ChangeKind, Decision, Plan
from integrations_pipeline.store import agenda, connections, links
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.sync.contacts.extract import Extracted
from integrations_pipeline.sync.runtime import Run

if TYPE_CHECKING:
    from integrations_pipeline.engine.reader import World


def is_elsewhere(extracted: Extracted, found: Plan) -> bool:
    """Whether the place changed since the last run, and of those who are linked fewer than half are in the new one: by
    their record, or found again by key or e-mail."""
    world = extracted.world
    return (
        world is not None and world.policy.is_place_changed and 2 * _missing(world, found) > world.policy.linked_count
    )


def _missing(world: "World", found: Plan) -> int:
    linked_anew = sum(change.kind is ChangeKind.LINK for change in found.changes)
    return len(world.remote.tombstones) - linked_anew


def _question(run: Run, extracted: Extracted, found: Plan) -> AgendaItem:
    world = extracted.world
    if world is None:
        raise ValueError("where nothing was told the place is the same")
    reason = (
        f"the connection points to another place at {run.spec.title}: {_missing(world, found)} of "
        f"{world.policy.linked_count} linked records are not there; approve to start anew there, or change the "
        "settings back"
    )
    return AgendaItem(kind=AgendaKind.HELD_PLACE, after={"place": str(run.configuration["place"])}, reason=reason)


def is_meant(run: Run, extracted: Extracted, found: Plan) -> bool:
    """Whether a person approved just this place."""
    asked = _question(run, extracted, found).question
    held = run.agenda.of(AgendaKind.HELD_PLACE)
    return any(item.decision is Decision.APPROVED and item.question == asked for item in held)


def ask(run: Run, extracted: Extracted, found: Plan, scope: JournalScope) -> Plan:
    """Hold everything, and ask a person once. The checkpoint stays that of the old place."""
    question = _question(run, extracted, found)
    known = run.agenda.of(AgendaKind.HELD_PLACE)
    if not run.is_preview:
        with run.session.begin() as connection:
            others = [item.id for item in known if item.question != question.question]
            agenda.remove_items(connection, run.connection.id, others)
            if question.question not in {item.question for item in known}:
                agenda.add_items(connection, scope, [question])
            connections.record_success(connection, run.connection.id, is_due_again=False)
    return Plan(refusals=(question.reason,), direction=found.direction)


def start_anew(run: Run, scope: JournalScope) -> None:
    """Let go of the links to the old place; the journal keeps whom they linked."""
    with run.session.begin() as connection:
        links.move_away(connection, scope.connection_id, scope.run_id)
        connections.forget_cursor(connection, scope.connection_id)
