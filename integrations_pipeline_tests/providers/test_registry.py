"""Which providers there are: those that installed packages offer, each once, and a broken one harms no other."""

import logging
from importlib.metadata import EntryPoint

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.registry import GROUP, load_specs, provider_specs


def offer(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=GROUP)


AIRTABLE = offer("airtable", "integrations_pipeline.providers.airtable:PROVIDER")


def test_ours_are_offered_like_anybodys() -> None:
    assert {"airtable", "gmail", "mailchimp"} <= set(provider_specs())


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("nowhere.at.all:PROVIDER", "cannot be loaded (ModuleNotFoundError)"),
        ("integrations_pipeline.providers.airtable:NOTHING", "cannot be loaded (AttributeError)"),
        ("integrations_pipeline.errors:IntegrationError", "is no ProviderSpec"),
    ],
)
def test_one_that_cannot_be_loaded_is_told_and_left_out(
    value: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert list(load_specs([offer("broken", value), AIRTABLE])) == ["airtable"]
    assert says in caplog.text


def test_two_packages_that_offer_one_name_are_refused_and_one_that_is_listed_twice_is_not() -> None:
    other = offer("airtable", "integrations_pipeline_tests.providers.test_registry:PRETENDER")
    with pytest.raises(ConfigurationError, match="two packages offer a provider 'airtable'"):
        load_specs([AIRTABLE, other])
    assert list(load_specs([AIRTABLE, AIRTABLE])) == ["airtable"]


PRETENDER = AIRTABLE.load()
