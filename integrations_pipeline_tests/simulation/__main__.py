"""`python -m integrations_pipeline_tests.simulation SECONDS [FIRST_SEED]`: histories for as long as told.

Prints what happened in them. A failing seed ends it and is printed; `FIRST_SEED` tells that history again.
"""

import logging
import sys
import time
from collections import Counter

from integrations_pipeline_tests.postgres import open_server
from integrations_pipeline_tests.simulation.history import tell
from integrations_pipeline_tests.simulation.world import StrictWorld, open_worlds


def main(seconds: float, first_seed: int) -> None:
    """Tell histories until the time is over, on an embedded server of its own."""
    logging.getLogger("integrations_pipeline").setLevel(logging.ERROR)
    seen: Counter[str] = Counter()
    started_at = time.monotonic()
    seed = first_seed
    with open_server() as postgres, open_worlds(postgres) as worlds:
        while time.monotonic() - started_at < seconds:
            with worlds.world(seed) as world:
                seen += _told(world, seed)
            seed += 1
    took = time.monotonic() - started_at
    sys.stdout.write(f"{seed - first_seed} histories in {took:.0f} s, seeds {first_seed} to {seed - 1}\n")
    for name, count in sorted(seen.items()):
        sys.stdout.write(f"{count:8d}  {name}\n")


def _told(world: StrictWorld, seed: int) -> Counter[str]:
    try:
        return Counter(tell(world, seed).seen)
    except BaseException:
        sys.stderr.write(f"the history of seed {seed} failed; to tell it again: simulation 1 {seed}\n")
        raise


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
