"""All that is known of one person in one workspace: contact, links, journal, what waits, consent, e-mails.

Belongs here: the questions behind `integrations explain`. Does not: what the answers mean (`telling.person`). Every
function works in the caller's transaction and workspace. Values are contacts' own: they go to who asked, no further.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.model import CONTACT_FIELDS
from integrations_pipeline.store.rows import CUSTOM_TEXTS, contact_columns, custom_texts, from_json
from integrations_pipeline.store.suppressions import masked

#: Of a journal row `j`, that it names this e-mail as a value before or after.
_NAMES = (
    "(integrations_identity_key(j.after ->> 'email') = :key or integrations_identity_key(j.before ->> 'email') = :key)"
)
#: Previews are no history: nothing of them was done.
_IS_DONE = "(j.run_id is not null or j.plan_id is null)"
#: What the agenda says of a whole connection, and so of everybody in it.
_OF_ALL = ("stopped_field", "held_place")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """A contact as it is, or as it was when it was deleted; `fields` as texts (`model`)."""

    contact_id: str
    fields: Mapping[str, str] = field(repr=False)
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    opted_out_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRow:
    """A connection of the workspace. `taken_only`: the fields that are only ever taken from its provider."""

    connection_id: str
    integration_type: str
    status: str
    sync_enabled: bool
    error_message: str | None
    last_sync_at: datetime | None
    next_sync_at: datetime | None
    taken_only: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLink:
    """A link with its base: the fields as both sides last agreed on them."""

    connection_id: str
    contact_id: str
    external_id: str
    base: Mapping[str, str] = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRow:
    """One change of the person, whatever became of it; `before` and `after` as texts (`model`)."""

    id: str
    run_id: str | None
    connection_id: str
    contact_id: str | None
    external_id: str | None
    side: str
    kind: str
    before: Mapping[str, str] = field(default_factory=dict, repr=False)
    after: Mapping[str, str] = field(default_factory=dict, repr=False)
    conflict: Mapping[str, Any] | None = field(default=None, repr=False)
    state: str
    reason: str | None = None
    created_at: datetime
    updated_at: datetime
    ordinal: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """One row of the agenda. `fields`: base, local and remote of a conflict, else before and after of what waits."""

    id: str
    connection_id: str
    kind: str
    side: str | None
    contact_id: str | None
    external_id: str | None
    field_name: str | None
    fields: Mapping[str, Any] = field(repr=False)
    reason: str | None
    created_at: datetime
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    change: str | None
    change_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRows:
    """Everything about the contacts that were asked for, and about their addresses.

    `linked_elsewhere`: (connection, record) of journal rows without a contact that belong to some contact by now.
    """

    contacts: Sequence[ContactRow]
    places: Sequence[PlaceRow]
    links: Sequence[HeldLink]
    journal: Sequence[JournalRow]
    waiting: Sequence[WaitingRow]
    suppressions: Sequence[Mapping[str, Any]]
    decisions: Sequence[Mapping[str, Any]]
    pitches: Sequence[Mapping[str, Any]]
    replies: Sequence[Mapping[str, Any]]
    linked_elsewhere: frozenset[tuple[str, str]] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether nobody was found: connections alone, and what waits for all of them, are nobody."""
        known = (self.contacts, self.links, self.journal, self.suppressions, self.pitches)
        return not any(known) and not any(row.contact_id or row.external_id for row in self.waiting)


def contact_ids_of(connection: Connection, workspace_id: UUID, key: str, limit: int) -> list[str]:
    """Contacts that have this identity key, deleted ones too, and those that once had it by a link or the journal; the
    living first."""
    statement = text(
        "select known.id::text from (select id from workspace_contacts where workspace_id = :workspace_id "  # noqa: S608
        "and identity_key = :key "
        "union select contact_id from integration_links where workspace_id = :workspace_id "
        "and identity_key = :key "
        "union select j.contact_id from integration_changes j where j.workspace_id = :workspace_id "
        f"and j.contact_id is not null and {_IS_DONE} and {_NAMES}) known "
        "left join workspace_contacts c on c.id = known.id and c.workspace_id = :workspace_id "
        "order by c.id is null, c.deleted_at desc nulls first, c.created_at desc, known.id limit :limit"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "key": key, "limit": limit})
    return list(found.scalars())


def read_person(connection: Connection, workspace_id: UUID, ids: Collection[str], key: str) -> PersonRows:
    """All about these contacts, and about the address `key` and those that they have now ("" where there is none)."""
    people = _contacts(connection, workspace_id, ids)
    of_them = {identity for row in people if (identity := _key_of(connection, row.fields.get("email", "")))}
    bound = {
        "workspace_id": workspace_id,
        "ids": list(ids),
        "key": key or None,
        "keys": sorted(of_them | ({key} if key else set())),
    }
    journal = _journal(connection, bound)
    return PersonRows(
        contacts=people,
        places=_places(connection, workspace_id),
        links=_links(connection, bound),
        journal=journal,
        waiting=_waiting(connection, bound),
        suppressions=_suppressions(connection, bound),
        decisions=_decisions(connection, bound),
        pitches=_pitches(connection, bound),
        replies=_replies(connection, bound),
        linked_elsewhere=_linked_now(connection, workspace_id, journal),
    )


def _key_of(connection: Connection, email: str) -> str:
    found = connection.execute(text("select integrations_identity_key(:email)"), {"email": email}).scalar_one()
    return str(found)


def _contacts(connection: Connection, workspace_id: UUID, ids: Collection[str]) -> list[ContactRow]:
    columns, values = contact_columns(CONTACT_FIELDS)
    statement = text(
        "select c.id::text, c.version, c.created_at, c.updated_at, c.deleted_at, c.email_opt_out_at, "  # noqa: S608
        f"{CUSTOM_TEXTS} custom_fields{columns} from workspace_contacts c where c.workspace_id = :workspace_id "
        "and c.id = any(cast(:ids as uuid[])) order by c.deleted_at desc nulls first, c.created_at desc, c.id"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "ids": list(ids), **values})
    return [
        ContactRow(
            contact_id=contact_id,
            fields={**dict(zip(CONTACT_FIELDS, texts, strict=True)), **custom_texts(custom)},
            version=version,
            created_at=created_at,
            updated_at=updated_at,
            deleted_at=deleted_at,
            opted_out_at=opted_out_at,
        )
        for contact_id, version, created_at, updated_at, deleted_at, opted_out_at, custom, *texts in found
    ]


def _places(connection: Connection, workspace_id: UUID) -> list[PlaceRow]:
    statement = text(
        "select c.id::text as connection_id, c.integration_type, c.status, c.sync_enabled, c.error_message, "
        "c.last_sync_at, c.next_sync_at, (select array_agg(m.workspace_field) from integration_field_mappings m "
        "where m.connection_id = c.id and m.enabled and m.sync_direction = 'from_external') as taken_only "
        "from integration_connections c where c.workspace_id = :workspace_id order by c.integration_type, c.created_at"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id})
    return [PlaceRow(**{**row._mapping, "taken_only": frozenset(row.taken_only or ())}) for row in found]


def _links(connection: Connection, bound: Mapping[str, Any]) -> list[HeldLink]:
    statement = text(
        "select connection_id::text, contact_id::text, external_id, base, created_at from integration_links "
        "where workspace_id = :workspace_id and contact_id = any(cast(:ids as uuid[])) order by created_at"
    )
    return [
        HeldLink(**{**row._mapping, "base": from_json(row.base)}) for row in connection.execute(statement, dict(bound))
    ]


def _journal(connection: Connection, bound: Mapping[str, Any]) -> list[JournalRow]:
    """Oldest first: rows of the contacts, of the records linked to them, and of records with that e-mail that belong
    to nobody. Each of the three has an index of its own; asked with `or`, none would be used."""
    statement = text(
        "select j.id::text, j.run_id::text, j.connection_id::text, j.contact_id::text, j.external_id, "  # noqa: S608
        "j.side, j.kind, j.before, j.after, j.conflict, j.state, j.reason, j.created_at, j.updated_at, j.ordinal "
        "from integration_changes j where j.id in ("
        "select id from integration_changes where contact_id = any(cast(:ids as uuid[])) "
        "union select n.id from integration_changes n join integration_links l on l.connection_id = n.connection_id "
        "and l.external_id = n.external_id where n.contact_id is null and l.contact_id = any(cast(:ids as uuid[])) "
        f"union select j.id from integration_changes j where j.contact_id is null and {_NAMES}) "
        f"and j.workspace_id = :workspace_id and {_IS_DONE} order by j.ordinal"
    )
    return [
        JournalRow(**{**row._mapping, "before": from_json(row.before), "after": from_json(row.after)})
        for row in connection.execute(statement, dict(bound))
    ]


def _waiting(connection: Connection, bound: Mapping[str, Any]) -> list[WaitingRow]:
    """The one place here that reads the agenda: what waits for these contacts, their records, an unknown record with
    this e-mail, and for everybody of a connection."""
    statement = text(
        "select a.id::text, a.connection_id::text, a.kind, a.side, a.contact_id::text, a.external_id, "
        "a.field as field_name, a.fields, a.reason, "
        "a.created_at, a.decision, a.decided_by, a.decided_at, a.change, a.change_id::text "
        "from integration_agenda a where a.workspace_id = :workspace_id and (a.contact_id = any(cast(:ids as uuid[])) "
        "or (a.contact_id is null and ("
        "(a.connection_id, a.external_id) in (select l.connection_id, l.external_id from integration_links l "
        "where l.contact_id = any(cast(:ids as uuid[]))) "
        "or integrations_identity_key(a.fields -> 'after' ->> 'email') = :key "
        "or integrations_identity_key(a.fields -> 'before' ->> 'email') = :key "
        "or (a.external_id is null and a.kind = any(:of_all))))) order by a.created_at, a.id"
    )
    found = connection.execute(statement, {**bound, "of_all": list(_OF_ALL)})
    return [WaitingRow(**row._mapping) for row in found]


def _suppressions(connection: Connection, bound: Mapping[str, Any]) -> list[dict[str, Any]]:
    statement = text(
        "select identity_key as email, reason, source, created_at from suppressions "
        "where workspace_id = :workspace_id and identity_key = any(:keys) order by created_at, reason"
    )
    return [dict(row._mapping) for row in connection.execute(statement, dict(bound))]


def _decisions(connection: Connection, bound: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Suppressions that an operator added or removed. They are on record under the masked address, which others may
    share."""
    statement = text(
        "select action, metadata ->> 'address' as address, metadata -> 'reasons' as reasons, "
        "metadata ->> 'because' as because, created_at from integration_activity where workspace_id = :workspace_id "
        "and action in ('suppression_added', 'suppression_removed') and metadata ->> 'address' = any(:addresses) "
        "order by created_at"
    )
    given = {"workspace_id": bound["workspace_id"], "addresses": [masked(key) for key in bound["keys"]]}
    return [dict(row._mapping) for row in connection.execute(statement, given)]


_OF_THEM = (
    "p.workspace_id = :workspace_id and (p.identity_key = any(:keys) or p.contact_id = any(cast(:ids as uuid[])))"
)


def _pitches(connection: Connection, bound: Mapping[str, Any]) -> list[dict[str, Any]]:
    statement = text(
        "select p.id::text, p.to_email, p.subject, p.status, p.scheduled_at, p.sent_at, p.replied_at, "  # noqa: S608
        f"p.error_message, p.created_at from pitches p where {_OF_THEM} order by p.created_at, p.id"
    )
    return [dict(row._mapping) for row in connection.execute(statement, dict(bound))]


def _replies(connection: Connection, bound: Mapping[str, Any]) -> list[dict[str, Any]]:
    statement = text(
        "select r.pitch_id::text, r.kind, r.received_at from pitch_replies r join pitches p "  # noqa: S608 - constants
        f"on p.id = r.pitch_id where {_OF_THEM} order by r.received_at"
    )
    return [dict(row._mapping) for row in connection.execute(statement, dict(bound))]


def _linked_now(
    connection: Connection, workspace_id: UUID, journal: Sequence[JournalRow]
) -> frozenset[tuple[str, str]]:
    nobodys = sorted({row.external_id for row in journal if row.contact_id is None and row.external_id})
    statement = text(
        "select connection_id::text, external_id from integration_links "
        "where workspace_id = :workspace_id and external_id = any(:ids)"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "ids": nobodys}) if nobodys else ()
    return frozenset((row.connection_id, row.external_id) for row in found)
