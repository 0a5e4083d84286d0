"""Both sides in full, pair by pair: equal, waiting for the next sync, or differing with nothing that would repair it.

Belongs here: the comparison, which is pure. Does not: reading the sides (`certify`), values of fields (`values`).

"Waiting" means that the next sync knows: the journal or the agenda has it, the contact's version is not the link's, the
provider's changes since the cursor tell it, or it is the daily full read's to find. Whatever else differs is a fault.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations_pipeline.model import FieldKind, FieldRule, Side
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.store.verification import ContactState, LinkState, LocalState, Marks, Wait
from integrations_pipeline.verify.values import email_key, is_out, is_same

#: Why something waits, in words; `Certificate.waiting_by` counts by these names.
WAITING: Mapping[str, str] = {
    "edited_meanwhile": "edited or synced while both sides were read",
    "held": "held until a person decides",
    "conflict": "an open conflict",
    "failed": "failed or refused; the next sync knows",
    "ambiguous": "set aside as ambiguous",
    "skipped": "left out, with a reason in the journal",
    "at_work": "planned by a run that is at work or died",
    "settling": "being edited",
    "read_again": "to be read again by the next sync",
    "stopped_field": "a stopped field",
    "edited_here": "edited here, not synced yet",
    "edited_there": "edited at the provider, not synced yet",
    "new_here": "new here, not synced yet",
    "new_there": "new at the provider, not synced yet",
    "deleted_here": "deleted here, not synced yet",
    "deleted_there": "deleted at the provider, not synced yet",
    "just_written": "written a moment ago: a read may not show it",
    "next_full_read": "left to the next full read",
    "one_way": "not taken over: the field or the provider goes one way",
}
#: A clock may have been put right by so much between an edit and a run; what was overlooked is soon older than that.
CLOCKS_APART = timedelta(minutes=10)
FIELD = "the sides differ, and nothing says that a sync repairs it"
NO_RECORD = "the contact has no record at the provider, and nothing holds it back"
NO_CONTACT = "the record has no contact here, and nothing holds it back"
SECOND = "a second record of a contact that is linked to another"
RECORD_GONE = "the linked record is gone, and no delete waits"
CONTACT_GONE = "the linked contact is gone, and no delete waits"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What the provider would tell the next sync. `fields`: by record, None for all of them. `tells_deletes`: it would
    also tell what is gone. `is_everything`: the next sync is told every record that there is. `is_anew`: it compares
    them all with their contacts besides, whether they changed or not."""

    fields: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    tells_deletes: bool = True
    is_everything: bool = False
    is_anew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """What is compared. `before` was read before the provider's records, `after` behind them; `waits` besides those of
    `after`. `silent`: fields without a column. `writable`: the sides that a sync may write at all."""

    before: Marks
    after: LocalState
    records: Mapping[str, RemoteRecord]
    news: News
    rules: Sequence[FieldRule]
    waits: Sequence[Wait] = ()
    silent: frozenset[str] = frozenset()
    writable: frozenset[Side] = frozenset(Side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that differs, or with `field` None a whole contact or record; ids, never values."""

    contact_id: str | None
    external_id: str | None
    field: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Counts of pairs and of records and contacts without one: each is equal, waiting or differing."""

    compared: int
    equal: int
    waiting: int
    waiting_by: Mapping[str, int]
    differing: tuple[Difference, ...]

    @property
    def differing_count(self) -> int:
        return self.compared - self.equal - self.waiting

    def to_dict(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        return {
            "compared": self.compared,
            "equal": self.equal,
            "waiting": self.waiting,
            "waiting_by": dict(self.waiting_by),
            "differing": [asdict(each) for each in self.differing],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """What one pair, contact or record comes to: equal where it has neither."""

    waiting: str = ""
    differing: tuple[Difference, ...] = ()


def compare(sides: Sides) -> Certificate:
    """The certificate of these two sides."""
    judge = _Judge(sides)
    units = [*_linked(judge), *_only_here(judge), *_only_there(judge)]
    differing = [each for unit in units for each in unit.differing]
    waiting = Counter(unit.waiting for unit in units if unit.waiting and not unit.differing)
    return Certificate(
        compared=len(units),
        equal=sum(not unit.waiting and not unit.differing for unit in units),
        waiting=waiting.total(),
        waiting_by={name: waiting[name] for name in WAITING if waiting[name]},
        differing=tuple(sorted(differing, key=lambda each: [each.contact_id or "", each.external_id or ""])),
    )


class _Judge:
    """Looks up why something may differ."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.here = sides.after
        self._moved = _moved(sides.before, sides.after)
        waits = [*sides.after.waits, *sides.waits]
        self._waits: dict[str, list[Wait]] = {}
        for wait in waits:
            for key in {wait.contact_id, wait.external_id} - {None}:
                self._waits.setdefault(str(key), []).append(wait)
        self._stopped = sides.silent | {
            name for wait in waits if wait.why == "stopped_field" for name in wait.fields or ()
        }
        self.is_anew = sides.news.is_anew or any(wait.why == "everything" for wait in waits)
        self.is_everything = sides.news.is_everything or self.is_anew

    def known(self, *keys: str, name: str | None = None) -> str:
        """What is on record of a contact or record, or of its field: the name of a reason, or ""."""
        if not self._moved.isdisjoint(keys):
            return "edited_meanwhile"
        found = (wait for key in keys for wait in self._waits.get(key, ()))
        return next((wait.why for wait in found if name is None or wait.fields is None or name in wait.fields), "")

    def of_field(self, rule: FieldRule, ids: tuple[str, str], here: ContactState, there: RemoteRecord) -> str:
        """Why this field of a pair may differ, or ""."""
        link, told = self.here.links[ids[0]], self._told(ids[1])
        # Who is told a record with the values of before sees no edit in it.
        is_edited = not is_same(rule.kind, there.fields[rule.name], link.base.get(rule.name))
        reasons = {
            "stopped_field": rule.name in self._stopped,
            "edited_here": here.version != link.contact_version,
            "next_full_read": self.is_anew,
            "edited_there": is_edited and (told is None or rule.name in told),
            "just_written": ids[1] in self.here.just_written,
            "one_way": self._is_one_way(rule, link, here, there),
        }
        return self.known(*ids, name=rule.name) or _first(reasons)

    def _told(self, external_id: str) -> frozenset[str] | None:
        """The fields of a record that the next sync is told; None for all of them."""
        return None if self.is_everything else self.sides.news.fields.get(external_id, frozenset())

    def of_lost_record(self, contact_id: str, external_id: str) -> str:
        """Why the record of a link may be gone while its contact is there, or ""."""
        news = self.sides.news
        reasons = {
            "deleted_there": external_id in news.gone,
            "edited_here": self.here.contacts[contact_id].version != self.here.links[contact_id].contact_version,
            "just_written": external_id in self.here.just_written,
            "next_full_read": self.is_everything or not news.tells_deletes,
            "one_way": Side.LOCAL not in self.sides.writable,
        }
        return self.known(contact_id, external_id) or _first(reasons)

    def of_lost_contact(self, contact_id: str, external_id: str) -> str:
        """Why the contact of a link may be gone while its record is there, or ""."""
        reasons = {
            "deleted_here": self._is_unseen(self.here.removed_at.get(contact_id)),
            "just_written": external_id in self.here.just_written,
            "one_way": Side.REMOTE not in self.sides.writable,
        }
        return self.known(contact_id, external_id) or _first(reasons)

    def of_contact(self, contact_id: str) -> str:
        """Why a contact may have no link: every run looks at those."""
        is_new = self._is_unseen(self.here.contacts[contact_id].touched_at)
        return self.known(contact_id) or ("new_here" if is_new else "")

    def of_record(self, external_id: str) -> str:
        """Why a record may have no link."""
        reasons = {
            "new_there": external_id in self.sides.news.fields,
            "deleted_there": external_id in self.sides.news.gone,
            "just_written": external_id in self.here.just_written,
            "next_full_read": self.is_everything,
        }
        return self.known(external_id) or _first(reasons)

    def _is_unseen(self, at: datetime | None) -> bool:
        """Whether no run has looked at every contact since then."""
        looked_at = self.here.looked_at
        return looked_at is None or (at is not None and at >= looked_at - CLOCKS_APART)

    def _is_one_way(self, rule: FieldRule, link: LinkState, here: ContactState, there: RemoteRecord) -> bool:
        """Whether what would make both the same is a write that the mapping or the provider does not allow."""
        mine, theirs, base = here.values.get(rule.name), there.fields[rule.name], link.base.get(rule.name)
        goes = {side for side in self.sides.writable if rule.writes(side)}
        if rule.kind is FieldKind.CONSENT:
            return (Side.REMOTE if is_out(mine) else Side.LOCAL) not in goes
        if is_same(rule.kind, mine, base):
            return Side.LOCAL not in goes
        return is_same(rule.kind, theirs, base) and Side.REMOTE not in goes


def _first(reasons: Mapping[str, bool]) -> str:
    return next((name for name, holds in reasons.items() if holds), "")


def _moved(before: Marks, after: LocalState) -> set[str]:
    """Contacts and records, by id, that were edited, linked, written or unlinked between two reads."""
    versions = {key: each.version for key, each in after.contacts.items()}
    moved = {key for key, _ in before.versions.items() ^ versions.items()}
    for contact_id in before.links.keys() | after.links.keys():
        links = [found.links.get(contact_id) for found in (before, after)]
        if links[0] != links[1]:
            moved |= {contact_id, *(link.external_id for link in links if link)}
    return moved


def _linked(judge: _Judge) -> Iterator[_Unit]:
    for contact_id, link in judge.here.links.items():
        here, there = judge.here.contacts.get(contact_id), judge.sides.records.get(link.external_id)
        if here is not None and there is not None:
            yield _pair(judge, (contact_id, link.external_id), here, there)
        elif here is not None:
            why = judge.of_lost_record(contact_id, link.external_id)
            yield _unit(why, contact_id, link.external_id, RECORD_GONE)
        elif there is not None:
            why = judge.of_lost_contact(contact_id, link.external_id)
            yield _unit(why, contact_id, link.external_id, CONTACT_GONE)
        else:
            # Gone on both sides: they agree, and a sync drops the link.
            yield _Unit()


def _pair(judge: _Judge, ids: tuple[str, str], here: ContactState, there: RemoteRecord) -> _Unit:
    waiting, differing = "", []
    for rule in judge.sides.rules:
        # A field that the answer does not tell shows nothing.
        if rule.name not in there.fields or is_same(rule.kind, here.values.get(rule.name), there.fields[rule.name]):
            continue
        why = judge.of_field(rule, ids, here, there)
        waiting = waiting or why
        if not why:
            differing.append(Difference(contact_id=ids[0], external_id=ids[1], field=rule.name, reason=FIELD))
    return _Unit(waiting=waiting, differing=tuple(differing))


def _only_here(judge: _Judge) -> Iterator[_Unit]:
    if Side.REMOTE in judge.sides.writable:
        for contact_id in judge.here.contacts.keys() - judge.here.links.keys():
            yield _unit(judge.of_contact(contact_id), contact_id, None, NO_RECORD)


def _only_there(judge: _Judge) -> Iterator[_Unit]:
    if Side.LOCAL not in judge.sides.writable:
        return
    linked = {link.external_id for link in judge.here.links.values()}
    emails = {key: contact_id for contact_id in judge.here.links if (key := _email_here(judge, contact_id))}
    for external_id, record in judge.sides.records.items():
        if external_id not in linked:
            owner = (
                record.contact_key if record.contact_key in judge.here.links else emails.get(_email_of(judge, record))
            )
            reason = SECOND if owner else NO_CONTACT
            yield _unit(judge.of_record(external_id), owner, external_id, reason)


def _email_here(judge: _Judge, contact_id: str) -> str:
    contact = judge.here.contacts.get(contact_id)
    return email_key(contact.values.get("email")) if contact else ""


def _email_of(judge: _Judge, record: RemoteRecord) -> str:
    name = next((rule.name for rule in judge.sides.rules if rule.kind is FieldKind.EMAIL), "")
    return email_key(record.fields.get(name))


def _unit(waiting: str, contact_id: str | None, external_id: str | None, reason: str) -> _Unit:
    if waiting:
        return _Unit(waiting=waiting)
    return _Unit(differing=(Difference(contact_id=contact_id, external_id=external_id, field=None, reason=reason),))
