"""C1 to C6: what comes back to a mailbox, and what a mailbox's answers do to pitches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from integrations_pipeline_tests.outsiders import mails
from integrations_pipeline_tests.outsiders.play import Play, story

ANN = "ann@people.test"
CY = "cy@wrong.test"


@dataclass(frozen=True, slots=True)
class Told:
    """A person, the pitch to them, and the mail that it became."""

    email: str
    pitch: str
    sent: dict[str, str]


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


def _pitched_all(play: Play, count: int) -> list[Told]:
    """As many people, each pitched once."""
    people = [f"p{n}@people.test" for n in range(count)]
    play.bring(*({"email": email, "name": "Per Son"} for email in people))
    play.connect("gmail")
    pitches = play.pitch_all(*({"to_email": email, "subject": "Story", "body": "Hello, a story."} for email in people))
    play.quiet_sync("gmail")
    sent = [play.stage.gmail.sent_to(email)[0] for email in people]
    return [Told(*each) for each in zip(people, pitches, sent, strict=True)]


def _must_end(play: Play, told: Mapping[str, Told], statuses: Mapping[str, str]) -> None:
    """Every case's pitch has the status that the case asks for."""
    found = play.pitches()
    for case, each in told.items():
        play.must_be(f"{case}: the pitch", found[each.pitch]["status"], statuses[case])


def _must_be_pitchable(play: Play, told: Mapping[str, Told], may: Mapping[str, bool]) -> None:
    """A further pitch to each person is sent, or is not."""
    before = {case: len(play.stage.gmail.sent_to(each.email)) for case, each in told.items()}
    play.pitch_all(*({"to_email": each.email, "subject": "A later one", "body": "Hello"} for each in told.values()))
    play.sync("gmail")
    for case, each in told.items():
        sent = len(play.stage.gmail.sent_to(each.email)) - before[case]
        play.must_be(f"{case}: mails of a later pitch", sent, 1 if may[case] else 0)


def _report_of_nobody(_told: Told, hand: dict[str, str]) -> bytes:
    subject = "Delivery Status Notification (Failure)"
    return mails.mail("mailer-daemon@googlemail.com", subject, "Not delivered.", In_Reply_To=hand["message_id"])


#: Case: the report, made of the pitch and of the mail written by hand, and what the pitch is after it.
_REPORTS: dict[str, tuple[Callable[[Told, dict[str, str]], bytes], str]] = {
    "another recipient": (lambda _told, hand: mails.report(CY, hand["message_id"]), "sent"),
    "another recipient, without the original": (lambda _told, _hand: mails.report(CY), "sent"),
    "nobody named": (_report_of_nobody, "sent"),
    "qmail's text": (lambda _told, hand: mails.qmail(CY, hand["message_id"]), "sent"),
    "Exim's text": (lambda _told, hand: mails.exim(CY, hand["message_id"]), "sent"),
    "failed for one, delivered to the person": (
        lambda told, hand: mails.report(CY, hand["message_id"], delivered=told.email),
        "sent",
    ),
    "the person": (lambda told, _hand: mails.report(told.email, told.sent["message_id"]), "bounced"),
    "a delay": (
        lambda told, _hand: mails.report(told.email, told.sent["message_id"], action="delayed", status="4.4.1"),
        "sent",
    ),
}


@story("C1", ["reports in the thread", "an answer clears the mark"])
def c1(play: Play, variant: str) -> None:
    """The owner writes by hand in a pitch's thread to a wrong address, and the report comes into that thread."""
    if variant == "an answer clears the mark":
        _cleared(play)
        return
    told = dict(zip(_REPORTS, _pitched_all(play, len(_REPORTS)), strict=True))
    for n, (case, each) in enumerate(told.items()):
        named = _by_hand(CY, "Re: Story", f"<hand{n}@mail.gmail.com>", each.sent["message_id"])
        hand = play.stage.gmail.write_by_hand(named, each.sent["thread"])
        play.stage.gmail.receive(_REPORTS[case][0](each, hand), each.sent["thread"])
    play.sync("gmail")
    _must_end(play, told, {case: status for case, (_, status) in _REPORTS.items()})
    _must_be_pitchable(play, told, {case: status != "bounced" for case, (_, status) in _REPORTS.items()})


def _cleared(play: Play) -> None:
    told = {"an answer after the report": _pitched_all(play, 1)[0]}
    for each in told.values():
        play.stage.gmail.receive(mails.report(each.email, each.sent["message_id"]), each.sent["thread"])
        play.sync("gmail")
        play.stage.gmail.receive(mails.answer(each.email, "Story", each.sent["message_id"]), each.sent["thread"])
    play.sync("gmail")
    _must_be_pitchable(play, told, dict.fromkeys(told, True))


def _answer_to_hand(told: Told, hand: dict[str, str]) -> bytes:
    return mails.answer(told.email, "Story", hand["message_id"])


def _answer_to_pitch(told: Told, _hand: dict[str, str]) -> bytes:
    return mails.answer(told.email, "Story", told.sent["message_id"])


def _answer_to_nothing(told: Told, _hand: dict[str, str]) -> bytes:
    return mails.answer(told.email, "Story")


#: Case: the answer, made of the pitch and of the owner's other mail; the thread it comes in; whether it is the pitch's.
_ANSWERS: dict[str, tuple[Callable[[Told, dict[str, str]], bytes], str, bool]] = {
    "names the owner's other mail": (_answer_to_hand, "hand", False),
    "names it, in a new thread": (_answer_to_hand, "new", False),
    "names it in References": (
        lambda told, hand: mails.mail(told.email, "Re: Story", "The other one.", References=hand["message_id"]),
        *("new", False),
    ),
    "in that mail's thread": (_answer_to_nothing, "hand", False),
    "names nothing": (_answer_to_nothing, "new", True),
    "names the pitch": (_answer_to_pitch, "new", True),
    "names what nobody knows": (
        lambda told, _hand: mails.answer(told.email, "Story", "<lost@else.test>"),
        *("new", True),
    ),
    "in the pitch's thread": (_answer_to_pitch, "pitch", True),
}


@story("C2", ["answers to another mail", "an answer to another workspace's pitch"])
def c2(play: Play, variant: str) -> None:
    """Answers with a pitch's sender and subject; which mail they answer is told by their headers."""
    if "workspace" in variant:
        _of_another_workspace(play)
        return
    told = dict(zip(_ANSWERS, _pitched_all(play, len(_ANSWERS)), strict=True))
    for n, (case, each) in enumerate(told.items()):
        make, where, _ = _ANSWERS[case]
        hand = play.stage.gmail.write_by_hand(_by_hand(each.email, "Story", f"<other{n}@mail.gmail.com>"))
        thread = {"hand": hand["thread"], "pitch": each.sent["thread"]}.get(where, f"feed{n:012d}")
        play.stage.gmail.receive(make(each, hand), thread)
    play.sync("gmail")
    _must_end(play, told, {case: "replied" if is_ours else "sent" for case, (_, _, is_ours) in _ANSWERS.items()})


def _of_another_workspace(play: Play) -> None:
    """Two workspaces share a mailbox, and pitched the same person the same subject."""
    first = _pitched_all(play, 1)[0]
    second = play.workspace(f"{play.slug}b")
    play.connect("gmail", second)
    theirs = play.pitch(first.email, "Story", slug=second)
    play.sync("gmail", slug=second)
    other = play.stage.gmail.sent_to(first.email)[-1]
    play.stage.gmail.receive(mails.answer(first.email, "Story", other["message_id"]), other["thread"])
    play.sync("gmail")
    play.sync("gmail", slug=second)
    play.must_be("this workspace's pitch", play.status_of(first.pitch), "sent")
    play.must_be("the other workspace's pitch", play.status_of(theirs, second), "replied")


@story("C3", ["three days later", "a month later", "at once", "with the old created_at", "after it was replied"])
def c3(play: Play, variant: str) -> None:
    """A row is deleted after its sending, and put there again with its id."""
    pitch, sent = _pitched(play)
    if "replied" in variant:
        play.stage.gmail.receive(mails.answer(ANN, "Story", sent["message_id"]), sent["thread"])
        play.sync("gmail")
    # The mailbox is read on past its own sending, so that only a search can find it.
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


@story("C5", [*_PASSING, "404, 20 pitches", "a parent that is unknown"])
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
    play.stage.gmail.be_honest()
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


@story("C6", ["bounces", "bounces, in threads of their own", "absences", "a person who quotes a report"])
def c6(play: Play, variant: str) -> None:
    """Mails come back that are no person's answer, and no multipart/report either."""
    if variant.startswith("bounces"):
        _bounced(play, is_alone="own" in variant)
    elif variant == "absences":
        told = dict(zip(mails.ABSENCES, _pitched_all(play, len(mails.ABSENCES)), strict=True))
        for case, each in told.items():
            play.stage.gmail.receive(mails.mail(each.email, *mails.ABSENCES[case]), each.sent["thread"])
        play.sync("gmail")
        _must_end(play, told, dict.fromkeys(told, "sent"))
    else:
        person = _pitched_all(play, 1)[0]
        text = "I got this, is it about your mail?\n\n> 550 5.1.1 User unknown\n> This is a permanent error.\n"
        raw = mails.mail(person.email, "Re: Story", text, In_Reply_To=person.sent["message_id"])
        play.stage.gmail.receive(raw, person.sent["thread"])
        play.sync("gmail")
        play.must_be("the pitch", play.status_of(person.pitch), "replied")


def _bounced(play: Play, *, is_alone: bool) -> None:
    told = dict(zip(_BOUNCES, _pitched_all(play, len(_BOUNCES)), strict=True))
    for n, (case, each) in enumerate(told.items()):
        raw = _BOUNCES[case](each.email, each.sent["message_id"])
        play.stage.gmail.receive(raw, f"feed{n:012d}" if is_alone else each.sent["thread"])
    play.sync("gmail")
    _must_end(play, told, dict.fromkeys(told, "bounced"))
    _must_be_pitchable(play, told, dict.fromkeys(told, False))


STORIES = (c1, c2, c3, c4, c5, c6)
