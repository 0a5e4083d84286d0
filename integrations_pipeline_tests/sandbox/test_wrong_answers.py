"""Answers of the wrong shape, for any provider: what a proxy, a broken deployment or an enemy would send."""

import json
import time
from typing import Any

import httpx
import pytest

from integrations_pipeline_tests.sandbox.arrangement import Arrangement, client_for
from integrations_sandbox import FaultRule, SandboxOptions, SandboxServer


def answer(sandbox: Arrangement, **rule: Any) -> httpx.Response:
    """What the listing of two records becomes under a rule that hits once."""
    sandbox.create({"Name": "Ada"}, {"Name": "Bob"})
    response = sandbox.http.post("/sandbox/faults", json={"action": "reshape", "path_regex": "Contacts$"} | rule)
    assert response.status_code == 200, response.text
    return sandbox.http.get(sandbox.path)


@pytest.mark.parametrize(("shape", "content"), [("object", b"{}"), ("list", b"[]"), ("null", b"null"), ("empty", b"")])
def test_an_answer_may_be_next_to_nothing(sandbox: Arrangement, shape: str, content: bytes) -> None:
    response = answer(sandbox, shape=shape)
    assert (response.status_code, response.content) == (200, content)
    assert response.headers["content-type"] == "application/json"
    assert len(sandbox.http.get(sandbox.path).json()["records"]) == 2


def test_an_answer_may_come_in_a_list(sandbox: Arrangement) -> None:
    (document,) = answer(sandbox, shape="wrapped").json()
    assert len(document["records"]) == 2


def test_an_answer_may_have_numbers_for_texts(sandbox: Arrangement) -> None:
    records = answer(sandbox, shape="numbers").json()["records"]
    assert [(each["id"], each["fields"]["Name"]) for each in records] == [(17, 3), (17, 3)]


@pytest.mark.parametrize(("size", "depth"), [(None, 20_000), (100_000, 100_000)])
def test_an_answer_may_be_nested_deeper_than_a_parser_goes(sandbox: Arrangement, size: int | None, depth: int) -> None:
    response = answer(sandbox, shape="deep", size=size)
    assert response.content.count(b"[") == depth
    assert response.content.startswith(b'{"records":[[')
    with pytest.raises(RecursionError):
        response.json()


def test_an_answer_may_be_a_web_page(sandbox: Arrangement) -> None:
    response = answer(sandbox, shape="html")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_an_answer_may_be_huge(sandbox: Arrangement) -> None:
    response = answer(sandbox, shape="huge", size=3_000_000)
    assert len(response.content) > 3_000_000
    assert len(response.json()["records"]) == 2


def test_an_answer_may_swell_while_it_is_unpacked(sandbox: Arrangement) -> None:
    response = answer(sandbox, shape="gzip_bomb", size=50_000_000)
    assert response.num_bytes_downloaded < 100_000
    assert len(response.content) > 50_000_000
    assert len(json.loads(response.content)["records"]) == 2


def test_an_answer_may_trickle(sandbox: Arrangement) -> None:
    started = time.monotonic()
    response = answer(sandbox, shape="slow", seconds=0.01, size=100)
    assert len(response.json()["records"]) == 2
    assert time.monotonic() - started > 0.01 * len(response.content) // 100


def test_a_client_may_leave_while_an_answer_trickles(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="reshape", shape="slow", seconds=0.2))
    with sandbox.http.stream("GET", sandbox.path) as response:
        assert next(response.iter_raw()) == b"{"
    assert sandbox.http.get(sandbox.path).status_code == 200


def test_a_server_stops_while_an_answer_trickles() -> None:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server, client_for(server) as http:
        server.stage.faults.add(FaultRule(action="reshape", shape="slow", seconds=60))
        with http.stream("GET", "/v0/meta/whoami") as response:
            server.stop()
            with pytest.raises(httpx.RemoteProtocolError):
                response.read()


@pytest.mark.parametrize(("applies", "names"), [(True, ["Ada"]), (False, [])])
def test_a_write_may_have_happened_or_not(sandbox: Arrangement, applies: bool, names: list[str]) -> None:
    sandbox.airtable.add_fault(FaultRule(action="reshape", shape="object", applies=applies))
    response = sandbox.http.post(sandbox.path, json={"fields": {"Name": "Ada"}})
    assert (response.status_code, response.content) == (200, b"{}")
    assert sandbox.names() == names


def test_the_status_stays_that_of_the_true_answer(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="reshape", shape="list"))
    assert sandbox.http.get("/v0/appMissing0000000/T").status_code == 403


@pytest.mark.parametrize("path", ["/mailchimp/3.0/lists", "/gmail/gmail/v1/users/me/profile", "/v0/meta/whoami"])
def test_every_provider_can_answer_wrongly(sandbox: Arrangement, path: str) -> None:
    sandbox.airtable.add_fault(FaultRule(action="reshape", shape="null", times=-1))
    assert sandbox.http.get(path).content == b"null"


def test_a_refusal_may_be_a_web_page(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="status", status=404, html="<h1>Not here</h1>"))
    response = sandbox.http.get(sandbox.path)
    assert (response.status_code, response.text) == (404, "<h1>Not here</h1>")


def test_rules_of_one_action_can_be_removed(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="reshape", shape="list", times=-1))
    sandbox.airtable.add_fault(FaultRule(action="status", status=503, times=-1))
    sandbox.http.delete("/sandbox/faults", params={"action": "reshape"})
    assert [each["action"] for each in sandbox.http.get("/sandbox/faults").json()["faults"]] == ["status"]


@pytest.mark.parametrize(
    "rule", [{"shape": "round"}, {"shape": "slow", "seconds": 3600}, {"how": "badly"}, {"applied": True}]
)
def test_a_shape_that_does_not_exist_is_refused(sandbox: Arrangement, rule: dict[str, Any]) -> None:
    assert sandbox.http.post("/sandbox/faults", json={"action": "reshape"} | rule).status_code == 400
