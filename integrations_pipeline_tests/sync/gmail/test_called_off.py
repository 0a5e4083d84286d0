"""A pitch that is called off, or refused, around a send of which nobody saw the end: it is never queued once more.

Here nothing helps: the message is in another thread than its draft was, and the search learns of it hours later.
"""

from collections.abc import Callable

import pytest

from integrations_pipeline.errors import RetryableError
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, Agency, PostWorld

ANN, BOB = "ann@example.org", "bob@example.org"

CALLS_OFF: dict[str, Callable[[Agency, str], object]] = {
    "cancelled": lambda agency, pitch_id: agency.change(pitch_id, status="cancelled"),
    "edited": lambda agency, pitch_id: agency.change(pitch_id, body="Better"),
    "put off": lambda agency, pitch_id: agency.execute(
        "update pitches set scheduled_at = now() + interval '1 day' where id = cast(:id as uuid)", id=pitch_id
    ),
}


def hide_what_was_sent(agency: Agency) -> None:
    """Where no thread leads to it; the search is late anyway."""
    (message,) = [each for each in agency.messages() if "SENT" in each.labels]
    shelf = agency.world.gmail.mailbox(OWN)._shelf
    shelf.threads[message.thread_id].remove(message.id)
    shelf.threads["1a"] = [message.id]
    message.thread_id = "1a"


def a_person_sends_the_draft(world: PostWorld, call_off: Callable[[Agency, str], object]) -> tuple[Agency, str]:
    """Our send was lost on the way and the draft was still there; before the next try a person sends it from the
    mailbox, and the pitch is called off."""
    world.options(search_lag_seconds=7200.0)
    agency = world.agency()
    pitch_id = agency.pitch(ANN)

    def meanwhile() -> None:
        agency.send_draft_by_hand()
        hide_what_was_sent(agency)
        call_off(agency, pitch_id)

    world.fault("drop_before", path_regex="/drafts/send$", times=1)
    world.once("/drafts/", meanwhile, method="GET", is_after=True)
    agency.sync()
    return agency, pitch_id


@pytest.mark.parametrize("behind_seconds", [0, 600], ids=["one clock", "Gmail's clock ten minutes behind"])
@pytest.mark.parametrize("call_off", CALLS_OFF.values(), ids=CALLS_OFF)
def test_a_pitch_called_off_after_a_try_whose_draft_is_gone_is_unknown(
    world: PostWorld, call_off: Callable[[Agency, str], object], behind_seconds: int
) -> None:
    world.server.stage.clock.advance(-behind_seconds)
    agency, pitch_id = a_person_sends_the_draft(world, call_off)
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("unknown", 1)
    assert [row["state"] for row in agency.ledger(pitch_id)] == ["unknown"]


def test_a_pitch_called_off_after_a_try_whose_draft_is_there_goes_out_as_it_is_then(world: PostWorld) -> None:
    """The draft is the proof: it is deleted, and another one is made of the new text."""
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.fault("drop_before", path_regex="/drafts/send$", times=1)
    world.once("/drafts/", lambda: agency.change(pitch_id, body="Better"), method="GET", is_after=True)
    agency.sync()
    assert (agency.status(pitch_id), world.deliveries(), agency.drafts()) == ("queued", {}, [])
    agency.sync()
    assert "Better" in agency.delivery(pitch_id).text
    agency.assert_settled()


def test_a_send_that_was_refused_although_its_draft_left_is_looked_into(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.refuse("invalidArgument", is_applied=True, path_regex="/drafts/send$", times=1)
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    agency.assert_settled()


def test_a_send_that_was_refused_although_its_draft_left_is_unknown_where_nothing_tells_of_it(
    world: PostWorld,
) -> None:
    world.options(search_lag_seconds=7200.0)
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.refuse("invalidArgument", is_applied=True, path_regex="/drafts/send$", times=1)
    world.once("/drafts/", lambda: hide_what_was_sent(agency), method="GET")
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("unknown", 1)


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


def test_a_pitch_called_off_while_its_claim_lay_there_gets_no_draft(world: PostWorld) -> None:
    """A run died before Gmail heard of it; the next one asks the pitch before it asks Gmail for anything."""
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)

    def die() -> None:
        raise Killed

    world.once("/drafts$", die, method="POST")
    with pytest.raises(Killed):
        agency.sync()
    agency.change(pitch_id, status="cancelled")
    agency.sync()
    assert agency.calls("POST") == []
    assert (agency.status(pitch_id), agency.ledger(pitch_id)[0]["state"]) == ("cancelled", "unsent")


# What may have gone out counts


def test_a_pitch_of_which_nobody_knows_whether_it_left_counts_for_the_days_limit(world: PostWorld) -> None:
    agency = world.agency(daily_send_limit=1)
    lost = agency.pitch(ANN)
    world.once("/drafts/send", lambda: world.gmail.delete_message(OWN, agency.drafts()[0].id))
    agency.sync()
    assert agency.status(lost) == "unknown"
    waiting = agency.pitch(BOB)
    report = agency.sync()
    assert (agency.status(waiting), agency.delivered(waiting)) == ("queued", 0)
    assert report.results[0].metadata["cut_short"] == "the daily limit is reached"
    world.clock.advance(86_000)
    agency.sync()
    assert agency.delivered(waiting) == 0
    world.clock.advance(1000)
    agency.sync()
    assert (agency.status(lost), agency.delivered(waiting)) == ("unknown", 1), "looked for in vain, which is no sending"


def test_a_pitch_whose_send_nobody_could_look_into_yet_counts_for_the_days_limit(world: PostWorld) -> None:
    agency = world.agency(daily_send_limit=1)
    agency.pitch_all({"to_email": ANN}, {"to_email": BOB})
    world.fault("drop_after", path_regex="/drafts/send$", times=1)
    world.mailbox_faults = {"draft_exists": lambda _: RetryableError("Gmail answered 503")}
    report = agency.sync()
    assert agency.statuses() == {"sending": 1, "queued": 1}
    assert report.results[0].metadata["cut_short"] == "the daily limit is reached"
    assert sum(world.deliveries().values()) == 1
    world.heal()
    agency.sync()
    assert agency.statuses() == {"sent": 1, "queued": 1}
