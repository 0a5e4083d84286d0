"""`python -m benchmarks [plan|store|calls|full_read|fleet] [--rows N]`: all but the fleet, or one of them.

Belongs here: the command line. Does not: any measurement.
"""

import argparse
import os
import platform
from collections.abc import Callable, Mapping

from benchmarks import calls, fleet, full_read, plan, store

#: What each runs with, given `--rows` or None for its own default.
BENCHMARKS: Mapping[str, Callable[[int | None], None]] = {
    "plan": lambda rows: plan.run(rows or plan.ROWS),
    "store": lambda rows: store.run(rows or store.ROWS),
    "calls": lambda rows: calls.run([rows] if rows else calls.SIZES),
    "full_read": lambda rows: full_read.run([rows] if rows else full_read.SIZES),
    "fleet": lambda rows: fleet.run(rows or fleet.WORKSPACES),
}
#: It takes longer than all others together.
_ONLY_IF_NAMED = "fleet"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures, with ratios.")
    parser.add_argument("name", nargs="?", choices=tuple(BENCHMARKS), help="only this one")
    parser.add_argument("--rows", type=int, help="records, instead of the benchmark's own number")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name, run in BENCHMARKS.items():
        if arguments.name == name or (arguments.name is None and name != _ONLY_IF_NAMED):
            run(arguments.rows)


if __name__ == "__main__":
    main()
