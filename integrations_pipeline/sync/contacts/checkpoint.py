"""Stage 4: what the run leaves behind for the next one. The cursor advances last.

Belongs here: open questions, the cursor, and stepping over our own writes in a change feed. Does not: the
base, which advanced record by record (`acknowledge`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations_pipeline.engine.canonical import differing
from integrations_pipeline.errors import CursorExpiredError, PermanentError, RetryableError
from integrations_pipeline.model import ChangeKind, ChangeState, Direction, FieldRule, Outcome, Plan, Side
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store import changes as journal
from integrations_pipeline.store import connections, links
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.sync.contacts.extract import Extracted
from integrations_pipeline.sync.reading import MAX_RETRY, complete_partials, gather
from integrations_pipeline.sync.runtime import Run


def checkpoint(run: Run, extracted: Extracted, plan: Plan, outcomes: Sequence[Outcome], scope: JournalScope) -> None:
    """Record holds, conflicts and skips, then the cursor, in one transaction.

    The cursor stays where it was if this run was not allowed to write local changes that it read.
    """
    direction = extracted.world.policy.direction
    sides = [side for side in Side if direction.allows(side)]
    unfinished = [outcome for outcome in outcomes if outcome.state is not ChangeState.APPLIED]
    cursor = _next_cursor(run, extracted, plan, outcomes)
    with run.session.begin() as connection:
        held = [*plan.held, *plan.conflicts]
        journal.replace_open(connection, scope, held, ChangeState.HELD, sides)
        keeps = not extracted.is_complete
        journal.replace_open(connection, scope, plan.skipped, ChangeState.SKIPPED, sides, keeps_deletes=keeps)
        journal.supersede_failed(connection, scope, sides)
        journal.finish_approved(connection, run.connection.id, sides)
        if direction is not Direction.TO_EXTERNAL:
            read_whole_at = run.runtime.clock() if extracted.is_complete else None
            connections.save_cursor(connection, run.connection.id, cursor, read_whole_at)
        is_due_again = any(outcome.state is ChangeState.SUPERSEDED for outcome in unfinished)
        is_due_again = is_due_again or bool(extracted.world.waiting)
        connections.record_success(connection, run.connection.id, is_due_again=is_due_again)


def _next_cursor(run: Run, extracted: Extracted, plan: Plan, outcomes: Sequence[Outcome]) -> Mapping[str, Any]:
    """The cursor to go on from, with the records to read again because their change is not done, or waits."""
    retry = {*extracted.cursor["retry"], *(change.external_id for change in plan.waiting if change.external_id)}
    retry |= {
        external_id
        for outcome in outcomes
        if not _is_over(run, outcome) and (external_id := outcome.external_id or outcome.change.external_id)
    }
    remote = extracted.cursor["remote"]
    has_written = any(
        outcome.change.side is Side.REMOTE and outcome.state is ChangeState.APPLIED for outcome in outcomes
    )
    if has_written and extracted.tells_own_writes:
        remote, unexpected = step_over_own_writes(run, remote)
        retry |= unexpected
    if len(retry) > MAX_RETRY:
        return {**extracted.cursor, "is_full_wanted": True}
    return {**extracted.cursor, "remote": dict(remote), "retry": sorted(retry)}


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
            base = links.read_base(connection, run.connection.id, run.names, only=only)
    except (RetryableError, CursorExpiredError):
        return cursor, set()
    known = dict(zip(base["external_id"], base[run.names].fillna("").to_dict("records"), strict=True))
    unexpected = set(unknown) | {
        external_id
        for external_id, record in remote.records.items()
        if external_id not in known or differing(record.fields, known[external_id], _told(run, record))
    }
    unexpected |= {external_id for external_id in remote.tombstones if external_id in known}
    return remote.cursor, unexpected


def _told(run: Run, record: RemoteRecord) -> list[FieldRule]:
    return [rule for rule in run.rules if rule.name in record.fields]
