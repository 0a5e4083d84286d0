"""Merge values as texts, and texts as merge values."""

import pytest

from integrations_pipeline.errors import PermanentError
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.mailchimp.fields import MergeField, from_merged, to_merge


@pytest.mark.parametrize("value", [None, True, False, {}, {"error": "#N/A"}])
def test_what_is_no_value_of_a_merge_field_is_absent(value: object) -> None:
    assert from_merged({"COMPANY": value}, ["COMPANY"]) is None
    assert from_merged({"FNAME": "Ann", "LNAME": value}, ["FNAME", "LNAME"]) is None


@pytest.mark.parametrize(("value", "text"), [("", ""), (0, "0"), (2.5, "2.5"), ({"addr1": "", "city": ""}, "")])
def test_an_empty_merge_field_is_empty_and_nought_is_a_number(value: object, text: str) -> None:
    assert from_merged({"COMPANY": value}, ["COMPANY"]) == text


def sent(text: str) -> object:
    born = MergeField(tag="BORN", type="date")
    return to_merge(text, MappedField(name="custom_fields.born", column="BORN"), {"BORN": born}, {})["BORN"]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-01-31", "2026-01-31"),
        ("1/31/2026", "2026-01-31"),
        ("12/13/1999", "1999-12-13"),
        ("5/5/2026", "2026-05-05"),
    ],
)
def test_a_day_is_read_with_the_month_first_where_only_that_can_be_meant(text: str, day: str) -> None:
    assert sent(text) == day


@pytest.mark.parametrize("text", ["1/2/2026", "12/11/1999", "31/12/1999", "31.12.1999", "2/30/2026"])
def test_a_day_whose_month_would_be_a_guess_or_is_none_is_refused(text: str) -> None:
    with pytest.raises(PermanentError, match="BORN holds dates only"):
        sent(text)
