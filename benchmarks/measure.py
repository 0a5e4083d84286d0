"""Measuring CPU, wall time and memory, and printing tables.

Belongs here: what every benchmark needs. Does not: what is measured.
"""

import gc
import resource
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Writing 5 sets the process's highest memory back to what it holds now (Linux, proc_pid_clear_refs(5)).
_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def best_cpu(work: Callable[[], object], repeats: int = 3) -> float:
    """CPU seconds of this process, all threads, in the best of the repeats."""
    best = float("inf")
    for _ in range(repeats):
        gc.collect()
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """The result and the wall seconds it took; for work that other processes take part in."""
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def added_memory(work: Callable[[], T]) -> tuple[T, float]:
    """The result and the MiB by which the process's highest memory rose meanwhile.

    Where the highest memory cannot be set back, it only counts what rises above an earlier peak.
    """
    gc.collect()
    with suppress(OSError):
        _CLEAR_REFS.write_text("5")
    before = _highest_memory()
    result = work()
    return result, _highest_memory() - before


def _highest_memory() -> float:
    """Of this program alone: what `getrusage` tells begins with the highest memory of whoever started it."""
    with suppress(OSError, StopIteration):
        told = next(line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return int(told.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def print_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Numbers to the right, the first column to the left; floats as they come, with two decimals."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(heads), *cells]) for i in range(len(heads))]
    print(f"\n{title}\n")
    for line in [list(heads), ["-" * width for width in widths], *cells]:
        aligned = [
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  " + "  ".join(aligned).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
