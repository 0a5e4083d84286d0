"""Sends what waits in the outbox, to each destination in the order of writing.

Belongs here: when a message is tried, tried again and given up. Does not: how it travels (`destinations`), what is
written (`watch`).

A try is written down before the message leaves. Whoever finds a try that ended with its process, or a message that
may have arrived although no answer came, sends it again and says in it that it may be a repetition: rather twice than
never.
A message never overtakes another one to the same destination; a destination that fails gets the same message after
1, 2, 4 … minutes, an hour at most, for a day.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from integrations_pipeline.alerts.destinations import SEND_SECONDS, Destination, Outcome, Tone
from integrations_pipeline.store import deliveries
from integrations_pipeline.store.alerts import Kind
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.deliveries import Delivery, DeliveryState, Settled

Clock = Callable[[], datetime]

#: Within this a call begins no further message; the last one may take `SEND_SECONDS` more.
BUDGET_SECONDS: Final = 30.0
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
#: How long an alert is tried.
PATIENCE = timedelta(days=1)
#: When an alert is given up that is being tried nowhere: destinations were down for others, or there are none.
NEVER_TRIED = PATIENCE + 2 * LONGEST_PAUSE
#: A try this old has ended, whatever became of it.
TRY_ENDS = timedelta(seconds=6 * SEND_SECONDS)
AT_ONCE = 8
REPETITION = "This may be a repetition: whether it arrived before is not known."


def pause(attempts: int) -> timedelta:
    """Before the next try, after so many."""
    return min(FIRST_PAUSE * (1 << min(attempts - 1, 10)), LONGEST_PAUSE)


def is_ready(delivery: Delivery, now: datetime) -> bool:
    """Whether it may be tried now: nobody is at it, and its pause is over."""
    if delivery.state is DeliveryState.TRYING:
        return delivery.tried_at is None or now - delivery.tried_at > TRY_ENDS
    return delivery.next_try_at is None or delivery.next_try_at <= now


def settled(delivery: Delivery, outcome: Outcome, now: datetime) -> Settled:
    """What a try came to; `delivery` is as it was before."""
    is_doubtful = was_interrupted(delivery) or outcome.is_doubtful
    if outcome.is_sent:
        return Settled(state=DeliveryState.SENT)
    if now - delivery.created_at >= PATIENCE:
        return Settled(state=DeliveryState.FAILED, is_doubtful=is_doubtful, reason=outcome.reason)
    return Settled(
        state=DeliveryState.WAITING,
        is_doubtful=is_doubtful,
        reason=outcome.reason,
        next_try_at=now + pause(delivery.attempts + 1),
    )


def was_interrupted(delivery: Delivery) -> bool:
    """Whether an earlier try may have arrived."""
    return delivery.is_doubtful or delivery.state is DeliveryState.TRYING


def message(delivery: Delivery) -> tuple[str, str, Tone]:
    """Title, body and tone. The id lets a program that reads alerts tell a repetition."""
    title, _, meaning = delivery.text.partition("\n")
    written = f"{delivery.created_at:%Y-%m-%d %H:%M} UTC, alert {delivery.alert_id}"
    lines = [meaning, REPETITION if was_interrupted(delivery) else "", written]
    return title, "\n".join(filter(None, lines)), tone(delivery.kind, delivery.said)


def tone(kind: str, said: str) -> Tone:
    if not said:
        return "success"
    return "failure" if kind == Kind.CONNECTION else "warning"


def send_waiting(
    database: Database,
    destinations: Sequence[Destination],
    clock: Clock,
    elapsed: Callable[[], float] = time.monotonic,
    lost_keys: Sequence[str] = (),
) -> Counter[DeliveryState]:
    """Send what waits, as far as the time allows; returns how many tries came to what. `lost_keys`: of destinations
    that are configured and cannot be used, for which alerts wait all the same."""
    keys = [*(destination.key for destination in destinations), *lost_keys]
    deadline = elapsed() + BUDGET_SECONDS
    counts: Counter[DeliveryState] = Counter()
    with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
        for done in threads.map(
            lambda destination: _send_to(database, destination, clock, lambda: elapsed() < deadline), destinations
        ):
            counts += done
    with database.admin() as connection:
        deliveries.close_done(connection, keys, clock())
        deliveries.close_idle(connection, keys, clock() - NEVER_TRIED)
    return counts


def _send_to(
    database: Database, destination: Destination, clock: Clock, has_time: Callable[[], bool]
) -> Counter[DeliveryState]:
    """One message after the other; a failure ends it, but for one that was given up."""
    counts: Counter[DeliveryState] = Counter()
    while has_time():
        delivery = _take(database, destination.key, clock())
        if delivery is None:
            break
        outcome = destination.send(*message(delivery))
        result = settled(delivery, outcome, clock())
        with database.admin() as connection:
            deliveries.settle(connection, delivery.alert_id, destination.key, result)
        counts[result.state] += 1
        if result.state is DeliveryState.WAITING:
            break
    return counts


def _take(database: Database, key: str, now: datetime) -> Delivery | None:
    """The next alert for this destination, written down as being tried, or None."""
    with database.admin() as connection:
        if not deliveries.try_lock(connection, key):
            return None
        delivery = deliveries.find_next(connection, key)
        if delivery is None or not is_ready(delivery, now):
            return None
        deliveries.begin(connection, delivery, key, now, is_doubtful=was_interrupted(delivery))
        return delivery
