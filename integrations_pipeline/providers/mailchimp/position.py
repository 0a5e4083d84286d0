"""A position in a list in order of the last change, from which it is read on, as long as it holds.

Mailchimp knows pages by offset only, and a member that changes moves to the end, so that the others move up. So each
page begins with the last members of the one before: where they are not the same ones, in the same order, somebody in
front of them left, or the order of one second is nobody's. A member told twice shows that another one was not told.

Belongs here: whether a position holds. Does not: how to go on where it does not (`paging`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integrations_pipeline.errors import RetryableError
from integrations_pipeline.providers.mailchimp.members import Member, external_id, read_time

#: So many members of a page must come again at the begin of the next; of short pages a tenth.
AGAIN = 10
#: Nobody goes further by position: a server that counts to an offset is slow far inside a list.
FARTHEST = 10_000


class MovedError(Exception):
    """The position in the list holds no longer."""


@dataclass(frozen=True, slots=True)
class Window:
    """Members changed after `since` and before `before`; whether the very second counts is not documented."""

    since: datetime | None = None
    before: datetime | None = None


#: (window, offset) → a page of members in order of their last change, and how many the window holds.
Fetch = Callable[[Window, int], tuple[list[Member], int]]
#: Who it is, and since when the member is as it was told.
_Mark = tuple[str, str]


@dataclass(slots=True)
class Position:
    """Where a reader stands among the members changed after `since`. `total`: how many the last answer counted;
    `times`: when the members of the last page changed."""

    fetch: Fetch
    since: datetime | None
    total: int = 0
    times: Sequence[datetime] = ()
    _next: int = 0
    _longest: int = 0
    _last: list[_Mark] = field(default_factory=list)
    _told: set[_Mark] = field(default_factory=set)

    @property
    def is_end(self) -> bool:
        return self._next >= self.total

    @property
    def is_far(self) -> bool:
        return self._next >= FARTHEST

    def turn(self) -> list[Member]:
        """The next page, which may be empty at the end of the list; the first one without a check. `MovedError`:
        whoever was told is so, but others may be missing."""
        begin = self._next - len(self._last)
        members, self.total = self.fetch(Window(self.since), begin)
        times = times_of(members, self.total - begin)
        marks = [(external_id(each), str(each.get("last_changed"))) for each in members]
        again, new = marks[: len(self._last)], marks[len(self._last) :]
        if self._next and (times is None or again != self._last or not self._told.isdisjoint(new)):
            raise MovedError
        self.times = times or ()
        self._next = begin + len(members)
        self._longest = max(self._longest, len(members))
        self._told.update(new)
        self._last = marks[-min(AGAIN, max(self._longest // 10, 1)) :]
        return members

    def rest(self) -> Iterator[list[Member]]:
        """The pages up to the end of the list, or as far as one goes by position."""
        while not (self.is_end or self.is_far):
            yield self.turn()


def times_of(members: Sequence[Member], left: int) -> list[datetime] | None:
    """When the members of a page changed; None if they come in no order. `left`: how many should follow."""
    if not members and left > 0:
        raise RetryableError(f"Mailchimp's page is empty although {left} members are left")
    times = [time for member in members if (time := read_time(member.get("last_changed"))) is not None]
    return times if len(times) == len(members) and times == sorted(times) else None
