"""Trouble on request: Google's refusals by name, pages cut short, answers that lie about what was applied."""

import httpx
import pytest

from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail, problem
from integrations_sandbox import FaultRule
from integrations_sandbox.gmail.errors import BY_NAME
from integrations_sandbox.wire import Request

EXPECTED = {
    "rateLimitExceeded": (403, "rateLimitExceeded", "usageLimits"),
    "resourceExhausted": (429, "rateLimitExceeded", "global"),
    "concurrentRequests": (429, "rateLimitExceeded", "global"),
    "mailSending": (429, "rateLimitExceeded", "global"),
    "userRateLimitExceeded": (403, "userRateLimitExceeded", "usageLimits"),
    "dailyLimitExceeded": (403, "dailyLimitExceeded", "usageLimits"),
    "accessNotConfigured": (403, "accessNotConfigured", "usageLimits"),
    "domainPolicy": (403, "domainPolicy", "global"),
    "insufficientPermissions": (403, "insufficientPermissions", "global"),
    "failedPrecondition": (400, "failedPrecondition", "global"),
    "mailServiceNotEnabled": (400, "failedPrecondition", "global"),
    "invalidArgument": (400, "invalidArgument", "global"),
    "authError": (401, "authError", "global"),
    "notFound": (404, "notFound", "global"),
    "backendError": (503, "backendError", "global"),
    "internalError": (500, "backendError", "global"),
}


def test_every_reason_is_in_the_table() -> None:
    assert set(EXPECTED) == set(BY_NAME)


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items(), ids=list(EXPECTED))
def test_a_refusal_can_be_asked_for_by_name(post: Post, name: str, expected: tuple[int, str, str]) -> None:
    post.gmail.add_error(name, path_regex="send$")
    refused = post.call("POST", "messages/send", json={"raw": as_raw(mail())})
    status, reason, _ = problem(refused)
    assert (status, reason, refused.json()["error"]["errors"][0]["domain"]) == expected
    assert ("WWW-Authenticate" in refused.headers) == (name in ("authError", "insufficientPermissions"))
    assert post.world.deliveries() == []
    assert post.send(mail())["labelIds"] == ["SENT"]


def test_a_reason_that_does_not_exist_is_refused(post: Post) -> None:
    with pytest.raises(ValueError, match="reason must be one of"):
        post.gmail.add_error("nonsense")


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_request_may_be_applied_and_answered_with_an_error(post: Post, status: int) -> None:
    rule = FaultRule(action="status_after", status=status, body={"x": 1}, headers={"Retry-After": "9"}, method="POST")
    post.server.airtable.add_fault(rule)
    answer = post.call("POST", "messages/send", json={"raw": as_raw(mail())})
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (status, {"x": 1}, "9")
    assert len(post.world.deliveries()) == 1


@pytest.mark.parametrize(("action", "count"), [("drop_before", 0), ("drop_after", 1)])
def test_a_lost_answer_does_not_tell_whether_the_mail_went_out(post: Post, action: str, count: int) -> None:
    post.server.airtable.add_fault(FaultRule.from_json({"action": action}))
    with pytest.raises(httpx.RemoteProtocolError):
        post.call("POST", "messages/send", json={"raw": as_raw(mail())})
    assert len(post.world.deliveries()) == count


@pytest.mark.parametrize(("status", "answered"), [(500, 429), (429, 429), (403, 403)])
def test_a_rate_limit_may_hit_at_any_time(post: Post, status: int, answered: int) -> None:
    for path in ("/gmail/gmail/v1/users/me/profile", "/batch"):
        post.server.airtable.add_fault(FaultRule(action="rate_limit", status=status))
        method = "POST" if path == "/batch" else "GET"
        assert problem(post.http.request(method, path))[:2] == (answered, "rateLimitExceeded")
    assert post.get("profile")["emailAddress"] == ADA


def test_the_days_calls_may_be_used_up(post: Post) -> None:
    post.server.airtable.add_fault(FaultRule(action="billing_limit"))
    assert problem(post.call("GET", "profile"))[:2] == (403, "dailyLimitExceeded")


@pytest.mark.parametrize(("action", "count"), [("truncate_page", 2), ("empty_page", 0)])
def test_a_list_may_be_cut_without_a_sign_of_it(post: Post, action: str, count: int) -> None:
    start = post.history_id
    for number in range(4):
        post.world.letter(ADA, {"From": BOB, "Subject": str(number)}, "Hi")
        post.post("drafts", {"message": {"raw": as_raw(mail())}})
    lists = {"messages": {"labelIds": "INBOX"}, "threads": {"labelIds": "INBOX"}, "drafts": {}}
    lists["history"] = {"startHistoryId": start, "labelId": "INBOX"}
    for name, params in lists.items():
        assert len(post.get(name, **params)[name]) == 4
        post.server.airtable.add_fault(FaultRule.from_json({"action": action}))
        cut = post.get(name, maxResults=4, **params)
        assert (len(cut.get(name, [])), name in cut, "nextPageToken" in cut) == (count, count > 0, False)
    message = post.listed(labelIds="INBOX")[0]
    post.server.airtable.add_fault(FaultRule.from_json({"action": action}))
    assert len(post.get(f"threads/{message}")["messages"]) == 1


def test_a_fault_of_the_rule_book_may_be_kept_for_some_actions(post: Post) -> None:
    """Without `actions` any rule that fits is taken; with them, the others are left and not counted."""
    post.server.airtable.add_fault(FaultRule(action="delay"))
    post.server.airtable.add_fault(FaultRule(action="status", status=502))
    request = Request(method="GET", path="/batch", segments=("batch",))
    book = post.server.stage.faults
    taken = book.take(request, ("status",))
    assert taken is not None
    assert taken.status == 502
    assert book.take(request, ("status",)) is None
    assert [each["hit_count"] for each in book.to_json()] == [0, 1]
