"""When two values of a field are the same value."""

import pytest

from integrations_pipeline.engine.canonical import canonical, differing, identity_key, is_same
from integrations_pipeline.model import FieldKind
from integrations_pipeline_tests.builders import COMPANY, EMAIL, NAME, TAGS, tags

TEXT, MAIL, SET, CONSENT = FieldKind.TEXT, FieldKind.EMAIL, FieldKind.SET, FieldKind.CONSENT


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        pytest.param("", TEXT, "", id="empty text"),
        pytest.param(" \t", TEXT, "", id="blank text is empty"),
        pytest.param("  Ann  Lee ", TEXT, "Ann  Lee", id="outer blanks go, inner stay"),
        pytest.param("a\r\nb", TEXT, "a\nb", id="line ends become LF"),
        pytest.param("Zoe\u0308", TEXT, "Zo\u00eb", id="decomposed becomes composed"),
        pytest.param("Ann", TEXT, "Ann", id="text keeps its case"),
        pytest.param("0", TEXT, "0", id="zero is a value"),
        pytest.param(" Ann@Example.ORG ", MAIL, "ann@example.org", id="e-mail loses case and blanks"),
        pytest.param("JOSE\u0301@example.org", MAIL, "jos\u00e9@example.org", id="e-mail is composed, then lower"),
        pytest.param(tags("b", "a"), SET, tags("a", "b"), id="members are sorted"),
        pytest.param("a\x1fa\x1f\x1f b ", SET, tags("a", "b"), id="members count once, blanks go"),
        pytest.param("", SET, "", id="the empty set"),
        pytest.param("true", CONSENT, "true", id="opted out"),
        pytest.param("TRUE ", CONSENT, "true", id="opted out in capitals"),
        pytest.param("1", CONSENT, "true", id="opted out as one"),
        pytest.param("yes", CONSENT, "true", id="opted out as yes"),
        pytest.param("false", CONSENT, "", id="false is not opted out"),
        pytest.param("", CONSENT, "", id="nothing told is not opted out"),
    ],
)
def test_the_canonical_form_of_a_value(value: str, kind: FieldKind, expected: str) -> None:
    assert canonical(value, kind) == expected


@pytest.mark.parametrize(
    ("left", "right", "kind", "expected"),
    [
        pytest.param("x", "x", TEXT, True, id="equal text"),
        pytest.param("x", "X", TEXT, False, id="text differs by case"),
        pytest.param("x", "X", MAIL, True, id="e-mail does not"),
        pytest.param(tags("vip"), tags("VIP"), SET, False, id="members differ by case"),
        pytest.param(tags("a", "b"), tags("b", "a"), SET, True, id="members have no order"),
        pytest.param("a", "", TEXT, False, id="cleared is different"),
        pytest.param("yes", "true", CONSENT, True, id="two ways to opt out"),
        pytest.param("2024-01-31T08:00:00.000Z", "2024-01-31T08:00:00Z", TEXT, True, id="one moment"),
        pytest.param("2024-01-31T10:00:00+02:00", "2024-01-31T08:00:00Z", TEXT, True, id="one moment, two zones"),
        pytest.param("2024-01-31T08:00:00.001Z", "2024-01-31T08:00:00Z", TEXT, False, id="a moment later"),
        pytest.param("2024-01-31T08:00:00", "2024-01-31T08:00:00Z", TEXT, False, id="a moment without a zone"),
        pytest.param("2024-01-31T00:00:00Z", "2024-01-31", TEXT, False, id="a day is no moment"),
        pytest.param("2024-13-31T08:00:00Z", "2024-13-31T08:00Z", TEXT, False, id="no such month"),
        pytest.param("0001-01-01T00:00:00+05:00", "0001-01-01T00:00+05:00", TEXT, False, id="before the calendar"),
    ],
)
def test_whether_two_values_are_the_same(left: str, right: str, kind: FieldKind, expected: bool) -> None:
    assert is_same(left, right, kind) is expected
    assert is_same(right, left, kind) is expected


def test_a_member_with_a_line_end_is_not_two_members() -> None:
    assert not is_same(tags("a\nb"), tags("a", "b"), SET)


def test_differing_fields_come_in_rule_order_and_a_missing_key_counts_as_empty() -> None:
    left = {"email": "A@example.org", "name": "Ann", "tags": tags("a")}
    right = {"email": "a@example.org", "company": "Acme", "tags": tags("a", "b")}
    assert differing(left, right, (TAGS, COMPANY, NAME, EMAIL)) == (TAGS, COMPANY, NAME)
    assert differing({"name": ""}, {}, (NAME,)) == ()


def test_the_identity_key_is_the_canonical_e_mail_or_nothing() -> None:
    assert identity_key(" A@Example.org") == "a@example.org"
    assert identity_key("  ") == ""
