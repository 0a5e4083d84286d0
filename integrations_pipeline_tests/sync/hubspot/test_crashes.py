"""Killed anywhere: every request, every answer and every commit of a run is a point at which it dies."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.hubspot.arrangement import NO_LIMIT, HubSpotWorld, Portals, open_hubspot_world
from integrations_pipeline_tests.sync.test_crashes import Crash, CrashPoints, State, state_of
from integrations_sandbox import SandboxServer

#: Points of the run, at least: fewer would mean that it no longer does one of each.
EXPECTED = 40


def everything(world: HubSpotWorld) -> Portals:
    """Before a run with creates, updates and deletes each way, a conflict, a link, an opt-out each way, and a changed
    e-mail of somebody who is out."""
    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(*(person(number) for number in range(9)))
    tenant.opt_out_remote(records[7])
    tenant.sync()
    ids = [tenant.contact_of(record) for record in records]
    world.clock.advance(3600)
    tenant.edit_local(ids[0], company="Local")
    tenant.edit_local(ids[1], company="Local too", phone="+1")
    tenant.edit_remote(records[2], company="Remote", email="renamed@example.org")
    tenant.edit_local(ids[3], company="Loser")
    world.clock.advance(60)
    tenant.edit_remote(records[3], company="Winner")
    tenant.delete_local(ids[4])
    tenant.delete_remote(records[5])
    tenant.edit_local(ids[6], email_opt_out="true")
    tenant.edit_local(ids[7], email="moved7@example.org")
    tenant.opt_out_remote(records[0])
    tenant.add_local(person(10), person(11, email_opt_out="true"), person(12, company="Matched"))
    tenant.add_remote(person(13), person(12, phone="+12"))
    return tenant


@dataclass(frozen=True, slots=True)
class Stage:
    """Fresh worlds, one after another."""

    server: SandboxServer
    postgres: PostgresServer
    clock: FakeClock
    options: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def world(self) -> Iterator[HubSpotWorld]:
        with open_hubspot_world(self.server, self.postgres, self.clock) as world:
            # One request at a time: the points then come in the same order in every world.
            world.max_concurrency = 1
            world.options(**self.options)
            yield world

    def undisturbed(self) -> tuple[list[str], State]:
        """The points of a run that nothing disturbs, and what it leads to."""
        with self.world() as world:
            tenant = everything(world)
            points = CrashPoints()
            with points.watching(world):
                tenant.sync()
            return points.seen, self.settled(tenant)

    def crashed(self, *die_at: int) -> State:
        """The run is killed at a point, the next one at the next of them; then quiet runs."""
        with self.world() as world:
            tenant = everything(world)
            for number in die_at:
                points = CrashPoints(die_at=number)
                with points.watching(world), pytest.raises(Crash):
                    tenant.sync()
            return self.settled(tenant)

    def settled(self, tenant: Portals) -> State:
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
def stage(live_hubspot: SandboxServer, postgres_server: PostgresServer, clock: FakeClock) -> Stage:
    return Stage(live_hubspot, postgres_server, clock)


def wrong_ends(stage: Stage, points: Sequence[str], expected: State, numbers: Sequence[int]) -> list[str]:
    """Kill at each of these points in turn; those whose aftermath differs from the undisturbed end."""
    wrong = []
    for number in numbers:
        try:
            is_right = stage.crashed(number) == expected
            told = ""
        except AssertionError as error:
            is_right, told = False, str(error).partition("\n")[0]
        wrong += [] if is_right else [f"{number} {points[number]} {told}"]
    gather("crash points at HubSpot", Counter(" ".join(points[number].split()[:2]) for number in numbers))
    return wrong


def answered_writes(points: Sequence[str]) -> list[int]:
    """Where a posted request has gone out, and where its answer came, without the reads of the beginning."""
    return [number for number, name in enumerate(points) if name == "answer POST"]


def test_a_run_killed_after_a_write_loses_and_doubles_nothing(stage: Stage) -> None:
    points, expected = stage.undisturbed()
    assert len(points) >= EXPECTED, Counter(points)
    numbers = answered_writes(points)
    assert len(numbers) >= 6
    assert not wrong_ends(stage, points, expected, numbers[2::3])


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"multi_status": False, "tells_missing": False}, marks=pytest.mark.exhaustive),
        pytest.param({"moves_unchanged": False, "merge_makes_new_id": False}, marks=pytest.mark.exhaustive),
        pytest.param({"index_lag_seconds": 20}, marks=pytest.mark.exhaustive),
    ],
    ids=str,
)
def test_a_run_killed_at_any_point_loses_and_doubles_nothing(
    live_hubspot: SandboxServer, postgres_server: PostgresServer, clock: FakeClock, options: dict[str, Any]
) -> None:
    stage = Stage(live_hubspot, postgres_server, clock, options)
    points, expected = stage.undisturbed()
    numbers = range(len(points)) if not options else answered_writes(points)
    assert not wrong_ends(stage, points, expected, numbers)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_two_crashes_in_a_row_lose_and_double_nothing(stage: Stage) -> None:
    points, expected = stage.undisturbed()
    for number in answered_writes(points):
        for second in (3, 12, 20):
            assert stage.crashed(number, second) == expected, (number, points[number], second)
