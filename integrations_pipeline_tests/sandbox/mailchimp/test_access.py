"""Keys and tokens, the shape of refusals, paths and methods, simultaneous connections."""

import base64
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.arrangement import NO_TLS
from integrations_pipeline_tests.sandbox.mailchimp.arrangement import ERROR_TYPE, Arrangement, md5, refusal
from integrations_sandbox import (
    DEFAULT_MAILCHIMP_KEY,
    FaultRule,
    MailchimpOptions,
    SandboxOptions,
    SandboxServer,
)
from integrations_sandbox.wire import Request

KEY_INVALID = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
TOO_MANY = (429, "Too Many Requests", "You have exceeded the limit of 10 simultaneous connections.")
BEARER = {"Authorization": f"Bearer {DEFAULT_MAILCHIMP_KEY}"}


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def ask(server: SandboxServer, headers: dict[str, str], path: str = "/3.0/ping") -> httpx.Response:
    return httpx.get(server.mailchimp_url + path, headers=headers, timeout=patient(5), verify=NO_TLS, trust_env=False)


@pytest.mark.parametrize(
    "authorization",
    [
        basic(f"user:{DEFAULT_MAILCHIMP_KEY}"),
        basic(f":{DEFAULT_MAILCHIMP_KEY}"),
        f"basic {basic('x:' + DEFAULT_MAILCHIMP_KEY)[6:]}",
        f"Bearer {DEFAULT_MAILCHIMP_KEY}",
    ],
    ids=["any user", "no user", "small letters", "bearer"],
)
def test_a_key_is_accepted_in_either_scheme(chimp: Arrangement, authorization: str) -> None:
    assert ask(chimp.server, {"Authorization": authorization}).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        basic("user:wrong-us1"),
        basic(f"{DEFAULT_MAILCHIMP_KEY}:"),
        basic("no colon"),
        "Basic ###",
        "Basic /w==",
        "Bearer wrong",
        "Bearer sandbox-us2",
        "Digest x",
    ],
)
def test_a_wrong_key_is_told_so(chimp: Arrangement, authorization: str) -> None:
    response = ask(chimp.server, {"Authorization": authorization})
    assert refusal(response) == (401, "API Key Invalid", KEY_INVALID)


def test_no_key_at_all_is_another_refusal(chimp: Arrangement) -> None:
    expected = (401, "API Key Missing", "Your request did not include an API key.")
    assert refusal(ask(chimp.server, {})) == expected


def test_a_key_can_be_made_and_revoked_and_ends_in_the_data_centre(chimp: Arrangement) -> None:
    key = chimp.mailchimp.create_api_key()
    assert re.fullmatch(r"[0-9a-f]{32}-us1", key)
    assert ask(chimp.server, {"Authorization": f"Bearer {key}"}).status_code == 200
    chimp.mailchimp.revoke_api_key(key)
    assert ask(chimp.server, {"Authorization": f"Bearer {key}"}).status_code == 401


def test_a_disabled_account_is_forbidden_everything(chimp: Arrangement) -> None:
    chimp.mailchimp.disable_account()
    assert refusal(chimp.http.get("/ping")) == (403, "User Disabled", "This account has been deactivated.")
    chimp.mailchimp.disable_account(is_disabled=False)
    assert chimp.http.get("/ping").status_code == 200


def test_an_oauth_token_is_good_until_it_is_revoked(chimp: Arrangement) -> None:
    token = chimp.allow("owner@mailchimp.example")
    headers = {"Authorization": f"Bearer {token}"}
    assert ask(chimp.server, headers, f"/3.0/lists/{chimp.list_id}").status_code == 200
    chimp.server.stage.grants.revoke([token])
    assert refusal(ask(chimp.server, headers)) == (401, "API Key Invalid", KEY_INVALID)


def test_another_services_token_is_no_key(chimp: Arrangement) -> None:
    token = chimp.allow("owner@mailchimp.example", provider="google")
    assert ask(chimp.server, {"Authorization": f"Bearer {token}"}).status_code == 401


def test_an_account_sees_its_own_audiences_only(chimp: Arrangement) -> None:
    headers = {"Authorization": f"Bearer {chimp.allow('stranger@people.test')}"}
    assert ask(chimp.server, headers, "/3.0/lists").json()["lists"] == []
    assert ask(chimp.server, headers, f"/3.0/lists/{chimp.list_id}").status_code == 404
    other = chimp.mailchimp.create_list("Other", account="stranger@people.test")
    assert ask(chimp.server, headers, f"/3.0/lists/{other.id}").json()["name"] == "Other"
    assert chimp.http.get(f"/lists/{other.id}").status_code == 404


# Refusals


def test_a_refusal_is_a_problem_document_with_an_instance_of_its_own(chimp: Arrangement) -> None:
    first, second = chimp.http.get("/lists/nothing"), chimp.http.get("/lists/nothing")
    assert first.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert list(first.json()) == ["type", "title", "status", "detail", "instance"]
    assert first.json()["type"] == ERROR_TYPE
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first.json()["instance"])
    assert first.json()["instance"] != second.json()["instance"]


def test_what_a_members_state_forbids_is_refused_without_a_type(chimp: Arrangement) -> None:
    chimp.join("ada@people.test")
    body = chimp.post(email_address="ada@people.test", status="subscribed").json()
    assert list(body) == ["title", "status", "detail", "instance"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/nothing"),
        ("GET", "/3.0/nothing"),
        ("GET", "/3.0/lists/0000000000"),
        ("GET", "/3.0/lists/0000000000/members"),
        ("POST", "/3.0/lists/0000000000"),
        ("GET", "/3.0/lists/{list}/members/nobody@people.test"),
        ("PATCH", "/3.0/lists/{list}/members/nobody@people.test"),
        ("DELETE", "/3.0/lists/{list}/members/nobody@people.test"),
        ("GET", "/3.0/lists/{list}/members/nobody@people.test/tags"),
        ("GET", "/3.0/batches/0000000000"),
    ],
)
def test_what_is_not_there_is_not_found(chimp: Arrangement, method: str, path: str) -> None:
    url = chimp.server.mailchimp_url + path.format(list=chimp.list_id)
    response = chimp.http.request(method, url, json={})
    assert refusal(response) == (404, "Resource Not Found", "The requested resource could not be found.")


def test_a_method_that_a_path_does_not_know_is_told_which_it_knows(chimp: Arrangement) -> None:
    response = chimp.http.delete(chimp.list_path)
    assert (response.status_code, response.json()["title"]) == (405, "Method Not Allowed")
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_body_that_is_not_json_is_a_parse_error(chimp: Arrangement, method: str) -> None:
    chimp.join("ada@people.test")
    response = chimp.http.request(method, chimp.path("ada@people.test"), content=b"{")
    assert refusal(response)[:2] == (400, "JSON Parse Error")


@pytest.mark.parametrize("path", ["{list}", "{list}/members", "{list}/members/{hash}/tags", "{list}/merge-fields"])
def test_a_body_that_is_no_object_does_not_fit_the_schema(chimp: Arrangement, path: str) -> None:
    chimp.join("ada@people.test")
    path = path.format(list=chimp.list_path, hash=md5("ada@people.test"))
    response = chimp.http.post(path, json=[])
    assert response.json()["errors"] == [{"field": "", "message": "Schema describes object, array found instead"}]


def test_the_api_is_found_at_its_own_path_too(chimp: Arrangement) -> None:
    response = httpx.get(chimp.server.url + "/3.0/ping", headers=BEARER, verify=NO_TLS, trust_env=False)
    assert response.json() == {"health_status": "Everything's Chimpy!"}


# Connections


def request_under_way() -> Request:
    return Request(
        method="GET",
        path="/mailchimp/3.0/ping",
        segments=("mailchimp", "3.0", "ping"),
        authorization=BEARER["Authorization"],
        token=DEFAULT_MAILCHIMP_KEY,
    )


@pytest.fixture
def limited(chimp: Arrangement) -> Arrangement:
    chimp.mailchimp.set_options(connection_limit=10)
    return chimp


@pytest.mark.parametrize(("count", "status"), [(9, 200), (10, 429), (15, 429)])
def test_an_account_has_ten_connections_at_once(limited: Arrangement, count: int, status: int) -> None:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(limited.server.stage.underway.hold(request_under_way()))
        assert limited.http.get("/ping").status_code == status
    assert limited.http.get("/ping").status_code == 200


def test_one_connection_too_many_is_refused_without_a_word_of_when_to_come_back(limited: Arrangement) -> None:
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(limited.server.stage.underway.hold(request_under_way()))
        response = limited.http.get("/ping")
    assert refusal(response) == TOO_MANY
    assert not [name for name in response.headers if "retry" in name or "limit" in name]


def test_the_limit_may_show_as_a_403_without_a_body(limited: Arrangement) -> None:
    limited.mailchimp.set_options(throttles_without_body=True)
    limited.mailchimp.add_fault(FaultRule(action="rate_limit"))
    response = limited.http.get("/ping")
    assert (response.status_code, response.content) == (403, b"")


def test_other_accounts_connections_do_not_count(limited: Arrangement) -> None:
    headers = {"Authorization": f"Bearer {limited.allow('stranger@people.test')}"}
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(limited.server.stage.underway.hold(request_under_way()))
        assert ask(limited.server, headers).status_code == 200


def test_a_fault_refuses_as_the_limit_does(chimp: Arrangement) -> None:
    chimp.mailchimp.add_fault(FaultRule(action="rate_limit"))
    assert refusal(chimp.http.get("/ping")) == TOO_MANY
    assert chimp.http.get("/ping").status_code == 200


@pytest.fixture
def slow_server() -> Iterator[SandboxServer]:
    """A server of its own, because answers that are held back outlive the test."""
    options = SandboxOptions(mailchimp=MailchimpOptions(connection_limit=3))
    with SandboxServer(options) as server:
        yield server


def test_answers_that_are_still_awaited_are_connections(slow_server: SandboxServer) -> None:
    slow_server.mailchimp.add_fault(FaultRule(action="delay", seconds=60, times=3))
    message = f"GET /mailchimp/3.0/ping HTTP/1.1\r\nHost: x\r\nAuthorization: {BEARER['Authorization']}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(3):
            port = int(slow_server.url.rpartition(":")[2])
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(message.encode())
        give_up_at = time.monotonic() + patient(10)
        while len(slow_server.mailchimp.requests()) < 3:
            assert time.monotonic() < give_up_at, "the requests never arrived"
        assert ask(slow_server, BEARER).status_code == 429
    assert [each.status for each in slow_server.mailchimp.requests()] == [200, 200, 200, 429]


def test_an_answer_can_take_its_time(chimp: Arrangement) -> None:
    chimp.mailchimp.set_options(latency_seconds=0.05)
    started = time.monotonic()
    assert chimp.http.get("/ping").status_code == 200
    assert time.monotonic() - started >= 0.05


@pytest.mark.parametrize(("scale", "limit"), [(1.0, 10), (None, None)])
def test_a_sandbox_without_limits_counts_no_connections(scale: float | None, limit: Any) -> None:
    server = SandboxServer(SandboxOptions(rate_limit_scale=scale))
    assert server.mailchimp.options.connection_limit == limit


def test_a_key_of_somebody_who_may_only_look_is_refused_whatever_writes(chimp: Arrangement) -> None:
    key = chimp.mailchimp.create_api_key(is_read_only=True)
    auth = ("anystring", key)
    assert chimp.http.get(chimp.members_path, auth=auth).status_code == 200
    for path in (chimp.members_path, chimp.path("nobody@people.test")):
        method = "POST" if path == chimp.members_path else "PATCH"
        response = chimp.http.request(method, path, auth=auth, json={})
        assert (response.status_code, response.json()["title"]) == (403, "Forbidden")


def test_an_account_tells_its_plan(chimp: Arrangement) -> None:
    assert chimp.http.get("/").json()["pricing_plan_type"] == "forever_free"
    chimp.mailchimp.set_plan(plan="monthly")
    assert chimp.http.get("/").json()["pricing_plan_type"] == "monthly"
