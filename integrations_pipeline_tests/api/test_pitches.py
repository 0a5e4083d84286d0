"""Pitches through `GmailSync`: queued as they are handed in, sent at most once."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from integrations_pipeline import GmailSync, Integrations
from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline_tests.api.conftest import insert_connection
from integrations_pipeline_tests.environment import Environment

ME = "me@agency.org"
LATER = datetime(2031, 1, 1, 9, tzinfo=UTC)

#: An id that nobody has; the same in every process, for it is part of a test's name.
STRANGER = UUID("00000000-0000-4000-8000-00000000abcd")


@pytest.fixture
def gmail(environment: Environment, integrations: Integrations) -> GmailSync:
    workspace_id = environment.add_workspace("acme", people=3)
    environment.sandbox.gmail.create_mailbox(ME)
    insert_connection(environment, workspace_id, "gmail", {"access_token": environment.sandbox.gmail.token(ME)})
    sync = GmailSync(workspace_id, integrations)
    sync.initialize()
    return sync


def pitch(person: int = 0, **told: Any) -> dict[str, Any]:
    return {"to_email": f"person{person}@acme.org", "subject": f"Hello {person}", "body": "A record", **told}


def delivered(environment: Environment) -> int:
    return sum(environment.sandbox.gmail.world.count_by_header(PITCH_HEADER).values())


def table(environment: Environment) -> list[tuple[object, ...]]:
    return environment.rows("select to_email, subject, status from pitches order by created_at, subject")


def test_pitches_are_queued_and_sent_and_their_ids_told_in_order(gmail: GmailSync, environment: Environment) -> None:
    result = gmail.sync_to_external([pitch(1), pitch(0)])

    assert (result.success, result.records_created, result.errors) == (True, 2, ())
    ids = [UUID(each) for each in result.metadata["pitch_ids"]]
    found = {row[0]: row[1] for row in environment.rows("select id, to_email from pitches")}
    assert [found[each] for each in ids] == ["person1@acme.org", "person0@acme.org"]
    assert {row[2] for row in table(environment)} == {"sent"}
    assert delivered(environment) == 2


def test_the_same_text_handed_in_again_reaches_nobody_twice(gmail: GmailSync, environment: Environment) -> None:
    for _ in range(2):
        gmail.sync_to_external([pitch()])

    assert delivered(environment) == 1
    assert gmail.sync_to_external().records_created == 0


def test_values_may_be_those_of_python(gmail: GmailSync, environment: Environment) -> None:
    contact = gmail.get_workspace_contacts()[2]
    rows = [
        {"contact_id": contact["id"], "subject": "By contact", "body": None, "status": None},
        pitch(1, scheduled_at=LATER, subject="Later"),
        pitch(1, scheduled_at=LATER.isoformat(), subject="As text"),
        pitch(1, scheduled_at=date(2031, 1, 1), subject="A day", status="queued"),
        pitch(1, scheduled_at=datetime(2031, 1, 1, 9), subject="Naive", in_reply_to_pitch_id=None),  # noqa: DTZ001
    ]

    result = gmail.sync_to_external(tuple(rows))

    assert result.errors == ()
    assert result.records_created == 1
    assert table(environment)[-1][0] in {"person1@acme.org", "person2@acme.org"}
    times = {row[0]: row[1] for row in environment.rows("select subject, scheduled_at from pitches")}
    assert times["By contact"] is None
    assert times["Later"] == times["As text"] == LATER
    assert times["A day"] == datetime(2031, 1, 1, tzinfo=UTC)
    assert times["Naive"] == datetime(2031, 1, 1, 9).astimezone()


def test_a_follow_up_answers_the_pitch_whose_id_it_gives(gmail: GmailSync, environment: Environment) -> None:
    (first,) = gmail.sync_to_external([pitch()]).metadata["pitch_ids"]

    result = gmail.sync_to_external([pitch(subject=None, body="Again", in_reply_to_pitch_id=UUID(first))])

    assert result.records_created == 1
    assert delivered(environment) == 2


def test_a_draft_is_read_edited_and_handed_back(gmail: GmailSync, environment: Environment) -> None:
    with environment.wiring.database.admin() as connection:
        connection.exec_driver_sql(
            "insert into pitches (workspace_id, to_email, subject, body, scheduled_at) values "
            "(%s, 'person0@acme.org', 'Draft', 'old', '2020-01-01Z')",
            (str(gmail.workspace_id),),
        )
    (draft,) = gmail.get_app_contacts("pitches")

    result = gmail.sync_to_external([{**draft, "body": "new", "to_email": "person1@acme.org"}])

    assert result.metadata["pitch_ids"] == [str(draft["id"])]
    assert environment.rows("select to_email, subject, body, status from pitches") == [
        ("person1@acme.org", "Draft", "new", "sent")
    ]
    again = gmail.sync_to_external(gmail.get_app_contacts("pitches"))
    assert again.errors == ("number 1: it is sent: make a new pitch to write again",)
    assert delivered(environment) == 1


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (pitch(to_email="nobody"), "to_email is no valid e-mail address"),
        (pitch(to_email=None), "it has no to_email, and its contact has no e-mail"),
        (pitch(subject=" "), "the subject is empty"),
        (pitch(subject=7), "subject is an int: give a text"),
        (pitch(scheduled_at="tomorrow"), "scheduled_at is no ISO time"),
        (pitch(scheduled_at=datetime.max.replace(tzinfo=UTC)), "scheduled_at is no ISO time"),
        (pitch(scheduled_at=7), "scheduled_at is an int"),
        (pitch(in_reply_to_pitch_id="x"), "scheduled_at is no ISO time, as 2026-01-31T09:00:00+01:00, or in_reply_to"),
        (pitch(in_reply_to_pitch_id=STRANGER), "in_reply_to_pitch_id is none of this workspace's pitches"),
        (pitch(colour="red"), "unknown field 'colour': use to_email, subject, body, scheduled_at"),
        (pitch(id=STRANGER), "no pitch of this workspace has this id"),
        (pitch(id="x"), "id is no UUID"),
        (pitch(status="sent"), "its status says that it is no new pitch"),
        (pitch(workspace_id=STRANGER), "it belongs to another workspace"),
        ({"subject": "x", "contact_id": STRANGER}, "it has no to_email"),
        ({"email": "person0@acme.org", "name": "A contact"}, "unknown field 'email'"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_pitch_that_cannot_be_queued_is_told_in_one_line_and_the_others_are_sent(
    gmail: GmailSync, environment: Environment, row: dict[str, Any], line: str
) -> None:
    result = gmail.sync_to_external([row, pitch(2)])

    assert not result.success
    assert (result.records_created, result.records_failed, len(result.errors)) == (1, 1, 1)
    assert result.errors[0].startswith(f"number 1: {line}")
    assert [each[0] for each in table(environment)] == ["person2@acme.org"]
    assert gmail.get_status() == "active"


def test_nothing_is_queued_by_a_mailbox_that_is_switched_off(gmail: GmailSync, environment: Environment) -> None:
    gmail.disable()

    result = gmail.sync_to_external([pitch()])

    assert not result.success
    assert "is paused: `integrations connections enable gmail`" in result.errors[0]
    assert table(environment) == []


def test_what_was_queued_while_another_sync_was_at_work_is_sent_by_the_next(
    gmail: GmailSync, environment: Environment
) -> None:
    with gmail.runtime.database.session(gmail.workspace_id) as session:
        assert session.try_lock(UUID(gmail.ensure_initialized().id), "another run")
        failed = gmail.sync_to_external([pitch()])

    assert not failed.success
    assert "is being synced by another run" in failed.errors[0]
    assert len(failed.metadata["pitch_ids"]) == 1
    assert gmail.sync_to_external([]).records_created == 1
    assert delivered(environment) == 1
    assert timedelta(0) <= failed.completed_at - failed.started_at
