"""Killed anywhere: every request, every answer and every commit of a run is a point at which it dies."""

from collections.abc import Sequence

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.clocked import Worlds
from integrations_pipeline_tests.sync.crashes import Choice, Scenario, Stage, State, by_choice, end_of
from integrations_pipeline_tests.sync.google_contacts.arrangement import WINDOW, AddressBook, ContactsWorld
from integrations_pipeline_tests.sync.google_contacts.everything import everything, small

#: Points of each scenario, at least: fewer would mean that it no longer reaches them.
EXPECTED = {everything: {"": 35}, small: {"": 20}}


def staged(worlds: Worlds[ContactsWorld], lag: float = 0.0) -> Stage:
    """`lag`: seconds until lists show a write."""

    def wait_for_lists(world: ContactsWorld) -> None:
        """What people did lies back so far that lists show it; what the runs do is shown late."""
        world.options(sync_lag_seconds=lag)
        world.clock.advance(lag)

    return Stage(
        open=worlds.world,
        first=lambda world: setattr(world, "propagation_seconds", WINDOW),
        then=wait_for_lists,
        end=settled,
        where=" at Google Contacts",
        least=EXPECTED,
    )


def settled(tenant: AddressBook) -> State:
    # Whoever cannot yet tell what was made says so, and makes nothing.
    tenant.sync()
    tenant.world.interval = WINDOW
    reports = [tenant.sync() for _ in range(3)]
    assert [report.status for report in reports] == [RunStatus.SUCCESS] * 3
    return end_of(tenant, runs=0)


@pytest.fixture
def stage(worlds: Worlds[ContactsWorld]) -> Stage:
    return staged(worlds)


def writes(points: Sequence[str]) -> list[int]:
    """Every write that was sent, and every one that was answered."""
    return [number for number, name in enumerate(points) if "POST" in name]


@pytest.mark.parametrize("lag", [0.0, 300.0], ids=["shown at once", "shown late"])
def test_a_run_killed_after_a_write_loses_and_doubles_nothing(worlds: Worlds[ContactsWorld], lag: float) -> None:
    def last_answers(points: Sequence[str]) -> list[int]:
        answers = [number for number in writes(points) if points[number].startswith("answer")]
        assert len(answers) >= 4
        return answers[-2:]

    assert not staged(worlds, lag).wrong_ends(everything, last_answers)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("scenario", "lag"),
    [
        pytest.param(small, 0.0, marks=pytest.mark.slow, id="small, shown at once"),
        pytest.param(small, 300.0, marks=pytest.mark.slow, id="small, shown late"),
        pytest.param(everything, 0.0, marks=pytest.mark.exhaustive, id="everything, shown at once"),
        pytest.param(everything, 300.0, marks=pytest.mark.exhaustive, id="everything, shown late"),
    ],
)
@by_choice
def test_a_run_killed_at_any_point_loses_and_doubles_nothing(
    worlds: Worlds[ContactsWorld], scenario: Scenario, lag: float, choose: Choice
) -> None:
    assert not staged(worlds, lag).wrong_ends(scenario, choose)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_two_crashes_in_a_row_lose_and_double_nothing(stage: Stage) -> None:
    points, expected = stage.undisturbed(everything)
    for number in writes(points):
        for second in (3, 8, 14):
            assert stage.crashed(everything, number, second) == expected, (number, points[number], second)
