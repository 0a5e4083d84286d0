"""Stage 4: what the run leaves behind for the next one. The cursor advances last.

Belongs here: the checkpoint, the agenda of the next run, and stepping over our own writes in a change feed. Does not:
the base, which advanced record by record (`acknowledge`); which questions are new (`questions`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from integrations_pipeline.engine.canonical import differing
from integrations_pipeline.errors import CursorExpiredError, PermanentError, RetryableError
from integrations_pipeline.model import (
    AgendaKind,
    ChangeKind,
    ChangeState,
    Checkpoint,
    Direction,
    FieldRule,
    Outcome,
    Plan,
    Side,
)
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store import agenda, connections, links
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store.changes import JournalScope, StateChange
from integrations_pipeline.store.database import Connection
from integrations_pipeline.sync.contacts.extract import Extracted
from integrations_pipeline.sync.contacts.questions import (
    Keeps,
    Settled,
    settle_questions,
    settle_retries,
    settle_stopped,
)
from integrations_pipeline.sync.reading import MAX_RETRY, complete_partials, gather
from integrations_pipeline.sync.runtime import Run


def checkpoint(run: Run, extracted: Extracted, plan: Plan, outcomes: Sequence[Outcome], scope: JournalScope) -> None:
    """Record holds, conflicts and skips, then the cursor, in one transaction.

    The cursor stays where it was if this run was not allowed to write local changes that it read.
    """
    direction = plan.direction
    sides = [side for side in Side if direction.allows(side)]
    stored, retry = _next(run, extracted, plan, outcomes)
    keeps = Keeps(deletes=not extracted.is_complete, unwanted=extracted.is_quiet, doubted=extracted.again)
    changes = [settle_questions(run.agenda, plan, outcomes, sides, keeps)]
    if direction is not Direction.TO_EXTERNAL:
        changes.append(settle_retries(run.agenda, retry, extracted.settling, extracted.settling_here))
        looked = run.provider.looked
        changes.append(settle_stopped(run.agenda, looked.stopped) if looked else Settled())
    with run.session.begin() as connection:
        for each in changes:
            _write(connection, run, each, scope)
        journal.supersede_failed(connection, scope, sides)
        if run.agenda.of(AgendaKind.FAILED, AgendaKind.REFUSED):
            agenda.remove_failed(connection, scope, sides)
        links.note_fingerprints(connection, run.connection.id, _noted(extracted, outcomes))
        if direction is not Direction.TO_EXTERNAL:
            read_whole_at = run.runtime.clock() if extracted.is_complete else None
            cursor = stored.to_json()
            if read_whole_at or cursor != run.connection.cursor:
                connections.save_cursor(connection, run.connection.id, cursor, read_whole_at)
        is_due_again = any(outcome.state is ChangeState.SUPERSEDED for outcome in outcomes)
        is_due_again = is_due_again or bool(extracted.settling)
        connections.record_success(connection, run.connection.id, is_due_again=is_due_again)


def _noted(extracted: Extracted, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Fingerprints of records that are as agreed; those of which something was taken here have theirs from then."""
    taken = {outcome.change.external_id for outcome in outcomes}
    return {key: fingerprint for key, fingerprint in extracted.fingerprints.items() if key not in taken}


def _write(connection: Connection, run: Run, change: Settled, scope: JournalScope) -> None:
    """The journal tells what was asked and what became of it; the agenda keeps what is still open."""
    journal.record_states(
        connection,
        [
            StateChange(change_id=change_id, state=ChangeState.SUPERSEDED, reason=reason)
            for change_id, reason in change.closed.items()
        ],
    )
    for state, changes in change.asked.items():
        journal.record_changes(connection, scope, changes, state)
    agenda.remove_items(connection, run.connection.id, [item.id for item in change.gone])
    agenda.add_items(connection, scope, change.new)


def _next(
    run: Run, extracted: Extracted, plan: Plan, outcomes: Sequence[Outcome]
) -> tuple[Checkpoint, frozenset[str] | None]:
    """The checkpoint to go on from, and the records to read again because their change is not done, or waits; None for
    everything."""
    retry = {*extracted.again, *(change.external_id for change in plan.waiting if change.external_id)}
    retry |= {
        external_id
        for outcome in outcomes
        if not _is_over(run, outcome) and (external_id := outcome.external_id or outcome.change.external_id)
    }
    stored = extracted.checkpoint
    has_written = any(
        outcome.change.side is Side.REMOTE and outcome.state is ChangeState.APPLIED for outcome in outcomes
    )
    stepped = stored.remote
    if has_written and extracted.tells_own_writes:
        stepped, unexpected = step_over_own_writes(run, stored.remote)
        retry |= unexpected
    if len(retry) > MAX_RETRY:
        return stored, None
    return replace(stored, remote=dict(stepped)), frozenset(retry)


def _is_over(run: Run, outcome: Outcome) -> bool:
    """Whether the record need not be read again: what was not taken here is still there. An update that a provider
    refuses for good is not sent again before the record changes, and that the next read of changes tells."""
    is_refused = (
        (outcome.change.side, outcome.change.kind) == (Side.REMOTE, ChangeKind.UPDATE)
        and outcome.state is ChangeState.FAILED
        and outcome.error_class == PermanentError.__name__
    )
    if outcome.change.side is Side.LOCAL and outcome.lost:
        return False
    return outcome.state is ChangeState.APPLIED or (is_refused and run.spec.capabilities.keeps_refusals)


def step_over_own_writes(run: Run, cursor: Mapping[str, Any]) -> tuple[Mapping[str, Any], set[str]]:
    """Read the feed on to its present end, so that the next run need not.

    What equals the base is our own write. Whatever else shows up is somebody's edit: its id is returned, to
    be read again by the next run. If the feed cannot be read now, the cursor stays and the next run reads it.
    """
    try:
        remote = gather(run, run.provider.read_changes(cursor))
        with run.session.begin() as connection:
            unknown = complete_partials(run, connection, remote)
            only = {"external_ids": [*remote.records, *remote.tombstones]}
            names = run.names
            base = links.read_base(connection, run.connection.id, names, only=only)
    except (RetryableError, CursorExpiredError):
        return cursor, set()
    known = dict(zip(base["external_id"], base[names].fillna("").to_dict("records"), strict=True))
    unexpected = set(unknown) | {
        external_id
        for external_id, record in remote.records.items()
        if external_id not in known or differing(record.fields, known[external_id], _told(run, record))
    }
    unexpected |= {external_id for external_id in remote.tombstones if external_id in known}
    return remote.cursor, unexpected


def _told(run: Run, record: RemoteRecord) -> list[FieldRule]:
    return [rule for rule in run.rules if rule.name in record.fields]
