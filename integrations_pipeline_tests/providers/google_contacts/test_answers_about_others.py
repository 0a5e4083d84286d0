"""Which answers to an update are about the contact that was written."""

import pytest

from integrations_pipeline.providers.google_contacts.writer import _is_about


@pytest.mark.parametrize(
    ("told", "before", "is_about"),
    [
        ("people/c1", None, True),
        ("people/c2", None, False),
        ("people/c2", [], False),
        ("people/c2", ["people/c0", "people/c1"], True),
    ],
)
def test_a_contact_is_known_by_its_name_or_one_that_it_had(told: str, before: list[str] | None, is_about: bool) -> None:
    metadata = {} if before is None else {"metadata": {"previousResourceNames": before}}
    assert _is_about({"resourceName": told, **metadata}, "people/c1") is is_about
