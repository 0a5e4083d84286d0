"""Faults that pass by themselves cost no pitch its sending: it waits, and a person can queue a failed one again."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.model import RunStatus
from integrations_pipeline.store import pitches
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, SECRET_BODY, Agency, PostWorld

ANN = "ann@example.org"
#: Answers that say nothing of the message: at whatever step, they are no refusal of it.
PASSING: dict[str, dict[str, Any]] = {
    "a redirect": {"status": 302},
    "a moved address": {"status": 301},
    "a route that is not found": {"status": 404, "body": "<html>Not Found</html>"},
    "a method that is not allowed": {"status": 405},
    "a proxy's page": {"status": 400, "body": "<html>Bad Request</html>"},
    "gone": {"status": 410},
    "a conflict": {"status": 409},
}
WHERE = {"create": "drafts$", "send": "drafts/send$", "search": "messages$"}


def retry(agency: Agency, *pitch_ids: str, is_repeat: bool = False) -> list[str]:
    wanted = [UUID(each) for each in pitch_ids] or None
    with agency.world.database.workspace(agency.workspace_id) as connection:
        return pitches.retry_failed(connection, agency.workspace_id, wanted, is_repeat=is_repeat)


@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("step", WHERE)
def test_an_answer_that_is_not_about_the_message_fails_no_pitch(
    world: PostWorld, step: str, answer: dict[str, Any]
) -> None:
    agency = world.agency()
    agency.sync()
    ids = agency.pitch_many(2)
    world.fault("status", path_regex=WHERE[step], times=1, **answer)
    agency.sync()
    world.heal()
    agency.sync()
    assert agency.statuses() == {"sent": 2}
    assert world.deliveries() == dict.fromkeys(ids, 1)
    assert not agency.drafts()


@pytest.mark.parametrize("is_googles", [True, False], ids=["in Google's form", "of a route"])
@pytest.mark.parametrize("status", [404, 302])
def test_twenty_pitches_meet_a_fault_that_stays_and_none_of_them_fails(
    world: PostWorld, status: int, is_googles: bool
) -> None:
    agency = world.agency()
    agency.sync()
    ids = agency.pitch_many(20)
    if is_googles:
        world.refuse("notFound", path_regex="drafts$", method="POST", times=-1)
    else:
        world.fault("status", status=status, path_regex="drafts$", method="POST", times=-1)
    report = agency.sync()
    assert report.status is RunStatus.FAILED
    assert agency.statuses() == {"queued": 20}
    assert len([each for each in ids if "the next run tries again" in agency.reason(each)]) == 3
    assert len([call for call in agency.calls("POST") if call.path.endswith("/drafts")]) == 6
    world.heal()
    agency.sync()
    assert world.deliveries() == dict.fromkeys(ids, 1)
    assert not agency.drafts()


def test_gmail_that_refuses_three_messages_in_a_row_is_asked_no_more_in_that_run(world: PostWorld) -> None:
    agency = world.agency()
    agency.pitch_many(20)
    world.refuse("invalidArgument", path_regex="drafts$", method="POST", times=-1)
    report = agency.sync()
    assert agency.statuses() == {"failed": 3, "queued": 17}
    assert "refused 3 messages in a row" in report.results[0].metadata["cut_short"]
    world.heal()
    agency.sync()
    assert agency.statuses() == {"failed": 3, "sent": 17}


def test_failed_pitches_are_queued_again_all_or_by_id(world: PostWorld) -> None:
    agency = world.agency()
    ids = agency.pitch_many(3)
    world.refuse("invalidArgument", path_regex="drafts$", method="POST", times=2)
    agency.sync()
    failed = [each for each in ids if agency.status(each) == "failed"]
    assert len(failed) == 2
    assert retry(agency, failed[0]) == failed[:1]
    assert retry(agency) == failed[1:]
    assert agency.statuses() == {"queued": 2, "sent": 1}
    agency.sync()
    assert world.deliveries() == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("state", ["claimed", "drafted", "sending", "sent", "unknown"])
def test_a_failed_pitch_that_may_have_gone_out_is_never_queued_again(world: PostWorld, state: str) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    agency.execute("update pitches set status = 'failed', sent_at = null")
    agency.execute("update pitch_emails set state = :state", state=state)
    assert retry(agency, pitch_id) == []
    assert retry(agency) == []


def test_pitches_that_did_not_fail_are_not_queued_again(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    cancelled, draft = agency.pitch(ANN, status="cancelled"), agency.pitch("b@example.org", status="draft")
    assert retry(agency, cancelled, draft) == []


# Follow-ups


def test_a_follow_up_of_an_unknown_pitch_waits_for_the_person_who_decides(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    first = agency.pitch(ANN)
    world.once("/drafts/send", lambda: world.gmail.delete_message(OWN, agency.drafts()[0].id))
    agency.sync()
    assert agency.status(first) == "unknown"
    second = agency.pitch(ANN, in_reply_to_pitch_id=first)
    agency.sync()
    assert (agency.status(second), world.deliveries()) == ("queued", {})
    agency.resolve(first, was_sent=False)
    agency.sync()
    assert (agency.status(first), agency.status(second)) == ("sent", "sent")


def test_a_follow_up_of_a_pitch_that_is_queued_again_is_queued_again_too(world: PostWorld) -> None:
    agency = world.agency()
    first = agency.pitch(ANN)
    second = agency.pitch(ANN, in_reply_to_pitch_id=first)
    world.refuse("invalidArgument", path_regex="drafts$", method="POST", times=1)
    agency.sync()
    assert agency.statuses() == {"failed": 2}
    assert len(retry(agency)) == 2
    agency.sync()
    assert (agency.status(first), agency.status(second)) == ("sent", "sent")


def test_a_message_id_that_could_not_be_read_once_is_read_by_the_next_run(world: PostWorld) -> None:
    """Without it no follow-up could name what it answers."""
    agency = world.agency()
    first = agency.pitch(ANN)
    world.refuse("notFound", path_regex=r"/messages/[0-9a-f]+$", times=1)
    agency.sync()
    agency.sync()
    assert agency.ledger(first)[0]["rfc822_message_id"] == agency.delivery(first).header("Message-ID")


# Drafts that come late


def late_draft(world: PostWorld, agency: Agency, pitch_id: str) -> None:
    """What a request leaves that nobody answered in time, and that was carried out afterwards."""
    raw = f"To: {ANN}\r\nSubject: A record\r\n{PITCH_HEADER}: {pitch_id}\r\n\r\n{SECRET_BODY}".encode()
    world.gmail.mailbox(OWN).create_draft(raw, world.clock.now(), None)


@pytest.mark.parametrize("when", ["while it is sent", "before the next run"])
def test_a_draft_that_comes_after_the_pitch_got_another_one_is_cleared_away(world: PostWorld, when: str) -> None:
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    agency.pitch("bob@example.org")
    world.fault("drop_before", path_regex="drafts$", method="POST", times=1)
    if when == "while it is sent":
        world.once("drafts/send", lambda: late_draft(world, agency, pitch_id))
    agency.sync()
    if when == "before the next run":
        late_draft(world, agency, pitch_id)
        agency.sync()
    assert agency.drafts() == []
    assert agency.statuses() == {"sent": 2}
    world.clock.advance(timedelta(hours=2).total_seconds())
    agency.sync()
    agency.assert_idle(most_calls=1)


def test_drafts_of_other_pitches_and_people_are_not_cleared_away(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    waiting = agency.pitch("bob@example.org")
    world.refuse("mailSending", path_regex="drafts/send", times=1)
    agency.sync()
    assert agency.status(waiting) == "sending"
    world.clock.advance(timedelta(days=1).total_seconds())
    agency.configure(daily_send_limit=1)
    pitch_id = agency.pitch(ANN)
    world.gmail.mailbox(OWN).create_draft(b"Subject: Mine\r\n\r\nx", world.clock.now(), None)
    late_draft(world, agency, "6adafcc1-b30b-43bc-84f0-6e641f59799e")
    world.fault("drop_before", path_regex="drafts$", method="POST", times=1)
    agency.sync()
    agency.sync()
    assert len(agency.drafts()) == 2
    assert agency.delivered(waiting) + agency.delivered(pitch_id) == 1
