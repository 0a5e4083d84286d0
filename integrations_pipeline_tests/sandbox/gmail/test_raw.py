"""Header fields are read and changed without touching anything else, and addresses are told from what is none."""

import pytest

from integrations_sandbox.gmail import parts
from integrations_sandbox.gmail.raw import RawMail, addresses, is_valid_recipients, message_ids


@pytest.mark.parametrize(
    ("raw", "fields", "body"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nBody\r\n", [("A", b" 1"), ("B", b" 2")], b"Body\r\n"),
        (b"A: 1\n two\nB:2\n\nBody\n", [("A", b" 1\r\n two"), ("B", b"2")], b"Body\r\n"),
        (b"A: 1\rB: 2\r\rBody", [("A", b" 1"), ("B", b" 2")], b"Body"),
        (b"\r\nBody", [], b"Body"),
        (b"no field\r\nA: 1\r\n\r\nBody", [], b"no field\r\nA: 1\r\n\r\nBody"),
        (b"A: 1\r\nno field\r\n\r\nBody", [("A", b" 1")], b"no field\r\n\r\nBody"),
        (b"A: 1", [("A", b" 1")], b""),
        (b"A : 1\r\n\r\n", [("A", b" 1")], b""),
        (b" folded\r\n\r\nBody", [], b" folded\r\n\r\nBody"),
        (b"", [], b""),
    ],
)
def test_a_mail_is_split_into_fields_and_body(raw: bytes, fields: list[tuple[str, bytes]], body: bytes) -> None:
    mail = RawMail.parse(raw)
    assert (list(mail.fields), mail.body) == (fields, body)
    assert RawMail.parse(mail.to_bytes()) == mail


def test_a_field_is_set_in_its_place_and_others_of_its_name_go() -> None:
    mail = RawMail.parse(b"A: 1\r\nmessage-id: <x>\r\nB: 2\r\nMessage-Id: <y>\r\n\r\n.")
    assert mail.with_field("Message-ID", "<z>").to_bytes() == b"A: 1\r\nmessage-id: <z>\r\nB: 2\r\n\r\n."
    assert mail.with_field("C", "3").to_bytes().endswith(b"Message-Id: <y>\r\nC: 3\r\n\r\n.")
    assert mail.without("a", "MESSAGE-ID").to_bytes() == b"B: 2\r\n\r\n."
    assert mail.below(("Z", "0")).to_bytes().startswith(b"Z: 0\r\nA: 1\r\n")


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("a@b.org", True),
        ("Ada <a@b.org>, Bob <b@b.org>", True),
        ('"Doe, J" <a@b.org>', True),
        ("A.B. C <a@b.org>", True),
        ("=?utf-8?q?Doe=2C_J?= <a@b.org>", True),
        ("José <j@x.org>", True),
        ("a@b.org, ", True),
        ("", True),
        ("undisclosed-recipients:;", True),
        ("Team: a@b.org;", False),
        ("a", False),
        ("a@b", False),
        ("a@", False),
        ("@b.org", False),
        ("a b@c.org", False),
        ("a..b@x.org", False),
        ("a@b@c.org", False),
        ("<a@b.org", False),
        ("Ada <a@b.org> x", False),
        ("a@b.org; c@d.org", False),
        ("jörg@x.org", False),
        ("[a@b.org]", False),
    ],
)
def test_recipients_are_addresses_that_gmail_takes(text: str, is_valid: bool) -> None:
    assert is_valid_recipients(text) is is_valid


def test_addresses_and_identifiers_are_found_among_other_text() -> None:
    assert addresses('"Doe, J" <A@B.org>, nobody, c@d.org') == ["a@b.org", "c@d.org"]
    assert message_ids("<a@b>\r\n <c@d> junk <e f> <g>") == ["<a@b>", "<c@d>", "<g>"]


@pytest.mark.parametrize("text", ["a", "a b", "%%%%", "é"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parts.decoded(text)
