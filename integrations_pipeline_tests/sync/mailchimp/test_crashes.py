"""Killed anywhere: every request, every answer and every commit of a run is a point at which it dies."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from integrations_pipeline_tests.sync.clocked import Worlds
from integrations_pipeline_tests.sync.crashes import Choice, Scenario, Stage, by_choice, quiet
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld
from integrations_pipeline_tests.sync.mailchimp.everything import everything, moves, small, state_of

#: Points of each scenario, at least: fewer would mean that it no longer reaches them.
EXPECTED = {everything: {"": 60}, moves: {"": 40}, small: {"": 20}}


@pytest.fixture
def stage(worlds: Worlds[MailchimpWorld]) -> Stage:
    return Stage(open=worlds.world, end=quiet(3, state_of), where=" at Mailchimp", least=EXPECTED)


def telling(points: Sequence[str], *kinds: str) -> list[int]:
    """The first point of each of these kinds; by default, of every write that was answered."""
    first: dict[str, int] = {}
    for number, name in enumerate(points):
        first.setdefault(name, number)
    wanted = kinds or [name for name in first if name.startswith("answer") and "GET" not in name]
    return sorted(first[name] for name in wanted)


def test_a_run_killed_after_a_write_loses_and_doubles_nothing(stage: Stage) -> None:
    points, _ = stage.undisturbed(everything)
    assert len(telling(points)) >= 4
    assert not stage.wrong_ends(everything, telling)


def test_a_move_to_a_new_member_that_is_killed_leaves_no_double(stage: Stage) -> None:
    assert not stage.wrong_ends(moves, lambda points: telling(points, "answer PUT", "request DELETE", "answer DELETE"))


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
@by_choice
def test_a_run_killed_at_any_point_loses_and_doubles_nothing(
    stage: Stage, scenario: Scenario, interval: float, choose: Choice
) -> None:
    """0 puts all runs into one second."""
    assert not replace(stage, then=lambda world: setattr(world, "interval", interval)).wrong_ends(scenario, choose)


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
def test_what_is_not_documented_may_be_either_way(stage: Stage, options: dict[str, Any]) -> None:
    stage = replace(stage, first=lambda world: world.options(**options))
    assert not stage.wrong_ends(everything, telling)
