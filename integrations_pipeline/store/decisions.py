"""What waits for a person: held deletes, conflicts, dead letters; looking at them and deciding.

Belongs here: statements that answer to people. Does not: those that a run makes (`agenda`, `changes`).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import ORDERED, ChangeKind, ChangeState, Decision, Side
from integrations_pipeline.store.agenda import read_everything


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


def list_held(connection: Connection, workspace_id: UUID, limit: int) -> list[dict[str, Any]]:
    """Held changes that nobody has decided about, newest first, with the contact's e-mail."""
    statement = text(
        "select a.id::text, a.connection_id::text, i.integration_type, a.contact_id::text, a.external_id, a.side, "
        "a.change as kind, a.kind as waits_as, a.fields -> 'before' as before, a.fields -> 'after' as after, "
        "a.fields -> 'base' as base, a.reason, a.created_at, w.email from integration_agenda a "
        "join integration_connections i on i.id = a.connection_id "
        "left join workspace_contacts w on w.id = a.contact_id "
        "where a.workspace_id = :workspace_id and starts_with(a.kind, 'held_') and a.decision is null "
        "order by a.created_at desc, a.id limit :limit"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "limit": limit})
    return [{**row._mapping, "state": "held"} for row in found]


def decide_delete(connection: Connection, item_id: UUID, *, approve: bool, by: str = "system") -> bool:
    """Decide about a held delete; False if it is not held (any more), or somebody else has decided.

    Approved: the next run applies it. Rejected: a contact that the workspace deleted is brought back as it
    was; one that was deleted at the provider is unlinked, and the next run, which reads everything, makes it
    there again. `ConfigurationError` if another contact has taken the e-mail meanwhile.
    """
    statement = text(
        "update integration_agenda set decision = :decision, decided_by = :by, decided_at = now() "
        "where id = :id and kind = 'held_delete' and decision is null "
        "returning connection_id, workspace_id, contact_id, side, field"
    )
    decision = Decision.APPROVED if approve else Decision.REJECTED
    row = connection.execute(statement, {"id": item_id, "decision": decision.value, "by": by}).one_or_none()
    if row is not None and row.field == ORDERED:
        # Asked for by an undo, found by no run: here it is done at once, there by the next run.
        _delete_here(connection, row.contact_id) if approve else _drop(connection, item_id)
    elif row is not None and not approve:
        is_back = row.side == Side.REMOTE.value and _bring_back(connection, row.contact_id)
        if not is_back:
            _forget_link(connection, row.connection_id, row.contact_id)
            read_everything(connection, row.connection_id, row.workspace_id)
    return row is not None


def _delete_here(connection: Connection, contact_id: UUID) -> None:
    statement = text("update workspace_contacts set deleted_at = now() where id = :id and deleted_at is null")
    connection.execute(statement, {"id": contact_id})


def _drop(connection: Connection, item_id: UUID) -> None:
    connection.execute(text("delete from integration_agenda where id = :id"), {"id": item_id})


def _bring_back(connection: Connection, contact_id: UUID) -> bool:
    """Undo the workspace's delete; False if the row was removed for good."""
    statement = text("update workspace_contacts set deleted_at = null where id = :id")
    try:
        with connection.begin_nested():
            return connection.execute(statement, {"id": contact_id}).rowcount == 1
    except IntegrityError as error:
        raise ConfigurationError(
            "another contact has this e-mail now: change or delete it before the old one can come back"
        ) from error


def _forget_link(connection: Connection, connection_id: UUID, contact_id: UUID) -> None:
    bound = {"connection_id": connection_id, "contact_id": contact_id}
    connection.execute(
        text("delete from integration_links where connection_id = :connection_id and contact_id = :contact_id"),
        bound,
    )


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
