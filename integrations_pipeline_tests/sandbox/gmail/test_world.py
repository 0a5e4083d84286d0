"""Who got what, and what comes back: replies, bounces, answers of machines, newsletters."""

from email import message_from_bytes
from email.policy import default
from typing import Any, get_args

import pytest

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail
from integrations_sandbox import ReplyStyle
from integrations_sandbox.gmail.letters import BOUNCE_KINDS, BounceKind, Vendor
from integrations_sandbox.gmail.model import Message
from integrations_sandbox.gmail.notices import NOTICE_KINDS

CAROL = "carol@elsewhere.example"


def parsed(message: Message) -> Any:
    """Read with the standard library and nothing of the sandbox."""
    return message_from_bytes(message.content.raw, policy=default)


def test_deliveries_are_found_by_recipient_and_by_header(post: Post) -> None:
    for number, to in (("1", BOB), ("2", f"{BOB}, {CAROL}"), ("1", CAROL)):
        post.send(mail(to=to, headers={"X-Pitch-Id": number}))
    post.send(mail(to=BOB))
    world = post.world
    assert len(world.deliveries()) == 5
    assert [each.header("X-Pitch-Id") for each in world.deliveries(BOB.upper())] == ["1", "2", ""]
    assert [each.recipient for each in world.deliveries(header=("x-pitch-id", "1"))] == [BOB, CAROL]
    assert len(world.deliveries(header="X-Pitch-Id")) == 4
    assert world.deliveries(CAROL, ("X-Pitch-Id", "3")) == []
    assert world.count_by_recipient() == {BOB: 3, CAROL: 2}
    assert world.count_by_header("X-Pitch-Id") == {(BOB, "1"): 1, (BOB, "2"): 1, (CAROL, "2"): 1, (CAROL, "1"): 1}


def test_a_delivery_knows_the_mail_and_the_senders_ids(post: Post) -> None:
    sent = post.send(mail(text="Line one.\nLine two."))
    (delivery,) = post.world.deliveries()
    assert (delivery.sender, delivery.recipient, delivery.outcome) == (ADA, BOB, "delivered")
    assert (delivery.message_id, delivery.thread_id) == (sent["id"], sent["threadId"])
    assert delivery.text.split() == ["Line", "one.", "Line", "two."]
    assert post.world.delivery(delivery.id) == delivery
    with pytest.raises(ValueError, match="there is no delivery"):
        post.world.delivery("delivery99")


def test_a_reply_refers_to_the_mail_and_quotes_it(post: Post) -> None:
    post.send(mail(subject="A pitch", text="Buy this.", headers={"Reply-To": "Desk <desk@example.org>"}))
    (delivery,) = post.world.deliveries()
    reply = parsed(post.world.reply(delivery, "No, thanks.", ReplyStyle(name="Bob", cc=CAROL)))
    message_id = delivery.header("Message-ID")
    assert (reply["In-Reply-To"], reply["References"], reply["Subject"]) == (message_id, message_id, "Re: A pitch")
    assert (reply["From"], reply["To"], reply["Cc"]) == (f"Bob <{BOB}>", "Desk <desk@example.org>", CAROL)
    assert reply["Message-ID"] != message_id
    text = reply.get_payload()
    assert "No, thanks." in text
    assert "Ada Lovelace wrote:\r\n> Buy this." in text
    bare = post.world.reply(delivery, style=ReplyStyle(is_quoting=False))
    assert bare.content.text.strip() == "Sounds good."


def test_a_reply_arrives_unread_in_the_inbox(post: Post) -> None:
    reply = post.world.reply(post.pitch())
    assert post.listed(labelIds=["INBOX", "UNREAD"]) == [reply.id]
    assert post.listed(q=f"from:{BOB} is:unread") == [reply.id]
    assert parsed(reply)["Delivered-To"] == ADA


def test_a_reply_may_come_from_another_address_or_without_references(post: Post) -> None:
    delivery = post.pitch()
    other = parsed(post.world.reply(delivery, style=ReplyStyle(from_address="pa@elsewhere.example")))
    assert (other["From"], other["In-Reply-To"]) == ("pa@elsewhere.example", delivery.header("Message-ID"))
    bare = parsed(post.world.reply(delivery, style=ReplyStyle(has_references=False)))
    assert (bare["In-Reply-To"], bare["References"], bare["Subject"]) == (None, None, "Re: A pitch")


def test_a_reply_to_an_answer_carries_all_references(post: Post) -> None:
    first = post.pitch()
    reply = post.world.reply(first)
    references = f"{first.header('Message-ID')} {reply.content.message_id}"
    headers = {"In-Reply-To": reply.content.message_id, "References": references}
    post.send(mail(to=BOB, subject="Re: A pitch", headers=headers), threadId=first.thread_id)
    second = post.world.deliveries(BOB)[-1]
    answer = post.world.reply(second)
    again = parsed(answer)
    assert again["References"].split() == [*references.split(), second.header("Message-ID")]
    assert again["Subject"] == "Re: A pitch"
    assert {each.thread_id for each in post.gmail.messages(ADA)} == {first.thread_id}
    assert post.listed()[0] == answer.id


REPORTS: list[tuple[BounceKind, str, str]] = [
    ("hard", "failed", "5.1.1"),
    ("full", "failed", "5.2.2"),
    ("blocked", "failed", "5.7.1"),
    ("delayed", "delayed", "4.4.1"),
    ("foreign", "failed", "5.1.10"),
]


@pytest.mark.parametrize(("kind", "action", "status"), REPORTS)
def test_a_bounce_is_a_report_as_the_standards_have_it(post: Post, kind: BounceKind, action: str, status: str) -> None:
    delivery = post.pitch()
    bounce = parsed(post.world.bounce(delivery, kind))
    assert (bounce.get_content_type(), bounce.get_param("report-type")) == ("multipart/report", "delivery-status")
    assert (bounce["Return-Path"], bounce["Auto-Submitted"], bounce["To"]) == ("<>", "auto-replied", ADA)
    words, report, original = bounce.get_payload()
    assert BOB in words.get_payload()
    overall, recipient = report.get_payload()
    assert overall["X-Original-Message-ID"].strip() == delivery.header("Message-ID")
    assert (recipient["Final-Recipient"], recipient["Action"], recipient["Status"]) == (
        f"rfc822; {BOB}",
        action,
        status,
    )
    returned = original.get_payload()
    text = returned if isinstance(returned, str) else returned[0].as_string()
    assert delivery.header("Message-ID") in text
    assert "X-Pitch-Id: 7" in text


def test_gmails_own_bounce_names_the_recipient_and_the_mail_in_its_header(post: Post) -> None:
    delivery = post.pitch()
    bounce = parsed(post.world.bounce(delivery))
    assert bounce["From"] == "Mail Delivery Subsystem <mailer-daemon@googlemail.com>"
    assert (bounce["X-Failed-Recipients"], bounce["In-Reply-To"]) == (BOB, delivery.header("Message-ID"))
    assert bounce["Subject"] == "Delivery Status Notification (Failure)"
    assert parsed(post.world.bounce(delivery, "delayed"))["Subject"] == "Delivery Status Notification (Delay)"


def test_a_foreign_bounce_comes_from_a_postmaster_and_refers_to_nothing(post: Post) -> None:
    bounce = parsed(post.world.bounce(post.pitch(), "foreign"))
    assert bounce["From"] == "Postmaster <postmaster@elsewhere.example>"
    assert (bounce["In-Reply-To"], bounce["References"], bounce["X-Failed-Recipients"]) == (None, None, None)
    assert bounce.get_payload()[2].get_content_type() == "text/rfc822-headers"


def test_a_soft_bounce_says_it_in_words_only(post: Post) -> None:
    bounce = parsed(post.world.bounce(post.pitch(), "soft"))
    assert bounce.get_content_type() == "text/plain"
    assert "mailer-daemon@googlemail.com" in bounce["From"]
    assert "452 4.2.2" in bounce.get_payload()
    assert bounce["X-Failed-Recipients"] is None


WORDS = {
    "qmail": ("MAILER-DAEMON@elsewhere.example", "(#5.1.1)", "below this line is a copy"),
    "yahoo": ("MAILER-DAEMON@yahoo.com", "doesn't have a yahoo.com account", "below this line is a copy"),
    "exim": ("Mailer-Daemon@elsewhere.example", "550 5.1.1", "this is a copy of the message"),
    "german": ("mailer-daemon@elsewhere.example", "existiert nicht", "ursprüngliche nachricht"),
}


@pytest.mark.parametrize(("kind", "told"), WORDS.items(), ids=WORDS)
def test_a_notice_in_words_names_the_recipient_and_returns_the_mail_below(
    post: Post, kind: BounceKind, told: tuple[str, str, str]
) -> None:
    delivery = post.pitch()
    bounce = post.world.bounce(delivery, kind)
    text = bounce.content.text
    assert (parsed(bounce).get_content_type(), told[0] in parsed(bounce)["From"]) == ("text/plain", True)
    assert text.index(BOB) < text.lower().index(told[2]) < text.index(delivery.header("Message-ID"))
    assert told[1] in text
    assert parsed(bounce)["X-Failed-Recipients"] == (BOB if kind == "exim" else None)


def test_an_international_report_has_the_types_of_its_standard(post: Post) -> None:
    bounce = parsed(post.world.bounce(post.pitch(), "global"))
    assert bounce.get_param("report-type") == "delivery-status"
    kinds = [part.get_content_type() for part in bounce.get_payload()]
    assert kinds == ["text/plain", "message/global-delivery-status", "message/global-headers"]


@pytest.mark.parametrize("kind", sorted(BOUNCE_KINDS))
def test_an_address_that_bounces_answers_every_send_by_itself(post: Post, kind: BounceKind) -> None:
    post.gmail.create_mailbox(BOB)
    post.world.set_bouncing("Bob@Elsewhere.example", kind)
    start = post.history_id
    sent = post.send(mail(to=f"{BOB}, {CAROL}"))
    added = [each["messagesAdded"][0]["message"]["id"] for each in post.get("history", startHistoryId=start)["history"]]
    (bounce,) = post.listed(labelIds="INBOX")
    assert added == [sent["id"], bounce]
    outcomes = {each.recipient: each.outcome for each in post.world.deliveries()}
    assert outcomes == {BOB: "delayed" if kind == "delayed" else "bounced", CAROL: "delivered"}
    assert post.gmail.messages(BOB) == []


def test_an_address_may_bounce_for_some_times_and_be_good_again(post: Post) -> None:
    post.world.set_bouncing(BOB, "hard", times=1)
    outcomes = [post.pitch(str(number)).outcome for number in range(2)]
    assert outcomes == ["bounced", "delivered"]
    post.world.set_bouncing(BOB, "hard")
    assert post.world.bouncing() == {BOB: {"kind": "hard", "times": -1}}
    post.world.set_bouncing(BOB, None)
    assert (post.pitch("3").outcome, post.world.bouncing()) == ("delivered", {})


def test_kinds_that_do_not_exist_are_refused(post: Post) -> None:
    delivery = post.pitch()
    wrong: object = "loud"
    for act in (
        lambda: post.world.set_bouncing(BOB, wrong),  # type: ignore[arg-type]
        lambda: post.world.bounce(delivery, wrong),  # type: ignore[arg-type]
        lambda: post.world.out_of_office(delivery, wrong),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match="must be one of"):
            act()
    with pytest.raises(ValueError, match="there is no mailbox"):
        post.world.newsletter("nobody@example.org")


AWAY: list[tuple[Vendor, dict[str, str | None], bool]] = [
    ("gmail", {"Auto-Submitted": "auto-replied", "Precedence": "bulk", "X-Autoreply": "yes"}, True),
    ("exchange", {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}, False),
    ("vacation", {"Auto-Submitted": "auto-replied (vacation)", "Precedence": "junk"}, True),
    ("autorespond", {"X-Autorespond": "out of office", "Precedence": "auto_reply", "Auto-Submitted": None}, False),
    ("helpdesk", {"Auto-Submitted": "auto-replied", "Feedback-ID": "1:desk:sandbox"}, True),
    ("silent", {"Auto-Submitted": None, "Precedence": None, "X-Autoreply": None}, False),
]


@pytest.mark.parametrize(("vendor", "fields", "is_in_thread"), AWAY)
def test_somebody_who_is_away_answers_as_his_system_does(
    post: Post, vendor: Vendor, fields: dict[str, str | None], is_in_thread: bool
) -> None:
    delivery = post.pitch()
    message = post.world.out_of_office(delivery, vendor, "Back on Monday.")
    away = parsed(message)
    assert {name: away[name] for name in fields} == fields
    assert (away["From"], away["In-Reply-To"]) == (BOB, delivery.header("Message-ID"))
    assert away["Subject"] == ("Re: A pitch" if is_in_thread else "Automatic reply: A pitch")
    assert (message.thread_id == delivery.thread_id) is is_in_thread
    assert message.content.text.strip() == "Back on Monday."


def test_every_vendor_is_in_the_table() -> None:
    assert {each[0] for each in AWAY} == set(get_args(Vendor))
    assert {each[0] for each in REPORTS} | {"soft"} | NOTICE_KINDS == BOUNCE_KINDS


def test_an_automatic_answer_says_that_nobody_wrote_it(post: Post) -> None:
    delivery = post.pitch()
    message = post.world.auto_reply(delivery, "Ticket 7.")
    assert parsed(message)["Auto-Submitted"] == "auto-replied"
    assert message.thread_id == delivery.thread_id


def test_a_newsletter_has_a_list_and_a_way_out_of_it(post: Post) -> None:
    message = post.world.newsletter(ADA, "News <news@shop.example>", "This week")
    letter = parsed(message)
    assert (letter["From"], letter["List-Id"]) == ("News <news@shop.example>", "News <news.shop.example>")
    assert letter["List-Unsubscribe"].startswith("<https://")
    assert (letter["List-Unsubscribe-Post"], letter["Precedence"]) == ("List-Unsubscribe=One-Click", "bulk")
    assert "CATEGORY_PROMOTIONS" in message.labels


def test_any_mail_can_be_put_into_a_mailbox(post: Post) -> None:
    raw = b"Subject: odd\nno header at all\n\nBody"
    message = post.world.incoming(ADA, raw, ["SPAM"])
    assert message.labels == ["SPAM"]
    assert parsed(message)["Subject"] == "odd"
    with_date = post.world.letter(ADA, {"From": BOB, "Date": "Sat, 21 Nov 2026 08:00:00 +0000"}, "Hi")
    assert parsed(with_date)["Date"] == "Sat, 21 Nov 2026 08:00:00 +0000"
    assert parsed(with_date)["Message-ID"].endswith("@elsewhere.example>")


def test_the_owners_mail_from_another_device_is_sent_and_joins_its_thread(post: Post) -> None:
    delivery = post.pitch()
    reply = post.world.reply(delivery)
    headers = {"Message-ID": "<phone@example.org>", "In-Reply-To": reply.content.message_id}
    message = post.gmail.send_elsewhere(ADA, mail(subject="Re: A pitch", headers=headers))
    assert (message.labels, message.thread_id) == (["SENT"], delivery.thread_id)
    assert parsed(message)["Message-ID"] == "<phone@example.org>"
    assert "smtp.gmail.com" in parsed(message)["Received"]
    assert len(post.world.deliveries(BOB)) == 2


def test_bounces_of_a_sent_draft_come_too(post: Post) -> None:
    post.world.set_bouncing(BOB, "hard")
    draft = post.post("drafts", {"message": {"raw": as_raw(mail())}})
    sent = post.post("drafts/send", {"id": draft["id"]})
    (bounce,) = post.listed(labelIds="INBOX")
    assert post.stored(bounce).thread_id == sent["threadId"]
