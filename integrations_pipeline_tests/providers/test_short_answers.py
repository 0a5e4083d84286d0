"""A short text that stands within what was answered may stand there by chance."""

import pytest

from integrations_pipeline.model import FieldKind
from integrations_pipeline.providers.answers import Taken, judge


@pytest.mark.parametrize(
    ("sent", "back", "taken"),
    [
        ("ab", "cab", Taken.LOST),
        ("abc", "abcd", Taken.LOST),
        ("abcd", "abcde", Taken.NORMALISED),
        ("A-1", "a 1", Taken.NORMALISED),
    ],
)
def test_less_than_four_letters_within_others_are_not_kept(sent: str, back: str, taken: Taken) -> None:
    assert judge(sent, back, FieldKind.TEXT) is taken
