"""How long the tests wait for what takes as long as the machine needs: for processes, servers, threads and pages.

A wait ends when what it waits for is there; its limit only tells a slow machine from one that hangs. Limits are written
as a fast, idle machine needs them, and are made longer here, all at once. Belongs here: by how much. Does not: a time
that is itself what a test is about.
"""

import os

#: A machine ten times slower passes every test; a test that hangs is told after ten times as long. `1` tells it sooner.
VARIABLE, USUAL = "INTEGRATIONS_TEST_PATIENCE", 10.0

PATIENCE = float(os.environ.get(VARIABLE, USUAL))


def patient(seconds: float) -> float:
    """The limit of a wait that takes up to `seconds` on a fast machine."""
    return seconds * PATIENCE
