"""Wrong answers made from right ones: each place of a document holds something else in turn, or is left out.

Belongs here: making them, a network that answers so, what holds whatever comes. Does not: each provider's endpoints.
"""

import copy
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any

import httpx
import pytest

from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.model import Change, ChangeKind, Outcome, Side
from integrations_pipeline.providers.base import CheckReport, Page
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.sync.arrangement import Loopback

#: Answers of an endpoint, by Hypothesis profile: the whole spoilt in every way, and a spread of its places.
MOST = 150 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 75
LEFT_OUT = object()
#: What stands in place of the true value.
STRANGERS: tuple[Any, ...] = (
    LEFT_OUT, None, True, False, 0, -1, 3.5, 10**30, 1e300, "", "x", "5", "\x00", "\ud83d", "x" * 5_000, "a/../b", "..",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", [], [None], [[]], ["x"], [5], [{}], {}, {"x": 5},
    {"": None}, {"id": 5}, {"name": {"name": []}},
)  # fmt: skip
#: Of a list only these are spoilt, one at a time.
FIRST_AND_LAST = (0, -1)

Path = tuple[Any, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The ways to every value in a document, the whole first."""
    yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from places(child, (*path, key))
    elif isinstance(value, list) and value:
        for index in FIRST_AND_LAST[: len(value)]:
            yield from places(value[index], (*path, index))


Spoil = Callable[[Any], Any]


def put(document: Any, path: Path, stranger: Any) -> Any:
    """A copy of the document with a stranger in this place; where it has no such place, in the first one there."""
    if not path:
        return None if stranger is LEFT_OUT else stranger
    spoilt = copy.copy(document)
    if isinstance(spoilt, dict) and spoilt:
        step = path[0] if path[0] in spoilt else next(iter(spoilt))
    elif isinstance(spoilt, list) and spoilt:
        step = path[0] if path[0] in FIRST_AND_LAST else 0
    else:
        return stranger if stranger is not LEFT_OUT else None
    if len(path) > 1:
        spoilt[step] = put(spoilt[step], path[1:], stranger)
    elif stranger is LEFT_OUT:
        del spoilt[step]
    else:
        spoilt[step] = stranger
    return spoilt


def spoilers(body: Any, most: int) -> list[Spoil]:
    """What makes wrong answers of right ones like this: the whole spoilt in every way, its places in as many ways as
    `most` leaves, spread evenly."""
    found: list[Spoil] = [partial(put, path=path, stranger=each) for path in places(body) for each in STRANGERS]
    found = [lambda told: [told], lambda told: {"data": told}, *found]
    always = len(STRANGERS) + 2
    step = max(1, (len(found) - always) // max(1, most - always))
    return found[:always] + found[always::step]


class Distorting(Loopback):
    """The network, but what answers a request whose method and path fit is spoilt."""

    def __init__(self) -> None:
        super().__init__()
        self._fits = re.compile("(?!)")
        self._spoil: Spoil | None = None
        self.hits = 0
        #: The last true answer.
        self.body: Any = None

    def distort(self, pattern: str, spoil: Spoil) -> None:
        """`pattern` is looked for in "METHOD path?query"."""
        self._fits, self._spoil, self.hits = re.compile(pattern), spoil, 0

    def watch(self, pattern: str) -> None:
        """Count these requests and keep the true answer."""
        self._fits, self._spoil, self.hits = re.compile(pattern), None, 0

    def leave_alone(self) -> None:
        self.watch("(?!)")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if not (response.is_success and self._fits.search(f"{request.method} {request.url.raw_path.decode()}")):
            return response
        self.hits += 1
        self.body = json.loads(response.content) if response.content else None
        if self._spoil is None:
            return response
        content = json.dumps(self._spoil(self.body)).encode()
        headers = {"Date": response.headers.get("Date", ""), "Content-Type": "application/json"}
        return httpx.Response(200, headers=headers, content=content)


@pytest.fixture
def network() -> Iterator[Distorting]:
    network = Distorting()
    yield network
    network.shut_down()


#: So that nobody is made twice.
NUMBERS = count(1)


def person(number: int) -> dict[str, str]:
    return {"email": f"p{number}@example.org", "name": f"Person {number}", "company": "Firm"}


def changes(kind: ChangeKind, ids: Sequence[str | None], **fields: str) -> list[Change]:
    made = []
    for external_id in ids:
        number = next(NUMBERS)
        made.append(
            Change(
                side=Side.REMOTE,
                kind=kind,
                contact_id=f"00000000-0000-4000-8000-{number:012d}",
                external_id=external_id,
                after=fields
                or (person(number + 1_000) if kind is ChangeKind.CREATE else {"company": f"Firm {number}"}),
            )
        )
    return made


def fuzz(network: Distorting, pattern: str, deed: Callable[[], Any], title: str = "wrong shapes") -> None:
    """Do it once per wrong answer to these requests: whatever comes is one line, or of the right kinds."""
    network.watch(pattern)
    deed()
    assert network.hits, "the deed does not ask the endpoint"
    wrong = spoilers(network.body, MOST)
    assert len(wrong) > len(STRANGERS)
    told: list[str] = []
    for spoil in wrong:
        network.distort(pattern, spoil)
        try:
            check(deed())
        except IntegrationError as error:
            told.append(str(error))
    gather(title, Counter({"answers": len(wrong), "refused as a whole": len(told)}))
    assert all(line.isprintable() and "@example" not in line for line in told)
    network.leave_alone()
    check(deed())


def check(done: Any) -> None:
    """What came in, if anything did, is of the kinds that the sync works with."""
    for each in done if isinstance(done, list) else [done]:
        if isinstance(each, CheckReport):
            assert all(line.isprintable() and "@example" not in line for line in (*each.problems, *each.notes))
        if isinstance(each, Page):
            assert all(record.external_id.isascii() and record.external_id for record in each.records)
            assert all(isinstance(value, str) for record in each.records for value in record.fields.values())
            assert not any("\x00" in value for record in each.records for value in record.fields.values())
            assert all(isinstance(gone, str) and gone for gone in each.tombstones)
            assert json.dumps(dict(each.cursor))
        if isinstance(each, Outcome):
            assert each.external_id is None or each.external_id.isascii()
            assert len(each.reason.splitlines()) <= 1
            assert "@" not in each.reason
