"""Reads of an audience that are older than the writes before them.

Belongs here: making a tenant's audience lag. Does not: what the sync makes of it (`test_stale_reads`).
"""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from integrations_pipeline_tests.sync.mailchimp.arrangement import Subscribers


class Lag:
    """Makes reads of a tenant's members lag: within `behind`, lists and single members are answered as they were
    when it began. Writes and merge fields stay the audience's own. `stale_reads` counts answers that differed."""

    def __init__(self, tenant: Subscribers) -> None:
        self.stale_reads = 0
        self._tenant = tenant
        self._turn = threading.Lock()
        self._present: Any = None

    @contextmanager
    def behind(self) -> Iterator[None]:
        audience, network = self._tenant.audience, self._tenant.world.network
        earlier = self._state()

        def answer_as_earlier(request: httpx.Request) -> None:
            self._turn.acquire()
            self._present = audience.members, audience._by_hash
            if request.method == "GET" and "/members" in request.url.path:
                self.stale_reads += earlier[0] != audience.members
                audience.members, audience._by_hash = copy.deepcopy(earlier)
                audience.revision += 1

        def give_back(_: httpx.Request) -> None:
            audience.members, audience._by_hash = self._present
            audience.revision += 1
            self._turn.release()

        network.before, network.after = answer_as_earlier, give_back
        try:
            yield
        finally:
            network.before = network.after = lambda _: None

    def _state(self) -> Any:
        """Both ways to find a member, with one copy of each member."""
        audience = self._tenant.audience
        return copy.deepcopy((audience.members, audience._by_hash))
