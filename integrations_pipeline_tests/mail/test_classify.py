"""What came in is told apart: replies, bounces, delays, vacation answers, other machines, lists, our own mail."""

from dataclasses import replace

import pytest

from integrations_pipeline.mail.classify import (
    MailKind,
    Received,
    bare_subject,
    classify,
    failed_recipients,
    in_words,
    is_hard_bounce,
    referenced_ids,
    sender_of,
)
from integrations_pipeline.mail.reports import Fate, Report, is_report, read_report
from integrations_pipeline_tests.mail.letters import (
    AWAY,
    DELAYS,
    HOME,
    LISTS,
    MACHINES,
    NOTICES,
    PITCH_ID,
    REPLIES,
    SENT_ID,
    group,
    received,
    report,
)

OWN = ["me@agency.org", "Desk@agency.org"]


@pytest.mark.parametrize("message", AWAY.values(), ids=AWAY)
def test_a_vacation_answer_of_every_system_is_known(message: Received) -> None:
    assert classify(message, OWN) is MailKind.OUT_OF_OFFICE


@pytest.mark.parametrize("message", MACHINES.values(), ids=MACHINES)
def test_other_answers_of_machines_are_known(message: Received) -> None:
    assert classify(message, OWN) is MailKind.AUTO_REPLY


@pytest.mark.parametrize("message", LISTS.values(), ids=LISTS)
def test_mail_to_many_is_no_reply(message: Received) -> None:
    assert classify(message, OWN) is MailKind.LIST


@pytest.mark.parametrize("message", REPLIES.values(), ids=REPLIES)
def test_a_person_is_no_machine(message: Received) -> None:
    assert classify(message, OWN) is MailKind.REPLY


@pytest.mark.parametrize(("message", "is_hard"), NOTICES.values(), ids=NOTICES)
def test_a_bounce_in_words_is_known_and_is_for_good_only_if_it_says_so(message: Received, is_hard: bool) -> None:
    assert classify(message, OWN) is MailKind.BOUNCE
    assert is_hard_bounce(message, [HOME]) is (is_hard and "x-failed-recipients" in message.headers)


@pytest.mark.parametrize("message", DELAYS.values(), ids=DELAYS)
def test_a_delay_in_words_is_no_bounce(message: Received) -> None:
    assert classify(message, OWN) is MailKind.DELAYED


@pytest.mark.parametrize("sender", ["me@agency.org", "Me <ME@AGENCY.org>", '"Desk" <desk@agency.org>'])
def test_our_own_mail_is_ours_whatever_it_carries(sender: str) -> None:
    for headers in ({}, {"auto_submitted": "auto-replied"}, {"list_id": "<x.example.org>"}):
        assert classify(received(**{"from": sender, **headers}), OWN) is MailKind.OWN


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("failed", MailKind.BOUNCE),
        ("", MailKind.BOUNCE),
        ("delayed", MailKind.DELAYED),
        ("relayed", MailKind.DELAYED),
        ("expanded", MailKind.DELAYED),
        ("delivered", MailKind.DELAYED),
    ],
)
def test_a_report_is_what_its_action_says_whoever_sends_it(action: str, kind: MailKind) -> None:
    for sender in ("mailer-daemon@googlemail.com", "postmaster@example.org", HOME):
        message = received(**{"from": sender}, auto_submitted="auto-replied", in_reply_to=SENT_ID)
        assert classify(replace(message, report=Report(fates=(Fate(action=action),))), OWN) is kind


# Reports

STATUSES: dict[str, tuple[bool, str]] = {
    "5.1.1": (True, "no such mailbox"),
    "5.1.0": (True, "something about the address"),
    "5.1.2": (True, "no such domain"),
    "5.1.10": (True, "Exchange: recipient not found"),
    "5.0.0": (True, "no reason told"),
    "5.2.1": (True, "mailbox switched off"),
    "5.4.1": (True, "Exchange: nobody there"),
    "5.4.310": (True, "Exchange: no such domain"),
    "5.1.7": (False, "our own address is wrong"),
    "5.1.8": (False, "our own address is wrong"),
    "5.2.2": (False, "mailbox full"),
    "5.2.3": (False, "too large"),
    "5.3.4": (False, "too large"),
    "5.1.20": (False, "Exchange: our From is wrong"),
    "5.1.90": (False, "Exchange: our own limit"),
    "5.4.7": (False, "tried too long"),
    "5.5.0": (False, "a command failed"),
    "5.7.1": (False, "policy"),
    "5.7.26": (False, "we are not authenticated"),
    "4.2.2": (False, "mailbox full for now"),
    "4.4.1": (False, "no answer"),
}


@pytest.mark.parametrize(("status", "is_hard"), [(name, found[0]) for name, found in STATUSES.items()], ids=STATUSES)
def test_an_address_is_dead_only_by_codes_about_the_address(status: str, is_hard: bool) -> None:
    found = read_report(report([group(status=status)]))
    assert found is not None
    assert found.fates == (Fate(action="failed", status=status, named=(HOME,), is_dead=is_hard),)
    assert not found.goes_on
    message = replace(received(), report=found)
    assert is_hard_bounce(message, [HOME]) is is_hard
    assert not is_hard_bounce(message, ["bob@example.org"]), "only an address that it names"


#: Codes that mean little by themselves, with the server's own words: (status, words, whether the address is dead).
VAGUE: dict[str, tuple[str, str, bool]] = {
    "Exim, unknown": ("5.0.0", "550 No such user here", True),
    "Exim, full": ("5.0.0", "552 Mailbox quota exceeded", False),
    "Exim, spam": ("5.0.0", "554 Message rejected as spam", False),
    "Exim, a list": ("5.0.0", "550 192.0.2.1 is listed by a block list", False),
    "Exim, tried too long": ("5.0.0", "451 greylisted, try again later", False),
    "Yahoo, full": ("5.0.0", "552 1 Requested mail action aborted, mailbox full", False),
    "Gmail, in haste": ("5.2.1", "550 5.2.1 The user is receiving mail at a rate that prevents more", False),
    "Gmail, switched off": ("5.2.1", "550 5.2.1 The account is disabled", True),
    "a sender": ("5.1.0", "550 5.1.0 sender blacklisted", False),
    "outlook.com": ("5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable", True),
    "a code that is sure": ("5.1.1", "550 5.1.1 unknown; policy: https://example.org/policy", True),
}


@pytest.mark.parametrize(("status", "said", "is_hard"), VAGUE.values(), ids=VAGUE)
def test_a_code_that_says_little_is_read_with_the_words_beside_it(status: str, said: str, is_hard: bool) -> None:
    found = read_report(report([group(status=status, diagnostic=said)]))
    assert found is not None
    assert found.is_hard_for([HOME]) is is_hard


@pytest.mark.parametrize(
    ("status", "diagnostic", "expected"),
    [
        ("5.0.0", "550 5.7.1 Rejected", "5.7.1"),
        ("5.0.0", "550 rejected", "5.0.0"),
        ("5.1.1", "550 5.7.1 Rejected", "5.1.1"),
        ("", "550 5.2.2 Full", "5.2.2"),
        ("", "", ""),
        ("5.1.1 (unknown)", "", "5.1.1"),
        ("4.0.0", "from 192.0.2.5: 451 4.7.1 Later", "4.7.1"),
    ],
)
def test_the_servers_own_code_counts_where_the_status_says_nothing(status: str, diagnostic: str, expected: str) -> None:
    found = read_report(report([group(status=status, diagnostic=diagnostic)]))
    assert found is not None
    assert [fate.status for fate in found.fates] == [expected]


def test_a_report_tells_of_whom_and_of_what() -> None:
    found = read_report(report([group()]))
    fate = Fate(action="failed", status="5.1.1", named=(HOME,), is_dead=True)
    assert found == Report(fates=(fate,), message_ids=(SENT_ID,), pitch_id=PITCH_ID)


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_recipients_a_failure_counts_more_than_a_delay(order: int) -> None:
    groups = [group("delayed", "4.4.1", "bob@example.org"), group("failed", "5.1.1")][::order]
    found = read_report(report(groups))
    assert found is not None
    assert not found.goes_on
    assert set(found.recipients) == {HOME, "bob@example.org"}
    assert found.about(["bob@example.org"]).goes_on
    assert not found.about([HOME]).goes_on
    assert (found.is_hard_for([HOME]), found.is_hard_for(["bob@example.org"])) == (True, False)


ORIGINALS: dict[str, tuple[bytes, tuple[str, ...], str]] = {
    "the whole message": (report([group()]), (SENT_ID,), PITCH_ID),
    "its header only": (report([group()], original_type="text/rfc822-headers"), (SENT_ID,), PITCH_ID),
    "its header in base64": (
        report(
            [group()],
            original="TWVzc2FnZS1JRDogPGFAYj4NClgtSW50ZWdyYXRpb25zLVBpdGNoOiA3",
            original_type="text/rfc822-headers\r\nContent-Transfer-Encoding: base64",
        ),
        ("<a@b>",),
        "7",
    ),
    "its id only": (
        report([group()], original=None, of_message=f"Reporting-MTA: dns; x\r\nX-Original-Message-ID: {SENT_ID}"),
        (SENT_ID,),
        "",
    ),
    "nothing": (report([group()], original=None), (), ""),
    "an empty message": (report([group()], original=""), (), ""),
    "a folded id": (report([group()], original=f"Message-ID:\r\n {SENT_ID}"), (SENT_ID,), ""),
}


@pytest.mark.parametrize(("raw", "ids", "pitch_id"), ORIGINALS.values(), ids=ORIGINALS)
def test_a_report_names_the_message_that_it_returns(raw: bytes, ids: tuple[str, ...], pitch_id: str) -> None:
    found = read_report(raw)
    assert found is not None
    assert (found.message_ids, found.pitch_id) == (ids, pitch_id)


def test_what_was_sent_cannot_report_about_itself() -> None:
    """A pitch that holds another report, returned whole: only the outer one counts."""
    inner = report([group("failed", "5.1.1", "bob@example.org")]).decode().replace('"b"', '"c"').replace("--b", "--c")
    found = read_report(report([group("delayed", "4.4.1")], original=f"Message-ID: {SENT_ID}\r\n{inner}"))
    assert found is not None
    assert found.fates == (Fate(action="delayed", status="4.4.1", named=(HOME,)),)
    assert found.message_ids == (SENT_ID,)


NO_REPORTS: dict[str, bytes] = {
    "a text": b"Subject: Hello\r\n\r\nAction: failed\r\n",
    "a read receipt": report([group()]).replace(b"delivery-status;", b"disposition-notification;"),
    "an alternative": report([group()]).replace(b"multipart/report", b"multipart/alternative"),
    "nothing": b"",
}


@pytest.mark.parametrize("raw", NO_REPORTS.values(), ids=NO_REPORTS)
def test_other_mail_is_no_report(raw: bytes) -> None:
    assert read_report(raw) is None


def test_a_report_without_its_type_or_its_parts_is_a_report_without_an_action() -> None:
    untyped = report([group()]).replace(b"report-type=delivery-status; ", b"")
    assert read_report(untyped) == read_report(report([group()]))
    bare = b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n--b--\r\n'
    assert read_report(bare) == Report()


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("multipart/report; report-type=delivery-status", True),
        ("Multipart/Report", True),
        ("text/plain", False),
        ("multipart/mixed; boundary=x", False),
        ("", False),
    ],
)
def test_only_what_may_be_a_report_is_read_whole(content_type: str, expected: bool) -> None:
    assert is_report(content_type) is expected


def test_the_recipients_of_a_bounce_come_from_the_report_and_from_the_header() -> None:
    message = replace(
        received(x_failed_recipients="Bob@example.org, carol@example.org"), report=Report(fates=(Fate(named=(HOME,)),))
    )
    assert failed_recipients(message) == [HOME, "bob@example.org", "carol@example.org"]
    assert failed_recipients(received()) == []


# Threads and senders


def test_ids_are_read_nearest_first_and_once() -> None:
    headers = {"in-reply-to": ["<c@x> (Ann's message)"], "references": ["<a@x>\r\n\t<b@x>", "<c@x>"]}
    assert referenced_ids(headers) == ("<c@x>", "<b@x>", "<a@x>")
    assert referenced_ids({"in-reply-to": ["Your message of Monday"]}) == ()
    assert referenced_ids({}) == ()


SUBJECTS = [
    *("A record", "Re: A record", "RE: RE: a record", "Aw: Re:  A  Record", "Re[2]: A record", "SV: A record"),
    *(
        "Fwd: A record",
        "Automatic reply: A record",
        "Out of Office: Re: A record",
        "Re\uff1aA record",
        " re : A record ",
    ),
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_is_known_whatever_answering_put_before_it(subject: str) -> None:
    assert bare_subject(subject) == "a record"


@pytest.mark.parametrize(("subject", "bare"), [("Revolution: a record", "revolution: a record"), ("", ""), ("Re:", "")])
def test_no_more_than_that_is_taken_from_a_subject(subject: str, bare: str) -> None:
    assert bare_subject(subject) == bare


@pytest.mark.parametrize(
    ("header", "sender"),
    [("Ann <ANN@Example.org>", HOME), ("ann@example.org, bob@example.org", HOME), ("nobody", ""), ("", "")],
)
def test_the_sender_is_the_first_address(header: str, sender: str) -> None:
    assert sender_of({"from": [header]}) == sender


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("=?utf-8?q?R=C3=A9ponse_automatique?= : Story", "Réponse automatique : Story"),
        ("Re: Story", "Re: Story"),
        ("=?nonsense?x?y?=", "=?nonsense?x?y?="),
        ("a =?b", "a =?b"),
    ],
)
def test_a_subject_is_read_as_a_person_reads_it(told: str, read: str) -> None:
    assert in_words(told) == read
