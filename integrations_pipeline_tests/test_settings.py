"""The environment: defaults, and one clear line per mistake."""

from pathlib import Path

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.registry import provider_spec, provider_specs
from integrations_pipeline.settings import Settings

DEFAULTS = {"INTEGRATIONS_AIRTABLE_API_URL": "https://api.airtable.com"}


def test_without_any_variable_everything_is_embedded_under_the_current_folder() -> None:
    settings = Settings.from_environment(DEFAULTS, {})

    assert settings.is_embedded
    assert settings.home == Path.cwd() / ".integrations"
    assert settings.addresses == DEFAULTS
    assert settings.rate_scale == 1.0


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        pytest.param({"INTEGRATIONS_AIRTABLE_API_URL": "api.airtable.com"}, "is no address", id="no scheme"),
        pytest.param({"INTEGRATIONS_AIRTABLE_API_URL": "http://api.airtable.com"}, "https only", id="plain http"),
        pytest.param({"INTEGRATIONS_SANDBOX_RATE_SCALE": "9"}, "loopback", id="scale for the real thing"),
        pytest.param({"INTEGRATIONS_SANDBOX_RATE_SCALE": "fast"}, "no positive number", id="scale no number"),
        pytest.param({"INTEGRATIONS_DATABASE_URL": "postgresql://x/y"}, "ENCRYPTION_KEYS", id="url without keys"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Settings.from_environment(DEFAULTS, variables)


def test_every_mistake_has_its_own_line() -> None:
    variables = {"INTEGRATIONS_AIRTABLE_API_URL": "x", "INTEGRATIONS_SANDBOX_RATE_SCALE": "y"}

    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(DEFAULTS, variables)

    assert len(str(caught.value).splitlines()) == 2


def test_secrets_do_not_show_in_the_representation() -> None:
    variables = {
        "INTEGRATIONS_DATABASE_URL": "postgresql://user:hidden@db/x",
        "INTEGRATIONS_ENCRYPTION_KEYS": "hidden-too",
    }

    assert "hidden" not in repr(Settings.from_environment(DEFAULTS, variables))


def test_the_registry_finds_every_provider_and_names_them_for_an_unknown_one() -> None:
    assert "airtable" in provider_specs()
    with pytest.raises(ConfigurationError, match="airtable"):
        provider_spec("filofax")
