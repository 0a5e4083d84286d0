"""Whose bounce a report is, whom it bars, for how long, and where that is kept."""

from collections.abc import Callable

import pytest

from integrations_pipeline_tests.mail.letters import group, report
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, Agency, PostWorld
from integrations_sandbox import Delivery, ReplyStyle

ANN, BOB = "ann@example.org", "bob@example.org"


def sent(world: PostWorld, to: str = ANN) -> tuple[Agency, str, Delivery]:
    agency = world.agency()
    agency.add_local({"email": to})
    pitch_id = agency.pitch(to)
    agency.sync()
    world.clock.advance(60)
    return agency, pitch_id, agency.delivery(pitch_id)


def by_hand(world: PostWorld, agency: Agency, delivery: Delivery, to: str) -> Delivery:
    """The owner writes in the thread of a pitch, to somebody."""
    answered = delivery.header("Message-ID")
    agency.write_by_hand(to, "Re: A record for you", In_Reply_To=answered, References=answered)
    world.clock.advance(60)
    return world.mail.deliveries(to)[-1]


def words(delivery: Delivery, to: str, *, is_named: bool, thread: str = "") -> bytes:
    """A notice without the message; `thread`: what it says that it answers."""
    head = f"In-Reply-To: {thread}\r\nReferences: {thread}\r\n" if thread else ""
    head += f"X-Failed-Recipients: {to}\r\n" if is_named else ""
    return (
        f"From: Mail Delivery System <mailer-daemon@example.org>\r\nTo: {OWN}\r\n{head}"
        f"Subject: Undelivered Mail Returned to Sender\r\n\r\n<{to}>: 550 5.1.1 User unknown\r\n"
    ).encode()


SOMEBODY_ELSES: dict[str, Callable[[PostWorld, Delivery, Delivery], object]] = {
    "Gmail's report": lambda world, _, other: world.mail.bounce(other),
    "another server's report": lambda world, _, other: world.mail.bounce(other, "foreign"),
    "qmail's words": lambda world, _, other: world.mail.bounce(other, "qmail"),
    "Exim's words": lambda world, _, other: world.mail.bounce(other, "exim"),
    "words that return nothing, under the pitch's thread": lambda world, pitch, other: world.mail.incoming(
        OWN, words(other, other.recipient, is_named=True, thread=pitch.header("Message-ID"))
    ),
    "words that name the address only in the text": lambda world, pitch, other: world.mail.incoming(
        OWN, words(other, other.recipient, is_named=False, thread=pitch.header("Message-ID"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("bounce", SOMEBODY_ELSES.values(), ids=SOMEBODY_ELSES)
@pytest.mark.parametrize("to", ["typo@example.org", "third@elsewhere.example"])
def test_a_bounce_of_what_the_owner_wrote_in_the_thread_to_somebody_else_is_not_the_pitchs(
    world: PostWorld, to: str, bounce: Callable[[PostWorld, Delivery, Delivery], object]
) -> None:
    agency, pitch_id, delivery = sent(world)
    other = by_hand(world, agency, delivery, to)
    assert other.thread_id == delivery.thread_id
    bounce(world, delivery, other)
    agency.sync()
    assert (agency.status(pitch_id), agency.barred(), agency.replies()) == ("sent", [], [])
    again = agency.pitch(ANN, subject="Another record")
    agency.sync()
    assert agency.delivered(again) == 1


def test_a_bounce_of_what_the_owner_wrote_in_the_thread_to_the_person_is_not_the_pitchs(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    world.mail.bounce(by_hand(world, agency, delivery, ANN), "foreign")
    agency.sync()
    assert (agency.status(pitch_id), agency.barred()) == ("sent", [])


def test_a_bounce_of_where_a_pitch_was_forwarded_to_is_the_pitchs_but_bars_nobody(world: PostWorld) -> None:
    """The mail came back; that Ann's address forwards it to one that is dead does not make hers dead."""
    agency, pitch_id, delivery = sent(world)
    world.mail.incoming(
        OWN, report([group(recipient="x@forward.example")], original=f"Message-ID: {delivery.header('Message-ID')}")
    )
    agency.sync()
    assert (agency.status(pitch_id), agency.barred()) == ("bounced", [])


def test_the_address_before_a_forward_counts_where_the_report_names_it(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    told = group(recipient="x@forward.example").replace("Action", f"Original-Recipient: rfc822;{ANN}\r\nAction")
    world.mail.incoming(OWN, report([told], original=f"Message-ID: {delivery.header('Message-ID')}"))
    agency.sync()
    assert (agency.status(pitch_id), agency.barred()) == ("bounced", [ANN])


@pytest.mark.parametrize("is_delayed", [True, False])
def test_of_a_report_about_several_people_only_the_pitchs_own_line_counts(world: PostWorld, is_delayed: bool) -> None:
    agency, pitch_id, delivery = sent(world)
    own = group("delayed", "4.4.1") if is_delayed else group("failed", "5.2.2")
    groups = [group("failed", "5.1.1", "dead@example.org"), own]
    world.mail.incoming(OWN, report(groups, original=f"Message-ID: {delivery.header('Message-ID')}"))
    agency.sync()
    assert (agency.status(pitch_id), agency.barred()) == ("sent" if is_delayed else "bounced", [])


def test_a_report_about_a_pitch_of_another_workspace_is_not_this_ones(world: PostWorld) -> None:
    one, two = world.agency("one"), world.agency("two")
    first, second = one.pitch(ANN), two.pitch(ANN)
    one.sync()
    two.sync()
    world.clock.advance(60)
    world.mail.bounce(two.delivery(second))
    for agency in (one, two):
        agency.sync()
    assert (one.status(first), one.barred()) == ("sent", [])
    assert (two.status(second), two.barred()) == ("bounced", [ANN])


def test_an_address_is_barred_under_the_spelling_that_the_wire_has(world: PostWorld) -> None:
    agency, _, delivery = sent(world, "ann@bücher.example")
    world.mail.bounce(delivery)
    agency.sync()
    assert agency.barred() == ["ann@bücher.example"]
    again = agency.pitch("ann@xn--bcher-kva.example", subject="Another record")
    agency.sync()
    assert (agency.status(again), agency.reason(again)) == ("cancelled", "mail to this address bounced")


# For how long


def test_a_later_reply_of_the_person_lifts_the_bar(world: PostWorld) -> None:
    agency, pitch_id, delivery = sent(world)
    world.mail.bounce(delivery)
    agency.sync()
    assert agency.barred() == [ANN]
    world.clock.advance(3600)
    world.mail.reply(delivery, style=ReplyStyle(from_address="Ann@Example.org"))
    report_ = agency.sync()
    assert (agency.status(pitch_id), agency.barred()) == ("replied", [])
    assert report_.results[1].metadata["mail_lifted"] == 1
    again = agency.pitch(ANN, subject="Another record")
    agency.sync()
    assert agency.delivered(again) == 1


@pytest.mark.parametrize("reason", ["opted_out", "complained", "manual"])
def test_a_reply_lifts_nothing_but_a_bounce(world: PostWorld, reason: str) -> None:
    agency, _, delivery = sent(world)
    agency.bar(ANN, reason)
    world.mail.reply(delivery)
    agency.sync()
    again = agency.pitch(ANN, subject="Another record")
    agency.sync()
    assert agency.status(again) == "cancelled"


def test_neither_an_earlier_reply_nor_a_machines_lifts_the_bar(world: PostWorld) -> None:
    agency, _, delivery = sent(world)
    world.mail.reply(delivery)
    world.clock.advance(60)
    world.mail.bounce(delivery)
    world.clock.advance(60)
    world.mail.out_of_office(delivery)
    agency.sync()
    assert agency.barred() == [ANN]


def test_what_a_person_removes_is_no_bar_any_more(world: PostWorld) -> None:
    agency, _, delivery = sent(world)
    world.mail.bounce(delivery)
    agency.sync()
    agency.execute("delete from suppressions where reason = 'bounced'")
    again = agency.pitch(ANN, subject="Another record")
    agency.sync()
    assert agency.delivered(again) == 1


def test_the_bar_outlives_the_contact_and_the_pitch(world: PostWorld) -> None:
    agency, _, delivery = sent(world)
    world.mail.bounce(delivery)
    agency.sync()
    agency.execute("delete from pitches")
    agency.delete_local(*agency.local())
    agency.add_local({"email": ANN})
    again = agency.pitch(ANN)
    agency.sync()
    assert (agency.status(again), agency.delivered(again)) == ("cancelled", 0)
