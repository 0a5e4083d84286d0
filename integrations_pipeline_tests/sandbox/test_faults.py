"""Faults hit the requests that they name, as often as they say, and on the wire."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.arrangement import Arrangement, hardly_waiting
from integrations_sandbox import FaultRule

BODY = {"fields": {"Name": "Ada"}}


def test_a_status_fault_answers_with_its_body_and_applies_nothing(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="status", status=503, body={"error": "x"}))
    response = sandbox.http.post(sandbox.path, json=BODY)
    assert (response.status_code, response.json()) == (503, {"error": "x"})
    assert sandbox.names() == []
    assert sandbox.http.post(sandbox.path, json=BODY).status_code == 200


def test_a_status_fault_may_have_headers(sandbox: Arrangement) -> None:
    fault = {"action": "status", "status": 503, "headers": {"Retry-After": "7"}}
    sandbox.http.post("/sandbox/faults", json=fault)
    assert sandbox.http.get(sandbox.path).headers["Retry-After"] == "7"


def test_a_status_fault_may_have_no_body(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="status", status=502))
    response = sandbox.http.get(sandbox.path)
    assert (response.status_code, response.content) == (502, b"")


@pytest.mark.parametrize(("action", "names"), [("drop_before", []), ("drop_after", ["Ada"])])
def test_a_dropped_connection_gives_no_answer(sandbox: Arrangement, action: Any, names: list[str]) -> None:
    sandbox.airtable.add_fault(FaultRule(action=action))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.post(sandbox.path, json=BODY)
    assert sandbox.names() == names
    assert [entry.status for entry in sandbox.airtable.requests()] == [None]
    assert sandbox.http.get(sandbox.path).status_code == 200


def test_a_delayed_answer_comes_after_the_request_was_applied(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="delay", seconds=60))
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.post(sandbox.path, json=BODY, timeout=hardly_waiting())
    while not sandbox.airtable.requests():  # a slow server reads only now what was sent
        assert sandbox.http.get("/sandbox/health").status_code == 200
    assert sandbox.names() == ["Ada"]


def test_a_delay_ends(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="delay", seconds=0.05))
    started = time.monotonic()
    assert sandbox.http.get(sandbox.path).status_code == 200
    assert time.monotonic() - started >= 0.05


def test_removing_the_rule_lets_go_of_what_it_holds_back(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="delay", seconds=patient(3600)))
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(sandbox.http.get, sandbox.path)
        while not sandbox.airtable.requests():
            assert not held.done()
        sandbox.airtable.clear_faults()
        assert held.result().status_code == 200


@pytest.mark.parametrize(("action", "count"), [("truncate_page", 2), ("empty_page", 0)])
def test_a_cut_page_shows_no_sign_of_it(sandbox: Arrangement, action: Any, count: int) -> None:
    sandbox.create_many(9)
    sandbox.airtable.add_fault(FaultRule(action=action, method="get", path_regex="Contacts$"))
    answer = sandbox.http.get(sandbox.path, params={"pageSize": 4}).json()
    assert (len(answer["records"]), list(answer)) == (count, ["records"])
    assert len(sandbox.http.get(sandbox.path).json()["records"]) == 9


def test_rules_skip_count_and_end(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="status", status=500, skip=1, times=2))
    statuses = [sandbox.http.get(sandbox.path).status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]


def test_the_first_rule_that_fits_and_is_not_used_up_counts(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="status", status=500, method="POST", times=-1))
    sandbox.airtable.add_fault(FaultRule(action="status", status=501, path_regex="whoami"))
    sandbox.airtable.add_fault(FaultRule(action="status", status=502, times=-1))
    assert [sandbox.http.get("/v0/meta/whoami").status_code for _ in range(2)] == [501, 502]
    assert sandbox.http.post(sandbox.path, json=BODY).status_code == 500
    sandbox.airtable.clear_faults()
    assert sandbox.http.post(sandbox.path, json=BODY).status_code == 200


def test_a_rule_can_name_what_a_body_holds(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="status", status=422, body_regex="Ada", times=-1))
    assert sandbox.http.post(sandbox.path, json=BODY).status_code == 422
    assert sandbox.http.post(sandbox.path, json={"fields": {"Name": "Bob"}}).status_code == 200


def test_control_requests_are_never_hit(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="drop_before", times=-1))
    listed = sandbox.http.get("/sandbox/faults").json()["faults"]
    assert [(each["action"], each["times"], each["hit_count"]) for each in listed] == [("drop_before", -1, 0)]


@pytest.mark.parametrize(
    "document",
    [{}, {"action": "explode"}, {"action": "delay", "second": 1}, {"action": "delay", "path_regex": "("}],
)
def test_a_rule_that_makes_no_sense_is_refused(sandbox: Arrangement, document: dict[str, Any]) -> None:
    good = {"action": "status"}
    response = sandbox.http.post("/sandbox/faults", json={"faults": [good, document]})
    assert response.status_code == 400
    assert sandbox.http.get("/sandbox/faults").json() == {"faults": []}
