"""Who wrote each field of one contact, when and by which run: told from the journal.

Belongs here: the values of a field over time. Does not: everything else about a person (`person`), sentences
(`cli.explain`).

The journal holds what runs wrote. What the workspace's own people wrote shows in it as the value that a run found here:
it is an edit made here, at the latest when that run looked. A value that no run has met yet is the newest edit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integrations_pipeline.engine.canonical import is_same
from integrations_pipeline.model import MappedField, Side
from integrations_pipeline.store.history import ContactRow, HeldLink, JournalRow, PlaceRow, WaitingRow

_WRITES = ("create", "update")
#: An undone change was applied before it was undone.
_DONE = ("applied", "undone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One value that a field got here. `side`: LOCAL, an edit made here; REMOTE, what a run took from a provider.

    `is_exact`: `at` is when it was written; else it is the latest moment at which it can have been. `before`: None
    where nobody knows of a value before.
    """

    side: Side
    value: str = field(repr=False)
    before: str | None = field(repr=False)
    at: datetime
    is_exact: bool
    connection_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldThere:
    """A field on one connected side. `agreed`: what both sides last agreed on; `wait`: why the value from here is not
    there, or ""; `sent_at` and `sent_by`: when a run wrote the agreed value there, and which."""

    connection_id: str
    agreed: str = field(repr=False)
    is_same: bool
    wait: str = ""
    sent_at: datetime | None = None
    sent_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTold:
    """A field of one contact: its value here (None: the contact's row is gone), on every connected side that has it,
    and what it was over time, oldest first."""

    name: str
    value: str | None = field(repr=False)
    there: tuple[FieldThere, ...]
    written: tuple[Written, ...]

    @property
    def is_blank(self) -> bool:
        """Nothing to tell: empty everywhere, and never anything else."""
        return not (self.value or any(each.agreed for each in self.there) or self.written)


def tell_fields(
    contact: ContactRow | None,
    links: Sequence[HeldLink],
    journal: Sequence[JournalRow],
    waiting: Sequence[WaitingRow],
    places: Mapping[str, PlaceRow],
) -> tuple[FieldTold, ...]:
    """Every field of a contact; `links`, `journal` and `waiting` are its own rows."""
    rows = in_order(row for row in journal if row.state in _DONE and row.kind in _WRITES)
    named = [*(contact.fields if contact else ()), *(name for link in links for name in link.base)]
    names = dict.fromkeys([*named, *(name for row in rows for name in row.after)])
    return tuple(
        FieldTold(
            name=name,
            value=contact.fields.get(name, "") if contact else None,
            there=tuple(
                _there(name, contact, link, rows, _wait(name, waiting, places[link.connection_id]))
                for link in links
                if name in link.base and link.connection_id in places
            ),
            written=written_over_time(name, contact, rows),
        )
        for name in names
    )


def in_order(rows: Iterable[JournalRow]) -> list[JournalRow]:
    """Journal rows in the order in which they were carried out: run by run, in each first what was written here."""
    known = sorted(rows, key=lambda row: row.ordinal)
    first: dict[str, int] = {}
    for row in known:
        first.setdefault(row.run_id or row.id, row.ordinal)
    return sorted(known, key=lambda row: (first[row.run_id or row.id], row.side != Side.LOCAL.value, row.ordinal))


def written_over_time(name: str, contact: ContactRow | None, rows: Sequence[JournalRow]) -> tuple[Written, ...]:
    """The values of one field here, oldest first; `rows` are `in_order`."""
    told: list[Written] = []
    of_field = [row for row in rows if name in row.after]
    if contact is not None and contact.version == 1 and not any(row.side == Side.LOCAL.value for row in of_field):
        of_field = []  # never changed since somebody made it here
    for row in of_field:
        is_local = row.side == Side.LOCAL.value
        # What the run found here: what it wrote over, or what it sent out.
        found = row.before.get(name, "") if is_local else row.after[name]
        if found or told:
            _note_edit(told, name, found, row.created_at)
        if is_local and not (told and _is_same(name, told[-1].value, row.after[name])):
            told.append(
                Written(
                    side=Side.REMOTE,
                    value=row.after[name],
                    before=told[-1].value if told else row.before.get(name),
                    at=row.updated_at,
                    is_exact=True,
                    connection_id=row.connection_id,
                    run_id=row.run_id,
                )
            )
    if contact is not None:
        _note_last(told, name, contact)
    return tuple(told)


def _note_edit(told: list[Written], name: str, value: str, at: datetime, *, is_exact: bool = False) -> None:
    """An edit made here, if this is another value than the last one known."""
    if told and _is_same(name, told[-1].value, value):
        return
    before = told[-1].value if told else None
    told.append(Written(side=Side.LOCAL, value=value, before=before, at=at, is_exact=is_exact))


def _note_last(told: list[Written], name: str, contact: ContactRow) -> None:
    value = contact.fields.get(name, "")
    if not told and not value:
        return
    is_first = contact.version == 1
    _note_edit(told, name, value, contact.created_at if is_first else contact.updated_at, is_exact=is_first)


def _there(name: str, contact: ContactRow | None, link: HeldLink, rows: Sequence[JournalRow], wait: str) -> FieldThere:
    agreed = link.base[name]
    is_in_step = contact is None or _is_same(name, contact.fields.get(name, ""), agreed)
    sent = _last_sent(name, agreed, link, rows)
    return FieldThere(
        connection_id=link.connection_id,
        agreed=agreed,
        is_same=is_in_step,
        wait="" if is_in_step else wait,
        sent_at=sent.updated_at if sent else None,
        sent_by=sent.run_id if sent else None,
    )


def _last_sent(name: str, agreed: str, link: HeldLink, rows: Sequence[JournalRow]) -> JournalRow | None:
    """The run's write that brought the agreed value there, unless the provider's own value came here after it."""
    of_field = [row for row in rows if row.connection_id == link.connection_id and name in row.after]
    if not of_field or of_field[-1].side == Side.LOCAL.value:
        return None
    return of_field[-1] if _is_same(name, of_field[-1].after[name], agreed) else None


def _wait(name: str, waiting: Sequence[WaitingRow], place: PlaceRow) -> str:
    """Why a value from here is not there yet."""
    if name in place.taken_only:
        return "its mapping only takes this field from there"
    mine = [row for row in waiting if row.connection_id == place.connection_id and _is_of_field(row, name)]
    if mine:
        return "see what waits"
    return not_syncing(place) or "waits for the next sync"


def _is_of_field(row: WaitingRow, name: str) -> bool:
    if row.field_name is not None:
        return row.field_name == name
    return name in (row.fields.get("after") or {}) or row.kind == "retry"


def not_syncing(place: PlaceRow) -> str:
    """Why a connection does not sync now, or ""."""
    if not place.sync_enabled or place.status == "paused":
        return "the connection is switched off"
    if place.status == "active":
        return ""
    return f"the connection is {'in error' if place.status == 'error' else place.status}"


def _is_same(name: str, left: str, right: str) -> bool:
    return is_same(left, right, MappedField(name=name, column=name).kind)
