"""The shared rate limit: which moments are handed out, to one key and to several at once."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.pace import DatabasePacer


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


def test_a_pause_holds_back_what_is_asked_for_together(paced: tuple[DatabasePacer, Naps]) -> None:
    pacer, naps = paced
    pacer.pause("token", 500.0)
    pacer.wait_all([("base", 1.0), ("token", 1.0)])
    assert [round(seconds, -1) for seconds in naps.taken] == [500.0]


def test_a_request_without_rules_asks_nobody(database: Database) -> None:
    DatabasePacer(database).wait_all([])
    with database.admin() as connection:
        assert connection.execute(text("select count(*) from provider_rate_limits")).scalar_one() == 0
