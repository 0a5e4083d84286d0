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
from dataclasses import dataclass

from sqlalchemy import text

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.places import Places

#: By which share of its interval a key becomes slower when the provider refuses, up to how much, and what each request
#: takes back: 0.05 in 2,500 requests, eight minutes at five a second, where a refusal may cost half of one.
SLACK_GAINED, MOST_SLACK, SLACK_LOST = 0.05, 0.5, 0.00002
#: Seconds by which a process may be late with a request before the next one keeps its distance from it.
PUNCTUAL = 0.005
#: The stored moment, moved along with a clock that was set back since it was reserved.
_MOMENT = "r.next_free_at - greatest(coalesce(r.reserved_at, clock_timestamp()) - clock_timestamp(), interval '0')"
#: The slack after this request: the distance is told with what is kept, so that nobody waits for the difference.
_SLACK_LEFT = f"greatest(r.slack - {SLACK_LOST}, 0)"
#: One statement is all: reserve the next free moment of each key; how far its end is away, and the slack.
#: Of keys that follow one that is not free yet no moment is taken: it would pass while the first is waited for.
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
        next_free_at = greatest({_MOMENT}, clock_timestamp())
            + (excluded.next_free_at - excluded.reserved_at) * (1 + {_SLACK_LEFT}),
        reserved_at = clock_timestamp(), slack = {_SLACK_LEFT}
    returning array[extract(epoch from r.next_free_at - clock_timestamp()), r.slack]::float8[]
    """  # noqa: S608 - built from a constant
)
#: Requests that were under way together are refused together: one refusal of them makes the pace slower.
_PAUSE = text(
    f"""
    insert into provider_rate_limits as r (key, next_free_at, reserved_at, slack)
    values (:key, clock_timestamp() + make_interval(secs => :seconds), clock_timestamp(), {SLACK_GAINED})
    on conflict (key) do update set
        next_free_at = greatest({_MOMENT}, clock_timestamp() + make_interval(secs => :seconds)),
        reserved_at = clock_timestamp(),
        slack = case when {_MOMENT} > clock_timestamp() + make_interval(secs => :seconds) / 2 then r.slack
            else least(r.slack + {SLACK_GAINED}, {MOST_SLACK}) end
    """  # noqa: S608 - built from a constant
)


@dataclass(frozen=True, slots=True)
class Sent:
    """When a request was to be sent, and when it was, by the monotonic clock."""

    due: float
    at: float


def distance_left(before: Sent | None, interval: float, now: float) -> float:
    """Seconds that are left until the next request may follow one that was late: a machine that is busy wakes up late,
    and what is sent after it in time comes too close."""
    if before is None or before.at - before.due <= PUNCTUAL:
        return 0.0
    return max(before.at + interval - now, 0.0)


class DatabasePacer:
    """Implements `providers.base.Pacer` over the table `provider_rate_limits`."""

    def __init__(self, database: Database, sleep: Callable[[float], object] = time.sleep) -> None:
        self._database = database
        self._sleep = sleep
        self._lock = threading.Lock()
        self._sent: dict[str, Sent] = {}
        self._gates: dict[str, threading.Lock] = {}
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
        left, due = list(rules), 0.0
        while left:
            keys, intervals = [key for key, _ in left], [interval for _, interval in left]
            # One reservation at a time per process: the pool stays small and the order is fair.
            with self._lock:
                ends = self._database.scalars(_RESERVE, {"keys": keys, "intervals": intervals})
            delay = max(end - interval * (1 + slack) for (end, slack), interval in zip(ends, intervals, strict=False))
            if not due:
                due = time.monotonic() + max(delay, 0.0)
            if delay > 0:
                self._sleep(delay)
            del left[: len(ends)]
        # The first rule is the strictest.
        for key, interval in rules[:1]:
            self._keep_distance(key, interval, due)

    def _keep_distance(self, key: str, interval: float, due: float) -> None:
        """Wait until the request of this process before this one is long enough ago, if that one was late. One after
        the other: who wakes up late here is late itself for whoever follows."""
        with self._gates.setdefault(key, threading.Lock()):
            left = distance_left(self._sent.get(key), interval, time.monotonic())
            if left > 0:
                self._sleep(left)
            self._sent[key] = Sent(due=due, at=time.monotonic())

    def pause(self, key: str, seconds: float) -> None:
        with self._database.admin() as connection:
            connection.execute(_PAUSE, {"key": key, "seconds": seconds})
