"""Google: granular consent, when there is a refresh token, what ends it, and how Google words it."""

from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.oauth.dance import (
    ABSENT,
    CHALLENGE,
    GMAIL,
    READ,
    SEND,
    VERIFIER,
    Dance,
    error_of,
)
from integrations_sandbox import OAuthClient

OWNER = "owner@gmail.example"
DAY = 86_400
REVOKED = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}


def refused(dance: Dance, refresh_token: str) -> dict[str, str]:
    response = dance.refresh("google", refresh_token)
    assert response.status_code == 400
    body: dict[str, str] = response.json()
    return body


def granted(dance: Dance, access_token: str) -> set[str]:
    """The scopes that Google's APIs see in the token."""
    grant = dance.server.stage.grants.find("google", access_token, dance.server.stage.clock.now())
    assert grant is not None
    return set(grant.scopes)


def test_a_code_gives_an_hour_less_a_second_and_a_refresh_token(dance: Dance) -> None:
    tokens = dance.tokens("google")
    assert set(tokens) == {"access_token", "expires_in", "refresh_token", "scope", "token_type"}
    assert (tokens["expires_in"], tokens["token_type"]) == (3599, "Bearer")
    assert set(tokens["scope"].split()) == {READ, SEND} == granted(dance, tokens["access_token"])
    dance.advance(3598)
    assert dance.works("google", tokens["access_token"])
    dance.advance(1)
    assert not dance.works("google", tokens["access_token"])


def test_the_access_token_lies_on_the_stage_for_the_apis(dance: Dance) -> None:
    tokens = dance.tokens("google", login_hint="ada@gmail.example")
    stage = dance.server.stage
    grant = stage.grants.find("google", tokens["access_token"], stage.clock.now())
    assert grant is not None
    assert (grant.account, grant.client_id) == ("ada@gmail.example", dance.request("google")["client_id"])
    assert not dance.works("airtable", tokens["access_token"])


def test_gmail_takes_the_token_of_a_mailbox_with_its_scopes(dance: Dance) -> None:
    dance.server.gmail.create_mailbox(OWNER)
    for scope, status in ((READ, 200), (SEND, 403)):
        headers = {"Authorization": f"Bearer {dance.tokens('google', scope=scope)['access_token']}"}
        assert dance.http.get("/gmail/gmail/v1/users/me/profile", headers=headers).status_code == status
    dance.advance(3599)
    assert dance.http.get("/gmail/gmail/v1/users/me/profile", headers=headers).status_code == 401


# Which scopes


def test_a_person_may_leave_scopes_out(dance: Dance) -> None:
    dance.oauth.set_options("google", auto_consent="partial", left_out_scopes=[READ])
    tokens = dance.tokens("google")
    assert tokens["scope"] == SEND
    assert granted(dance, tokens["access_token"]) == {SEND}
    dance.oauth.set_options("google", left_out_scopes=[READ, SEND])
    assert dance.callback("google")["error"] == "access_denied"


def test_scopes_granted_before_come_along_if_asked_for(dance: Dance) -> None:
    dance.tokens("google", scope=READ)
    assert dance.tokens("google", scope=SEND)["scope"] == SEND
    both = dance.tokens("google", scope=SEND, include_granted_scopes="true")
    assert both["scope"].split() == [READ, SEND]


def test_short_names_of_scopes_come_back_as_long_ones(dance: Dance) -> None:
    scope = dance.tokens("google", scope="openid email")["scope"]
    assert scope.split() == ["https://www.googleapis.com/auth/userinfo.email", "openid"]


# When there is a refresh token


@pytest.mark.parametrize(
    ("changes", "has_refresh"),
    [
        ({"access_type": "offline", "prompt": "consent"}, True),
        ({"access_type": "offline", "prompt": "select_account consent"}, True),
        ({"access_type": "offline", "prompt": ABSENT}, False),
        ({"access_type": "offline", "prompt": "select_account"}, False),
        ({"access_type": "online", "prompt": "consent"}, False),
        ({"access_type": ABSENT, "prompt": "consent"}, False),
    ],
)
def test_a_later_consent_gives_a_refresh_token_only_offline_and_when_it_is_asked_again(
    dance: Dance, changes: dict[str, str], has_refresh: bool
) -> None:
    dance.tokens("google")
    assert ("refresh_token" in dance.tokens("google", **changes)) is has_refresh


@pytest.mark.parametrize(
    ("changes", "has_refresh"),
    [({"access_type": "offline"}, True), ({"access_type": "online"}, False), ({"access_type": ABSENT}, False)],
)
def test_the_first_consent_gives_one_without_being_asked_again(
    dance: Dance, changes: dict[str, str], has_refresh: bool
) -> None:
    assert ("refresh_token" in dance.tokens("google", prompt=ABSENT, **changes)) is has_refresh


def test_what_counts_as_first_is_told_by_account_and_client(dance: Dance) -> None:
    dance.oauth.register_client(OAuthClient(provider="google", id="other", secret="s", accepts_loopback=True))
    dance.tokens("google")
    assert "refresh_token" in dance.tokens("google", prompt=ABSENT, login_hint="ada@gmail.example")
    code = dance.code("google", prompt=ABSENT, client_id="other")
    assert "refresh_token" in dance.exchange("google", code, client_id="other", client_secret="s").json()
    assert "refresh_token" not in dance.tokens("google", prompt=ABSENT)


def test_every_later_consent_is_a_later_one(dance: Dance) -> None:
    dance.tokens("google")
    assert ["refresh_token" in dance.tokens("google", prompt=ABSENT) for _ in range(3)] == [False] * 3


def test_after_a_revocation_the_next_consent_is_the_first_again(dance: Dance) -> None:
    dance.tokens("google")
    dance.oauth.revoke("google", OWNER)
    assert "refresh_token" in dance.tokens("google", prompt=ABSENT)


# PKCE


@pytest.mark.parametrize(
    ("request_has", "form_has", "wording"),
    [
        ({}, {}, None),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, {"code_verifier": VERIFIER}, None),
        ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, {"code_verifier": VERIFIER}, None),
        ({"code_challenge": VERIFIER}, {"code_verifier": VERIFIER}, None),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, {}, "Missing code verifier."),
        (
            {"code_challenge": CHALLENGE, "code_challenge_method": "S256"},
            {"code_verifier": CHALLENGE},
            "Invalid code verifier.",
        ),
        ({}, {"code_verifier": VERIFIER}, "code_verifier or verifier is not needed."),
    ],
)
def test_pkce_is_optional_and_then_checked(
    dance: Dance, request_has: dict[str, str], form_has: dict[str, str], wording: str | None
) -> None:
    response = dance.exchange("google", dance.code("google", **request_has), **form_has)
    if wording is None:
        assert response.status_code == 200
    else:
        assert (error_of(response), response.json()["error_description"]) == ((400, "invalid_grant"), wording)


# Refreshing


def test_a_refresh_gives_a_new_access_token_and_no_new_refresh_token(dance: Dance) -> None:
    first = dance.tokens("google")
    for _ in range(3):
        again = dance.refresh("google", first["refresh_token"]).json()
        assert set(again) == {"access_token", "expires_in", "scope", "token_type"}
        assert again["access_token"] != first["access_token"]
        assert set(again["scope"].split()) == {READ, SEND}
    assert dance.works("google", first["access_token"])


def test_a_refresh_may_ask_for_fewer_scopes_but_not_for_others(dance: Dance) -> None:
    refresh_token = dance.tokens("google")["refresh_token"]
    fewer = dance.refresh("google", refresh_token, scope=READ).json()
    assert fewer["scope"] == READ
    assert granted(dance, fewer["access_token"]) == {READ}
    other = dance.refresh("google", refresh_token, scope=f"{READ} {GMAIL}modify")
    assert other.status_code == 400
    assert other.json() == {"error": "invalid_scope", "error_description": "Bad Request"}
    assert len(dance.refresh("google", refresh_token).json()["scope"].split()) == 2


def test_a_refresh_that_names_what_the_person_left_out_gets_the_rest(dance: Dance) -> None:
    dance.oauth.set_options("google", auto_consent="partial", left_out_scopes=[READ])
    refresh_token = dance.tokens("google")["refresh_token"]
    assert dance.refresh("google", refresh_token, scope=f"{READ} {SEND}").json()["scope"] == SEND
    assert error_of(dance.refresh("google", refresh_token, scope=READ)) == (400, "invalid_scope")


def test_a_refresh_token_is_of_use_to_its_own_client_only(dance: Dance) -> None:
    dance.oauth.register_client(OAuthClient(provider="google", id="other", secret="s"))
    refresh_token = dance.tokens("google")["refresh_token"]
    response = dance.refresh("google", refresh_token, client_id="other", client_secret="s")
    assert error_of(response) == (401, "unauthorized_client")
    assert dance.refresh("google", refresh_token).status_code == 200


def test_a_refresh_token_that_was_never_issued_is_a_bad_request(dance: Dance) -> None:
    assert refused(dance, "1//nonsense") == {"error": "invalid_grant", "error_description": "Bad Request"}
    airtable = dance.tokens("airtable")["refresh_token"]
    assert refused(dance, airtable)["error_description"] == "Bad Request"


# What ends a refresh token


@pytest.mark.parametrize(
    ("cause", "body"),
    [
        ("revoked", REVOKED),
        ("expired", REVOKED),
        ("password_changed", REVOKED),
        ("account_deleted", {"error": "invalid_grant", "error_description": "Account has been deleted"}),
        (
            "session_control",
            {
                "error": "invalid_grant",
                "error_description": "reauth related error (invalid_rapt)",
                "error_subtype": "invalid_rapt",
            },
        ),
    ],
)
def test_each_end_is_worded_as_google_words_it(dance: Dance, cause: Any, body: dict[str, str]) -> None:
    tokens = dance.tokens("google")
    dance.oauth.revoke("google", tokens["refresh_token"], cause)
    assert refused(dance, tokens["refresh_token"]) == body
    assert not dance.works("google", tokens["access_token"])


def test_a_person_who_revokes_ends_all_that_one_client_holds(dance: Dance) -> None:
    first, second = dance.tokens("google"), dance.tokens("google")
    other = dance.tokens("google", login_hint="ada@gmail.example")
    dance.oauth.revoke("google", OWNER)
    assert refused(dance, first["refresh_token"]) == refused(dance, second["refresh_token"]) == REVOKED
    assert not dance.works("google", first["access_token"])
    assert dance.refresh("google", other["refresh_token"]).status_code == 200


def test_a_token_that_is_revoked_ends_its_own_client_only(dance: Dance) -> None:
    dance.oauth.register_client(OAuthClient(provider="google", id="other", secret="s"))
    theirs = dance.oauth.grant("google", client_id="other")
    ours = dance.oauth.grant("google")
    dance.oauth.revoke("google", theirs["access_token"])
    assert not dance.works("google", theirs["access_token"])
    assert dance.refresh("google", ours["refresh_token"]).status_code == 200
    dance.oauth.grant("google", client_id="other")
    dance.oauth.revoke("google", OWNER)
    assert refused(dance, ours["refresh_token"]) == REVOKED


def test_the_first_end_of_a_token_is_the_one_it_is_refused_for(dance: Dance) -> None:
    refresh_token = dance.tokens("google")["refresh_token"]
    dance.oauth.revoke("google", OWNER, "account_deleted")
    dance.oauth.revoke("google", OWNER)
    assert refused(dance, refresh_token)["error_description"] == "Account has been deleted"


def test_a_code_does_not_outlive_the_revocation(dance: Dance) -> None:
    dance.tokens("google")
    code = dance.code("google")
    dance.oauth.revoke("google", OWNER)
    assert error_of(dance.exchange("google", code)) == (400, "invalid_grant")


def test_a_new_password_ends_what_holds_a_gmail_scope(dance: Dance) -> None:
    mail = dance.tokens("google", scope=f"{READ} openid")
    sheet = dance.tokens("google", scope="https://www.googleapis.com/auth/spreadsheets")
    whole = dance.tokens("google", scope="https://mail.google.com/")
    dance.oauth.change_password("google", OWNER)
    assert refused(dance, mail["refresh_token"]) == refused(dance, whole["refresh_token"]) == REVOKED
    assert not dance.works("google", mail["access_token"])
    assert dance.refresh("google", sheet["refresh_token"]).status_code == 200


def test_a_refresh_token_that_expired_leaves_the_access_token_alone(dance: Dance) -> None:
    tokens = dance.tokens("google")
    dance.oauth.expire_refresh(tokens["refresh_token"])
    assert refused(dance, tokens["refresh_token"]) == REVOKED
    assert dance.works("google", tokens["access_token"])


def test_six_months_without_use_end_a_refresh_token(dance: Dance) -> None:
    refresh_token = dance.tokens("google")["refresh_token"]
    for _ in range(2):
        dance.advance(181 * DAY)
        assert dance.refresh("google", refresh_token).status_code == 200
    dance.advance(182 * DAY)
    assert refused(dance, refresh_token) == REVOKED


def test_a_program_in_testing_gets_seven_days_and_is_told(dance: Dance) -> None:
    dance.oauth.set_options("google", refresh_token_seconds=7 * DAY)
    tokens = dance.tokens("google")
    assert tokens["refresh_token_expires_in"] == 7 * DAY
    dance.advance(6 * DAY)
    again = dance.refresh("google", tokens["refresh_token"])
    assert again.json()["refresh_token_expires_in"] == DAY
    dance.advance(DAY)
    assert refused(dance, tokens["refresh_token"]) == REVOKED


def test_the_oldest_of_more_than_a_hundred_refresh_tokens_dies_without_a_word(dance: Dance) -> None:
    other = dance.oauth.grant("google", account="ada@gmail.example")["refresh_token"]
    tokens = [dance.oauth.grant("google")["refresh_token"] for _ in range(100)]
    assert dance.refresh("google", tokens[0]).status_code == 200
    tokens.append(dance.tokens("google")["refresh_token"])
    assert refused(dance, tokens[0]) == REVOKED
    assert [dance.refresh("google", each).status_code for each in (tokens[1], tokens[-1], other)] == [200] * 3


# The revocation endpoint


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("place", ["data", "params"])
def test_a_program_can_revoke_with_either_token(dance: Dance, kind: str, place: str) -> None:
    tokens = dance.tokens("google")
    sent: dict[str, Any] = {place: {"token": tokens[kind]}}
    response = dance.http.post("/oauth/google/revoke", **sent)
    assert (response.status_code, response.json()) == (200, {})
    assert refused(dance, tokens["refresh_token"]) == REVOKED
    assert not dance.works("google", tokens["access_token"])
    assert error_of(dance.http.post("/oauth/google/revoke", **sent)) == (400, "invalid_token")


def test_a_token_that_is_none_cannot_be_revoked(dance: Dance) -> None:
    for sent in ({"token": "nonsense"}, {"token": dance.tokens("airtable")["access_token"]}, {}):
        assert error_of(dance.http.post("/oauth/google/revoke", data=sent)) == (400, "invalid_token")
