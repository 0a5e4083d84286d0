"""Contacts and mail of one Google account are one grant there, in whichever order they are connected."""

from collections.abc import Sequence

import httpx
import pytest

from integrations_pipeline.errors import ConfigurationError, DisconnectedError
from integrations_pipeline.providers.oauth import OAuthSpec, Tokens
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline_tests.oauth.arrangement import Place

PROVIDERS = ("gmail", "google_contacts")
CONTACTS = "https://www.googleapis.com/auth/contacts"


def spec_of(provider: str) -> OAuthSpec:
    found = provider_specs()[provider].oauth
    assert found is not None
    return found


def authorised(place: Place, provider: str) -> Tokens:
    exchange = place.exchange(spec_of(provider))
    consent = exchange.ask("http://127.0.0.1:8719/callback")
    return exchange.accept(consent, place.answer_to(consent.address))[0]


def test_whoever_takes_our_access_back_ends_both(place: Place) -> None:
    place.sandbox.oauth.set_options("google", auto_consent="allow")
    tokens = {provider: authorised(place, provider) for provider in PROVIDERS}
    place.sandbox.oauth.revoke("google", "owner@gmail.example")
    for provider in PROVIDERS:
        with pytest.raises(DisconnectedError):
            place.exchange(spec_of(provider)).refresh(tokens[provider].refresh_token)


@pytest.mark.parametrize("order", [PROVIDERS, PROVIDERS[::-1]], ids=["mail first", "contacts first"])
def test_the_second_grant_has_the_scopes_of_both(place: Place, order: Sequence[str]) -> None:
    place.sandbox.oauth.set_options("google", auto_consent="allow")
    both = frozenset(scope for provider in PROVIDERS for scope in spec_of(provider).scopes)
    first, second = (authorised(place, provider) for provider in order)
    assert first.scopes == frozenset(spec_of(order[0]).scopes)
    assert second.scopes == both
    # Each connection has a refresh token of its own, and either is good for what its own needs.
    for provider, tokens in zip(order, (first, second), strict=True):
        renewed = place.exchange(spec_of(provider)).refresh(tokens.refresh_token)
        assert set(spec_of(provider).scopes) <= (renewed.scopes or set())


def test_the_account_is_told_and_contacts_can_be_read(place: Place) -> None:
    place.sandbox.oauth.set_options("google", auto_consent="allow")
    tokens = authorised(place, "google_contacts")
    assert place.exchange(spec_of("google_contacts")).account(tokens) == "owner@gmail.example"
    answer = httpx.get(
        f"{place.sandbox.people_url}/v1/people/me/connections?personFields=names",
        headers={"Authorization": f"Bearer {tokens.access_token}"},
    )
    assert answer.status_code == 200


def test_whoever_unticks_the_only_scope_gives_nothing(place: Place) -> None:
    place.sandbox.oauth.set_options("google", auto_consent="partial", left_out_scopes=(CONTACTS,))
    with pytest.raises(ConfigurationError, match="Google gave no access"):
        authorised(place, "google_contacts")
