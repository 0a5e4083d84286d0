"""What a spec names by its place is there."""

import pytest

from integrations_pipeline.providers.base import Later
from integrations_pipeline.providers.registry import provider_specs


@pytest.mark.parametrize("name", ["airtable", "gmail", "google_contacts", "hubspot", "mailchimp"])
def test_everything_that_a_provider_names_by_its_place_can_be_loaded(name: str) -> None:
    spec = provider_specs()[name]
    named = [each for each in (spec.contacts, spec.mailbox, spec.settings_model) if each is not None]

    assert len(named) >= 2
    assert all(callable(each.load() if isinstance(each, Later) else each) for each in named)
