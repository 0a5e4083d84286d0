"""Mailchimp: tokens without scopes, end or refresh, and the metadata that names the API's address."""

import pytest

from integrations_pipeline_tests.sandbox.oauth.dance import ABSENT, Dance, error_of

OWNER = "owner@mailchimp.example"
METADATA = "/oauth/mailchimp/oauth2/metadata"


def test_a_code_gives_a_token_that_says_zero_and_means_never(dance: Dance) -> None:
    tokens = dance.tokens("mailchimp")
    assert tokens == {"access_token": tokens["access_token"], "expires_in": 0, "scope": None}
    dance.advance(10 * 365 * 86_400)
    assert dance.works("mailchimp", tokens["access_token"])


def test_there_are_no_scopes_and_no_pkce_to_ask_for(dance: Dance) -> None:
    code = dance.code("mailchimp", scope="everything", code_challenge="x", code_challenge_method="S256")
    assert dance.exchange("mailchimp", code).json()["scope"] is None


def test_nothing_can_be_refreshed(dance: Dance) -> None:
    response = dance.refresh("mailchimp", dance.tokens("mailchimp")["access_token"])
    assert error_of(response) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("scheme", ["OAuth", "oauth", "Bearer"])
def test_the_metadata_tell_whose_the_token_is_and_where_the_api_is(dance: Dance, scheme: str) -> None:
    dance.oauth.set_options("mailchimp", accounts=["ada@mailchimp.example"])
    token = dance.tokens("mailchimp")["access_token"]
    response = dance.http.get(METADATA, headers={"Authorization": f"{scheme} {token}"})
    found = response.json()
    assert response.status_code == 200
    assert set(found) == {"dc", "role", "accountname", "user_id", "login", "login_url", "api_endpoint"}
    assert set(found["login"]) == {"email", "avatar", "login_id", "login_name", "login_email"}
    assert found["login"]["login_email"] == "ada@mailchimp.example"
    assert found["api_endpoint"] == dance.server.url + "/mailchimp"


def test_the_api_at_that_address_takes_the_token(dance: Dance) -> None:
    token = dance.tokens("mailchimp")["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    endpoint = dance.http.get(METADATA, headers=headers).json()["api_endpoint"]
    assert dance.http.get(endpoint + "/3.0/", headers=headers).json()["email"] == OWNER
    dance.oauth.revoke("mailchimp", token)
    assert dance.http.get(endpoint + "/3.0/", headers=headers).json()["title"] == "API Key Invalid"


def test_the_address_of_the_api_is_on_the_host_that_was_asked(dance: Dance) -> None:
    token = dance.tokens("mailchimp")["access_token"]
    headers = {"Authorization": f"OAuth {token}", "Host": "sandbox.test:8080"}
    endpoint = dance.http.get(METADATA, headers=headers).json()["api_endpoint"]
    assert endpoint == "http://sandbox.test:8080/mailchimp"


def test_two_accounts_have_two_numbers(dance: Dance) -> None:
    tokens = [dance.oauth.grant("mailchimp", account=f"{name}@x.example")["access_token"] for name in "aba"]
    headers = [{"Authorization": f"OAuth {token}"} for token in tokens]
    first, second, third = (dance.http.get(METADATA, headers=each).json()["user_id"] for each in headers)
    assert first == third != second


@pytest.mark.parametrize("header", ["", "OAuth nonsense", "OAuth", "Basic {token}", "{token}"])
def test_without_a_right_token_there_are_no_metadata(dance: Dance, header: str) -> None:
    token = dance.tokens("mailchimp")["access_token"]
    response = dance.http.get(METADATA, headers={"Authorization": header.format(token=token)})
    assert (response.status_code, response.json()) == (401, {"error": "invalid_token"})


def test_a_token_of_another_provider_opens_no_metadata(dance: Dance) -> None:
    token = dance.tokens("google")["access_token"]
    assert error_of(dance.http.get(METADATA, headers={"Authorization": f"OAuth {token}"})) == (401, "invalid_token")


@pytest.mark.parametrize("end", ["revoked", "password", "expired"])
def test_a_token_ends_only_when_somebody_ends_it(dance: Dance, end: str) -> None:
    token, other = dance.tokens("mailchimp")["access_token"], dance.oauth.grant("mailchimp", account="x")
    if end == "revoked":
        dance.oauth.revoke("mailchimp", OWNER)
    elif end == "password":
        dance.oauth.change_password("mailchimp", OWNER)
    else:
        dance.oauth.expire_access(token)
    assert error_of(dance.http.get(METADATA, headers={"Authorization": f"OAuth {token}"})) == (401, "invalid_token")
    assert dance.works("mailchimp", other["access_token"])


def test_a_redirect_address_is_needed_at_both_ends(dance: Dance) -> None:
    assert dance.authorize("mailchimp", redirect_uri=ABSENT).status_code == 400
    response = dance.exchange("mailchimp", dance.code("mailchimp"), redirect_uri=ABSENT)
    assert error_of(response) == (400, "invalid_grant")
