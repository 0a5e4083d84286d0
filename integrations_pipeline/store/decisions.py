"""People's decisions about what is held and about conflicts, and the conflicts of the past.

Belongs here: writing a decision down, many at once, all or nothing, and what a rejected delete undoes at once. Does
not: what waits, and choosing of it (`waiting`); what a run makes of a decision (`agenda`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import ORDERED, AgendaKind, ChangeKind, ChangeState, Decision, Side
from integrations_pipeline.store.agenda import read_everything
from integrations_pipeline.store.rows import dump
from integrations_pipeline.store.suppressions import without_addresses
from integrations_pipeline.store.sync_log import Activity, record_activity
from integrations_pipeline.store.waiting import CONFLICT, HOLD, Choice, Waiting, lock_chosen


def list_changes(
    connection: Connection,
    workspace_id: UUID,
    state: ChangeState,
    *,
    kind: ChangeKind | None = None,
    conflicts_only: bool = False,
    limit: int,
) -> list[dict[str, Any]]:
    """Journal rows of one state for people, newest first, with the contact's e-mail."""
    chosen = "and c.conflict is not null" if conflicts_only else ""
    chosen += " and c.kind = :kind" if kind else ""
    statement = text(
        "select c.id::text, c.connection_id::text, i.integration_type, c.contact_id::text, c.external_id, "  # noqa: S608
        "c.side, c.kind, c.before, c.after, c.base, c.conflict, c.state, c.reason, c.error_class, c.attempts, "
        "c.created_at, w.email from integration_changes c "
        "join integration_connections i on i.id = c.connection_id "
        "left join workspace_contacts w on w.id = c.contact_id "
        f"where c.workspace_id = :workspace_id and (c.state = :state or :state = '') {chosen} "
        "order by c.created_at desc, c.id limit :limit"
    )
    bound = {"workspace_id": workspace_id, "state": state.value, "limit": limit}
    bound |= {"kind": kind.value} if kind else {}
    return [dict(row._mapping) for row in connection.execute(statement, bound)]


def list_conflicts(connection: Connection, workspace_id: UUID, limit: int) -> list[dict[str, Any]]:
    """Open and resolved conflicts, newest first."""
    rows: list[dict[str, Any]] = []
    for state in (ChangeState.HELD, ChangeState.APPLIED):
        rows += list_changes(connection, workspace_id, state, conflicts_only=True, limit=limit)
    return sorted(rows, key=lambda row: row["created_at"], reverse=True)[:limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What somebody decides, and who it is. `value`: with `Decision.VALUE`, the text form (`model`) of what the field
    `field_name` becomes. `is_always`: it was made the fields' policy, too."""

    decision: Decision
    by: str
    because: str = ""
    field_name: str = ""
    value: str = field(default="", repr=False)
    is_always: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What is decided, and what was left out, with the reason by id."""

    done: Sequence[Waiting]
    left_out: Mapping[UUID, str]


EDITED_SINCE = (
    "the contact was edited since: `integrations contacts delete` deletes it if that is meant, reject lets go of this"
)
TAKEN_BACK = "taken back by an undo, and not made again: approve to let it be made after all"
EMAIL_TAKEN = "another contact has this e-mail now: change or delete it before the old one can come back"


def decide_holds(connection: Connection, workspace_id: UUID, choice: Choice, verdict: Verdict) -> Decided:
    """Approve or reject what is chosen of the held changes, all or nothing, on record.

    Approved: the next run makes the change. Rejected: the next run puts the value back on the side that lost it, or
    makes nobody. A rejected delete is undone here (`_keep`); a contact whose e-mail another one has taken is left out
    and told, and so is one that an undo would delete and that was edited since. `ConfigurationError`, with nothing
    done, as `lock_chosen`, and if nothing but such contacts was chosen.
    """
    is_approving = verdict.decision is Decision.APPROVED
    chosen = lock_chosen(connection, workspace_id, choice, HOLD, is_approving=is_approving)
    decided = _carry(connection, chosen, verdict)
    if not decided.done:
        raise ConfigurationError(next(iter(decided.left_out.values())))
    action = "hold_approved" if is_approving else "hold_rejected"
    _put_on_record(connection, workspace_id, action, decided.done, verdict)
    return decided


def decide_conflicts(connection: Connection, workspace_id: UUID, choice: Choice, verdict: Verdict) -> Decided:
    """Say which value stands in what is chosen of the open conflicts, all or nothing, on record; the next run writes
    it. `ConfigurationError`, with nothing done, as `lock_chosen`, and for a value that one of them cannot take."""
    chosen = lock_chosen(connection, workspace_id, choice, CONFLICT)
    if verdict.decision is Decision.VALUE:
        _require_fit(connection, chosen, verdict)
    decided = _carry(connection, chosen, verdict)
    _put_on_record(connection, workspace_id, "conflict_decided", decided.done, verdict)
    return decided


def _require_fit(connection: Connection, chosen: Sequence[Waiting], verdict: Verdict) -> None:
    others = sorted({str(row.field_name) for row in chosen} - {verdict.field_name})
    if others:
        raise ConfigurationError(
            f"--set is about {verdict.field_name}, but a chosen conflict is about {others[0]}: nothing was done"
        )
    if verdict.field_name != "email" or not verdict.value:
        return
    ids = sorted({row.contact_id for row in chosen if row.contact_id})
    statement = text(
        "select exists (select from workspace_contacts where deleted_at is null and id <> all(cast(:ids as uuid[])) "
        "and identity_key = integrations_identity_key(:email))"
    )
    if len(ids) > 1 or connection.execute(statement, {"ids": ids, "email": verdict.value}).scalar():
        raise ConfigurationError("another contact has this e-mail: nothing was done")


def decide_delete(connection: Connection, item_id: UUID, *, approve: bool, by: str = "system") -> bool:
    """Decide about one held delete, without a record; False if it is not held (any more), or somebody else has decided.
    `ConfigurationError` if another contact has taken the e-mail of one that is rejected, or if one that an undo would
    delete was edited since."""
    statement = text(
        "select workspace_id from integration_agenda where id = :id and kind = 'held_delete' and decision is null"
    )
    workspace_id = connection.execute(statement, {"id": item_id}).scalar()
    if workspace_id is None:
        return False
    chosen = lock_chosen(connection, workspace_id, Choice(kinds=["held_delete"], ids=[str(item_id)]), HOLD)
    decided = _carry(connection, chosen, Verdict(decision=_APPROVAL[approve], by=by))
    if decided.left_out:
        raise ConfigurationError(next(iter(decided.left_out.values())))
    return True


_APPROVAL = {True: Decision.APPROVED, False: Decision.REJECTED}


def _carry(connection: Connection, chosen: Sequence[Waiting], verdict: Verdict) -> Decided:
    every = [row for row in chosen if row.kind == AgendaKind.HELD_DELETE and row.contact_id]
    deletes = [row for row in every if row.field_name != ORDERED]
    ordered = [row for row in every if row.field_name == ORDERED]
    left_out: dict[UUID, str] = {}
    if verdict.decision is Decision.APPROVED and ordered:
        left_out = _edited(connection, ordered)
        going = [row for row in ordered if row.id not in left_out]
        _delete_here(connection, [row for row in going if row.external_id is None])
        _let_stay_away(connection, [row for row in going if row.external_id is not None], verdict.by)
    elif verdict.decision is Decision.REJECTED:
        left_out = _keep(connection, deletes)
    done = [row for row in chosen if row.id not in left_out]
    statement = text(
        "update integration_agenda set decision = :decision, decided_by = :by, decided_at = now(), "
        "fields = fields || cast(:more as jsonb) where id = any(:ids)"
    )
    more = {"value": verdict.value} if verdict.decision is Decision.VALUE else {}
    bound = {"decision": verdict.decision.value, "by": verdict.by, "more": dump(more), "ids": [row.id for row in done]}
    connection.execute(statement, bound)
    return Decided(done=done, left_out=left_out)


def _edited(connection: Connection, deletes: Sequence[Waiting]) -> dict[UUID, str]:
    """Those whom an undo is to delete and who were edited since they were held, with the reason; all stay locked."""
    bound = {"ids": [row.contact_id for row in deletes], "since": [row.since for row in deletes]}
    statement = text(
        "select c.id::text from workspace_contacts c "
        "join unnest(cast(:ids as uuid[]), cast(:since as timestamptz[])) as held(id, since) on held.id = c.id "
        "where c.deleted_at is null and c.updated_at > held.since order by c.id for update of c"
    )
    edited = set(connection.execute(statement, bound).scalars())
    return {row.id: EDITED_SINCE for row in deletes if str(row.contact_id) in edited}


def _delete_here(connection: Connection, deletes: Sequence[Waiting]) -> None:
    """Of people whom an undo brought back: here it is done at once, at the provider by the next run."""
    statement = text(
        "update workspace_contacts set deleted_at = now() where id = any(cast(:ids as uuid[])) and deleted_at is null"
    )
    if deletes:
        connection.execute(statement, {"ids": [row.contact_id for row in deletes]})


def _let_stay_away(connection: Connection, deletes: Sequence[Waiting], by: str) -> None:
    """Who goes on one side stays on the other, and is not made again from there: until somebody approves that. Whoever
    is gone by now needs no word."""
    statement = text(
        "insert into integration_agenda (id, connection_id, workspace_id, run_id, kind, side, contact_id, external_id, "
        "change, fields, reason, decision, decided_by, decided_at) "
        "select gen_random_uuid(), connection_id, workspace_id, run_id, 'held_create', side, "
        "case side when 'remote' then contact_id end, case side when 'local' then external_id end, "
        "'create', fields, :reason, 'rejected', :by, now() from integration_agenda a where id = any(:ids) and exists "
        "(select from integration_links l where l.connection_id = a.connection_id and l.contact_id = a.contact_id)"
    )
    if deletes:
        connection.execute(statement, {"ids": [row.id for row in deletes], "by": by, "reason": TAKEN_BACK})


def _keep(connection: Connection, deletes: Sequence[Waiting]) -> dict[UUID, str]:
    """Undo deletes: a contact that the workspace deleted is brought back as it was; one that was deleted at the
    provider, or is gone here for good, is unlinked, and the next run, which reads everything, makes it again where it
    is missing. Those whose e-mail another contact has taken, with the reason."""
    deleted_here = [row for row in deletes if row.side == Side.REMOTE]
    back, taken = _bring_back(connection, [str(row.contact_id) for row in deleted_here])
    unlinked = [row for row in deletes if row.side == Side.LOCAL or str(row.contact_id) not in back | taken]
    _forget_links(connection, unlinked)
    return {row.id: EMAIL_TAKEN for row in deleted_here if str(row.contact_id) in taken}


def _bring_back(connection: Connection, ids: Sequence[str]) -> tuple[set[str], set[str]]:
    """Contacts that are there again, and those that are not because their e-mail is taken. One statement for all; if
    one of them breaks the rule, halves, so that it stands alone."""
    if not ids:
        return set(), set()
    statement = text(
        "update workspace_contacts set deleted_at = null where id = any(cast(:ids as uuid[])) returning id::text"
    )
    try:
        with connection.begin_nested():
            return set(connection.execute(statement, {"ids": list(ids)}).scalars()), set()
    except IntegrityError:
        if len(ids) == 1:
            return set(), set(ids)
    middle = len(ids) // 2
    (back, taken), (more_back, more_taken) = (
        _bring_back(connection, ids[:middle]),
        _bring_back(connection, ids[middle:]),
    )
    return back | more_back, taken | more_taken


def _forget_links(connection: Connection, deletes: Sequence[Waiting]) -> None:
    statement = text(
        "delete from integration_links l using unnest(cast(:connections as uuid[]), cast(:contacts as uuid[])) "
        "as gone(connection_id, contact_id) "
        "where l.connection_id = gone.connection_id and l.contact_id = gone.contact_id"
    )
    if deletes:
        pairs = {"connections": [row.connection_id for row in deletes], "contacts": [row.contact_id for row in deletes]}
        connection.execute(statement, pairs)
    for connection_id in sorted({row.connection_id for row in deletes if row.connection_id}):
        read_everything(connection, connection_id, _workspace_of(connection, connection_id))


def _workspace_of(connection: Connection, connection_id: UUID) -> UUID:
    statement = text("select workspace_id from integration_connections where id = :id")
    found: UUID = connection.execute(statement, {"id": connection_id}).scalar_one()
    return found


def _put_on_record(
    connection: Connection, workspace_id: UUID, action: str, done: Sequence[Waiting], verdict: Verdict
) -> None:
    """One row of the activity per provider: how many of which kind, by whom and why; nobody's data."""
    for provider in sorted({row.provider for row in done}):
        own = [row for row in done if row.provider == provider]
        told: dict[str, Any] = {
            "decision": verdict.decision.value,
            "count": len(own),
            "kinds": dict(sorted(Counter(row.kind for row in own).items())),
            "decided_by": without_addresses(verdict.by),
            "because": without_addresses(verdict.because),
            "always": verdict.is_always or None,
            "run": next(iter({row.run_id for row in own})) if len({row.run_id for row in own}) == 1 else None,
        }
        activity = Activity(
            integration_name=provider,
            action=action,
            success=True,
            records_affected=len(own),
            metadata={name: value for name, value in told.items() if value},
        )
        record_activity(connection, workspace_id, activity)


#: What `count_open` gives for a connection without open questions.
NOTHING_OPEN: Mapping[str, int] = {"held": 0, "conflicts": 0, "failed": 0}


def count_open(connection: Connection, workspace_id: UUID) -> dict[str, dict[str, int]]:
    """Per connection id: undecided holds, open conflicts and dead letters."""
    statement = text(
        "select connection_id::text, "
        "count(*) filter (where starts_with(kind, 'held_')) as held, "
        "count(*) filter (where kind = 'conflict') as conflicts, "
        "count(*) filter (where kind in ('failed', 'refused')) as failed "
        "from integration_agenda where workspace_id = :workspace_id and kind <> 'retry' and decision is null "
        "group by connection_id"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id})
    return {row.connection_id: {"held": row.held, "conflicts": row.conflicts, "failed": row.failed} for row in found}
