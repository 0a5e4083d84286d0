"""What a request to an authorization server holds, and what it does not."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from integrations_pipeline.providers.oauth import OAuthClient, OAuthExchange
from integrations_pipeline.providers.registry import provider_specs


@pytest.mark.parametrize("provider", ["airtable", "gmail", "google_contacts", "hubspot"])
def test_a_question_names_the_scopes_and_a_renewal_asks_for_no_others_than_were_granted(provider: str) -> None:
    spec = provider_specs()[provider]
    assert spec.oauth is not None
    seen: list[dict[str, list[str]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(parse_qs(request.content.decode()))
        return httpx.Response(200, json={"access_token": "new", "token_type": "Bearer", "expires_in": 3600})

    client = OAuthClient(id="ours", secret="s3cret")
    exchange = OAuthExchange(spec.oauth, client, spec.addresses, transport=httpx.MockTransport(answer))
    asked = parse_qs(urlsplit(exchange.ask("http://localhost:8080/callback").address).query)
    exchange.refresh("old")

    assert asked["scope"] == [" ".join(spec.oauth.scopes)]
    assert seen[0]["refresh_token"] == ["old"]
    assert "scope" not in seen[0]
