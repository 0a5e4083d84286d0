"""Gmail's limits: quota units per minute for each user and project, and mails per day for each mailbox.

Belongs here: counting. Does not belong here: the refusals' bodies, what a method costs (`methods`).
"""

from collections import deque
from datetime import datetime, timedelta

#: Units a minute, for projects made since 2026-05-01; before, a user had 15,000.
USER_UNITS = 6_000
PROJECT_UNITS = 1_200_000
WINDOW = timedelta(minutes=1)
DAY = timedelta(hours=24)


class UnitLimiter:
    """Counts units in a sliding minute. `scale` multiplies the limits; None turns them off.

    Assumed: a sliding window, and that refused requests cost nothing.
    """

    def __init__(self, scale: float | None) -> None:
        self.scale = scale
        self._spent: dict[str, deque[tuple[datetime, int]]] = {}
        self._sums: dict[str, int] = {}

    def admit(self, user: str, project: str, units: int, now: datetime) -> bool:
        """Whether a call of so many units may pass; if so, it is counted."""
        if self.scale is None:
            return True
        limits = {f"user {user}": USER_UNITS * self.scale, f"project {project}": PROJECT_UNITS * self.scale}
        if any(self._used(key, now) + units > limit for key, limit in limits.items()):
            return False
        for key in limits:
            self._spent[key].append((now, units))
            self._sums[key] += units
        return True

    def _used(self, key: str, now: datetime) -> int:
        spent = self._spent.setdefault(key, deque())
        self._sums.setdefault(key, 0)
        while spent and now - spent[0][0] >= WINDOW:
            self._sums[key] -= spent.popleft()[1]
        return self._sums[key]


class DailySends:
    """The mails that a mailbox sent in the last 24 hours, by whatever way.

    Assumed: messages are counted, not recipients.
    """

    def __init__(self) -> None:
        self._times: deque[datetime] = deque()
        self.exceeded_at: datetime | None = None

    def add(self, now: datetime) -> None:
        self._times.append(now)

    def is_exceeded(self, limit: int | None, now: datetime) -> bool:
        """Whether the day's mails are used up; remembers since when somebody wanted more."""
        while self._times and now - self._times[0] >= DAY:
            self._times.popleft()
        is_full = limit is not None and len(self._times) >= limit
        if not is_full:
            self.exceeded_at = None
        elif self.exceeded_at is None:
            self.exceeded_at = now
        return is_full

    def free_at(self, now: datetime) -> datetime:
        """When the oldest counted mail is a day old."""
        return self._times[0] + DAY if self._times else now
