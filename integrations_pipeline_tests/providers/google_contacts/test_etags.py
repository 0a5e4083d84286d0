"""Parts of a person as they are written: under which etag, and which item goes first."""

from typing import Any

import pytest

from integrations_pipeline.providers.google_contacts.fields import _unmarked, etag_of

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


def test_an_item_that_another_one_goes_before_loses_its_marks_and_nothing_else() -> None:
    item = {"value": "ann@example.org", "metadata": {"primary": True, "sourcePrimary": True, "source": {"id": "1"}}}
    assert _unmarked(item) == {"value": "ann@example.org", "metadata": {"source": {"id": "1"}}}
    assert _unmarked({"value": "x"}) == {"value": "x", "metadata": {}}
