"""The outbox on its way: each alert once per destination, in order, through failures, crashes and rivals."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event, Thread
from uuid import uuid4

import pytest

from integrations_pipeline.alerts.destinations import Destination, Outcome, Tone, build_destinations
from integrations_pipeline.alerts.sending import (
    BUDGET_SECONDS,
    LONGEST_PAUSE,
    NEVER_TRIED,
    PATIENCE,
    REPETITION,
    TRY_ENDS,
    message,
    pause,
    send_waiting,
    settled,
    tone,
)
from integrations_pipeline.store import alerts
from integrations_pipeline.store.alerts import Kind, NewAlert
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.deliveries import Delivery, DeliveryState
from integrations_pipeline_tests.alerts.receiver import Receiver, receiving
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.store.rows import execute, query

NOW = datetime(2030, 1, 1, 9, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SENT = Outcome()
DOWN = Outcome(reason="it cannot be reached")
DOUBT = Outcome(reason="it did not answer in time", is_doubtful=True)


@dataclass
class Place:
    """A destination that answers as it is told, and remembers what it was sent."""

    key: str = "k1"
    answer: Outcome = SENT
    got: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return self.key

    def send(self, title: str, body: str, tone: Tone) -> Outcome:
        self.got.append(title)
        self.bodies.append(body)
        return self.answer


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, time: timedelta) -> None:
        self.now += time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tell(database: Database, clock: Clock, *titles: str) -> None:
    new = [NewAlert(kind=Kind.CONNECTION, said="error", amount=0, text=f"{title}\nLook.") for title in titles]
    with database.admin() as connection:
        alerts.write(connection, new, clock())


def send(database: Database, clock: Clock, *destinations: Destination) -> dict[DeliveryState, int]:
    return dict(send_waiting(database, destinations, clock))


def states(database: Database) -> list[str]:
    with database.admin() as connection:
        return [row.state for row in query(connection, "select state from integration_alerts order by ordinal")]


def test_what_waits_is_sent_once_in_its_order(database: Database, clock: Clock) -> None:
    place = Place()
    tell(database, clock, "first", "second")
    assert send(database, clock, place) == {DeliveryState.SENT: 2}
    tell(database, clock, "third")
    send(database, clock, place)
    send(database, clock, place)

    assert place.got == ["first", "second", "third"]
    assert states(database) == ["sent"] * 3


def test_it_travels_over_real_http_with_time_and_id(database: Database, clock: Clock, receiver: Receiver) -> None:
    tell(database, clock, "acme airtable: in error")
    send(database, clock, *build_destinations("X", [receiver.address]).require())

    with database.admin() as connection:
        [row] = query(connection, "select id, sent_at from integration_alerts")
    assert receiver.titles == ["acme airtable: in error"]
    assert receiver.messages[0]["message"] == f"Look.\n2030-01-01 09:05 UTC, alert {row.id}"
    assert row.sent_at == NOW


def test_only_the_destination_that_failed_is_tried_again(database: Database, clock: Clock) -> None:
    with receiving() as good, receiving() as bad:
        bad.mode = "500"
        both = build_destinations("X", [good.address, bad.address]).require()
        tell(database, clock, "one", "two")

        assert send(database, clock, *both) == {DeliveryState.SENT: 2, DeliveryState.WAITING: 1}
        assert (good.titles, bad.titles, states(database)) == (["one", "two"], [], ["waiting"] * 2)
        bad.mode = "ok"
        send(database, clock, *both)
        assert bad.titles == [], "its pause is not over"
        clock.pass_(MINUTE)
        send(database, clock, *both)

        assert (good.titles, bad.titles, states(database)) == (["one", "two"], ["one", "two"], ["sent"] * 2)


def test_a_message_never_overtakes_another(database: Database, clock: Clock) -> None:
    place = Place(answer=DOWN)
    tell(database, clock, "in error")
    send(database, clock, place)
    tell(database, clock, "active again")
    send(database, clock, place)
    place.answer = SENT
    clock.pass_(MINUTE)
    send(database, clock, place)
    assert place.got == ["in error", "in error", "active again"]


def test_a_day_of_tries_with_growing_pauses_then_it_is_given_up(database: Database, clock: Clock) -> None:
    place = Place(answer=DOWN)
    tell(database, clock, "lost")
    while states(database) == ["waiting"]:
        send(database, clock, place)
        clock.pass_(10 * MINUTE)

    assert clock.now - NOW - PATIENCE < LONGEST_PAUSE + 20 * MINUTE
    assert 24 < len(place.got) < 36
    assert states(database) == ["failed"]
    with database.admin() as connection:
        [listed] = alerts.list_alerts(connection, None, 10)
        assert alerts.count_undelivered(connection, NOW) == {"waiting": 0, "failed": 1}
    assert (listed["state"], listed["reason"], listed["sent_at"]) == ("failed", "it cannot be reached", None)


def test_after_one_that_is_given_up_the_next_is_tried_at_once(database: Database, clock: Clock) -> None:
    place = Place(answer=DOWN)
    tell(database, clock, "poison")
    send(database, clock, place)
    clock.pass_(PATIENCE)
    tell(database, clock, "next")
    assert send(database, clock, place) == {DeliveryState.FAILED: 1, DeliveryState.WAITING: 1}
    assert place.got == ["poison", "poison", "next"]


def test_a_destination_that_comes_back_within_the_day_gets_everything_in_order(
    database: Database, clock: Clock
) -> None:
    place = Place(answer=DOWN)
    for hour in range(23):
        tell(database, clock, f"at {hour}")
        send(database, clock, place)
        clock.pass_(timedelta(hours=1))
    place.answer, place.got = SENT, []
    send(database, clock, place)
    assert place.got == [f"at {hour}" for hour in range(23)]
    assert set(states(database)) == {"sent"}


def test_without_destinations_alerts_are_listed_and_never_sent(database: Database, clock: Clock) -> None:
    tell(database, clock, "nobody hears")
    assert send(database, clock) == {}
    assert states(database) == ["waiting"]
    clock.pass_(NEVER_TRIED + MINUTE)
    tell(database, clock, "still nobody")
    send(database, clock)
    assert states(database) == ["listed", "waiting"]

    place = Place()
    send(database, clock, place)
    assert place.got == ["still nobody"], "who configures one later hears of the last day"


def test_an_alert_that_a_dead_destination_never_came_to_is_failed(database: Database, clock: Clock) -> None:
    tell(database, clock, *(f"{number}" for number in range(9)))
    place = Place(answer=DOWN)
    while "waiting" in states(database):
        send(database, clock, place)
        clock.pass_(timedelta(minutes=30))
    assert set(states(database)) == {"failed"}


class KilledError(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("arrived", [True, False])
def test_a_crash_while_sending_repeats_and_says_so(database: Database, clock: Clock, arrived: bool) -> None:
    class Deadly(Place):
        def send(self, title: str, body: str, tone: Tone) -> Outcome:
            if arrived:
                super().send(title, body, tone)
            raise KilledError

    tell(database, clock, "one", "two")
    deadly = Deadly()
    with pytest.raises(KilledError):
        send(database, clock, deadly)
    place = Place()
    send(database, clock, place)
    assert place.got == [], "the other process may be at it still"

    clock.pass_(TRY_ENDS + MINUTE)
    send(database, clock, place)
    assert place.got == ["one", "two"]
    assert [REPETITION in body for body in place.bodies] == [True, False]
    assert states(database) == ["sent", "sent"]


def test_a_message_that_may_have_arrived_is_repeated_with_a_word_and_one_that_did_not_without(
    database: Database, clock: Clock
) -> None:
    place = Place(answer=DOWN)
    tell(database, clock, "one")
    for answer in (DOWN, DOUBT, DOWN, SENT):
        place.answer = answer
        send(database, clock, place)
        clock.pass_(LONGEST_PAUSE)
    assert [REPETITION in body for body in place.bodies] == [False, False, True, True]


def test_two_senders_at_once_send_each_alert_once(database: Database, clock: Clock) -> None:
    names = [f"{number}" for number in range(20)]
    tell(database, clock, *names)
    place, start = Place(), Barrier(4)

    def work() -> None:
        start.wait()
        send(database, clock, place)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send(database, clock, place)
    assert place.got == names


def test_nothing_is_begun_once_the_time_is_over(database: Database, clock: Clock) -> None:
    seconds = iter([0.0, *(BUDGET_SECONDS * part for part in (0.1, 0.9, 1.0, 1.1))])
    tell(database, clock, *"abcd")
    place = Place()
    send_waiting(database, [place], clock, lambda: next(seconds))
    assert place.got == ["a", "b"]


def test_a_destination_that_hangs_does_not_keep_the_others_waiting(database: Database, clock: Clock) -> None:
    heard = Event()

    class Slow(Place):
        def send(self, title: str, body: str, tone: Tone) -> Outcome:
            assert heard.wait(patient(60)), "the other one is served meanwhile"
            return DOWN

    class Quick(Place):
        def send(self, title: str, body: str, tone: Tone) -> Outcome:
            heard.set()
            return super().send(title, body, tone)

    tell(database, clock, "x")
    assert send(database, clock, Slow(), Quick(key="k2")) == {DeliveryState.WAITING: 1, DeliveryState.SENT: 1}


def test_a_destination_that_is_taken_away_keeps_no_alert_waiting(database: Database, clock: Clock) -> None:
    tell(database, clock, "x")
    gone, stays = Place(key="gone", answer=DOWN), Place(key="stays")
    send(database, clock, gone, stays)
    assert states(database) == ["waiting"]
    send(database, clock, stays)
    assert states(database) == ["sent"]


def test_a_destination_that_cannot_be_used_keeps_nobody_else_from_being_told(database: Database, clock: Clock) -> None:
    tell(database, clock, "x")
    place = Place()
    send_waiting(database, [place], clock, lost_keys=["lost"])
    assert (place.got, states(database)) == (["x"], ["waiting"])
    clock.pass_(NEVER_TRIED + MINUTE)
    send_waiting(database, [place], clock, lost_keys=["lost"])
    assert (place.got, states(database)) == (["x"], ["failed"])


def test_an_alert_that_goes_with_its_workspace_while_it_is_sent_is_no_trouble(database: Database, clock: Clock) -> None:
    class Deleting(Place):
        def send(self, title: str, body: str, tone: Tone) -> Outcome:
            with database.admin() as connection:
                execute(connection, "delete from integration_alerts")
            return super().send(title, body, tone)

    tell(database, clock, "x")
    place = Deleting()
    assert send(database, clock, place) == {DeliveryState.SENT: 1}


def some_delivery(**values: object) -> Delivery:
    row = {
        "alert_id": uuid4(),
        "kind": "connection",
        "said": "error",
        "text": "title\nmeaning",
        "created_at": NOW,
        "state": DeliveryState.WAITING,
        "attempts": 0,
        "is_doubtful": False,
        "tried_at": None,
        "next_try_at": None,
        **values,
    }
    return Delivery(**row)  # type: ignore[arg-type]  # a row of a test


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60), (10_000, 60)]
)
def test_pauses_double_up_to_an_hour(attempts: int, minutes: int) -> None:
    assert pause(attempts) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("age", "outcome", "state"),
    [
        (timedelta(0), SENT, DeliveryState.SENT),
        (timedelta(days=9), SENT, DeliveryState.SENT),
        (timedelta(hours=23), DOWN, DeliveryState.WAITING),
        (PATIENCE, DOWN, DeliveryState.FAILED),
    ],
)
def test_what_a_try_comes_to(age: timedelta, outcome: Outcome, state: DeliveryState) -> None:
    assert settled(some_delivery(), outcome, NOW + age).state is state


def test_the_tone_tells_trouble_from_recovery() -> None:
    assert (tone("connection", "error"), tone("holds", "held"), tone("connection", "")) == (
        "failure",
        "warning",
        "success",
    )
    assert message(some_delivery())[0] == "title"
