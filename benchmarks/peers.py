"""The planner's first half as a competent user writes it in pandas, polars and DuckDB, beside our plan.

Each contender takes the same three in-memory frames in its own format and finds which linked rows changed on which
side, with the changed rows as dictionaries. Ours is measured twice: that, and the whole plan that is made of it.
Belongs here: the contenders. Does not: measuring them (`plan`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from benchmarks.data import FIELDS
from benchmarks.results import OURS
from integrations_pipeline.engine.diff import diff_linked
from integrations_pipeline.engine.frames import Mask
from integrations_pipeline.engine.guards import Policy
from integrations_pipeline.engine.pairs import Pair
from integrations_pipeline.engine.plan import plan_sync
from integrations_pipeline.engine.reader import PairReader, World
from integrations_pipeline.model import FieldKind, FieldRule, Plan, Side, Snapshot

Tables = Mapping[str, pa.Table]
#: Per changed row its fields in the base and on the side: contact id → (base, side).
Rows = dict[str, tuple[Mapping[str, str], Mapping[str, str]]]

_KINDS = {"email": FieldKind.EMAIL, "tags": FieldKind.SET}
RULES = tuple(FieldRule(name=name, kind=_KINDS.get(name, FieldKind.TEXT)) for name in FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What changed, per side; made outside the measurement where a contender returns more than that."""

    local: frozenset[str]
    remote: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """`load` makes the inputs of `work`, `found` reads its result; only `work` is measured."""

    name: str
    load: Callable[[Tables], Any]
    work: Callable[[Any], Any]
    found: Callable[[Any], Found]


def _plain(tables: Tables) -> dict[str, pa.Table]:
    """Only ids and fields, so that peers do not carry columns along which they do not look at."""
    wanted = ("contact_id", "external_id", *FIELDS)
    return {
        name: table.select([each for each in wanted if each in table.column_names]) for name, table in tables.items()
    }


def _found_rows(result: tuple[Rows, Rows]) -> Found:
    local, remote = result
    return Found(local=frozenset(local), remote=frozenset(remote))


# Ours: the planner's own look at what changed, and the plan that comes of it


def load_world(tables: Tables) -> World:
    """The planner's input from the three tables, all linked."""
    base, local, remote = (frame(tables[name], key) for name, key in _KEYS)
    return World(
        local=Snapshot(side=Side.LOCAL, frame=local),
        remote=Snapshot(side=Side.REMOTE, frame=remote),
        base=base,
        rules=RULES,
        policy=Policy(linked_count=len(base)),
    )


def _work_ours(world: World) -> tuple[Rows, Rows]:
    diff = diff_linked(world.base, world.local, world.remote, world.rules)
    at = np.flatnonzero((diff.is_local_changed | diff.is_remote_changed) & diff.is_both_there)
    pairs = PairReader(world, diff).linked(at)
    local = _chosen(pairs, diff.is_local_changed[at])
    remote = _chosen(pairs, diff.is_remote_changed[at])
    return (
        {pair.contact_id: (pair.base, pair.local) for pair in local},
        {pair.contact_id: (pair.base, pair.remote) for pair in remote},
    )


def _chosen(pairs: Sequence[Pair], changed: Mask) -> Iterator[Pair]:
    return compress(pairs, changed.tolist())


_KEYS = (("base", "contact_id"), ("local", "contact_id"), ("remote", "external_id"))


def frame(table: pa.Table, index: str) -> pd.DataFrame:
    loaded: pd.DataFrame = table.to_pandas()
    return loaded.set_index(index)


def _found_plan(plan: Plan) -> Found:
    """A change for one side comes from an edit on the other; a conflict from edits on both."""
    edits: dict[Side, set[str]] = {Side.LOCAL: set(), Side.REMOTE: set()}
    for change in plan.changes:
        edits[change.side.other].add(str(change.contact_id))
        if change.conflict:
            edits[change.side].add(str(change.contact_id))
    return Found(local=frozenset(edits[Side.LOCAL]), remote=frozenset(edits[Side.REMOTE]))


# pandas: align by index, compare column by column


def _load_pandas(tables: Tables) -> dict[str, pd.DataFrame]:
    plain = _plain(tables)
    return {name: frame(plain[name], key) for name, key in _KEYS}


def _work_pandas(frames: dict[str, pd.DataFrame]) -> tuple[Rows, Rows]:
    base = frames["base"]
    remote = frames["remote"].reindex(pd.Index(base["external_id"]))
    return _changed_pandas(base, frames["local"].reindex(base.index)), _changed_pandas(base, remote)


def _changed_pandas(base: pd.DataFrame, side: pd.DataFrame) -> Rows:
    is_changed = np.zeros(len(base), dtype=bool)
    for name in FIELDS:
        is_changed |= np.asarray(base[name].array != side[name].array, dtype=bool)
    ours, theirs = base.loc[is_changed, list(FIELDS)], side.loc[is_changed, list(FIELDS)]
    records = zip(ours.to_dict("records"), theirs.to_dict("records"), strict=True)
    return dict(zip(ours.index, records, strict=True))


# polars: compare directly what lies in the same order; else hash the rows and join keys and hashes


def _load_polars(tables: Tables) -> dict[str, pl.DataFrame]:
    return {name: pl.DataFrame(pl.from_arrow(table)) for name, table in _plain(tables).items()}


def _work_polars(frames: dict[str, pl.DataFrame]) -> tuple[Rows, Rows]:
    base = frames["base"]
    return (
        _changed_polars(base, frames["local"], "contact_id"),
        _changed_polars(base, frames["remote"], "external_id"),
    )


def _changed_polars(base: pl.DataFrame, side: pl.DataFrame, key: str) -> Rows:
    is_aligned = base[key].equals(side[key])
    before, after = _differing_aligned(base, side) if is_aligned else _differing(base, side, key)
    records = zip(before.select(FIELDS).to_dicts(), after.select(FIELDS).to_dicts(), strict=True)
    return dict(zip(before["contact_id"], records, strict=True))


def _differing_aligned(base: pl.DataFrame, side: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    is_changed = base[FIELDS[0]] != side[FIELDS[0]]
    for name in FIELDS[1:]:
        is_changed |= base[name] != side[name]
    return base.filter(is_changed), side.filter(is_changed)


def _differing(base: pl.DataFrame, side: pl.DataFrame, key: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    ours = base.select(key, ours=base.select(FIELDS).hash_rows()).with_row_index("at")
    theirs = side.select(key, theirs=side.select(FIELDS).hash_rows()).with_row_index("there")
    differing = ours.join(theirs, on=key).filter(pl.col("ours") != pl.col("theirs"))
    return base[differing["at"]], side[differing["there"]]


# DuckDB: one join per side


def _load_duckdb(tables: Tables) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    connection.execute("set preserve_insertion_order = false")
    for name, table in _plain(tables).items():
        connection.register(name, table)
    return connection


def _work_duckdb(connection: duckdb.DuckDBPyConnection) -> tuple[Rows, Rows]:
    return (
        _changed_duckdb(connection, "local", "contact_id"),
        _changed_duckdb(connection, "remote", "external_id"),
    )


def _changed_duckdb(connection: duckdb.DuckDBPyConnection, side: str, key: str) -> Rows:
    columns = ", ".join(f"{table}.{name}" for table in ("base", "side") for name in FIELDS)
    differs = " or ".join(f"base.{name} != side.{name}" for name in FIELDS)
    found = connection.execute(
        f"select base.contact_id, {columns} from base join {side} side using ({key}) where {differs}"
    ).fetchall()
    width = len(FIELDS)
    return {
        row[0]: (
            dict(zip(FIELDS, row[1 : width + 1], strict=True)),
            dict(zip(FIELDS, row[width + 1 :], strict=True)),
        )
        for row in found
    }


CONTENDERS = (
    Contender(name=OURS, load=load_world, work=_work_ours, found=_found_rows),
    Contender(name=f"{OURS}, the whole plan", load=load_world, work=plan_sync, found=_found_plan),
    Contender(name="pandas", load=_load_pandas, work=_work_pandas, found=_found_rows),
    Contender(name="polars", load=_load_polars, work=_work_polars, found=_found_rows),
    Contender(name="duckdb", load=_load_duckdb, work=_work_duckdb, found=_found_rows),
)
