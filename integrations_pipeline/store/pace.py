"""The rate limit, shared by every process and machine that uses the same database.

Belongs here: handing out the moments at which requests may be sent. Does not: how many are under way (`places`), which
limits there are; each provider names its own. A limiter library keeps its buckets in one process or in Redis; two runs
of two workspaces in one place of a provider need a common one, and the database is what they have in common.
"""

import copy
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import text

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.places import Places

#: The stored moment, moved along with a clock that was set back since it was reserved.
_MOMENT = "r.next_free_at - greatest(coalesce(r.reserved_at, clock_timestamp()) - clock_timestamp(), interval '0')"
#: One statement is the whole algorithm: reserve the next free moment of each key, return how far away its end is. Of
#: keys that follow one that is not free yet no moment is taken: it would pass while the first is waited for.
_RESERVE = text(
    f"""
    insert into provider_rate_limits as r (key, next_free_at, reserved_at)
    select w.key, c.at + make_interval(secs => w.seconds), c.at
    from unnest(cast(:keys as text[]), cast(:intervals as float8[])) with ordinality as w(key, seconds, n),
        (select clock_timestamp() as at offset 0) as c
    where not exists (select from provider_rate_limits as r where r.key = any((cast(:keys as text[]))[1 : w.n - 1])
        and {_MOMENT} > c.at)
    order by w.n
    on conflict (key) do update set
        next_free_at = greatest({_MOMENT}, clock_timestamp()) + (excluded.next_free_at - excluded.reserved_at),
        reserved_at = clock_timestamp()
    returning extract(epoch from r.next_free_at - clock_timestamp())::float8
    """  # noqa: S608 - built from a constant
)
_PAUSE = text(
    f"""
    insert into provider_rate_limits as r (key, next_free_at, reserved_at)
    values (:key, clock_timestamp() + make_interval(secs => :seconds), clock_timestamp())
    on conflict (key) do update set
        next_free_at = greatest({_MOMENT}, clock_timestamp() + make_interval(secs => :seconds)),
        reserved_at = clock_timestamp()
    """  # noqa: S608 - built from a constant
)


class DatabasePacer:
    """Implements `providers.base.Pacer` over the table `provider_rate_limits`."""

    def __init__(self, database: Database, sleep: Callable[[float], object] = time.sleep) -> None:
        self._database = database
        self._sleep = sleep
        self._lock = threading.Lock()
        self._places = Places(database)

    def place(self, key: str, count: int) -> AbstractContextManager[bool]:
        """One of so many places of `key`; False where all are taken, here or by another process."""
        return self._places.place(key, count)

    def close(self) -> None:
        self._places.close()

    def sleeping(self, sleep: Callable[[float], object]) -> "DatabasePacer":
        """The same, with waits made by this: one reservation at a time for both."""
        other = copy.copy(self)
        other._sleep = sleep
        return other

    def wait(self, key: str, interval_seconds: float) -> None:
        """Reserve the next moment for `key` and sleep until it has come."""
        self.wait_all([(key, interval_seconds)])

    def wait_all(self, rules: Sequence[tuple[str, float]]) -> None:
        """The same for each (key, interval in seconds) in turn; those that are free are asked for together."""
        left = list(rules)
        while left:
            keys, intervals = [key for key, _ in left], [interval for _, interval in left]
            # One reservation at a time per process: the pool stays small and the order is fair.
            with self._lock:
                ends = self._database.scalars(_RESERVE, {"keys": keys, "intervals": intervals})
            delay = max(float(end) - interval for end, interval in zip(ends, intervals, strict=False))
            if delay > 0:
                self._sleep(delay)
            del left[: len(ends)]

    def pause(self, key: str, seconds: float) -> None:
        with self._database.admin() as connection:
            connection.execute(_PAUSE, {"key": key, "seconds": seconds})
