"""What is said of a value that HubSpot answered otherwise than it was sent."""

from typing import Any

import pytest

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.answers import Verdict
from integrations_pipeline.providers.hubspot.writer import _STAGE, HubSpotWriter

MAPPING = [MappedField(name="company", column="company"), MappedField(name="job_title", column="jobtitle")]


@pytest.mark.parametrize(
    ("lost", "is_back", "says"),
    [
        ({"company"}, True, "property company did not take the value: the old value was put back"),
        ({"company", "job_title"}, False, "property company, jobtitle did not take the value: the old value stands in"),
        ({"custom_fields.stage"}, True, "does not go back: clear it at HubSpot first"),
    ],
)
def test_a_value_that_was_not_taken_is_told_by_its_property(lost: set[str], is_back: bool, says: str) -> None:
    writer: Any = HubSpotWriter.__new__(HubSpotWriter)
    mapping = [*MAPPING, MappedField(name="custom_fields.stage", column=_STAGE)]
    object.__setattr__(writer, "mapping", mapping)  # it asks for nothing else
    assert says in str(writer._not_taken(Verdict(answered={}, lost=frozenset(lost)), is_back=is_back))
