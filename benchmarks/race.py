"""What `make bench` runs: ours beside the peers, subject by subject, at every size.

Belongs here: the order, the tables, when to stop, and handing them on. Does not: what is measured (`read`, `write`,
`plan`, `parts`).
"""

import sys
import time
from collections.abc import Iterable, Sequence

from benchmarks import parts, plan, read, record, results, write
from benchmarks.arena import PROVIDERS, arena
from benchmarks.read import IsOver, never

#: Later than this no peer is begun any more, so that everything ends within ten minutes, the installation included.
#: Ours is measured all the same.
MOST_SECONDS = 390


def run(sizes: Sequence[int] | None = None, *, is_written: bool = False) -> None:
    """Prints a table for each subject and keeps all. `is_written`: docs/performance.md and its picture too, however
    long it takes."""
    began = time.monotonic()
    is_over = never if is_written else lambda: time.monotonic() - began > MOST_SECONDS
    rows: list[results.Row] = []
    for measure in (comparing, writing, reading):
        rows += measure(sizes, is_over)
        record.keep(rows, [])
    record.keep(rows, parts.run(max(sizes)) if sizes else parts.run())
    if is_written:
        record.main()
    print(f"\n{record.machine()}\n{time.monotonic() - began:.0f} s in all.")


def reading(sizes: Sequence[int] | None = None, is_over: IsOver = never) -> list[results.Row]:
    with arena() as place:
        return _shown(
            row
            for size in sizes or read.SIZES
            for provider in PROVIDERS
            for row in read.rows(place, size, provider, is_over=is_over)
        )


def writing(sizes: Sequence[int] | None = None, is_over: IsOver = never) -> list[results.Row]:
    with arena() as place:
        return _shown(
            row
            for size in sizes or write.SIZES
            for provider in PROVIDERS
            for row in write.rows(place, size, provider, is_over=is_over)
        )


def comparing(sizes: Sequence[int] | None = None, _is_over: IsOver = never) -> list[results.Row]:
    return _shown(row for size in sizes or plan.SIZES for row in plan.compared(size))


def _shown(measured: Iterable[results.Row]) -> list[results.Row]:
    """All rows, told of one by one as they come, then as tables."""
    rows = []
    for row in measured:
        rows.append(row)
        print(f"  {row.subject}, {row.records:,}: {row.contender}", file=sys.stderr, flush=True)
    for subject in sorted(results.subjects(rows)):
        print(f"\n{results.text(subject, rows)}", flush=True)
    return rows
