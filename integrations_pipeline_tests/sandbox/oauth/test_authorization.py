"""The authorization endpoints: what is checked, who is sent where, and what travels along."""

import pytest

from integrations_pipeline_tests.sandbox.oauth.dance import (
    ABSENT,
    CHALLENGE,
    PATHS,
    PROVIDERS,
    READ,
    REDIRECT,
    SEND,
    STATE,
    Dance,
    callback_of,
)
from integrations_sandbox import OAuthClient


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_person_is_sent_back_with_a_code_and_the_state(dance: Dance, provider: str) -> None:
    response = dance.authorize(provider)
    assert response.status_code == 302
    assert response.headers["Location"].startswith(REDIRECT + "?")
    assert response.headers["Cache-Control"] == "no-store"
    found = callback_of(response)
    assert found["state"] == STATE
    assert dance.exchange(provider, found["code"]).status_code == 200


def test_airtable_also_sends_the_code_challenge_back(dance: Dance) -> None:
    found = dance.callback("airtable")
    assert set(found) == {"code", "state", "code_challenge", "code_challenge_method"}
    assert (found["code_challenge"], found["code_challenge_method"]) == (CHALLENGE, "S256")


def test_google_also_sends_the_granted_scopes_and_a_code_with_a_slash(dance: Dance) -> None:
    found = dance.callback("google")
    assert found["scope"].split() == [READ, SEND]
    assert found["code"].startswith("4/")


def test_mailchimp_sends_nothing_else_and_needs_no_state(dance: Dance) -> None:
    assert set(dance.callback("mailchimp")) == {"code", "state"}
    assert set(dance.callback("mailchimp", state=ABSENT)) == {"code"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_state_of_any_characters_comes_back_as_it_was(dance: Dance, provider: str) -> None:
    state = "a b&c=d/ü+%20"
    assert dance.callback(provider, state=state)["state"] == state


@pytest.mark.parametrize("client_id", ["nobody", "", ABSENT])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_unknown_client_is_told_so_on_a_page(dance: Dance, provider: str, client_id: str) -> None:
    response = dance.authorize(provider, client_id=client_id)
    assert response.status_code == 401
    assert "invalid_client" in response.text
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    "redirect_uri",
    [
        ABSENT,
        "",
        "https://evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1@evil.example/callback",
        "https://127.0.0.1:8400/callback",
        "http://127.0.0.1:8400/callback#fragment",
        "urn:ietf:wg:oauth:2.0:oob",
        "http://[",
    ],
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_redirect_address_that_does_not_match_is_never_followed(
    dance: Dance, provider: str, redirect_uri: str
) -> None:
    response = dance.authorize(provider, redirect_uri=redirect_uri)
    assert (response.status_code, response.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "redirect_uri_mismatch" in response.text
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    "redirect_uri", ["http://localhost:5000/oauth/done", "http://127.0.0.1:1/", "http://localhost"]
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_default_client_takes_any_port_and_path_of_this_machine(
    dance: Dance, provider: str, redirect_uri: str
) -> None:
    assert dance.authorize(provider, redirect_uri=redirect_uri).headers["Location"].startswith(redirect_uri + "?code=")


def test_a_registered_client_takes_only_its_own_addresses_to_the_letter(dance: Dance) -> None:
    uri = "https://app.example/callback?from=airtable"
    dance.oauth.register_client(OAuthClient(provider="airtable", id="mine", redirect_uris=(uri,)))
    answer = dance.authorize("airtable", client_id="mine", redirect_uri=uri)
    assert answer.headers["Location"].startswith(uri + "&code=")
    for other in (REDIRECT, uri + "x", uri.upper(), "https://app.example/callback"):
        assert dance.authorize("airtable", client_id="mine", redirect_uri=other).status_code == 400


def test_a_client_is_known_to_its_own_provider_only(dance: Dance) -> None:
    dance.oauth.register_client(OAuthClient(provider="google", id="mine", accepts_loopback=True))
    assert dance.authorize("google", client_id="mine").status_code == 302
    assert dance.authorize("airtable", client_id="mine").status_code == 401


@pytest.mark.parametrize(
    ("provider", "changes", "error"),
    [
        ("airtable", {"response_type": ABSENT}, "invalid_request"),
        ("airtable", {"response_type": "token"}, "unsupported_response_type"),
        ("airtable", {"scope": ABSENT}, "invalid_scope"),
        ("airtable", {"scope": "data.records:read data.records:destroy"}, "invalid_scope"),
        ("airtable", {"code_challenge": ABSENT}, "invalid_request"),
        ("airtable", {"code_challenge_method": ABSENT}, "invalid_request"),
        ("airtable", {"code_challenge_method": "plain"}, "invalid_request"),
        ("mailchimp", {"response_type": ABSENT}, "invalid_request"),
        ("mailchimp", {"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_a_wrong_request_is_answered_to_the_program(
    dance: Dance, provider: str, changes: dict[str, str], error: str
) -> None:
    found = dance.callback(provider, **changes)
    assert set(found) == {"error", "error_description", "state"}
    assert (found["error"], found["state"]) == (error, STATE)


def test_airtable_demands_a_state(dance: Dance) -> None:
    found = dance.callback("airtable", state=ABSENT)
    assert (found["error"], found["error_description"]) == ("invalid_request", "state is required")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": ABSENT}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": ABSENT}, "invalid_request"),
        ({"scope": f"{READ} https://www.googleapis.com/auth/gmail.sned"}, "invalid_scope"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S512"}, "invalid_request"),
    ],
)
def test_google_shows_a_wrong_request_to_the_person(dance: Dance, changes: dict[str, str], error: str) -> None:
    response = dance.authorize("google", **changes)
    assert response.status_code == 400
    assert f"<code>{error}</code>" in response.text
    assert "Location" not in response.headers


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_person_who_denies_is_sent_back_without_a_code(dance: Dance, provider: str) -> None:
    dance.oauth.set_options(provider, auto_consent="deny")
    found = dance.callback(provider)
    assert (found["error"], found["state"]) == ("access_denied", STATE)
    assert "code" not in found


def test_what_a_request_brings_is_shown_as_text_and_not_as_html(dance: Dance) -> None:
    dance.oauth.set_options(auto_consent="ask")
    attack = '"><script>alert(1)</script>'
    for response in (
        dance.authorize("google", state=attack, login_hint=attack),
        dance.authorize("google", scope=attack),
    ):
        assert "&lt;script&gt;" in response.text
        assert "<script" not in response.text


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", PATHS["google"][0]), ("GET", PATHS["google"][1]), ("GET", "/oauth")]
)
def test_another_path_or_method_is_not_found(dance: Dance, method: str, path: str) -> None:
    response = dance.http.request(method, path)
    assert (response.status_code, response.json()) == (404, {"error": "not_found"})
