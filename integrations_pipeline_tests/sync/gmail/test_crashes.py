"""Killed anywhere: at every request, every answer and every commit of a run that sends and of one that takes in.

Then all is well again by itself: what was to be sent was delivered once, every reply is recorded once.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from integrations_pipeline.model import Direction
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.crashes import Choice, Stage, by_choice, wrong_points
from integrations_pipeline_tests.sync.gmail.arrangement import Agency, PostWorld, in_seconds, open_post_world
from integrations_sandbox import SandboxServer

#: Points of one run, at least: fewer would mean that the scenario no longer reaches them.
EXPECTED = {
    "sending": {"request": 16, "answer": 14, "commit": 45},
    "sending only": {"request": 16, "answer": 14, "commit": 45},
    "a first run": {"request": 12, "answer": 12, "commit": 30},
    "taking in": {"request": 12, "answer": 12, "commit": 18},
}
Outcome = tuple[Any, ...]
Scenario = Callable[[PostWorld], Agency]


def sending(world: PostWorld) -> Agency:
    """Before a run with one of each: pitches under way in every state, new ones, a follow-up, and bad ones."""
    agency = world.agency()
    parent = agency.pitch("parent@example.org")
    agency.sync()
    agency.pitch("one@example.org")
    # Stopped by a limit after its draft was made, and by the end of the process before its answer came.
    world.refuse("mailSending", path_regex="drafts/send", times=1)
    agency.sync()
    world.clock.advance(86_401)
    agency.add_local({"email": "out@example.org", "email_opt_out": "true"})
    agency.pitch_all(
        {"to_email": "two@example.org"},
        {"to_email": "parent@example.org", "subject": "", "in_reply_to_pitch_id": parent},
        {"to_email": "out@example.org"},
        {"to_email": "nobody"},
        {"to_email": "later@example.org", "scheduled_at": in_seconds(900_000, world.clock.now())},
    )
    world.fault("drop_after", path_regex="drafts/send", skip=1, times=1)
    world.fault("drop_after", path_regex="drafts$", method="POST", skip=1, times=1)
    return agency


def first_run(world: PostWorld) -> Agency:
    agency = world.agency()
    agency.pitch_many(2)
    return agency


def taking_in(world: PostWorld) -> Agency:
    """Before a run that finds everything that can come back, and whom to make contacts of."""
    agency = world.agency(harvest="replies")
    agency.add_local({"email": "person1@example.org"})
    ids = agency.pitch_many(5)
    agency.sync()
    mail = world.mail
    mail.reply(agency.delivery(ids[0]), "Sounds good.")
    mail.reply(agency.delivery(ids[0]), "And another thing.")
    mail.bounce(agency.delivery(ids[1]))
    mail.out_of_office(agency.delivery(ids[2]))
    mail.auto_reply(agency.delivery(ids[3]))
    mail.newsletter(agency.address)
    agency.write_by_hand("person4@example.org", "Something else")
    return agency


@dataclass(frozen=True, slots=True)
class Story:
    """How a world is arranged, and which run dies."""

    name: str
    arrange: Scenario
    options: dict[str, Any]


STORIES = (
    Story("sending", sending, {}),
    Story("sending only", sending, {"direction": Direction.TO_EXTERNAL}),
    Story("a first run", first_run, {}),
    Story("taking in", taking_in, {}),
)
#: The second and the third reach hardly anything that the first does not.
by_story = pytest.mark.parametrize(
    "story",
    [pytest.param(story, marks=pytest.mark.exhaustive if story in STORIES[1:3] else ()) for story in STORIES],
    ids=lambda story: story.name,
)


def outcome_of(agency: Agency) -> Outcome:
    """What people see, without ids and times."""
    sent = agency.world.mail.deliveries()
    return (
        sorted((row["to_email"], row["status"], row["error_message"]) for row in agency.pitches()),
        Counter(each.recipient for each in sent),
        sorted((row["from_email"], row["kind"]) for row in agency.replies()),
        agency.barred(),
        sorted(row["email"] for row in agency.local().values()),
        len(agency.drafts()),
    )


def run(agency: Agency, **options: Any) -> None:
    try:
        agency.sync(**options)
    finally:
        agency.world.assert_at_most_once()


def end_of(agency: Agency) -> Outcome:
    for _ in range(2):
        agency.sync()
    agency.world.options(search_lag_seconds=0.0)
    running = agency.rows("select 1 from integration_sync_logs where status = 'running'")
    assert not running
    agency.assert_idle()
    agency.execute("update pitches set status = 'failed', error_message = 'later' where scheduled_at is not null")
    agency.assert_settled()
    return outcome_of(agency)


@pytest.fixture
def stage(clocked_sandbox: SandboxServer, postgres_server: PostgresServer, clock: FakeClock, story: Story) -> Stage:
    """Of the story that the test is given."""
    return Stage(
        open=partial(open_post_world, clocked_sandbox, postgres_server, clock),
        run=partial(run, **story.options),
        end=end_of,
        least={story.arrange: EXPECTED[story.name]},
    )


def chosen(points: list[str]) -> list[int]:
    """A few points that stand for all: around the first write, and the last commits."""
    writes = [number for number, name in enumerate(points) if name == "request POST"]
    commits = [number for number, name in enumerate(points) if name == "commit"]
    return [writes[0], writes[1] + 1, commits[-2]] if len(writes) > 1 else [commits[2], commits[-2]]


@pytest.mark.parametrize("story", [STORIES[2]], ids=lambda story: story.name)
def test_a_run_killed_at_telling_points_sends_and_records_once(stage: Stage, story: Story) -> None:
    points, expected = stage.undisturbed(story.arrange)
    for number in chosen(points):
        assert stage.crashed(story.arrange, number) == expected, (number, points[number])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@by_story
@by_choice
def test_a_run_killed_at_any_point_sends_and_records_once(stage: Stage, story: Story, choose: Choice) -> None:
    assert not stage.wrong_ends(story.arrange, choose)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", [STORIES[0]], ids=lambda story: story.name)
def test_a_run_killed_at_any_point_sends_once_though_the_search_is_late(stage: Stage, story: Story) -> None:
    points, expected = stage.undisturbed(story.arrange)
    late = replace(stage, then=lambda world: world.options(search_lag_seconds=1e9), may_live=True)
    numbers = [number for number, name in enumerate(points) if name != "request GET"]
    assert not wrong_points(points, numbers, lambda number: bool(late.crashed(story.arrange, number) == expected))


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", [STORIES[0], STORIES[3]], ids=lambda story: story.name)
def test_two_crashes_in_a_row_send_and_record_once(stage: Stage, story: Story) -> None:
    stage = replace(stage, may_live=True)
    points, expected = stage.undisturbed(story.arrange)
    pairs = [(first, second) for first in range(0, len(points), 9) for second in range(3, 40, 9)]
    assert not [pair for pair in pairs if stage.crashed(story.arrange, *pair) != expected]
