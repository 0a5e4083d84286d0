"""What is said of a value that Airtable answered otherwise than it was sent."""

from typing import Any

import pytest

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.airtable.writer import AirtableWriter
from integrations_pipeline.providers.answers import Verdict

MAPPING = {"company": MappedField(name="company", column="Firm"), "phone": MappedField(name="phone", column="Tel")}


@pytest.mark.parametrize(
    ("lost", "is_back", "says"),
    [
        ({"company"}, True, 'column "Firm" did not take the value: the old value was put back'),
        ({"company", "phone"}, False, '"Firm", "Tel" did not take the value: the old value stands in the journal'),
    ],
)
def test_a_value_that_was_not_taken_is_told_by_its_column(lost: set[str], is_back: bool, says: str) -> None:
    writer: Any = AirtableWriter.__new__(AirtableWriter)
    object.__setattr__(writer, "mapping", MAPPING)  # it asks for nothing else
    assert says in str(writer._not_taken(Verdict(answered={}, lost=frozenset(lost)), is_back=is_back))
