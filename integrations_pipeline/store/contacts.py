"""The workspace's own contacts: read in bulk as frames, written in bulk under a version guard.

Belongs here: statements on `workspace_contacts`. Does not: what to write (`sync`). Every function works in
the caller's transaction and workspace.
"""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pandas as pd
from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import CUSTOM_PREFIX
from integrations_pipeline.store.rows import contact_columns, dump, to_frame, to_patch

#: What a patch does to a row; `p.patch` holds only the fields to write.
_SET = """
    email = case when p.patch ? 'email' then nullif(p.patch ->> 'email', '') else c.email end,
    name = case when p.patch ? 'name' then nullif(p.patch ->> 'name', '') else c.name end,
    company = case when p.patch ? 'company' then nullif(p.patch ->> 'company', '') else c.company end,
    job_title = case when p.patch ? 'job_title' then nullif(p.patch ->> 'job_title', '') else c.job_title end,
    phone = case when p.patch ? 'phone' then nullif(p.patch ->> 'phone', '') else c.phone end,
    tags = case when p.patch ? 'tags'
        then array(select jsonb_array_elements_text(p.patch -> 'tags')) else c.tags end,
    custom_fields = case when p.patch ? 'custom_fields' then
        (case when jsonb_typeof(c.custom_fields) = 'object' then c.custom_fields else '{}' end
            || (p.patch -> 'custom_fields'))
        - coalesce(array(select e.key from jsonb_each(p.patch -> 'custom_fields') e
            where e.value = 'null'), '{}') else c.custom_fields end,
    email_opt_out = coalesce((p.patch ->> 'email_opt_out')::boolean, c.email_opt_out),
    email_opt_out_at = case when (p.patch ->> 'email_opt_out')::boolean and not c.email_opt_out
        then now() else c.email_opt_out_at end
"""
# The ids come a second time as an array: without table statistics Postgres would rescan the JSON per contact.
_UPDATE = text(
    f"""
    update workspace_contacts c set {_SET}
    from jsonb_to_recordset(cast(:rows as jsonb)) as p(id uuid, version bigint, patch jsonb)
    where c.id = any(cast(:ids as uuid[])) and c.id = p.id and c.deleted_at is null
        and (p.version is null or c.version = p.version)
    returning c.id::text, c.version
    """  # noqa: S608 - built from constants only
)
_INSERT = text(
    """
    insert into workspace_contacts
        (id, workspace_id, email, name, company, job_title, phone, tags, custom_fields, email_opt_out,
         email_opt_out_at)
    select p.id, :workspace_id, nullif(p.patch ->> 'email', ''), nullif(p.patch ->> 'name', ''),
        nullif(p.patch ->> 'company', ''), nullif(p.patch ->> 'job_title', ''),
        nullif(p.patch ->> 'phone', ''),
        array(select jsonb_array_elements_text(coalesce(p.patch -> 'tags', '[]'))),
        jsonb_strip_nulls(coalesce(p.patch -> 'custom_fields', '{}')),
        coalesce((p.patch ->> 'email_opt_out')::boolean, false),
        case when (p.patch ->> 'email_opt_out')::boolean then now() end
    from jsonb_to_recordset(cast(:rows as jsonb)) as p(id uuid, patch jsonb)
    on conflict do nothing
    returning id::text, version
    """
)
_DELETE = text(
    """
    update workspace_contacts c set deleted_at = now()
    from jsonb_to_recordset(cast(:rows as jsonb)) as p(id uuid, version bigint)
    where c.id = any(cast(:ids as uuid[])) and c.id = p.id and c.deleted_at is null
        and (p.version is null or c.version = p.version)
    returning c.id::text, c.version
    """
)
_REVIVE = text(
    "update workspace_contacts set deleted_at = null where id = any(cast(:ids as uuid[])) returning id::text"
)

#: SQLSTATE of a value that is too long for an index: that contact's own fault, not the database's.
_TOO_LONG = ("54000",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactWrite:
    """Fields to write on one contact, only if it still has `version` (None: whatever version it has)."""

    contact_id: str
    fields: Mapping[str, str]
    version: int | None = None


def read_contacts(
    connection: Connection, workspace_id: UUID, names: Sequence[str], ids: Collection[str] | None = None
) -> pd.DataFrame:
    """Live contacts as a LOCAL snapshot frame (`model.Snapshot`), ordered by id; `ids` None means all."""
    columns, bound = contact_columns(names)
    also = ["opted_out_at"] if "email_opt_out" in names else []
    columns += ", c.email_opt_out_at" if also else ""
    chosen = "" if ids is None else "and c.id = any(cast(:ids as uuid[]))"
    statement = text(
        f"select c.id::text, c.version, c.updated_at{columns} from workspace_contacts c "  # noqa: S608
        f"where c.workspace_id = :workspace_id and c.deleted_at is null {chosen} order by c.id"
    )
    values: dict[str, Any] = {"workspace_id": workspace_id, **bound}
    if ids is not None:
        values["ids"] = list(ids)
    found = [] if ids is not None and not ids else connection.execute(statement, values).fetchall()
    frame = to_frame(found, ["contact_id", "version", "updated_at", *names, *also], index="contact_id", texts=names)
    frame["version"] = frame["version"].astype("int64")
    return frame


def changed_contact_ids(connection: Connection, workspace_id: UUID, connection_id: UUID) -> list[str]:
    """Contacts that are not linked, or whose version moved since both sides last agreed. Exact, so no
    watermark can be lost or run ahead.

    Asked as a difference of two sets, which Postgres has one way to make whatever its statistics say: a join of two
    tables that it takes for small became a nested loop of 134 s right after a first load of 100,000.
    """
    statement = text(
        "select found.id::text from (select c.id, c.version from workspace_contacts c "
        "where c.workspace_id = :workspace_id and c.deleted_at is null "
        "except all select l.contact_id, l.contact_version from integration_links l "
        "where l.connection_id = :connection_id) found"
    )
    bound = {"workspace_id": workspace_id, "connection_id": connection_id}
    return list(connection.execute(statement, bound).scalars())


def edited_within(connection: Connection, workspace_id: UUID, ids: Collection[str], seconds: float) -> set[str]:
    """Those of these contacts that were edited less than so many seconds ago."""
    statement = text(
        "select id::text from workspace_contacts where workspace_id = :workspace_id and id = any(cast(:ids as uuid[])) "
        "and updated_at > clock_timestamp() - make_interval(secs => :seconds)"
    )
    bound = {"workspace_id": workspace_id, "ids": list(ids), "seconds": seconds}
    return set(connection.execute(statement, bound).scalars())


def contact_ids_by_email(connection: Connection, workspace_id: UUID, emails: Collection[str]) -> list[str]:
    """Live contacts with one of these identity keys (lower case)."""
    statement = text(
        "select id::text from workspace_contacts where workspace_id = :workspace_id and deleted_at is null "
        "and integrations_identity_key(email) = any(:emails)"
    )
    bound = {"workspace_id": workspace_id, "emails": list(emails)}
    return list(connection.execute(statement, bound).scalars()) if emails else []


def known_emails(connection: Connection, workspace_id: UUID, emails: Collection[str]) -> set[str]:
    """Of these identity keys, those that a contact of the workspace has or, deleted, had."""
    statement = text(
        "select distinct integrations_identity_key(email) from workspace_contacts "
        "where workspace_id = :workspace_id and integrations_identity_key(email) = any(:emails)"
    )
    bound = {"workspace_id": workspace_id, "emails": list(emails)}
    return set(connection.execute(statement, bound).scalars()) if emails else set()


def update_contacts(connection: Connection, writes: Sequence[ContactWrite]) -> dict[str, int]:
    """Write fields; returns contact id → new version of those written. The others had moved on, or would
    have taken another contact's e-mail."""
    rows = [{"id": w.contact_id, "version": w.version, "patch": to_patch(w.fields)} for w in writes]
    return _guarded(connection, _UPDATE, rows, {})


def insert_contacts(connection: Connection, workspace_id: UUID, writes: Sequence[ContactWrite]) -> dict[str, int]:
    """Insert contacts with the given ids; returns id → version. One whose e-mail is taken is left out."""
    rows = [{"id": write.contact_id, "patch": to_patch(write.fields)} for write in writes]
    return _guarded(connection, _INSERT, rows, {"workspace_id": workspace_id})


def restore_contacts(connection: Connection, workspace_id: UUID, writes: Sequence[ContactWrite]) -> dict[str, int]:
    """Bring deleted contacts back under their old ids with these fields; inserts those whose row is gone."""
    restored: dict[str, int] = {}
    for write in writes:
        try:
            with connection.begin_nested():
                revived = connection.execute(_REVIVE, {"ids": [write.contact_id]}).scalars().all()
                restored |= (
                    update_contacts(connection, [write])
                    if revived
                    else insert_contacts(connection, workspace_id, [write])
                )
        except IntegrityError:
            continue
    return restored


def delete_contacts(connection: Connection, writes: Sequence[ContactWrite]) -> dict[str, int]:
    """Mark contacts deleted if they still have their version; returns id → new version."""
    rows = [{"id": write.contact_id, "version": write.version} for write in writes]
    return _guarded(connection, _DELETE, rows, {})


def read_versions(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    """Versions of the live ones among these contacts."""
    statement = text(
        "select id::text, version from workspace_contacts where id = any(cast(:ids as uuid[])) and deleted_at is null"
    )
    if not ids:
        return {}
    found = connection.execute(statement, {"ids": list(ids)})
    return {contact_id: version for contact_id, version in found}


def _guarded(
    connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]], bound: Mapping[str, Any]
) -> dict[str, int]:
    """One statement for all rows; if one of them breaks a constraint, halves, so that it stands alone."""
    if not rows:
        return {}
    try:
        with connection.begin_nested():
            ids = [row["id"] for row in rows]
            found = connection.execute(statement, {"rows": dump(rows), "ids": ids, **bound}).fetchall()
            return {contact_id: version for contact_id, version in found}
    except (IntegrityError, DataError, OperationalError) as error:
        if isinstance(error, OperationalError) and getattr(error.orig, "pgcode", None) not in _TOO_LONG:
            raise
        if len(rows) == 1:
            return {}
        middle = len(rows) // 2
        return _guarded(connection, statement, rows[:middle], bound) | _guarded(
            connection, statement, rows[middle:], bound
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertCounts:
    created: int
    updated: int


def upsert_contacts(connection: Connection, workspace_id: UUID, rows: Sequence[Mapping[str, str]]) -> UpsertCounts:
    """Add contacts or update those with the same e-mail; only the given fields are written.

    Of two rows with one e-mail the later adds to the earlier. A row without e-mail is added unless a
    contact without e-mail with just these fields is there.
    """
    merged: dict[str, dict[str, str]] = {}
    nameless: list[Mapping[str, str]] = []
    for row in rows:
        key = _identity_key(row.get("email", ""))
        if key:
            merged.setdefault(key, {}).update(row)
        else:
            nameless.append(row)
    known = _ids_by_key(connection, workspace_id, list(merged))
    updates = [ContactWrite(contact_id=known[key], fields=row) for key, row in merged.items() if key in known]
    fresh: list[Mapping[str, str]] = [row for key, row in merged.items() if key not in known]
    fresh += [row for row in nameless if not _is_known_nameless(connection, workspace_id, row)]
    inserts = [ContactWrite(contact_id=str(uuid4()), fields=row) for row in fresh]
    created = insert_contacts(connection, workspace_id, inserts)
    return UpsertCounts(created=len(created), updated=len(update_contacts(connection, updates)))


def _identity_key(email: str) -> str:
    """The SQL function `integrations_identity_key` in Python; `engine.canonical` is a stranger to the store."""
    return unicodedata.normalize("NFC", email).strip().lower()


def _ids_by_key(connection: Connection, workspace_id: UUID, keys: Sequence[str]) -> dict[str, str]:
    statement = text(
        "select integrations_identity_key(email), id::text from workspace_contacts "
        "where workspace_id = :workspace_id and deleted_at is null and integrations_identity_key(email) = any(:keys)"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "keys": list(keys)})
    return {key: contact_id for key, contact_id in found}


def _is_known_nameless(connection: Connection, workspace_id: UUID, row: Mapping[str, str]) -> bool:
    columns, bound = contact_columns(list(row))
    statement = text(
        f"select 1 from (select c.id{columns} from workspace_contacts c "  # noqa: S608 - allow-listed names
        "where c.workspace_id = :workspace_id and c.deleted_at is null and c.email is null) found "
        f"where {' and '.join(f'f{i} = :value_{i}' for i in range(len(row)))} limit 1"
    )
    values = {f"value_{i}": value for i, value in enumerate(row.values())}
    bound_all = {"workspace_id": workspace_id, **bound, **values}
    return connection.execute(statement, bound_all).first() is not None


def list_contacts(
    connection: Connection, workspace_id: UUID, names: Sequence[str], limit: int | None = None
) -> list[dict[str, str]]:
    """Live contacts as field texts, by e-mail."""
    columns, bound = contact_columns(names)
    statement = text(
        f"select c.id{columns} from workspace_contacts c "  # noqa: S608 - allow-listed names
        "where c.workspace_id = :workspace_id and c.deleted_at is null "
        "order by lower(c.email) nulls last, c.id limit :limit"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "limit": limit, **bound})
    return [dict(zip(names, row[1:], strict=True)) for row in found]


def custom_field_names(connection: Connection, workspace_id: UUID) -> list[str]:
    """The `custom_fields.KEY` names that live contacts use."""
    statement = text(
        "select distinct key from workspace_contacts c, jsonb_object_keys(c.custom_fields) key "
        "where c.workspace_id = :workspace_id and c.deleted_at is null order by key"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id}).scalars()
    return [f"{CUSTOM_PREFIX}{key}" for key in found]


def read_app_table(connection: Connection, workspace_id: UUID, table_name: str) -> list[dict[str, Any]]:
    """Rows of another table of the database for this workspace; only tables that have a `workspace_id`."""
    has_column = text(
        "select 1 from information_schema.columns where table_schema = 'public' "
        "and table_name = :name and column_name = 'workspace_id'"
    )
    if connection.execute(has_column, {"name": table_name}).first() is None:
        raise ConfigurationError(
            f"table {table_name!r} has no workspace_id column, or is not visible: only tables of one "
            "workspace's rows can be read"
        )
    quoted = connection.dialect.identifier_preparer.quote(table_name)
    statement = text(f"select * from public.{quoted} where workspace_id = :workspace_id")  # noqa: S608 - quoted
    found = connection.execute(statement, {"workspace_id": workspace_id})
    return [dict(row._mapping) for row in found]
