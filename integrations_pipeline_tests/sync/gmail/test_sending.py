"""Pitches go out, each once, as they were written, and the ledger knows what really left."""

from email import message_from_bytes
from email.policy import compat32
from typing import Any
from uuid import uuid4

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.model import Direction, RunStatus
from integrations_pipeline_tests.sync.gmail.arrangement import (
    OWN,
    SECRET_BODY,
    SECRET_SUBJECT,
    Agency,
    PostWorld,
    in_seconds,
)
from integrations_sandbox import SendAs


def header(agency: Agency, pitch_id: str, name: str) -> str:
    """A header as it stands on the wire, unfolded."""
    message = message_from_bytes(agency.delivery(pitch_id).mail.to_bytes(), policy=compat32)
    return " ".join(str(message[name] or "").split())


def test_twenty_pitches_are_twenty_deliveries(world: PostWorld) -> None:
    agency = world.agency()
    ids = agency.pitch_many(20)
    report = agency.sync()
    assert report.status is RunStatus.SUCCESS
    assert world.deliveries() == dict.fromkeys(ids, 1)
    assert agency.statuses() == {"sent": 20}
    assert report.results[0].records_created == 20
    assert not agency.drafts()
    agency.assert_settled()
    agency.assert_idle()


def test_a_pitch_goes_out_as_it_was_written(world: PostWorld) -> None:
    agency = world.agency(signature="Ann\nAgency")
    agency.add_local({"email": "zoe@example.org", "name": "Zoë Ångström, Ltd"})
    pitch_id = agency.pitch("Zoe@Example.org", subject="Größe: 李雷", body="Hello\n\nZoë & co")
    agency.sync()
    delivery = agency.delivery(pitch_id)
    assert delivery.recipient == "zoe@example.org"
    assert delivery.header("To") == '"Zoë Ångström, Ltd" <Zoe@example.org>'
    assert delivery.header("From") == OWN
    assert delivery.header("Subject") == "Größe: 李雷"
    assert delivery.header(PITCH_HEADER) == pitch_id
    assert delivery.text.replace("\r\n", "\n").strip() == "Hello\n\nZoë & co\n\n-- \nAnn\nAgency"
    html = delivery.mail.body.decode()
    assert "<p>Hello</p>" in html
    assert "List-Unsubscribe" not in delivery.mail.to_bytes().decode()


@pytest.mark.parametrize("rule", ["overwrite", "preserve"])
def test_the_message_id_that_really_went_out_is_read_back(world: PostWorld, rule: str) -> None:
    world.options(message_id=rule)
    agency = world.agency()
    pitch_id = agency.pitch()
    agency.sync()
    delivery = agency.delivery(pitch_id)
    (email,) = agency.ledger(pitch_id)
    assert email["rfc822_message_id"] == delivery.header("Message-ID") != ""
    assert (email["gmail_message_id"], email["gmail_thread_id"]) == (delivery.message_id, delivery.thread_id)
    assert email["sent_at"] == delivery.at
    assert agency.row(pitch_id)["sent_at"] is not None
    assert email["rfc822_message_id"].endswith("@mail.gmail.com>" if rule == "overwrite" else "@agency.org>")


@pytest.mark.parametrize("rule", ["overwrite", "preserve"])
def test_a_follow_up_continues_its_thread_on_both_sides(world: PostWorld, rule: str) -> None:
    """By Gmail's rule, which wants the thread id, both headers and the subject; and by headers for the recipient."""
    world.options(message_id=rule)
    agency = world.agency()
    first = agency.pitch("ann@example.org")
    second = agency.pitch("ann@example.org", subject="", in_reply_to_pitch_id=first)
    third = agency.pitch("ann@example.org", subject="Ignored", in_reply_to_pitch_id=second)
    assert agency.sync().status is RunStatus.SUCCESS
    ids = [header(agency, each, "Message-ID") for each in (first, second, third)]
    assert header(agency, second, "In-Reply-To") == header(agency, second, "References") == ids[0]
    assert header(agency, third, "In-Reply-To") == ids[1]
    assert header(agency, third, "References").split() == ids[:2]
    subjects = [header(agency, each, "Subject") for each in (first, second, third)]
    assert subjects == [SECRET_SUBJECT, f"Re: {SECRET_SUBJECT}", f"Re: {SECRET_SUBJECT}"]
    assert len({agency.delivery(each).thread_id for each in (first, second, third)}) == 1
    assert len({agency.ledger(each)[0]["gmail_thread_id"] for each in (first, second, third)}) == 1


def test_follow_ups_wait_for_what_they_answer_whatever_their_order(world: PostWorld) -> None:
    agency = world.agency()
    first = agency.pitch("ann@example.org", scheduled_at=in_seconds(600, world.clock.now()))
    second = agency.pitch("ann@example.org", in_reply_to_pitch_id=first)
    report = agency.sync()
    assert (agency.status(second), report.results[0].records_skipped) == ("queued", 1)
    assert report.status is RunStatus.SUCCESS
    assert not agency.ledger(second), "who waits is not taken up"
    world.clock.advance(600)
    agency.sync()
    assert agency.statuses() == {"sent": 2}
    agency.assert_settled()


def test_a_follow_up_continues_a_thread_that_was_deleted_here(world: PostWorld) -> None:
    agency = world.agency()
    first = agency.pitch("ann@example.org")
    agency.sync()
    first_id = header(agency, first, "Message-ID")
    world.gmail.delete_message(OWN, agency.delivery(first).message_id)
    second = agency.pitch("ann@example.org", in_reply_to_pitch_id=first)
    assert agency.sync().status is RunStatus.SUCCESS
    assert header(agency, second, "In-Reply-To") == first_id
    assert agency.delivery(second).thread_id != agency.delivery(first).thread_id


def test_what_a_follow_up_answers_must_have_been_sent(world: PostWorld) -> None:
    agency = world.agency()
    parents = {
        status: agency.pitch(f"{status}@example.org", status=status) for status in ("draft", "failed", "cancelled")
    }
    ids = {name: agency.pitch("ann@example.org", in_reply_to_pitch_id=parent) for name, parent in parents.items()}
    agency.sync()
    for pitch_id in ids.values():
        assert (agency.status(pitch_id), agency.reason(pitch_id)) == (
            "failed",
            "the pitch that it answers was not sent",
        )
    assert not world.deliveries()


def test_a_follow_up_to_a_message_that_is_gone_says_so_and_does_not_wait_forever(world: PostWorld) -> None:
    agency = world.agency()
    first = agency.pitch("ann@example.org")
    agency.sync()
    agency.execute("update pitch_emails set rfc822_message_id = ''")
    second = agency.pitch("ann@example.org", in_reply_to_pitch_id=first)
    agency.sync()
    assert agency.status(second) == "failed"
    assert agency.reason(second) == "the message that it answers is not in the mailbox any more"
    agency.execute("delete from pitch_emails")
    third = agency.pitch("ann@example.org", in_reply_to_pitch_id=first)
    agency.sync()
    assert agency.status(third) == "failed"


def test_pitches_that_answer_one_another_end_in_a_reason(world: PostWorld) -> None:
    agency = world.agency()
    ids = [agency.pitch("ann@example.org") for _ in range(3)]
    for pitch_id, parent in zip(ids, [ids[1], ids[0], ids[2]], strict=True):
        agency.execute(
            "update pitches set in_reply_to_pitch_id = cast(:parent as uuid) where id = cast(:id as uuid)",
            id=pitch_id, parent=parent,
        )  # fmt: skip
    agency.sync()
    assert {agency.reason(each) for each in ids} == {"in the end it answers itself"}
    assert not world.deliveries()


def test_a_pitch_cannot_answer_one_of_another_workspace(world: PostWorld) -> None:
    other = world.agency("other", address="other@agency.org")
    foreign = other.pitch("bob@example.org")
    other.sync()
    agency = world.agency()
    for values in ({"in_reply_to_pitch_id": foreign}, {"in_reply_to_pitch_id": str(uuid4())}):
        with pytest.raises(ConfigurationError, match="none of this workspace"):
            agency.pitch("ann@example.org", **values)
    with pytest.raises(ConfigurationError, match="between the years 2 and 9999"):
        agency.pitch("ann@example.org", scheduled_at="0001-10-14T00:00:00Z")
    agency.sync()
    assert len(world.deliveries()) == 1  # the other agency's own


ALIAS = SendAs(address="desk@agency.org", display_name="The Desk")
PENDING = SendAs(address="new@agency.org", status="pending")
SENDERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "the account": ({}, "", OWN),
    "the account's name": ({"display_name": "Ann Lee"}, "", f"Ann Lee <{OWN}>"),
    "an alias": ({"aliases": [ALIAS]}, "desk@agency.org", "The Desk <desk@agency.org>"),
    "an alias in other letters": ({"aliases": [ALIAS]}, "Desk@Agency.org", "The Desk <desk@agency.org>"),
    "the default alias": ({"aliases": [SendAs(address="desk@agency.org", is_default=True)]}, "", "desk@agency.org"),
    "the account though an alias is the default": (
        {"aliases": [SendAs(address="desk@agency.org", is_default=True)]},
        OWN,
        OWN,
    ),
}


@pytest.mark.parametrize(("mailbox", "send_as", "expected"), SENDERS.values(), ids=SENDERS)
def test_mail_is_from_the_address_that_was_chosen(
    world: PostWorld, mailbox: dict[str, Any], send_as: str, expected: str
) -> None:
    agency = world.agency(mailbox=mailbox, send_as=send_as)
    pitch_id = agency.pitch()
    agency.sync()
    assert agency.delivery(pitch_id).header("From").replace('"', "") == expected


@pytest.mark.parametrize("send_as", ["new@agency.org", "stranger@agency.org"])
def test_from_an_address_that_is_not_verified_nothing_is_sent(world: PostWorld, send_as: str) -> None:
    """Gmail would put the account's own address in its place, silently."""
    agency = world.agency(mailbox={"aliases": [PENDING]}, send_as=send_as)
    pitch_id = agency.pitch()
    report = agency.sync()
    assert report.status is RunStatus.FAILED
    assert "send_as is no verified alias" in report.error
    assert (agency.status(pitch_id), world.deliveries()) == ("queued", {})
    agency.configure(send_as="")
    agency.sync()
    assert agency.delivered(pitch_id) == 1


def test_the_way_out_is_told_on_the_wire(world: PostWorld) -> None:
    way = f"<https://agency.org/{'stop' * 40}>"
    agency = world.agency(list_unsubscribe=f"{way}, <mailto:stop@agency.org>")
    pitch_id = agency.pitch()
    agency.sync()
    assert header(agency, pitch_id, "List-Unsubscribe") == f"{way}, <mailto:stop@agency.org>"
    assert header(agency, pitch_id, "List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    "value", ["https://agency.org/stop", "<http://agency.org>", "<https://a b>", "<https://x>\r\nBcc: a"]
)
def test_a_way_out_that_no_program_understands_is_refused_with_the_settings(world: PostWorld, value: str) -> None:
    agency = world.agency(list_unsubscribe=value)
    agency.pitch()
    with pytest.raises(Exception, match=r"list_unsubscribe: .*expected <https"):
        agency.sync()


def test_pitches_go_out_in_the_order_of_their_time_and_not_before(world: PostWorld) -> None:
    agency = world.agency()
    now = world.clock.now()
    late = agency.pitch(scheduled_at=in_seconds(7200, now))
    soon = agency.pitch(scheduled_at=in_seconds(3600, now))
    at_once = agency.pitch()
    agency.sync()
    assert agency.statuses() == {"sent": 1, "queued": 2}
    world.clock.advance(3500)
    agency.sync()
    assert agency.delivered(soon) == 0
    world.clock.advance(7200)
    agency.sync()
    order = [each.header(PITCH_HEADER) for each in world.mail.deliveries()]
    assert order == [at_once, soon, late]


def test_a_draft_of_ours_waits_until_somebody_queues_it(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(status="draft")
    agency.sync()
    assert (agency.status(pitch_id), world.deliveries()) == ("draft", {})
    agency.change(pitch_id, status="queued")
    agency.sync()
    assert agency.delivered(pitch_id) == 1


def test_a_run_that_only_sends_sends_and_records_no_reply(world: PostWorld) -> None:
    agency = world.agency()
    first = agency.pitch("ann@example.org")
    report = agency.sync(direction=Direction.TO_EXTERNAL)
    assert [result.direction for result in report.results] == ["to_external"]
    assert agency.delivered(first) == 1
    world.mail.reply(agency.delivery(first))
    agency.pitch()
    agency.sync(direction=Direction.TO_EXTERNAL)
    assert (agency.statuses(), agency.replies()) == ({"sent": 2}, [])
    agency.sync(direction=Direction.FROM_EXTERNAL)
    assert agency.statuses() == {"sent": 1, "replied": 1}


def test_a_run_that_only_receives_sends_nothing(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch()
    agency.sync(direction=Direction.FROM_EXTERNAL)
    assert (agency.status(pitch_id), world.deliveries()) == ("queued", {})


def test_the_body_reaches_nobody_but_the_recipient(world: PostWorld) -> None:
    agency = world.agency()
    pitch_id = agency.pitch(body=f"<p>{SECRET_BODY}</p>")
    agency.sync()
    assert SECRET_BODY in agency.delivery(pitch_id).text


@pytest.mark.parametrize("path", ["drafts/send", "drafts$", "messages$", "profile", "history"])
def test_a_token_that_is_refused_in_the_middle_is_renewed_and_nothing_goes_out_twice(
    world: PostWorld, path: str
) -> None:
    agency = world.agency()
    agency.sync()
    agency.grant()
    ids = agency.pitch_many(3)
    world.refuse("authError", path_regex=path, times=1)
    assert agency.sync().status is RunStatus.SUCCESS
    assert world.deliveries() == dict.fromkeys(ids, 1)
    assert world.server.oauth.token_requests("google") == {("refresh_token", "ok"): 1}


@pytest.mark.parametrize("path", ["drafts/send", "drafts$", "profile"])
def test_a_grant_that_was_taken_back_leaves_every_pitch_in_a_clear_state(world: PostWorld, path: str) -> None:
    agency = world.agency()
    agency.sync()
    agency.grant()
    ids = agency.pitch_many(3)
    world.once(path, lambda: world.server.oauth.revoke("google", OWN))
    report = agency.sync()
    assert report.status is RunStatus.FAILED
    assert "connections authorize gmail" in report.error
    assert agency.connection.status == "disconnected"
    under_way = [each for each in ids if agency.ledger(each)]
    assert len(under_way) == (path != "profile")
    for pitch_id in under_way:
        assert "authorize gmail" in agency.reason(pitch_id)
        assert agency.status(pitch_id) == ("sending" if path == "drafts/send" else "queued")
    assert not world.deliveries()
    agency.grant()
    assert agency.sync().status is RunStatus.SUCCESS
    assert world.deliveries() == dict.fromkeys(ids, 1)
    agency.assert_settled()
