"""What a certificate asks Postgres: contacts, links, what waits and when a run last looked; and what it wrote down.

Belongs here: the second way to what `contacts`, `links`, `changes` and `rows` read for the sync, plainer and on purpose
not shared with it. Does not: comparing (`verify`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from integrations_pipeline.store.suppressions import KEEPS_OUT

#: The action of a certificate in `integration_activity`.
ACTION = "verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactState:
    """One live contact: `values` by field name as Postgres has them, tags as a list, the opt-out as a bool."""

    version: int
    touched_at: datetime
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """One link, with what both sides last agreed on, as stored."""

    external_id: str
    contact_version: int | None
    base: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Something that the sync knows to be unfinished, and `why`; `fields` None: the whole contact or record.

    Without ids it concerns everybody: a field that stopped, or everything that is to be read again.
    """

    why: str
    contact_id: str | None = None
    external_id: str | None = None
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalState:
    """One connection as Postgres has it. Contacts and links by contact id.

    `removed_at`: linked contacts that are gone, with the time, None where the row itself is gone. `just_written`:
    records that we wrote a moment ago. `looked_at`: when the last run began that looked at every contact and left
    nothing over; None where there was none.
    """

    contacts: Mapping[str, ContactState] = field(default_factory=dict)
    links: Mapping[str, LinkState] = field(default_factory=dict)
    removed_at: Mapping[str, datetime | None] = field(default_factory=dict)
    waits: Sequence[Wait] = ()
    just_written: frozenset[str] = frozenset()
    looked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What tells whether somebody was edited, linked or written since: versions and links, by contact id."""

    versions: Mapping[str, int] = field(default_factory=dict)
    links: Mapping[str, LinkState] = field(default_factory=dict)


_CONTACTS = text(
    f"""
    select c.id::text, c.version, c.updated_at, c.email, c.name, c.company, c.job_title, c.phone,
        case when array_ndims(c.tags) > 1 then array(select unnest(c.tags)) else c.tags end as tags,
        case when jsonb_typeof(c.custom_fields) = 'object'
            then (select jsonb_object_agg(e.key, e.value) from jsonb_each_text(c.custom_fields) e) end as custom,
        c.email_opt_out or c.identity_key in (
            select s.identity_key from suppressions s where s.workspace_id = :workspace_id and {KEEPS_OUT}) as is_out
    from workspace_contacts c where c.workspace_id = :workspace_id and c.deleted_at is null
    """  # noqa: S608 - constants
)
_LINKS = text(
    """
    select l.contact_id::text, l.external_id, l.contact_version, l.base, c.deleted_at,
        c.id is null or c.deleted_at is not null as is_gone
    from integration_links l left join workspace_contacts c on c.id = l.contact_id and c.workspace_id = :workspace_id
    where l.connection_id = :connection_id
    """
)
#: Previews are questions, not work; what is planned with a run is at work, or was left by a run that died.
_JOURNAL = text(
    """
    select 'at_work' as why,
        contact_id::text, external_id,
        case when kind = 'update' and jsonb_typeof(after) = 'object'
            then array(select jsonb_object_keys(after)) end as fields
    from integration_changes
    where connection_id = :connection_id
        and state in ('planned', 'intended') and run_id is not null
    """
)
_AGENDA = text(
    """
    select case when kind = 'retry' and reason = 'settling' then 'settling'
            when kind = 'retry' and reason = 'everything' then 'everything'
            when kind = 'retry' then 'read_again'
            when starts_with(kind, 'held_') then 'held'
            when kind = 'refused' then 'failed'
            else kind end as why,
        contact_id::text, external_id,
        case when field is not null then array[field]
            when change = 'update' and jsonb_typeof(fields -> 'after') = 'object'
                then array(select jsonb_object_keys(fields -> 'after')) end as fields
    from integration_agenda where connection_id = :connection_id
    """
)
_JUST_WRITTEN = text(
    """
    select external_id, moved_from from integration_changes
    where connection_id = :connection_id and side = 'remote' and state = 'applied'
        and updated_at > clock_timestamp() - make_interval(secs => :seconds)
    """
)
#: A run that left something over for the next one made that due at once.
_LOOKED_AT = text(
    """
    select case when c.next_sync_at >= l.completed_at then l.started_at end
    from integration_sync_logs l join integration_connections c on c.id = l.connection_id
    where l.connection_id = :connection_id and l.direction = 'to_external' and l.run_id is not null
        and l.status in ('success', 'partial', 'refused') and l.completed_at is not null
    order by l.started_at desc limit 1
    """
)


def read_marks(connection: Connection, workspace_id: UUID, connection_id: UUID) -> Marks:
    """The versions of the live contacts, and the connection's links."""
    statement = text(
        "select id::text, version from workspace_contacts where workspace_id = :workspace_id and deleted_at is null"
    )
    versions = {key: version for key, version in connection.execute(statement, {"workspace_id": workspace_id})}
    found = connection.execute(_LINKS, {"workspace_id": workspace_id, "connection_id": connection_id})
    return Marks(versions=versions, links={row.contact_id: _link(row) for row in found})


def read_local(connection: Connection, workspace_id: UUID, connection_id: UUID, recent_seconds: float) -> LocalState:
    """Everything of one connection on our side; `recent_seconds`: for so long a read may not show a write of ours."""
    bound = {"workspace_id": workspace_id, "connection_id": connection_id}
    links = connection.execute(_LINKS, bound).fetchall()
    mine = {"connection_id": connection_id}
    waits = [
        Wait(
            why=row.why,
            contact_id=row.contact_id,
            external_id=row.external_id,
            fields=None if row.fields is None else tuple(row.fields),
        )
        for statement in (_JOURNAL, _AGENDA)
        for row in connection.execute(statement, mine)
    ]
    written = connection.execute(_JUST_WRITTEN, {**mine, "seconds": recent_seconds})
    return LocalState(
        contacts=_read_contacts(connection, workspace_id),
        links={row.contact_id: _link(row) for row in links},
        removed_at={row.contact_id: row.deleted_at for row in links if row.is_gone},
        waits=waits,
        just_written=frozenset(key for row in written for key in row if key),
        looked_at=connection.execute(_LOOKED_AT, mine).scalar(),
    )


def _link(row: Row[Any]) -> LinkState:
    return LinkState(external_id=row.external_id, contact_version=row.contact_version, base=row.base or {})


def _read_contacts(connection: Connection, workspace_id: UUID) -> dict[str, ContactState]:
    found = connection.execute(_CONTACTS, {"workspace_id": workspace_id})
    return {
        row.id: ContactState(
            version=row.version,
            touched_at=row.updated_at,
            values={
                "email": row.email,
                "name": row.name,
                "company": row.company,
                "job_title": row.job_title,
                "phone": row.phone,
                "tags": row.tags,
                "email_opt_out": bool(row.is_out),
                **{f"custom_fields.{key}": value for key, value in (row.custom or {}).items()},
            },
        )
        for row in found
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifiable:
    """A connection that syncs; `is_doubted`: its last certificate found differences."""

    workspace_slug: str
    integration_type: str
    connection_id: UUID
    is_doubted: bool


#: Of a connection `c`: how many records its last certificate found differing, in `v.amount`.
LAST_CERTIFICATE = f"""
    cross join lateral (
        select a.records_affected as amount from integration_activity a
        where a.workspace_id = c.workspace_id and a.integration_name = c.integration_type and a.action = '{ACTION}'
            and a.metadata ->> 'connection_id' = c.id::text and a.metadata ? 'compared'
        order by a.created_at desc limit 1
    ) v
"""  # noqa: S608 - constants


def verifiable_connections(connection: Connection) -> list[Verifiable]:
    """Every active connection of the fleet; across workspaces, so only for whoever may see them all."""
    statement = text(
        f"""
        select w.slug as workspace_slug, c.integration_type, c.id as connection_id,
            coalesce(d.amount, 0) > 0 as is_doubted
        from integration_connections c join workspaces w on w.id = c.workspace_id
        left join (
            select c.id, v.amount from integration_connections c {LAST_CERTIFICATE}
        ) d on d.id = c.id
        where c.sync_enabled and c.status = 'active' order by c.integration_type, w.slug
        """  # noqa: S608 - constants
    )
    return [Verifiable(**row._mapping) for row in connection.execute(statement)]
