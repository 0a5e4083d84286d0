"""What the list tells of members that a batch made and did not tell enough of. Belongs here: that reading. Does not:
what is made of it (`writer`)."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol

from integrations_pipeline.providers.mailchimp.answers import Answers, email_key
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.members import Member, read_time
from integrations_pipeline.providers.mailchimp.position import MovedError, Position

#: Clocks have whole seconds: a look at what a lost request made begins a little earlier.
LOOK_BACK = timedelta(seconds=10)
SECOND = timedelta(seconds=1)


def made_since(client: MailchimpClient, before: datetime | None) -> dict[str, Member]:
    """Members by e-mail that are new or changed since a request whose answer was lost."""
    if before is None:
        return {}
    pages = client.pages(before - LOOK_BACK)
    return {email_key(each): each for members in pages for each in members}


def read_back(following: "Following", answers: Answers, tagged: Set[str]) -> None:
    """Complete the answers about new members by what the list tells of them: their lasting ids, and the tags of those
    who are to have some (`tagged`, by address), where a batch told none."""
    missing = {
        address
        for address, each in answers.new.items()
        if not each.get("contact_id") or (address in tagged and not isinstance(each.get("tags"), list))
    }
    times = [time for each in answers.new.values() if (time := read_time(each.get("last_changed")))]
    if len(missing) <= 1 or not times:
        return
    found = following.find(missing, min(times) - SECOND)
    answers.new.update(found)
    answers.told |= found.keys()


class Lists(Protocol):
    """The lists of a client."""

    def pages(self, since: datetime) -> Iterator[list[Member]]: ...

    def position(self, since: datetime) -> Position: ...


@dataclass(slots=True)
class Following:
    """The list of whoever changed since a run began to read (`since`), read on while batches add to it: a page tells
    all batches under way of theirs, and serves the look at what was written, which so reads nobody twice.

    Threads wait for one another: each wants the pages that the other is about to read.
    """

    client: Lists
    since: datetime | None = None
    _position: Position | None = None
    #: What was told from the begin of the position on.
    _pages: list[list[Member]] = field(default_factory=list)
    _known: dict[str, Member] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def find(self, addresses: Set[str], begin: datetime) -> Mapping[str, Member]:
        """By address, the members that the list tells by now. `begin`: they changed since then."""
        with self._lock:
            try:
                self._read_on(addresses, begin)
            except MovedError:
                # Somebody who had been told changed: these members by whatever pages it takes.
                self._begin_again(begin)
                for members in self.client.pages(begin):
                    self._keep(members)
                    if addresses <= self._known.keys():
                        break
            return {address: self._known[address] for address in addresses & self._known.keys()}

    def pages(self, since: datetime) -> Iterator[list[Member]]:
        """Everybody changed since then: who was told so far, if the position still holds, and the others."""
        with self._lock:
            pages = self._whole(since)
        yield from self.client.pages(since) if pages is None else pages

    def _read_on(self, addresses: Set[str], begin: datetime) -> None:
        position = self._position or self.client.position(self.since or begin)
        if position.is_far or (position.since and position.since > begin):
            position = self._begin_again(begin)
        self._position = position
        while not addresses <= self._known.keys():
            self._keep(position.turn())
            if position.is_end:
                return

    def _begin_again(self, begin: datetime) -> Position:
        self._position = self.client.position(begin)
        self._pages.clear()
        self._known.clear()
        return self._position

    def _keep(self, members: list[Member]) -> None:
        self._pages.append(members)
        self._known.update({email_key(each): each for each in members})

    def _whole(self, since: datetime) -> list[list[Member]] | None:
        position = self._position
        if position is None or position.is_far or position.since != since:
            return None
        try:
            rest = [position.turn(), *position.rest()]
        except MovedError:
            return None
        return [*self._pages, *rest] if position.is_end else None
