"""What `make bench` runs: ours beside the peers, subject by subject, at every size.

Belongs here: the order, the tables, and handing them on. Does not: what is measured (`read`, `write`, `plan`, `parts`).
"""

import time
from collections.abc import Sequence

from benchmarks import parts, plan, read, record, results, write
from benchmarks.arena import arena


def run(sizes: Sequence[int] | None = None, *, is_written: bool = False) -> None:
    """Prints a table for each subject; `is_written`: also refreshes docs/performance.md and its picture."""
    began = time.monotonic()
    rows = [*reading(sizes), *writing(sizes), *comparing(sizes)]
    shown = parts.run(max(sizes)) if sizes else parts.run()
    if is_written:
        record.write(rows, shown)
    print(f"\n{record.machine()}\n{time.monotonic() - began:.0f} s in all.")


def reading(sizes: Sequence[int] | None = None) -> list[results.Row]:
    with arena() as place:
        return _shown(list(read.rows(place, sizes or read.SIZES)))


def writing(sizes: Sequence[int] | None = None) -> list[results.Row]:
    with arena() as place:
        return _shown(list(write.rows(place, sizes or write.SIZES)))


def comparing(sizes: Sequence[int] | None = None) -> list[results.Row]:
    return _shown([row for size in sizes or plan.SIZES for row in plan.compared(size)])


def _shown(rows: list[results.Row]) -> list[results.Row]:
    for subject in results.subjects(rows):
        print(f"\n{results.text(subject, rows)}", flush=True)
    return rows
