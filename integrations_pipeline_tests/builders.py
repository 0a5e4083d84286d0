"""Contacts, snapshots and plans for tests of the engine, and two address books that a plan can be applied to.

`Books` does to dictionaries what a sync run does to the database and the provider: it keeps links, base and
versions, applies changes in the order of a run, and advances the base only by what was acknowledged.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.plan import plan_sync
from integrations_pipeline.engine.reader import World
from integrations_pipeline.model import (
    Change,
    ChangeKind,
    ChangeState,
    DeletePolicy,
    FieldKind,
    FieldRule,
    Outcome,
    Plan,
    Side,
    Snapshot,
    join_set,
)

Row = Mapping[str, str]

EMAIL = FieldRule(name="email", kind=FieldKind.EMAIL)
NAME = FieldRule(name="name")
COMPANY = FieldRule(name="company")
TAGS = FieldRule(name="tags", kind=FieldKind.SET)
OPT_OUT = FieldRule(name="email_opt_out", kind=FieldKind.CONSENT)
RULES = (EMAIL, NAME, COMPANY, TAGS, OPT_OUT)
NAMES = tuple(rule.name for rule in RULES)
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


def tags(*members: str) -> str:
    return join_set(members)


def one_way(rule: FieldRule, side: Side) -> FieldRule:
    """The rule, written to this side only."""
    return replace(rule, to_local=side is Side.LOCAL, to_remote=side is Side.REMOTE)


def permissive(**settings: Any) -> Policy:
    """A policy under which deletes propagate and no limit is in the way."""
    usual: dict[str, Any] = {
        "delete_policy": DeletePolicy.PROPAGATE,
        "delete_limit": 1000,
        "delete_limit_fraction": 1.0,
        "linked_count": 1000,
    }
    return Policy(**{**usual, **settings})


def text_frame(rows: Mapping[str, Row], names: Sequence[str], index_name: str) -> pd.DataFrame:
    """`str` columns; a field that a row lacks is null."""
    index = pd.Index(pd.array(list(rows), dtype="str"), name=index_name)
    columns = {name: pd.array([row.get(name) for row in rows.values()], dtype="str") for name in names}
    return pd.DataFrame(columns, index=index)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What was read of one side. If `is_complete`, a row that is not there does not exist; otherwise `tombstones` tell
    who does not."""

    side: Side
    frame: pd.DataFrame
    is_complete: bool = True
    tombstones: frozenset[str] = frozenset()

    def against(self, linked: Iterable[str]) -> Snapshot:
        """As the planner takes it, given whom it is linked to."""
        if not self.is_complete:
            return Snapshot(side=self.side, frame=self.frame, tombstones=self.tombstones)
        gone = frozenset(linked) - {*self.frame.index}
        return Snapshot(side=self.side, frame=self.frame, tombstones=gone, is_empty=self.frame.empty)


def world_of(*, local: View, remote: View, base: pd.DataFrame, **more: Any) -> World:
    """A world of what was read."""
    return World(local=local.against(base.index), remote=remote.against(base["external_id"]), base=base, **more)


def local_snapshot(
    rows: Mapping[str, Row],
    *,
    names: Sequence[str] = NAMES,
    versions: Mapping[str, int] | None = None,
    times: Mapping[str, datetime] | None = None,
    is_complete: bool = True,
    tombstones: Iterable[str] = (),
) -> View:
    """The workspace's contacts; every field a row does not name is empty, every version 1."""
    frame = text_frame(_filled(rows, names), names, "contact_id")
    frame["version"] = pd.array([(versions or {}).get(key, 1) for key in rows], dtype="int64")
    frame["updated_at"] = _moments(rows, times or {})
    return View(side=Side.LOCAL, frame=frame, is_complete=is_complete, tombstones=frozenset(tombstones))


def remote_snapshot(
    rows: Mapping[str, Row],
    *,
    names: Sequence[str] = NAMES,
    contact_keys: Mapping[str, str] | None = None,
    times: Mapping[str, datetime] | None = None,
    is_complete: bool = True,
    tombstones: Iterable[str] = (),
) -> View:
    """The provider's records; without `contact_keys` or `times` it has no such column."""
    frame = text_frame(_filled(rows, names), names, "external_id")
    if contact_keys is not None:
        frame["contact_key"] = pd.array([contact_keys.get(key, "") for key in rows], dtype="str")
    if times is not None:
        frame["modified_at"] = _moments(rows, times)
    return View(side=Side.REMOTE, frame=frame, is_complete=is_complete, tombstones=frozenset(tombstones))


def _moments(rows: Mapping[str, Row], times: Mapping[str, datetime]) -> pd.Series:
    known = [times.get(key, pd.NaT) for key in rows]
    return pd.Series(known, index=list(rows), dtype="datetime64[us, UTC]")


def _filled(rows: Mapping[str, Row], names: Sequence[str]) -> dict[str, Row]:
    return {key: {**dict.fromkeys(names, ""), **row} for key, row in rows.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One row of the base: what both sides last agreed."""

    external_id: str
    agreed: Row = field(default_factory=dict)
    version: int = 1


def base_frame(links: Mapping[str, Link], names: Sequence[str] = NAMES) -> pd.DataFrame:
    """The base as `diff_linked` wants it; a field that was never agreed is null."""
    frame = text_frame({key: link.agreed for key, link in links.items()}, names, "contact_id")
    frame["external_id"] = pd.array([link.external_id for link in links.values()], dtype="str")
    frame["contact_version"] = pd.array([link.version for link in links.values()], dtype="int64")
    return frame


def whole(row: Row) -> Row:
    """A row in which every field is told, as a base that both sides agreed on completely."""
    return {**{rule.name: "" for rule in RULES}, **row}


def plan_of(
    *,
    base: Mapping[str, Link] | None = None,
    local: Mapping[str, Row] | View | None = None,
    remote: Mapping[str, Row] | View | None = None,
    rules: Sequence[FieldRule] = RULES,
    policy: Policy | None = None,
) -> Plan:
    """Plan over complete snapshots of these rows; linked bases are filled up with empty fields."""
    names = tuple(rule.name for rule in rules)
    links = {key: replace(link, agreed=whole(link.agreed)) for key, link in (base or {}).items()}
    here = local if isinstance(local, View) else local_snapshot(local or {}, names=names)
    there = remote if isinstance(remote, View) else remote_snapshot(remote or {}, names=names)
    return plan_sync(
        world_of(
            local=here,
            remote=there,
            base=base_frame(links, names),
            rules=rules,
            policy=policy or permissive(),
        )
    )


def summary(changes: Iterable[Change]) -> list[tuple[str, str, str | None, str | None]]:
    """Side, kind and ids: what a change does to whom."""
    return [(change.side.value, change.kind.value, change.contact_id, change.external_id) for change in changes]


#: A second linked contact that nobody touches, so that no side is ever empty.
BYSTANDER = {"email": "bystander@example.org"}


def linked_pair(base: Row, local: Row | None, remote: Row | None, **settings: Any) -> Plan:
    """The plan for one linked contact, c1 and x1, beside a bystander; None where a side deleted it."""
    return plan_of(
        base={"c0": Link(external_id="x0", agreed=BYSTANDER), "c1": Link(external_id="x1", agreed=base)},
        local={"c0": BYSTANDER} | ({} if local is None else {"c1": local}),
        remote={"x0": BYSTANDER} | ({} if remote is None else {"x1": remote}),
        **settings,
    )


class Books:
    """A workspace and a provider in memory, with the links between them."""

    def __init__(self, *, keeps_deleted_rows: bool = False) -> None:
        """`keeps_deleted_rows`: a deleted contact keeps its fields, and comes back with them if restored."""
        self.local: dict[str, dict[str, str]] = {}
        self.remote: dict[str, dict[str, str]] = {}
        self.links: dict[str, Link] = {}
        self.versions: dict[str, int] = {}
        self.contact_keys: dict[str, str] = {}
        self.times: dict[Side, dict[str, datetime]] = {Side.LOCAL: {}, Side.REMOTE: {}}
        self.changed_remote: set[str] = set()
        self._keeps_deleted_rows = keeps_deleted_rows
        self._deleted_rows: dict[str, dict[str, str]] = {}
        self._count = 0

    def copy(self) -> "Books":
        return deepcopy(self)

    def link(self, contact_id: str, external_id: str, row: Row) -> None:
        """A contact that both sides hold and agree on."""
        self.put(Side.LOCAL, contact_id, row)
        self.put(Side.REMOTE, external_id, row)
        self.links[contact_id] = Link(external_id=external_id, agreed=whole(row), version=1)
        self.changed_remote.discard(external_id)

    def put(self, side: Side, key: str, row: Row) -> None:
        """Add a record, or edit the named fields of the one that is there."""
        book = self.book(side)
        if side is Side.LOCAL and key not in book and key in self._deleted_rows:
            book[key] = self._deleted_rows.pop(key)
        book[key] = {**whole(book.get(key, {})), **row}
        self._touch(side, key)

    def remove(self, side: Side, key: str) -> None:
        gone = self.book(side).pop(key)
        if side is Side.LOCAL and self._keeps_deleted_rows:
            self._deleted_rows[key] = gone
        self._touch(side, key)

    def book(self, side: Side) -> dict[str, dict[str, str]]:
        return self.local if side is Side.LOCAL else self.remote

    def _touch(self, side: Side, key: str) -> None:
        self._count += 1
        self.times[side][key] = EPOCH + timedelta(minutes=self._count)
        if side is Side.LOCAL:
            self.versions[key] = self.versions.get(key, 0) + 1
        else:
            self.changed_remote.add(key)

    def look_local(self, *, hidden: Collection[str] = ()) -> View:
        """Everything the workspace holds, but for rows a faulty read leaves out."""
        rows = {key: row for key, row in self.local.items() if key not in hidden}
        return local_snapshot(rows, versions=self.versions, times=self.times[Side.LOCAL])

    def look_remote(self, *, hidden: Collection[str] = ()) -> View:
        """Everything the provider holds, but for rows a faulty read leaves out."""
        rows = {key: row for key, row in self.remote.items() if key not in hidden}
        return remote_snapshot(rows, contact_keys=self.contact_keys, times=self.times[Side.REMOTE])

    def world(
        self,
        policy: Policy,
        *,
        local: View | None = None,
        remote: View | None = None,
        rules: Sequence[FieldRule] = RULES,
    ) -> World:
        return world_of(
            local=local or self.look_local(),
            remote=remote or self.look_remote(),
            base=base_frame(self.links),
            rules=rules,
            policy=replace(policy, linked_count=len(self.links)),
        )

    def plan(self, policy: Policy, **observed: Any) -> Plan:
        return plan_sync(self.world(policy, **observed))

    def run(self, policy: Policy, **observed: Any) -> Plan:
        """One quiet run: plan and apply."""
        plan = self.plan(policy, **observed)
        self.apply(plan)
        return plan

    def apply(self, plan: Plan, is_lost: Callable[[Change], bool] = lambda change: False) -> list[Outcome]:
        """Apply a plan; a change that `is_lost` never happens, as if the run had died or been refused."""
        ledger = _Ledger(self, plan)
        for kind in (ChangeKind.UNLINK, ChangeKind.LINK):
            for change in plan.changes:
                if change.kind is kind:
                    ledger.acknowledge(change, change.contact_id, change.external_id)
        for entry in plan.agreements:
            version = entry.version if entry.version >= 0 else None
            self.agree(entry.contact_id, entry.external_id, entry.agreed, version)
        order = (ChangeKind.DELETE, ChangeKind.UPDATE, ChangeKind.CREATE)
        writes = [change for change in plan.changes if change.kind in order]
        for change in sorted(writes, key=lambda change: (change.side, order.index(change.kind))):
            ledger.write(change, is_lost=is_lost(change))
        return ledger.outcomes

    def agree(self, contact_id: str, external_id: str, agreed: Row, version: int | None) -> None:
        """Make a link, or advance its base by these fields; version None leaves the known one."""
        known = self.links.get(contact_id, Link(external_id=external_id, version=-1))
        self.links[contact_id] = Link(
            external_id=external_id,
            agreed={**known.agreed, **agreed},
            version=known.version if version is None else version,
        )

    def new_id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}-made-{self._count}"


class _Ledger:
    """How far each contact of one plan has come: its link's version moves when nothing is left to sync."""

    def __init__(self, books: Books, plan: Plan) -> None:
        self.outcomes: list[Outcome] = []
        self._books = books
        self._versions = {change.contact_id: change.expected_version for change in plan.changes if change.contact_id}
        self._open = Counter(
            change.contact_id for change in plan.changes if change.kind in (ChangeKind.CREATE, ChangeKind.UPDATE)
        )
        self._blocked = {change.contact_id for change in plan.changes if not change.is_settling}
        self._updates = {
            (change.contact_id, change.side): change for change in plan.changes if change.kind is ChangeKind.UPDATE
        }
        self._applied: set[tuple[str | None, Side]] = set()

    def write(self, change: Change, *, is_lost: bool) -> None:
        self._open[change.contact_id] -= change.kind is not ChangeKind.DELETE
        if is_lost:
            self._blocked.add(change.contact_id)
            self.outcomes.append(Outcome(change=change, state=ChangeState.FAILED))
        elif change.side is Side.LOCAL:
            self._write_local(change)
        else:
            self._write_remote(change)

    def _write_local(self, change: Change) -> None:
        contact_id = change.contact_id or self._books.new_id("c")
        if change.kind is ChangeKind.DELETE:
            self._books.remove(Side.LOCAL, contact_id)
        else:
            self._books.put(Side.LOCAL, contact_id, change.after)
        self._versions[contact_id] = self._books.versions[contact_id]
        self.acknowledge(change, contact_id, change.external_id)

    def _write_remote(self, change: Change) -> None:
        is_new = change.kind is ChangeKind.CREATE or change.external_id is None
        external_id = self._books.new_id("x") if is_new else str(change.external_id)
        if change.kind is ChangeKind.DELETE:
            self._books.remove(Side.REMOTE, external_id)
        else:
            self._books.put(Side.REMOTE, external_id, change.after)
        if change.kind is ChangeKind.CREATE:
            self._books.contact_keys[external_id] = change.contact_id or ""
        self.acknowledge(change, change.contact_id, external_id)

    def acknowledge(self, change: Change, contact_id: str | None, external_id: str | None) -> None:
        """Record the change as applied and advance the base."""
        if contact_id is None or external_id is None:
            raise ValueError("an applied change names its contact on both sides")
        state = ChangeState.APPLIED
        self._applied.add((change.contact_id, change.side))
        self.outcomes.append(Outcome(change=change, state=state, contact_id=contact_id, external_id=external_id))
        if change.kind in (ChangeKind.DELETE, ChangeKind.UNLINK):
            self._books.links.pop(contact_id)
            return
        is_settled = self._open[change.contact_id] <= 0 and change.contact_id not in self._blocked
        version = self._versions.get(contact_id) if is_settled or change.contact_id is None else None
        self._books.agree(contact_id, external_id, self._agreed(change), version)

    def _agreed(self, change: Change) -> Row:
        """Of a field written to both sides the first acknowledgement agrees what the other side had."""
        other = (change.contact_id, change.side.other)
        if change.kind is not ChangeKind.UPDATE or other in self._applied:
            return change.agreed
        waiting = self._updates.get(other)
        seen = waiting.before if waiting else {}
        return {name: seen.get(name, value) for name, value in change.agreed.items()}
