"""Batch operations: handed in together, looked up later, fetched as a packed file."""

import io
import json
import tarfile
from typing import Any

import httpx
import pytest

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.arrangement import NO_TLS
from integrations_pipeline_tests.sandbox.mailchimp.arrangement import Arrangement, field_errors

EMAIL = "ada@people.test"


def start(chimp: Arrangement, *operations: dict[str, Any]) -> dict[str, Any]:
    response = chimp.http.post("/batches", json={"operations": operations})
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def status(chimp: Arrangement, batch_id: str) -> dict[str, Any]:
    document: dict[str, Any] = chimp.http.get(f"/batches/{batch_id}").json()
    return document


def fetch(url: str) -> httpx.Response:
    return httpx.get(url, timeout=patient(5), verify=NO_TLS, trust_env=False)


def answers(chimp: Arrangement, batch_id: str) -> list[dict[str, Any]]:
    response = fetch(status(chimp, batch_id)["response_body_url"])
    assert response.headers["content-type"] == "application/gzip"
    with tarfile.open(fileobj=io.BytesIO(response.content), mode="r:gz") as archive:
        (entry,) = archive.getmembers()
        content = archive.extractfile(entry)
        assert content is not None
        found: list[dict[str, Any]] = json.load(content)
    return found


def test_operations_are_run_and_their_answers_fetched_without_a_key(chimp: Arrangement) -> None:
    body = json.dumps({"email_address": EMAIL, "status_if_new": "subscribed"})
    put = {"method": "PUT", "path": chimp.path(EMAIL), "body": body, "operation_id": "one"}
    page = {
        "method": "GET",
        "path": chimp.members_path[1:],
        "params": {"count": 1, "vip_only": False, "fields": "total_items"},
    }
    tags = {"tags": [{"name": "a", "status": "active"}]}
    tag = {"method": "POST", "path": chimp.path(EMAIL, "/tags"), "body": json.dumps(tags), "operation_id": "three"}
    wrong = {"method": "GET", "path": "/lists/nothing", "operation_id": "four"}
    started = start(chimp, put, page, tag, wrong)
    assert (started["status"], started["total_operations"], started["response_body_url"]) == ("pending", 0, "")
    finished = status(chimp, started["id"])
    assert finished["status"] == "finished"
    counts = ("total_operations", "finished_operations", "errored_operations")
    assert [finished[each] for each in counts] == [4, 4, 1]
    found = answers(chimp, started["id"])
    assert [(each["operation_id"], each["status_code"]) for each in found] == [
        ("one", 200),
        (None, 200),
        ("three", 204),
        ("four", 404),
    ]
    assert json.loads(found[0]["response"])["email_address"] == EMAIL
    assert json.loads(found[1]["response"]) == {"total_items": 1}
    assert found[2]["response"] == ""
    assert json.loads(found[3]["response"])["title"] == "Resource Not Found"


def test_a_batch_takes_the_time_that_is_set(chimp: Arrangement) -> None:
    chimp.mailchimp.set_options(batch_seconds=40)
    started = start(chimp, {"method": "GET", "path": "/ping"})
    seen = []
    for _ in range(5):
        shown = status(chimp, started["id"])
        seen.append((shown["status"], shown["completed_at"] != "", shown["response_body_url"] != ""))
        chimp.advance(10)
    assert seen == [
        ("pending", False, False),
        ("preprocessing", False, False),
        ("started", False, False),
        ("finalizing", False, False),
        ("finished", True, True),
    ]


def test_a_link_ends_after_ten_minutes_and_is_renewed_for_a_week(chimp: Arrangement) -> None:
    started = start(chimp, {"method": "GET", "path": "/ping"})
    url = status(chimp, started["id"])["response_body_url"]
    chimp.advance(599)
    assert fetch(url).status_code == 200
    chimp.advance(1)
    assert fetch(url).status_code == 403
    assert fetch(status(chimp, started["id"])["response_body_url"]).status_code == 200
    chimp.advance(7 * 86_400)
    assert status(chimp, started["id"])["response_body_url"] == ""


def test_batches_are_listed_for_their_own_account(chimp: Arrangement) -> None:
    first, second = (start(chimp, {"method": "GET", "path": "/ping"})["id"] for _ in range(2))
    listed = chimp.http.get("/batches", params={"count": 1, "offset": 1}).json()
    assert ([each["id"] for each in listed["batches"]], listed["total_items"]) == ([second], 2)
    headers = {"Authorization": f"Bearer {chimp.allow('stranger@people.test')}"}
    assert chimp.http.get(f"/batches/{first}", headers=headers, auth=None).status_code == 404


@pytest.mark.parametrize(("count", "code"), [(1000, 200), (1001, 400)])
def test_a_batch_holds_a_thousand_operations(chimp: Arrangement, count: int, code: int) -> None:
    response = chimp.http.post("/batches", json={"operations": [{"method": "GET", "path": "/ping"}] * count})
    assert response.status_code == code


def test_an_account_has_five_hundred_open_batches_at_most(chimp: Arrangement) -> None:
    chimp.mailchimp.set_options(batch_seconds=10)
    body = {"operations": [{"method": "GET", "path": "/ping"}]}
    codes = [chimp.http.post("/batches", json=body).status_code for _ in range(501)]
    assert codes == [200] * 500 + [400]
    chimp.advance(10)
    assert chimp.http.post("/batches", json=body).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"operations": {}},
        {"operations": ["GET /ping"]},
        {"operations": [{"method": "GET"}]},
        {"operations": [{"method": "LOOK", "path": "/ping"}]},
        {"operations": [{"method": "PUT", "path": "/ping", "body": {"a": 1}}]},
        {"operations": [{"method": "GET", "path": "/ping", "params": "count=1"}]},
    ],
)
def test_operations_must_be_described_in_full(chimp: Arrangement, body: Any) -> None:
    assert len(field_errors(chimp.http.post("/batches", json=body))) == 1


@pytest.mark.parametrize("path", ["", "/x/y", "/unknown.tar.gz"])
def test_a_link_that_was_never_given_out_leads_nowhere(chimp: Arrangement, path: str) -> None:
    assert fetch(f"{chimp.server.mailchimp_url}/batch-results{path}").status_code == 403
