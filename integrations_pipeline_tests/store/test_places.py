"""Requests that may be under way at once, counted over processes: places that are taken, given back, and lost."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import text

from integrations_pipeline.errors import UnavailableError
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.places import Places
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer

#: Takes a place in another process, says so, and keeps it until it is killed.
_HOLDER = """
import sys, time
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.places import Places
with Places(Database(sys.argv[1])).place("account", 1) as is_mine:
    print(is_mine, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> Iterator[str]:
    with postgres_server.new_database(TEMPLATE) as url:
        yield url


@pytest.fixture
def two(database_url: str) -> Iterator[tuple[Places, Places]]:
    """Two processes of one database, as far as its locks know."""
    databases = (Database(database_url), Database(database_url))
    pair = (Places(databases[0]), Places(databases[1]))
    yield pair
    for places, database in zip(pair, databases, strict=True):
        places.close()
        database.close()


def test_a_key_has_so_many_places_whoever_takes_them(two: tuple[Places, Places]) -> None:
    with ExitStack() as taken:
        found = [taken.enter_context(two[n % 2].place("account", 5)) for n in range(7)]
        assert found == [True] * 5 + [False] * 2
    with two[1].place("account", 5) as is_mine:
        assert is_mine


def test_a_place_that_is_given_back_is_free_for_the_other(two: tuple[Places, Places]) -> None:
    one, other = two
    with one.place("account", 1) as is_mine:
        assert is_mine
        with other.place("account", 1) as is_theirs:
            assert not is_theirs
    with other.place("account", 1) as is_theirs:
        assert is_theirs


def test_keys_have_places_of_their_own(two: tuple[Places, Places]) -> None:
    with two[0].place("account", 1) as first, two[1].place("another account", 1) as second:
        assert first
        assert second


def test_a_block_that_fails_gives_its_place_back(two: tuple[Places, Places]) -> None:
    with pytest.raises(ValueError, match="in the middle"), two[0].place("account", 1):
        raise ValueError("in the middle")
    with two[1].place("account", 1) as is_theirs:
        assert is_theirs


def test_never_more_than_so_many_are_under_way_in_many_threads_of_two_processes(two: tuple[Places, Places]) -> None:
    lock, under_way, most, done = threading.Lock(), [0], [0], [0]

    def work(places: Places) -> None:
        for _ in range(5):
            with places.place("account", 3) as is_mine:
                if not is_mine:
                    continue
                with lock:
                    under_way[0] += 1
                    most[0] = max(most[0], under_way[0])
                time.sleep(0)
                with lock:
                    under_way[0] -= 1
                    done[0] += 1

    threads = [threading.Thread(target=work, args=(two[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most[0] <= 3
    assert done[0] >= 5


def test_a_killed_process_gives_its_places_back(database_url: str, two: tuple[Places, Places]) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, database_url], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "True"
    with two[0].place("account", 1) as is_mine:
        assert not is_mine
    holder.kill()
    holder.wait()
    holder.stdout.close()

    until = time.monotonic() + patient(10.0)
    while _tried(two[0], 1) != "free":
        assert time.monotonic() < until


def test_a_session_that_is_lost_is_followed_by_another(database_url: str, two: tuple[Places, Places]) -> None:
    """Its places are lost with it: the next one is asked of the new session."""
    assert _tried(two[0], 2) == "free"
    third = Database(database_url)
    with third.admin() as connection:
        connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                "and pid <> pg_backend_pid()"
            )
        )
    third.close()
    assert [_tried(two[0], 2), _tried(two[0], 2)] == ["lost", "free"]


def _tried(places: Places, count: int) -> str:
    try:
        with places.place("account", count) as is_mine:
            return "free" if is_mine else "taken"
    except UnavailableError:
        return "lost"
