"""What `make bench` runs: ours beside the peers, subject by subject, at every size.

Belongs here: the order, the tables, and handing them on. Does not: what is measured (`read`, `write`, `plan`, `parts`).
"""

import time
from collections.abc import Iterable, Sequence

from benchmarks import parts, plan, read, record, results, write
from benchmarks.arena import PROVIDERS, arena


def run(sizes: Sequence[int] | None = None, *, is_written: bool = False) -> None:
    """Prints a table for each subject and keeps all; `is_written`: docs/performance.md and its picture too."""
    began = time.monotonic()
    rows: list[results.Row] = []
    for measure in (comparing, writing, reading):
        rows += measure(sizes)
        record.keep(rows, [])
        print(f"\n{time.monotonic() - began:.0f} s so far", flush=True)
    record.keep(rows, parts.run(max(sizes)) if sizes else parts.run())
    if is_written:
        record.main()
    print(f"\n{record.machine()}\n{time.monotonic() - began:.0f} s in all.")


def reading(sizes: Sequence[int] | None = None) -> list[results.Row]:
    with arena() as place:
        return [row for each in PROVIDERS for row in _shown(read.rows(place, sizes or read.SIZES, each))]


def writing(sizes: Sequence[int] | None = None) -> list[results.Row]:
    with arena() as place:
        return [row for each in PROVIDERS for row in _shown(write.rows(place, sizes or write.SIZES, each))]


def comparing(sizes: Sequence[int] | None = None) -> list[results.Row]:
    return _shown(row for size in sizes or plan.SIZES for row in plan.compared(size))


def _shown(measured: Iterable[results.Row]) -> list[results.Row]:
    rows = list(measured)
    for subject in results.subjects(rows):
        print(f"\n{results.text(subject, rows)}", flush=True)
    return rows
