"""A sync with a sheet that dies at any request, answer or commit: the next ones come to the same end.

Belongs here: that enumeration. Does not: rows that move meanwhile (`test_sheets_histories`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import pytest

from google_sheets_sandbox import SheetsSandbox
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.examples.test_sheets_histories import STAYING, Story, story
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.sync.arrangement import Loopback
from integrations_pipeline_tests.sync.crashes import Stage, every

#: Points of the run, at least: fewer would mean that it no longer does one of each.
EXPECTED = 25
#: The fast suite kills at every so many of them.
STEP = 5


@dataclass
class Place:
    """What a crash watches: the database, and the network that the run goes through."""

    told: Story
    database: Database
    network: Loopback
    max_concurrency: int = 1


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


def one_of_each(place: Place) -> Place:
    """What `everything` arranged."""
    return place


def end_of(place: Place) -> list[tuple[str, str]]:
    """What both sides say after two quiet runs."""
    told = place.told
    for _ in range(2):
        told.sync()
    assert told.there() == told.here()
    assert told.there() == sorted(told.people.items())
    with place.database.workspace(told.workspace_id) as connection:
        left = connection.exec_driver_sql(
            "select count(*) from integration_changes where state in ('planned', 'intended')"
        ).scalar_one()
    assert left == 0
    return told.there()


@pytest.fixture
def stage(postgres_server: PostgresServer) -> Stage:
    return Stage(
        open=partial(everything, postgres_server),
        run=lambda place: place.told.sync(),
        end=end_of,
        where=" at a sheet",
        least={one_of_each: {"": EXPECTED}},
    )


@pytest.mark.slow
def test_a_run_killed_at_telling_points_loses_and_doubles_nobody(stage: Stage) -> None:
    assert not stage.wrong_ends(one_of_each, lambda points: range(len(points) % STEP, len(points), STEP))


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_a_run_killed_at_any_point_loses_and_doubles_nobody(stage: Stage) -> None:
    assert not stage.wrong_ends(one_of_each, every)
