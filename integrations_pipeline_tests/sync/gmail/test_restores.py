"""The ledger loses its memory: restored copies, connections removed and added again, pitches queued again.

The copies are Postgres's own, of the whole database, taken before, in the middle of, or after a sending.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import make_url

from integrations_pipeline.model import Direction, RunStatus
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.sync.crashes import Choice, Crash, CrashPoints, by_choice
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, Agency, PostWorld

ANN = "ann@example.org"
BOTH_WAYS = [{}, {"direction": Direction.TO_EXTERNAL}]
by_way = pytest.mark.parametrize("way", BOTH_WAYS, ids=["whole run", "only sending"])
LATE = [0.0, 1e9]
by_lateness = pytest.mark.parametrize("lag", LATE, ids=["search in time", "search late"])


@dataclass(slots=True)
class Vault:
    """Copies of a world's database."""

    world: PostWorld
    postgres: PostgresServer
    copies: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.world.database._url.database)

    def back_up(self) -> str:
        """The name of a copy of the database as it is now."""
        self.world.database.close()
        maker = self.postgres.new_database(self.name)
        url = maker.__enter__()
        self.copies.append(maker)
        return str(make_url(url).database)

    def restore(self, name: str) -> None:
        """Go on with a copy of the copy."""
        self.world.database.close()
        maker = self.postgres.new_database(name)
        self.world.database = Database(maker.__enter__())
        self.copies.append(maker)

    def close(self) -> None:
        self.world.database.close()
        for maker in reversed(self.copies):
            maker.__exit__(None, None, None)


@contextmanager
def open_vault(world: PostWorld, postgres: PostgresServer) -> Iterator[Vault]:
    vault = Vault(world, postgres)
    try:
        yield vault
    finally:
        vault.close()


@pytest.fixture
def vault(real_world: PostWorld, postgres_server: PostgresServer) -> Iterator[Vault]:
    with open_vault(real_world, postgres_server) as vault:
        yield vault


@by_lateness
@by_way
@pytest.mark.parametrize("is_first", [True, False], ids=["before the first run", "later"])
def test_a_database_from_before_the_sending_sends_nothing_twice(
    vault: Vault, is_first: bool, way: dict[str, Any], lag: float
) -> None:
    world = vault.world
    world.options(search_lag_seconds=lag)
    agency = world.agency()
    if not is_first:
        agency.sync()
    ids = agency.pitch_many(3)
    copy = vault.back_up()
    agency.sync(**way)
    vault.restore(copy)
    assert agency.statuses() == {"queued": 3}
    agency.sync(**way)
    assert (world.deliveries(), agency.statuses()) == (dict.fromkeys(ids, 1), {"sent": 3})
    for pitch_id in ids:
        assert agency.ledger(pitch_id)[0]["rfc822_message_id"] == agency.delivery(pitch_id).header("Message-ID")
    agency.assert_settled()


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.timeout(900)
@pytest.mark.parametrize("is_gone", [False, True], ids=["history there", "history expired"])
@by_way
def test_a_database_from_any_moment_of_a_sending_sends_nothing_twice(
    vault: Vault, way: dict[str, Any], is_gone: bool
) -> None:
    """The copy is taken where a run dies, at every commit of it; the sending then goes on, and is forgotten."""
    world = vault.world
    world.options(search_lag_seconds=1e9)
    agency = world.agency()
    agency.sync()
    start = vault.back_up()
    agency.pitch("somebody@example.org")
    points = CrashPoints()
    with points.watching(world):
        agency.sync(**way)
    # Later runs read what earlier ones left in the mailbox, too: their last points are not reached.
    assert len(points.seen) >= 25
    for number in range(len(points.seen)):
        vault.restore(start)
        (pitch_id,) = agency.pitch_all({"to_email": f"person{number}@example.org"})
        points = CrashPoints(die_at=number)
        with points.watching(world), pytest.raises(Crash):
            agency.sync(**way)
        copy = vault.back_up()
        agency.sync(**way)
        assert agency.delivered(pitch_id) == 1
        vault.restore(copy)
        if is_gone:
            world.gmail.expire_history(OWN)
        agency.sync(**way)
        assert (agency.delivered(pitch_id), agency.status(pitch_id)) == (1, "sent"), points.seen


def test_a_database_from_before_a_reply_records_it_again_once(vault: Vault) -> None:
    agency = vault.world.agency()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    copy = vault.back_up()
    vault.world.mail.reply(agency.delivery(pitch_id))
    agency.sync()
    vault.restore(copy)
    assert agency.status(pitch_id) == "sent"
    agency.sync()
    assert (agency.status(pitch_id), len(agency.replies())) == ("replied", 1)


def test_a_pitch_that_a_restored_ledger_forgot_knows_its_reply(vault: Vault) -> None:
    """Sent and answered after the copy: both are in the history, and the reply counts for the pitch."""
    agency = vault.world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    copy = vault.back_up()
    agency.sync()
    vault.world.mail.reply(agency.delivery(pitch_id))
    agency.sync()
    vault.restore(copy)
    report = agency.sync()
    assert (agency.status(pitch_id), len(agency.replies()), agency.delivered(pitch_id)) == ("replied", 1, 1)
    assert report.results[1].metadata["mail_found_sent"] == 1
    assert not agency.calls("POST")


@by_lateness
def test_a_pitch_that_was_edited_after_the_copy_is_the_same_pitch(vault: Vault, lag: float) -> None:
    """It went to an address that the restored row does not know: no search by recipient would find it."""
    vault.world.options(search_lag_seconds=lag)
    agency = vault.world.agency()
    pitch_id = agency.pitch("old@example.org")
    copy = vault.back_up()
    agency.change(pitch_id, to_email="new@example.org", subject="Other")
    agency.sync()
    vault.restore(copy)
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)


def test_a_pitch_that_was_a_draft_of_ours_at_the_copy_is_not_sent_again_when_it_is_queued(vault: Vault) -> None:
    vault.world.options(search_lag_seconds=1e9)
    agency = vault.world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN, status="draft")
    copy = vault.back_up()
    agency.change(pitch_id, status="queued")
    agency.sync()
    vault.restore(copy)
    agency.sync()
    assert agency.status(pitch_id) == "sent", "the mailbox knows better"
    agency.change(pitch_id, status="queued")
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)


# Connections that are removed and added again

MOMENTS = {
    "before the draft": ("/drafts$", False),
    "after the draft": ("/drafts$", True),
    "before the send": ("/drafts/send$", False),
    "after the send": ("/drafts/send$", True),
    "before the id is read": ("/messages/", False),
}


def remove(agency: Agency) -> None:
    agency.execute("delete from integration_connections where integration_type = 'gmail'")


@pytest.mark.parametrize(("path", "is_after"), MOMENTS.values(), ids=MOMENTS)
def test_a_connection_that_is_removed_in_the_middle_and_added_again_sends_nothing_twice(
    world: PostWorld, path: str, is_after: bool
) -> None:
    world.options(search_lag_seconds=1e9)
    agency = world.agency()
    agency.sync()
    ids = agency.pitch_many(2)
    world.once(path, lambda: remove(agency), is_after=is_after, method="" if "messages" in path else "POST")
    agency.sync()
    assert not agency.drafts()
    agency.configure()
    agency.sync()
    agency.sync()
    statuses = {each: (agency.status(each), agency.delivered(each)) for each in ids}
    doubtful = [each for each, found in statuses.items() if found != ("sent", 1)]
    assert len(doubtful) <= 1, "only the one under way can be doubtful"
    assert all(statuses[each] == ("unknown", 0) for each in doubtful)
    assert not doubtful or "draft" in path, "what was sent was read back by its thread"


@pytest.mark.slow
@pytest.mark.timeout(900)
@by_lateness
@by_choice
def test_a_connection_that_is_removed_after_a_crash_anywhere_sends_nothing_twice(
    world: PostWorld, lag: float, choose: Choice
) -> None:
    """The ledger is gone with it: what the mailbox cannot tell is unknown, and never sent."""
    world.options(search_lag_seconds=lag)
    agency = world.agency()
    agency.pitch("somebody@example.org")
    points = CrashPoints()
    with points.watching(world):
        agency.sync()
    assert len(points.seen) >= 30
    for number in choose(points.seen):
        remove(agency)
        agency.configure()
        (pitch_id,) = agency.pitch_all({"to_email": f"person{number}@example.org"})
        points = CrashPoints(die_at=number)
        with points.watching(world), pytest.raises(Crash):
            agency.sync()
        remove(agency)
        agency.configure()
        agency.sync()
        assert agency.status(pitch_id) in ("sent", "unknown"), points.seen
        if agency.delivered(pitch_id):
            assert agency.status(pitch_id) == "sent", points.seen
        else:
            assert agency.resolve(pitch_id, was_sent=False) or agency.status(pitch_id) == "sent"
            agency.sync()
        assert agency.delivered(pitch_id) == 1


def test_a_crash_between_finding_a_ledger_lost_and_saying_so_sends_nothing(world: PostWorld) -> None:
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    world.fault("drop_after", path_regex="drafts/send", times=1)
    dying: Callable[[], None] = lambda: remove(agency)  # noqa: E731
    world.once("/drafts/", dying, method="GET")
    agency.sync()
    agency.execute("update pitches set status = 'sending', sent_at = null")
    for message in agency.messages():
        world.gmail.delete_message(OWN, message.id)
    agency.configure()
    number = 0
    while True:
        points = CrashPoints(die_at=number)
        try:
            with points.watching(world):
                agency.sync()
            break
        except Crash:
            number += 1
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("unknown", 1)
    assert number >= 8


def test_another_mailbox_behind_the_same_connection_sends_what_is_new_and_nothing_twice(world: PostWorld) -> None:
    agency = world.agency()
    first = agency.pitch(ANN)
    agency.sync()
    second, third = agency.pitch("two@example.org"), agency.pitch("three@example.org")
    die_at(world, "/drafts/send", is_after=True)
    with pytest.raises(Crash):
        agency.sync()
    world.gmail.create_mailbox("other@agency.org")
    agency.base_id = "other@agency.org"
    agency.token = world.gmail.token(agency.base_id, ["https://mail.google.com/"])
    agency.configure()
    agency.sync()
    agency.sync()
    assert {agency.status(each) for each in (first, second, third)} <= {"sent", "unknown"}
    assert world.deliveries() == {first: 1, second: 1, third: 1}


def die_at(world: PostWorld, path: str, *, is_after: bool = False) -> None:
    """The next run dies at its first request to such a path, or right after its answer."""

    def die() -> None:
        raise Crash(path)

    world.once(path, die, is_after=is_after)


# Queued again


@pytest.mark.parametrize("is_late", [False, True], ids=["search in time", "search late"])
@pytest.mark.parametrize("answer", ["", "reply", "bounce"])
def test_a_pitch_that_went_out_cannot_be_queued_again(world: PostWorld, answer: str, is_late: bool) -> None:
    world.options(search_lag_seconds=1e9 if is_late else 0.0)
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    if answer:
        getattr(world.mail, answer)(agency.delivery(pitch_id))
        agency.sync()
    before = agency.status(pitch_id)
    agency.change(pitch_id, status="queued", error_message=None)
    assert agency.sync().status is RunStatus.SUCCESS
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == (before, 1)
    assert "make a new pitch" in agency.reason(pitch_id)
    agency.assert_idle()


def test_a_pitch_that_went_out_with_a_connection_that_is_gone_cannot_be_queued_again(world: PostWorld) -> None:
    world.options(search_lag_seconds=1e9)
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    remove(agency)
    agency.configure()
    agency.change(pitch_id, status="queued")
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)


def test_an_unknown_pitch_that_a_program_queues_stays_unknown(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    world.once("/drafts/send", lambda: world.gmail.delete_message(OWN, agency.drafts()[0].id))
    agency.sync()
    assert agency.status(pitch_id) == "unknown"
    agency.change(pitch_id, status="queued")
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("unknown", 0)


@pytest.mark.parametrize("state", ["claimed", "drafted", "sending"])
def test_a_pitch_under_way_that_a_program_queues_goes_out_once(world: PostWorld, state: str) -> None:
    agency = world.agency()
    agency.sync()
    pitch_id = agency.pitch(ANN)
    moments = {"claimed": "/messages$", "drafted": "/drafts/send", "sending": "/drafts/send"}
    if state == "drafted":
        world.refuse("mailSending", path_regex=moments[state], times=1)
        agency.sync()
    else:
        die_at(world, moments[state])
        with pytest.raises(Crash):
            agency.sync()
    assert agency.ledger(pitch_id)[0]["state"] == state
    agency.change(pitch_id, status="queued")
    world.clock.advance(90_000)
    agency.sync()
    agency.sync()
    assert (agency.status(pitch_id), agency.delivered(pitch_id)) == ("sent", 1)
    assert not agency.drafts()


def test_a_failed_pitch_that_is_mended_and_queued_again_goes_out(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(ANN, subject="")
    agency.sync()
    assert agency.status(pitch_id) == "failed"
    agency.change(pitch_id, status="queued", subject="Better")
    agency.sync()
    assert (agency.status(pitch_id), agency.reason(pitch_id), agency.delivered(pitch_id)) == ("sent", "", 1)
    assert [row["attempt"] for row in agency.ledger(pitch_id)] == [2, 1]
