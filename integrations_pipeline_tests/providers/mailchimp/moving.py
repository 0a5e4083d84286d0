"""A list of members that changes while it is read. Belongs here: the list. Does not: what must be told of it."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from integrations_pipeline.providers.mailchimp.members import Member, write_time
from integrations_pipeline.providers.mailchimp.position import Window

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PAGE = 5


@dataclass
class MovingList:
    """A server's list. `moves`: how many members change before each page, at most; `includes`: whether filters
    include the second they are given; `shuffles`: members of one second come in another order each time."""

    chance: random.Random
    times: dict[str, datetime]
    now: datetime
    moves: int = 0
    includes: bool = False
    shuffles: bool = False
    ignores_times: bool = False
    page: int = PAGE
    requests: int = 0
    gone: set[str] = field(default_factory=set)

    def fetch(self, window: Window, offset: int) -> tuple[list[Member], int]:
        for _ in range(self.chance.randint(0, self.moves)):
            self.move()
        self.requests += 1
        found = [key for key, at in self.times.items() if self.ignores_times or self._fits(at, window)]
        if self.shuffles:
            self.chance.shuffle(found)
        found.sort(key=lambda key: self.times[key])
        page = found[offset : offset + self.page]
        return [{"contact_id": key, "last_changed": write_time(self.times[key])} for key in page], len(found)

    def _fits(self, at: datetime, window: Window) -> bool:
        if self.includes:
            return (window.since is None or at >= window.since) and (window.before is None or at <= window.before)
        return (window.since is None or at > window.since) and (window.before is None or at < window.before)

    def move(self) -> None:
        """Somebody is edited, joins or is archived."""
        self.now += self.chance.choice((timedelta(), SECOND))
        what = self.chance.random()
        key = self.chance.choice(sorted(self.times))
        if what < 0.7:
            # To the end also among those of the same second.
            del self.times[key]
            self.times[key] = self.now
        elif what < 0.85:
            self.join(f"new {len(self.times)} {self.requests}")
        elif len(self.times) > 1:
            del self.times[key]
            self.gone.add(key)

    def join(self, key: str) -> None:
        self.times[key] = self.now
