"""What of a run can be taken back, and what is left as it is. Pure.

Belongs here: that decision, from the journal's rows of the run and how things are now. Does not: carrying it out
(`undo`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from integrations_pipeline.engine.canonical import is_same
from integrations_pipeline.model import CONSENT_OUT, ChangeKind, FieldKind, MappedField, Side
from integrations_pipeline.store.undoing import AppliedRow

EDITED = "edited here since"
EDITED_THERE = "edited at the provider since"
GONE = "deleted since"
NOT_RAISED = "consent is never raised: only the person can take an opt-out back"
MET = "the two sides met in this run: what one of them had of it, the other has now"
MERGED = "both sides had changed it before the run, and hold the merged value"
TAKEN = "another contact has this e-mail now"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What is not put back, and why. `field` "": the whole contact."""

    contact_id: str | None
    field: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Somebody whom the run made on one side. Without a record (whom an undo brought back) it is about both sides."""

    side: Side
    external_id: str | None
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How things are now: contacts' fields and versions, who is deleted (and whether the row is there), the records'
    fields. `met`: contacts that the run linked with a record that was there: nothing had been agreed of them."""

    here: Mapping[str, Mapping[str, str]]
    deleted: Mapping[str, bool]
    there: Mapping[str, Mapping[str, str]]
    met: Collection[str] = ()


@dataclass(slots=True, kw_only=True)
class Undo:
    """What is to be done. `values`: per contact the fields to put back; `restored`: deleted contacts that come back,
    with the fields known of them; `made`: contacts to be held for deletion. `rows`: the journal's
    rows that are undone by that, each with its contact."""

    values: dict[str, dict[str, str]] = field(default_factory=dict)
    restored: dict[str, Mapping[str, str]] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    rows: dict[UUID, str] = field(default_factory=dict)

    def leave(self, contact_id: str | None, name: str, reason: str) -> None:
        self.left_out.append(LeftOut(contact_id=contact_id, field=name, reason=reason))


def decide(rows: Sequence[AppliedRow], state: State, mapping: Iterable[MappedField]) -> Undo:
    """What of a run's changes can be put back. Pure."""
    kinds = {mapped.name: mapped.kind for mapped in mapping}
    undo = Undo()
    by_contact: dict[str, list[AppliedRow]] = {}
    for row in rows:
        by_contact.setdefault(row.contact_id, []).append(row)
    for mine in by_contact.values():
        by_kind = {row.kind: row for row in mine}
        if ChangeKind.DELETE in by_kind:
            _decide_deleted(undo, by_kind[ChangeKind.DELETE], state)
        elif ChangeKind.CREATE in by_kind:
            _decide_made(undo, by_kind[ChangeKind.CREATE], state, kinds)
        else:
            _decide_updated(undo, mine, state, kinds)
    return undo


def _decide_deleted(undo: Undo, row: AppliedRow, state: State) -> None:
    if row.contact_id in state.deleted:
        # A row that is there says it best; what is put together from the journal raises no consent.
        known = {
            name: value
            for name, value in row.before.items()
            if (value and name != "email_opt_out") or value == CONSENT_OUT
        }
        undo.restored[row.contact_id] = {} if state.deleted[row.contact_id] else known
        undo.rows[row.id] = row.contact_id
    else:
        undo.leave(row.contact_id, "", "is there again already")


def _decide_made(undo: Undo, row: AppliedRow, state: State, kinds: Mapping[str, FieldKind]) -> None:
    if row.contact_id in state.deleted:
        undo.leave(row.contact_id, "", GONE)
        return
    here = state.here.get(row.contact_id, {})
    if any(not _same(here.get(name, ""), value, kinds.get(name)) for name, value in row.after.items()):
        undo.leave(row.contact_id, "", EDITED)
        return
    undo.made[row.contact_id] = Made(side=row.side, external_id=row.external_id, fields=row.after)
    undo.rows[row.id] = row.contact_id


def _decide_updated(undo: Undo, rows: Sequence[AppliedRow], state: State, kinds: Mapping[str, FieldKind]) -> None:
    contact_id = rows[0].contact_id
    names = dict.fromkeys(name for row in rows for name in row.after)
    if contact_id in state.deleted:
        for name in names:
            undo.leave(contact_id, name, GONE)
        return
    kept: set[str] = set()
    for name in names:
        writes = [row for row in rows if name in row.after]
        reason = _obstacle(name, writes, state, kinds.get(name))
        if reason:
            undo.leave(contact_id, name, reason)
            kept.add(name)
        else:
            undo.values.setdefault(contact_id, {})[name] = writes[0].before.get(name, "")
    for row in rows:
        if not kept & row.after.keys():
            undo.rows[row.id] = contact_id


def _obstacle(name: str, writes: Sequence[AppliedRow], state: State, kind: FieldKind | None) -> str:
    first, last = writes[0], writes[-1]
    if last.contact_id in state.met and not first.base.get(name):
        return MET
    if len({row.before.get(name, "") for row in writes}) > 1:
        return MERGED
    if kind is FieldKind.CONSENT and first.before.get(name, "") != CONSENT_OUT:
        return NOT_RAISED
    if not _same(state.here.get(last.contact_id, {}).get(name, ""), last.after[name], kind):
        return EDITED
    record = state.there.get(last.external_id or "")
    if record is not None and name in record and not _same(record[name], last.after[name], kind):
        return EDITED_THERE
    return ""


def _same(left: str, right: str, kind: FieldKind | None) -> bool:
    return is_same(left, right, kind or FieldKind.TEXT)
