"""HubSpot: access tokens of half an hour, a refresh token that stays, errors in two forms."""

from integrations_pipeline_tests.sandbox.oauth.dance import Dance, error_of
from integrations_sandbox.hubspot.state import DEFAULT_PORTAL


def test_a_code_gives_tokens_and_the_account(dance: Dance) -> None:
    tokens = dance.tokens("hubspot")
    assert (tokens["expires_in"], tokens["hub_id"]) == (1800, DEFAULT_PORTAL)
    assert tokens["scopes"] == ["crm.objects.contacts.read", "oauth"]
    assert dance.works("hubspot", tokens["access_token"])
    dance.advance(1801)
    assert not dance.works("hubspot", tokens["access_token"])


def test_a_refresh_gives_a_new_access_token_and_the_same_refresh_token(dance: Dance) -> None:
    tokens = dance.tokens("hubspot")
    for _ in range(2):
        fresh = dance.refresh("hubspot", tokens["refresh_token"]).json()
        assert fresh["refresh_token"] == tokens["refresh_token"]
        assert dance.works("hubspot", fresh["access_token"])


def test_a_revoked_grant_is_told_in_both_forms(dance: Dance) -> None:
    tokens = dance.tokens("hubspot")
    dance.oauth.revoke("hubspot", tokens["access_token"])
    answer = dance.refresh("hubspot", tokens["refresh_token"])
    assert error_of(answer) == (400, "invalid_grant")
    assert answer.json()["status"] == "BAD_REFRESH_TOKEN"
    code = dance.code("hubspot")
    wrong = dance.exchange("hubspot", code, redirect_uri="http://127.0.0.1:8400/other")
    assert (error_of(wrong)[1], wrong.json()["status"]) == ("invalid_grant", "BAD_REDIRECT_URI")


def test_scopes_that_nobody_knows_are_refused(dance: Dance) -> None:
    assert dance.callback("hubspot", scope="everything")["error"] == "invalid_scope"


def test_the_api_takes_the_token_for_what_it_was_given(dance: Dance) -> None:
    headers = {"Authorization": f"Bearer {dance.tokens('hubspot')['access_token']}"}
    path = "/hubspot/crm/objects/2026-09/contacts"
    assert dance.http.get(path, headers=headers).json() == {"results": []}
    assert dance.http.post(f"{path}/batch/update", headers=headers, json={}).status_code == 403
