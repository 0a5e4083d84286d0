"""The agenda `integration_agenda`: what waits for the next run, or for a person.

Belongs here: statements of runs on it. Does not: people's decisions (`decisions`), what happened (`changes`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from integrations_pipeline.model import EVERYTHING, Agenda, AgendaItem, AgendaKind, ChangeKind, Decision, Side
from integrations_pipeline.store.changes import JournalScope
from integrations_pipeline.store.rows import dump, from_json, to_json

_READ = text(
    "select id, kind, side, contact_id::text, external_id, field, change, change_id, fields, reason, created_at, "
    "decision "
    "from integration_agenda where connection_id = :connection_id order by created_at, id"
)
_INSERT = text(
    """
    insert into integration_agenda
        (id, connection_id, workspace_id, run_id, kind, side, contact_id, external_id, field, change, change_id, fields,
         reason, created_at, decision, decided_by, decided_at)
    select r.id, :connection_id, :workspace_id, :run_id, r.kind, r.side, r.contact_id, r.external_id, r.field, r.change,
        r.change_id, r.fields, nullif(r.reason, ''), coalesce(r.created_at, now()), r.decision,
        case when r.decision is not null then :by end, case when r.decision is not null then now() end
    from jsonb_to_recordset(cast(:rows as jsonb)) as r(id uuid, kind text, side text, contact_id uuid, external_id text,
        field text, change text, change_id uuid, fields jsonb, reason text, created_at timestamptz, decision text)
    """
)
#: What a run writes down of fields, beside the values of a conflict.
_PARTS = ("before", "after", "base")


def read_agenda(connection: Connection, connection_id: UUID) -> Agenda:
    """What waits for one connection, the oldest first."""
    return Agenda(tuple(map(_item, connection.execute(_READ, {"connection_id": connection_id}))))


def _item(row: Row[Any]) -> AgendaItem:
    is_conflict = row.kind == AgendaKind.CONFLICT
    told: Mapping[str, Any] = row.fields
    return AgendaItem(
        id=row.id,
        kind=AgendaKind(row.kind),
        side=Side(row.side) if row.side else None,
        contact_id=row.contact_id,
        external_id=row.external_id,
        field=row.field,
        change=ChangeKind(row.change) if row.change else None,
        change_id=row.change_id,
        values={str(name): str(value) for name, value in told.items()} if is_conflict else {},
        reason=row.reason or "",
        created_at=row.created_at,
        decision=Decision(row.decision) if row.decision else None,
        **({} if is_conflict else {part: from_json(told.get(part)) for part in _PARTS}),
    )


def _row(item: AgendaItem) -> dict[str, Any]:
    parts = {part: to_json(fields) for part in _PARTS if (fields := getattr(item, part))}
    return {
        "id": item.id,
        "kind": item.kind.value,
        "side": item.side.value if item.side else None,
        "contact_id": item.contact_id,
        "external_id": item.external_id,
        "field": item.field,
        "change": item.change.value if item.change else None,
        "change_id": item.change_id,
        "fields": dict(item.values) if item.kind is AgendaKind.CONFLICT else parts,
        "reason": item.reason,
        "created_at": item.created_at,
        "decision": item.decision.value if item.decision else None,
    }


def add_items(connection: Connection, scope: JournalScope, items: Sequence[AgendaItem], by: str | None = None) -> None:
    """Write items down; `by`: who decided those that come with a decision."""
    if items:
        bound = {"connection_id": scope.connection_id, "workspace_id": scope.workspace_id, "run_id": scope.run_id}
        connection.execute(_INSERT, {**bound, "by": by, "rows": dump([_row(item) for item in items])})


def remove_items(connection: Connection, connection_id: UUID, ids: Collection[UUID]) -> None:
    """What answered itself, or was done."""
    if ids:
        statement = text("delete from integration_agenda where connection_id = :connection_id and id = any(:ids)")
        connection.execute(statement, {"connection_id": connection_id, "ids": list(ids)})


def remove_failed(connection: Connection, scope: JournalScope, sides: Collection[Side]) -> None:
    """What failed in earlier runs leaves the agenda: a contact with a failed change counts as changed until it
    succeeds, so this run has either tried it again, and failed anew, or found that nothing is left to do."""
    statement = text(
        "delete from integration_agenda where connection_id = :connection_id and kind in ('failed', 'refused') "
        "and side = any(:sides) and run_id is distinct from :run_id"
    )
    bound = {"connection_id": scope.connection_id, "run_id": scope.run_id, "sides": [side.value for side in sides]}
    connection.execute(statement, bound)


def read_everything(connection: Connection, connection_id: UUID, workspace_id: UUID) -> None:
    """Let the next run read everything."""
    scope = JournalScope(connection_id=connection_id, workspace_id=workspace_id)
    add_items(connection, scope, [AgendaItem(kind=AgendaKind.RETRY, side=Side.REMOTE, reason=EVERYTHING)])
