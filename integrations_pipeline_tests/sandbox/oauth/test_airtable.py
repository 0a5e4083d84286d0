"""Airtable: mandatory PKCE, both tokens replaced by every refresh, and its API behind the tokens."""

import httpx
import pytest
from pyairtable import Api

from integrations_pipeline_tests.sandbox.arrangement import client_for
from integrations_pipeline_tests.sandbox.oauth.dance import ABSENT, Dance, error_of
from integrations_sandbox import OAuthClient

DAY = 86_400
USER = "usrSandboxOAuth01"


def test_a_code_gives_both_tokens_with_their_lifetimes(dance: Dance) -> None:
    tokens = dance.tokens("airtable")
    assert set(tokens) == {
        "access_token",
        "refresh_token",
        "token_type",
        "scope",
        "expires_in",
        "refresh_expires_in",
    }
    assert (tokens["token_type"], tokens["scope"]) == ("Bearer", "data.records:read data.records:write")
    assert (tokens["expires_in"], tokens["refresh_expires_in"]) == (3600, 60 * DAY)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": ABSENT}, "invalid_request"),
        ({"code_verifier": "not-the-one-that-was-hashed"}, "invalid_grant"),
        ({"redirect_uri": ABSENT}, "invalid_request"),
    ],
)
def test_the_code_verifier_must_come_and_fit(dance: Dance, changes: dict[str, str], error: str) -> None:
    assert error_of(dance.exchange("airtable", dance.code("airtable"), **changes)) == (400, error)


# Rotation


def test_a_refresh_replaces_both_tokens(dance: Dance) -> None:
    first = dance.tokens("airtable")
    second = dance.refresh("airtable", first["refresh_token"]).json()
    assert set(second) == set(first)
    assert not {first["access_token"], first["refresh_token"]} & {second["access_token"], second["refresh_token"]}
    for kind in ("access_token", "refresh_token"):
        assert not dance.oauth.book.is_valid("airtable", first[kind])
        assert dance.oauth.book.is_valid("airtable", second[kind])
    assert dance.refresh("airtable", second["refresh_token"]).status_code == 200


def test_a_refresh_token_that_was_just_used_is_a_conflict_and_later_invalid(dance: Dance) -> None:
    first = dance.tokens("airtable")
    second = dance.refresh("airtable", first["refresh_token"]).json()
    assert error_of(dance.refresh("airtable", first["refresh_token"])) == (409, "conflict")
    dance.advance(9)
    assert error_of(dance.refresh("airtable", first["refresh_token"])) == (409, "conflict")
    dance.advance(1)
    assert error_of(dance.refresh("airtable", first["refresh_token"])) == (400, "invalid_grant")
    assert dance.works("airtable", second["access_token"])
    assert dance.refresh("airtable", second["refresh_token"]).status_code == 200


def test_the_time_in_which_it_is_a_conflict_can_be_set(dance: Dance) -> None:
    dance.oauth.set_options("airtable", conflict_seconds=0)
    used = dance.tokens("airtable")["refresh_token"]
    dance.refresh("airtable", used)
    assert error_of(dance.refresh("airtable", used)) == (400, "invalid_grant")


def test_two_authorizations_of_one_account_do_not_touch_each_other(dance: Dance) -> None:
    first, second = dance.tokens("airtable"), dance.tokens("airtable")
    dance.refresh("airtable", first["refresh_token"])
    assert dance.works("airtable", second["access_token"])
    assert dance.refresh("airtable", second["refresh_token"]).status_code == 200


def test_the_sixty_days_begin_anew_with_every_refresh(dance: Dance) -> None:
    tokens = dance.tokens("airtable")
    for _ in range(2):
        dance.advance(60 * DAY - 1)
        answer = dance.refresh("airtable", tokens["refresh_token"])
        assert answer.status_code == 200
        tokens = answer.json()
        assert tokens["refresh_expires_in"] == 60 * DAY
    dance.advance(60 * DAY)
    assert error_of(dance.refresh("airtable", tokens["refresh_token"])) == (400, "invalid_grant")


def test_a_refresh_may_give_scopes_up_but_not_add_any(dance: Dance) -> None:
    tokens = dance.tokens("airtable")
    more = dance.refresh("airtable", tokens["refresh_token"], scope="data.records:read webhook:manage")
    assert error_of(more) == (400, "invalid_scope")
    fewer = dance.refresh("airtable", tokens["refresh_token"], scope="data.records:read").json()
    assert fewer["scope"] == "data.records:read"
    again = dance.refresh("airtable", fewer["refresh_token"]).json()
    assert again["scope"] == "data.records:read"


def test_a_refresh_that_fails_replaces_nothing(dance: Dance) -> None:
    tokens = dance.tokens("airtable")
    wrong = dance.post_token("airtable", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    assert error_of(wrong) == (401, "invalid_client")
    assert error_of(dance.refresh("airtable", tokens["refresh_token"], scope="x")) == (400, "invalid_scope")
    assert dance.works("airtable", tokens["access_token"])
    assert dance.refresh("airtable", tokens["refresh_token"]).status_code == 200


def test_a_refresh_token_is_of_use_to_its_own_client_only(dance: Dance) -> None:
    dance.oauth.register_client(OAuthClient(provider="airtable", id="other", secret="s"))
    refresh_token = dance.tokens("airtable")["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    assert error_of(dance.post_token("airtable", form, ("other", "s"))) == (400, "invalid_grant")
    assert dance.refresh("airtable", refresh_token).status_code == 200


def test_a_public_client_refreshes_with_its_id_in_the_body(dance: Dance) -> None:
    dance.oauth.register_client(OAuthClient(provider="airtable", id="public", accepts_loopback=True))
    refresh_token = dance.oauth.grant("airtable", client_id="public")["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": "public"}
    assert dance.post_token("airtable", form).status_code == 200


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_token_that_is_over_cannot_be_refreshed(dance: Dance, end: str) -> None:
    tokens = dance.tokens("airtable")
    if end == "revoked":
        dance.oauth.revoke("airtable", USER)
    else:
        dance.oauth.expire_refresh(tokens["refresh_token"])
    assert error_of(dance.refresh("airtable", tokens["refresh_token"])) == (400, "invalid_grant")
    assert error_of(dance.refresh("airtable", "nonsense")) == (400, "invalid_grant")


def test_of_a_revoked_authorization_also_a_token_that_was_just_used_is_invalid(dance: Dance) -> None:
    used = dance.tokens("airtable")["refresh_token"]
    dance.refresh("airtable", used)
    dance.oauth.revoke("airtable", USER)
    assert error_of(dance.refresh("airtable", used)) == (400, "invalid_grant")


def test_a_new_password_changes_nothing(dance: Dance) -> None:
    tokens = dance.tokens("airtable")
    dance.oauth.change_password("airtable", USER)
    assert dance.works("airtable", tokens["access_token"])


# The API behind the tokens


def with_contacts(dance: Dance) -> str:
    """The path of a table with contacts."""
    base = dance.server.airtable.create_base("CRM")
    dance.server.airtable.create_contacts_table(base.id)
    return f"/airtable/v0/{base.id}/Contacts"


def statuses(dance: Dance, path: str, access_token: str) -> list[int]:
    """Of reading, writing and looking at webhooks."""
    with client_for(dance.server, access_token) as client:
        answers: list[httpx.Response] = [
            client.get(path),
            client.post(path, json={"fields": {"Name": "Ada"}}),
            client.get(f"/airtable/v0/bases/{path.split('/')[3]}/webhooks"),
        ]
    return [answer.status_code for answer in answers]


def test_the_api_takes_the_token_with_its_scopes(dance: Dance) -> None:
    path = with_contacts(dance)
    assert statuses(dance, path, dance.tokens("airtable")["access_token"]) == [200, 200, 403]
    assert statuses(dance, path, dance.tokens("airtable", scope="data.records:read")["access_token"]) == [200, 403, 403]


def test_the_api_knows_the_account_the_client_and_the_scopes(dance: Dance) -> None:
    tokens = dance.tokens("airtable", scope="schema.bases:read data.records:read")
    api = Api(tokens["access_token"], endpoint_url=dance.server.airtable_url)
    assert api.whoami() == {"id": USER, "scopes": ["data.records:read", "schema.bases:read"]}
    api.session.close()
    token = dance.server.airtable.token(tokens["access_token"])
    assert token.oauth_client == dance.request("airtable")["client_id"]


def test_the_api_refuses_tokens_that_are_over_replaced_or_another_providers(dance: Dance) -> None:
    path = with_contacts(dance)
    expired = dance.tokens("airtable")["access_token"]
    dance.advance(3600)
    ended, replaced, revoked = (dance.oauth.grant("airtable", account=f"usr{number}") for number in range(3))
    dance.oauth.expire_access(ended["access_token"])
    dance.refresh("airtable", replaced["refresh_token"])
    dance.oauth.revoke("airtable", revoked["access_token"])
    foreign = dance.oauth.grant("google")["access_token"]
    over = [expired, *(each["access_token"] for each in (ended, replaced, revoked)), foreign, "nonsense"]
    assert [statuses(dance, path, token) for token in over] == [[401, 401, 401]] * 6
