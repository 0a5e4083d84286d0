"""What waits for a person: held deletes, conflicts, dead letters; looking at them and deciding.

Belongs here: the journal's statements that answer to people. Does not: those that a run makes (`changes`).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import ChangeKind, ChangeState, Side
from integrations_pipeline.store.changes import APPROVED


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


_REJECTED = "rejected"


def believed_gone(connection: Connection, connection_id: UUID) -> list[str]:
    """Remote records that a run took for deleted, and a person was asked about: undecided, approved, or rejected
    within the last hour. That they are gone is not to be doubted anew."""
    statement = text(
        "select external_id from integration_changes where connection_id = :connection_id and side = 'local' "
        "and kind = 'delete' and external_id is not null and (state = 'held' "
        "or (state = 'planned' and reason = :approved) or (state = 'superseded' and reason = :rejected "
        "and updated_at > clock_timestamp() - interval '1 hour'))"
    )
    bound = {"connection_id": connection_id, "approved": APPROVED, "rejected": _REJECTED}
    return list(connection.execute(statement, bound).scalars())


def decide_delete(connection: Connection, change_id: UUID, *, approve: bool) -> bool:
    """Decide about a held delete; False if it is not held (any more).

    Approved: the next run applies it. Rejected: a contact that the workspace deleted is brought back as it
    was; one that was deleted at the provider is unlinked, and the next run, which reads everything, makes it
    there again. `ConfigurationError` if another contact has taken the e-mail meanwhile.
    """
    statement = text(
        "update integration_changes set state = :state, reason = :reason, run_id = null "
        "where id = :id and state = 'held' and kind = 'delete' returning connection_id, contact_id, side"
    )
    bound = {
        "id": change_id,
        "state": ChangeState.PLANNED.value if approve else ChangeState.SUPERSEDED.value,
        "reason": APPROVED if approve else _REJECTED,
    }
    row = connection.execute(statement, bound).one_or_none()
    if row is not None and not approve:
        is_back = row.side == Side.REMOTE.value and _bring_back(connection, row.contact_id)
        if not is_back:
            _forget_link(connection, row.connection_id, row.contact_id)
    return row is not None


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
    connection.execute(
        text(
            "update integration_connections "
            "set cursor = cursor || '{\"is_full_wanted\": true}' where id = :connection_id"
        ),
        bound,
    )


#: What `count_open` gives for a connection without open questions.
NOTHING_OPEN: Mapping[str, int] = {"held": 0, "conflicts": 0, "failed": 0}


def count_open(connection: Connection, workspace_id: UUID) -> dict[str, dict[str, int]]:
    """Per connection id: held deletes, open conflicts and dead letters."""
    statement = text(
        "select connection_id::text, "
        "count(*) filter (where state = 'held' and kind = 'delete') as held, "
        "count(*) filter (where state = 'held' and conflict is not null) as conflicts, "
        "count(*) filter (where state = 'failed') as failed "
        "from integration_changes where workspace_id = :workspace_id and state in ('held', 'failed') "
        "group by connection_id"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id})
    return {row.connection_id: {"held": row.held, "conflicts": row.conflicts, "failed": row.failed} for row in found}
