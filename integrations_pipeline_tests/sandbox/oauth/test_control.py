"""What a test or a curious developer can do to the authorization servers, by method and over HTTP."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.oauth.dance import PATHS, PROVIDERS, READ, SEND, Dance, error_of
from integrations_sandbox import (
    DEFAULT_OAUTH_CLIENTS,
    OAuthClient,
    OAuthOptions,
    ProviderOptions,
    SandboxOptions,
    SandboxServer,
)


def posted(dance: Dance, path: str, **document: Any) -> dict[str, Any]:
    answer: dict[str, Any] = dance.http.post(f"/sandbox/oauth/{path}", json=document).raise_for_status().json()
    return answer


# Addresses


def test_a_server_says_what_stands_for_which_address() -> None:
    with SandboxServer() as server:
        assert server.google_auth_url == server.url + PATHS["google"][0]
        assert server.google_token_url == server.url + PATHS["google"][1]
        assert server.airtable_oauth_url + "/authorize" == server.url + PATHS["airtable"][0]
        assert server.airtable_oauth_url + "/token" == server.url + PATHS["airtable"][1]
        assert server.mailchimp_oauth_url + "/authorize" == server.url + PATHS["mailchimp"][0]
        assert server.mailchimp_oauth_url + "/token" == server.url + PATHS["mailchimp"][1]


# Tokens without the browser


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_grant_is_like_the_answer_of_the_token_endpoint(dance: Dance, provider: str) -> None:
    granted, fetched = dance.oauth.grant(provider), dance.tokens(provider)
    assert set(granted) == set(fetched)
    assert dance.works(provider, granted["access_token"])
    if provider != "mailchimp":
        assert dance.refresh(provider, granted["refresh_token"]).status_code == 200
    assert dance.oauth.token_requests(provider)["authorization_code", "ok"] == 1


def test_a_grant_can_be_for_some_scopes_an_account_and_a_client(dance: Dance) -> None:
    dance.oauth.register_client(OAuthClient(provider="google", id="mine", secret="s"))
    sent = {"provider": "google", "scopes": [READ], "account": "ada@gmail.example", "client_id": "mine"}
    answer = posted(dance, "grants", **sent)
    grant = dance.server.stage.grants.find("google", answer["access_token"], dance.server.stage.clock.now())
    assert grant is not None
    assert (grant.account, grant.client_id, set(grant.scopes)) == ("ada@gmail.example", "mine", {READ})
    assert answer["scope"] == READ


def test_a_grant_counts_as_consent(dance: Dance) -> None:
    dance.oauth.grant("google")
    assert "refresh_token" not in dance.tokens("google", prompt="(absent)")


def test_without_scopes_a_grant_holds_what_a_sync_needs(dance: Dance) -> None:
    assert {READ, SEND} < set(dance.oauth.grant("google")["scope"].split())
    assert "data.records:write" in dance.oauth.grant("airtable")["scope"]


@pytest.mark.parametrize(
    "document",
    [
        {"provider": "salesforce"},
        {"provider": "google", "client_id": "nobody"},
        {"provider": "google", "scopes": ["data.records:read"]},
        {"provider": "google", "scope": READ},
        {},
    ],
)
def test_a_grant_that_makes_no_sense_is_refused(dance: Dance, document: dict[str, Any]) -> None:
    assert dance.http.post("/sandbox/oauth/grants", json=document).status_code == 400


# Ends


def test_tokens_can_be_ended_over_http(dance: Dance) -> None:
    first, second, third, fourth = (dance.oauth.grant("google", account=f"{n}@gmail.example") for n in range(4))
    posted(dance, "expire-access", token=first["access_token"])
    assert not dance.works("google", first["access_token"])
    assert dance.refresh("google", first["refresh_token"]).status_code == 200
    posted(dance, "expire-refresh", token=first["refresh_token"])
    assert dance.refresh("google", first["refresh_token"]).status_code == 400
    posted(dance, "revoke", provider="google", account="1@gmail.example")
    assert not dance.works("google", second["access_token"])
    posted(dance, "revoke", provider="google", token=third["refresh_token"], cause="account_deleted")
    assert dance.refresh("google", third["refresh_token"]).json()["error_description"] == "Account has been deleted"
    posted(dance, "change-password", provider="google", account="3@gmail.example")
    assert not dance.works("google", fourth["access_token"])


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("revoke", {"provider": "google", "account": "nobody"}),
        ("revoke", {"provider": "google", "token": "nonsense"}),
        ("revoke", {"provider": "salesforce", "account": "owner@gmail.example"}),
        ("revoke", {"provider": "google", "account": "owner@gmail.example", "cause": "boredom"}),
        ("revoke", {"provider": "google"}),
        ("change-password", {"provider": "google", "account": "nobody"}),
        ("change-password", {"provider": "salesforce", "account": "owner@gmail.example"}),
        ("expire-access", {"token": "nonsense"}),
        ("expire-refresh", {"token": "nonsense"}),
        ("clients", {"provider": "salesforce", "client_id": "x"}),
        ("clients", {"provider": "google"}),
        ("clients", {"provider": "mailchimp", "client_id": "public"}),
        ("clients", {"provider": "airtable", "client_id": "x", "redirect_uris": ["http://app.example/callback"]}),
        ("clients", {"provider": "google", "client_id": "x", "redirect_uris": ["https://app.example/#top"]}),
        ("clients", {"provider": "google", "client_id": "x", "redirect_uris": ["app.example"]}),
        ("clients", {"provider": "google", "client_id": "x", "redirect_uris": ["http://["]}),
    ],
)
def test_what_does_not_exist_is_a_mistake_and_not_ignored(dance: Dance, path: str, document: dict[str, Any]) -> None:
    dance.oauth.grant("google")
    answer = dance.http.post(f"/sandbox/oauth/{path}", json=document)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "BAD_REQUEST")


def test_expiring_a_token_that_is_revoked_does_not_bring_it_back(dance: Dance) -> None:
    tokens = dance.tokens("google")
    dance.oauth.revoke("google", tokens["access_token"])
    dance.oauth.expire_access(tokens["access_token"])
    assert not dance.works("google", tokens["access_token"])


# Clients


def test_clients_can_be_registered_and_listed(dance: Dance) -> None:
    sent = {
        "provider": "airtable",
        "client_id": "mine",
        "client_secret": "s",
        "redirect_uris": ["https://app.example/callback", "http://localhost:4000/x"],
        "accepts_loopback": False,
    }
    assert posted(dance, "clients", **sent) == sent
    listed = dance.http.get("/sandbox/oauth/clients").json()["clients"]
    assert sent in listed
    assert len(listed) == 1 + len(DEFAULT_OAUTH_CLIENTS)
    public = posted(dance, "clients", provider="google", client_id="public")
    assert (public["client_secret"], public["redirect_uris"]) == (None, [])


# Options


def test_options_can_be_seen_and_changed_for_one_provider_or_all(dance: Dance) -> None:
    path = "/sandbox/oauth/options"
    changed = dance.http.patch(path, json={"provider": "google", "accounts": ["a", "b"]}).json()
    assert changed == dance.http.get(path).json()
    assert (changed["google"]["accounts"], changed["airtable"]["accounts"]) == (["a", "b"], [])
    everywhere = dance.http.patch(path, json={"token_delay_seconds": 0.5}).json()
    assert {everywhere[provider]["token_delay_seconds"] for provider in PROVIDERS} == {0.5}


@pytest.mark.parametrize(
    "document",
    [
        {"provider": "salesforce", "auto_consent": "allow"},
        {"nonsense": 1},
        {"auto_consent": "maybe"},
        {"auto_consent": "partial"},
        {"provider": "airtable", "auto_consent": "partial"},
        {"provider": "mailchimp", "access_token_seconds": 60},
        {"provider": "mailchimp", "refresh_token_seconds": 60},
    ],
)
def test_an_option_that_makes_no_sense_is_refused_and_changes_nothing(dance: Dance, document: dict[str, Any]) -> None:
    before = dance.oauth.options
    assert dance.http.patch("/sandbox/oauth/options", json=document).status_code == 400
    assert dance.oauth.options == before


@pytest.mark.parametrize("provider", ["google", "airtable"])
def test_the_lifetime_of_access_tokens_can_be_set(dance: Dance, provider: str) -> None:
    dance.oauth.set_options(provider, access_token_seconds=60)
    tokens = dance.tokens(provider)
    assert tokens["expires_in"] == 60
    dance.advance(59)
    assert dance.works(provider, tokens["access_token"])
    dance.advance(1)
    assert not dance.works(provider, tokens["access_token"])


def test_the_lifetime_of_codes_can_be_set(dance: Dance) -> None:
    dance.oauth.set_options("mailchimp", code_seconds=30)
    code = dance.code("mailchimp")
    dance.advance(30)
    assert error_of(dance.exchange("mailchimp", code)) == (400, "invalid_grant")


def test_a_server_starts_with_the_options_it_is_given_and_a_reset_brings_them_back() -> None:
    options = OAuthOptions(google=ProviderOptions(auto_consent="deny"))
    server = SandboxServer(SandboxOptions(oauth=options))
    server.oauth.set_options("google", auto_consent="allow")
    server.reset()
    assert server.oauth.options == options
    with pytest.raises(ValueError, match="only at Google"):
        OAuthOptions(mailchimp=ProviderOptions(auto_consent="partial"))


# Counts and resets


def test_token_requests_are_counted_by_kind_and_result(dance: Dance) -> None:
    tokens = dance.tokens("google")
    dance.refresh("google", tokens["refresh_token"])
    dance.refresh("google", tokens["refresh_token"])
    dance.refresh("google", "nonsense")
    dance.refresh("google", tokens["refresh_token"], client_secret="wrong")
    dance.token("google")
    assert dance.oauth.token_requests("google") == {
        ("authorization_code", "ok"): 1,
        ("refresh_token", "ok"): 2,
        ("refresh_token", "invalid_grant"): 1,
        ("refresh_token", "invalid_client"): 1,
        ("", "invalid_request"): 1,
    }
    counted = dance.http.get("/sandbox/oauth/token-requests").json()
    assert counted["airtable"] == []
    assert {"grant_type": "refresh_token", "result": "ok", "count": 2} in counted["google"]
    with pytest.raises(ValueError, match="provider must be one of"):
        dance.oauth.token_requests("salesforce")


def test_the_request_log_holds_token_requests_as_they_came(dance: Dance) -> None:
    dance.refresh("google", "nonsense")
    (entry,) = dance.http.get("/sandbox/requests").json()["requests"]
    assert (entry["path"], entry["status"]) == (PATHS["google"][1], 400)
    assert "refresh_token=nonsense" in entry["body"]


def test_a_reset_forgets_everything(dance: Dance) -> None:
    tokens, code = dance.tokens("google"), dance.code("google")
    dance.oauth.register_client(OAuthClient(provider="google", id="mine"))
    dance.http.post("/sandbox/reset")
    assert dance.oauth.options == OAuthOptions()
    assert len(dance.oauth.clients.all()) == len(DEFAULT_OAUTH_CLIENTS)
    assert dance.oauth.token_requests("google") == {}
    assert not dance.works("google", tokens["access_token"])
    assert error_of(dance.refresh("google", tokens["refresh_token"])) == (400, "invalid_grant")
    assert error_of(dance.exchange("google", code)) == (400, "invalid_grant")
    dance.oauth.set_options("google", auto_consent="allow")
    assert "refresh_token" in dance.tokens("google", prompt="(absent)")


def test_the_same_seed_gives_the_same_tokens() -> None:
    def first_token(seed: int) -> str:
        token: str = SandboxServer(SandboxOptions(seed=seed)).oauth.grant("airtable")["access_token"]
        return token

    assert first_token(1) == first_token(1) != first_token(2)
