"""Contacts as Python has them: whole rows out, and edits of them back in.

    out   id, workspace_id: UUID; texts or None; tags: list; custom_fields: dict; email_opt_out: bool; aware times
    in    what differs from what is stored, and nothing else; what was edited since it was read is not overwritten

Belongs here: that round trip. Does not: reading what a caller hands in (`api.values`), bulk work as texts (`contacts`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.mail.addresses import address_problem
from integrations_pipeline.model import CONSENT_OUT, CUSTOM_PREFIX, clean_text, join_set
from integrations_pipeline.store import contacts, handover
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.rows import custom_texts

_ROW = (
    "id, workspace_id, email, name, company, job_title, phone, tags, custom_fields, email_opt_out, email_opt_out_at, "
    "created_at, updated_at, version"
)
#: Contacts written by one statement: it compares each id with each.
_AT_ONCE = 500
GONE = "no contact of this workspace has this id (any more)"
EDITED = "it was edited since it was read, and is left as it is: read it again"
TAKEN = "another contact has its e-mail"
REFUSED = "the database does not take one of its values"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactEdit:
    """What one row handed in tells of a contact: known by its id, else by its e-mail, else new.

    `values` by column: None or text, a list of tags, a bool, and under `custom_fields` the keys told, each with its
    JSON value, None to remove it; None instead of a mapping removes all. `version`: the one that was read.
    """

    place: int
    contact_id: UUID | None = None
    version: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """`problems`: why a row was left out, by its place. `kept_out`: contacts who stay opted out although their row says
    otherwise: that is the person's own word, or a suppression's."""

    created: int = 0
    updated: int = 0
    kept_out: int = 0
    problems: Mapping[int, str] = field(default_factory=dict)
    #: Of those updated, the version that they have now.
    versions: Mapping[UUID, int] = field(default_factory=dict)


def read_rows(connection: Connection, workspace_id: UUID) -> list[dict[str, Any]]:
    """The live contacts by e-mail, those without one last."""
    statement = text(
        f"select {_ROW} from workspace_contacts where workspace_id = :workspace_id and deleted_at is null "  # noqa: S608
        "order by lower(email) nulls last, id"
    )
    return [_told(dict(row._mapping)) for row in connection.execute(statement, {"workspace_id": workspace_id})]


def save_rows(connection: Connection, workspace_id: UUID, edits: Sequence[ContactEdit]) -> Saved:
    """Write what the edits change, in the caller's transaction. A row with a problem is left out, the others go on."""
    stored = _Stored(connection, workspace_id, edits)
    problems: dict[int, str] = {}
    changed: dict[UUID, dict[str, Any]] = {}
    places: dict[UUID, int] = {}
    fresh: list[ContactEdit] = []
    for edit in edits:
        found = stored.of(edit)
        if found is None and edit.contact_id is None:
            fresh.append(edit)
            continue
        # Who is found by e-mail keeps the one that is stored, in its writing.
        told = {name: value for name, value in edit.values.items() if edit.contact_id or name != "email"}
        changes = _changes(found, told) if found else {}
        problem = GONE if found is None else _problem_of(found, edit, changes)
        if problem:
            problems[edit.place] = problem
        elif found and changes:
            changed[found["id"]] = _joined(changed.get(found["id"], {}), changes)
            places[found["id"]] = edit.place
    updated = _update(connection, workspace_id, changed)
    done = [str(key) for key in changed if key not in updated.refused]
    problems |= {places[key]: why for key, why in updated.refused.items()}
    created, refused = _insert(connection, workspace_id, fresh)
    return Saved(
        created=created.created,
        updated=len(done) + created.updated,
        kept_out=updated.kept_out + created.kept_out,
        problems=problems | refused,
        versions={UUID(key): version for key, version in contacts.read_versions(connection, done).items()},
    )


class _Stored:
    """The contacts that the edits are about, locked until the transaction ends: by id, and by identity key."""

    def __init__(self, connection: Connection, workspace_id: UUID, edits: Sequence[ContactEdit]) -> None:
        keys = [contacts.identity_key(edit.values.get("email") or "") for edit in edits if edit.contact_id is None]
        statement = text(
            f"select {_ROW}, identity_key as identity from workspace_contacts "  # noqa: S608
            "where workspace_id = :workspace_id and deleted_at is null and (id = any(cast(:ids as uuid[])) "
            "or identity_key = any(:keys)) order by id for update"
        )
        ids = [str(edit.contact_id) for edit in edits if edit.contact_id is not None]
        bound = {"workspace_id": workspace_id, "ids": ids, "keys": [key for key in keys if key]}
        rows = [dict(row._mapping) for row in connection.execute(statement, bound)] if ids or any(keys) else []
        self._ids = {row.pop("identity"): row["id"] for row in rows}
        self._rows = {row["id"]: _told(row) for row in rows}

    def of(self, edit: ContactEdit) -> dict[str, Any] | None:
        key = contacts.identity_key(edit.values.get("email") or "")
        contact_id = edit.contact_id or (self._ids.get(key) if key else None)
        return self._rows.get(contact_id) if contact_id else None


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A stored row in the shape that callers get; what other programs left in odd shapes reads as nothing."""
    custom = row["custom_fields"] if isinstance(row["custom_fields"], dict) else {}
    return {
        **row,
        "tags": list(row["tags"] or ()),
        "custom_fields": custom,
        "email_opt_out": bool(row["email_opt_out"]),
    }


def _changes(found: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is told, what is stored otherwise. Outer blanks, and another order of the tags, are no change."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name == "custom_fields":
            wanted = dict.fromkeys(found[name]) if value is None else value
            told = {key: inner for key, inner in wanted.items() if _filled(found[name].get(key)) != _filled(inner)}
            if told:
                changes[name] = told
        elif name == "tags":
            if set(value) != {tag.strip() for tag in found[name] if tag.strip()}:
                changes[name] = value
        elif value != _filled(found[name]):
            changes[name] = value
    return changes


def _filled(stored: Any) -> Any:
    """A stored value as a caller tells it: a text without outer blanks, or None."""
    return (stored.strip() or None) if isinstance(stored, str) else stored


def _problem_of(found: Mapping[str, Any], edit: ContactEdit, changes: Mapping[str, Any]) -> str:
    if changes and edit.version is not None and edit.version != found["version"]:
        return EDITED
    return address_problem(changes.get("email") or "")


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Of two rows about one contact the later adds to the earlier, but takes no opt-out back."""
    custom = {**first.get("custom_fields", {}), **second.get("custom_fields", {})}
    kept = {"email_opt_out": True} if first.get("email_opt_out") else {}
    return {**first, **second, **({"custom_fields": custom} if custom else {}), **kept}


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """As the statements of `contacts` take fields."""
    fields: dict[str, Any] = {}
    for name, value in values.items():
        if name == "custom_fields":
            fields |= {f"{CUSTOM_PREFIX}{clean_text(key)}": inner for key, inner in (value or {}).items()}
        elif name == "tags":
            fields[name] = join_set(value)
        elif name == "email_opt_out":
            fields[name] = CONSENT_OUT if value else ""
        else:
            fields[name] = value or ""
    return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class _Updated:
    refused: Mapping[UUID, str]
    kept_out: int


def _update(connection: Connection, workspace_id: UUID, changed: Mapping[UUID, Mapping[str, Any]]) -> _Updated:
    # Without a version: a write under one is the sync's, whose word lifts an opt-out.
    writes = [ContactWrite(contact_id=str(key), fields=_texts(values)) for key, values in changed.items()]
    written: dict[str, int] = {}
    for start in range(0, len(writes), _AT_ONCE):
        written |= contacts.update_contacts(connection, writes[start : start + _AT_ONCE])
    missed = [_without_opt_in(each) for each in writes if each.contact_id not in written and each.fields.get("email")]
    written |= handover.hand_over(connection, missed) if len(missed) > 1 else {}
    left = [key for key in changed if str(key) not in written]
    let_in = [str(key) for key, values in changed.items() if values.get("email_opt_out") is False and key not in left]
    return _Updated(
        refused={key: _refusal(connection, workspace_id, changed[key]) for key in left},
        kept_out=_count_out(connection, let_in),
    )


def _without_opt_in(write: ContactWrite) -> ContactWrite:
    told = {name: value for name, value in write.fields.items() if (name, value) != ("email_opt_out", "")}
    return ContactWrite(contact_id=write.contact_id, fields=told)


def _refusal(connection: Connection, workspace_id: UUID, values: Mapping[str, Any]) -> str:
    key = contacts.identity_key(values.get("email") or "")
    return TAKEN if key and contacts.contact_ids_by_email(connection, workspace_id, [key]) else REFUSED


def _count_out(connection: Connection, ids: Sequence[str]) -> int:
    statement = text("select count(*) from workspace_contacts where id = any(cast(:ids as uuid[])) and email_opt_out")
    return int(connection.execute(statement, {"ids": list(ids)}).scalar_one()) if ids else 0


def _insert(
    connection: Connection, workspace_id: UUID, edits: Iterable[ContactEdit]
) -> tuple[contacts.UpsertCounts, dict[int, str]]:
    """Add contacts as an import of a file does."""
    problems: dict[int, str] = {}
    rows: list[tuple[int, dict[str, Any]]] = []
    for edit in edits:
        email = edit.values.get("email") or ""
        told = _texts(edit.values)
        problem = address_problem(email) or ("" if any(told.values()) else "every field is empty")
        if problem:
            problems[edit.place] = problem
        else:
            # Who has no e-mail is compared as text with those who are there.
            rows.append((edit.place, told if email else {**told, **_custom_texts(told)}))
    counts = contacts.upsert_contacts(connection, workspace_id, [told for _, told in rows])
    problems |= {rows[i][0]: REFUSED for i in counts.refused}
    return counts, problems


def _custom_texts(told: Mapping[str, Any]) -> dict[str, str]:
    custom = {name.removeprefix(CUSTOM_PREFIX): told[name] for name in told if name.startswith(CUSTOM_PREFIX)}
    return custom_texts(custom)
