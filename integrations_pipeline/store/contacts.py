"""The workspace's own contacts: read in bulk as frames, written in bulk under a version guard.

Belongs here: statements on `workspace_contacts`. Does not: what to write (`sync`). Every function works in
the caller's transaction and workspace.
"""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from integrations_pipeline.model import CONSENT_OUT, CONTACT_FIELDS, CUSTOM_PREFIX
from integrations_pipeline.store import suppressions
from integrations_pipeline.store.contact_statements import CONSENT, DELETE, INSERT, KEPT_OUT, REVIVE, UPDATE
from integrations_pipeline.store.rows import (
    CUSTOM_TEXTS,
    check_names,
    contact_columns,
    custom_texts,
    dump,
    read_opt_out,
    to_patch,
)

if TYPE_CHECKING:
    import pandas as pd

#: SQLSTATE of a value that is too long for an index: that contact's own fault, not the database's.
_TOO_LONG = ("54000",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactWrite:
    """Fields to write on one contact, only if it still has `version` (None: whatever version it has)."""

    contact_id: str
    fields: Mapping[str, Any]
    version: int | None = None


def read_contacts(
    connection: Connection, workspace_id: UUID, names: Sequence[str], ids: Collection[str] | None = None
) -> "pd.DataFrame":
    """Live contacts as a LOCAL snapshot frame (`model.Snapshot`), ordered by id; `ids` None means all.

    Consent reads as opted out also where the address is suppressed by the person or an operator, and
    `opted_out_at` as the latest that is known of both: an opt-in has to be later than all of them.
    """
    from integrations_pipeline.store.frames import to_frame  # noqa: PLC0415 - pandas is for syncs alone

    columns, bound = contact_columns(names, consent=CONSENT)
    has_consent = "email_opt_out" in names
    also = ["opted_out_at"] if has_consent else []
    columns += ", greatest(c.email_opt_out_at, k.since)" if has_consent else ""
    chosen = "" if ids is None else "and c.id = any(cast(:ids as uuid[]))"
    statement = text(
        f"select c.id::text, c.version, c.updated_at{columns} from workspace_contacts c "  # noqa: S608
        f"{KEPT_OUT if has_consent else ''} "
        f"where c.workspace_id = :workspace_id and c.deleted_at is null {chosen} order by c.id"
    )
    values: dict[str, Any] = {"workspace_id": workspace_id, **bound}
    if ids is not None:
        values["ids"] = list(ids)
    found = [] if ids is not None and not ids else connection.execute(statement, values).fetchall()
    frame = to_frame(found, ["contact_id", "version", "updated_at", *names, *also], index="contact_id", texts=names)
    frame["version"] = frame["version"].astype("int64")
    return frame


def is_nobody_there(connection: Connection, workspace_id: UUID) -> bool:
    """Whether the workspace has no contact at all."""
    statement = text(
        "select not exists (select from workspace_contacts where workspace_id = :workspace_id and deleted_at is null)"
    )
    return bool(connection.execute(statement, {"workspace_id": workspace_id}).scalar_one())


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
        "and identity_key = any(:emails)"
    )
    bound = {"workspace_id": workspace_id, "emails": list(emails)}
    return list(connection.execute(statement, bound).scalars()) if emails else []


def known_emails(connection: Connection, workspace_id: UUID, emails: Collection[str]) -> set[str]:
    """Of these identity keys, those that a contact of the workspace has or, deleted, had."""
    statement = text(
        "select distinct identity_key from workspace_contacts "
        "where workspace_id = :workspace_id and identity_key = any(:emails)"
    )
    bound = {"workspace_id": workspace_id, "emails": list(emails)}
    return set(connection.execute(statement, bound).scalars()) if emails else set()


#: Contacts that one statement updates: without statistics Postgres compares each with each, 20,000 took minutes.
AT_ONCE = 500


def update_contacts(connection: Connection, writes: Sequence[ContactWrite]) -> dict[str, int]:
    """Write fields; returns contact id → version that the fields given stand for. The others had moved on, or would
    have taken another contact's e-mail.

    Nothing turns off the opt-out of somebody whom a suppression keeps out, but the person's own later opt-in at a
    provider (`in@…`), which lifts it. A write under a version guard is the sync's, whose merge turns an opt-out off
    for that alone and has compared the times: it lifts it too. One that is kept out all the same, or by the address
    that it gets, is returned with the version before, so that it counts as an edit that the other side has yet to take.
    """
    moved = _not_opted_out(connection, [write.contact_id for write in writes if "email" in write.fields])
    return {
        key: each.version - (each.is_denied or (each.is_kept_out and key in moved))
        for key, each in _update(connection, writes).items()
    }


def _not_opted_out(connection: Connection, ids: Sequence[str]) -> set[str]:
    statement = text(
        "select id::text from workspace_contacts where id = any(cast(:ids as uuid[])) and not email_opt_out"
    )
    return set(connection.execute(statement, {"ids": list(ids)}).scalars()) if ids else set()


def insert_contacts(connection: Connection, workspace_id: UUID, writes: Sequence[ContactWrite]) -> dict[str, int]:
    """Insert contacts with the given ids; returns id → version. One whose e-mail is taken is left out.

    One whose address is suppressed by the person or an operator is opted out, whatever its fields say; see
    `update_contacts` for the exception and for the version that it is returned with.
    """
    rows = [{"id": write.contact_id, "patch": to_patch(write.fields)} for write in writes]
    return insert_rows(connection, INSERT, rows, {"workspace_id": workspace_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A row written. `is_kept_out`: opted out although its fields did not say so; `is_denied`: said otherwise."""

    version: int
    is_kept_out: bool
    is_denied: bool


def _update(connection: Connection, writes: Sequence[ContactWrite]) -> dict[str, _Written]:
    rows = [_update_row(write) for write in writes]
    found: dict[str, _Written] = {}
    for start in range(0, len(rows), AT_ONCE):
        found |= _guarded(connection, UPDATE, rows[start : start + AT_ONCE], {})
    _lift(connection, [row for row in rows if row["id"] in found])
    return found


def _update_row(write: ContactWrite) -> dict[str, Any]:
    patch = to_patch(write.fields)
    if write.version is not None and patch.get("email_opt_out") is False:
        patch.setdefault("opted_in_at", "infinity")
    return {"id": write.contact_id, "version": write.version, "patch": patch}


def _insert(connection: Connection, workspace_id: UUID, writes: Sequence[ContactWrite]) -> dict[str, _Written]:
    rows = [{"id": write.contact_id, "patch": to_patch(write.fields)} for write in writes]
    return _inserted(connection, INSERT, rows, {"workspace_id": workspace_id})


def _inserted(
    connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]], bound: Mapping[str, Any]
) -> dict[str, _Written]:
    found = _guarded(connection, statement, rows, bound)
    _lift(connection, [row for row in rows if row["id"] in found])
    return found


def insert_rows(
    connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]], bound: Mapping[str, Any]
) -> dict[str, int]:
    """`insert_contacts` by a statement that writes more than the contacts: `rows` have at least `id` and `patch`."""
    found = _inserted(connection, statement, rows, bound)
    return {key: each.version - each.is_kept_out for key, each in found.items()}


def _lift(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Lift the opt-outs of contacts written with the person's own opt-in."""
    opted_in = {row["id"]: row["patch"]["opted_in_at"] for row in rows if "opted_in_at" in row["patch"]}
    suppressions.lift_of_contacts(connection, opted_in)


def restore_contacts(connection: Connection, workspace_id: UUID, writes: Sequence[ContactWrite]) -> dict[str, int]:
    """Bring deleted contacts back under their old ids with these fields; inserts those whose row is gone.

    One whose e-mail another contact has stays deleted.
    """
    restored: dict[str, int] = {}
    for write in writes:
        try:
            with connection.begin_nested() as attempt:
                bound = {"ids": [write.contact_id], "loses_email": "email" in write.fields}
                revived = connection.execute(REVIVE, bound).scalars().all()
                written = (
                    update_contacts(connection, [write])
                    if revived
                    else insert_contacts(connection, workspace_id, [write])
                )
                if not written:
                    attempt.rollback()
                restored |= written
        except IntegrityError:
            continue
    return restored


def delete_contacts(connection: Connection, writes: Sequence[ContactWrite]) -> dict[str, int]:
    """Mark contacts deleted if they still have their version; returns id → new version."""
    rows = [{"id": write.contact_id, "version": write.version} for write in writes]
    return {key: each.version for key, each in _guarded(connection, DELETE, rows, {}).items()}


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
) -> dict[str, _Written]:
    """One statement for all rows; if one of them breaks a constraint, halves, so that it stands alone."""
    if not rows:
        return {}
    try:
        with connection.begin_nested():
            ids = [row["id"] for row in rows]
            found = connection.execute(statement, {"rows": dump(rows), "ids": ids, **bound}).fetchall()
    except (IntegrityError, DataError, OperationalError) as error:
        if isinstance(error, OperationalError) and getattr(error.orig, "pgcode", None) not in _TOO_LONG:
            raise
        if len(rows) == 1:
            return {}
        middle = len(rows) // 2
        return _guarded(connection, statement, rows[:middle], bound) | _guarded(
            connection, statement, rows[middle:], bound
        )
    said = {row["id"]: row.get("patch", {}).get("email_opt_out") for row in rows}
    return {
        contact_id: _Written(
            version=version,
            is_kept_out=is_out and said.get(contact_id) is not True,
            is_denied=is_out and said.get(contact_id) is False,
        )
        for contact_id, version, is_out in found
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertCounts:
    """`kept_out`: contacts that are opted out although their row did not say so. `refused`: the positions of rows
    that the database does not take, as with a value too long for an index."""

    created: int
    updated: int
    kept_out: int = 0
    refused: tuple[int, ...] = ()


def upsert_contacts(connection: Connection, workspace_id: UUID, rows: Sequence[Mapping[str, str]]) -> UpsertCounts:
    """Add contacts or update those with the same e-mail; only the given fields are written.

    Of two rows with one e-mail the later adds to the earlier, but takes no opt-out back. A row without e-mail
    is added unless a contact without e-mail with just these fields is there.
    """
    merged: dict[str, dict[str, str]] = {}
    places: dict[str, int] = {}
    nameless = [(i, row) for i, row in enumerate(rows) if not identity_key(row.get("email", ""))]
    for i, row in enumerate(rows):
        if key := identity_key(row.get("email", "")):
            merged[key] = _merge_rows(merged.get(key, {}), row)
            places[key] = i
    known = _ids_by_key(connection, workspace_id, list(merged))
    fresh: list[tuple[int, Mapping[str, str]]] = [(places[key], row) for key, row in merged.items() if key not in known]
    fresh += _unknown_nameless(connection, workspace_id, nameless)
    inserts = {i: ContactWrite(contact_id=str(uuid4()), fields=row) for i, row in fresh}
    updates = {places[key]: ContactWrite(contact_id=known[key], fields=merged[key]) for key in merged if key in known}
    created = _insert(connection, workspace_id, list(inserts.values()))
    updated = _update(connection, list(updates.values()))
    written = created | updated
    return UpsertCounts(
        created=len(created),
        updated=len(updated),
        kept_out=sum(each.is_kept_out for each in written.values()),
        refused=tuple(sorted(i for i, write in (inserts | updates).items() if write.contact_id not in written)),
    )


def _merge_rows(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    kept = {"email_opt_out": CONSENT_OUT} if read_opt_out(first.get("email_opt_out", "")) else {}
    return {**first, **second, **kept}


def identity_key(email: str) -> str:
    """The SQL function `integrations_identity_key` in Python; `engine.canonical` is a stranger to the store."""
    return unicodedata.normalize("NFC", email).strip().lower()


def _ids_by_key(connection: Connection, workspace_id: UUID, keys: Sequence[str]) -> dict[str, str]:
    statement = text(
        "select identity_key, id::text from workspace_contacts "
        "where workspace_id = :workspace_id and deleted_at is null and identity_key = any(:keys)"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "keys": list(keys)})
    return {key: contact_id for key, contact_id in found}


def _unknown_nameless(
    connection: Connection, workspace_id: UUID, rows: Sequence[tuple[int, Mapping[str, str]]]
) -> list[tuple[int, Mapping[str, str]]]:
    """Of rows without e-mail, those that no contact without e-mail holds; each once. One statement for all."""
    if not rows:
        return []
    there = _read_texts(connection, workspace_id, CONTACT_FIELDS, "and c.email is null")
    seen: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    unknown = []
    for i, row in rows:
        names = tuple(sorted(row))
        if names not in seen:
            seen[names] = {tuple(each.get(name, "") for name in names) for each in there}
        values = tuple(row[name] for name in names)
        if values not in seen[names]:
            seen[names].add(values)
            unknown.append((i, row))
    return unknown


def list_contacts(
    connection: Connection, workspace_id: UUID, names: Sequence[str], limit: int | None = None
) -> list[dict[str, str]]:
    """Live contacts as field texts, by e-mail."""
    found = _read_texts(connection, workspace_id, names, "order by lower(c.email) nulls last, c.id limit :limit", limit)
    return [{name: row.get(name, "") for name in names} for row in found]


def _read_texts(
    connection: Connection, workspace_id: UUID, names: Sequence[str], rest: str, limit: int | None = None
) -> list[dict[str, str]]:
    """Live contacts with these fields and all custom ones, which come as one column: Postgres returns 1,664."""
    check_names(names)
    plain = [name for name in names if not name.startswith(CUSTOM_PREFIX)]
    columns, bound = contact_columns(plain)
    statement = text(
        f"select {CUSTOM_TEXTS}{columns} from workspace_contacts c "  # noqa: S608 - allow-listed names
        f"where c.workspace_id = :workspace_id and c.deleted_at is null {rest}"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id, "limit": limit, **bound})
    return [{**custom_texts(custom), **dict(zip(plain, values, strict=True))} for custom, *values in found]


def custom_field_names(connection: Connection, workspace_id: UUID) -> list[str]:
    """The `custom_fields.KEY` names that live contacts use."""
    statement = text(
        f"select distinct key from workspace_contacts c, jsonb_object_keys({CUSTOM_TEXTS}) key "  # noqa: S608 - constant
        "where c.workspace_id = :workspace_id and c.deleted_at is null order by key"
    )
    found = connection.execute(statement, {"workspace_id": workspace_id}).scalars()
    return [f"{CUSTOM_PREFIX}{key}" for key in found if key]
