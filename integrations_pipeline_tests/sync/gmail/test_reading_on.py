"""What could not be read in one run is read in the next: single messages, limits, a long past."""

from collections.abc import Callable

import pytest

from integrations_pipeline.errors import RateLimitedError, RetryableError
from integrations_pipeline.model import ContactValues, Direction, RunStatus
from integrations_pipeline.providers.base import CheckReport
from integrations_pipeline.store.connections import find_connection
from integrations_pipeline.sync.runtime import build_access, parse_settings, read_mapping
from integrations_pipeline_tests.sync.gmail.arrangement import OWN, SCOPES, Agency, PostWorld

ANN = "ann@example.org"
ONE = r"/messages/{id}$"


def replied(world: PostWorld) -> tuple[Agency, str, str]:
    agency = world.agency()
    pitch_id = agency.pitch(ANN)
    agency.sync()
    world.clock.advance(60)
    return agency, pitch_id, world.mail.reply(agency.delivery(pitch_id)).id


FAULTS: dict[str, Callable[[PostWorld, str], object]] = {
    "a refusal": lambda world, message_id: world.refuse(
        "invalidArgument", path_regex=ONE.format(id=message_id), times=1
    ),
    "a 404 that passes": lambda world, message_id: world.refuse(
        "notFound", path_regex=ONE.format(id=message_id), times=1
    ),
    "nothing but errors for minutes": lambda world, message_id: world.mailbox_faults.update(
        read_message=lambda wanted: RetryableError("Gmail answered 500") if wanted == message_id else None
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_reply_that_gmail_does_not_give_away_once_is_read_by_the_next_run(
    world: PostWorld, fault: Callable[[PostWorld, str], object]
) -> None:
    agency, pitch_id, message_id = replied(world)
    world.mail.letter(OWN, {"From": "bob@example.org", "Subject": "Hello"}, "Hi")
    fault(world, message_id)
    report = agency.sync()
    assert report.status is RunStatus.SUCCESS
    assert agency.status(pitch_id) == "sent"
    assert report.results[1].metadata["mail_to_read_again"] == 1
    world.heal()
    agency.sync()
    assert agency.status(pitch_id) == "replied"
    agency.assert_idle(most_calls=1)


def test_a_message_that_is_never_given_away_is_given_up_and_told(world: PostWorld) -> None:
    agency, pitch_id, message_id = replied(world)
    world.refuse("invalidArgument", path_regex=ONE.format(id=message_id), times=-1)
    given_up = 0
    for _ in range(25):
        given_up += agency.sync().results[1].metadata.get("mail_given_up", 0)
    assert given_up == 1
    agency.assert_idle(most_calls=1)
    assert agency.status(pitch_id) == "sent"


def test_what_waits_to_be_read_again_is_read_though_the_history_was_lost_meanwhile(world: PostWorld) -> None:
    """It came longer ago than the last look, and lies in a thread that nobody tracks any more."""
    agency, pitch_id, message_id = replied(world)
    world.refuse("invalidArgument", path_regex=ONE.format(id=message_id), times=-1)
    agency.sync()
    world.clock.advance(7 * 86_400)
    agency.sync()
    world.heal()
    world.gmail.expire_history(OWN)
    agency.sync()
    assert agency.status(pitch_id) == "replied"


def test_a_mailbox_that_gives_nothing_away_fails_the_run_and_loses_nothing(world: PostWorld) -> None:
    agency, pitch_id, _ = replied(world)
    for number in range(4):
        world.mail.letter(OWN, {"From": f"b{number}@example.org", "Subject": "Hello"}, "Hi")
    world.mailbox_faults["read_message"] = lambda _: RetryableError("Gmail answered 500")
    assert agency.sync().status is RunStatus.FAILED
    world.heal()
    agency.sync()
    assert agency.status(pitch_id) == "replied"


# Limits


@pytest.mark.parametrize("harvest", ["off", "all"])
@pytest.mark.parametrize("method", ["changes", "read_message", "account"])
def test_a_limit_while_reading_is_no_failed_run_and_nothing_is_sent_before_the_rest_is_read(
    world: PostWorld, method: str, harvest: str
) -> None:
    agency, pitch_id, _ = replied(world)
    agency.configure(harvest=harvest)
    second = agency.pitch("bob@example.org")
    world.mailbox_faults[method] = lambda *_, **__: RateLimitedError("Gmail asks for a pause")
    report = agency.sync()
    assert report.status is RunStatus.SUCCESS
    assert report.results[1].metadata["mail_cut_short"] == "Gmail asks for a pause"
    assert (agency.connection.error_count, agency.status(second)) == (0, "queued")
    world.heal()
    agency.sync()
    assert (agency.status(pitch_id), agency.status(second)) == ("replied", "sent")


def test_a_limit_while_looking_for_what_was_sent_waits_too(world: PostWorld) -> None:
    agency, _, _ = replied(world)
    second = agency.pitch("bob@example.org")
    world.mailbox_faults["changes"] = lambda *_, **__: RateLimitedError("Gmail asks for a pause")
    report = agency.sync(direction=Direction.TO_EXTERNAL)
    assert (report.status, agency.status(second)) == (RunStatus.SUCCESS, "queued")


# A long past


def test_a_long_past_is_harvested_stretch_by_stretch_and_each_run_says_how_far_it_got(world: PostWorld) -> None:
    world.stretch = 10
    world.gmail.create_mailbox(OWN)
    for number in range(34):
        sender = {"From": f"Person {number} <person{number}@example.org>", "Subject": "Hello"}
        world.mail.letter(OWN, sender, "Hi")
        world.clock.advance(3600 if number % 3 else 0)
    agency = world.agency(harvest="all")
    counts, told = [], []
    for _ in range(6):
        report = agency.sync()
        counts.append(len(agency.local()))
        told.append(report.results[1].metadata.get("harvest", ""))
    assert counts[0] == 10
    assert counts[-1] == 34
    assert counts == sorted(counts)
    assert "10 messages of the last 90 days were read for correspondents, back to 2031-" in told[0]
    assert told[-1] == ""
    agency.assert_idle()


def test_more_mail_in_one_second_than_one_stretch_takes_does_not_stop_the_harvest(world: PostWorld) -> None:
    world.stretch = 5
    world.gmail.create_mailbox(OWN)
    world.mail.letter(OWN, {"From": "first@example.org", "Subject": "Hello"}, "Hi")
    world.clock.advance(60)
    for number in range(12):
        world.mail.letter(OWN, {"From": f"person{number}@example.org", "Subject": "Hello"}, "Hi")
    agency = world.agency(harvest="all")
    for _ in range(5):
        report = agency.sync()
    assert "harvest" not in report.results[1].metadata
    assert "first@example.org" in {row["email"] for row in agency.local().values()}


# Grants


def check(agency: Agency) -> CheckReport:
    runtime = agency.world.runtime
    spec = runtime.spec("gmail")
    with agency.world.database.workspace(agency.workspace_id) as connection:
        row = find_connection(connection, agency.workspace_id, "gmail")
        mapping = read_mapping(connection, spec, parse_settings(spec, row.settings), row.id)
    return build_access(runtime, row, mapping, is_read_only=True).check(ContactValues())


@pytest.mark.parametrize("lacking", ["compose", "readonly"])
def test_a_check_tells_a_grant_that_lacks_a_scope(world: PostWorld, lacking: str) -> None:
    agency = world.agency()
    assert check(agency).problems == ()
    agency.token = world.gmail.token(OWN, [scope for scope in SCOPES if not scope.endswith(lacking)])
    agency.configure()
    problems = check(agency).problems
    assert problems
    assert all("leave every box ticked" in problem and lacking in problem for problem in problems)


def test_a_check_changes_nothing_in_the_mailbox(world: PostWorld) -> None:
    agency = world.agency()
    world.gmail.mailbox(OWN).create_draft(b"Subject: Mine\r\n\r\nx", world.clock.now(), None)
    before = [each.id for each in agency.messages()]
    check(agency)
    assert [each.id for each in agency.messages()] == before
