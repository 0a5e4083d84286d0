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
    """Where a reader stands among the members changed after `since`. `total`: how many the last answer counted."""

    fetch: Fetch
    since: datetime | None
    total: int = 0
    _next: int = 0
    _longest: int = 0
    _page: Sequence[Member] = ()
    _told: set[str] = field(default_factory=set)

    @property
    def times(self) -> list[datetime]:
        """When the members of the last page changed; none if they come in no order."""
        return times_of(self._page) or []

    @property
    def is_end(self) -> bool:
        return self._next >= self.total

    @property
    def is_far(self) -> bool:
        return self._next >= FARTHEST

    def turn(self) -> list[Member]:
        """The next page, which may be empty at the end of the list; the first one without a check. `MovedError`:
        whoever was told is so, but others may be missing."""
        # Only whoever goes on by position needs to know whom the last page told.
        self._told.update(map(external_id, self._page))
        last = [_mark(each) for each in self._page[-min(AGAIN, max(self._longest // 10, 1)) :]]
        begin = self._next - len(last)
        members, self.total = self.fetch(Window(self.since), begin)
        require_some(members, self.total - begin)
        if self._next and not self._holds(members, last):
            raise MovedError
        self._page = members
        self._next = begin + len(members)
        self._longest = max(self._longest, len(members))
        return members

    def _holds(self, members: Sequence[Member], last: Sequence[_Mark]) -> bool:
        again = [_mark(each) for each in members[: len(last)]]
        is_ordered = times_of(members) is not None
        return is_ordered and again == last and self._told.isdisjoint(map(external_id, members[len(last) :]))

    def rest(self) -> Iterator[list[Member]]:
        """The pages up to the end of the list, or as far as one goes by position."""
        while not (self.is_end or self.is_far):
            yield self.turn()


def _mark(member: Member) -> _Mark:
    return external_id(member), str(member.get("last_changed"))


def require_some(members: Sequence[Member], left: int) -> None:
    """`left`: how many members should follow."""
    if not members and left > 0:
        raise RetryableError(f"Mailchimp's page is empty although {left} members are left")


def times_of(members: Sequence[Member]) -> list[datetime] | None:
    """When the members of a page changed; None if they come in no order."""
    times = [time for member in members if (time := read_time(member.get("last_changed"))) is not None]
    return times if len(times) == len(members) and times == sorted(times) else None
