"""Reading a list that moves: every member at least once, whatever happens between two pages.

Mailchimp pages by offset, and a member that changes moves to the end: whoever stood behind it would slip past.
So each page begins at the last second of the one before instead. Only the members of one and the same second,
if they are more than a page, are read by offset. That second is over, so members can only leave it, which its
total tells, and as many different ones as the total names must have come: the order among them is nobody's
promise.

Belongs here: which page comes next. Does not: requests (`client`).
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations_pipeline.errors import RetryableError
from integrations_pipeline.providers.mailchimp.members import Member, external_id, read_time

#: Of a list that keeps no order pages overlap, for members that move meanwhile.
OVERLAP = 50
#: An order that changes with every page needs about ten times the pages; more than this is no order of a list.
MOST_ROUNDS = 50
SECOND = timedelta(seconds=1)
_RESTLESS = "Mailchimp's list does not hold still: its pages never tell everybody"


@dataclass(frozen=True, slots=True)
class Window:
    """Members changed after `since` and before `before`; whether the very second counts is not documented."""

    since: datetime | None = None
    before: datetime | None = None


#: (window, offset) → a page of members in order of their last change, and how many the window holds.
Fetch = Callable[[Window, int], tuple[list[Member], int]]


def read_pages(fetch: Fetch, since: datetime | None) -> Iterator[list[Member]]:
    """Pages of everybody changed since then. `RetryableError` for a page that is empty and should not be."""
    while True:
        members, total = fetch(Window(since), 0)
        yield members
        if len(members) >= total:
            return
        times = _times(members, total)
        if times is None or (since is not None and times[0] < since):
            yield from _overlapping(fetch, Window(since), len(members))
            return
        following = times[-1] - SECOND
        if times[0] != times[-1] and (since is None or following > since):
            since = following
            continue
        second = times[-1]
        held = yield from _of_one_second(fetch, second)
        if held >= total:
            return
        # Where the filter includes its own second, that one has come before.
        since = second if since is None or second > since else since + SECOND


def _of_one_second(fetch: Fetch, second: datetime) -> Generator[list[Member], None, int]:
    """Everybody who last changed in that second, again from the start until all have come; returns how many."""
    window = Window(second - SECOND, second + SECOND)
    found: dict[str, bool] = {}
    offset, known, told, most = 0, -1, 0, 1
    while True:
        members, total = fetch(window, offset)
        yield members
        if total != known:
            # Somebody left: who stood behind may have been missed, so the count begins anew.
            found, known = {}, total
        found |= {external_id(each): read_time(each.get("last_changed")) == second for each in members}
        if len(found) >= total:
            return sum(found.values())
        # Against those that came, not against the total: that is what may be wrong.
        told, most = told + max(len(members), 1), max(most, len(found))
        if told > MOST_ROUNDS * most:
            raise RetryableError(_RESTLESS)
        _times(members, total - offset)
        offset = offset + len(members) if offset + len(members) < total else 0


def _overlapping(fetch: Fetch, window: Window, offset: int) -> Iterator[list[Member]]:
    """The rest of a list without order, from the page that ended at `offset`: members may move meanwhile."""
    found: set[str] = set()
    told = 0
    while True:
        offset = max(offset - OVERLAP, 1)
        members, total = fetch(window, offset)
        yield members
        found.update(map(external_id, members))
        told += len(members)
        if told > MOST_ROUNDS * max(len(found), OVERLAP):
            raise RetryableError(_RESTLESS)
        if offset + len(members) >= total:
            return
        _times(members, total - offset)
        offset += max(len(members), OVERLAP + 1)


def _times(members: Sequence[Member], left: int) -> list[datetime] | None:
    """When the members of a page changed; None if they come in no order. `left`: how many should follow."""
    if not members and left > 0:
        raise RetryableError(f"Mailchimp's page is empty although {left} members are left")
    times = [time for member in members if (time := read_time(member.get("last_changed"))) is not None]
    return times if len(times) == len(members) and times == sorted(times) else None
