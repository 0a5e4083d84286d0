"""Conflicts that were decided and carried out, as the journal has them: looking, and finding what to restore.

Belongs here: those questions. Does not: open conflicts (`waiting`, `decisions`), restoring (`sync.restoring`). Values
go to who asked, no further.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.store.rows import from_json

_FROM = """
    from integration_changes j
    join integration_connections i on i.id = j.connection_id
    join workspaces w on w.id = j.workspace_id
    left join workspace_contacts c on c.id = j.contact_id and c.workspace_id = j.workspace_id
"""
_LIST = text(
    f"""
    select j.id::text, w.slug as workspace, i.integration_type as provider, j.contact_id::text, j.external_id,
        nullif(c.email, '') as email, f.key as field_name, f.value as fields, j.state, j.run_id::text,
        j.updated_at as at, j.conflict ->> 'winner' as winner, j.conflict ->> 'policy' as policy,
        j.conflict ->> 'local_at' as local_at, j.conflict ->> 'remote_at' as remote_at
    {_FROM} cross join lateral jsonb_each(j.conflict -> 'fields') as f
    where j.conflict is not null and jsonb_typeof(j.conflict -> 'fields') = 'object'
        and j.state in ('applied', 'undone')
        and (cast(:workspace_id as uuid) is null or j.workspace_id = :workspace_id)
        and (cast(:provider as text) is null or i.integration_type = :provider)
        and (cast(:field as text) is null or f.key = :field)
        and (cast(:email as text) is null
            or c.identity_key = integrations_identity_key(:email))
    order by j.updated_at desc, j.id, f.key limit :limit
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One field of a conflict that was decided; `fields`: its base, local and remote value. `winner` None: neither
    side's value was taken."""

    id: str
    workspace: str
    provider: str
    contact_id: str | None
    external_id: str | None
    email: str | None = field(repr=False)
    field_name: str
    fields: Mapping[str, Any] = field(repr=False)
    state: str
    run_id: str | None
    at: datetime
    winner: str | None
    policy: str | None
    local_at: str | None
    remote_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastFilter:
    provider: str | None = None
    field_name: str | None = None
    email: str | None = field(default=None, repr=False)


def list_past(connection: Connection, workspace_id: UUID | None, wanted: PastFilter, limit: int) -> list[Past]:
    """Decided conflicts of one workspace, or of all that the connection sees, a row per field, the latest first."""
    bound = {
        "workspace_id": workspace_id,
        "provider": wanted.provider,
        "field": wanted.field_name,
        "email": wanted.email,
        "limit": limit,
    }
    return [Past(**row._mapping) for row in connection.execute(_LIST, bound)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastConflict:
    """A decided conflict whole; `fields` by field as texts (`model`): base, local, remote."""

    provider: str
    contact_id: str | None
    winner: str | None
    fields: Mapping[str, Mapping[str, str]] = field(repr=False)


def read_past(connection: Connection, change_id: UUID) -> PastConflict | None:
    """The conflict of a journal row that was carried out; None if there is none."""
    statement = text(
        "select i.integration_type as provider, j.contact_id::text, j.conflict from integration_changes j "
        "join integration_connections i on i.id = j.connection_id "
        "where j.id = :id and j.conflict is not null and j.state = 'applied'"
    )
    row = connection.execute(statement, {"id": change_id}).one_or_none()
    if row is None:
        return None
    told = row.conflict.get("fields") or {}
    return PastConflict(
        provider=row.provider,
        contact_id=row.contact_id,
        winner=row.conflict.get("winner"),
        fields={name: from_json(values) for name, values in told.items()},
    )
