"""Airtable's request limits: 5 a second per base, 50 a second per token, then half a minute of refusals.

Belongs here: counting and penalties. Does not belong here: the refusal's body, the monthly quota.
"""

from collections import deque
from datetime import datetime, timedelta

#: Requests a second, from the documentation of the rate limits.
BASE_RATE = 5
TOKEN_RATE = 50
#: Seconds in which everything is refused after the rate was exceeded, from the same page.
PENALTY_SECONDS = 30
#: Assumed: a sliding second. It is counted a little short, because how Airtable counts is not documented, and
#: a client that keeps exact distances must not be punished for the scheduler of the machine it runs on.
WINDOW_SECONDS = 0.98


class RateLimiter:
    """Counts per key. `scale` multiplies the rates and divides the penalty; None turns the limits off.

    Assumed: requests refused during a penalty neither count nor prolong it.
    """

    def __init__(self, scale: float | None) -> None:
        self.scale = scale
        self._times: dict[str, deque[datetime]] = {}
        self._blocked_until: dict[str, datetime] = {}

    def admit(self, rates: dict[str, int], now: datetime) -> bool:
        """Whether a request may pass that counts against these keys (key: requests a second)."""
        if any(self._blocked_until.get(key, now) > now for key in rates):
            return False
        if self.scale is None:
            return True
        exceeded = [key for key, rate in rates.items() if self._is_full(key, rate * self.scale, now)]
        for key in exceeded:
            self.punish(key, now)
        if not exceeded:
            for key in rates:
                self._times[key].append(now)
        return not exceeded

    def punish(self, key: str, now: datetime) -> None:
        """Starts the penalty. With limits off nothing is remembered: only the present request is refused."""
        if self.scale is not None:
            self._blocked_until[key] = now + timedelta(seconds=PENALTY_SECONDS / self.scale)

    def _is_full(self, key: str, rate: float, now: datetime) -> bool:
        times = self._times.setdefault(key, deque())
        while times and (now - times[0]).total_seconds() >= WINDOW_SECONDS:
            times.popleft()
        return len(times) >= max(1.0, rate)
