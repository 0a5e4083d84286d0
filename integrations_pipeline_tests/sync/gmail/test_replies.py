"""What comes back is recorded once, as what it is, on the right pitch, however it is told."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.mail.letters import group, report
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, Agency, PostWorld
from integrations_sandbox import Delivery, ReplyStyle
from integrations_sandbox.gmail.letters import BOUNCE_KINDS, BounceKind, Vendor

ANN = "ann@example.org"


def sent(world: PostWorld, to: str = ANN, **settings: Any) -> tuple[Agency, str, Delivery]:
    agency = world.agency(**settings)
    pitch_id = agency.pitch(to)
    agency.sync()
    return agency, pitch_id, agency.delivery(pitch_id)


def test_a_reply_makes_its_pitch_replied(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    world.clock.advance(3600)
    message = world.mail.reply(delivery, "I'd love to.")
    report_ = agency.sync()
    (reply,) = agency.replies()
    assert (reply["pitch_id"], reply["kind"], reply["from_email"]) == (pitch_id, "reply", ANN)
    assert (reply["gmail_message_id"], reply["gmail_thread_id"]) == (message.id, delivery.thread_id)
    assert reply["received_at"] == message.received_at == agency.row(pitch_id)["replied_at"]
    assert reply["snippet"].startswith("I'd love to.")
    assert agency.status(pitch_id) == "replied"
    assert report_.results[1].records_created == 1
    agency.assert_idle()


def test_further_replies_are_recorded_and_the_first_one_counts(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    first = world.mail.reply(delivery, "One")
    agency.sync()
    world.clock.advance(60)
    world.mail.reply(delivery, "Two")
    agency.sync()
    assert len(agency.replies("reply")) == 2
    assert agency.row(pitch_id)["replied_at"] == first.received_at


WAYS: dict[str, ReplyStyle] = {
    "in its thread": ReplyStyle(),
    "from another address": ReplyStyle(from_address="ann.private@example.org"),
    "under another subject, with the headers": ReplyStyle(subject="Something else"),
    "under another subject, from another address": ReplyStyle(from_address="pa@example.org", subject="For Ann"),
    "without headers, under the subject": ReplyStyle(has_references=False),
    "without headers, from the address in capitals": ReplyStyle(has_references=False, from_address="ANN@Example.ORG"),
    "with others in copy": ReplyStyle(cc="boss@example.org"),
}


@pytest.mark.parametrize("style", WAYS.values(), ids=WAYS)
def test_a_reply_finds_its_pitch(world: PostWorld, style: ReplyStyle) -> None:
    agency, pitch_id, delivery = sent(world)
    other = agency.pitch("bob@example.org", subject="Something else")
    agency.sync()
    world.clock.advance(60)
    world.mail.reply(delivery, style=style)
    agency.sync()
    assert [row["pitch_id"] for row in agency.replies("reply")] == [pitch_id]
    assert (agency.status(pitch_id), agency.status(other)) == ("replied", "sent")


STRANGERS: dict[str, dict[str, str]] = {
    "a stranger under the subject": {"From": "bob@example.org", "Subject": "Re: A record for you"},
    "the person about something else": {"From": ANN, "Subject": "Lunch?"},
    "the person without a subject": {"From": ANN, "Subject": ""},
    "an answer to somebody else's mail": {"From": ANN, "Subject": "Re: Lunch", "In-Reply-To": "<other@example.org>"},
}


@pytest.mark.parametrize("headers", STRANGERS.values(), ids=STRANGERS)
def test_mail_that_answers_no_pitch_is_left_alone(world: PostWorld, headers: dict[str, str]) -> None:
    agency, pitch_id, _ = sent(world)
    world.clock.advance(60)
    world.mail.letter(OWN, headers, "Hello")
    agency.sync()
    assert (agency.replies(), agency.status(pitch_id)) == ([], "sent")
    agency.assert_idle()


def test_mail_before_the_pitch_is_no_answer_to_it(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    world.mail.letter(OWN, {"From": ANN, "Subject": "A record for you"}, "I heard of it")
    world.clock.advance(3600)
    pitch_id = agency.pitch(ANN)
    world.once("/drafts/send", lambda: None)
    agency.sync()
    assert (agency.status(pitch_id), agency.replies()) == ("sent", [])


def test_of_several_pitches_in_a_thread_the_one_that_is_answered_counts(world: PostWorld) -> None:
    agency, first, delivery = sent(world)
    world.clock.advance(60)
    second = agency.pitch(ANN, in_reply_to_pitch_id=first)
    agency.sync()
    world.clock.advance(60)
    world.mail.reply(delivery, "To the first")
    agency.sync()
    assert (agency.status(first), agency.status(second)) == ("replied", "sent")
    world.mail.reply(agency.delivery(second), "To the second")
    agency.sync()
    assert agency.status(second) == "replied"


def test_without_headers_the_latest_pitch_before_it_counts(world: PostWorld) -> None:
    agency, first, delivery = sent(world)
    bare = ReplyStyle(has_references=False)
    message = world.mail.reply(delivery, "After the first", bare)
    world.clock.advance(600)
    second = agency.pitch(ANN, in_reply_to_pitch_id=first)
    message.thread_id = delivery.thread_id
    agency.sync()
    assert [row["pitch_id"] for row in agency.replies()] == [first]
    world.clock.advance(600)
    later = world.mail.reply(agency.delivery(second), "After the second", bare)
    later.thread_id = delivery.thread_id
    agency.sync()
    assert [row["pitch_id"] for row in agency.replies()] == [first, second]


def test_pitches_to_one_person_are_told_apart_by_subject(world: PostWorld) -> None:
    agency = world.agency()
    ids = [agency.pitch(ANN, subject=subject) for subject in ("First", "Second", "Third")]
    agency.sync()
    world.clock.advance(60)
    for subject in ("Re: Second", "AW: [2] Second"):
        world.mail.letter(OWN, {"From": ANN, "Subject": subject}, "Yes")
    agency.sync()
    assert [agency.status(each) for each in ids] == ["sent", "replied", "sent"]


def test_our_own_mail_from_another_device_is_no_reply(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world, mailbox={"aliases": ["desk@agency.org"]})
    message_id = delivery.header("Message-ID")
    for sender in (OWN, "desk@agency.org"):
        headers = {"In_Reply_To": message_id, "References": message_id}
        agency.write_by_hand(ANN, "Re: A record for you", **headers)
        world.mail.letter(OWN, {"From": sender, "Subject": "Re: A record for you", "In-Reply-To": message_id}, "Me")
    agency.sync()
    assert (agency.replies(), agency.status(pitch_id)) == ([], "sent")
    reply = world.mail.reply(world.mail.deliveries(ANN)[-1], "To what you wrote by hand")
    agency.sync()
    assert [row["gmail_message_id"] for row in agency.replies()] == [reply.id]
    assert agency.status(pitch_id) == "replied"


# Machines


@pytest.mark.parametrize("vendor", get_args(Vendor))
def test_a_vacation_answer_of_every_form_is_none_of_a_person(world: PostWorld, vendor: Vendor) -> None:
    agency, pitch_id, delivery = sent(world)
    world.mail.out_of_office(delivery, vendor)
    agency.sync()
    assert [(row["kind"], row["pitch_id"]) for row in agency.replies()] == [("out_of_office", pitch_id)]
    assert (agency.status(pitch_id), agency.row(pitch_id)["replied_at"]) == ("sent", None)


def test_receipts_and_newsletters_make_no_reply(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    world.mail.auto_reply(delivery)
    world.mail.newsletter(OWN, f"Ann <{ANN}>", "Re: A record for you")
    agency.sync()
    assert [row["kind"] for row in agency.replies()] == ["auto_reply"]
    assert agency.status(pitch_id) == "sent"


def test_a_person_who_answers_after_a_machine_has_replied(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    world.mail.out_of_office(delivery)
    agency.sync()
    world.mail.reply(delivery)
    agency.sync()
    assert agency.status(pitch_id) == "replied"


# Bounces

HARD = {
    "hard": True,
    "foreign": True,
    "full": False,
    "blocked": False,
    "soft": False,
    "qmail": True,
    "yahoo": True,
    "exim": True,
    "german": True,
    "global": True,
}


@pytest.mark.parametrize("kind", HARD)
def test_a_bounce_is_no_reply_and_bars_the_address_only_if_it_is_for_good(world: PostWorld, kind: BounceKind) -> None:
    agency = world.agency()
    agency.add_local({"email": "Ann@Example.org"}, {"email": "bob@example.org"})
    pitch_id = agency.pitch(ANN)
    agency.sync()
    world.mail.bounce(agency.delivery(pitch_id), kind)
    agency.sync()
    assert [(row["kind"], row["pitch_id"]) for row in agency.replies()] == [("bounce", pitch_id)]
    assert (agency.status(pitch_id), agency.reason(pitch_id)) == ("bounced", "the mail bounced")
    assert agency.barred() == ([ANN] if HARD[kind] else [])
    again = agency.pitch(ANN)
    agency.sync()
    assert agency.status(again) == ("cancelled" if HARD[kind] else "sent")


def test_all_kinds_of_bounces_are_told_of() -> None:
    assert {*HARD, "delayed"} == BOUNCE_KINDS


def test_a_delay_is_no_bounce_but_what_follows_it_is(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    world.mail.bounce(delivery, "delayed")
    agency.sync()
    assert (agency.replies(), agency.status(pitch_id)) == ([], "sent")
    world.mail.bounce(delivery, "hard")
    agency.sync()
    assert agency.status(pitch_id) == "bounced"


@pytest.mark.parametrize("order", ["reply first", "bounce first", "one run"])
def test_a_reply_counts_more_than_a_bounce_in_any_order(world: PostWorld, order: str) -> None:
    """Such as a bounce of one of two mailboxes behind an address."""
    agency, pitch_id, delivery = sent(world)
    first, second = (world.mail.reply, world.mail.bounce)[:: -1 if order == "bounce first" else 1]
    first(delivery)
    if order != "one run":
        agency.sync()
    second(delivery)
    agency.sync()
    assert (agency.status(pitch_id), len(agency.replies())) == ("replied", 2)
    assert agency.row(pitch_id)["replied_at"] is not None
    assert agency.reason(pitch_id) == ""


ELSEWHERE: dict[str, Callable[[Delivery, str], bytes]] = {
    "by our header": lambda _, pitch_id: report(
        [group(recipient="x@y.org")], original=f"X-Integrations-Pitch: {pitch_id}"
    ),
    "by the message's id": lambda delivery, _: report(
        [group(recipient="x@y.org")], original=f"Message-ID: {delivery.header('Message-ID')}"
    ),
    "by its recipient": lambda _, __: report([group(recipient=ANN)], original=None),
    "by a header of the recipient": lambda _, __: (
        f"From: mailer-daemon@example.org\r\nTo: {OWN}\r\nSubject: Undelivered Mail\r\n"
        f"X-Failed-Recipients: {ANN}\r\n\r\n<ann@example.org>: 550 5.1.1 User unknown\r\n"
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("write", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_bounce_outside_the_thread_finds_its_pitch(world: PostWorld, write: Callable[[Delivery, str], bytes]) -> None:
    agency, pitch_id, delivery = sent(world)
    other = agency.pitch("bob@example.org")
    agency.sync()
    world.clock.advance(5)
    world.mail.incoming(OWN, write(delivery, pitch_id))
    agency.sync()
    assert [(row["kind"], row["pitch_id"]) for row in agency.replies()] == [("bounce", pitch_id)]
    assert agency.status(other) == "sent"


def test_a_bounce_of_something_else_to_the_same_person_is_not_the_pitchs(world: PostWorld) -> None:
    agency, pitch_id, _ = sent(world)
    world.clock.advance(5)
    agency.write_by_hand(ANN, "Lunch?")
    world.mail.bounce(world.mail.deliveries(ANN)[-1], "hard")
    agency.sync()
    assert (agency.replies(), agency.status(pitch_id)) == ([], "sent")


def test_a_report_that_cannot_be_read_is_a_bounce_that_bars_nobody(world: PostWorld) -> None:
    agency = world.agency()
    agency.add_local({"email": ANN})
    pitch_id = agency.pitch(ANN)
    agency.sync()
    world.mail.bounce(agency.delivery(pitch_id))
    message = agency.messages()[0]
    world.fault("status_after", path_regex=f"/messages/{message.id}$", skip=1, status=404, times=1)
    agency.sync()
    assert (agency.status(pitch_id), len(agency.replies("bounce"))) == ("bounced", 1)


# How Gmail tells


def in_all_ways(world: PostWorld) -> tuple[Agency, list[str]]:
    agency = world.agency()
    ids = agency.pitch_many(4)
    agency.sync()
    world.mail.reply(agency.delivery(ids[0]))
    world.mail.bounce(agency.delivery(ids[1]))
    world.mail.out_of_office(agency.delivery(ids[2]))
    world.mail.reply(agency.delivery(ids[0]), "More")
    return agency, ids


def assert_recorded(agency: Agency, ids: list[str]) -> None:
    assert [agency.status(each) for each in ids] == ["replied", "bounced", "sent", "sent"]
    assert sorted(row["kind"] for row in agency.replies()) == ["bounce", "out_of_office", "reply", "reply"]


ODD: dict[str, dict[str, Any]] = {
    "records given twice": {"repeats_history": True},
    "blank pages": {"blank_history_pages": 3},
    "labels": {"history_has_labels": True},
    "all of it": {"repeats_history": True, "blank_history_pages": 2, "history_has_labels": True},
}


@pytest.mark.parametrize("options", ODD.values(), ids=ODD)
def test_odd_pages_of_history_lead_to_the_same(world: PostWorld, options: dict[str, Any]) -> None:
    world.options(**options)
    agency, ids = in_all_ways(world)
    agency.sync()
    assert_recorded(agency, ids)
    agency.assert_idle(most_calls=2)


def rewind(agency: Agency, position: dict[str, Any] | None) -> None:
    """Back to an earlier position, as after a crash before the new one was stored."""
    value = None if position is None else json.dumps(position)
    agency.execute("update integration_connections set mail_cursor = cast(:value as jsonb)", value=value)


def position_of(agency: Agency) -> dict[str, Any]:
    found: dict[str, Any] = agency.rows("select mail_cursor from integration_connections")[0]["mail_cursor"]
    return found


def test_windows_that_overlap_record_nothing_twice(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    began = position_of(agency)
    ids = agency.pitch_many(4)
    agency.sync()
    for answer in (world.mail.reply, world.mail.reply, world.mail.bounce):
        answer(agency.delivery(ids[0]))
    for _ in range(3):
        agency.sync()
        rewind(agency, began)
    assert len(agency.replies()) == 3
    assert world.deliveries() == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("is_known", [True, False], ids=["expired", "lost"])
def test_an_expired_history_is_made_up_for_by_reading_the_tracked_threads(world: PostWorld, is_known: bool) -> None:
    agency, ids = in_all_ways(world)
    if is_known:
        world.gmail.expire_history(OWN)
    else:
        rewind(agency, None)
    agency.sync()
    assert_recorded(agency, ids)
    agency.assert_idle()


def test_answers_outside_their_threads_survive_an_expired_history(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    world.mail.reply(delivery, style=ReplyStyle(has_references=False))
    world.mail.letter(OWN, {"From": "bob@example.org", "Subject": "Hello"}, "Hi")
    world.gmail.expire_history(OWN)
    world.clock.advance(20 * 86_400)
    agency.sync()
    assert agency.status(pitch_id) == "replied"


def test_messages_that_came_while_the_history_was_lost_are_read_up_to_the_last_look(world: PostWorld) -> None:
    agency, _, delivery = sent(world)
    world.clock.advance(7 * 86_400)
    agency.sync()
    old = len(agency.messages())
    for number in range(5):
        world.mail.letter(OWN, {"From": f"s{number}@example.org", "Subject": "Hello"}, "Hi")
    world.mail.reply(delivery, style=ReplyStyle(has_references=False))
    world.gmail.expire_history(OWN)
    agency.sync()
    read = {call.path.rpartition("/")[2] for call in agency.calls() if "/messages/" in call.path}
    assert len(read) == len(agency.messages()) - old + 1, "one more shows that the rest is older"
    assert len(agency.replies()) == 1


def test_a_position_of_another_mailbox_is_as_good_as_none(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    for wrong in ({"history_id": "999999999"}, {"history_id": "x"}, {}):
        rewind(agency, wrong)
        assert agency.sync().status is RunStatus.SUCCESS
    world.mail.reply(delivery)
    agency.sync()
    assert agency.status(pitch_id) == "replied"


def test_the_order_in_which_gmail_tells_does_not_matter(world: PostWorld) -> None:
    """A reply that is told before the message that it answers, which a restored ledger does not know."""
    agency = world.agency()
    agency.sync()
    began = position_of(agency)
    pitch_id = agency.pitch(ANN)
    agency.sync()
    world.mail.reply(agency.delivery(pitch_id))
    agency.execute("delete from pitch_emails")
    agency.execute("update pitches set status = 'queued', sent_at = null")
    history = world.gmail.mailbox(OWN).history
    backwards = [record.events for record in reversed(history.records)]
    history.records = [
        replace(record, events=events) for record, events in zip(history.records, backwards, strict=True)
    ]
    rewind(agency, began)
    agency.sync()
    assert (agency.status(pitch_id), len(agency.replies())) == ("replied", 1)
    assert agency.delivered(pitch_id) == 1


def test_a_first_run_takes_no_old_mail_for_an_answer(world: PostWorld) -> None:
    world.gmail.create_mailbox(OWN)
    for number in range(5):
        world.mail.letter(OWN, {"From": f"s{number}@example.org", "Subject": "Re: A record for you"}, "Hi")
    agency = world.agency()
    agency.sync()
    assert agency.replies() == []
    assert len(agency.calls()) == 1, "the position, and nothing else"


def test_a_message_that_cannot_be_had_stops_no_other(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    world.mail.letter(OWN, {"From": "bob@example.org", "Subject": "Hello"}, "Hi")
    gone = world.mail.letter(OWN, {"From": "bob@example.org", "Subject": "Hello"}, "Hi")
    world.gmail.delete_message(OWN, gone.id)
    world.mail.reply(delivery)
    world.refuse("invalidArgument", path_regex="/messages/", times=1)
    told = agency.sync()
    assert told.results[1].metadata["mail_unreadable"] == 1
    assert agency.status(pitch_id) == "replied"


BROKEN: dict[str, bytes] = {
    "a sender that is none": b"From: <<>>\r\nSubject: Re: A record for you\r\n\r\nHi",
    "no header at all": b"\r\nHi",
    "brackets that never end": b"From: " + b"(" * 5000 + b"\r\nSubject: x\r\n\r\nHi",
    "NUL": b"From: a\0b <ann@example.org>\r\nSubject: Re: A record for you\r\n\r\nH\0i",
    "bytes that are no text": b"From: \xff\xfe <ann@example.org>\r\nSubject: \xe4\r\n\r\n\xff",
    "a report that breaks off": b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n",
    "a report without a boundary": b"Content-Type: multipart/report\r\n\r\nx",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_no_message_is_too_broken_to_be_passed_over(world: PostWorld, raw: bytes) -> None:
    """Whoever can write to the mailbox could else keep all replies from coming in."""
    agency, pitch_id, delivery = sent(world, harvest="all")
    world.mail.incoming(OWN, raw)
    world.mail.reply(delivery)
    assert agency.sync().status is RunStatus.SUCCESS
    assert agency.status(pitch_id) == "replied"


def test_a_reply_in_the_mailbox_of_two_workspaces_concerns_the_one_that_wrote(world: PostWorld) -> None:
    one, two = world.agency("one"), world.agency("two")
    first, second = one.pitch(ANN), two.pitch(ANN, subject="Another one")
    one.sync()
    two.sync()
    world.mail.reply(one.delivery(first))
    world.mail.bounce(two.delivery(second))
    for agency in (one, two):
        agency.sync()
        agency.sync()
    assert (one.status(first), two.status(second)) == ("replied", "bounced")
    assert (len(one.replies()), len(two.replies())) == (1, 1)
    assert world.deliveries() == {first: 1, second: 1}


def test_answers_older_than_the_tracked_days_are_still_matched_by_the_history(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    world.clock.advance(timedelta(days=200).total_seconds())
    agency.sync()
    world.mail.reply(delivery)
    agency.sync()
    assert agency.status(pitch_id) == "replied"
