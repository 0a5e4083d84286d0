"""`python -m integrations_pipeline_tests.simulation SECONDS [FIRST_SEED]`: histories for as long as told.

Prints what happened in them. A failing seed ends it and is printed; `FIRST_SEED` tells that history again.
"""

import logging
import random
import sys
import time
from collections import Counter

from integrations_pipeline.sandbox import SandboxOptions, SandboxServer
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.embedded import EmbeddedPostgres
from integrations_pipeline_tests.postgres import reachable_directory
from integrations_pipeline_tests.simulation.history import StrictWorld
from integrations_pipeline_tests.simulation.test_histories import WINDOW, tell


def main(seconds: float, first_seed: int) -> None:
    """Tell histories until the time is over, on an embedded database of its own."""
    logging.getLogger("integrations_pipeline").setLevel(logging.ERROR)
    seen: Counter[str] = Counter()
    started_at = time.monotonic()
    seed = first_seed
    with reachable_directory() as home, SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        embedded = EmbeddedPostgres(home, fsync=False)
        database = Database(embedded.ensure_running())
        try:
            database.upgrade()
            world = StrictWorld(server=server, database=database, max_concurrency=1, propagation_seconds=WINDOW)
            while time.monotonic() - started_at < seconds:
                server.reset()
                world.ids = random.Random(seed)
                seen += tell(world, seed).seen
                seed += 1
            world.close()
        finally:
            database.close()
            embedded.stop()
    took = time.monotonic() - started_at
    sys.stdout.write(f"{seed - first_seed} histories in {took:.0f} s, seeds {first_seed} to {seed - 1}\n")
    for name, count in sorted(seen.items()):
        sys.stdout.write(f"{count:8d}  {name}\n")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
