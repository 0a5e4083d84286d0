"""The HTTP client: what reaches the wire, what is tried again, and what is never told."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from integrations_pipeline.errors import (
    CredentialsError,
    InDoubtError,
    IntegrationError,
    RateLimitedError,
    RetryableError,
    WrongAnswerError,
)
from integrations_pipeline.providers.airtable.wire import read_error as airtable_error
from integrations_pipeline.providers.base import FixedToken
from integrations_pipeline.providers.http import Endpoint, HttpClient, PaceRule, RetryPolicy, retry_after
from integrations_pipeline.providers.mailchimp.wire import read_error as mailchimp_error
from integrations_pipeline.testing import FreePacer
from integrations_pipeline_tests.patience import patient

TOKEN = "patSecret.token"
SECRETS = (TOKEN, "ann@example.org", "formula", "secret answer", "v0/app")
Answer = httpx.Response | Exception


class Script:
    """A transport that gives these answers in turn, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextmanager
def client(
    script: Callable[[httpx.Request], httpx.Response],
    *,
    waits: list[float] | None = None,
    pacer: FreePacer | None = None,
    budget: float = 180.0,
    read_error: Callable[[httpx.Response], IntegrationError] = airtable_error,
) -> Iterator[HttpClient]:
    endpoint = Endpoint(
        base_url="https://api.example.test/",
        tokens=FixedToken(value=TOKEN),
        read_error=read_error,
        pace=(PaceRule(key="base", interval_seconds=0.2), PaceRule(key="token", interval_seconds=0.02)),
        retry=RetryPolicy(budget_seconds=budget, unreachable_seconds=min(budget, 30.0)),
    )
    kept = waits if waits is not None else []
    made = HttpClient(endpoint, pacer=pacer or FreePacer(), transport=httpx.MockTransport(script), sleep=kept.append)
    try:
        yield made
    finally:
        made.close()


def send(made: HttpClient, *, is_repeatable: bool = True) -> object:
    params = [("filterByFormula", "formula of ann@example.org")]
    return made.request("GET", "v0/app1/Contacts", params=params, is_repeatable=is_repeatable)


FINE = httpx.Response(200, json={"ok": True})


def test_every_request_carries_its_timeouts_to_the_wire() -> None:
    script = Script(FINE)
    with client(script) as made:
        assert send(made) == {"ok": True}
    assert script.requests[0].extensions["timeout"] == {"connect": 10.0, "read": 30.0, "write": 30.0, "pool": 60.0}


def test_every_request_waits_for_every_limit_also_when_it_is_repeated() -> None:
    pacer = FreePacer()
    with client(Script(httpx.Response(502), FINE), pacer=pacer) as made:
        send(made)
    assert pacer.waits == [("base", 0.2), ("token", 0.02)] * 2


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_server_errors_are_tried_again(status: int) -> None:
    waits: list[float] = []
    script = Script(httpx.Response(status), httpx.Response(status), FINE)
    with client(script, waits=waits) as made:
        assert send(made) == {"ok": True}
        assert made.call_count == 3
    assert 0.5 <= waits[0] <= 1.0
    assert 1.0 <= waits[1] <= 2.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_refusals_are_not_tried_again(status: int) -> None:
    script = Script(httpx.Response(status, headers={"Location": "https://elsewhere.test/"}))
    with client(script) as made, pytest.raises(IntegrationError):
        send(made)
    assert [request.url.host for request in script.requests] == ["api.example.test"]


@pytest.mark.parametrize("read_error", [airtable_error, mailchimp_error])
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_no_redirect_is_followed_and_it_refuses_nothing(
    status: int, read_error: Callable[[httpx.Response], IntegrationError]
) -> None:
    script = Script(httpx.Response(status, headers={"Location": "https://elsewhere.test/"}))
    with client(script, read_error=read_error) as made:
        with pytest.raises(WrongAnswerError, match=f"answered {status} and points elsewhere, which is not followed"):
            send(made)
        asked = len(script.requests)
        with pytest.raises(InDoubtError):
            send(made, is_repeatable=False)
    assert (asked, len(script.requests)) == (4, 5)
    assert {request.url.host for request in script.requests} == {"api.example.test"}


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("ann@example.org"),
        httpx.ConnectTimeout("ann@example.org"),
        httpx.PoolTimeout("x"),
        httpx.ReadTimeout("x"),
        httpx.ReadError("x"),
        httpx.RemoteProtocolError("x"),
        httpx.WriteError("x"),
        httpx.DecodingError("x"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_network_faults_are_tried_again(fault: Exception) -> None:
    script = Script(fault, fault, FINE)
    with client(script) as made:
        assert send(made) == {"ok": True}
    assert len(script.requests) == 3


@pytest.mark.parametrize("fault", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
def test_what_was_never_sent_is_tried_again_even_if_it_must_not_be_repeated(fault: Exception) -> None:
    script = Script(fault, FINE)
    with client(script) as made:
        assert send(made, is_repeatable=False) == {"ok": True}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout("x"),
        httpx.ReadError("x"),
        httpx.RemoteProtocolError("x"),
        httpx.DecodingError("x"),
        httpx.Response(500),
        httpx.Response(503),
        httpx.Response(200, text="<html>secret answer</html>"),
    ],
    ids=["timeout", "read error", "protocol error", "not as compressed", "500", "503", "no JSON"],
)
def test_what_may_have_been_applied_is_in_doubt_and_not_sent_again(answer: Answer) -> None:
    script = Script(answer)
    with client(script) as made, pytest.raises(InDoubtError) as caught:
        send(made, is_repeatable=False)
    assert len(script.requests) == 1
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_a_429_is_no_doubt_and_is_tried_again() -> None:
    script = Script(httpx.Response(429), FINE)
    with client(script) as made:
        assert send(made, is_repeatable=False) == {"ok": True}


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("0", 0.5), ("1.5", 1.5), ("3600", 60.0)])
def test_retry_after_is_obeyed_up_to_the_cap(asked: str, waited: float) -> None:
    waits: list[float] = []
    with client(Script(httpx.Response(503, headers={"Retry-After": asked}), FINE), waits=waits) as made:
        send(made)
    assert waits == [waited]


@pytest.mark.parametrize("text", ["", "soon", "-5", "Wed, 21 Oct 2026 07:28:00 GMT", "1.2.3", "nan", "inf"])
def test_a_retry_after_that_is_no_number_is_ignored(text: str) -> None:
    assert retry_after(httpx.Response(503, headers={"Retry-After": text})) is None


def test_a_429_pauses_everybody_who_shares_the_keys() -> None:
    pacer = FreePacer()
    script = Script(httpx.Response(429), httpx.Response(429, headers={"Retry-After": "5"}), FINE)
    with client(script, pacer=pacer) as made:
        send(made)
    assert pacer.pauses == [("base", 30.0), ("token", 30.0), ("base", 5.0), ("token", 5.0)]


def test_nobody_pauses_for_longer_than_the_cap_whatever_is_asked() -> None:
    pacer = FreePacer()
    error = RateLimitedError("a pause, please", retry_after_seconds=36_000.0)
    with client(Script(httpx.Response(429), FINE), pacer=pacer, read_error=lambda _: error) as made:
        send(made)
    assert pacer.pauses == [("base", 60.0), ("token", 60.0)]


def test_nothing_is_sent_by_a_client_that_was_closed() -> None:
    script = Script(FINE)
    with client(script) as made:
        made.close()
        with pytest.raises(RetryableError, match="stopped"):
            send(made)
    assert script.requests == []


def test_retries_end_with_the_budget() -> None:
    script = Script(httpx.Response(500))
    with client(script, budget=0.0) as made, pytest.raises(RetryableError):
        send(made)
    assert len(script.requests) == 1


def test_a_rate_limit_that_lasts_ends_with_the_budget() -> None:
    with client(Script(httpx.Response(429)), budget=0.0) as made, pytest.raises(RateLimitedError):
        send(made)


def test_closing_ends_the_waits_of_other_threads() -> None:
    endpoint = Endpoint(
        base_url="https://api.example.test",
        tokens=FixedToken(value=TOKEN),
        read_error=airtable_error,
        retry=RetryPolicy(first_wait_seconds=60.0),
    )
    asked = threading.Event()
    raised: list[IntegrationError] = []

    def answer(_: httpx.Request) -> httpx.Response:
        asked.set()
        return httpx.Response(503, headers={"Retry-After": "60"})

    made = HttpClient(endpoint, pacer=FreePacer(), transport=httpx.MockTransport(answer))

    def wait() -> None:
        with pytest.raises((IntegrationError, RuntimeError)) as caught:
            made.request("GET", "v0")
        if isinstance(caught.value, IntegrationError):
            raised.append(caught.value)

    thread = threading.Thread(target=wait)
    thread.start()
    assert asked.wait(patient(5))
    made.close()
    thread.join(patient(5))
    assert not thread.is_alive()
    assert len(raised) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, json={"error": {"type": "A", "message": "secret answer"}}),
        httpx.Response(403, text="secret answer"),
        httpx.Response(422, json={"error": {"type": "B", "message": "ann@example.org"}}),
        httpx.Response(500, text="secret answer"),
        httpx.Response(200, text="secret answer"),
        httpx.ReadTimeout("secret answer at https://api.example.test/v0/app1?formula"),
        httpx.ConnectError("secret answer"),
    ],
)
def test_messages_and_logs_tell_no_token_address_query_or_body(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with client(Script(answer), budget=0.0) as made, pytest.raises(IntegrationError) as caught:
        send(made)
    told = str(caught.value) + repr(caught.value) + caplog.text
    assert not any(secret in told for secret in SECRETS)


def test_the_client_and_its_parts_do_not_show_the_token() -> None:
    with client(Script(FINE)) as made:
        assert TOKEN not in repr(made) + repr(made._endpoint)


def test_the_servers_clock_is_read_from_its_answers() -> None:
    dated = httpx.Response(200, json={}, headers={"Date": "Sun, 22 Nov 2026 12:00:00 GMT"})
    with client(Script(dated, httpx.Response(200, json={}, headers={"Date": "nonsense"}))) as made:
        assert made.server_time is None
        send(made)
        send(made)
        assert made.server_time is not None
        assert made.server_time.isoformat() == "2026-11-22T12:00:00+00:00"


def test_an_empty_answer_is_none() -> None:
    with client(Script(httpx.Response(204))) as made:
        assert send(made) is None


def test_a_refusal_keeps_its_class() -> None:
    with client(Script(httpx.Response(401))) as made, pytest.raises(CredentialsError):
        send(made)


def test_a_patience_shortens_every_budget_and_lengthens_none() -> None:
    usual = RetryPolicy()
    assert RetryPolicy.within(None) == RetryPolicy.within(3_600.0) == usual
    short = RetryPolicy.within(15.0)
    assert (short.budget_seconds, short.unreachable_seconds, short.wrong_seconds) == (15.0, 15.0, usual.wrong_seconds)
    script = Script(httpx.Response(503))
    with client(script, budget=RetryPolicy.within(0.0).budget_seconds) as made, pytest.raises(RetryableError):
        send(made)
    assert len(script.requests) == 1
