"""Killed anywhere: every request, every answer and every commit of a run is a point at which it dies."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.google_contacts.arrangement import (
    WINDOW,
    AddressBook,
    ContactsWorld,
    open_contacts_world,
)
from integrations_pipeline_tests.sync.google_contacts.everything import everything, small
from integrations_pipeline_tests.sync.test_crashes import Crash, CrashPoints, State, state_of
from integrations_sandbox import SandboxServer

Scenario = Callable[[ContactsWorld], AddressBook]
#: Points of each scenario, at least: fewer would mean that it no longer reaches them.
EXPECTED: dict[Scenario, int] = {everything: 35, small: 20}


@dataclass(frozen=True, slots=True)
class Stage:
    """Fresh worlds, one after another. `lag`: seconds until lists show a write."""

    server: SandboxServer
    postgres: PostgresServer
    clock: FakeClock
    lag: float = 0.0

    @contextmanager
    def world(self) -> Iterator[ContactsWorld]:
        with open_contacts_world(self.server, self.postgres, self.clock) as world:
            world.propagation_seconds = WINDOW
            yield world

    def _before(self, world: ContactsWorld, scenario: Scenario) -> AddressBook:
        """What people did lies back so far that lists show it; what the runs do is shown late."""
        tenant = scenario(world)
        world.options(sync_lag_seconds=self.lag)
        world.clock.advance(self.lag)
        return tenant

    def undisturbed(self, scenario: Scenario) -> tuple[list[str], State]:
        """The points of a run that nothing disturbs, and what it leads to."""
        with self.world() as world:
            tenant = self._before(world, scenario)
            points = CrashPoints()
            with points.watching(world):
                tenant.sync()
            return points.seen, self.settled(tenant)

    def crashed(self, scenario: Scenario, *die_at: int) -> State:
        """The run is killed at a point, the next one at the next of them; then quiet runs."""
        with self.world() as world:
            tenant = self._before(world, scenario)
            for number in die_at:
                points = CrashPoints(die_at=number)
                with points.watching(world), pytest.raises(Crash):
                    tenant.sync()
            return self.settled(tenant)

    def settled(self, tenant: AddressBook) -> State:
        # Whoever cannot yet tell what was made says so, and makes nothing.
        tenant.sync()
        tenant.world.interval = WINDOW
        reports = [tenant.sync() for _ in range(3)]
        assert [report.status for report in reports] == [RunStatus.SUCCESS] * 3
        tenant.assert_in_sync()
        assert not tenant.rows("select 1 from integration_sync_logs where status = 'running'")
        assert not tenant.journal("planned", "intended")
        state = state_of(tenant)
        tenant.sync(is_full=True)
        assert state_of(tenant) == state
        return state


@pytest.fixture
def stage(live_people: SandboxServer, postgres_server: PostgresServer, clock: FakeClock) -> Stage:
    return Stage(live_people, postgres_server, clock)


def wrong_ends(stage: Stage, scenario: Scenario, numbers: Sequence[int] | None = None) -> list[str]:
    """Kill at every point in turn, or at these; the points whose aftermath differs from the undisturbed end."""
    points, expected = stage.undisturbed(scenario)
    counts = Counter(" ".join(name.split()[:2]) for name in points)
    gather(f"crash points of {scenario.__name__} at Google Contacts", counts)
    assert len(points) >= EXPECTED[scenario], counts
    wrong = []
    for number in numbers if numbers is not None else range(len(points)):
        try:
            is_right = stage.crashed(scenario, number) == expected
        except AssertionError as error:
            is_right = False
            points[number] += f" ({str(error).splitlines()[:1]})"
        if not is_right:
            wrong.append(f"{number} {points[number]}")
    return wrong


def writes(points: Sequence[str]) -> list[int]:
    """Every write that was sent, and every one that was answered."""
    return [number for number, name in enumerate(points) if "POST" in name]


@pytest.mark.parametrize("lag", [0.0, 300.0], ids=["shown at once", "shown late"])
def test_a_run_killed_after_a_write_loses_and_doubles_nothing(
    live_people: SandboxServer, postgres_server: PostgresServer, clock: FakeClock, lag: float
) -> None:
    stage = Stage(live_people, postgres_server, clock, lag)
    points, _ = stage.undisturbed(everything)
    answers = [number for number in writes(points) if points[number].startswith("answer")]
    assert len(answers) >= 4
    assert not wrong_ends(stage, everything, answers[-2:])


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
def test_a_run_killed_at_any_point_loses_and_doubles_nothing(
    live_people: SandboxServer, postgres_server: PostgresServer, clock: FakeClock, scenario: Scenario, lag: float
) -> None:
    assert not wrong_ends(Stage(live_people, postgres_server, clock, lag), scenario)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_two_crashes_in_a_row_lose_and_double_nothing(stage: Stage) -> None:
    points, expected = stage.undisturbed(everything)
    for number in writes(points):
        for second in (3, 8, 14):
            assert stage.crashed(everything, number, second) == expected, (number, points[number], second)
