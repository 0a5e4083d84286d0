"""The stories against the imitation. Those that are faults today are marked; a mended one must lose its mark."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations_pipeline_tests.outsiders.faults_today import FAULTS_TODAY
from integrations_pipeline_tests.outsiders.home import Home
from integrations_pipeline_tests.outsiders.imitation import World
from integrations_pipeline_tests.outsiders.play import Story, play_variant
from integrations_pipeline_tests.outsiders.stage_imitation import ImitationStage
from integrations_pipeline_tests.outsiders.stories import STORIES

#: Some four seconds each: `make test` plays the first variant of each number, `make exhaustive` all others.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home.open() as opened:
        yield opened


def _cases() -> Iterator[Any]:
    for told in STORIES.values():
        for variant in told.variants:
            name = f"{told.number} {variant}"
            reason = "seen from outside, not mended yet"
            marks = [] if variant == told.variants[0] else [pytest.mark.exhaustive]
            if name in FAULTS_TODAY:
                marks.append(pytest.mark.xfail(strict=True, reason=reason, raises=AssertionError))
            yield pytest.param(told, variant, id=name, marks=marks)


@pytest.mark.parametrize(("told", "variant"), list(_cases()))
def test_the_story_ends_well(home: Home, told: Story, variant: str) -> None:
    with World.open() as world:
        verdict = play_variant(home, ImitationStage(world=world), told, variant)
    if verdict.outcome == "BROKEN":
        # No AssertionError, so that no mark excuses it: the play itself is wrong.
        raise RuntimeError(str(verdict))
    assert verdict.outcome == "HELD", str(verdict)


def test_every_mark_names_a_story() -> None:
    names = {name for told in STORIES.values() for name in told.names()}
    assert names >= FAULTS_TODAY
