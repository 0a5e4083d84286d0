"""`python -m benchmarks [NAME] [--rows N] [--write]`: ours beside the peers, or one of the measurements.

Belongs here: the command line. Does not: any measurement.
"""

import argparse
import os
import platform
from collections.abc import Callable, Mapping, Sequence

from benchmarks import calls, fleet, full_read, parts, plan, race, store

#: What each runs with, given `--rows` or None for its own default.
BENCHMARKS: Mapping[str, Callable[[int | None], object]] = {
    "read": lambda rows: race.reading(_sizes(rows)),
    "write": lambda rows: race.writing(_sizes(rows)),
    "compare": lambda rows: race.comparing(_sizes(rows)),
    "parts": lambda rows: parts.run(rows or parts.ROWS),
    "plan": lambda rows: plan.run(rows or plan.ROWS),
    "store": lambda rows: store.run(rows or store.ROWS),
    "calls": lambda rows: calls.run([rows] if rows else calls.SIZES),
    "full_read": lambda rows: full_read.run([rows] if rows else full_read.SIZES),
    "fleet": lambda rows: fleet.run(rows or fleet.WORKSPACES),
}


def _sizes(rows: int | None) -> Sequence[int] | None:
    return [rows] if rows else None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures, with ratios.")
    parser.add_argument("name", nargs="?", choices=tuple(BENCHMARKS), help="only this one; else all that have peers")
    parser.add_argument("--rows", type=int, help="records, instead of the benchmark's own numbers")
    parser.add_argument("--write", action="store_true", help="refresh docs/performance.md; without a name only")
    arguments = parser.parse_args()
    if arguments.name and arguments.write:
        parser.error("--write goes with all of them: leave out the name")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if arguments.name:
        BENCHMARKS[arguments.name](arguments.rows)
    else:
        race.run(_sizes(arguments.rows), is_written=arguments.write)


if __name__ == "__main__":
    main()
