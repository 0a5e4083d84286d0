"""After a doubt: whatever answer is lost or wrong at whatever step, no pitch goes out twice and none is lost.

Every fault here stands for one that was met in the wild: an answer lost after the work was done, a server that
says 500 or 403 after it, limits, broken bodies, a search that learns of messages late, people at work in the same
mailbox.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, Agency, PostWorld

ANN = "ann@example.org"
#: One request of each step of a sending, by path and method.
STEPS: dict[str, dict[str, Any]] = {
    "history": {"path_regex": "/history$"},
    "account": {"path_regex": "/profile$", "method": "GET"},
    "aliases": {"path_regex": "/sendAs$"},
    "search": {"path_regex": "/messages$"},
    "create": {"path_regex": "/drafts$", "method": "POST"},
    "send": {"path_regex": "/drafts/send$"},
    "read back": {"path_regex": "/messages/[0-9a-f]+$"},
}
#: The same when the answer to the send is lost, so that looking goes wrong as well.
LOOKS: dict[str, dict[str, Any]] = {
    "draft": {"path_regex": "/drafts/r?[0-9]+$", "method": "GET"},
    "thread": {"path_regex": "/threads/"},
}
Fault = Callable[[PostWorld, dict[str, Any]], object]
FAULTS: dict[str, Fault] = {
    "dropped before": lambda world, rule: world.fault("drop_before", **rule),
    "answer lost": lambda world, rule: world.fault("drop_after", **rule),
    "500": lambda world, rule: world.fault("status", status=500, **rule),
    "503 after accept": lambda world, rule: world.refuse("backendError", is_applied=True, **rule),
    "403 limit": lambda world, rule: world.refuse("rateLimitExceeded", **rule),
    "403 limit after accept": lambda world, rule: world.refuse("rateLimitExceeded", is_applied=True, **rule),
    "429": lambda world, rule: world.refuse("resourceExhausted", **rule),
    "429 after accept": lambda world, rule: world.refuse("mailSending", is_applied=True, **rule),
    "400 after accept": lambda world, rule: world.refuse("invalidArgument", is_applied=True, **rule),
    "401 after accept": lambda world, rule: world.refuse("authError", is_applied=True, **rule),
    "403 scope after accept": lambda world, rule: world.refuse("insufficientPermissions", is_applied=True, **rule),
    "404 after accept": lambda world, rule: world.refuse("notFound", is_applied=True, **rule),
    "200 without a body": lambda world, rule: world.fault("status_after", status=200, body=None, **rule),
    "200 with another body": lambda world, rule: world.fault("status_after", status=200, body={"kind": "?"}, **rule),
    "302": lambda world, rule: world.fault("status", status=302, **rule),
}
SEEN: Counter[str] = Counter()


def run_until_quiet(agency: Agency) -> None:
    """Runs a day apart, until nothing is under way: a limit may be waited for."""
    for _ in range(4):
        if agency.connection.status != "active":
            agency.grant()
        agency.sync()
        if set(agency.statuses()) <= {"sent", "failed", "unknown", "cancelled"}:
            return
        agency.world.clock.advance(86_500)
    raise AssertionError(f"still under way: {agency.statuses()}")


def faulted(
    world: PostWorld, step: str, fault: str, *, times: int = 1, rules: dict[str, dict[str, Any]] = STEPS
) -> Agency:
    """Two pitches, and that fault at that step; then quiet runs."""
    agency = world.agency()
    agency.sync()
    agency.grant()
    agency.pitch_many(2)
    if rules is LOOKS:
        world.fault("drop_after", path_regex="/drafts/send$", times=1)
    FAULTS[fault](world, {**rules[step], "times": times})
    agency.sync()
    world.heal()
    run_until_quiet(agency)
    agency.assert_settled()
    gather("doubts", SEEN)
    SEEN.update(agency.statuses())
    SEEN["faults"] += 1
    return agency


#: What may fail for good: what Gmail says it refuses is taken to be refused.
REFUSED = {("create", "400 after accept")}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_one_fault_at_any_step_loses_and_doubles_nothing(world: PostWorld, step: str, fault: str) -> None:
    agency = faulted(world, step, fault)
    expected = {"sent": 1, "failed": 1} if (step, fault) in REFUSED else {"sent": 2}
    assert agency.statuses() == expected


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", LOOKS)
def test_a_fault_while_looking_after_a_lost_answer_loses_and_doubles_nothing(
    world: PostWorld, step: str, fault: str
) -> None:
    agency = faulted(world, step, fault, rules=LOOKS)
    assert set(agency.statuses()) <= {"sent", "unknown"}
    if fault not in ("200 without a body", "200 with another body"):
        assert agency.statuses() == {"sent": 2}


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", ["create", "send"])
def test_a_fault_that_stays_for_a_whole_run_loses_and_doubles_nothing(world: PostWorld, step: str, fault: str) -> None:
    # Drafts are asked for again for three minutes, which no test waits for.
    agency = faulted(world, step, fault, times=20 if step == "create" else -1)
    assert sum(agency.statuses().values()) == 2


@pytest.mark.parametrize("fault", ["answer lost", "503 after accept", "404 after accept", "dropped before"])
def test_a_send_whose_answer_is_lost_is_looked_into_at_once_and_never_repeated(world: PostWorld, fault: str) -> None:
    agency = world.agency()
    ids = agency.pitch_many(3)
    FAULTS[fault](world, {**STEPS["send"], "times": 1})
    report = agency.sync()
    assert report.status is RunStatus.SUCCESS
    assert world.deliveries() == dict.fromkeys(ids, 1)
    sends = [call for call in agency.calls() if call.path.endswith("/send")]
    assert len(sends) == 3 + (fault == "dropped before")
    agency.assert_settled()
    agency.assert_idle()


@pytest.mark.parametrize("fault", ["answer lost", "503 after accept", "200 without a body"])
def test_a_draft_whose_answer_is_lost_is_found_and_not_made_again(world: PostWorld, fault: str) -> None:
    agency = world.agency()
    ids = agency.pitch_many(2)
    FAULTS[fault](world, {**STEPS["create"], "times": 1})
    assert agency.sync().status is RunStatus.SUCCESS
    assert world.deliveries() == dict.fromkeys(ids, 1)
    assert not agency.drafts()
    assert len([call for call in agency.calls("POST") if call.path.endswith("/drafts")]) == 2


def test_a_draft_that_stays_is_sent_once_more_in_a_run_and_then_waits_for_the_next(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.fault("drop_before", **STEPS["send"], times=-1)
    assert agency.sync().status is RunStatus.PARTIAL
    assert len([call for call in agency.calls() if call.path.endswith("/send")]) == 2
    assert agency.status(pitch_id) in ("queued", "sending")
    world.heal()
    run_until_quiet(agency)
    assert agency.delivered(pitch_id) == 1


def test_an_answer_that_never_comes_is_a_doubt(world: PostWorld) -> None:
    """The request arrived and was applied; the connection broke before the answer: as after 30 seconds."""
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.fault("drop_after", **STEPS["send"], times=1)
    world.fault("drop_before", **LOOKS["draft"], times=1)
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)


# The search is late


def test_a_lost_answer_is_cleared_up_though_the_search_is_late(world: PostWorld) -> None:
    world.options(search_lag_seconds=3600.0)
    agency = world.agency()
    ids = agency.pitch_many(3)
    world.fault("drop_after", **STEPS["send"], times=-1)
    assert agency.sync().status is RunStatus.SUCCESS
    assert world.deliveries() == dict.fromkeys(ids, 1)
    assert agency.statuses() == {"sent": 3}


def unknown(world: PostWorld, *, is_there: bool) -> tuple[Agency, str]:
    """A pitch that nobody can say anything about: its draft is gone, and the message is in another thread and not in
    the search yet (`is_there`), or was deleted before anybody looked."""
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    world.fault("drop_after", **STEPS["send"], times=1)
    if is_there:
        world.options(search_lag_seconds=7200.0)

        def hide() -> None:
            (message,) = [each for each in agency.messages() if "SENT" in each.labels]
            mailbox = world.gmail.mailbox(OWN)
            mailbox._shelf.threads[message.thread_id].remove(message.id)
            mailbox._shelf.threads["1a"] = [message.id]
            message.thread_id = "1a"
    else:

        def hide() -> None:
            (message,) = [each for each in agency.messages() if "SENT" in each.labels]
            world.gmail.delete_message(OWN, message.id)

    world.once("/drafts/", hide, method="GET")
    report = agency.sync()
    assert report.status is RunStatus.PARTIAL
    assert agency.status(pitch_id) == "unknown"
    assert report.results[0].records_held == 1
    assert report.results[0].errors == (f"pitch {pitch_id}: its draft is gone and no sent message was found",)
    return agency, pitch_id


def test_what_nobody_can_say_anything_about_is_unknown_and_listed(world: PostWorld) -> None:
    agency, pitch_id = unknown(world, is_there=False)
    assert "look in the mailbox" in agency.reason(pitch_id)
    (email,) = agency.ledger(pitch_id)
    assert email["state"] == "unknown"
    assert email["evidence"]["draft"] == "gone"
    agency.assert_settled()


def test_an_unknown_pitch_is_looked_for_again_and_never_sent_by_itself(world: PostWorld) -> None:
    agency, pitch_id = unknown(world, is_there=False)
    for _ in range(3):
        world.clock.advance(3600)
        agency.sync()
        assert agency.status(pitch_id) == "unknown"
        assert not agency.calls("POST")
    assert agency.delivered(pitch_id) == 1
    world.clock.advance(7 * 86_400)
    agency.assert_idle()


def test_an_unknown_pitch_that_was_just_looked_for_is_not_looked_for_again(world: PostWorld) -> None:
    agency, _ = unknown(world, is_there=False)
    world.clock.advance(3600)
    agency.sync()
    assert [call for call in agency.calls("GET") if call.path.endswith("/messages")]
    agency.assert_idle(most_calls=1)


def test_an_unknown_pitch_that_the_search_finds_later_is_sent(world: PostWorld) -> None:
    agency, pitch_id = unknown(world, is_there=True)
    world.network.before = lambda _: None
    agency.execute("update integration_connections set mail_cursor = null")
    agency.world.options(search_lag_seconds=0.0)
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    assert agency.ledger(pitch_id)[0]["rfc822_message_id"] == agency.delivery(pitch_id).header("Message-ID")


def test_an_unknown_pitch_that_the_history_tells_of_is_sent(world: PostWorld) -> None:
    """The next look at what is new in the mailbox comes before the search knows."""
    agency, pitch_id = unknown(world, is_there=True)
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)


@pytest.mark.parametrize("answer", ["reply", "out_of_office", "bounce"])
def test_an_answer_proves_that_an_unknown_pitch_was_sent(world: PostWorld, answer: str) -> None:
    agency, pitch_id = unknown(world, is_there=False)
    delivery = agency.delivery(pitch_id)
    thread_id = agency.ledger(pitch_id)[0]["gmail_thread_id"]
    message = getattr(world.mail, answer)(delivery)
    message.thread_id = thread_id
    agency.sync()
    assert agency.status(pitch_id) == {"reply": "replied", "bounce": "bounced"}.get(answer, "sent")
    assert agency.ledger(pitch_id)[0]["state"] == "sent"
    assert len(agency.replies()) == 1


def test_a_person_says_that_an_unknown_pitch_was_sent(world: PostWorld) -> None:
    agency, pitch_id = unknown(world, is_there=False)
    assert agency.resolve(pitch_id, was_sent=True)
    assert not agency.resolve(pitch_id, was_sent=True), "only once"
    agency.assert_idle()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    follow_up = agency.pitch(ANN, in_reply_to_pitch_id=pitch_id)
    agency.sync()
    assert agency.status(follow_up) == "failed", "there is nothing that it could name"


def test_a_person_says_that_an_unknown_pitch_was_not_sent_and_it_is_sent_once_more(world: PostWorld) -> None:
    """The draft was deleted by hand, and so it never left."""
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.once("/drafts/send", lambda: world.gmail.delete_message(OWN, agency.drafts()[0].id))
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("unknown", 0)
    assert agency.resolve(pitch_id, was_sent=False)
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    assert [row["state"] for row in agency.ledger(pitch_id)] == ["sent", "unsent"]


@pytest.mark.parametrize("is_late", [False, True], ids=["in the search", "only in its thread"])
def test_a_person_who_is_wrong_about_a_message_that_is_there_sends_nothing_twice(
    world: PostWorld, is_late: bool
) -> None:
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    world.options(search_lag_seconds=7200.0 if is_late else 0.0)
    world.fault("drop_after", **STEPS["send"], times=1)
    world.refuse("notFound", path_regex="/threads/", times=1)
    world.fault("empty_page", path_regex="/messages$", skip=1, times=1)
    agency.sync()
    assert agency.status(pitch_id) == "unknown"
    assert agency.resolve(pitch_id, was_sent=False)
    # The history has nothing to say about it any more.
    position = str(world.gmail.mailbox(OWN).history.current)
    agency.execute(
        "update integration_connections set mail_cursor = mail_cursor || jsonb_build_object('history_id', :at)",
        at=position,
    )
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    assert not agency.drafts()


# People at work in the same mailbox


def test_a_draft_that_a_person_sends_by_hand_is_the_pitch(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.once("/drafts/send", agency.send_draft_by_hand)
    assert agency.sync().status is RunStatus.SUCCESS
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    assert agency.ledger(pitch_id)[0]["rfc822_message_id"] == agency.delivery(pitch_id).header("Message-ID")


def test_a_draft_that_a_person_sends_by_hand_is_never_a_second_mail_when_the_pitch_is_called_off(
    world: PostWorld,
) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)

    def both() -> None:
        agency.send_draft_by_hand()
        agency.change(pitch_id, status="cancelled")

    world.once("/drafts$", both, method="POST", is_after=True)
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1), "it left, whatever was wanted"


def test_a_draft_that_a_person_deletes_is_unknown_and_stays_so(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.once("/drafts/send", lambda: world.gmail.delete_message(OWN, agency.drafts()[0].id))
    agency.sync()
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("unknown", 0)


def test_a_sent_message_that_a_person_puts_into_the_trash_is_found_there(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    world.fault("drop_after", **STEPS["send"], times=1)

    def trash() -> None:
        (message,) = [each for each in agency.messages() if "SENT" in each.labels]
        world.gmail.trash_message(OWN, message.id)

    world.once("/drafts/", trash, method="GET")
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)


def test_a_sent_message_that_is_deleted_before_its_id_is_read_is_sent_without_one(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)

    def delete() -> None:
        (message,) = [each for each in agency.messages() if "SENT" in each.labels]
        world.gmail.delete_message(OWN, message.id)

    world.once("/messages/", delete)
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    agency.sync()
    assert agency.ledger(pitch_id)[0]["rfc822_message_id"] == ""
    agency.assert_idle()


def test_a_hundred_drafts_of_somebody_else_hide_none_of_ours(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    mailbox = world.gmail.mailbox(OWN)
    for number in range(40):
        mailbox.create_draft(f"Subject: Mine {number}\r\n\r\nx".encode(), world.clock.now() - timedelta(days=1), None)
    world.fault("drop_after", **STEPS["create"], times=1)
    agency.sync()
    assert agency.delivered(pitch_id) == 1
    assert len(agency.drafts()) == 40
