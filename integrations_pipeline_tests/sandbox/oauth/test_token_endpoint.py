"""The token endpoints: how a client proves itself, the one use of a code, and wrong requests."""

import base64

import pytest

from integrations_pipeline_tests.sandbox.oauth.dance import (
    ABSENT,
    PATHS,
    PROVIDERS,
    REDIRECT,
    VERIFIER,
    Dance,
    error_of,
)
from integrations_sandbox import DEFAULT_OAUTH_CLIENTS, OAuthClient

SECRETS = {provider: client.secret or "" for provider, client in DEFAULT_OAUTH_CLIENTS.items()}
IDS = {provider: client.id for provider, client in DEFAULT_OAUTH_CLIENTS.items()}
REFUSED, TAKEN = (401, "invalid_client"), (200, "")


def outcome(dance: Dance, provider: str, proof: dict[str, str], basic: tuple[str, str] | None) -> tuple[int, str]:
    """What an exchange comes to with this proof of the client, and nothing else wrong."""
    client_id = basic[0] if basic else proof.get("client_id", IDS[provider])
    known = client_id if dance.oauth.clients.find(provider, client_id) else IDS[provider]
    fields = {
        "grant_type": "authorization_code",
        "code": dance.code(provider, client_id=known),
        "redirect_uri": REDIRECT,
    }
    verifier = {"code_verifier": VERIFIER} if provider == "airtable" else {}
    response = dance.post_token(provider, fields | verifier | proof, basic)
    return response.status_code, response.json().get("error", "")


@pytest.mark.parametrize(
    ("provider", "place", "expected"),
    [
        ("google", "header", TAKEN),
        ("google", "body", TAKEN),
        ("google", "wrong header", REFUSED),
        ("google", "wrong body", REFUSED),
        ("google", "wrong header, right body", REFUSED),
        ("google", "nowhere", REFUSED),
        ("google", "unknown", REFUSED),
        ("airtable", "header", TAKEN),
        ("airtable", "header and id in the body", TAKEN),
        ("airtable", "body", REFUSED),
        ("airtable", "wrong header", REFUSED),
        ("airtable", "wrong header, right body", REFUSED),
        ("airtable", "nowhere", REFUSED),
        ("airtable", "unknown", REFUSED),
        ("mailchimp", "header", REFUSED),
        ("mailchimp", "body", TAKEN),
        ("mailchimp", "wrong body", REFUSED),
        ("mailchimp", "wrong header, right body", TAKEN),
        ("mailchimp", "nowhere", REFUSED),
        ("mailchimp", "unknown", REFUSED),
    ],
)
def test_a_client_proves_itself_where_the_provider_looks(
    dance: Dance, provider: str, place: str, expected: tuple[int, str]
) -> None:
    client_id, secret = IDS[provider], SECRETS[provider]
    in_body = {"client_id": client_id, "client_secret": secret}
    proofs: dict[str, tuple[dict[str, str], tuple[str, str] | None]] = {
        "header": ({}, (client_id, secret)),
        "header and id in the body": ({"client_id": client_id}, (client_id, secret)),
        "body": (in_body, None),
        "wrong header": ({}, (client_id, "wrong")),
        "wrong body": ({"client_id": client_id, "client_secret": "wrong"}, None),
        "wrong header, right body": (in_body, (client_id, "wrong")),
        "nowhere": ({"client_id": client_id}, None),
        "unknown": ({"client_id": "nobody", "client_secret": secret}, None),
    }
    assert outcome(dance, provider, *proofs[place]) == expected


@pytest.mark.parametrize(
    ("provider", "proof", "basic", "expected"),
    [
        ("google", {"client_id": "public"}, None, TAKEN),
        ("google", {}, ("public", ""), TAKEN),
        ("google", {}, ("public", "guess"), REFUSED),
        ("google", {"client_id": "public", "client_secret": "guess"}, None, REFUSED),
        ("airtable", {"client_id": "public"}, None, TAKEN),
        ("airtable", {"client_id": "public"}, ("public", ""), REFUSED),
        ("airtable", {}, ("public", "guess"), REFUSED),
    ],
)
def test_a_public_client_has_only_its_id(
    dance: Dance, provider: str, proof: dict[str, str], basic: tuple[str, str] | None, expected: tuple[int, str]
) -> None:
    dance.oauth.register_client(OAuthClient(provider=provider, id="public", accepts_loopback=True))
    assert outcome(dance, provider, proof, basic) == expected


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Bearer " + base64.b64encode(f"{IDS['airtable']}:{SECRETS['airtable']}".encode()).decode(),
    ],
)
def test_a_header_that_cannot_be_read_proves_nothing(dance: Dance, header: str) -> None:
    fields = {"grant_type": "refresh_token", "refresh_token": "x"}
    response = dance.http.post(PATHS["airtable"][1], data=fields, headers={"Authorization": header})
    assert error_of(response) == REFUSED


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_token_request_must_be_a_form(dance: Dance, provider: str) -> None:
    response = dance.http.post(PATHS[provider][1], json={"grant_type": "authorization_code"})
    assert error_of(response) == (400, "invalid_request")
    as_text = {"Content-Type": "text/plain"}
    answer = dance.http.post(PATHS[provider][1], content="grant_type=refresh_token", headers=as_text)
    assert error_of(answer) == (400, "invalid_request")
    with_charset = {"Content-Type": "Application/x-www-form-urlencoded;charset=UTF-8"}
    answer = dance.http.post(PATHS[provider][1], content="grant_type=refresh_token", headers=with_charset)
    assert error_of(answer) == REFUSED


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": ABSENT}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "nonsense"}, "invalid_grant"),
    ],
)
def test_a_wrong_token_request_is_told_what_is_wrong(
    dance: Dance, provider: str, changes: dict[str, str], error: str
) -> None:
    assert error_of(dance.token(provider, **changes)) == (400, error)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_answer_of_a_token_endpoint_may_be_stored(dance: Dance, provider: str) -> None:
    for response in (dance.exchange(provider, dance.code(provider)), dance.exchange(provider, "nonsense")):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_code_works_once(dance: Dance, provider: str) -> None:
    code = dance.code(provider)
    first = dance.exchange(provider, code)
    assert (first.status_code, error_of(dance.exchange(provider, code))) == (200, (400, "invalid_grant"))
    assert dance.works(provider, first.json()["access_token"])


@pytest.mark.parametrize(
    ("provider", "failing"),
    [
        *((provider, {"redirect_uri": "http://127.0.0.1:8400/other"}) for provider in PROVIDERS),
        *((provider, {"redirect_uri": ABSENT}) for provider in PROVIDERS),
        *((provider, {"grant_type": "password"}) for provider in PROVIDERS),
        ("google", {"code_verifier": "wrong"}),
        ("airtable", {"code_verifier": "wrong"}),
        ("airtable", {"code_verifier": ABSENT}),
    ],
)
def test_a_code_is_used_up_even_if_the_request_fails(dance: Dance, provider: str, failing: dict[str, str]) -> None:
    code = dance.code(provider)
    assert dance.exchange(provider, code, **failing).status_code == 400
    assert error_of(dance.exchange(provider, code)) == (400, "invalid_grant")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_code_is_used_up_even_by_a_client_that_proves_nothing(dance: Dance, provider: str) -> None:
    code = dance.code(provider)
    form = {"grant_type": "authorization_code", "code": code, "client_id": "nobody"}
    assert error_of(dance.post_token(provider, form)) == REFUSED
    assert error_of(dance.exchange(provider, code)) == (400, "invalid_grant")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_code_lives_for_ten_minutes(dance: Dance, provider: str) -> None:
    young, old = dance.code(provider), dance.code(provider)
    dance.advance(599)
    assert dance.exchange(provider, young).status_code == 200
    dance.advance(1)
    assert error_of(dance.exchange(provider, old)) == (400, "invalid_grant")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_code_is_for_the_client_that_asked(dance: Dance, provider: str) -> None:
    dance.oauth.register_client(OAuthClient(provider=provider, id="other", secret="s", accepts_loopback=True))
    assert error_of(dance.exchange(provider, dance.code(provider, client_id="other"))) == (400, "invalid_grant")


def test_a_code_of_one_provider_means_nothing_to_another(dance: Dance) -> None:
    code = dance.code("google")
    assert error_of(dance.exchange("mailchimp", code)) == (400, "invalid_grant")
    assert dance.exchange("google", code).status_code == 200


@pytest.mark.parametrize(
    ("provider", "error"),
    [("google", "redirect_uri_mismatch"), ("airtable", "invalid_grant"), ("mailchimp", "invalid_grant")],
)
def test_the_redirect_address_must_be_the_same_again(dance: Dance, provider: str, error: str) -> None:
    response = dance.exchange(provider, dance.code(provider), redirect_uri="http://127.0.0.1:8400/other")
    assert error_of(response) == (400, error)
