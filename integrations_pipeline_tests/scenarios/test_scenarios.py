"""Every scenario file, played twice: with Airtable's change feed and, without webhooks, by reading everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations_pipeline_tests.scenarios.scenario import Scenario, ScenarioError, load_scenarios, parse, play
from integrations_pipeline_tests.sync.arrangement import World

FOLDER = Path(__file__).parent
SCENARIOS = load_scenarios(FOLDER)
FEWEST = 28
WAYS = {True: "feed", False: "full"}


def cases() -> Iterator[object]:
    """Every file with and without the feed; known defects are expected to fail until they are mended."""
    for scenario in SCENARIOS:
        for has_feed in (True, False):
            reason = scenario.known_defect(has_feed=has_feed)
            marks = [pytest.mark.xfail(strict=True, reason=reason, raises=AssertionError)] if reason else []
            yield pytest.param(scenario, has_feed, id=f"{scenario.name}-{WAYS[has_feed]}", marks=marks)


@pytest.mark.parametrize(("scenario", "has_feed"), list(cases()))
def test_a_scenario_goes_as_told(world: World, scenario: Scenario, has_feed: bool) -> None:
    play(world, scenario, slug=f"{scenario.name}_{WAYS[has_feed]}".replace("_", "-"), has_feed=has_feed)


def test_the_scenarios_are_many_numbered_and_each_says_what_it_shows() -> None:
    assert len(SCENARIOS) >= FEWEST
    numbers = [int(scenario.name[:2]) for scenario in SCENARIOS]
    assert numbers == list(range(1, len(SCENARIOS) + 1))
    titles = [scenario.title for scenario in SCENARIOS]
    assert len(set(titles)) == len(titles)
    assert all(title.endswith(".") for title in titles)


WHOLE = "Nothing happens.\n\nplan: nothing\nafter both: nothing\nlog: nothing\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (WHOLE + "wonder:\n  ann\n", "'wonder:' is unknown or comes twice"),
        (WHOLE + "log: nothing\n", "'log: nothing' is unknown or comes twice"),
        (WHOLE + "links:\n", "write 'nothing' where there is nothing: links"),
        (WHOLE + "run: sideways\n", "unknown words in `run`: sideways"),
        (WHOLE + "then: more\nplan: nothing\nafter both: nothing\n", "every round needs: log"),
        (WHOLE + "then: more\nagreed:\n  ann\n", "'agreed:' is unknown or comes twice"),
        (WHOLE.replace("after both", "after here"), "`after here` and `after there`"),
        (WHOLE + "plan\n", "'plan' is no section"),
        ("Too early.\n\n  ann\n", "a line before any section"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(text: str, why: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse("00_wrong", text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "happens",
    [
        "here:\n  greet ann",
        "here:\n  add ann | ann@example.org | shoes=red",
        "here:\n  edit ann | name=Ann",
        "here:\n  hide all",
        "there:\n  restore ann",
        "settings: delete_polizy=hold",
        "mapping:\n  email ~ Email",
        "decide:\n  consider ann",
        "decide:\n  approve ann",
    ],
)
def test_an_unknown_word_or_person_in_what_happens_is_refused(
    world: World, request: pytest.FixtureRequest, happens: str
) -> None:
    slug = f"wrong-{abs(hash(request.node.name)):x}"
    with pytest.raises(ScenarioError):
        play(world, parse("00_wrong", f"{WHOLE}{happens}\n"), slug=slug)


def test_a_mismatch_shows_both_texts(world: World) -> None:
    text = "Ann arrives.\n\nhere:\n  add ann | ann@example.org\nplan: nothing\nafter both: nothing\nlog: nothing\n"
    with pytest.raises(AssertionError) as caught:
        play(world, parse("00_wrong", text), slug="mismatch")
    lines = str(caught.value).splitlines()
    assert "-  nothing" in lines
    assert "+  there create ann | ann@example.org" in lines
    assert "+  to_external: 1 created" in lines
