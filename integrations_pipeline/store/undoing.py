"""What a run applied, for undoing it: the journal's rows of it, and the contacts as they are now.

Belongs here: these statements. Does not: what is put back (`sync.undo`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.model import ChangeKind, Side
from integrations_pipeline.store.rows import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as its log has it; `pitches` is how many e-mails it sent."""

    run_id: UUID
    workspace_id: UUID
    workspace_slug: str
    connection_id: UUID
    provider: str
    started_at: datetime
    is_running: bool
    pitches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRow:
    """One applied change of a run, as in `model.Change`."""

    id: UUID
    side: Side
    kind: ChangeKind
    contact_id: str
    external_id: str | None
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    base: Mapping[str, str] = field(default_factory=dict)


def find_run(connection: Connection, run_id: UUID) -> RunRow | None:
    """Across workspaces: for who may see them all."""
    statement = text(
        "select l.run_id, l.workspace_id, w.slug as workspace_slug, l.connection_id, c.integration_type as provider, "
        "min(l.started_at) as started_at, bool_or(l.status = 'running') as is_running, "
        "coalesce(max((l.metadata ->> 'pitches_sent')::integer), 0) as pitches "
        "from integration_sync_logs l join workspaces w on w.id = l.workspace_id "
        "join integration_connections c on c.id = l.connection_id where l.run_id = :run_id "
        "group by l.run_id, l.workspace_id, w.slug, l.connection_id, c.integration_type"
    )
    row = connection.execute(statement, {"run_id": run_id}).one_or_none()
    return RunRow(**row._mapping) if row else None


def applied_rows(connection: Connection, connection_id: UUID, run_id: UUID) -> list[AppliedRow]:
    """What the run wrote on either side and nobody has undone, in its order."""
    statement = text(
        "select id, side, kind, contact_id::text, external_id, before, after, base from integration_changes "
        "where connection_id = :connection_id and run_id = :run_id and state = 'applied' "
        "and kind in ('create', 'update', 'delete') and contact_id is not null order by ordinal"
    )
    return [
        AppliedRow(
            id=row.id,
            side=Side(row.side),
            kind=ChangeKind(row.kind),
            contact_id=row.contact_id,
            external_id=row.external_id,
            before=from_json(row.before),
            after=from_json(row.after),
            base=from_json(row.base),
        )
        for row in connection.execute(statement, {"connection_id": connection_id, "run_id": run_id})
    ]


def linked_contacts(connection: Connection, connection_id: UUID, run_id: UUID) -> set[str]:
    """Contacts that the run linked with a record that was there already."""
    statement = text(
        "select contact_id::text from integration_changes where connection_id = :connection_id and run_id = :run_id "
        "and kind = 'link' and state = 'applied' and contact_id is not null"
    )
    return set(connection.execute(statement, {"connection_id": connection_id, "run_id": run_id}).scalars())


def undone_count(connection: Connection, connection_id: UUID, run_id: UUID) -> int:
    statement = text(
        "select count(*) from integration_changes "
        "where connection_id = :connection_id and run_id = :run_id and state = 'undone'"
    )
    return int(connection.execute(statement, {"connection_id": connection_id, "run_id": run_id}).scalar_one())


def deleted_contacts(connection: Connection, workspace_id: UUID, ids: Collection[str]) -> dict[str, bool]:
    """Those of these contacts that are deleted, and whether their row is still there."""
    statement = text(
        "select id::text, deleted_at is null as is_alive from workspace_contacts "
        "where workspace_id = :workspace_id and id = any(cast(:ids as uuid[]))"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "ids": list(ids)})
    alive = {contact_id: is_alive for contact_id, is_alive in found}
    return {contact_id: contact_id in alive for contact_id in ids if not alive.get(contact_id)}


def linked_elsewhere(connection: Connection, workspace_id: UUID, ids: Collection[str]) -> list[tuple[UUID, str, str]]:
    """(connection id, contact id, external id) of every link of these contacts, whichever connection has it."""
    statement = text(
        "select connection_id, contact_id::text, external_id from integration_links "
        "where workspace_id = :workspace_id and contact_id = any(cast(:ids as uuid[]))"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "ids": list(ids)})
    return [(row.connection_id, row.contact_id, row.external_id) for row in found]


def mark_undone(connection: Connection, ids: Sequence[UUID], reason: str) -> None:
    if ids:
        statement = text("update integration_changes set state = 'undone', reason = :reason where id = any(:ids)")
        connection.execute(statement, {"ids": list(ids), "reason": reason})
