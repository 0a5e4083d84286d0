"""The shared rate limit: which moments are handed out, to one key and to several at once."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.pace import (
    MOST_SLACK,
    SLACK_GAINED,
    SLACK_LOST,
    DatabasePacer,
    Sent,
    distance_left,
)


class Naps:
    """Sleeps that are noted, and over when the database's clock says so: nobody waits."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.fixture
def paced(database: Database) -> Iterator[tuple[DatabasePacer, Naps]]:
    naps = Naps()
    yield DatabasePacer(database, sleep=naps), naps
    with database.admin() as connection:
        connection.execute(text("delete from provider_rate_limits"))


def seconds_until_free(database: Database, key: str) -> float | None:
    statement = text(
        "select extract(epoch from next_free_at - clock_timestamp())::float8 from provider_rate_limits where key = :key"
    )
    with database.admin() as connection:
        found: float | None = connection.execute(statement, {"key": key}).scalar_one_or_none()
    return found


def test_each_request_of_a_key_has_its_own_moment(paced: tuple[DatabasePacer, Naps]) -> None:
    pacer, naps = paced
    for _ in range(4):
        pacer.wait("base", 100.0)
    assert [round(seconds, -1) for seconds in naps.taken] == [100.0, 200.0, 300.0]


def test_keys_that_are_free_are_taken_together(database: Database, paced: tuple[DatabasePacer, Naps]) -> None:
    pacer, naps = paced
    pacer.wait_all([("base", 100.0), ("token", 50.0)])
    assert naps.taken == []
    assert 90 < (seconds_until_free(database, "base") or 0) <= 100
    assert 40 < (seconds_until_free(database, "token") or 0) <= 50


def test_no_moment_of_a_key_passes_while_the_one_before_it_is_waited_for(database: Database) -> None:
    """Else the requests of many bases, each held back by its own limit, could come upon their common one at once."""
    left: list[float | None] = []
    pacer = DatabasePacer(database, sleep=lambda _: left.append(seconds_until_free(database, "token")))
    DatabasePacer(database).wait("base", 100.0)
    pacer.wait_all([("base", 100.0), ("token", 50.0)])
    assert left == [None]
    assert 40 < (seconds_until_free(database, "token") or 0) <= 50


def test_what_the_slack_loses_is_not_waited_for(paced: tuple[DatabasePacer, Naps]) -> None:
    """The moment is told with one slack: were it kept with another, each pause of a day would be longer by seconds."""
    pacer, naps = paced
    pacer.pause("base", 500.0)
    pacer.wait("base", 1_000_000.0)
    assert 490 < naps.taken[0] <= 500


def test_a_pause_holds_back_what_is_asked_for_together(paced: tuple[DatabasePacer, Naps]) -> None:
    pacer, naps = paced
    pacer.pause("token", 500.0)
    pacer.wait_all([("base", 1.0), ("token", 1.0)])
    assert [round(seconds, -1) for seconds in naps.taken] == [500.0]


@pytest.mark.parametrize(
    ("late", "now", "left"),
    [(0.0, 0.0, 0.0), (0.004, 0.1, 0.0), (0.15, 0.2, 0.15), (0.15, 0.3, 0.05), (0.15, 0.35, 0.0), (0.15, 9.0, 0.0)],
)
def test_whoever_follows_a_late_one_keeps_its_distance(late: float, now: float, left: float) -> None:
    assert distance_left(Sent(due=0.0, at=late), 0.2, now) == pytest.approx(left)
    assert distance_left(None, 0.2, now) == 0.0


def test_requests_that_wake_up_late_leave_one_after_the_other(database: Database) -> None:
    """Each of them sleeps for longer than the distance too long; what was due meanwhile does not leave in a heap."""
    chance, interval = random.Random(1), 0.05
    pacer = DatabasePacer(database, sleep=lambda seconds: time.sleep(seconds + chance.choice((0.0, 0.0, 2 * interval))))

    def send(_: int) -> float:
        pacer.wait("base", interval)
        return time.monotonic()

    with ThreadPoolExecutor(6) as pool:
        sent = sorted(pool.map(send, range(40)))
    # Of five distances, three quarters at the least: what is left is when the threads wrote the moment down.
    assert min(later - earlier for earlier, later in zip(sent, sent[5:], strict=False)) >= 0.75 * 5 * interval


def slack_of(database: Database, key: str) -> float:
    with database.admin() as connection:
        statement = text("select slack from provider_rate_limits where key = :key")
        found: float = connection.execute(statement, {"key": key}).scalar_one()
    return found


def test_a_refusal_makes_the_pace_slower_once_for_all_that_were_under_way(
    database: Database, paced: tuple[DatabasePacer, Naps]
) -> None:
    pacer, naps = paced
    pacer.wait("base", 1.0)
    assert slack_of(database, "base") == 0
    for _ in range(4):
        pacer.pause("base", 500.0)
    assert slack_of(database, "base") == SLACK_GAINED
    for _ in range(3):
        pacer.wait("base", 100.0)
    assert slack_of(database, "base") == pytest.approx(SLACK_GAINED - 3 * SLACK_LOST)
    first, second, third = naps.taken
    assert second - first == pytest.approx(100 * (1 + SLACK_GAINED), abs=1)
    assert third - second == pytest.approx(100 * (1 + SLACK_GAINED), abs=1)


def test_a_pace_that_was_refused_often_does_not_become_slower_for_ever(
    database: Database, paced: tuple[DatabasePacer, Naps]
) -> None:
    pacer, _ = paced
    for _ in range(2 * round(MOST_SLACK / SLACK_GAINED)):
        pacer.pause("base", 500.0)
        with database.admin() as connection:
            connection.execute(text("update provider_rate_limits set next_free_at = clock_timestamp()"))
    assert slack_of(database, "base") == MOST_SLACK


def test_a_request_without_rules_asks_nobody(database: Database) -> None:
    DatabasePacer(database).wait_all([])
    with database.admin() as connection:
        assert connection.execute(text("select count(*) from provider_rate_limits")).scalar_one() == 0
