"""`integrations explain`: everything about one person, in words and as JSON.

Belongs here: finding out whom somebody means, and the JSON document. Does not: what the rows come to
(`telling.person`), the sentences (`explain_words`).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from integrations_pipeline.cli.explain_words import Speaker, show_person
from integrations_pipeline.cli.output import (
    JsonOption,
    LimitOption,
    WorkspaceOption,
    cut,
    find_workspace,
    print_json,
    wired,
)
from integrations_pipeline.engine.canonical import identity_key
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import CONSENT_UNASKED, CONSENT_WORDS, clean_text, split_set
from integrations_pipeline.store import history
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.history import JournalRow, PersonRows, WaitingRow
from integrations_pipeline.store.ids import IdOf, find_id
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.telling.person import ConflictTold, ContactTold, PersonTold, PlaceTold, tell_person
from integrations_pipeline.telling.values import FieldTold

WhoArgument = Annotated[
    str, typer.Argument(metavar="EMAIL", help="An e-mail, also a former one, or a contact's id or its beginning.")
]

#: Most people of one address: it was everybody's, and says nothing of anyone.
MOST_PEOPLE = 20


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(explain)


def explain(who: WhoArgument, workspace: WorkspaceOption, limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """Why a contact says what it says: each field on every side, who wrote it when, and what waits."""
    with wired() as wiring:
        runtime = wiring.runtime
        told = _find(runtime, find_workspace(runtime, workspace), who, workspace)
        now = runtime.clock()
    kept = {each.contact_id: cut(each.changes[::-1], limit) for each in told.contacts}
    if as_json:
        print_json(_document(told, kept, workspace))
    else:
        titles = {name: spec.title for name, spec in runtime.specs.items()}
        show_person(Speaker(told=told, titles=titles, now=now, workspace=workspace), kept)


def _find(runtime: Runtime, workspace_id: UUID, who: str, workspace: str) -> PersonTold:
    directions = {name: spec.capabilities.directions for name, spec in runtime.specs.items()}
    look = _by_address if "@" in who else _by_id
    with runtime.database.workspace(workspace_id) as connection:
        ids, rows = look(connection, workspace_id, who)
    if rows.is_empty:
        raise ConfigurationError(
            f"nobody in workspace {workspace} has, or is known to have had, this e-mail or id: "
            "`integrations contacts list` shows who is there"
        )
    return tell_person(rows, ids, directions)


def _by_address(connection: Connection, workspace_id: UUID, who: str) -> tuple[Sequence[str], PersonRows]:
    key = identity_key(clean_text(who))
    found = history.contact_ids_of(connection, workspace_id, key, MOST_PEOPLE + 1)
    ids = cut(found, MOST_PEOPLE, "the id of one of the others shows it alone")
    return ids, history.read_person(connection, workspace_id, ids, key)


def _by_id(connection: Connection, workspace_id: UUID, who: str) -> tuple[Sequence[str], PersonRows]:
    ids = [str(find_id(connection, IdOf.CONTACT, who))]
    return ids, history.read_person(connection, workspace_id, ids, "")


def _document(told: PersonTold, kept: Mapping[str, Any], workspace: str) -> dict[str, Any]:
    providers = {place.connection_id: place.integration_type for place in told.places.values()}
    replies: dict[str, list[Mapping[str, Any]]] = {}
    for reply in told.replies:
        of_pitch = {"kind": reply["kind"], "received_at": reply["received_at"]}
        replies.setdefault(reply["pitch_id"], []).append(of_pitch)
    return {
        "workspace": workspace,
        "contacts": [_contact(each, kept[each.contact_id], providers) for each in told.contacts],
        "records": [
            {
                "provider": providers.get(stray.connection_id),
                "connection_id": stray.connection_id,
                "external_id": stray.external_id,
                "reason": stray.reason,
                "since": stray.since,
            }
            for stray in told.strays
        ],
        "suppressions": told.suppressions,
        "suppression_decisions": told.decisions,
        "pitches": [{**pitch, "replies": replies.get(pitch["id"], [])} for pitch in told.pitches],
    }


def _contact(found: ContactTold, changes: Any, providers: Mapping[str, str]) -> dict[str, Any]:
    row = found.contact
    return {
        "contact_id": found.contact_id,
        "status": found.status,
        "created_at": row.created_at if row else None,
        "updated_at": row.updated_at if row else None,
        "deleted_at": row.deleted_at if row else None,
        "opted_out_at": row.opted_out_at if row else None,
        "fields": {field.name: _field(field, providers) for field in found.fields},
        "connections": [_place(place, providers) for place in found.places],
        "waiting": [_waiting(each, providers) for each in found.waiting],
        "conflicts": [_conflict(each, providers) for each in found.conflicts],
        "changes": [_change(each, providers) for each in changes],
    }


def _field(found: FieldTold, providers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "local": to_value(found.name, found.value),
        "sides": [
            {
                "provider": providers[each.connection_id],
                "connection_id": each.connection_id,
                "value": to_value(found.name, each.agreed),
                "is_same": each.is_same,
                "waits": each.wait or None,
                "sent_at": each.sent_at,
                "sent_by": each.sent_by,
            }
            for each in found.there
        ],
        "written": [
            {
                "from": providers.get(each.connection_id or "") if each.connection_id else "here",
                "connection_id": each.connection_id,
                "value": to_value(found.name, each.value),
                "before": to_value(found.name, each.before),
                "at": each.at,
                "is_exact": each.is_exact,
                "run_id": each.run_id,
            }
            for each in reversed(found.written)
        ],
    }


def to_value(name: str, text: str | None) -> Any:
    """A field's text as programs take it: tags as a list, consent as a bool, None where nobody was asked."""
    if text is None or (name == "email_opt_out" and text == CONSENT_UNASKED):
        return None
    if name == "tags":
        return split_set(text)
    return text.strip().lower() in CONSENT_WORDS if name == "email_opt_out" else text


def _values(fields: Mapping[str, str]) -> dict[str, Any]:
    return {name: to_value(name, text) for name, text in fields.items()}


def _place(found: PlaceTold, providers: Mapping[str, str]) -> dict[str, Any]:
    told = {"made": found.made_by, "ended": found.ended_by, "last_word": found.last_word}
    return {
        "provider": providers[found.connection_id],
        "connection_id": found.connection_id,
        "external_id": found.external_id,
        "linked_at": found.since,
        **{name: _change(row, providers) if row else None for name, row in told.items()},
        "reasons": list(found.reasons),
    }


def _waiting(row: WaitingRow, providers: Mapping[str, str]) -> dict[str, Any]:
    values = {name: row.fields.get(name) for name in ("base", "local", "remote", "before", "after")}
    return {
        "id": row.id,
        "provider": providers.get(row.connection_id),
        "connection_id": row.connection_id,
        "kind": row.kind,
        "side": row.side,
        "change": row.change,
        "external_id": row.external_id,
        "field": row.field_name,
        **values,
        "reason": row.reason,
        "since": row.created_at,
        "decision": row.decision,
        "decided_by": row.decided_by,
        "decided_at": row.decided_at,
    }


def _conflict(found: ConflictTold, providers: Mapping[str, str]) -> dict[str, Any]:
    names = ("base", "local", "remote", "winner", "policy", "is_open", "since", "run_id")
    return {
        "provider": providers.get(found.connection_id),
        "connection_id": found.connection_id,
        "field": found.field_name,
        **{name: getattr(found, name) for name in names},
        "local_at": found.local_at,
        "remote_at": found.remote_at,
    }


def _change(row: JournalRow, providers: Mapping[str, str]) -> dict[str, Any]:
    names = ("id", "run_id", "external_id", "side", "kind", "state", "reason", "created_at", "updated_at")
    return {
        "provider": providers.get(row.connection_id),
        "connection_id": row.connection_id,
        **{name: getattr(row, name) for name in names},
        "before": _values(row.before),
        "after": _values(row.after),
    }
