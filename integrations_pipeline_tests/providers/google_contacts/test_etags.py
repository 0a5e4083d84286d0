"""Which etag of a person an update is made under."""

from typing import Any

import pytest

from integrations_pipeline.providers.google_contacts.fields import etag_of

OWN: dict[str, Any] = {"type": "CONTACT", "etag": "own"}


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        ({"etag": "whole", "metadata": {"sources": [{"type": "PROFILE", "etag": "other"}, OWN]}}, "own"),
        ({"etag": "whole", "metadata": {"sources": [{"type": "CONTACT"}]}}, "whole"),
        ({"etag": "whole"}, "whole"),
        ({}, ""),
    ],
)
def test_the_contacts_own_source_goes_before_the_whole_person(person: dict[str, Any], expected: str) -> None:
    assert etag_of(person) == expected
