"""The list as it is read on while batches add to it: a batch learns of all its members, and the look at what was
written misses nobody, whatever moves."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from integrations_pipeline.providers.mailchimp.answers import email_key
from integrations_pipeline.providers.mailchimp.members import Member, write_time
from integrations_pipeline.providers.mailchimp.paging import read_pages
from integrations_pipeline.providers.mailchimp.position import AGAIN, FARTHEST, Position, Window
from integrations_pipeline.providers.mailchimp.readback import Following
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.providers.mailchimp.moving import SECOND, START, MovingList

#: Members of a page: the last ten of it are asked for again.
PAGE = 100


@dataclass
class Listed:
    """The lists of a client, of whom each member's e-mail is told."""

    moving: MovingList

    def pages(self, since: datetime) -> Iterator[list[Member]]:
        return read_pages(self.fetch, since)

    def position(self, since: datetime) -> Position:
        return Position(self.fetch, since)

    def fetch(self, window: Window, offset: int) -> tuple[list[Member], int]:
        members, total = self.moving.fetch(window, offset)
        return [{**each, "email_address": f"{each['contact_id']}@Example.com"} for each in members], total


def a_list(seed: int, size: int = 0, **options: Any) -> Listed:
    times = {f"m{number}": START for number in range(size)}
    return Listed(MovingList(random.Random(seed), times, START + 60 * SECOND, page=PAGE, **options))


def batch(listed: Listed, name: str, size: int) -> frozenset[str]:
    """Members that a batch makes now, by address."""
    keys = [f"{name}-{number}" for number in range(size)]
    for key in keys:
        listed.moving.join(key)
    return frozenset(f"{key}@example.com" for key in keys)


def told_at_the_end(listed: Listed, following: Following, since: datetime) -> dict[str, str]:
    """Whoever is told, as told last."""
    told: dict[str, str] = {}
    for members in following.pages(since):
        told |= {each["contact_id"]: each["last_changed"] for each in members}
    return told


def test_batches_and_the_look_at_them_cost_their_pages_together() -> None:
    listed = a_list(1)
    following = Following(listed, START)
    for number in range(10):
        made = batch(listed, f"b{number}", PAGE)
        assert following.find(made, listed.moving.now - SECOND).keys() == made
        listed.moving.now += SECOND
    told = told_at_the_end(listed, following, START)
    assert len(told) == 10 * PAGE
    assert listed.moving.requests <= 10 * PAGE / (PAGE - AGAIN) + 10 + 1


def test_what_one_batch_read_of_another_is_not_asked_for_again() -> None:
    listed = a_list(1)
    following = Following(listed, START)
    first, second = batch(listed, "a", 20), batch(listed, "b", 20)
    assert following.find(second, START).keys() == second
    assert following.find(first, START).keys() == first
    assert listed.moving.requests == 1


def test_the_look_reads_by_itself_where_it_begins_elsewhere() -> None:
    listed = a_list(1, size=30)
    following = Following(listed, START + SECOND)
    following.find(batch(listed, "a", 20), START + SECOND)
    assert len(told_at_the_end(listed, following, START - SECOND)) == 50


def test_members_that_the_list_does_not_tell_yet_are_left_out() -> None:
    listed = a_list(1)
    made = batch(listed, "a", 3)
    assert Following(listed, START).find(made | {"late@example.com"}, START).keys() == made


def test_far_inside_the_list_a_batch_is_found_from_its_own_time_on() -> None:
    listed = a_list(1)
    listed.moving.page = 1000
    following = Following(listed, START)
    for number in range(FARTHEST // 1000 + 3):
        made = batch(listed, f"b{number}", 1000)
        assert following.find(made, listed.moving.now - SECOND).keys() == made
        listed.moving.now += 2 * SECOND
    assert len(told_at_the_end(listed, following, START)) == FARTHEST + 3000


@pytest.mark.parametrize("shuffles", [False, True], ids=["an order of its own", "no order within a second"])
@pytest.mark.parametrize("includes", [False, True], ids=["filters exclude their second", "filters include it"])
def test_whoever_is_made_is_found_and_whoever_changes_is_told(includes: bool, shuffles: bool) -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        chance = random.Random(seed)
        listed = a_list(seed, size=chance.choice((0, 1, 3 * PAGE)), includes=includes, shuffles=shuffles)
        moving, since = listed.moving, START + SECOND
        following = Following(listed, since)
        for number in range(chance.randint(1, 6)):
            begin = moving.now - SECOND
            made = batch(listed, f"b{number}", chance.choice((2, PAGE // 2, PAGE, 2 * PAGE)))
            for _ in range(chance.choice((0, 0, 1, 3))):
                moving.move()
                seen["moves"] += 1
            there = {email_key({"email_address": f"{key}@example.com"}) for key in moving.times}
            assert made & there == following.find(made, begin).keys() & there, seed
            moving.now += chance.choice((0, 1, 5)) * SECOND
            seen["batches"] += 1
        for _ in range(chance.choice((0, 0, 2))):
            moving.move()
        told = told_at_the_end(listed, following, since)
        expected = {key: write_time(at) for key, at in moving.times.items() if at > since}
        assert {key: told.get(key) for key in expected} == expected, seed
        seen["lists"] += 1
    gather("lists read on while they grow", seen)
    assert seen["moves"] > 20
