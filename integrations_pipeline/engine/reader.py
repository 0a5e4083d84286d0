"""The planner's input, and its rows as pairs.

Belongs here: turning frame positions into `Pair` values, in bulk. Does not: deciding about them (`plan`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from integrations_pipeline.engine.diff import LinkedDiff
from integrations_pipeline.engine.frames import Positions, positions, texts, told_rows
from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.merge import Times
from integrations_pipeline.engine.pairs import Pair
from integrations_pipeline.model import FieldKind, FieldRule, Snapshot

#: Rows that are looked at in Python at once: each is a dictionary, and its texts are copies.
AT_ONCE = 1_000
#: Texts that are remembered to be met again.
MANY_TEXTS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The three trees and the rules by which they are compared.

    `waiting`: contacts and records, by id, that are being edited: they are matched and left alone. `bounced`: contacts
    whose address takes no mail. `is_identity_silent`: who somebody is cannot be told now, so nobody new is made.
    """

    local: Snapshot
    remote: Snapshot
    base: pd.DataFrame
    rules: Sequence[FieldRule]
    policy: Policy
    waiting: frozenset[str] = frozenset()
    bounced: frozenset[str] = frozenset()
    is_identity_silent: bool = False
    #: Links that are not in `base`: everything was read, and they are as agreed.
    unread_count: int = 0

    @property
    def columns(self) -> list[str]:
        return [rule.name for rule in self.rules]

    @property
    def identity_column(self) -> str | None:
        return next((rule.name for rule in self.rules if rule.kind is FieldKind.EMAIL), None)


class PairReader:
    """Turns positions into `Pair` values; rows that a snapshot does not have are presumed from the base."""

    def __init__(self, world: World, diff: LinkedDiff) -> None:
        self.world = world
        self.diff = diff

    def linked(self, at: Positions) -> list[Pair]:
        """The links at these base positions, as pairs."""
        if not len(at):
            return []
        base = self.world.base
        ids = zip(texts(base.index, at), texts(base["external_id"], at), strict=True)
        return self._pairs(list(ids), at, self.diff.local_at[at], self.diff.remote_at[at])

    def matched(self, pairs: Sequence[tuple[str, str]]) -> list[Pair]:
        """New pairs; a contact that was linked before keeps its base."""
        if not pairs:
            return []
        contact_ids, external_ids = (pd.Index(ids, dtype="str") for ids in zip(*pairs, strict=True))
        world = self.world
        base_at = positions(contact_ids, world.base.index)
        # A record that was not told is as its own link's base says, also if that was another contact's link.
        record_base_at = positions(external_ids, world.base["external_id"])
        local_at = positions(contact_ids, world.local.frame.index)
        remote_at = positions(external_ids, world.remote.frame.index)
        presumed = _rows_at(world.base, record_base_at, world.columns, [{}] * len(pairs))
        if world.policy.is_place_changed:
            # What was agreed with a record of another table says nothing about this one.
            base_at = np.full(len(pairs), -1, dtype=np.int64)
        return self._pairs(pairs, base_at, local_at, remote_at, presumed=presumed)

    def unlinked(self, snapshot: Snapshot, at: Positions) -> Iterator[tuple[str, dict[str, str], int]]:
        """(id, fields, version) of rows without a link; version 0 for remote rows."""
        frame, known = snapshot.frame, _Shared()
        for start in range(0, len(at), AT_ONCE):
            part = at[start : start + AT_ONCE]
            versions = frame["version"].to_numpy()[part] if "version" in frame.columns else np.zeros(len(part))
            fields = known.sharing(told_rows(frame, part, self.world.columns))
            yield from zip(texts(frame.index, part), fields, map(int, versions), strict=True)

    def _pairs(
        self,
        ids: Sequence[tuple[str, str]],
        base_at: Positions,
        local_at: Positions,
        remote_at: Positions,
        presumed: Sequence[dict[str, str]] | None = None,
    ) -> list[Pair]:
        """`presumed`: for new pairs, the remote fields of records that the snapshot does not have."""
        world = self.world
        column = world.identity_column or ""
        base: list[dict[str, str]] = _rows_at(world.base, base_at, world.columns, [{}] * len(ids))
        columns = zip(
            ids,
            base,
            _rows_at(world.local.frame, local_at, world.columns, base),
            _rows_at(world.remote.frame, remote_at, world.columns, base if presumed is None else presumed),
            _versions(world, base_at, local_at),
            _numbers_at(world.base["contact_version"], base_at),
            _values_at(world.local.frame, "updated_at", local_at),
            _values_at(world.remote.frame, "modified_at", remote_at),
            _values_at(world.local.frame, "opted_out_at", local_at),
            strict=True,
        )
        return [
            Pair(
                contact_id=contact_id,
                external_id=external_id,
                base=base_fields,
                local=local,
                remote=remote,
                version=version,
                agreed_version=agreed,
                times=Times(local_at=local_time, remote_at=remote_time, opted_out_at=opted_out),
                is_linked=presumed is None,
                address=remote[column] if column in remote else base_fields.get(column, ""),
            )
            for (
                contact_id,
                external_id,
            ), base_fields, local, remote, version, agreed, local_time, remote_time, opted_out in columns
        ]


class _Shared:
    """Texts that were met lately, each once in memory: a first load repeats companies, titles and tags."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def sharing(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        """The same rows, with the texts that were met before."""
        known = self._known
        for row in rows:
            for name, value in row.items():
                row[name] = known.setdefault(value, value)
        if len(known) > MANY_TEXTS:
            known.clear()
        return rows


def _rows_at(
    frame: pd.DataFrame, at: Positions, columns: Sequence[str], fallback: Sequence[dict[str, str]]
) -> list[dict[str, str]]:
    """The rows at these positions; where there is none, the fallback, cut to the columns the frame has."""
    known = [column for column in columns if column in frame.columns]
    read = iter(told_rows(frame, at[at >= 0], known))
    return [
        next(read) if position >= 0 else {name: presumed.get(name, "") for name in known} if presumed else {}
        for position, presumed in zip(at, fallback, strict=True)
    ]


def _versions(world: World, base_at: Positions, local_at: Positions) -> list[int | None]:
    """The version of the local row, else the one last agreed, else None."""
    local = _numbers_at(world.local.frame["version"], local_at)
    agreed = _numbers_at(world.base["contact_version"], base_at)
    return [there if there is not None else before for there, before in zip(local, agreed, strict=True)]


def _numbers_at(column: "pd.Series[int]", at: Positions) -> list[int | None]:
    if not len(column):
        return [None] * len(at)
    taken = column.to_numpy()[np.where(at >= 0, at, 0)].tolist()
    return [number if there else None for number, there in zip(taken, (at >= 0).tolist(), strict=True)]


def _values_at(frame: pd.DataFrame, column: str, at: Positions) -> list[datetime | None]:
    values: list[datetime | None] = [None] * len(at)
    if column in frame.columns:
        there = np.flatnonzero(at >= 0)
        for i, value in zip(there, frame[column].iloc[at[there]], strict=True):
            values[i] = None if pd.isna(value) else value.to_pydatetime()
    return values
