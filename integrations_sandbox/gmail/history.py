"""A mailbox's history: what was added, deleted and relabelled, under ids that only grow.

Belongs here: recording, expiry, and the pages of history.list. Does not belong here: the changes themselves.
"""

import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from integrations_sandbox.gmail.model import Message
from integrations_sandbox.wire import JsonObject

#: The key of each kind of change in a record, by its name among `historyTypes`.
KINDS = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of one message; `changed` are the labels that came or went, `labels` those it had afterwards."""

    kind: str
    message: JsonObject
    labels: tuple[str, ...]
    changed: tuple[str, ...] = ()

    def concerns(self, label: str | None) -> bool:
        return label is None or label in self.labels or label in self.changed

    def to_json(self, has_labels: bool) -> JsonObject:
        shown = self.message | ({"labelIds": list(self.labels)} if has_labels and self.labels else {})
        return {"message": shown} | ({"labelIds": list(self.changed)} if self.changed else {})


@dataclass(frozen=True, slots=True)
class Record:
    id: int
    at: datetime
    events: tuple[Event, ...]

    def to_json(self, events: Sequence[Event], has_labels: bool) -> JsonObject:
        touched = {event.message["id"]: event.message for event in events}
        document: JsonObject = {"id": str(self.id), "messages": list(touched.values())}
        for event in events:
            document.setdefault(KINDS[event.kind], []).append(event.to_json(has_labels))
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    start: int
    size: int
    kinds: frozenset[str] = frozenset()
    label: str | None = None
    #: From the page token: the last record given, and how many blank pages followed it.
    after: int | None = None
    blank_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOddities:
    """What real pages have been seen to do: give a record twice, give none although more follow."""

    repeats_records: bool = False
    blank_pages: int = 0
    has_labels: bool = False


@dataclass(slots=True)
class History:
    """`current` is what getProfile gives. It is always ahead of the newest record, so that a reader who stores it
    keeps a valid id, while the `historyId` of an old message stops being one."""

    gaps: random.Random
    records: list[Record] = field(default_factory=list)
    current: int = 0
    #: Ids up to this one are no longer known.
    expired: int = 0

    def __post_init__(self) -> None:
        self.current = self.expired = self.gaps.randint(1_000, 90_000)
        self._move_on()

    def add(self, at: datetime, events: Iterable[Event]) -> int:
        """The id of the new record: greater than any that was given out, or a reader who stored that would miss it."""
        record = Record(self.current + self.gaps.randint(1, 4), at, tuple(events))
        self.records.append(record)
        self.current = record.id
        self._move_on()
        return record.id

    def expire(self) -> None:
        """Makes all ids unknown that were ever given out."""
        self.expired = self.current
        self._move_on()

    def expire_before(self, at: datetime) -> None:
        old = bisect_right(self.records, at, key=lambda record: record.at)
        if old:
            self.expired = max(self.expired, self.records[old - 1].id)

    def is_known(self, start: int) -> bool:
        return self.expired < start <= self.current

    def page(self, query: HistoryQuery, oddities: PageOddities) -> JsonObject:
        """The documented answer: no `history` when nothing happened, always the `historyId` to store."""
        after = query.start if query.after is None else query.after
        found = self._found(query)
        rest = [pair for pair in found if pair[0].id > after]
        body: JsonObject = {"historyId": str(self.current)}
        if rest and query.blank_count < oddities.blank_pages:
            return body | {"nextPageToken": page_token(after, query.blank_count + 1)}
        page = rest[: query.size]
        if oddities.repeats_records and query.after is not None and query.size > 1:
            page = [*(pair for pair in found if pair[0].id == after), *rest][: query.size]
        if page:
            body["history"] = [record.to_json(events, oddities.has_labels) for record, events in page]
        last = page[-1][0].id if page else after
        is_more = bool(rest) and rest[-1][0].id > last
        return body | ({"nextPageToken": page_token(last, 0)} if is_more else {})

    def _found(self, query: HistoryQuery) -> list[tuple[Record, list[Event]]]:
        """The records that the query is about, each with those of its events that it is about."""
        found = []
        for record in self.records[bisect_right(self.records, query.start, key=lambda each: each.id) :]:
            events = [
                event
                for event in record.events
                if (not query.kinds or event.kind in query.kinds) and event.concerns(query.label)
            ]
            if events:
                found.append((record, events))
        return found

    def _move_on(self) -> None:
        self.current += self.gaps.randint(1, 40)


def cut_off(now: datetime, seconds: float) -> datetime:
    return now - timedelta(seconds=seconds)


def event(kind: str, message: Message, changed: Iterable[str] = ()) -> Event:
    return Event(kind=kind, message=message.reference(), labels=tuple(message.labels), changed=tuple(changed))


def page_token(after: int, blank_count: int) -> str:
    return f"{after:020d}{blank_count:04d}"


def read_page_token(token: str) -> tuple[int, int]:
    """Raises ValueError for what is no token of history.list."""
    if len(token) != 24 or not token.isdigit():
        raise ValueError("not a page token")
    return int(token[:20]), int(token[20:])
