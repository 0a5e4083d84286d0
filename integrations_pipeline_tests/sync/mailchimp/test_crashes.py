"""Killed anywhere: every request, every answer and every commit of a run is a point at which it dies."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers, open_mailchimp_world
from integrations_pipeline_tests.sync.mailchimp.everything import State, everything, moves, small, state_of
from integrations_pipeline_tests.sync.test_crashes import Crash, CrashPoints
from integrations_sandbox import SandboxServer

Scenario = Callable[[MailchimpWorld], Subscribers]
#: What somebody does after a run died and before the next one.
Deed = Callable[[Subscribers], None]


def nothing(_: Subscribers) -> None:
    """Nobody does anything."""


#: Points of each scenario, at least: fewer would mean that it no longer reaches them.
EXPECTED: dict[Scenario, int] = {everything: 60, moves: 40, small: 20}


@dataclass(frozen=True, slots=True)
class Stage:
    """Fresh worlds, one after another. `interval` 0 puts all runs into one second."""

    server: SandboxServer
    postgres: PostgresServer
    clock: FakeClock
    interval: float = 60.0
    options: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def world(self) -> Iterator[MailchimpWorld]:
        with open_mailchimp_world(self.server, self.postgres, self.clock) as world:
            # One request at a time: the points then come in the same order in every world.
            world.max_concurrency = 1
            world.options(**self.options)
            yield world

    def undisturbed(self, scenario: Scenario, deed: Deed = nothing) -> tuple[list[str], State]:
        """The points of a run that nothing disturbs, and what it leads to, with the deed after it."""
        with self.world() as world:
            tenant = scenario(world)
            world.interval = self.interval
            points = CrashPoints()
            with points.watching(world):
                tenant.sync()
            deed(tenant)
            return points.seen, self.settled(tenant)

    def crashed(self, scenario: Scenario, *die_at: int, deed: Deed = nothing) -> State:
        """The run is killed at a point, the next one at the next of them; then the deed and quiet runs."""
        with self.world() as world:
            tenant = scenario(world)
            world.interval = self.interval
            for number in die_at:
                points = CrashPoints(die_at=number)
                with points.watching(world), pytest.raises(Crash):
                    tenant.sync()
            deed(tenant)
            return self.settled(tenant)

    def settled(self, tenant: Subscribers) -> State:
        for _ in range(3):
            tenant.sync()
        tenant.assert_in_sync()
        assert not tenant.rows("select 1 from integration_sync_logs where status = 'running'")
        assert not tenant.journal("planned", "intended")
        state = state_of(tenant)
        tenant.sync(is_full=True)
        assert state_of(tenant) == state
        return state


@pytest.fixture
def stage(live_mailchimp: SandboxServer, postgres_server: PostgresServer, clock: FakeClock) -> Stage:
    return Stage(live_mailchimp, postgres_server, clock)


def wrong_ends(stage: Stage, scenario: Scenario, numbers: Sequence[int] | None = None) -> list[str]:
    """Kill at every point in turn, or at these; the points whose aftermath differs from the undisturbed end."""
    points, expected = stage.undisturbed(scenario)
    counts = Counter(" ".join(name.split()[:2]) for name in points)
    gather(f"crash points of {scenario.__name__} at Mailchimp", counts)
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


def telling(points: Sequence[str], *kinds: str) -> list[int]:
    """The first point of each of these kinds; by default, of every write that was answered."""
    first: dict[str, int] = {}
    for number, name in enumerate(points):
        first.setdefault(name, number)
    wanted = kinds or [name for name in first if name.startswith("answer") and "GET" not in name]
    return sorted(first[name] for name in wanted)


def test_a_run_killed_after_a_write_loses_and_doubles_nothing(stage: Stage) -> None:
    points, _ = stage.undisturbed(everything)
    numbers = telling(points)
    assert len(numbers) >= 4
    assert not wrong_ends(stage, everything, numbers)


def test_a_move_to_a_new_member_that_is_killed_leaves_no_double(stage: Stage) -> None:
    points, _ = stage.undisturbed(moves)
    assert not wrong_ends(stage, moves, telling(points, "answer PUT", "request DELETE", "answer DELETE"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("scenario", "interval"),
    [
        pytest.param(everything, 60.0, id="everything, a minute between runs"),
        pytest.param(moves, 0.0, id="moves, all in one second"),
        pytest.param(small, 60.0, id="small, a minute between runs"),
        pytest.param(everything, 0.0, id="everything, all in one second", marks=pytest.mark.exhaustive),
        pytest.param(moves, 60.0, id="moves, a minute between runs", marks=pytest.mark.exhaustive),
        pytest.param(small, 0.0, id="small, all in one second", marks=pytest.mark.exhaustive),
    ],
)
def test_a_run_killed_at_any_point_loses_and_doubles_nothing(
    live_mailchimp: SandboxServer,
    postgres_server: PostgresServer,
    clock: FakeClock,
    scenario: Scenario,
    interval: float,
) -> None:
    assert not wrong_ends(Stage(live_mailchimp, postgres_server, clock, interval), scenario)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", [everything, moves], ids=lambda each: each.__name__)
def test_two_crashes_in_a_row_lose_and_double_nothing(stage: Stage, scenario: Scenario) -> None:
    points, expected = stage.undisturbed(scenario)
    for number in telling(points):
        for second in (3, 12, 20):
            if second < len(points):
                assert stage.crashed(scenario, number, second) == expected, (number, points[number], second)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "options",
    [
        {"only_subscribed_change_email": False},
        {"bulk_tells_contact_id": True},
        {"tags_move_last_changed": False},
        {"status_if_new_restores_archived": True},
    ],
    ids=str,
)
def test_what_is_not_documented_may_be_either_way(
    live_mailchimp: SandboxServer,
    postgres_server: PostgresServer,
    clock: FakeClock,
    options: dict[str, Any],
) -> None:
    stage = Stage(live_mailchimp, postgres_server, clock, options=options)
    points, _ = stage.undisturbed(everything)
    assert not wrong_ends(stage, everything, telling(points))
