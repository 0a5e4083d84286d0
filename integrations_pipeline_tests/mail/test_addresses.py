"""Addresses: who can be written to, and who stands in a header."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations_pipeline.mail.addresses import addresses_of, correspondents, is_machine, spellings, valid_recipient
from integrations_pipeline.mail.classify import Received, bare_subject, classify, referenced_ids
from integrations_pipeline.mail.notices import read_bounce
from integrations_pipeline.mail.reports import read_report
from integrations_pipeline_tests.counts import gather

RECIPIENTS = {
    "plain": ("ann@example.org", "ann@example.org"),
    "blanks around": (" ann@example.org\n", "ann@example.org"),
    "the local part keeps its case, the domain does not": ("Ann.Lee@Example.ORG", "Ann.Lee@example.org"),
    "64 characters before the at sign": ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    "a tag": ("ann+music@example.org", "ann+music@example.org"),
    "a domain in other letters": ("ann@bücher.example", "ann@xn--bcher-kva.example"),
    "the same domain in ASCII": ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
}
NO_RECIPIENTS = {
    "nothing": "",
    "no at sign": "ann",
    "no domain": "ann@",
    "no local part": "@example.org",
    "no dot in the domain": "ann@example",
    "two addresses": "ann@example.org, bob@example.org",
    "two, with a semicolon": "ann@example.org;bob@example.org",
    "with a name": "Ann <ann@example.org>",
    "a line break": "ann@exam\nple.org",
    "another header": "ann@example.org\r\nBcc: bob@example.org",
    "a local part in other letters": "änn@example.org",
    "half a character": "\ud800@example.org",
    "NUL": "ann@\0example.org",
    "too long": "ann@" + "a" * 64 + ".org",
    "65 characters before the at sign": "a" * 65 + "@example.org",
    "two dots": "ann..lee@example.org",
}


@pytest.mark.parametrize(("text", "address"), RECIPIENTS.values(), ids=RECIPIENTS)
def test_one_address_can_be_written_to(text: str, address: str) -> None:
    assert valid_recipient(text) == address


@pytest.mark.parametrize("text", NO_RECIPIENTS.values(), ids=NO_RECIPIENTS)
def test_what_is_not_exactly_one_address_cannot_be_written_to(text: str) -> None:
    assert valid_recipient(text) is None
    assert spellings(text) == []


@pytest.mark.parametrize("text", ["ann@bücher.example", "Ann@XN--BCHER-KVA.example"])
def test_an_address_is_known_by_both_spellings_of_its_domain(text: str) -> None:
    assert spellings(text) == ["ann@bücher.example", "ann@xn--bcher-kva.example"]


HEADERS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "bare": ("ann@example.org", [("", "ann@example.org")]),
    "with a name": ("Ann Lee <ann@example.org>", [("Ann Lee", "ann@example.org")]),
    "a quoted comma": ('"Lee, Ann" <ann@example.org>', [("Lee, Ann", "ann@example.org")]),
    "quoted quotes": (r'"Ann \"A\" Lee" <ann@example.org>', [('Ann "A" Lee', "ann@example.org")]),
    "an address in the name": ('"bob@example.org" <ann@example.org>', [("bob@example.org", "ann@example.org")]),
    "other letters, as Gmail gives them": ("Zoë Ångström <z@example.org>", [("Zoë Ångström", "z@example.org")]),
    "an encoded word": ("=?utf-8?q?Zo=C3=AB?= <z@example.org>", [("Zoë", "z@example.org")]),
    "an encoded comma": ("=?utf-8?q?Lee=2C_Ann?= <ann@example.org>", [("Lee, Ann", "ann@example.org")]),
    "a word that is encoded in two pieces": (
        "=?utf-8?b?Wm8=?= =?utf-8?b?w6s=?= <z@example.org>",
        [("Zoë", "z@example.org")],
    ),
    "an encoded word in quotes": ('"=?iso-8859-1?q?Zo=EB?=" <z@example.org>', [("Zoë", "z@example.org")]),
    "an address that hides in an encoded word": (
        "=?utf-8?q?bob=40example=2Eorg=2C?= <ann@example.org>",
        [("bob@example.org,", "ann@example.org")],
    ),
    "a group": (
        "Team: ann@example.org, Bob <bob@example.org>;, carol@example.org",
        [("", "ann@example.org"), ("Bob", "bob@example.org"), ("", "carol@example.org")],
    ),
    "nobody": ("undisclosed-recipients:;", []),
    "a comment": ("ann@example.org (Ann Lee)", [("", "ann@example.org")]),
    "folded": ("Ann\r\n Lee\r\n\t<ann@example.org>", [("Ann Lee", "ann@example.org")]),
    "junk between": (
        "ann@example.org, , <>, nobody, bob@example.org",
        [("", "ann@example.org"), ("", "bob@example.org")],
    ),
    "an unknown charset": ("=?x-unknown?q?A?= <ann@example.org>", [("", "ann@example.org")]),
}


@pytest.mark.parametrize(("header", "expected"), HEADERS.values(), ids=HEADERS)
def test_addresses_are_read_from_headers(header: str, expected: list[tuple[str, str]]) -> None:
    assert [(each.display_name, each.addr_spec) for each in addresses_of([header])] == expected


MACHINES = [
    *("no-reply@x.org", "noreply@x.org", "No.Reply@x.org", "no_reply@x.org", "noreply-123@x.org", "donotreply@x.org"),
    *("do-not-reply+7@x.org", "mailer-daemon@x.org", "MAILER-DAEMON@x.org", "postmaster@x.org", "bounce@x.org"),
    *("bounces+12-ab=x.org@mail.org", "bounce-77@x.org", "auto-reply@x.org"),
]


@pytest.mark.parametrize("address", MACHINES)
def test_nobody_reads_mail_to_a_machine(address: str) -> None:
    assert is_machine(address)


@pytest.mark.parametrize(
    "address", ["ann@x.org", "nora.eply@x.org", "bouncer@x.org", "reply@x.org", "postmasters@x.org"]
)
def test_people_are_no_machines(address: str) -> None:
    assert not is_machine(address)


OWN = ["me@agency.org", "desk@agency.org"]


def test_correspondents_are_all_whom_a_message_was_exchanged_with() -> None:
    headers = {
        "from": ["Ann <Ann@Example.org>"],
        "reply-to": ["ann.private@example.org"],
        "to": ['Me <me@agency.org>, "Lee, Bob" <bob@example.org>'],
        "cc": ["desk@agency.org, Team: carol@example.org;", "dora@example.org"],
    }
    assert correspondents(headers, OWN) == {
        "ann@example.org": "Ann",
        "ann.private@example.org": "",
        "bob@example.org": "Lee, Bob",
        "carol@example.org": "",
        "dora@example.org": "",
    }
    assert list(correspondents(headers, OWN, ["from"])) == ["ann@example.org"]


NOBODY: dict[str, dict[str, list[str]]] = {
    "own address": {"from": ["ME@agency.org"]},
    "own address with a tag": {"from": ["me+shop@agency.org"]},
    "a machine": {"from": ["no-reply@example.org"]},
    "a list": {"from": ["ann@example.org"], "list-id": ["<news.example.org>"]},
    "a mass mailing": {"from": ["ann@example.org"], "list-unsubscribe": ["<https://example.org/u>"]},
    "a mass mailing that only its sender's own system marks": {"from": ["ann@example.org"], "feedback-id": ["1:x"]},
    "what mail cannot be sent to": {"from": ["ann@localhost"]},
    "no header at all": {},
}


@pytest.mark.parametrize("headers", NOBODY.values(), ids=NOBODY)
def test_machines_lists_and_ourselves_are_no_correspondents(headers: dict[str, list[str]]) -> None:
    assert correspondents(headers, OWN) == {}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("'Ann Lee' <ann@example.org>", "Ann Lee"),
        ('"ann@example.org" <ann@example.org>', ""),
        ("ann@example.org, Ann <ann@example.org>", "Ann"),
        ("Ann\u00a0Lee <ann@example.org>", "Ann Lee"),
        ("A\0nn <ann@example.org>", "Ann"),
    ],
    ids=["quotes of another kind", "an address is no name", "a name that comes later", "odd blanks", "NUL"],
)
def test_names_are_taken_as_people_write_them(header: str, name: str) -> None:
    assert correspondents({"from": [header]}, OWN) == {"ann@example.org": name}


#: What broke parsers before, and what drawn texts are made of.
GARBAGE = [
    *('"', "<", ">", "@", ",", ";", ":", "(", ")", "\\", "[", "]", "'", "..", ".", " ", "x", "é", "\u2028", "\x85"),
    *("\0", "\ud800", "\n", "\r\n", "=?", "?=", "=?utf-8?q?a=0Ab?=", "=?utf-8?b?/w==?=", "=?x?y?z?=", "=?utf-8?q??="),
    *(
        "ann@example.org",
        "Content-Type: multipart/report; boundary=b\n",
        "\n\n",
        "--b\n",
        "--b--\n",
        "Action: failed\n",
    ),
    *("Content-Type: message/delivery-status\n", "Status: 5.1.1\n", "Content-Type: message/rfc822\n"),
    *("Final-Recipient: rfc822; a@b.c\n", "Content-Transfer-Encoding: base64\n", "Message-ID: <a@b>\n"),
]
garbage = st.lists(st.sampled_from(GARBAGE), max_size=25).map("".join) | st.text(max_size=40)
#: Garbage alone hardly ever has an address that a parser finds.
texts = garbage | garbage.map("Ann <ann@example.org>, {}".format)
SEEN: Counter[str] = Counter()


@settings(max_examples=100, deadline=None)
@given(texts, st.sampled_from(["From", "To", "Cc", "Reply-To"]))
def test_no_header_and_no_body_is_too_broken_to_be_read(text: str, name: str) -> None:
    gather("broken mail", SEEN)
    found = addresses_of([text], name)
    assert all(each.username and each.domain for each in found)
    SEEN["headers"] += 1
    SEEN["with addresses"] += bool(found)
    headers = {name.lower(): [text], "subject": [text], "return-path": [text], "references": [text]}
    assert not correspondents(headers, OWN).keys() & set(OWN)
    assert valid_recipient(text) is None or "@" in text
    classify(Received(headers=headers, snippet=text), OWN)
    bare_subject(text)
    referenced_ids(headers)
    for raw in (text, "Content-Type: multipart/report; boundary=b\n\n--b\n" + text):
        SEEN["reports"] += read_report(raw.encode("utf-8", "replace")) is not None
    for raw in (text, f"Subject: failure notice\n\n{text}", f"Content-Type: text/html\n\n{text}"):
        SEEN["notices"] += read_bounce(raw.encode("utf-8", "replace")) is not None


def test_the_drawn_headers_were_worth_reading() -> None:
    assert SEEN["headers"] >= 25
    assert SEEN["with addresses"] >= 1
    assert SEEN["reports"] >= 1
    assert SEEN["notices"] >= 10


@pytest.mark.parametrize("text", ["(" * 50_000, "<" * 50_000, '"' * 50_001, "a@b.org," * 3_000, "=?utf-8?q?" * 5_000])
def test_a_header_that_goes_on_forever_is_read_to_its_end(text: str) -> None:
    assert len(addresses_of([text], "To")) == text.count("a@b.org")
