"""Token endpoints that are down, slow, or lose their answer: what happened is not what the client heard."""

import threading
import time
from contextlib import closing
from http.client import HTTPConnection
from select import select
from urllib.parse import urlencode

import httpx
import pytest

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.arrangement import hardly_waiting
from integrations_pipeline_tests.sandbox.oauth.dance import PATHS, PROVIDERS, REDIRECT, Dance, error_of
from integrations_sandbox import DEFAULT_OAUTH_CLIENTS, FaultRule


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("status", "body"),
    [(500, None), (503, {"error": "temporarily_unavailable"}), (503, {"error": "backend_error"}), (502, None)],
)
def test_an_outage_uses_nothing_up(dance: Dance, provider: str, status: int, body: dict[str, str] | None) -> None:
    code = dance.code(provider)
    rule = FaultRule(action="status", status=status, body=body, path_regex=f"^{PATHS[provider][1]}$")
    dance.server.airtable.add_fault(rule)
    down = dance.exchange(provider, code)
    assert down.status_code == status
    assert down.content == b"" if body is None else down.json() == body
    assert dance.exchange(provider, code).status_code == 200
    assert sum(dance.oauth.token_requests(provider).values()) == 1


def test_an_answer_that_is_lost_has_rotated_all_the_same(dance: Dance) -> None:
    tokens = dance.tokens("airtable")
    dance.server.airtable.add_fault(FaultRule(action="drop_after", path_regex="/token$"))
    with pytest.raises(httpx.RemoteProtocolError):
        dance.refresh("airtable", tokens["refresh_token"])
    assert not dance.works("airtable", tokens["access_token"])
    assert error_of(dance.refresh("airtable", tokens["refresh_token"])) == (409, "conflict")
    assert dance.oauth.token_requests("airtable")["refresh_token", "ok"] == 1


def test_a_request_that_never_arrived_has_not(dance: Dance) -> None:
    tokens = dance.tokens("airtable")
    dance.server.airtable.add_fault(FaultRule(action="drop_before", path_regex="/token$"))
    with pytest.raises(httpx.RemoteProtocolError):
        dance.refresh("airtable", tokens["refresh_token"])
    assert dance.works("airtable", tokens["access_token"])
    assert dance.refresh("airtable", tokens["refresh_token"]).status_code == 200


def test_a_slow_token_endpoint_has_rotated_before_the_client_hears_of_it(dance: Dance) -> None:
    tokens = dance.tokens("airtable")
    dance.oauth.set_options("airtable", token_delay_seconds=30)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    client = (DEFAULT_OAUTH_CLIENTS["airtable"].id, DEFAULT_OAUTH_CLIENTS["airtable"].secret or "")
    with pytest.raises(httpx.ReadTimeout):
        dance.http.post(PATHS["airtable"][1], data=form, auth=client, timeout=hardly_waiting())
    until_answered(dance, "airtable", "refresh_token")
    dance.oauth.set_options("airtable", token_delay_seconds=0)
    assert not dance.works("airtable", tokens["access_token"])
    assert error_of(dance.refresh("airtable", tokens["refresh_token"])) == (409, "conflict")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_delay_is_of_one_provider_and_of_refusals_too(dance: Dance, provider: str) -> None:
    dance.oauth.set_options(provider, token_delay_seconds=0.05)
    codes = {each: dance.code(each) for each in PROVIDERS}
    for each in PROVIDERS:
        for code in (codes[each], "nonsense"):
            started = time.monotonic()
            dance.exchange(each, code)
            if each == provider:
                assert time.monotonic() - started >= 0.05


def test_other_requests_pass_while_a_token_answer_is_held_back(dance: Dance) -> None:
    dance.oauth.set_options("google", token_delay_seconds=patient(30))
    with closing(exchange_begun(dance, "google")) as waiting:
        until_answered(dance, "google", "authorization_code")
        assert dance.exchange("mailchimp", dance.code("mailchimp")).status_code == 200
        assert select([waiting.sock], [], [], 0)[0] == []


def until_answered(dance: Dance, provider: str, grant_type: str) -> None:
    """Returns when the server has done what was asked, whether or not the client has heard of it."""
    while dance.oauth.token_requests(provider)[grant_type, "ok"] == 0:
        assert dance.http.get("/sandbox/health").status_code == 200


def exchange_begun(dance: Dance, provider: str) -> HTTPConnection:
    """A connection on which a code was sent, and the answer is not yet waited for."""
    client = DEFAULT_OAUTH_CLIENTS[provider]
    form = {"grant_type": "authorization_code", "code": dance.code(provider), "redirect_uri": REDIRECT}
    proof = {"client_id": client.id, "client_secret": client.secret or ""}
    connection = HTTPConnection(dance.server.url.removeprefix("http://"), timeout=patient(5))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", PATHS[provider][1], urlencode(form | proof), headers)
    return connection


def test_of_many_refreshes_at_once_exactly_one_rotates(dance: Dance) -> None:
    refresh_token = dance.tokens("airtable")["refresh_token"]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(dance.refresh("airtable", refresh_token).status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [409] * 7
    counts = dance.oauth.token_requests("airtable")
    assert (counts["refresh_token", "ok"], counts["refresh_token", "conflict"]) == (1, 7)
