"""What a run with nothing to do costs, and that nothing personal is told anywhere but in the mail."""

import json
import logging

import pytest
from sqlalchemy.exc import DBAPIError

from integrations_pipeline.model import Direction, RunStatus
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, SECRET_BODY, SECRET_SUBJECT, Agency, PostWorld

ANN = "ann@example.org"


@pytest.mark.parametrize(("harvest", "most"), [("off", 1), ("replies", 2), ("all", 2)])
def test_a_run_with_nothing_new_asks_next_to_nothing(world: PostWorld, harvest: str, most: int) -> None:
    agency = world.agency(harvest=harvest)
    ids = agency.pitch_many(5)
    agency.sync()
    world.mail.reply(agency.delivery(ids[0]))
    agency.sync()
    agency.assert_idle(most_calls=most)
    world.clock.advance(86_400)
    agency.assert_idle(most_calls=most)


def test_our_own_drafts_and_sent_mail_are_not_read_again(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    agency.pitch_many(10)
    agency.sync()
    assert len(agency.calls()) <= 3 + 10 * 4, "search, draft, send, read back"
    agency.sync()
    assert len(agency.calls()) == 1


def test_a_run_that_only_sends_with_nothing_to_send_asks_nothing(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    agency.sync(direction=Direction.TO_EXTERNAL)
    assert not agency.calls()


def test_waiting_pitches_cost_no_requests(world: PostWorld) -> None:
    agency = world.agency(settle_seconds=3600)
    agency.sync()
    agency.pitch_many(5)
    agency.sync()
    assert len(agency.calls()) == 1


def test_a_preview_of_sending_alone_is_refused_with_a_reason(world: PostWorld) -> None:
    agency = world.agency()
    with pytest.raises(Exception, match="takes no contacts"):
        agency.preview(direction=Direction.TO_EXTERNAL)


def everything_goes_wrong(world: PostWorld) -> Agency:
    """A run with failures of every kind, whose bodies and addresses hold personal things."""
    agency = world.agency(harvest="all", signature=SECRET_BODY)
    agency.add_local({"email": "out@example.org", "email_opt_out": "true", "name": "Secretive Ann"})
    agency.pitch_all(
        {"to_email": ANN},
        {"to_email": "out@example.org"},
        {"to_email": "nobody at all"},
        {"to_email": "bob@example.org", "subject": ""},
        {"to_email": "lost@example.org"},
        {"to_email": "refused@example.org"},
    )
    agency.sync()
    world.mail.reply(world.mail.deliveries(ANN)[0], SECRET_BODY)
    world.mail.bounce(world.mail.deliveries("lost@example.org")[0])
    personal = {"error": {"code": 400, "message": f"{ANN}: {SECRET_BODY}", "errors": [{"reason": ANN}]}}
    agency.pitch("carol@example.org")
    agency.pitch("dora@example.org")
    world.fault("status", status=400, body=personal, path_regex="drafts$", method="POST", times=1)
    world.fault("drop_after", path_regex="drafts/send", times=1)
    return agency


def test_nothing_personal_is_told_by_logs_errors_metadata_or_activity(
    world: PostWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="integrations_pipeline")
    agency = everything_goes_wrong(world)
    reports = [agency.sync(), agency.sync()]
    world.fault("status", status=403, body={"error": {"code": 403, "message": SECRET_BODY}}, times=-1)
    reports.append(agency.sync())
    assert reports[-1].status is RunStatus.FAILED
    world.heal()
    agency.sync()
    told = json.dumps([report.to_dict() for report in reports]) + caplog.text + repr(reports)
    for secret in ("@example.org", SECRET_SUBJECT, SECRET_BODY, "Secretive Ann", "ya29.", agency.token):
        assert secret not in told
    assert agency.statuses()["failed"] == 2, "a refusal without one of Google's reasons is tried again"


def test_a_database_that_fails_in_the_middle_tells_no_pitch(world: PostWorld, caplog: pytest.LogCaptureFixture) -> None:
    agency = world.agency()
    agency.pitch(ANN)
    with world.database.admin() as connection:
        connection.exec_driver_sql("alter table pitch_emails add constraint never check (state <> 'drafted')")
    with pytest.raises(DBAPIError) as caught:
        agency.sync()
    assert not any(secret in str(caught.value) for secret in (ANN, SECRET_BODY, SECRET_SUBJECT))
    agency.check_privacy()
    with world.database.admin() as connection:
        connection.exec_driver_sql("alter table pitch_emails drop constraint never")
    agency.sync()
    assert agency.statuses() == {"sent": 1}
    assert len(agency.drafts()) == 0


def test_two_workspaces_with_one_mailbox_tell_nothing_of_one_another(world: PostWorld) -> None:
    one, two = world.agency("one"), world.agency("two")
    first, second = one.pitch(ANN), two.pitch(ANN)
    one.add_local({"email": ANN, "email_opt_out": "true"})
    for agency in (one, two, one, two):
        agency.sync()
    assert (one.status(first), two.status(second)) == ("cancelled", "sent")
    assert world.deliveries() == {second: 1}
    assert one.replies() == two.replies() == []
    assert one.address == two.address == OWN
