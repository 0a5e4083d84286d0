"""Every attempt, one line each. Exit code 1 if one was not held."""

import sys
from collections import Counter

from integrations_pipeline_tests.hostile import machine, members
from integrations_pipeline_tests.hostile.attempt import Result, Verdict, tried_all

ATTEMPTS = (*members.ATTEMPTS, *machine.ATTEMPTS)


def tell(result: Result) -> None:
    sys.stdout.write(f"{result}\n")
    sys.stdout.flush()


def main() -> int:
    results = tried_all(ATTEMPTS, tell)
    counts = Counter(result.verdict for result in results)
    sys.stdout.write(", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict) + "\n")
    return 1 if counts[Verdict.BROKEN] else 0


if __name__ == "__main__":
    sys.exit(main())
