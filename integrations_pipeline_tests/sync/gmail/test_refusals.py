"""Pitches that must not go out do not, say why, and stop no other."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.mail.compose import LARGEST
from integrations_pipeline.model import RunStatus
from integrations_pipeline.providers.gmail import wire
from integrations_pipeline.store.pace import DatabasePacer
from integrations_pipeline.testing import FreePacer
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, SCOPES, Agency, PostWorld, in_seconds

ANN = "ann@example.org"
OUT = "the person opted out"
BOUNCED = "mail to this address bounced"
BAD_ADDRESS = "to_email is no valid e-mail address"

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no address": ({"to_email": ""}, BAD_ADDRESS),
    "no valid address": ({"to_email": "ann"}, BAD_ADDRESS),
    "two addresses": ({"to_email": "ann@example.org, bob@example.org"}, BAD_ADDRESS),
    "an address with a header in it": ({"to_email": "ann@example.org\r\nBcc: bob@example.org"}, BAD_ADDRESS),
    "a local part in other letters": ({"to_email": "änn@example.org"}, BAD_ADDRESS),
    "an empty subject": ({"subject": " \n"}, "the subject is empty"),
    "far too large": ({"body": "x" * (LARGEST // 2 + 1)}, "the message is larger than Gmail takes"),
}


@pytest.mark.parametrize(("fields", "reason"), BAD.values(), ids=BAD)
def test_a_bad_pitch_fails_alone_and_says_why(world: PostWorld, fields: dict[str, Any], reason: str) -> None:
    agency = world.agency()
    bad, good = agency.pitch_all({"to_email": ANN, **fields}, {"to_email": "bob@example.org"})
    report = agency.sync()
    assert (agency.status(bad), agency.reason(bad)) == ("failed", reason)
    assert (agency.status(good), world.deliveries()) == ("sent", {good: 1})
    assert report.status is RunStatus.PARTIAL
    assert report.results[0].errors == (f"pitch {bad}: {reason}",)
    assert report.results[0].records_failed == 1
    assert agency.connection.error_count == 0
    agency.assert_settled()
    agency.assert_idle()


ODD: dict[str, dict[str, str]] = {
    "a domain in other letters": {"to_email": "ann@bücher.example"},
    "NUL-like blanks": {"subject": "A\u2028record\x1c", "body": "a\x1cb"},
    "an encoded word with a line break": {"subject": "=?utf-8?q?Hi=0D=0ABcc=3A_bob=40example=2Eorg?="},
    "HTML": {"body": "<p>Hello</p>"},
    "an empty body": {"body": ""},
    "a subject of 2,000 letters": {"subject": "ü" * 2_000},
}


@pytest.mark.parametrize("fields", ODD.values(), ids=ODD)
def test_odd_but_good_pitches_go_out_to_one_person(world: PostWorld, fields: dict[str, str]) -> None:
    agency = world.agency()
    pitch_id = agency.pitch_all({"to_email": ANN, **fields})[0]
    agency.sync()
    assert agency.status(pitch_id) == "sent"
    assert len(world.mail.deliveries()) == 1
    assert agency.delivery(pitch_id).recipient in (ANN, "ann@xn--bcher-kva.example")


def test_a_name_that_looks_like_more_recipients_is_a_name(world: PostWorld) -> None:
    """Names come from other systems and from strangers' mail."""
    agency = world.agency()
    evil = "bob@example.org, " * 12 + "carol@example.org"
    agency.add_local({"email": ANN, "name": evil})
    pitch_id = agency.pitch(ANN)
    agency.sync()
    assert [each.recipient for each in world.mail.deliveries()] == [ANN]
    assert agency.delivered(pitch_id) == 1


@pytest.mark.slow
def test_a_pitch_just_too_large_for_gmail_fails_with_gmails_reason(world: PostWorld) -> None:
    agency = world.agency()
    bad, good = agency.pitch_all(
        {"to_email": ANN, "body": "x" * (LARGEST // 2 - 200_000)}, {"to_email": "bob@example.org"}
    )
    agency.sync()
    assert agency.status(bad) == "failed"
    assert agency.reason(bad) in (
        "the message is larger than Gmail takes",
        "Gmail refused the request (uploadTooLarge)",
    )
    assert agency.delivered(good) == 1


# People who do not want mail

UNWILLING: dict[str, tuple[Callable[[Agency], object], str]] = {
    "opted out": (lambda agency: agency.add_local({"email": ANN, "email_opt_out": "true"}), OUT),
    "opted out, in other letters": (
        lambda agency: agency.add_local({"email": " ANN@Example.org", "email_opt_out": "true"}),
        OUT,
    ),
    "opted out and deleted": (
        lambda agency: agency.delete_local(*agency.add_local({"email": ANN, "email_opt_out": "true"})),
        OUT,
    ),
    "opted out as one of two contacts, the other deleted": (
        lambda agency: (
            agency.delete_local(*agency.add_local({"email": ANN, "email_opt_out": "true"})),  # type: ignore[func-returns-value]
            agency.add_local({"email": ANN}),
        ),
        OUT,
    ),
    "bounced": (
        lambda agency: (
            agency.add_local({"email": ANN}),
            agency.bar(ANN, "bounced"),  # type: ignore[func-returns-value]
        ),
        BOUNCED,
    ),
    "bounced, without a contact": (lambda agency: agency.bar(ANN, "bounced"), BOUNCED),
    "complained": (lambda agency: agency.bar(ANN, "complained"), "the person complained about mail"),
    "suppressed by hand": (
        lambda agency: agency.bar(ANN, "manual"),
        "the address is suppressed: `integrations suppressions list` shows it",
    ),
    "bounced, and opted out": (
        lambda agency: (agency.bar(ANN, "bounced"), agency.bar(ANN, "opted_out")),  # type: ignore[func-returns-value]
        OUT,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arrange", "reason"), UNWILLING.values(), ids=UNWILLING)
def test_nobody_is_mailed_who_must_not_be(world: PostWorld, arrange: Callable[[Agency], object], reason: str) -> None:
    agency = world.agency()
    arrange(agency)
    pitch_id = agency.pitch(ANN)
    report = agency.sync()
    assert (agency.status(pitch_id), agency.reason(pitch_id)) == ("cancelled", reason)
    assert not world.deliveries()
    assert not [call for call in agency.calls() if call.method != "GET"]
    assert report.results[0].records_skipped == 1


@pytest.mark.parametrize("email", ["ann@bücher.example", "ann@xn--bcher-kva.example"])
@pytest.mark.parametrize("to", ["Ann@BÜCHER.example", "ann@xn--bcher-kva.example"])
def test_an_opt_out_counts_under_both_spellings_of_a_domain(world: PostWorld, email: str, to: str) -> None:
    agency = world.agency()
    agency.add_local({"email": email, "email_opt_out": "true"})
    pitch_id = agency.pitch(to)
    agency.sync()
    assert (agency.status(pitch_id), world.deliveries()) == ("cancelled", {})
    assert not agency.drafts()


def test_the_contact_of_a_pitch_counts_though_its_address_changed(world: PostWorld) -> None:
    agency = world.agency()
    (contact_id,) = agency.add_local({"email": ANN})
    pitch_id = agency.pitch(ANN)
    agency.edit_local(contact_id, email="new@example.org", email_opt_out="true")
    agency.sync()
    assert (agency.status(pitch_id), world.deliveries()) == ("cancelled", {})


def test_an_opt_out_elsewhere_does_not_concern_this_workspace(world: PostWorld) -> None:
    other = world.agency("other", address="other@agency.org")
    other.add_local({"email": ANN, "email_opt_out": "true"})
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    assert agency.delivered(pitch_id) == 1


def test_an_address_that_bounced_is_not_mailed_again_also_without_a_contact(world: PostWorld) -> None:
    agency = world.agency()
    first = agency.pitch(ANN)
    agency.sync()
    world.mail.bounce(agency.delivery(first))
    agency.sync()
    second = agency.pitch("Ann@example.org")
    agency.sync()
    assert (agency.status(first), agency.status(second)) == ("bounced", "cancelled")
    assert agency.reason(second) == BOUNCED


def test_a_new_address_of_a_contact_begins_anew(world: PostWorld) -> None:
    agency = world.agency()
    (contact_id,) = agency.add_local({"email": ANN})
    first = agency.pitch(ANN)
    agency.sync()
    world.mail.bounce(agency.delivery(first))
    agency.sync()
    assert agency.barred() == [ANN]
    agency.edit_local(contact_id, email="new@example.org")
    second = agency.pitch("new@example.org")
    agency.sync()
    assert agency.delivered(second) == 1


def test_an_opt_out_by_a_bounce_of_the_same_run_comes_before_sending(world: PostWorld) -> None:
    agency = world.agency()
    first = agency.pitch(ANN)
    agency.sync()
    world.mail.bounce(agency.delivery(first))
    second = agency.pitch(ANN)
    agency.sync()
    assert (agency.status(second), agency.delivered(second)) == ("cancelled", 0)


# The settle time


def test_a_pitch_that_was_just_written_waits_for_the_settle_time(world: PostWorld) -> None:
    agency = world.agency(settle_seconds=300)
    pitch_id = agency.pitch(ANN)
    agency.sync()
    assert (agency.status(pitch_id), world.deliveries()) == ("queued", {})
    world.clock.advance(290)
    agency.change(pitch_id, subject="Better")
    world.clock.advance(290)
    agency.sync()
    assert not world.deliveries()
    world.clock.advance(20)
    agency.sync()
    assert agency.delivery(pitch_id).header("Subject") == "Better"


@pytest.mark.parametrize("table", ["pitches", "workspace_contacts"])
def test_a_row_that_says_it_will_be_edited_in_years_waits_for_nothing(world: PostWorld, table: str) -> None:
    agency = world.agency(settle_seconds=300)
    agency.add_local({"email": ANN})
    pitch_id = agency.pitch(ANN)
    with world.database.admin() as connection:
        connection.exec_driver_sql("set local session_replication_role = replica")
        connection.exec_driver_sql(f"update {table} set updated_at = '9000-01-01'")
    world.clock.advance(600)
    agency.sync()
    assert agency.delivered(pitch_id) == 1


@pytest.mark.parametrize("edit", [{"name": "Anne"}, {"email": "anne@example.org"}])
def test_a_pitch_whose_contact_was_just_edited_waits(world: PostWorld, edit: dict[str, str]) -> None:
    agency = world.agency(settle_seconds=300)
    (contact_id,) = agency.add_local({"email": ANN})
    pitch_id = agency.pitch(ANN)
    world.clock.advance(400)
    agency.edit_local(contact_id, **edit)
    agency.sync()
    assert not world.deliveries()
    world.clock.advance(400)
    agency.sync()
    assert agency.delivered(pitch_id) == 1


# What happens between the draft and the send

MEANWHILE: dict[str, tuple[Callable[[Agency, str], object], str, str]] = {
    "the person opts out": (
        lambda agency, _: agency.add_local({"email": ANN, "email_opt_out": "true"}),
        "cancelled",
        OUT,
    ),
    "the pitch is cancelled": (lambda agency, pitch_id: agency.change(pitch_id, status="cancelled"), "cancelled", ""),
    "the pitch is put off": (
        lambda agency, pitch_id: agency.change(pitch_id, scheduled_at=in_seconds(3600, agency.world.clock.now())),
        "queued",
        "its time, or its contact, was edited meanwhile",
    ),
    "the address is edited": (
        lambda agency, pitch_id: agency.change(pitch_id, to_email="new@example.org"),
        "queued",
        "it was edited meanwhile",
    ),
    "the text is edited": (
        lambda agency, pitch_id: agency.change(pitch_id, body="Better"),
        "queued",
        "it was edited meanwhile",
    ),
}


@pytest.mark.parametrize(("act", "status", "reason"), MEANWHILE.values(), ids=MEANWHILE)
def test_what_changes_between_draft_and_send_is_heeded(
    world: PostWorld, act: Callable[[Agency, str], object], status: str, reason: str
) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.once("drafts$", lambda: act(agency, pitch_id), method="POST", is_after=True)
    agency.sync()
    assert (agency.status(pitch_id), agency.reason(pitch_id)) == (status, reason)
    assert not world.deliveries()
    assert not agency.drafts()
    world.clock.advance(4000)
    agency.sync()
    assert agency.delivered(pitch_id) == (status == "queued")
    if reason == "it was edited meanwhile":
        delivery = agency.delivery(pitch_id)
        assert "new@example.org" in delivery.recipient or "Better" in delivery.text
    agency.assert_settled()


def test_a_contact_that_is_edited_between_draft_and_send_puts_the_pitch_off(world: PostWorld) -> None:
    agency = world.agency(settle_seconds=300)
    (contact_id,) = agency.add_local({"email": ANN})
    pitch_id = agency.pitch(ANN)
    world.clock.advance(400)
    world.once("drafts$", lambda: agency.edit_local(contact_id, name="Anne"), method="POST", is_after=True)
    agency.sync()
    assert (agency.status(pitch_id), agency.drafts()) == ("queued", [])
    world.clock.advance(400)
    agency.sync()
    assert agency.delivered(pitch_id) == 1


def test_a_pitch_that_is_edited_while_others_go_out_goes_out_as_it_is_then(world: PostWorld) -> None:
    agency = world.agency()
    first, second = agency.pitch("one@example.org"), agency.pitch(ANN)
    world.once("drafts/send", lambda: agency.change(second, to_email="new@example.org", subject="Better"))
    agency.sync()
    assert agency.delivery(second).recipient == "new@example.org"
    assert agency.delivery(second).header("Subject") == "Better"
    assert agency.delivered(first) == 1


@pytest.mark.parametrize("moment", ["drafts$", "drafts/send"])
def test_a_pitch_that_is_deleted_while_it_is_sent_leaves_no_trace_or_goes_out_once(
    world: PostWorld, moment: str
) -> None:
    agency = world.agency()
    pitch_id, other = agency.pitch(ANN), agency.pitch("bob@example.org")
    gone = "delete from pitches where id = cast(:id as uuid)"
    world.once(moment, lambda: agency.execute(gone, id=pitch_id), method="POST")
    report = agency.sync()
    assert report.status is RunStatus.SUCCESS
    assert agency.delivered(pitch_id) == (moment == "drafts/send")
    assert (agency.delivered(other), agency.drafts()) == (1, [])


def test_a_cancel_after_the_last_look_comes_too_late_and_says_so(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.once("drafts/send", lambda: agency.change(pitch_id, status="cancelled"))
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)


# Limits


def test_the_daily_limit_ends_the_sending_and_the_next_day_goes_on(world: PostWorld) -> None:
    agency = world.agency(daily_send_limit=3)
    agency.pitch_many(5)
    report = agency.sync()
    assert agency.statuses() == {"sent": 3, "queued": 2}
    assert report.status is RunStatus.SUCCESS
    assert report.results[0].metadata["cut_short"] == "the daily limit is reached"
    assert report.results[0].records_skipped == 2
    agency.assert_idle()
    world.clock.advance(86_000)
    agency.sync()
    assert agency.statuses() == {"sent": 3, "queued": 2}
    world.clock.advance(1000)
    agency.sync()
    assert agency.statuses() == {"sent": 5}


def test_a_limit_of_none_sends_nothing_not_even_what_is_under_way(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.refuse("mailSending", path_regex="drafts/send", times=1)
    agency.sync()
    agency.configure(daily_send_limit=0)
    world.clock.advance(100_000)
    agency.sync()
    assert (agency.status(pitch_id), len(agency.drafts()), world.deliveries()) == ("sending", 1, {})
    agency.configure(daily_send_limit=1)
    agency.sync()
    assert agency.delivered(pitch_id) == 1


LIMITS = [
    "mailSending",
    "rateLimitExceeded",
    "resourceExhausted",
    "userRateLimitExceeded",
    "dailyLimitExceeded",
    "concurrentRequests",
]


@pytest.mark.parametrize("reason", LIMITS)
def test_gmails_limit_ends_the_sending_of_the_run_and_nothing_is_asked_before_its_time(
    world: PostWorld, reason: str
) -> None:
    agency = world.agency()
    ids = agency.pitch_many(3)
    world.refuse(reason, path_regex="drafts/send", times=-1)
    report = agency.sync()
    assert report.status is RunStatus.SUCCESS
    assert report.results[0].metadata["cut_short"]
    assert agency.statuses() == {"sending": 1, "queued": 2}
    (waiting,) = [each for each in ids if agency.status(each) == "sending"]
    assert agency.reason(waiting)
    assert len([call for call in agency.calls() if call.path.endswith("drafts/send")]) == 1
    agency.assert_idle()
    world.heal()
    world.clock.advance(86_400)
    agency.sync()
    assert world.deliveries() == dict.fromkeys(ids, 1)
    agency.assert_settled()


def test_a_mailbox_that_bounces_over_its_limit_bars_no_address(world: PostWorld) -> None:
    """For some minutes Gmail takes mail that it does not send, and says so by a bounce."""
    world.options(daily_send_limit=1, limit_lag_seconds=600.0)
    agency = world.agency()
    agency.add_local({"email": ANN}, {"email": "bob@example.org"})
    ids = [agency.pitch(ANN), agency.pitch("bob@example.org")]
    agency.sync()
    agency.sync()
    assert sorted(map(agency.status, ids)) == ["bounced", "sent"]
    assert agency.barred() == []
    (lost,) = [each for each in ids if agency.status(each) == "bounced"]
    assert agency.delivered(lost) == 0
    world.clock.advance(90_000)
    world.options(daily_send_limit=None)
    again = agency.pitch(agency.row(lost)["to_email"])
    agency.sync()
    assert agency.delivered(again) == 1


OFFICIAL = {
    ("POST", "drafts"): 10, ("POST", "drafts/send"): 100, ("GET", "drafts"): 5, ("GET", "draft"): 20,
    ("DELETE", "draft"): 10, ("GET", "messages"): 5, ("GET", "message"): 20, ("GET", "threads"): 40,
    ("GET", "history"): 2, ("GET", "profile"): 1, ("GET", "settings/sendAs"): 1,
}  # fmt: skip


def test_every_request_takes_its_units_from_the_users_quota(world: PostWorld) -> None:
    agency = world.agency()
    pitch_ids = agency.pitch_many(3)
    world.fault("drop_after", path_regex="drafts/send", times=1)
    pacer = world.pacer
    assert isinstance(pacer, FreePacer)
    agency.sync()
    units = sum(seconds for _, seconds in pacer.waits) / wire.UNIT_SECONDS
    asked = 0
    for call in agency.calls():
        path = call.path.partition("/users/me/")[2]
        kind = {"messages": "message", "drafts": "draft"}.get(path.split("/")[0], path)
        is_single = "/" in path and kind in ("message", "draft") and not path.endswith("/send")
        name = kind if is_single else "threads" if path.startswith("threads/") else path
        asked += OFFICIAL[call.method, name]
    assert round(units) == asked
    assert len({key for key, _ in pacer.waits}) == 1
    assert world.deliveries() == dict.fromkeys(pitch_ids, 1)


def test_the_quota_is_never_met(world: PostWorld) -> None:
    """With the real limits and the real pacer, whose pauses pass on the clock that all share."""
    world.options(rate_limit_scale=1.0)
    world.pacer = DatabasePacer(world.database, sleep=world.clock.advance)
    agency = world.agency()
    agency.pitch_many(70)
    began_at = world.clock.now()
    agency.sync()
    took = (world.clock.now() - began_at).total_seconds()
    assert agency.statuses() == {"sent": 70}
    assert {call.status for call in agency.calls()} == {200}
    assert 60 < took < 200, "sixty sends a minute, less what goes with them"


# What a grant lacks

LACKING: dict[str, tuple[int, bool]] = {"compose": (0, True), "readonly": (1, False)}


@pytest.mark.parametrize("lacking", LACKING)
def test_without_a_scope_nothing_is_lost_and_the_reason_is_told(world: PostWorld, lacking: str) -> None:
    agency = world.agency()
    agency.sync()
    agency.token = world.gmail.token(OWN, [scope for scope in SCOPES if not scope.endswith(lacking)])
    agency.configure()
    ids = agency.pitch_many(2)
    report = agency.sync()
    assert report.status is RunStatus.FAILED
    assert "leave every box ticked" in report.error
    assert agency.statuses() == {"queued": 2}
    told = [agency.reason(each) for each in ids if agency.reason(each)]
    assert len(told) == (lacking == "compose")
    assert all("leave every box ticked" in each for each in told)
    for _ in range(2):
        agency.sync()
    assert agency.connection.status == "error"
    with pytest.raises(ConfigurationError, match="connections enable gmail"):
        agency.sync()
    agency.token = world.gmail.token(OWN, SCOPES)
    agency.configure()
    agency.sync()
    assert world.deliveries() == dict.fromkeys(ids, 1)


@pytest.mark.parametrize(
    "reason", ["domainPolicy", "accessNotConfigured", "failedPrecondition", "mailServiceNotEnabled"]
)
def test_an_account_that_may_not_send_keeps_its_pitches(world: PostWorld, reason: str) -> None:
    agency = world.agency()
    ids = agency.pitch_many(2)
    world.refuse(reason, path_regex="drafts/send", times=1)
    assert agency.sync().status is RunStatus.FAILED
    under_way = [each for each in ids if agency.status(each) == "sending"]
    assert len(under_way) == 1
    assert agency.reason(under_way[0])
    agency.sync()
    assert world.deliveries() == dict.fromkeys(ids, 1)
    agency.assert_settled()


@pytest.mark.parametrize("path", ["drafts$", "drafts/send"])
def test_a_message_that_gmail_refuses_fails_alone_with_gmails_reason(world: PostWorld, path: str) -> None:
    agency = world.agency()
    bad, good = agency.pitch("one@example.org"), agency.pitch(ANN)
    world.refuse("invalidArgument", path_regex=path, method="POST", times=1)
    report = agency.sync()
    assert (agency.status(bad), agency.reason(bad)) == ("failed", "Gmail refused the request (invalidArgument)")
    assert world.deliveries() == {good: 1}
    assert report.status is RunStatus.PARTIAL
    assert not agency.drafts()
    agency.assert_settled()


def test_a_question_about_one_pitch_that_gmail_refuses_stops_no_other(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    bad, good = agency.pitch("one@example.org"), agency.pitch(ANN)
    world.refuse("invalidArgument", path_regex="messages$", times=1)
    report = agency.sync()
    assert report.status is RunStatus.PARTIAL
    assert world.deliveries() == {good: 1}
    assert agency.reason(bad) == "Gmail refused the request (invalidArgument); the next run goes on with it"
    assert report.results[0].errors == (f"pitch {bad}: Gmail refused the request (invalidArgument)",)
    agency.sync()
    assert agency.delivered(bad) == 1


def test_one_pitch_that_gmail_never_answers_about_stops_no_other_but_three_are_gmails_fault(world: PostWorld) -> None:
    agency = world.agency()
    bad, *good = [agency.pitch(f"{name}@example.org") for name in ("one", "two", "three")]
    world.refuse("backendError", path_regex="drafts$", method="POST", times=2)
    report = agency.sync()
    assert report.status is RunStatus.PARTIAL
    assert world.deliveries() == dict.fromkeys(good, 1)
    assert (agency.status(bad), "tries again" in agency.reason(bad)) == ("queued", True)
    agency.pitch_all(*({"to_email": f"person{number}@example.org"} for number in range(9)))
    world.refuse("backendError", path_regex="drafts$", method="POST", times=-1)
    agency.sync()
    report = agency.sync()
    assert report.status is RunStatus.FAILED
    assert len([call for call in agency.calls("POST") if call.path.endswith("drafts")]) <= 6
    world.heal()
    agency.sync()
    assert agency.statuses() == {"sent": 12}
    agency.assert_settled()
