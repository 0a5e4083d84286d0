"""`python -m integrations_pipeline_tests.properties SECONDS [SEED]`: drawn cases for as long as told.

Half of the time goes to the planner's properties, in rounds with a seed each, half to random histories of
whole runs. Prints what happened in them; a failing case ends it, and its seed is in the output.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from integrations_pipeline_tests.simulation.__main__ import main as tell_histories

HERE = Path(__file__).parent
FILES = [str(HERE / "engine" / name) for name in ("test_properties.py", "test_properties_of_runs.py")]


def main(seconds: float, seed: int) -> int:
    started_at = time.monotonic()
    seen: Counter[str] = Counter()
    rounds = 0
    while time.monotonic() - started_at < seconds / 2:
        output, code = _round(seed + rounds)
        if code:
            sys.stdout.write(output)
            return code
        seen += _counts(output)
        rounds += 1
    took = time.monotonic() - started_at
    sys.stdout.write(f"{rounds} rounds of 50 cases per property in {took:.0f} s, from seed {seed}\n")
    for name, count in sorted(seen.items()):
        sys.stdout.write(f"{count:8d}  {name}\n")
    tell_histories(seconds - took, seed)
    return 0


def _round(seed: int) -> tuple[str, int]:
    """One run of the property tests with this seed, in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-q", f"--hypothesis-seed={seed}", *FILES]
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "round"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr, ran.returncode


def _counts(output: str) -> Counter[str]:
    """The numbers behind `planner properties:` that every test run ends with."""
    line = next((line for line in output.splitlines() if line.startswith("planner properties:")), "")
    return Counter({name: int(count) for count, name in re.findall(r"(\d+) ([^,]+)", line)})


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())))
