"""What went out once does not go out again by a row made anew, or by the same words queued twice, without a word."""

from datetime import timedelta
from uuid import UUID

import pytest

from integrations_pipeline.store import pitches
from integrations_pipeline_tests.sync.gmail.arrangement import SECRET_BODY, SECRET_SUBJECT, Agency, PostWorld

ANN = "ann@example.org"


def insert_again(agency: Agency, pitch_id: str, **values: str) -> None:
    given = {"to_email": ANN, "subject": SECRET_SUBJECT, "body": SECRET_BODY, **values}
    names = ", ".join(given)
    agency.execute(
        f"insert into pitches (id, workspace_id, status, {names}) values "
        f"(cast(:id as uuid), :workspace_id, 'queued', {', '.join(f':{name}' for name in given)})",
        id=pitch_id,
        workspace_id=agency.workspace_id,
        **given,
    )


@pytest.mark.parametrize("days", [0, 3, 400])
@pytest.mark.parametrize("subject", [SECRET_SUBJECT, "Another subject"])
def test_a_pitch_that_is_deleted_and_inserted_again_later_is_not_sent_again(
    world: PostWorld, days: int, subject: str
) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    agency.execute("delete from pitches")
    world.clock.advance(timedelta(days=days).total_seconds())
    agency.sync()
    insert_again(agency, pitch_id, subject=subject)
    report = agency.sync()
    assert agency.delivered(pitch_id) == 1
    assert (agency.status(pitch_id), "went out before" in agency.reason(pitch_id)) == ("sent", True)
    assert report.results[0].metadata["pitches_found_sent_before"] == 1
    agency.assert_idle()


def test_a_row_made_anew_before_the_next_look_at_the_mailbox_is_told_too(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    agency.execute("delete from pitches")
    world.clock.advance(timedelta(days=3).total_seconds())
    insert_again(agency, pitch_id)
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    assert "went out before" in agency.reason(pitch_id)


def test_it_is_found_among_much_other_mail_to_the_person_which_is_not_read_again(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    others = agency.pitch_all(*({"to_email": ANN, "subject": f"Number {number}"} for number in range(60)))
    agency.sync()
    agency.execute("delete from pitches where id = cast(:id as uuid)", id=pitch_id)
    insert_again(agency, pitch_id)
    agency.sync()
    assert agency.delivered(pitch_id) == 1
    assert len(agency.calls()) <= 6
    assert len(others) == 60


# The same words twice


def retry(agency: Agency, pitch_id: str, *, is_repeat: bool) -> None:
    with agency.world.database.workspace(agency.workspace_id) as connection:
        assert pitches.retry_failed(connection, agency.workspace_id, [UUID(pitch_id)], is_repeat=is_repeat)


@pytest.mark.parametrize("when", ["in one run", "later"])
def test_the_same_text_to_the_same_person_goes_out_once_until_somebody_says_so(world: PostWorld, when: str) -> None:
    agency = world.agency()
    first = agency.pitch(ANN)
    if when == "later":
        agency.sync()
        world.clock.advance(86_400)
    second = agency.pitch(" Ann@Example.org" if when == "later" else ANN)
    agency.sync()
    assert (agency.status(first), agency.status(second)) == ("sent", "failed")
    assert agency.delivered(second) == 0
    assert f"by pitch {first}" in agency.reason(second)
    assert f"`integrations pitches retry {second} --repeat`" in agency.reason(second)
    retry(agency, second, is_repeat=False)
    agency.sync()
    assert agency.status(second) == "failed", "queued again without the word, it fails again"
    retry(agency, second, is_repeat=True)
    agency.sync()
    assert (agency.status(second), agency.delivered(second)) == ("sent", 1)


DIFFERENT: dict[str, dict[str, str]] = {
    "another person": {"to_email": "bob@example.org"},
    "another subject": {"subject": "Another record"},
    "another text": {"body": "Other words"},
}


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_is_no_repetition(world: PostWorld, change: dict[str, str]) -> None:
    agency = world.agency()
    agency.pitch(ANN)
    agency.pitch_all({"to_email": ANN, **change})
    agency.sync()
    assert agency.statuses() == {"sent": 2}


def test_other_line_ends_and_blanks_make_no_other_text(world: PostWorld) -> None:
    agency = world.agency()
    agency.pitch_all({"to_email": ANN, "subject": "A record", "body": "Hello!\n\nHere it is.\n"})
    agency.sync()
    agency.pitch_all({"to_email": ANN, "subject": "A record ", "body": "Hello!\r\n\r\nHere it  is."})
    agency.sync()
    assert agency.statuses() == {"sent": 1, "failed": 1}


def test_what_never_arrived_may_be_said_again(world: PostWorld) -> None:
    agency = world.agency()
    first = agency.pitch(ANN)
    agency.sync()
    world.mail.bounce(agency.delivery(first), "full")
    agency.sync()
    second = agency.pitch(ANN)
    agency.sync()
    assert agency.statuses() == {"bounced": 1, "sent": 1}
    assert agency.delivered(second) == 1
