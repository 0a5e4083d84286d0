"""A message that answers another mail of the mailbox is no answer to a pitch, however much it looks like one."""

from collections.abc import Callable

import pytest

from integrations_pipeline_tests.sync.gmail.arrangement import OWN, SECRET_SUBJECT, Agency, PostWorld
from integrations_sandbox import ReplyStyle

ANN = "ann@example.org"
SUBJECT = f"Re: {SECRET_SUBJECT}"


def sent(world: PostWorld) -> tuple[Agency, str]:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    world.clock.advance(60)
    return agency, pitch_id


def letter_from_ann(world: PostWorld, answered: str, references: str = "") -> None:
    headers = {"From": f"Ann <{ANN}>", "Subject": SUBJECT, "In-Reply-To": answered}
    world.mail.letter(OWN, headers | {"References": references or answered}, "Yes, gladly")


def hand_mail(world: PostWorld, agency: Agency) -> str:
    agency.write_by_hand(ANN, SECRET_SUBJECT)
    return world.mail.deliveries(ANN)[-1].header("Message-ID")


def received_mail(world: PostWorld, agency: Agency) -> str:
    world.mail.letter(OWN, {"From": ANN, "Subject": "Lunch?", "Message-ID": "<lunch@example.org>"}, "Tomorrow?")
    return "<lunch@example.org>"


OTHERS: dict[str, Callable[[PostWorld, Agency], str]] = {"written by hand": hand_mail, "that came in": received_mail}


@pytest.mark.parametrize("when", ["in one run", "known before"])
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_an_answer_to_another_mail_under_the_same_subject_is_no_reply(
    world: PostWorld, other: Callable[[PostWorld, Agency], str], when: str
) -> None:
    agency, pitch_id = sent(world)
    answered = other(world, agency)
    world.clock.advance(60)
    if when == "known before":
        agency.sync()
    letter_from_ann(world, answered)
    agency.sync()
    assert (agency.status(pitch_id), agency.replies()) == ("sent", [])


def test_an_answer_to_a_pitch_of_another_workspace_on_the_mailbox_is_not_this_ones(world: PostWorld) -> None:
    one, two = world.agency("one"), world.agency("two")
    first, second = one.pitch(ANN), two.pitch(ANN)
    one.sync()
    two.sync()
    world.clock.advance(60)
    world.mail.reply(two.delivery(second))
    for agency in (one, two, one):
        agency.sync()
    assert (one.status(first), two.status(second)) == ("sent", "replied")
    assert one.replies() == []


def test_an_answer_to_a_mail_of_another_mailbox_is_still_known_by_sender_and_subject(world: PostWorld) -> None:
    """As of a person whose mail program writes an id of its own, or who answers from a forwarded copy."""
    agency, pitch_id = sent(world)
    letter_from_ann(world, "<copy@forwarder.example>")
    agency.sync()
    assert agency.status(pitch_id) == "replied"


def test_the_search_is_not_needed_where_the_thread_tells(world: PostWorld) -> None:
    agency, pitch_id = sent(world)
    answered = hand_mail(world, agency)
    agency.sync()
    world.options(search_lag_seconds=1e6)
    letter_from_ann(world, answered)
    agency.sync()
    assert (agency.status(pitch_id), agency.replies()) == ("sent", [])


def test_a_third_persons_answer_to_what_the_owner_wrote_to_them_in_the_thread_is_no_reply(world: PostWorld) -> None:
    agency, pitch_id = sent(world)
    asked = agency.delivery(pitch_id).header("Message-ID")
    agency.write_by_hand("boss@agency.example", SUBJECT, In_Reply_To=asked, References=asked)
    agency.sync()
    world.clock.advance(60)
    world.mail.reply(world.mail.deliveries("boss@agency.example")[-1], "Looks good to me")
    agency.sync()
    assert (agency.status(pitch_id), agency.replies()) == ("sent", [])


def test_to_lie_in_the_pitchs_thread_is_not_enough(world: PostWorld) -> None:
    """As where a mailbox threads by subject: what the owner wrote besides refers to no pitch."""
    agency, pitch_id = sent(world)
    answered = hand_mail(world, agency)
    agency.sync()
    for message in agency.messages():
        message.thread_id = agency.delivery(pitch_id).thread_id
    letter_from_ann(world, answered)
    agency.messages()[0].thread_id = agency.delivery(pitch_id).thread_id
    agency.sync()
    assert (agency.status(pitch_id), agency.replies()) == ("sent", [])


def test_an_answer_in_the_exchange_with_the_pitched_person_is_one(world: PostWorld) -> None:
    """The owner followed up by hand; the person answers that."""
    agency, pitch_id = sent(world)
    asked = agency.delivery(pitch_id).header("Message-ID")
    agency.write_by_hand(ANN, SUBJECT, In_Reply_To=asked, References=asked)
    agency.sync()
    world.clock.advance(60)
    world.mail.reply(world.mail.deliveries(ANN)[-1], "Sorry for the delay: yes")
    agency.sync()
    assert agency.status(pitch_id) == "replied"


def test_further_mail_of_a_colleague_who_replied_is_recorded_too(world: PostWorld) -> None:
    agency, pitch_id = sent(world)
    first = world.mail.reply(agency.delivery(pitch_id), style=ReplyStyle(from_address="pa@example.org"))
    agency.sync()
    world.clock.advance(60)
    asked, answered = agency.delivery(pitch_id).header("Message-ID"), first.content.message_id
    headers = {"From": "pa@example.org", "Subject": SUBJECT, "In-Reply-To": answered}
    world.mail.letter(OWN, headers | {"References": f"{asked} {answered}"}, "One more thing")
    agency.sync()
    assert [row["pitch_id"] for row in agency.replies("reply")] == [pitch_id, pitch_id]


def test_a_plain_reply_costs_no_question_about_other_mail(world: PostWorld) -> None:
    agency, pitch_id = sent(world)
    agency.sync()
    world.mail.reply(agency.delivery(pitch_id))
    agency.sync()
    paths = [call.path.rpartition("/me/")[2].partition("/")[0] for call in agency.calls()]
    assert sorted(paths) == ["history", "messages", "profile", "settings"]
