"""The plan of a full comparison beside pandas, polars and DuckDB, and the cost of an incremental plan.

Belongs here: running each contender alone in a process on one core. Does not: the contenders (`peers`).
"""

import hashlib
import json
import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import feather

from benchmarks import data, peers, results
from benchmarks.measure import added_memory, best_cpu, print_table
from integrations_pipeline.engine.plan import plan_sync

ROWS = 1_000_000
SIZES = (10_000, 100_000, 1_000_000)
TITLE = f"compare: which linked contacts changed ({len(data.FIELDS)} fields, 1 % on each side, one core)"
CHANGED_FRACTION = 0.01
INCREMENTS = (100, 1_000, 10_000)
_ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "ARROW_IO_THREADS")
}
_NAMES = ("base", "local", "remote")


def run(rows: int = ROWS) -> None:
    print(f"\n{results.text(TITLE, compared(rows))}")
    measure_incremental()


def compared(rows: int) -> list[results.Row]:
    """What each contender cost, of which the same changed rows were found."""
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder), rows)
        measured = {each.name: _measure_alone(each.name, Path(folder)) for each in peers.CONTENDERS}
    _check_agreement(measured)
    return [
        results.Row(
            subject=TITLE,
            contender=name,
            records=rows,
            client=float(str(each["seconds"])),
            mebibytes=float(str(each["megabytes"])),
        )
        for name, each in measured.items()
    ]


def write_world(folder: Path, rows: int) -> None:
    """Base and local in the order of ids, as the store reads them; remote in arbitrary order."""
    random = np.random.default_rng(data.SEED)
    agreed = data.contacts(rows)
    edits = [_sample(random, rows, int(rows * CHANGED_FRACTION)) for _ in range(2)]
    for name, table in _tables(agreed, edits).items():
        shuffled = table.take(pa.array(random.permutation(rows))) if name == "remote" else table
        feather.write_feather(shuffled.combine_chunks(), folder / name, compression="uncompressed", chunksize=rows)


def _sample(random: np.random.Generator, rows: int, count: int) -> data.Integers:
    return np.sort(random.choice(rows, count, replace=False)).astype(np.int64)


def _tables(agreed: pa.Table, edits: Sequence[data.Integers]) -> dict[str, pa.Table]:
    """The base and both sides in the planner's columns; `edits` are the rows edited locally and remotely."""
    version = np.ones(agreed.num_rows, dtype=np.int64)
    moved = version.copy()
    moved[edits[0]] += 1
    local, remote = (data.edited(agreed, at, mark) for at, mark in zip(edits, ("(l)", "(r)"), strict=True))
    times = pa.array(moved * 3_600_000_000, pa.timestamp("us", "UTC"))
    local = local.append_column("version", pa.array(moved)).append_column("updated_at", times)
    return {
        "base": agreed.append_column("contact_version", pa.array(version)),
        "local": local.drop_columns("external_id"),
        "remote": remote.append_column("contact_key", agreed["contact_id"]).drop_columns("contact_id"),
    }


def _measure_alone(name: str, folder: Path) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.plan", name, str(folder)]
    done = subprocess.run(  # noqa: S603 - our own module
        command, env=os.environ | _ONE_THREAD, stdout=subprocess.PIPE, check=True, text=True
    )
    result: dict[str, object] = json.loads(done.stdout)
    return result


def measure(name: str, folder: Path) -> dict[str, object]:
    """In a process of its own: memory from the first run, CPU from the best of three more."""
    pa.set_cpu_count(1)
    contender = next(each for each in peers.CONTENDERS if each.name == name)
    tables = {each: feather.read_table(folder / each, memory_map=False) for each in _NAMES}
    _bring_in(tables.values())
    loaded = contender.load(tables)
    result, megabytes = added_memory(lambda: contender.work(loaded))
    found = contender.found(result)
    del result
    return {
        "seconds": best_cpu(lambda: contender.work(loaded)),
        "megabytes": megabytes,
        "local": len(found.local),
        "remote": len(found.remote),
        "digest": _digest(found),
    }


def _bring_in(tables: Iterable[pa.Table]) -> None:
    """Touch every page: what is read lies in memory, and counts as nobody's, before anybody looks at it."""
    for table in tables:
        for column in table.columns:
            for buffer in (each for chunk in column.chunks for each in chunk.buffers() if each is not None):
                np.frombuffer(buffer, dtype=np.uint8)[:: mmap.PAGESIZE].sum()


def _digest(found: peers.Found) -> str:
    return hashlib.sha256(json.dumps([sorted(found.local), sorted(found.remote)]).encode()).hexdigest()


def _check_agreement(measured: dict[str, dict[str, object]]) -> None:
    digests = {name: result["digest"] for name, result in measured.items()}
    if len(set(digests.values())) != 1:
        raise RuntimeError(f"the contenders do not find the same changed rows: {measured}")


def measure_incremental() -> None:
    """Plans of some changes, half on each side, from the rows that an incremental sync reads."""
    pa.set_cpu_count(1)
    table = []
    for count in INCREMENTS:
        world = peers.load_world(_increment(count))
        planned = len(plan_sync(world).changes)
        seconds = best_cpu(lambda world=world: plan_sync(world))  # type: ignore[misc]
        table.append((f"{count:,} changed", planned, seconds * 1000, seconds / count * 1e6))
    heads = ("incremental plan", "changes planned", "CPU ms", "µs per change")
    print_table("plan: incremental, by the number of changes", heads, table)


def _increment(count: int) -> dict[str, pa.Table]:
    """What `sync.contacts.extract` reads: both local halves, the remote half that changed, the links of both."""
    half = count // 2
    tables = _tables(data.contacts(count), [np.arange(half), np.arange(half, count)])
    return tables | {"remote": tables["remote"].slice(half)}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
