"""Composing: what a pitch looks like to whoever receives it, and that no text in it becomes anything else."""

from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import compat32, default
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations_pipeline.mail.compose import LARGEST, PITCH_HEADER, Letter, Parent, Sender, both_forms, compose
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.mail.test_addresses import texts

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PITCH_ID = "6adafcc1-b30b-43bc-84f0-6e641f59799e"
#: As Gmail makes them: with `Message-ID: ` longer than the 78 characters that are usual for a line.
GMAIL_ID = "<CAB+Aj8dVx=Qx9nQ3xy0123456789012345678901234567890123456789@mail.gmail.com>"


def composed(parent: Parent | None = None, sender: Sender | None = None, **changes: str) -> bytes:
    letter = {"pitch_id": PITCH_ID, "to": "ann@example.org", "subject": "A record", "body": "Hello!", **changes}
    return compose(Letter(**letter), sender or Sender(address="me@agency.org"), NOON, parent)


def parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=default)


def told(raw: bytes, name: str) -> str:
    """A header's text, by the older parser: the newer one puts blanks between the pieces of a long name."""
    return " ".join(str(make_header(decode_header(str(message_from_bytes(raw, policy=compat32)[name])))).split())


def forms(raw: bytes) -> tuple[str, str]:
    """(plain text, HTML)."""
    message = parsed(raw)
    assert message.get_content_type() == "multipart/alternative"
    plain, rich = message.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    shown, document = plain.get_content(), rich.get_content()
    return shown.replace("\r\n", "\n"), document.replace("\r\n", "\n")


# Headers


def test_a_pitch_has_just_these_headers() -> None:
    message = parsed(composed())
    assert message.keys() == [
        *("From", "To", "Subject", "Date", "Message-ID", PITCH_HEADER, "MIME-Version", "Content-Type"),
    ]
    assert (message["From"], message["To"], message["Subject"]) == ("me@agency.org", "ann@example.org", "A record")
    assert message["Date"].datetime == NOON
    assert message[PITCH_HEADER] == PITCH_ID
    assert message["Message-ID"].endswith("@agency.org>")
    assert composed() != composed(), "every message has an id of its own"


def test_every_line_ends_and_is_as_mail_wants_it() -> None:
    raw = composed(
        parent=Parent(message_id=GMAIL_ID, references=[GMAIL_ID.replace("A", str(n)) for n in range(20)]),
        sender=Sender(address="me@agency.org", name="Ü" * 300, signature="é" * 300),
        subject="Ein Lied für dich " * 30,
        body="Größe " * 2_000,
        to_name="李雷" * 100,
    )
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) <= 78 + len(GMAIL_ID)


NAMES = {
    "plain": "Ann Lee",
    "a comma": "Lee, Ann",
    "quotes and a backslash": 'Ann "A\\B" Lee',
    "other letters": "Zoë Ångström",
    "other scripts": "李雷",
    "pictures of several characters": "Ann 👨‍👩‍👧",
    "what looks like an address": "bob@example.org",
    "what looks like a list": "bob@example.org, carol@example.org",
    "what looks like an address with a name": "Bob <bob@example.org>",
    "what looks like an encoded word": "=?utf-8?q?Ann=0ABcc=3A_bob=40example.org?=",
    "a long one with a comma": "Lee, " * 40 + "Ann",
    "a long list of addresses": "bob@example.org, " * 20 + "Ann",
    "long quotes": '"' + "ë" * 100 + '"',
    "half of quotes at the end of a long one": "a" * 90 + '"',
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_stays_a_name(name: str) -> None:
    raw = composed(to_name=name, sender=Sender(address="me@agency.org", name=name))
    for header, address in (("From", "me@agency.org"), ("To", "ann@example.org")):
        ((shown, found),) = getaddresses([str(message_from_bytes(raw, policy=compat32)[header])])
        assert found == address
        assert str(make_header(decode_header(shown))) == name
        assert [each.addr_spec for each in parsed(raw)[header].addresses] == [address]


@pytest.mark.parametrize(
    "subject", [*NAMES.values(), "x" * 900, "Ünï " * 300], ids=[*NAMES, "long", "long and not ASCII"]
)
def test_a_subject_stays_a_subject(subject: str) -> None:
    assert told(composed(subject=subject), "Subject") == subject.strip()


BREAKS = [
    "\n",
    "\r\n",
    "\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\0",
    "\n\n",
    "\r\n\r\n",
]
ENCODED = ["=?utf-8?q?=0A", "=?utf-8?q?=0D=0A", "=?iso-8859-1?q?=85"]


@pytest.mark.parametrize(
    "field", ["subject", "to_name", "name", "list_unsubscribe", "message_id", "references", "thread"]
)
@pytest.mark.parametrize("broken", [*BREAKS, *ENCODED])
def test_no_text_begins_another_header(field: str, broken: str) -> None:
    evil = f"Hi{broken}Bcc: bob@example.org?={broken}X-Evil: 1"
    ways: dict[str, Any] = {
        "subject": {"subject": evil},
        "to_name": {"to_name": evil},
        "name": {"sender": Sender(address="me@agency.org", name=evil)},
        "list_unsubscribe": {
            "sender": Sender(address="me@agency.org", list_unsubscribe=f"<https://x.org/{evil}>{evil}")
        },
        "message_id": {"parent": Parent(message_id=f"<a@b>{evil}")},
        "references": {"parent": Parent(message_id="<a@b>", references=[f"<c@d{evil}>", f"<e@f>{evil}"])},
        "thread": {"parent": Parent(message_id="<a@b>", subject=evil)},
    }
    message = parsed(composed(**ways[field]))
    assert "Bcc" not in message
    assert "X-Evil" not in message
    assert len(message["To"].addresses) == len(message["From"].addresses) == 1
    assert message[PITCH_HEADER] == PITCH_ID


@pytest.mark.parametrize(
    "address", ["", "ann", "a b@example.org", "a@b\r\nBcc: c@example.org", "<a@b>", "a@b,c@d", "ä@b.org"]
)
def test_what_is_no_address_is_refused_before_anything_is_made_of_it(address: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        composed(to=address)
    with pytest.raises(ValueError, match="not an address"):
        composed(sender=Sender(address=address))


# Threads


def test_an_answer_names_what_it_answers_and_all_before_it() -> None:
    earlier = [GMAIL_ID.replace("CAB", f"CA{number}") for number in range(3)]
    raw = composed(parent=Parent(message_id=GMAIL_ID, references=earlier, subject="A record"), subject="Ignored")
    message = message_from_bytes(raw, policy=compat32)
    assert message["In-Reply-To"] == GMAIL_ID
    assert str(message["References"]).split() == [*earlier, GMAIL_ID]
    assert message["Subject"] == "Re: A record"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("A record", "Re: A record"),
        ("Re: A record", "Re: A record"),
        ("RE: A record", "RE: A record"),
        ("Reply", "Re: Reply"),
    ],
)
def test_an_answer_is_under_the_subject_of_the_thread(subject: str, expected: str) -> None:
    assert parsed(composed(parent=Parent(message_id=GMAIL_ID, subject=subject)))["Subject"] == expected


def test_a_message_id_is_named_once() -> None:
    raw = composed(parent=Parent(message_id=GMAIL_ID, references=[GMAIL_ID, "<a@b>", GMAIL_ID]))
    assert str(message_from_bytes(raw, policy=compat32)["References"]).split() == [GMAIL_ID, "<a@b>"]


# Unsubscribing


@pytest.mark.parametrize(
    ("setting", "ways", "is_one_click"),
    [
        ("", None, False),
        ("<mailto:stop@agency.org>", "<mailto:stop@agency.org>", False),
        ("<https://agency.org/stop>", "<https://agency.org/stop>", True),
        ("<https://agency.org/s>, <mailto:stop@agency.org>", "<https://agency.org/s>, <mailto:stop@agency.org>", True),
        (f"<https://agency.org/{'s' * 300}>", f"<https://agency.org/{'s' * 300}>", True),
    ],
    ids=["none", "by mail", "one click", "both", "a long address"],
)
def test_a_way_out_is_told_as_the_standards_have_it(setting: str, ways: str | None, is_one_click: bool) -> None:
    message = message_from_bytes(
        composed(sender=Sender(address="me@agency.org", list_unsubscribe=setting)), policy=compat32
    )
    assert (" ".join(message["List-Unsubscribe"].split()) if ways else message["List-Unsubscribe"]) == ways
    assert message["List-Unsubscribe-Post"] == ("List-Unsubscribe=One-Click" if is_one_click else None)


# Bodies

BODIES: dict[str, tuple[str, str, str]] = {
    "plain": ("Hello!\n\nBye", "Hello!\n\nBye", "<p>Hello!</p><p>Bye</p>"),
    "lines": ("one\ntwo\r\nthree\rfour", "one\ntwo\nthree\nfour", "<p>one<br>two<br>three<br>four</p>"),
    "signs of HTML in plain text": ("1 < 2 & 3 > 2", "1 < 2 & 3 > 2", "<p>1 &lt; 2 &amp; 3 &gt; 2</p>"),
    "plain text that begins with an address": ("<p@x.org> wrote", "<p@x.org> wrote", "<p>&lt;p@x.org&gt; wrote</p>"),
    "HTML": ("<p>Hello, <b>Ann</b></p><p>Bye</p>", "Hello, Ann\n\nBye", "<p>Hello, <b>Ann</b></p><p>Bye</p>"),
    "HTML with entities": (
        "<p>Fish &amp; chips&nbsp;&euro;5</p>",
        "Fish & chips €5",
        "<p>Fish &amp; chips&nbsp;&euro;5</p>",
    ),
    "a link": ('<a href="https://x.org/a">here</a>', "here <https://x.org/a>", '<a href="https://x.org/a">here</a>'),
    "a link that shows itself": (
        '<a href="https://x.org">https://x.org</a>',
        "https://x.org",
        '<a href="https://x.org">',
    ),
    "style and script": ("<div><style>p{}</style>Hi<script>x()</script></div>", "Hi", "<style>p{}</style>"),
    "a stray end": ("<p>Hi</title> there</p>", "Hi there", "</title>"),
    "other letters": ("Zoë 李雷 👋", "Zoë 李雷 👋", "<p>Zoë 李雷 👋</p>"),
    "NUL and half a character": ("a\0b\ud800", "ab?", "<p>ab?</p>"),
    "a dot alone in a line": ("a\n.\nb", "a\n.\nb", "<p>a<br>.<br>b</p>"),
    "nothing": ("", "", "<p></p>"),
}


@pytest.mark.parametrize(("body", "plain", "rich"), BODIES.values(), ids=BODIES)
def test_a_body_goes_out_as_text_and_as_html(body: str, plain: str, rich: str) -> None:
    shown, document = forms(composed(body=body))
    assert shown.rstrip("\n") == plain
    assert rich in document
    assert document.count("<html>") == document.count("</html>") == document.count("<body>") == 1


def test_a_whole_document_stays_one_and_gets_the_signature_before_its_end() -> None:
    body = "<!DOCTYPE html><html><head><title>T</title></head><body class='x'><p>Hi</p></BODY></html>"
    plain, document = forms(composed(body=body, sender=Sender(address="me@agency.org", signature="Ann")))
    assert plain == "Hi\n\n-- \nAnn\n"
    assert document.rstrip("\n") == body.replace("</BODY>", "<br><p>Ann</p></BODY>")


def test_a_signature_stands_below_both_forms() -> None:
    sender = Sender(address="me@agency.org", signature="<b>Ann</b> Lee")
    plain, document = forms(composed(sender=sender))
    assert plain == "Hello!\n\n-- \nAnn Lee\n"
    assert document.rstrip("\n") == "<!doctype html><html><body><p>Hello!</p><br><b>Ann</b> Lee</body></html>"
    assert "-- " not in forms(composed(sender=Sender(address="me@agency.org", signature=" ")))[0]


def test_what_is_far_too_large_is_known_before_it_is_made() -> None:
    def letter(body: str) -> Letter:
        return Letter(pitch_id=PITCH_ID, to="ann@example.org", subject="A record", body=body)

    assert letter("x" * (LARGEST // 2 + 1)).least_size > LARGEST
    assert letter("<p>" + "x" * (LARGEST // 2 + 1)).least_size < LARGEST
    for body in ("Hello!", "<p>Hello</p>", ""):
        assert letter(body).least_size <= len(composed(body=body))


SEEN: Counter[str] = Counter()
ALLOWED = {
    *("in-reply-to", "references", "list-unsubscribe", "list-unsubscribe-post", "from", "to", "subject", "date"),
    *("message-id", "x-integrations-pitch", "mime-version", "content-type"),
}


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries({name: texts for name in ("subject", "to_name", "body", "note", "id")}), st.booleans())
def test_whatever_is_written_the_message_is_whole_and_goes_to_one_person(
    drawn: dict[str, str], is_answer: bool
) -> None:
    gather("composed", SEEN)
    note, message_id = drawn.pop("note"), drawn.pop("id")
    sender = Sender(address="me@agency.org", name=note, signature=note, list_unsubscribe=message_id)
    parent = Parent(message_id=message_id, references=[note, message_id], subject=note) if is_answer else None
    raw = composed(parent, sender, **drawn)
    assert raw.isascii()
    message = parsed(raw)
    assert {name.lower() for name in message} <= ALLOWED
    assert len(message.keys()) == len(set(message.keys()))
    assert [each.addr_spec for each in message["To"].addresses] == ["ann@example.org"]
    assert [each.addr_spec for each in message["From"].addresses] == ["me@agency.org"]
    assert message[PITCH_HEADER] == PITCH_ID
    assert forms(raw)[0].rstrip("\n").startswith(both_forms(drawn["body"])[0].rstrip())
    SEEN["messages"] += 1
    SEEN["answers"] += is_answer
    SEEN["with line breaks in a header"] += any(len(drawn[name].splitlines()) > 1 for name in ("subject", "to_name"))


def test_the_drawn_letters_were_worth_composing() -> None:
    assert SEEN["messages"] >= 25
    assert SEEN["answers"] >= 5
    assert SEEN["with line breaks in a header"] >= 5
