"""What is counted in a row is forgotten once something goes well, and ends the run at its number, not beyond it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integrations_pipeline.errors import RateLimitedError, RetryableError
from integrations_pipeline.model import RunStatus
from integrations_pipeline.sync.mailing.outcomes import LEAST_PAUSE, LONGEST_PAUSE
from integrations_pipeline.sync.mailing.replies import MOST_TRIES
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, Agency, PostWorld
from integrations_sandbox import ReplyStyle

ANN = "ann@example.org"
#: Out of eight, never more than two in a row.
BAD = (0, 1, 3, 4, 6)


def every(world: PostWorld, numbers: tuple[int, ...], method: str, error: Callable[[], Exception]) -> None:
    """The calls of a method with these numbers fail for good."""
    calls = iter(range(1000))
    world.mailbox_faults[method] = lambda *_: error() if next(calls) in numbers else None


def test_pitches_that_gmail_gives_no_answer_about_end_the_run_only_three_in_a_row(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    agency.pitch_many(8)
    every(world, BAD, "find_sent", lambda: RetryableError("Gmail answered 503"))
    assert agency.sync().status is RunStatus.PARTIAL
    assert agency.statuses() == {"sent": 3, "sending": 5}
    world.heal()
    agency.sync()
    assert agency.statuses() == {"sent": 8}


def test_messages_that_gmail_refuses_end_the_run_only_three_in_a_row(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    ids = agency.pitch_many(8)
    left = iter(range(8))

    def refuse_some(request: Any) -> None:
        if request.method == "POST" and request.url.path.endswith("/drafts") and next(left) in BAD:
            world.refuse("invalidArgument", path_regex="drafts$", method="POST", times=1)

    world.network.before = refuse_some
    agency.sync()
    world.network.before = lambda _: None
    assert sum(world.deliveries()[each] for each in ids) == 3
    assert [agency.status(each) for each in ids].count("failed") == 5


def test_messages_that_gmail_does_not_give_away_end_the_run_only_three_in_a_row(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    for number in range(8):
        world.mail.letter(OWN, {"From": f"b{number}@example.org", "Subject": "Hello"}, "Hi")
    every(world, BAD, "read_message", lambda: RetryableError("Gmail answered 500"))
    report = agency.sync()
    assert report.status is RunStatus.SUCCESS
    assert report.results[1].metadata["mail_to_read_again"] == len(BAD)


@pytest.mark.parametrize(("bad", "status"), [(2, RunStatus.SUCCESS), (3, RunStatus.FAILED)])
def test_the_third_message_in_a_row_that_gmail_does_not_give_away_ends_the_run(
    world: PostWorld, bad: int, status: RunStatus
) -> None:
    agency = world.agency()
    agency.sync()
    for number in range(4):
        world.mail.letter(OWN, {"From": f"b{number}@example.org", "Subject": "Hello"}, "Hi")
    every(world, tuple(range(bad)), "read_message", lambda: RetryableError("Gmail answered 500"))
    assert agency.sync().status is status


def test_a_message_is_asked_for_in_so_many_runs_and_not_in_one_more(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    message = world.mail.letter(OWN, {"From": "bob@example.org", "Subject": "Hello"}, "Hi")
    world.refuse("invalidArgument", path_regex=f"/messages/{message.id}$", times=-1)
    asked = 0
    for _ in range(MOST_TRIES + 3):
        agency.sync()
        asked += any(call.path.endswith(message.id) for call in agency.calls())
    assert asked == MOST_TRIES


# A limit is waited for neither too short nor too long


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        pytest.param(None, LEAST_PAUSE, id="no word"),
        pytest.param(1.0, LEAST_PAUSE, id="a second"),
        pytest.param(7200.0, timedelta(hours=2), id="two hours"),
        pytest.param(10 * 86_400.0, LONGEST_PAUSE, id="ten days"),
    ],
)
def test_gmails_word_about_a_limit_is_heeded_within_bounds(
    world: PostWorld, asked: float | None, waited: timedelta
) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.mailbox_faults["send_draft"] = lambda _: RateLimitedError("slow down", retry_after_seconds=asked)
    agency.sync()
    world.heal()
    world.clock.advance(waited.total_seconds() - 3)
    agency.sync()
    assert (agency.status(pitch_id), world.deliveries()) == ("sending", {})
    world.clock.advance(5)
    agency.sync()
    assert agency.delivered(pitch_id) == 1


def test_an_answer_of_just_after_the_last_look_is_found_though_gmails_clock_is_behind(world: PostWorld) -> None:
    """By its clock it came before our last look. Outside its thread, so that only looking back finds it."""
    world.server.stage.clock.advance(-600)
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    agency.sync()
    world.clock.advance(60)
    world.mail.reply(agency.delivery(pitch_id), style=ReplyStyle(has_references=False))
    world.gmail.expire_history(OWN)
    agency.sync()
    assert agency.status(pitch_id) == "replied"


@pytest.mark.parametrize(("hours", "is_looked_for"), [(23.9, True), (24.1, False)])
def test_a_draft_too_many_is_looked_for_within_a_day(world: PostWorld, hours: float, is_looked_for: bool) -> None:
    agency = world.agency()
    agency.sync()
    agency.pitch(ANN)
    world.fault("drop_before", path_regex="drafts$", method="POST", times=1)
    agency.sync()
    assert agency.statuses() == {"sent": 1}
    world.clock.advance(3600 * hours)
    agency.sync()
    assert any(("labelId", "DRAFT") in call.query for call in agency.calls()) is is_looked_for


# What a person said meanwhile stays


def cancel(agency: Agency, pitch_id: str) -> Callable[[], object]:
    return lambda: agency.change(pitch_id, status="cancelled")


def test_a_pitch_that_was_cancelled_while_its_draft_was_in_doubt_is_not_queued_again(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    world.refuse("backendError", path_regex="drafts$", method="POST", times=2)
    world.once("drafts$", cancel(agency, pitch_id), method="POST")
    agency.sync()
    assert (agency.status(pitch_id), agency.ledger(pitch_id)[0]["state"]) == ("cancelled", "unsent")
    world.heal()
    agency.sync()
    assert (agency.status(pitch_id), world.deliveries()) == ("cancelled", {})


def test_a_pitch_that_was_cancelled_while_gmail_refused_it_stays_cancelled(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    world.refuse("invalidArgument", path_regex="drafts$", method="POST", times=1)
    world.once("drafts$", cancel(agency, pitch_id), method="POST")
    agency.sync()
    assert (agency.status(pitch_id), agency.ledger(pitch_id)[0]["state"]) == ("cancelled", "unsent")
