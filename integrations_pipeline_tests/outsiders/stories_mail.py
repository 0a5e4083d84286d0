"""C1 to C6: what comes back to a mailbox, and what a mailbox's answers do to pitches."""

from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from integrations_pipeline_tests.outsiders import mails
from integrations_pipeline_tests.outsiders.play import Play, story

ANN = "ann@people.test"
CY = "cy@wrong.test"


def _pitched(play: Play, subject: str = "Story", to: str = ANN) -> tuple[str, dict[str, str]]:
    """A pitch that was sent: its id, and the mail."""
    play.bring({"email": to, "name": "Ann Smith"})
    play.connect("gmail")
    pitch = play.pitch(to, subject)
    play.quiet_sync("gmail")
    sent = play.stage.gmail.sent_to(to)
    if len(sent) != 1 or play.status_of(pitch) != "sent":
        raise RuntimeError(f"the pitch was not sent: {play.pitches()[pitch]}")
    return pitch, sent[0]


def _by_hand(to: str, subject: str, message_id: str, named: str = "") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = mails.OWNER, to, subject
    message["Message-ID"] = message_id
    if named:
        message["In-Reply-To"] = message["References"] = named
    message.set_content("Please have a look at this.")
    return message.as_bytes()


def _can_be_pitched(play: Play, *, may: bool, to: str = ANN) -> None:
    """A further pitch to the person is sent, or is not."""
    before = len(play.stage.gmail.sent_to(to))
    pitch = play.pitch(to, "A later story")
    play.sync("gmail")
    sent = len(play.stage.gmail.sent_to(to)) - before
    play.must_be(f"mails of a later pitch (its status: {play.status_of(pitch)})", sent, 1 if may else 0)


@story(
    "C1",
    [
        *(
            "report of another recipient",
            "report without the original",
            "report that names nobody",
            "qmail's text",
            "Exim's text",
        ),
        *("report of both", "report of the person", "delay of the person", "an answer clears the mark"),
    ],
)
def c1(play: Play, variant: str) -> None:
    """The owner writes by hand in a pitch's thread to a wrong address, and the report comes into that thread."""
    pitch, sent = _pitched(play)
    hand = play.stage.gmail.write_by_hand(
        _by_hand(CY, "Re: Story", "<hand1@mail.gmail.com>", sent["message_id"]), sent["thread"]
    )
    raw = {
        "report of another recipient": lambda: mails.report(CY, hand["message_id"]),
        "report without the original": lambda: mails.report(CY),
        "report that names nobody": lambda: mails.mail(
            "mailer-daemon@googlemail.com",
            "Delivery Status Notification (Failure)",
            "Message not delivered.",
            In_Reply_To=hand["message_id"],
        ),
        "qmail's text": lambda: mails.qmail(CY, hand["message_id"]),
        "Exim's text": lambda: mails.exim(CY, hand["message_id"]),
        "report of both": lambda: mails.report(CY, hand["message_id"], delivered=ANN),
        "delay of the person": lambda: mails.report(ANN, sent["message_id"], action="delayed", status="4.4.1"),
    }.get(variant, lambda: mails.report(ANN, sent["message_id"]))()
    play.stage.gmail.receive(raw, sent["thread"])
    play.sync("gmail")
    is_bounced = variant in ("report of the person", "an answer clears the mark")
    play.must_be("the pitch", play.status_of(pitch), "bounced" if is_bounced else "sent")
    if variant == "an answer clears the mark":
        play.stage.gmail.receive(mails.answer(ANN, "Story", sent["message_id"]), sent["thread"])
        play.sync("gmail")
        is_bounced = False
    _can_be_pitched(play, may=not is_bounced)


@story(
    "C2",
    [
        *(
            "names the owner's other mail",
            "names it in References",
            "names another workspace's pitch",
            "in that mail's thread",
        ),
        *("names nothing", "names the pitch", "names what nobody knows", "in the pitch's thread"),
    ],
)
def c2(play: Play, variant: str) -> None:
    """An answer with the pitch's sender and subject; which mail it answers is told by its headers."""
    gmail = play.stage.gmail
    pitch, sent = _pitched(play)
    other = gmail.write_by_hand(_by_hand(ANN, "Story", "<hand2@mail.gmail.com>"))
    if "workspace" in variant:
        second = play.workspace(f"{play.slug}b")
        play.connect("gmail", second)
        theirs = play.pitch(ANN, "Story", slug=second)
        play.sync("gmail", slug=second)
        other = gmail.sent_to(ANN)[-1]
    raw, thread = {
        "names it in References": (
            mails.mail(ANN, "Re: Story", "About the other one.", References=other["message_id"]),
            "",
        ),
        "in that mail's thread": (mails.mail(ANN, "Re: Story", "About the other one."), other["thread"]),
        "names nothing": (mails.answer(ANN, "Story"), "feed000000000001"),
        "names the pitch": (mails.answer(ANN, "Story", sent["message_id"]), "feed000000000002"),
        "names what nobody knows": (mails.answer(ANN, "Story", "<lost@elsewhere.test>"), "feed000000000003"),
        "in the pitch's thread": (mails.answer(ANN, "Story", sent["message_id"]), sent["thread"]),
    }.get(variant, (mails.answer(ANN, "Story", other["message_id"]), other["thread"]))
    gmail.receive(raw, thread)
    play.sync("gmail")
    is_ours = variant in ("names nothing", "names the pitch", "names what nobody knows", "in the pitch's thread")
    play.must_be("the pitch", play.status_of(pitch), "replied" if is_ours else "sent")
    if "workspace" in variant:
        play.sync("gmail", slug=second)
        play.must_be("the other workspace's pitch", play.status_of(theirs, second), "replied")


@story("C3", ["three days later", "a month later", "at once", "with the old created_at", "after it was replied"])
def c3(play: Play, variant: str) -> None:
    """A row is deleted after its sending, and put there again with its id."""
    pitch, sent = _pitched(play)
    if "replied" in variant:
        play.stage.gmail.receive(mails.answer(ANN, "Story", sent["message_id"]), sent["thread"])
        play.sync("gmail")
    columns = "id, workspace_id, contact_id, to_email, subject, body"
    kept = play.home.sql(f"select {columns}, created_at from pitches where id = %s", pitch)[0]
    play.home.sql("delete from pitches where id = %s", pitch)
    play.age(
        {"three days later": timedelta(days=3), "a month later": timedelta(days=31)}.get(variant, timedelta(minutes=5))
    )
    created = "%s" if "created_at" in variant else "now()"
    values = kept if "created_at" in variant else kept[:-1]
    play.home.sql(
        f"insert into pitches ({columns}, created_at, status) values (%s, %s, %s, %s, %s, %s, {created}, 'queued')",
        *values,
    )
    play.sync("gmail")
    play.settle("gmail", 1)
    play.must_be("mails to the person", len(play.stage.gmail.sent_to(ANN)), 1)


#: Column and time of the odd row.
_ODD_TIMES = {
    "created_at -infinity": ("created_at", "-infinity"),
    "created_at infinity": ("created_at", "infinity"),
    "created_at of the year 12000": ("created_at", "12000-01-01 00:00:00+00"),
    "created_at before Christ": ("created_at", "0044-03-15 00:00:00+00 BC"),
    "scheduled_at -infinity": ("scheduled_at", "-infinity"),
    "scheduled_at infinity": ("scheduled_at", "infinity"),
    "scheduled_at of the year 12000": ("scheduled_at", "12000-01-01 00:00:00+00"),
}


@story("C4", _ODD_TIMES)
def c4(play: Play, variant: str) -> None:
    """One row of `pitches` has a time that no program can hold."""
    column, time = _ODD_TIMES[variant]
    play.bring({"email": ANN, "name": "Ann Smith"}, {"email": "bo@people.test", "name": "Bo Li"})
    play.connect("gmail")
    play.pitch("bo@people.test", "Odd")
    try:
        play.home.sql(f"update pitches set {column} = %s where subject = 'Odd' and to_email = 'bo@people.test'", time)
        is_taken = True
    except Exception as refusal:  # noqa: BLE001 - that the table refuses it is one good end
        is_taken = "check" not in str(refusal) and "trigger" not in str(refusal)
        play.must("the table's refusal is one of its own", not is_taken, str(refusal)[:120])
    play.pitch(ANN, "Story")
    ran = play.sync("gmail")
    play.must("the other pitch is sent", len(play.stage.gmail.sent_to(ANN)) == 1, f"exit code {ran.code}")
    listed = play.run("pitches", "list", "-w", play.slug)
    play.must_be("exit code of `pitches list`", listed.code, 0)
    play.must_be("exit code of `pitches list --json`", play.run("pitches", "list", "-w", play.slug, "--json").code, 0)


_HTML = b"<html><body>Sorry, this page is not here right now.</body></html>"
_NOT_FOUND = {
    "error": {
        "code": 404,
        "message": "Requested entity was not found.",
        "errors": [{"reason": "notFound"}],
        "status": "NOT_FOUND",
    }
}
_PASSING: dict[str, tuple[int, Any]] = {
    "404": (404, _NOT_FOUND),
    "404 of a page": (404, _HTML),
    "302": (302, _HTML),
    "307": (307, b""),
    "403 of a page": (403, _HTML),
    "405 of a page": (405, _HTML),
}


@story("C5", [*_PASSING, "404, 20 pitches", "302, 20 pitches", "a parent that is unknown"])
def c5(play: Play, variant: str) -> None:
    """For a while drafts cannot be made, by no fault of any pitch."""
    if variant == "a parent that is unknown":
        _unknown_parent(play)
        return
    status, body = _PASSING[variant.split(",", maxsplit=1)[0]]
    count = 20 if "20" in variant else 2
    people = [f"p{n}@people.test" for n in range(count)]
    play.bring(*({"email": email, "name": "Per Son"} for email in people))
    play.connect("gmail")
    for email in people[: count - 1]:
        play.home.sql(
            "insert into pitches (workspace_id, to_email, subject, body, status) "
            "select id, %s, 'Story', 'Hello', 'queued' "
            "from workspaces where slug = %s",
            *(email, play.slug),
        )
    play.pitch(people[-1], "Story")
    play.stage.gmail.lie(
        "POST", r"/drafts$", status, body, {"Location": "https://accounts.google.com/"} if status in (302, 307) else {}
    )
    play.sync("gmail")
    tried = play.stage.gmail.calls("POST", r"/drafts$")
    play.must("a run stops trying soon", tried <= 10, f"{tried} tries")
    states = {row["status"] for row in play.pitches().values()}
    play.must("pitches wait", "failed" not in states and "cancelled" not in states, sorted(states))
    play.stage.gmail.be_honest()
    play.settle("gmail")
    play.must_be("mails sent at last", sum(len(play.stage.gmail.sent_to(email)) for email in people), count)


def _unknown_parent(play: Play) -> None:
    play.bring({"email": ANN, "name": "Ann Smith"})
    play.connect("gmail")
    parent = play.pitch(ANN, "Story")
    play.stage.gmail.lose_send()
    play.sync("gmail")
    play.age()
    play.sync("gmail")
    if play.status_of(parent) != "unknown":
        play.age(timedelta(hours=2))
        play.sync("gmail")
    if play.status_of(parent) != "unknown":
        raise RuntimeError(f"the parent is {play.status_of(parent)}, not unknown")
    child = play.pitch(ANN, "", "And one more thing.", in_reply_to_pitch_id=parent)
    play.sync("gmail")
    play.must_be("the follow-up", play.status_of(child), "queued")
    play.done("pitches", "resolve", parent, "-w", play.slug, "--not-sent")
    play.settle("gmail")
    play.must_be("the follow-up, once the parent is sent", play.status_of(child), "sent")


_BOUNCES: dict[str, Callable[[str, str], bytes]] = {
    "qmail": mails.qmail,
    "Yahoo": mails.yahoo,
    "Exim": mails.exim,
    "sendmail": mails.sendmail,
    "German": mails.german,
    "French": mails.french,
    "global status": lambda to, original: mails.report(to, original, kind="message/global-delivery-status"),
    "report, German": lambda to, original: mails.report(
        to, original, subject="Nicht zustellbar: Story", text="Die Adresse wurde nicht gefunden."
    ),
}


@story(
    "C6",
    [
        *_BOUNCES,
        *(f"{name}, in a thread of its own" for name in ("qmail", "Exim", "German")),
        *(f"absence, {name}" for name in mails.ABSENCES),
        "a person who quotes a report",
    ],
)
def c6(play: Play, variant: str) -> None:
    """A mail comes back that is no person's answer, and no multipart/report either."""
    pitch, sent = _pitched(play)
    name = variant.split(",", maxsplit=1)[0] if "own" in variant else variant
    if variant.startswith("absence"):
        subject, text = mails.ABSENCES[variant.removeprefix("absence, ")]
        play.stage.gmail.receive(mails.mail(ANN, subject, text), sent["thread"])
    elif variant == "a person who quotes a report":
        text = "I got this, is it about your mail?\n\n> 550 5.1.1 User unknown\n> This is a permanent error.\n"
        play.stage.gmail.receive(mails.mail(ANN, "Re: Story", text, In_Reply_To=sent["message_id"]), sent["thread"])
    else:
        raw = _BOUNCES[name](ANN, sent["message_id"])
        play.stage.gmail.receive(raw, "feed000000000009" if "own" in variant else sent["thread"])
    play.sync("gmail")
    if variant.startswith("absence"):
        play.must_be("the pitch", play.status_of(pitch), "sent")
    elif variant == "a person who quotes a report":
        play.must_be("the pitch", play.status_of(pitch), "replied")
    else:
        play.must_be("the pitch", play.status_of(pitch), "bounced")
        _can_be_pitched(play, may=False)


STORIES = (c1, c2, c3, c4, c5, c6)
