"""Ids that rise with the time of their making (UUID version 7, RFC 9562).

Belongs here: making them. Does not: finding things by their beginnings (`ids`). Rows that are written one after the
other lie side by side in the indexes of such ids; of random ones each goes to another page.
"""

import secrets
import threading
import time
from collections.abc import Callable
from uuid import UUID

#: So many may be made in a millisecond; more borrow from the next one.
_PER_MILLISECOND = 1 << 12
_MARKS = 0x7 << 76 | 0b10 << 62
_RANDOM_BITS = 62


class Ids:
    """Rising within a process, whatever the clock does, and its own by 62 random bits. Threads may share it."""

    def __init__(self, nanoseconds: Callable[[], int] = time.time_ns) -> None:
        self._nanoseconds = nanoseconds
        self._lock = threading.Lock()
        self._last = 0

    def new(self) -> UUID:
        now = self._nanoseconds() // 1_000_000 * _PER_MILLISECOND
        with self._lock:
            self._last = max(now, self._last + 1)
            milliseconds, count = divmod(self._last, _PER_MILLISECOND)
        return UUID(int=milliseconds << 80 | count << 64 | _MARKS | secrets.randbits(_RANDOM_BITS))


new_id = Ids().new
