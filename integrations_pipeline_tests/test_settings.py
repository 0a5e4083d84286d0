"""The environment: defaults, and one clear line per mistake."""

from pathlib import Path

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.settings import Settings
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.encryption import Cipher, generate_key_text
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.testing import FreePacer

DEFAULTS = {"INTEGRATIONS_AIRTABLE_API_URL": "https://api.airtable.com"}


def test_without_any_variable_everything_is_embedded_under_the_current_folder() -> None:
    settings = Settings.from_environment(DEFAULTS, {})

    assert settings.is_embedded
    assert settings.home == Path.cwd() / ".integrations"
    assert settings.addresses == DEFAULTS
    assert settings.rate_scale == 1.0
    assert settings.verify_nights == 7
    assert settings.alert_urls == ()


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        pytest.param({"INTEGRATIONS_AIRTABLE_API_URL": "api.airtable.com"}, "is no address", id="no scheme"),
        pytest.param({"INTEGRATIONS_AIRTABLE_API_URL": "http://api.airtable.com"}, "https only", id="plain http"),
        pytest.param({"INTEGRATIONS_AIRTABLE_API_URL": "http://[::1"}, "is no address", id="half a bracket"),
        pytest.param({"INTEGRATIONS_AIRTABLE_API_URL": "http://127.0.0.1:99999"}, "is no address", id="odd port"),
        pytest.param({"INTEGRATIONS_AIRTABLE_API_URL": "https://host:x"}, "is no address", id="no port"),
        pytest.param({"INTEGRATIONS_SANDBOX_RATE_SCALE": "9"}, "loopback", id="scale for the real thing"),
        pytest.param({"INTEGRATIONS_SANDBOX_RATE_SCALE": "fast"}, "no positive number", id="scale no number"),
        pytest.param({"INTEGRATIONS_VERIFY_NIGHTS": "-1"}, "no number of nights", id="nights below none"),
        pytest.param({"INTEGRATIONS_VERIFY_NIGHTS": "367"}, "no number of nights", id="too many nights"),
        pytest.param({"INTEGRATIONS_VERIFY_NIGHTS": "\u0667"}, "no number of nights", id="nights in other digits"),
        pytest.param({"INTEGRATIONS_DATABASE_URL": "postgresql://x/y"}, "ENCRYPTION_KEYS", id="url without keys"),
        pytest.param(
            {"INTEGRATIONS_ALERT_URLS": "json://a\nslack"}, "destination 2 is no address", id="alerts nowhere"
        ),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Settings.from_environment(DEFAULTS, variables)


@pytest.mark.parametrize("nights", [0, 1, 366])
def test_the_nights_of_the_certificates_are_read(nights: int) -> None:
    assert Settings.from_environment(DEFAULTS, {"INTEGRATIONS_VERIFY_NIGHTS": str(nights)}).verify_nights == nights


def test_every_mistake_has_its_own_line() -> None:
    variables = {"INTEGRATIONS_AIRTABLE_API_URL": "x", "INTEGRATIONS_SANDBOX_RATE_SCALE": "y"}

    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(DEFAULTS, variables)

    assert len(str(caught.value).splitlines()) == 2


def test_secrets_do_not_show_in_the_representation() -> None:
    variables = {
        "INTEGRATIONS_DATABASE_URL": "postgresql://user:hidden@db/x",
        "INTEGRATIONS_ENCRYPTION_KEYS": "hidden-too",
        "INTEGRATIONS_ALERT_URLS": "slack://hidden/as/well",
    }

    assert "hidden" not in repr(Settings.from_environment(DEFAULTS, variables))


@pytest.mark.parametrize(
    ("addresses", "scales"),
    [
        pytest.param({"airtable": "http://127.0.0.1:1"}, {"airtable": 9.0, "mailchimp": 1.0, "gmail": 1.0}, id="one"),
        pytest.param(
            {"airtable": "http://localhost:1", "mailchimp": "http://[::1]:2", "gmail": "http://127.0.0.1:3"},
            {"airtable": 9.0, "mailchimp": 9.0, "gmail": 9.0},
            id="all",
        ),
        pytest.param(
            {"gmail": "https://127.0.0.1.example.org"}, dict.fromkeys(("airtable", "gmail"), 1.0), id="named so"
        ),
    ],
)
def test_only_connections_to_loopback_go_faster(addresses: dict[str, str], scales: dict[str, float]) -> None:
    specs = provider_specs()
    defaults = {name: url for spec in specs.values() for name, url in spec.addresses.items()}
    # What authorises is on loopback everywhere, and says nothing of the API.
    local = {name: "http://127.0.0.1:9" for name in defaults if "API" not in name}
    chosen = {f"INTEGRATIONS_{name.upper()}_API_URL": url for name, url in addresses.items()}
    settings = Settings.from_environment(defaults, {**local, **chosen, "INTEGRATIONS_SANDBOX_RATE_SCALE": "9"})
    runtime = Runtime(
        database=Database("postgresql://nobody@127.0.0.1:9/none"),
        cipher=Cipher.from_text(generate_key_text()),
        specs=specs,
        addresses=settings.addresses,
        pacer=FreePacer(),
        rate_scale=settings.rate_scale,
    )
    assert {name: runtime.rate_scale_of(specs[name]) for name in scales} == scales
