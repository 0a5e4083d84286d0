"""A sync with a sheet that dies at any request, answer or commit: the next ones come to the same end.

Belongs here: that enumeration. Does not: rows that move meanwhile (`test_sheets_histories`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from google_sheets_sandbox import SheetsSandbox
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.examples.test_sheets_histories import STAYING, Story, story
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_pipeline_tests.sync.crashes import Crash, CrashPoints

#: Points of the run, at least: fewer would mean that it no longer does one of each.
EXPECTED = 25
#: The fast suite kills at every so many of them.
STEP = 5


@dataclass
class Place:
    """What `CrashPoints` watches: the database, and the network that the run goes through."""

    told: Story
    database: Database
    network: Loopback


@contextmanager
def everything(postgres: PostgresServer) -> Iterator[Place]:
    """Before a run with creates, updates and deletes each way."""
    network = Loopback()
    with postgres.new_database(TEMPLATE) as url, SheetsSandbox() as sandbox:
        database = Database(url)
        told = story(database, sandbox, 0)
        told.runtime = replace(told.runtime, transport=network)
        for who in (*sorted(STAYING), *(f"p{number}@x.org" for number in range(6))):
            told.add(who)
        told.sync()
        for number, is_there in ((0, True), (1, False)):
            told.people[f"p{number}@x.org"] = f"Edited {number}"
            told.edit(f"p{number}@x.org", f"Edited {number}", is_there=is_there)
        for number, is_there in ((2, True), (3, False)):
            del told.people[f"p{number}@x.org"]
            told.delete(f"p{number}@x.org", is_there=is_there)
        for number, is_there in ((10, True), (11, False), (12, False)):
            told.people[f"p{number}@x.org"] = f"New {number}"
            told.make(f"p{number}@x.org", f"New {number}", is_there=is_there)
        try:
            yield Place(told, database, network)
        finally:
            network.shut_down()
            database.close()


def end_of(postgres: PostgresServer, die_at: int | None) -> tuple[list[str], list[tuple[str, str]]]:
    """The points of the run, and what both sides say after it and two quiet ones."""
    points = CrashPoints(die_at=die_at)
    with everything(postgres) as place:
        told = place.told
        with points.watching(place):
            if die_at is None:
                told.sync()
            else:
                with pytest.raises(Crash):
                    told.sync()
        for _ in range(2):
            told.sync()
        assert told.there() == told.here(), (die_at, told.there(), told.here())
        assert told.there() == sorted(told.people.items()), (die_at, told.there())
        with place.database.workspace(told.workspace_id) as connection:
            left = connection.exec_driver_sql(
                "select count(*) from integration_changes where state in ('planned', 'intended')"
            ).scalar_one()
        assert left == 0
        return points.seen, told.there()


def kill_at(postgres: PostgresServer, numbers: Sequence[int], points: Sequence[str]) -> None:
    for number in numbers:
        end_of(postgres, number)
    gather("crash points at a sheet", Counter(points[number] for number in numbers))


@pytest.mark.slow
def test_a_run_killed_at_telling_points_loses_and_doubles_nobody(postgres_server: PostgresServer) -> None:
    points, _ = end_of(postgres_server, None)
    assert len(points) >= EXPECTED, points
    kill_at(postgres_server, range(len(points) % STEP, len(points), STEP), points)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_a_run_killed_at_any_point_loses_and_doubles_nobody(postgres_server: PostgresServer) -> None:
    points, _ = end_of(postgres_server, None)
    kill_at(postgres_server, range(len(points)), points)
