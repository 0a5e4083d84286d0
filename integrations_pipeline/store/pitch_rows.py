"""Pitches that a program hands in: new ones, and drafts that it has read and perhaps edited.

Belongs here: queueing them, each for itself. Does not: pitches otherwise (`pitches`), what a row may hold
(`mail.queueing`, `api.mail`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.mail.queueing import PITCH_FIELDS, pitch_problem
from integrations_pipeline.store import fleet, pitches

GONE = "no pitch of this workspace has this id (any more)"
NO_ADDRESS = "it has no to_email, and its contact has no e-mail"
#: Statuses of pitches that have not been taken up.
WAITING = ("draft", "queued")


@dataclass(frozen=True, slots=True, kw_only=True)
class PitchEdit:
    """What one row tells of a pitch: of the one with this id, else of a new one. `fields`: those of
    `mail.queueing.PITCH_FIELDS` that are told, as texts, "" for empty. `contact_id` says whose address it goes to where
    no address is told."""

    place: int
    pitch_id: UUID | None = None
    contact_id: UUID | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The ids of those queued, by place; why the others were not."""

    ids: Mapping[int, str] = field(default_factory=dict)
    problems: Mapping[int, str] = field(default_factory=dict)


def queue_rows(connection: Connection, workspace_id: UUID, edits: Sequence[PitchEdit]) -> Queued:
    """Queue these pitches, in the caller's transaction. One with a problem is left out, the others go on."""
    stored = _waiting(connection, workspace_id, [edit.pitch_id for edit in edits if edit.pitch_id])
    emails = fleet.emails_of(connection, {str(edit.contact_id) for edit in edits if edit.contact_id})
    ids: dict[int, str] = {}
    problems: dict[int, str] = {}
    for edit in edits:
        fields = _meant(edit, stored.get(edit.pitch_id), emails)
        problem = _problem(edit, stored.get(edit.pitch_id), fields)
        if problem:
            problems[edit.place] = problem
            continue
        try:
            with connection.begin_nested():
                ids[edit.place] = _queue(connection, workspace_id, edit, fields)
        except ConfigurationError as error:
            # "pitch 1 of 1: …; none was queued"
            problems[edit.place] = str(error).removeprefix("pitch 1 of 1: ").removesuffix("; none was queued")
    return Queued(ids=ids, problems=problems)


def _waiting(
    connection: Connection, workspace_id: UUID, ids: Collection[UUID | None]
) -> dict[UUID | None, dict[str, Any]]:
    statement = text(
        "select id, status, to_email, subject, body, coalesce(in_reply_to_pitch_id::text, '') as in_reply_to_pitch_id, "
        "coalesce(to_char(scheduled_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"'), '') "
        "as scheduled_at from pitches where workspace_id = :workspace_id and id = any(cast(:ids as uuid[])) for update"
    )
    bound = {"workspace_id": workspace_id, "ids": list(map(str, ids))}
    return {row.id: dict(row._mapping) for row in connection.execute(statement, bound)} if ids else {}


def _meant(edit: PitchEdit, stored: Mapping[str, Any] | None, emails: Mapping[str, str]) -> dict[str, str]:
    """All fields of the pitch as it is to be sent, without empty ones."""
    found = {name: str((stored or {}).get(name, "")) for name in PITCH_FIELDS} | dict(edit.fields)
    if not found["to_email"] and edit.contact_id is not None:
        found["to_email"] = emails.get(str(edit.contact_id), "")
    return {name: value for name, value in found.items() if value}


def _problem(edit: PitchEdit, stored: Mapping[str, Any] | None, fields: dict[str, str]) -> str:
    if edit.pitch_id is not None and stored is None:
        return GONE
    if stored is not None and stored["status"] not in WAITING:
        return f"it is {stored['status']}: make a new pitch to write again"
    return pitch_problem(fields) if fields.get("to_email") else NO_ADDRESS


def _queue(connection: Connection, workspace_id: UUID, edit: PitchEdit, fields: Mapping[str, str]) -> str:
    if edit.pitch_id is None:
        return pitches.add_pitches(connection, workspace_id, [fields])[0]
    pitches.requeue(connection, workspace_id, edit.pitch_id, fields)
    return str(edit.pitch_id)
