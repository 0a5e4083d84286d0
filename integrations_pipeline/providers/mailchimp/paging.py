"""Reading a list that moves: every member at least once, whatever happens between two pages.

Mailchimp pages by offset, and a member that changes moves to the end: whoever stood behind it would slip past.
So each page begins at the last second of the one before instead. Where a page covers few seconds, as after a batch,
such a second is much of it: then the next begins by position (`position`), until that no longer holds. The members of
one and the same second, if they are more than a page, are read by offset too. That second is over, so members can only
leave it, which its total tells, and as many different ones as the total names must have come: the order among them is
nobody's promise.

Belongs here: which page comes next. Does not: requests (`client`).
"""

from collections.abc import Generator, Iterator
from datetime import datetime, timedelta

from integrations_pipeline.errors import RetryableError
from integrations_pipeline.providers.mailchimp.members import Member, external_id, read_time
from integrations_pipeline.providers.mailchimp.position import Fetch, MovedError, Position, Window, require_some

#: Of a list that keeps no order pages overlap, for members that move meanwhile.
OVERLAP = 50
#: An order that changes with every page needs about ten times the pages; more than this is no order of a list.
MOST_ROUNDS = 50
SECOND = timedelta(seconds=1)
#: A page that covers less is followed by position.
DENSE = timedelta(seconds=60)
_RESTLESS = "Mailchimp's list does not hold still: its pages never tell everybody"


def read_pages(fetch: Fetch, since: datetime | None) -> Iterator[list[Member]]:
    """Pages of everybody changed since then. `RetryableError` for a page that is empty and should not be."""
    goes_by_position = True
    while True:
        position = Position(fetch, since)
        members = position.turn()
        yield members
        if position.is_end:
            return
        times = position.times
        if not times or (since is not None and times[0] < since):
            yield from _overlapping(fetch, Window(since), len(members))
            return
        if goes_by_position and times[-1] - times[0] < DENSE:
            goes_by_position = yield from _by_position(position)
            if not goes_by_position:
                continue
        since = yield from _beyond(position)
        if since is None:
            return


def _by_position(position: Position) -> Generator[list[Member], None, bool]:
    """The pages after the first one; whether the position held."""
    try:
        yield from position.rest()
    except MovedError:
        return False
    return True


def _beyond(position: Position) -> Generator[list[Member], None, datetime | None]:
    """The time to go on from after the last page; None at the end of the list."""
    if position.is_end:
        return None
    since, times = position.since, position.times
    second = times[-1]
    if times[0] != second and (since is None or second - SECOND > since):
        return second - SECOND
    held = yield from _of_one_second(position.fetch, second)
    if held >= position.total:
        return None
    # Where the filter includes its own second, that one has come before.
    return second if since is None or second > since else since + SECOND


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
        require_some(members, total - offset)
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
        require_some(members, total - offset)
        offset += max(len(members), OVERLAP + 1)
