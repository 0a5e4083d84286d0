"""One person, put together from everything that the store knows: the answer of `integrations explain`.

Belongs here: which rows belong to whom and what they come to. Does not: a field's values over time (`values`),
sentences (`cli.explain`), SQL (`store.history`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations_pipeline.model import Direction, Side
from integrations_pipeline.store.history import ContactRow, HeldLink, JournalRow, PersonRows, PlaceRow, WaitingRow
from integrations_pipeline.telling.values import FieldTold, not_syncing, tell_fields

_RESOLVED = ("applied", "undone")
#: Journal rows in these states were set aside, each with a reason.
_SET_ASIDE = ("failed", "skipped", "held")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictTold:
    """Values that could not both stand. `winner`: a side, or None where nobody has won; `is_open`: a person is asked.
    `kept_at`: when the winner was written."""

    connection_id: str
    field_name: str
    base: str = field(repr=False)
    local: str = field(repr=False)
    remote: str = field(repr=False)
    winner: str | None
    policy: str
    is_open: bool
    since: datetime
    run_id: str | None
    local_at: str | None = None
    remote_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceTold:
    """A connection and the person: the record there and how it came to be linked, or why there is none."""

    connection_id: str
    external_id: str | None
    since: datetime | None
    #: The journal row that made the link: created here, created there, or found on both sides.
    made_by: JournalRow | None
    #: The journal row by which an earlier link ended.
    ended_by: JournalRow | None
    #: The last thing that a run set aside for this person there, if nothing was done since.
    last_word: JournalRow | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactTold:
    """One contact. `status`: `live`, `deleted`, or `gone` where the row itself is not there any more."""

    contact_id: str
    status: str
    contact: ContactRow | None
    fields: tuple[FieldTold, ...]
    places: tuple[PlaceTold, ...]
    waiting: tuple[WaitingRow, ...]
    conflicts: tuple[ConflictTold, ...]
    changes: tuple[JournalRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayTold:
    """A record at a provider with the e-mail that was asked for, which belongs to no contact, and why."""

    connection_id: str
    external_id: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonTold:
    """Everybody who has or had an address, the records there that are nobody's, and the address itself."""

    contacts: tuple[ContactTold, ...]
    strays: tuple[StrayTold, ...]
    places: Mapping[str, PlaceRow]
    suppressions: Sequence[Mapping[str, Any]]
    decisions: Sequence[Mapping[str, Any]]
    pitches: Sequence[Mapping[str, Any]]
    replies: Sequence[Mapping[str, Any]]


def tell_person(rows: PersonRows, contact_ids: Sequence[str], directions: Mapping[str, Direction]) -> PersonTold:
    """`directions`: where contacts may go at all, by provider."""
    places = {place.connection_id: place for place in rows.places}
    known = {row.contact_id: row for row in rows.contacts}
    # The living first, as they were read; then those of whom only the journal knows.
    ids = [*known, *(each for each in contact_ids if each not in known)]
    return PersonTold(
        contacts=tuple(_tell_contact(each, known.get(each), rows, places, directions) for each in ids),
        strays=_strays(rows),
        places=places,
        suppressions=rows.suppressions,
        decisions=rows.decisions,
        pitches=rows.pitches,
        replies=rows.replies,
    )


def _tell_contact(
    contact_id: str,
    contact: ContactRow | None,
    rows: PersonRows,
    places: Mapping[str, PlaceRow],
    directions: Mapping[str, Direction],
) -> ContactTold:
    links = [link for link in rows.links if link.contact_id == contact_id]
    records = {(link.connection_id, link.external_id) for link in links}
    journal = [row for row in rows.journal if row.contact_id == contact_id or _is_of_record(row, records)]
    own = [row for row in rows.waiting if row.contact_id == contact_id or _is_of_record(row, records)]
    of_all = [row for row in rows.waiting if row.contact_id is None and row.external_id is None]
    status = "gone" if contact is None else "live" if contact.deleted_at is None else "deleted"
    return ContactTold(
        contact_id=contact_id,
        status=status,
        contact=contact,
        fields=tell_fields(contact, links, journal, [*own, *of_all], places),
        places=tuple(
            _tell_place(place, links, journal, [*own, *of_all], (status, directions)) for place in places.values()
        ),
        waiting=tuple(own),
        conflicts=_conflicts(journal, own),
        changes=tuple(journal),
    )


def _is_of_record(row: JournalRow | WaitingRow, records: set[tuple[str, str]]) -> bool:
    return row.contact_id is None and (row.connection_id, row.external_id or "") in records


def _tell_place(
    place: PlaceRow,
    links: Sequence[HeldLink],
    journal: Sequence[JournalRow],
    waiting: Sequence[WaitingRow],
    state: tuple[str, Mapping[str, Direction]],
) -> PlaceTold:
    mine = [row for row in journal if row.connection_id == place.connection_id]
    open_here = [row for row in waiting if row.connection_id == place.connection_id]
    link = next((link for link in links if link.connection_id == place.connection_id), None)
    done = [row for row in mine if row.state in _RESOLVED]
    made = [
        row for row in done if row.kind in ("create", "link") and (link is None or row.external_id == link.external_id)
    ]
    ended = [row for row in done if row.kind in ("delete", "unlink")]
    return PlaceTold(
        connection_id=place.connection_id,
        external_id=link.external_id if link else None,
        since=link.created_at if link else None,
        made_by=made[-1] if link and made else None,
        ended_by=ended[-1] if ended and link is None else None,
        last_word=mine[-1] if link is None and mine and mine[-1].state in _SET_ASIDE and not open_here else None,
        reasons=_stopped(open_here) + (() if link else _why_not(place, bool(mine), open_here, state)),
    )


def _stopped(waiting: Sequence[WaitingRow]) -> tuple[str, ...]:
    """What waits for everybody of the connection."""
    of_all = [row for row in waiting if row.contact_id is None and row.external_id is None]
    return tuple(
        f"{row.field_name or 'everything'} is stopped: {row.reason or 'no reason on record'}" for row in of_all
    )


def _why_not(
    place: PlaceRow, has_history: bool, waiting: Sequence[WaitingRow], state: tuple[str, Mapping[str, Direction]]
) -> tuple[str, ...]:
    """Why there is no record of somebody, besides what the agenda and the journal say themselves."""
    status, directions = state
    if not directions.get(place.integration_type, Direction.BIDIRECTIONAL).allows(Side.REMOTE):
        return ("contacts are only ever taken from there",)
    if status != "live":
        return ("the contact is deleted here",) if status == "deleted" else ("the contact's row is gone here",)
    if stopped := not_syncing(place):
        return (f"{stopped}: {place.error_message}" if place.error_message else stopped,)
    if any(row.contact_id or row.external_id for row in waiting):
        return ("see what waits",)
    if place.last_sync_at is None:
        return ("nothing was synced yet",)
    return () if has_history else ("waits for the next sync",)


def _conflicts(journal: Sequence[JournalRow], waiting: Sequence[WaitingRow]) -> tuple[ConflictTold, ...]:
    """Open ones first, then those that were decided, the latest first."""
    asked = [row for row in waiting if row.kind == "conflict"]
    decided = [row for row in journal if row.conflict and row.state in _RESOLVED]
    of_rows = [each for row in reversed(decided) for each in _of_journal(row)]
    return tuple([_of_agenda(row) for row in asked] + of_rows)


def _of_agenda(row: WaitingRow) -> ConflictTold:
    values = row.fields
    is_side = row.decision in ("local", "remote")
    return ConflictTold(
        connection_id=row.connection_id,
        field_name=row.field_name or "presence",
        base=_text(values.get("base")),
        local=_text(values.get("local")),
        remote=_text(values.get("remote")),
        winner=row.decision if is_side else None,
        policy="manual" if row.decision is None else f"decided by {row.decided_by or 'a person'}",
        is_open=row.decision is None,
        since=row.created_at,
        run_id=None,
        local_at=values.get("local_at"),
        remote_at=values.get("remote_at"),
    )


def _of_journal(row: JournalRow) -> list[ConflictTold]:
    conflict: Mapping[str, Any] = row.conflict or {}
    return [
        ConflictTold(
            connection_id=row.connection_id,
            field_name=name,
            base=_text(values.get("base")),
            local=_text(values.get("local")),
            remote=_text(values.get("remote")),
            winner=conflict.get("winner"),
            policy=str(conflict.get("policy", "")),
            is_open=False,
            since=row.updated_at,
            run_id=row.run_id,
            local_at=conflict.get("local_at"),
            remote_at=conflict.get("remote_at"),
        )
        for name, values in conflict.get("fields", {}).items()
    ]


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _strays(rows: PersonRows) -> tuple[StrayTold, ...]:
    """Records that belong to nobody here: what the agenda says of them, else the journal's last word."""
    own = {(link.connection_id, link.external_id) for link in rows.links}
    told: dict[tuple[str, str], StrayTold] = {}
    for row in rows.journal:
        place = (row.connection_id, row.external_id or "")
        if row.contact_id or not row.external_id or place in own or place in rows.linked_elsewhere:
            continue
        told.pop(place, None)
        if row.state in _SET_ASIDE:
            told[place] = _stray(row)
    for waiting in rows.waiting:
        if waiting.contact_id is None and waiting.external_id:
            place = (waiting.connection_id, waiting.external_id)
            if place not in own:
                told[place] = _stray(waiting)
    return tuple(told.values())


def _stray(row: JournalRow | WaitingRow) -> StrayTold:
    return StrayTold(
        connection_id=row.connection_id,
        external_id=row.external_id or "",
        reason=row.reason or "",
        since=row.created_at,
    )
