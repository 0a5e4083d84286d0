"""Clients that nobody here wrote get their tokens from the sandbox, with the quirks that they are built for."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from google.auth.exceptions import RefreshError
from oauthlib.oauth2.rfc6749.errors import (  # type: ignore[import-untyped]
    InvalidGrantError,
    MismatchingStateError,
    OAuth2Error,
)

from integrations_pipeline_tests.sandbox.oauth.dance import READ, SEND, STATE, Dance
from integrations_pipeline_tests.sandbox.oauth.foreign import (
    authlib_client,
    google_credentials,
    google_flow,
    mailchimp_session,
    refresh,
)
from integrations_sandbox import DEFAULT_OAUTH_CLIENTS, FaultRule, OAuthClient

GOOGLE, AIRTABLE, MAILCHIMP = (DEFAULT_OAUTH_CLIENTS[each] for each in ("google", "airtable", "mailchimp"))


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """oauthlib speaks https only, unless the environment says otherwise."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.delenv("OAUTHLIB_RELAX_TOKEN_SCOPE", raising=False)


def visited(dance: Dance, url: str) -> str:
    """Where the person's browser is sent from the authorization page."""
    response = dance.http.get(url)
    assert response.status_code == 302
    return str(response.headers["Location"])


# google-auth


@pytest.mark.parametrize("scopes", [[], [READ, SEND], [SEND]])
def test_google_auth_refreshes_and_keeps_its_refresh_token(dance: Dance, scopes: list[str]) -> None:
    tokens = dance.tokens("google")
    credentials = google_credentials(dance.server, GOOGLE, tokens["refresh_token"], scopes)
    refresh(credentials)
    assert dance.works("google", credentials.token or "")
    assert credentials.refresh_token == tokens["refresh_token"]
    assert set(credentials.granted_scopes or scopes) == set(scopes)
    body = dance.server.airtable.requests()[-1].body
    assert "client_secret=" in body
    assert ("scope=" in body) is bool(scopes)


def test_google_auth_takes_the_scopes_that_a_person_left(dance: Dance, caplog: pytest.LogCaptureFixture) -> None:
    dance.oauth.set_options("google", auto_consent="partial", left_out_scopes=[READ])
    credentials = google_credentials(dance.server, GOOGLE, dance.tokens("google")["refresh_token"], [READ, SEND])
    refresh(credentials)
    assert credentials.granted_scopes == [SEND]
    assert "Not all requested scopes were granted" in caplog.text


@pytest.mark.parametrize(
    ("cause", "description"),
    [("revoked", "Token has been expired or revoked."), ("account_deleted", "Account has been deleted")],
)
def test_google_auth_does_not_retry_an_invalid_grant(dance: Dance, cause: Any, description: str) -> None:
    refresh_token = dance.tokens("google")["refresh_token"]
    dance.oauth.revoke("google", refresh_token, cause)
    with pytest.raises(RefreshError) as caught:
        refresh(google_credentials(dance.server, GOOGLE, refresh_token, []))
    message, body = caught.value.args
    assert message == f"invalid_grant: {description}"
    assert body == {"error": "invalid_grant", "error_description": description}
    assert not caught.value.retryable
    assert dance.oauth.token_requests("google")["refresh_token", "invalid_grant"] == 1


def test_google_auth_knows_the_session_control_of_a_workspace(dance: Dance) -> None:
    refresh_token = dance.tokens("google")["refresh_token"]
    dance.oauth.revoke("google", refresh_token, "session_control")
    with pytest.raises(RefreshError, match="Reauthentication is needed"):
        refresh(google_credentials(dance.server, GOOGLE, refresh_token, []))


def test_google_auth_reports_a_wrong_secret(dance: Dance) -> None:
    wrong = OAuthClient(provider="google", id=GOOGLE.id, secret="wrong")
    with pytest.raises(RefreshError, match="invalid_client: Unauthorized") as caught:
        refresh(google_credentials(dance.server, wrong, dance.tokens("google")["refresh_token"], []))
    assert not caught.value.retryable


@pytest.mark.slow  # the library itself waits a second before it tries again
def test_google_auth_gets_over_an_outage_by_itself(dance: Dance) -> None:
    refresh_token = dance.tokens("google")["refresh_token"]
    body = {"error": "temporarily_unavailable"}
    dance.server.airtable.add_fault(FaultRule(action="status", status=503, body=body, path_regex="/google/token$"))
    credentials = google_credentials(dance.server, GOOGLE, refresh_token, [])
    refresh(credentials)
    assert dance.works("google", credentials.token or "")


# google-auth-oauthlib


@pytest.fixture
def flow(dance: Dance) -> Iterator[Any]:
    flow = google_flow(dance.server, GOOGLE, [READ, SEND])
    with closing(flow.oauth2session):
        yield flow


def test_a_google_flow_gets_tokens_with_its_own_pkce_and_basic(dance: Dance, flow: Any) -> None:
    url, _ = flow.authorization_url(prompt="consent")
    assert "code_challenge_method=S256" in url
    flow.fetch_token(authorization_response=visited(dance, url))
    credentials = flow.credentials
    assert dance.works("google", credentials.token or "")
    entry = dance.server.airtable.requests()[-1]
    assert "code_verifier=" in entry.body
    assert "client_secret=" not in entry.body
    refresh(credentials)
    assert dance.works("google", credentials.token or "")


def test_a_google_flow_without_prompt_gets_no_second_refresh_token(dance: Dance, flow: Any) -> None:
    dance.tokens("google")
    url, _ = flow.authorization_url()
    flow.fetch_token(authorization_response=visited(dance, url))
    assert flow.credentials.refresh_token is None
    with pytest.raises(RefreshError, match="do not contain the necessary fields"):
        refresh(flow.credentials)


def test_a_google_flow_notices_scopes_that_were_left_out(
    dance: Dance, flow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dance.oauth.set_options("google", auto_consent="partial", left_out_scopes=[READ])
    url, _ = flow.authorization_url(prompt="consent")
    with pytest.raises(Warning, match="Scope has changed"):
        flow.fetch_token(authorization_response=visited(dance, url))
    monkeypatch.setenv("OAUTHLIB_RELAX_TOKEN_SCOPE", "1")
    url, _ = flow.authorization_url(prompt="consent")
    flow.fetch_token(authorization_response=visited(dance, url))
    assert flow.credentials.granted_scopes == [SEND]


def test_a_google_flow_hears_of_a_denial_a_foreign_state_and_a_used_code(dance: Dance, flow: Any) -> None:
    url, _ = flow.authorization_url()
    location = visited(dance, url)
    with pytest.raises(MismatchingStateError):
        flow.fetch_token(authorization_response=location.replace("state=", "state=x"))
    flow.fetch_token(authorization_response=location)
    with pytest.raises(InvalidGrantError):
        flow.fetch_token(authorization_response=location)
    dance.oauth.set_options("google", auto_consent="deny")
    with pytest.raises(OAuth2Error, match="access_denied"):
        flow.fetch_token(authorization_response=visited(dance, url))


# Authlib


def test_authlib_gets_refreshes_and_revokes_googles_tokens(dance: Dance) -> None:
    server, verifier = dance.server, generate_token(48)
    with closing(authlib_client(GOOGLE, server.google_token_url, scope=[READ, SEND])) as client:
        url, state = client.create_authorization_url(
            server.google_auth_url, code_verifier=verifier, access_type="offline", prompt="consent"
        )
        client.fetch_token(authorization_response=visited(dance, url), code_verifier=verifier, state=state)
        first = dict(client.token)
        client.refresh_token()
        assert client.token["access_token"] != first["access_token"]
        assert client.token["refresh_token"] == first["refresh_token"]
        assert client.revoke_token(server.url + "/oauth/google/revoke", auth=None).status_code == 200
        with pytest.raises(OAuthError, match="invalid_grant: Token has been expired or revoked"):
            client.refresh_token()


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_proves_itself_to_google_either_way(dance: Dance, method: str) -> None:
    refresh_token = dance.tokens("google")["refresh_token"]
    url = dance.server.google_token_url
    with closing(authlib_client(GOOGLE, url, token_endpoint_auth_method=method)) as client:
        assert dance.works("google", client.refresh_token(refresh_token=refresh_token)["access_token"])


@pytest.mark.parametrize(
    "client",
    [AIRTABLE, OAuthClient(provider="airtable", id="public", accepts_loopback=True)],
    ids=["secret", "public"],
)
def test_authlib_gets_airtables_tokens_and_follows_the_rotation(dance: Dance, client: OAuthClient) -> None:
    dance.oauth.register_client(client)
    token_url, verifier = dance.server.airtable_oauth_url + "/token", generate_token(48)
    with closing(authlib_client(client, token_url, scope="data.records:read schema.bases:read")) as authlib:
        address = dance.server.airtable_oauth_url + "/authorize"
        url, state = authlib.create_authorization_url(address, state=STATE, code_verifier=verifier)
        authlib.fetch_token(authorization_response=visited(dance, url), code_verifier=verifier, state=state)
        first = dict(authlib.token)
        authlib.refresh_token()
        assert authlib.token["refresh_token"] != first["refresh_token"]
        assert authlib.get(dance.server.airtable_url + "/v0/meta/bases").json() == {"bases": []}
        with pytest.raises(OAuthError, match="conflict: you recently refreshed this token"):
            authlib.refresh_token(refresh_token=first["refresh_token"])


def test_authlib_refreshes_by_itself_and_hands_the_new_pair_over(dance: Dance) -> None:
    # Shorter than what Authlib takes for expired.
    dance.oauth.set_options("airtable", access_token_seconds=30)
    token, saved = dance.tokens("airtable", scope="schema.bases:read"), []
    url = dance.server.airtable_oauth_url + "/token"

    def save(new: dict[str, Any], refresh_token: str) -> None:
        saved.append((refresh_token, new["refresh_token"]))

    with closing(authlib_client(AIRTABLE, url, token=dict(token), update_token=save)) as client:
        for _ in range(2):
            assert client.get(dance.server.airtable_url + "/v0/meta/bases").status_code == 200
    assert [used for used, _ in saved] == [token["refresh_token"], saved[0][1]]
    assert dance.oauth.token_requests("airtable")["refresh_token", "ok"] == 2


def test_authlib_gets_mailchimps_token_and_takes_it_as_everlasting(dance: Dance) -> None:
    address = dance.server.mailchimp_oauth_url
    with closing(
        authlib_client(MAILCHIMP, address + "/token", token_endpoint_auth_method="client_secret_post")
    ) as client:
        url, state = client.create_authorization_url(address + "/authorize")
        client.fetch_token(authorization_response=visited(dance, url), state=state)
        assert "expires_at" not in client.token
        found = client.get(address + "/metadata").json()
    assert found["api_endpoint"] == dance.server.url + "/mailchimp"


def test_authlib_is_told_that_mailchimp_takes_no_basic(dance: Dance) -> None:
    url = dance.server.mailchimp_oauth_url + "/token"
    with closing(authlib_client(MAILCHIMP, url)) as client, pytest.raises(OAuthError, match="invalid_client"):
        client.fetch_token(code=dance.code("mailchimp"))


# requests-oauthlib


def test_requests_oauthlib_meets_the_answer_that_its_mailchimp_fix_is_for(dance: Dance) -> None:
    address = dance.server.mailchimp_oauth_url
    with closing(mailchimp_session(MAILCHIMP)) as session:
        url, _ = session.authorization_url(address + "/authorize")
        location = visited(dance, url)
        token = session.fetch_token(
            address + "/token",
            authorization_response=location,
            client_secret=MAILCHIMP.secret,
            include_client_id=True,
        )
        # The fix takes 0 for an hour: whoever believes it asks people to authorize again and again.
        assert token["expires_in"] == 3600
        headers = {"Authorization": f"OAuth {token['access_token']}"}
        assert session.get(address + "/metadata", headers=headers, withhold_token=True).status_code == 200
