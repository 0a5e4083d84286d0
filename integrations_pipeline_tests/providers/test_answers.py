"""What the answer to a write says of a value."""

import pytest

from integrations_pipeline.model import FieldKind, join_set
from integrations_pipeline.providers.answers import Taken, judge, verdict_on

SAME, NORMALISED, LOST = Taken.SAME, Taken.NORMALISED, Taken.LOST


@pytest.mark.parametrize(
    ("sent", "back", "taken"),
    [
        ("Ann", "Ann", SAME),
        (" Ann ", "Ann", SAME),
        ("", "", SAME),
        ("Ann", "", LOST),
        ("", "Ann", LOST),
        ("Ann Smith", "Ann S", LOST),
        ("Ann", "Bo", LOST),
        ("A-1", "a 1", NORMALISED),
        ("+44 20 7946 0001", "+442079460001", NORMALISED),
        ("example.org", "http://example.org", NORMALISED),
        ("5", "15", LOST),
        ("ÅSA", "åsa", NORMALISED),
        ("!!!", "???", LOST),
        ("1.5", "15", LOST),
        ("-5", "5", LOST),
        ("3.5", "3.50 kg", LOST),
        ("3.5", "3,5", NORMALISED),
        ("2079460001", "+442079460001", NORMALISED),
        ("nan", "NaN", NORMALISED),
    ],
)
def test_one_text(sent: str, back: str, taken: Taken) -> None:
    assert judge(sent, back, FieldKind.TEXT) is taken


@pytest.mark.parametrize(
    ("sent", "back", "taken"),
    [
        (("a", "b"), ("b", "a"), NORMALISED),
        (("press",), ("Press",), NORMALISED),
        (("a", "b"), ("a",), LOST),
        (("a",), ("a", "b"), LOST),
        (("a",), (), LOST),
        (("C", "C++"), ("C",), LOST),
        (("C++",), ("C",), LOST),
        (("⭐",), ("❤",), LOST),
        (("A  B",), ("a b",), NORMALISED),
    ],
)
def test_one_set(sent: tuple[str, ...], back: tuple[str, ...], taken: Taken) -> None:
    assert judge(join_set(sent), join_set(back), FieldKind.SET) is taken


@pytest.mark.parametrize(
    ("back", "taken"),
    [
        ("ann+news@example.org", SAME),
        (" Ann+News@EXAMPLE.org", SAME),
        ("annnews@example.org", LOST),
        ("ann.news@example.org", LOST),
        ("joann+news@example.org", LOST),
        ("ann+news@example.org.uk", LOST),
        ("", LOST),
    ],
)
def test_one_email(back: str, taken: Taken) -> None:
    assert judge("ann+news@example.org", back, FieldKind.EMAIL) is taken


def test_what_an_answer_does_not_show_says_nothing() -> None:
    found = verdict_on(
        {"name": "Ann", "company": "Acme", "phone": "1-2"},
        {"company": "", "phone": "12"},
        lambda _, sent, back: judge(sent, back, FieldKind.TEXT),
    )
    assert found.answered == {"company": "", "phone": "12"}
    assert found.lost == {"company"}
