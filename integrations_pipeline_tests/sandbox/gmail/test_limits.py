"""Units a minute, mails a day, requests at a time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.sandbox.arrangement import START
from integrations_pipeline_tests.sandbox.gmail.arrangement import ADA, BOB, Post, as_raw, mail, problem
from integrations_sandbox import FaultRule
from integrations_sandbox.gmail.limits import DailySends, UnitLimiter

OVER = (
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service "
    "'gmail.googleapis.com' for consumer 'project_number:100000000001'."
)


@pytest.mark.parametrize(
    ("units", "calls"), [(100, 60), (20, 300), (5, 1200), (40, 150)], ids=["send", "get", "list", "thread"]
)
def test_a_user_has_6000_units_a_minute(units: int, calls: int) -> None:
    limiter = UnitLimiter(1.0)
    admitted = [limiter.admit(ADA, "project", units, START) for _ in range(calls + 1)]
    assert admitted == [True] * calls + [False]
    assert limiter.admit(BOB, "project", units, START)
    assert not limiter.admit(ADA, "project", units, START + timedelta(seconds=59.9))
    assert limiter.admit(ADA, "project", units, START + timedelta(seconds=60))


def test_all_users_of_a_project_share_1200000_units_a_minute() -> None:
    limiter = UnitLimiter(1.0)
    assert all(limiter.admit(f"user{number}", "project", 6000, START) for number in range(200))
    assert not limiter.admit("another", "project", 1, START)
    assert limiter.admit("another", "another project", 1, START)


def test_refused_calls_cost_nothing() -> None:
    limiter = UnitLimiter(0.01)
    assert [limiter.admit(ADA, "p", units, START) for units in (59, 2, 1, 1)] == [True, False, True, False]


def test_without_a_scale_nothing_is_limited() -> None:
    limiter = UnitLimiter(None)
    assert all(limiter.admit(ADA, "p", 100_000, START) for _ in range(100))


def test_a_user_over_the_limit_is_refused_until_the_minute_is_over(post: Post) -> None:
    post.gmail.set_options(rate_limit_scale=1.0)
    for _ in range(59):
        post.send(mail())
    post.get("profile")
    refused = post.call("POST", "messages/send", json={"raw": as_raw(mail())})
    assert problem(refused) == (403, "rateLimitExceeded", OVER)
    assert refused.json()["error"]["errors"][0]["domain"] == "usageLimits"
    assert "Retry-After" not in refused.headers
    assert len(post.world.deliveries()) == 59
    assert post.get("profile")["messagesTotal"] == 59
    post.advance(60)
    assert post.send(mail())["labelIds"] == ["SENT"]


def test_the_answer_to_too_many_units_may_be_429(post: Post) -> None:
    post.gmail.set_options(rate_limit_scale=0.01, quota_status=429)
    post.get("labels")
    refused = post.call("POST", "messages/send", json={"raw": as_raw(mail())})
    assert problem(refused) == (429, "rateLimitExceeded", "Resource has been exhausted (e.g. check quota).")
    assert refused.json()["error"]["status"] == "RESOURCE_EXHAUSTED"


def test_mails_are_counted_for_24_hours() -> None:
    sends = DailySends()
    for hour in range(3):
        sends.add(START + timedelta(hours=hour))
    assert sends.is_exceeded(3, START + timedelta(hours=23.9))
    assert sends.free_at(START) == START + timedelta(hours=24)
    assert not sends.is_exceeded(4, START + timedelta(hours=23.9))
    assert not sends.is_exceeded(None, START + timedelta(hours=23.9))
    assert not sends.is_exceeded(3, START + timedelta(hours=24))


def test_when_the_days_mails_are_used_up_the_time_is_in_the_message(post: Post) -> None:
    post.gmail.set_options(daily_send_limit=2)
    post.send(mail(to=f"{BOB}, carol@elsewhere.example"))
    post.gmail.send_elsewhere(ADA, mail())
    draft = post.post("drafts", {"message": {"raw": as_raw(mail())}})["id"]
    expected = (
        429,
        "rateLimitExceeded",
        "User-rate limit exceeded.  Retry after 2026-11-23T12:00:00.250Z (Mail sending)",
    )
    assert problem(post.call("POST", "messages/send", json={"raw": as_raw(mail())})) == expected
    assert problem(post.call("POST", "drafts/send", json={"id": draft})) == expected
    assert post.get(f"drafts/{draft}")["id"] == draft
    assert len(post.world.deliveries()) == 3
    post.advance(86_400)
    assert post.post("drafts/send", {"id": draft})["labelIds"] == ["SENT"]


def test_before_the_limit_is_told_a_good_answer_may_be_followed_by_a_bounce(post: Post) -> None:
    post.gmail.set_options(daily_send_limit=1, limit_lag_seconds=300)
    post.send(mail())
    sent = post.send(mail(headers={"X-Pitch-Id": "7"}))
    assert sent["labelIds"] == ["SENT"]
    assert post.world.deliveries(header="X-Pitch-Id") == []
    (bounce,) = post.listed(labelIds="INBOX")
    assert post.stored(bounce).thread_id == sent["threadId"]
    assert post.headers(bounce)["X-Failed-Recipients"] == BOB
    assert "You have reached a limit for sending mail." in post.stored(bounce).content.text
    draft = post.post("drafts", {"message": {"raw": as_raw(mail())}})["id"]
    assert post.post("drafts/send", {"id": draft})["labelIds"] == ["SENT"]
    assert len(post.world.deliveries()) == 1
    post.advance(300)
    assert post.call("POST", "messages/send", json={"raw": as_raw(mail())}).status_code == 429


def test_too_many_requests_of_one_user_at_the_same_time_are_refused(post: Post) -> None:
    post.gmail.set_options(concurrent_limit=1)
    post.gmail.create_mailbox(BOB)
    post.server.airtable.add_fault(FaultRule(action="delay", seconds=patient(60), path_regex="labels$"))
    with ThreadPoolExecutor(1) as threads, post.client(post.gmail.token(BOB)) as bobs:
        slow = threads.submit(post.get, "labels")
        while not post.server.airtable.requests():
            pass
        refused = post.call("GET", "profile")
        assert problem(refused) == (429, "rateLimitExceeded", "Too many concurrent requests for user.")
        assert bobs.get("/gmail/gmail/v1/users/me/profile").status_code == 200
        post.server.airtable.clear_faults()
        assert slow.result()["labels"]
    assert post.call("GET", "profile").status_code == 200
