"""Killed anywhere: every request, every answer and every commit of a run is a point at which it dies."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT, Worlds
from integrations_pipeline_tests.sync.crashes import Choice, Stage, by_choice
from integrations_pipeline_tests.sync.hubspot.arrangement import HubSpotWorld, Portals

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


@pytest.fixture
def stage(worlds: Worlds[HubSpotWorld]) -> Stage:
    return Stage(open=worlds.world, where=" at HubSpot", least={everything: {"": EXPECTED}})


def answered_writes(points: Sequence[str]) -> list[int]:
    """Where a posted request has gone out, and where its answer came, without the reads of the beginning."""
    return [number for number, name in enumerate(points) if name == "answer POST"]


def test_a_run_killed_after_a_write_loses_and_doubles_nothing(stage: Stage) -> None:
    points, _ = stage.undisturbed(everything)
    numbers = answered_writes(points)
    assert len(numbers) >= 6
    assert not stage.wrong_ends(everything, lambda points: answered_writes(points)[2::3])


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
@by_choice
def test_a_run_killed_at_any_point_loses_and_doubles_nothing(
    stage: Stage, options: dict[str, Any], choose: Choice
) -> None:
    stage = replace(stage, first=lambda world: world.options(**options))
    assert not stage.wrong_ends(everything, answered_writes if options else choose)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_two_crashes_in_a_row_lose_and_double_nothing(stage: Stage) -> None:
    points, expected = stage.undisturbed(everything)
    for number in answered_writes(points):
        for second in (3, 12, 20):
            assert stage.crashed(everything, number, second) == expected, (number, points[number], second)
