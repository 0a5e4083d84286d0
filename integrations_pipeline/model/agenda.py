"""What waits for the next run, or for a person: the agenda, and the checkpoint that stands beside it.

Belongs here: both as frozen values, and what a run asks of them. Does not: how they are stored (`store.agenda`).
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from integrations_pipeline.model.change import Change, ChangeKind
from integrations_pipeline.model.contact import Side


class AgendaKind(StrEnum):
    """Why something waits. `held_*`, `conflict`: for a person. `ambiguous`, `skipped`: for an edit on either side."""

    RETRY = "retry"  # a record or contact that the next run looks at again, or, without an id, everything
    HELD_DELETE = "held_delete"
    HELD_CLEAR = "held_clear"
    HELD_EMAIL = "held_email"
    HELD_CREATE = "held_create"
    HELD_PLACE = "held_place"
    CONFLICT = "conflict"
    AMBIGUOUS = "ambiguous"
    SKIPPED = "skipped"
    FAILED = "failed"  # tried again by every run
    REFUSED = "refused"  # for good: tried again when it changes
    STOPPED_FIELD = "stopped_field"


class Decision(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"
    LOCAL = "local"
    REMOTE = "remote"
    VALUE = "value"


#: What a conflict is about; its times and a person's answer stand beside it.
_ASKED = ("base", "local", "remote")
#: The `field` of a held delete that no run found: a person's undo asks for it, and it waits until it is decided. With a
#: record it concerns its own side alone, and whoever is there stays on the other; without one it concerns both.
ORDERED = "undo"
#: Reasons of retries: somebody is editing it; everything is to be read.
SETTLING = "settling"
EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaItem:
    """One thing that waits. `change`, `before`, `after`, `base`: as in the `Change` that is held or failed; its row of
    the journal is `change_id`. `values`: of a conflict, the `base`, `local` and `remote` value of its `field`; once
    decided by hand, `value`. `created_at` None: since now.
    """

    kind: AgendaKind
    side: Side | None = None
    contact_id: str | None = None
    external_id: str | None = None
    field: str | None = None
    change: ChangeKind | None = None
    change_id: UUID | None = None
    before: Mapping[str, str] = dataclasses.field(default_factory=dict)
    after: Mapping[str, str] = dataclasses.field(default_factory=dict)
    base: Mapping[str, str] = dataclasses.field(default_factory=dict)
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    reason: str = ""
    created_at: datetime | None = None
    decision: Decision | None = None
    id: UUID = dataclasses.field(default_factory=uuid4, compare=False)

    @classmethod
    def of_change(cls, kind: AgendaKind, change: Change, reason: str = "") -> "AgendaItem":
        """A change that is not made, or was not."""
        return cls(
            id=change.id,
            kind=kind,
            side=change.side,
            contact_id=change.contact_id,
            external_id=change.external_id,
            change=change.kind,
            change_id=change.id,
            before=change.before,
            after=change.after,
            base=change.base,
            reason=reason or change.reason,
        )

    @classmethod
    def of_conflict(cls, change: Change) -> "list[AgendaItem]":
        """One question per field of an open conflict."""
        conflict = change.conflict
        if conflict is None:
            return []
        item = replace(cls.of_change(AgendaKind.CONFLICT, change), before={}, after={}, base={})
        times = {"local_at": conflict.local_at, "remote_at": conflict.remote_at}
        told = {name: at.isoformat() for name, at in times.items() if at}
        return [
            replace(item, id=uuid4(), field=name, values={**values, **told})
            for name, values in sorted(conflict.fields.items())
        ]

    @property
    def question(self) -> tuple[object, ...]:
        """What makes two items the same: one that is found again is not asked anew. The reason of a hold may tell
        numbers that move."""
        asked = {name: value for name, value in self.values.items() if name in _ASKED}
        values = tuple(tuple(sorted(told.items())) for told in (self.after, asked))
        reason = "" if self.kind.value.startswith("held_") else self.reason
        return (self.kind, self.side, self.contact_id, self.external_id, self.field, self.change, *values, reason)

    @property
    def write_key(self) -> tuple[object, ...]:
        """`Change.write_key` of the change that is held or failed."""
        fields = (tuple(sorted(part.items())) for part in (self.before, self.after))
        return (self.side, self.change, self.contact_id, self.external_id, *fields)

    @property
    def is_held_delete(self) -> bool:
        return self.kind is AgendaKind.HELD_DELETE and self.contact_id is not None

    @property
    def is_unwanted(self) -> bool:
        """Whether a person said that nobody is to be made of this."""
        return self.kind is AgendaKind.HELD_CREATE and self.decision is Decision.REJECTED

    @property
    def is_one_sided(self) -> bool:
        """Whether it is the delete, on its side alone, of somebody whom an undone run made there."""
        return self.is_held_delete and self.field == ORDERED and self.external_id is not None


@dataclass(frozen=True)
class Agenda:
    """What waits for one connection, as a run found it when it had the lock."""

    items: tuple[AgendaItem, ...] = ()

    def of(self, *kinds: AgendaKind) -> list[AgendaItem]:
        return [item for item in self.items if item.kind in kinds]

    @cached_property
    def retry(self) -> frozenset[str]:
        """Records, by id, to read again: those whose change is not done, or waits."""
        return frozenset(item.external_id for item in self.of(AgendaKind.RETRY) if item.external_id)

    @cached_property
    def settling(self) -> dict[str, datetime]:
        """Contacts and records that were being edited, by id, since when."""
        return {
            key: item.created_at
            for item in self.of(AgendaKind.RETRY)
            if item.reason == SETTLING and item.created_at and (key := item.contact_id or item.external_id)
        }

    @property
    def is_full_wanted(self) -> bool:
        return any(item.reason == EVERYTHING for item in self.of(AgendaKind.RETRY))

    @property
    def stopped(self) -> list[str]:
        return sorted(item.field for item in self.of(AgendaKind.STOPPED_FIELD) if item.field)

    @property
    def approved_deletes(self) -> frozenset[tuple[Side, str]]:
        """(side, contact id) of held deletes that a person approved."""
        return frozenset(_keys([*self._deletes(Decision.APPROVED), *self._one_sided()]))

    @property
    def one_sided_deletes(self) -> dict[str, Side]:
        """Contacts that a person wants to be gone on one side alone, as they were before an undone run."""
        return {contact_id: side for side, contact_id in _keys(self._one_sided())}

    @property
    def not_made_again(self) -> set[tuple[Side | None, str | None]]:
        """(side, contact or record) of `one_sided_deletes`: the other side does not bring them back there."""
        return {
            (each.side, each.contact_id if each.side is Side.REMOTE else each.external_id) for each in self._one_sided()
        }

    @property
    def held_deletes(self) -> dict[tuple[Side, str], str]:
        """(side, contact id) → why: they stay held until a person decides or the record is there again, also when
        policy or budget would let them pass by now."""
        return {key: item.reason for item in self._deletes(None) for key in _keys([item])}

    @property
    def held_changes(self) -> dict[tuple[AgendaKind, Side, str, str], Decision | None]:
        """What guards hold, by kind, side, contact (or record) and field, with what a person said about it."""
        kinds = (AgendaKind.HELD_CLEAR, AgendaKind.HELD_EMAIL, AgendaKind.HELD_CREATE)
        return {key: item.decision for key, item in self._held(*kinds)}

    @property
    def held_emails(self) -> dict[tuple[AgendaKind, Side, str, str], str]:
        """The e-mails of `held_changes` that are asked about, by the same keys."""
        return {key: item.after.get(key[-1], "") for key, item in self._held(AgendaKind.HELD_EMAIL)}

    def _held(self, *kinds: AgendaKind) -> list[tuple[tuple[AgendaKind, Side, str, str], AgendaItem]]:
        return [
            ((item.kind, item.side, item.contact_id or item.external_id or "", item.field or ""), item)
            for item in self.of(*kinds)
            if item.side
        ]

    @property
    def answers(self) -> dict[tuple[str, str], AgendaItem]:
        """Decided conflicts, by contact and field."""
        return {
            (item.contact_id, item.field): item
            for item in self.of(AgendaKind.CONFLICT)
            if item.decision and item.contact_id and item.field
        }

    @property
    def missing_records(self) -> set[str]:
        """Remote records that were found deleted, and whose local delete waits for a person or a run."""
        items = (*self._deletes(None), *self._deletes(Decision.APPROVED))
        return {item.external_id for item in items if item.side is Side.LOCAL and item.external_id}

    @property
    def records_to_make_again(self) -> set[str]:
        """Remote records that were found deleted, and whose contact, edited since, is to be made there again once what
        it waits for is clear. Until then it is linked to what is not there."""
        items = self.of(AgendaKind.AMBIGUOUS, AgendaKind.SKIPPED, AgendaKind.HELD_CREATE)
        return {
            item.external_id
            for item in items
            if item.external_id and (item.change, item.side) == (ChangeKind.CREATE, Side.REMOTE)
        }

    @property
    def believed_gone(self) -> set[str]:
        """Remote records that a run took for deleted, and about which a person was asked, whatever the answer: that
        they are gone is not to be doubted anew."""
        rejected = self._deletes(Decision.REJECTED)
        return self.missing_records | {
            item.external_id for item in rejected if item.side is Side.LOCAL and item.external_id
        }

    @property
    def set_aside(self) -> dict[str, dict[str, str]]:
        """Fields, by record, of what an incremental read does not tell but a plan must see: records that were set aside
        or are not made here yet, and those of open conflicts and held fields (only these fields)."""
        found: dict[str, dict[str, str]] = {}
        for item in self.of(AgendaKind.AMBIGUOUS, AgendaKind.SKIPPED, AgendaKind.HELD_CREATE):
            is_new = (item.change, item.side) == (ChangeKind.CREATE, Side.LOCAL)
            if is_new and item.external_id and not item.is_unwanted:
                found[item.external_id] = dict(item.after)
        for item in self.of(AgendaKind.HELD_CLEAR, AgendaKind.HELD_EMAIL):
            if item.external_id:
                theirs = item.after if item.side is Side.LOCAL else item.before
                found.setdefault(item.external_id, {}).update(theirs)
        for item in self.of(AgendaKind.CONFLICT):
            if item.external_id and item.field:
                found.setdefault(item.external_id, {})[item.field] = item.values.get("remote", "")
        return found

    @property
    def unwanted_records(self) -> dict[str, dict[str, str]]:
        """Fields, by record, of people whom nobody wants here. They are nobody's news; a plan sees them where there is
        some, since they may be whom it is about."""
        return {item.external_id: dict(item.after) for item in self._unwanted() if item.external_id}

    @property
    def unwanted_contacts(self) -> set[str]:
        """Contacts whom nobody wants at the provider."""
        return {item.contact_id for item in self._unwanted() if item.contact_id}

    def _unwanted(self) -> list[AgendaItem]:
        """Without those who are still there, to be deleted by the next run."""
        going = self.not_made_again
        items = [item for item in self.of(AgendaKind.HELD_CREATE) if item.is_unwanted]
        return [item for item in items if (item.side, item.contact_id or item.external_id) not in going]

    def with_retry(self, external_ids: Iterable[str]) -> "Agenda":
        """The same with these records to read again, too."""
        new = [
            AgendaItem(kind=AgendaKind.RETRY, side=Side.REMOTE, external_id=key)
            for key in sorted(set(external_ids) - self.retry)
        ]
        return Agenda((*self.items, *new))

    def _deletes(self, decision: Decision | None) -> list[AgendaItem]:
        found = [item for item in self.items if item.is_held_delete and item.decision is decision]
        return [item for item in found if not item.is_one_sided]

    def _one_sided(self) -> list[AgendaItem]:
        return [item for item in self.items if item.is_one_sided and item.decision is Decision.APPROVED]


def _keys(items: Iterable[AgendaItem]) -> list[tuple[Side, str]]:
    return [(item.side, item.contact_id) for item in items if item.side and item.contact_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Up to where a connection is synced. `remote`: the provider's cursor; `configuration`: what was compared with what
    (`Run.configuration`); `columns`: the mapped columns as last seen, None if never; `silent`: fields that neither side
    gets, with the reason.
    """

    remote: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    configuration: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    columns: Mapping[str, Any] | None = None
    silent: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> "Checkpoint | None":
        """As `to_json` made it; None where nothing was ever synced."""
        if not stored:
            return None
        return cls(
            remote=stored.get("remote") or {},
            configuration=stored.get("configuration") or {},
            columns=stored.get("columns"),
            silent=stored.get("silent") or {},
        )

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"remote": dict(self.remote), "configuration": dict(self.configuration)}
        return told | ({} if self.columns is None else {"columns": dict(self.columns), "silent": dict(self.silent)})
