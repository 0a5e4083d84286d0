"""Who may do what: tokens, scopes, mailboxes, and the shapes in which Google says no."""

import json
from typing import Any

import pytest

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, discovery, mail, problem
from integrations_sandbox.gmail.methods import METHODS, Method

AUTH = "https://www.googleapis.com/auth/gmail."
ADDONS = AUTH + "addons."


def described() -> dict[str, Any]:
    """The methods of Google's own description, by their names after `gmail.users.`."""
    found: dict[str, Any] = {}

    def walk(resource: dict[str, Any]) -> None:
        for method in resource.get("methods", {}).values():
            found[method["id"].removeprefix("gmail.users.")] = method
        for child in resource.get("resources", {}).values():
            walk(child)

    walk(json.loads(discovery()))
    return found


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_each_method_is_as_googles_own_description_says(method: Method) -> None:
    document = described()[method.name]
    path = document.get("flatPath", document["path"]).removeprefix("gmail/v1/")
    assert method.verb == document["httpMethod"]
    assert [part if part[0] != "{" else "{}" for part in path.split("/")] == method.path.split("/")
    assert set(method.scopes) == {each for each in document["scopes"] if not each.startswith(ADDONS)}
    assert method.upload_limit == int(document.get("mediaUpload", {}).get("maxSize", 0))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_each_method_is_refused_without_one_of_its_scopes(post: Post, method: Method) -> None:
    everything = {scope for each in METHODS for scope in each.scopes}
    path = "/gmail/gmail/v1/" + method.path.replace("{}", "me", 1).replace("{}", "beef")
    with post.client(post.gmail.token(ADA, everything - set(method.scopes))) as client:
        refused = client.request(method.verb, path, json={})
    assert problem(refused) == (403, "insufficientPermissions", "Request had insufficient authentication scopes.")
    error = refused.json()["error"]
    assert (error["status"], error["errors"][0]["message"]) == ("PERMISSION_DENIED", "Insufficient Permission")
    assert error["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
    assert error["details"][0]["metadata"]["service"] == "gmail.googleapis.com"
    challenge = refused.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="https://accounts.google.com/", error="insufficient_scope", scope="')
    for scope in method.scopes:
        with post.client(post.gmail.token(ADA, [scope])) as client:
            assert client.request(method.verb, path, json={}).status_code != 403


def test_errors_name_the_method_as_google_does(post: Post) -> None:
    with post.client(post.gmail.token(ADA, [AUTH + "send"])) as client:
        names = [
            client.get(f"/gmail/gmail/v1/users/me/{path}").json()["error"]["details"][0]["metadata"]["method"]
            for path in ("labels", "profile", "messages", "messages/beef")
        ]
    called = ["ListLabels", "GetProfile", "ListMessages", "GetMessage"]
    assert names == [f"caribou.api.proto.MailboxService.{name}" for name in called]


def test_a_token_for_sending_can_read_nothing_back(post: Post) -> None:
    with post.client(post.gmail.token(ADA, [AUTH + "send"])) as client:
        sent = client.post("/gmail/gmail/v1/users/me/messages/send", json={"raw": as_raw(mail())}).json()
        assert sorted(sent) == ["id", "labelIds", "threadId"]
        assert client.get(f"/gmail/gmail/v1/users/me/messages/{sent['id']}").status_code == 403
        assert client.post("/gmail/gmail/v1/users/me/drafts", json={}).status_code == 403


@pytest.mark.parametrize("others", [[], [AUTH + "readonly"], [AUTH + "modify"]], ids=["alone", "readonly", "modify"])
def test_a_token_for_metadata_gets_no_bodies_and_no_search_whatever_else_it_may(post: Post, others: list[str]) -> None:
    sent = post.send(mail())["id"]
    base = "/gmail/gmail/v1/users/me/"
    with post.client(post.gmail.token(ADA, [AUTH + "metadata", *others])) as client:
        for q in ("in:sent", ""):
            refused = client.get(base + "messages", params={"q": q})
            assert problem(refused) == (403, "forbidden", "Metadata scope does not support 'q' parameter")
        assert client.get(base + "messages").json()["messages"][0]["id"] == sent
        refused = client.get(base + f"messages/{sent}")
        assert problem(refused) == (403, "forbidden", "Metadata scope doesn't allow format FULL")
        assert client.get(base + f"messages/{sent}", params={"format": "raw"}).status_code == 403
        assert client.get(base + f"threads/{sent}", params={"format": "full"}).status_code == 403
        assert client.get(base + f"messages/{sent}", params={"format": "metadata"}).status_code == 200


def test_without_a_token_a_login_is_required(post: Post) -> None:
    refused = post.call("GET", "profile", headers={"Authorization": ""})
    error = refused.json()["error"]
    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")
    assert error["errors"][0] == {
        "message": "Login Required.",
        "domain": "global",
        "reason": "required",
        "location": "Authorization",
        "locationType": "header",
    }
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="https://accounts.google.com/"'


@pytest.mark.parametrize("trouble", ["unknown", "revoked", "expired", "of another provider"])
def test_a_token_that_is_not_valid_is_refused(post: Post, trouble: str) -> None:
    token = post.gmail.token(ADA, expires_in=3599)
    with post.client(token if trouble != "unknown" else "ya29.nobody") as client:
        if trouble != "unknown":
            assert client.get("/gmail/gmail/v1/users/me/profile").status_code == 200
        if trouble == "revoked":
            post.http.delete(f"/sandbox/gmail/tokens/{token}")
        if trouble == "expired":
            post.advance(3599)
        if trouble == "of another provider":
            client.headers["Authorization"] = "Bearer patSandbox.token"
        refused = client.get("/gmail/gmail/v1/users/me/profile")
    error = refused.json()["error"]
    assert (error["errors"][0]["reason"], error["errors"][0]["message"]) == ("authError", "Invalid Credentials")
    assert error["message"].startswith("Request had invalid authentication credentials.")
    assert "invalid_token" in refused.headers["WWW-Authenticate"]


def test_a_token_of_the_authorization_server_opens_the_mailbox_of_its_account(post: Post) -> None:
    granted = {"provider": "google", "account": ADA, "scopes": [AUTH + "readonly"]}
    token = post.http.post("/sandbox/oauth/grants", json=granted).raise_for_status().json()["access_token"]
    with post.client(token) as client:
        assert client.get("/gmail/gmail/v1/users/me/profile").json()["emailAddress"] == ADA


def test_a_user_is_me_or_the_accounts_own_address(post: Post) -> None:
    post.gmail.create_mailbox(BOB)
    for user in ("me", ADA, "Ada%40Example.org"):
        assert post.http.get(f"/gmail/gmail/v1/users/{user}/profile").json()["emailAddress"] == ADA
    refused = post.http.get(f"/gmail/gmail/v1/users/{BOB}/profile")
    assert problem(refused) == (403, "forbidden", f"Delegation denied for {BOB}")


def test_an_account_without_a_mailbox_has_no_mail_service(post: Post) -> None:
    with post.client(post.gmail.token("nobody@example.org")) as client:
        refused = client.get("/gmail/gmail/v1/users/me/profile")
    assert problem(refused) == (400, "failedPrecondition", "Mail service not enabled")
    assert refused.json()["error"]["status"] == "FAILED_PRECONDITION"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gmail/gmail/v1/users/me/nothing"),
        ("PATCH", "/gmail/gmail/v1/users/me/messages"),
        ("GET", "/gmail/gmail/v2/users/me/profile"),
        ("GET", "/gmail"),
        ("POST", "/upload/gmail/v1/users/me/labels"),
        ("POST", "/batch/people/v1"),
        ("GET", "/batch"),
    ],
)
def test_an_unknown_path_is_answered_with_a_page_for_people(post: Post, method: str, path: str) -> None:
    answer = post.http.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_two_mailboxes_see_nothing_of_each_other(post: Post) -> None:
    post.gmail.create_mailbox(BOB)
    sent = post.send(mail(to="carol@elsewhere.example"))["id"]
    with post.client(post.gmail.token(BOB)) as client:
        assert client.get(f"/gmail/gmail/v1/users/me/messages/{sent}").status_code == 404
        assert client.get("/gmail/gmail/v1/users/me/messages").json() == {"resultSizeEstimate": 0}


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'"text"'])
def test_a_body_that_is_no_json_object_is_refused(post: Post, content: bytes) -> None:
    refused = post.call("POST", "messages/send", content=content)
    assert problem(refused)[:2] == (400, "parseError")
    assert post.call("POST", "messages/send", content=content, headers={"Authorization": ""}).status_code == 401
