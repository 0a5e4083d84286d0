"""Paging through lists that move: everybody who is there from the first page to the last is told."""

import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from integrations_pipeline.errors import RetryableError
from integrations_pipeline.providers.mailchimp.members import Member, write_time
from integrations_pipeline.providers.mailchimp.paging import read_pages
from integrations_pipeline.providers.mailchimp.position import Window
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.providers.mailchimp.moving import PAGE, SECOND, START, MovingList


def a_list(seed: int, **options: Any) -> MovingList:
    """Some seconds with few members and some with many."""
    chance = random.Random(seed)
    times: dict[str, datetime] = {}
    at = START
    for _ in range(chance.randint(1, 8)):
        at += chance.choice((SECOND, SECOND, 7 * SECOND))
        for _ in range(chance.choice((1, 2, PAGE, 3 * PAGE, 4 * PAGE + 1))):
            times[f"m{len(times)}"] = at
    return MovingList(chance, times, at + chance.choice((timedelta(), 60 * SECOND)), **options)


def told_by(moving: MovingList, since: datetime | None) -> set[str]:
    return {member["contact_id"] for page in read_pages(moving.fetch, since) for member in page}


LISTS = (
    {"moves": 0},
    {"moves": 2},
    {"moves": 2 * PAGE},
    {"moves": 0, "shuffles": True},
    {"moves": 1, "shuffles": True},
)


@pytest.mark.parametrize("includes", [False, True], ids=["filters exclude their second", "filters include it"])
@pytest.mark.parametrize("options", LISTS, ids=str)
def test_whoever_stays_is_told_whatever_moves(options: dict[str, Any], includes: bool) -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        moving = a_list(seed, includes=includes, **options)
        since = random.Random(seed).choice((None, START + 3 * SECOND))
        there = {key for key, at in moving.times.items() if since is None or at > since}
        size = len(moving.times)
        told = told_by(moving, since)
        missed = there - told - moving.gone
        assert not missed, (seed, missed)
        seen["lists"] += 1
        seen["pages"] += moving.requests
        seen["lists with moves"] += moving.now > START + 60 * SECOND or moving.gone != set()
        seen["lists of several pages"] += size > PAGE
    gather("lists that move", seen)
    assert seen["lists of several pages"] > 30


def test_an_orderly_list_costs_hardly_more_than_its_pages() -> None:
    times = {f"m{number}": START + number * SECOND for number in range(100)}
    moving = MovingList(random.Random(1), times, START)
    told_by(moving, None)
    # Each page begins a second back, with the last member of the one before.
    assert moving.requests <= 100 / (PAGE - 1) + 1


def test_one_second_costs_its_pages() -> None:
    moving = MovingList(random.Random(1), {f"m{number}": START for number in range(100)}, START)
    told_by(moving, None)
    # By place, each page begins with the last member of the one before.
    assert moving.requests <= 100 / (PAGE - 1) + 1


def test_a_list_that_ignores_the_time_is_read_by_offset() -> None:
    times = {f"m{number}": START + number * SECOND for number in range(200)}
    moving = MovingList(random.Random(1), times, START, ignores_times=True)
    assert told_by(moving, START + 50 * SECOND) == set(times)


def test_a_list_that_never_tells_everybody_is_given_up() -> None:
    def fetch(window: Window, offset: int) -> tuple[list[Member], int]:
        return [{"contact_id": f"m{n}", "last_changed": write_time(START)} for n in range(PAGE)], 3 * PAGE

    with pytest.raises(RetryableError, match="does not hold still"):
        list(read_pages(fetch, None))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_empty_page_that_should_not_be_is_no_end(at: int) -> None:
    moving = MovingList(random.Random(1), {f"m{number}": START for number in range(20)}, START)

    def fetch(window: Window, offset: int) -> tuple[list[Member], int]:
        members, total = moving.fetch(window, offset)
        return ([] if moving.requests == at + 1 else members), total

    with pytest.raises(RetryableError, match="empty although"):
        list(read_pages(fetch, None))


def test_nobody_is_one_page() -> None:
    assert list(read_pages(lambda window, offset: ([], 0), None)) == [[]]
