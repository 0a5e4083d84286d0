"""`python -m integrations_pipeline_tests.mutations [--sample N] [--seed N] [--base REVISION]`.

Without `--sample` what changed since `--base` is mutated. Exit code 1 if a mutant lives that is not an equivalent.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence

from integrations_pipeline_tests.mutations import choice, covering, places, processes, recording, report, workers

#: Of what changed at most so many are run; a new module has a few hundred.
MOST_CHANGED = 300
FAILED = 1


def main(arguments: Sequence[str]) -> int:
    told = _options(arguments)
    started_at = time.monotonic()
    mutants = _chosen(told)
    if not mutants:
        processes.tell("nothing that is mutated has changed\n")
        return 0
    known = report.equivalents()
    ledger = workers.Ledger(recording.ARTIFACTS / "verdicts.jsonl")
    waiting = [mutant for mutant in mutants if mutant.id not in ledger.verdicts or told.again]
    _run([mutant for mutant in waiting if not any(each.is_of(mutant) for each in known)], ledger)
    found = report.states(mutants, ledger.verdicts, known)
    took = time.monotonic() - started_at
    processes.tell(f"{report.report(found)}\n{len(mutants)} mutants, seed {told.seed}, {took:.0f} s\n")
    return FAILED if any(state in report.OPEN for state in found.values()) else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutations")
    parser.add_argument("--sample", type=int, help="so many mutations of the whole product")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31), help="which sample; drawn if not given")
    parser.add_argument("--base", default="", help="mutate what changed since this revision")
    parser.add_argument("--again", action="store_true", help="also those that have a verdict, as after new tests")
    return parser.parse_args(arguments)


def _chosen(told: argparse.Namespace) -> list[places.Mutant]:
    if told.sample:
        processes.tell(f"a sample of {told.sample}, seed {told.seed}\n")
        return choice.sample(told.sample, told.seed)
    base = told.base or choice.default_base()
    processes.tell(f"what changed since {base}, seed {told.seed}\n")
    return choice.changed(base, MOST_CHANGED, told.seed)


def _run(mutants: Sequence[places.Mutant], ledger: workers.Ledger) -> None:
    if not mutants:
        return
    with recording.project_copy() as copy:
        covered = covering.read(recording.current_recordings(copy))
    workers.run_all([(mutant, covered.tests(mutant.place)) for mutant in mutants], ledger)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
