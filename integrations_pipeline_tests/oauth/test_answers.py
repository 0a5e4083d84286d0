"""Whatever a token endpoint answers, or does not: what it means, how often it is asked, what is left afterwards."""

import gzip
from typing import Any

import pytest
from httpx import QueryParams

from integrations_pipeline.errors import (
    ConfigurationError,
    DisconnectedError,
    IntegrationError,
    RetryableError,
    TokenConflictError,
    UnreachableError,
)
from integrations_pipeline.providers.oauth import ATTEMPTS, OAuthClient
from integrations_pipeline_tests.oauth.arrangement import GOOGLE_TOKEN, TOKEN_PATHS, Place
from integrations_pipeline_tests.oauth.canned import HTML, Answer, canned

AIRTABLE_OAUTH = "INTEGRATIONS_AIRTABLE_OAUTH_URL"
PASSING = {"error": "temporarily_unavailable"}


def _asked(place: Place, provider: str) -> int:
    """Requests that reached the endpoint's address, whatever became of them."""
    return len(place.requests(TOKEN_PATHS[provider]))


@pytest.mark.parametrize(
    ("action", "rule", "asked"),
    [
        pytest.param("drop_before", {}, 2, id="dropped before"),
        pytest.param("status", {"status": 503, "times": ATTEMPTS - 1}, ATTEMPTS, id="503 twice"),
        pytest.param("status", {"status": 500, "body": {"error": "internal_failure"}}, 2, id="500"),
        pytest.param("status", {"status": 400, "body": PASSING}, 2, id="temporarily unavailable with 400"),
        pytest.param("status", {"status": 400, "body": {"error": "internal_failure"}}, 2, id="400 for their own fault"),
        pytest.param("status", {"status": 408}, 2, id="408"),
        pytest.param("status", {"status": 429}, 2, id="429"),
        pytest.param("status", {"status": 429, "headers": {"Retry-After": "1"}}, 2, id="429 for a second"),
        pytest.param("status", {"status": 200}, 2, id="200 without a body"),
        pytest.param("status", {"status": 200, "body": {"token_type": "Bearer"}}, 2, id="200 without a token"),
        pytest.param("status", {"status": 200, "body": {"access_token": 5}}, 2, id="200 with a number"),
        pytest.param("status", {"status": 200, "body": {"access_token": "a\r\nb"}}, 2, id="200 with a line end"),
    ],
)
@pytest.mark.parametrize("provider", ["airtable", "google"])
def test_what_passes_is_tried_again_and_costs_nothing(
    place: Place, provider: str, action: str, rule: dict[str, Any], asked: int
) -> None:
    granted = place.granted(provider)
    place.fault(provider, action, **rule)

    fresh = place.exchange(place.spec(provider)).refresh(granted["refresh_token"])

    assert place.works(provider, fresh.access_token)
    assert _asked(place, provider) == asked
    assert place.renewals(provider) == {"ok": 1}


@pytest.mark.parametrize("action", ["drop_after", "status_after"])
def test_a_lost_answer_costs_nothing_where_tokens_do_not_rotate(place: Place, action: str) -> None:
    granted = place.granted("google")
    place.fault("google", action, status=502)

    fresh = place.exchange().refresh(granted["refresh_token"])

    assert place.works("google", fresh.access_token)
    assert fresh.refresh_token == ""
    assert fresh.credentials(granted, place.time.now())["refresh_token"] == granted["refresh_token"]
    assert place.renewals("google") == {"ok": 2}


@pytest.mark.parametrize("action", ["drop_after", "status_after"])
def test_a_lost_answer_costs_one_authorisation_where_tokens_rotate(place: Place, action: str) -> None:
    row = place.authorised()
    place.expire(row)
    place.fault("airtable", action, status=502)
    keeper = place.keeper(row)

    with pytest.raises(TokenConflictError):
        keeper.current()
    assert place.row(row).status == "active"
    place.pass_time(seconds=11)
    for _ in range(5):
        with pytest.raises(DisconnectedError, match="connections authorize airtable"):
            keeper.current()

    assert place.renewals() == {"ok": 1, "conflict": 1, "invalid_grant": 1}
    assert place.row(row).status == "disconnected"


@pytest.mark.parametrize("provider", ["airtable", "google"])
def test_trouble_that_stays_is_given_up_after_three_times_and_disconnects_nothing(place: Place, provider: str) -> None:
    granted = place.granted(provider)
    place.fault(provider, "status", status=503, times=-1)

    with pytest.raises(RetryableError, match="answered 503"):
        place.exchange(place.spec(provider)).refresh(granted["refresh_token"])

    assert _asked(place, provider) == ATTEMPTS
    place.sandbox.airtable.clear_faults()
    assert place.exchange(place.spec(provider)).refresh(granted["refresh_token"]).access_token


def test_a_long_pause_that_the_endpoint_asks_for_is_left_to_the_caller(place: Place) -> None:
    granted = place.granted("google")
    place.fault("google", "status", status=429, headers={"Retry-After": "40"})

    with pytest.raises(RetryableError) as caught:
        place.exchange().refresh(granted["refresh_token"])

    assert caught.value.retry_after_seconds == 40
    assert _asked(place, "google") == 1


def test_an_address_where_nobody_listens_is_told_apart(place: Place) -> None:
    with canned(Answer()) as server:
        address = server.url
    exchange = place.exchange(addresses={GOOGLE_TOKEN: address})

    with pytest.raises(UnreachableError, match="Google's token endpoint cannot be reached"):
        exchange.refresh("any")


@pytest.mark.parametrize(
    ("answer", "error", "asked"),
    [
        pytest.param(Answer(content_type=HTML, body=b"<p>Hello</p>"), RetryableError, ATTEMPTS, id="HTML"),
        pytest.param(Answer(body=b'{"access_token": "abc'), RetryableError, ATTEMPTS, id="half a document"),
        pytest.param(Answer(body=b"[1]"), RetryableError, ATTEMPTS, id="a list"),
        pytest.param(Answer(body=b"null"), RetryableError, ATTEMPTS, id="null"),
        pytest.param(Answer(body=b"\xff\xfe\x00"), RetryableError, ATTEMPTS, id="no text"),
        pytest.param(
            Answer(body=b"{}", headers={"Content-Encoding": "gzip"}), RetryableError, ATTEMPTS, id="not what it says"
        ),
        pytest.param(Answer(status=502, content_type=HTML, body=b"<p>Bad"), RetryableError, ATTEMPTS, id="502 HTML"),
        pytest.param(Answer(status=403, content_type=HTML, body=b"<p>Go"), ConfigurationError, 1, id="403 HTML"),
        pytest.param(Answer(status=302, headers={"Location": "/x"}), ConfigurationError, 1, id="redirect"),
        pytest.param(Answer(status=400), ConfigurationError, 1, id="400 without a body"),
        pytest.param(Answer(status=400, body=b'{"error": {"code": 400}}'), ConfigurationError, 1, id="nested error"),
        pytest.param(Answer(status=400, body=b'{"error": "x@y.example"}'), ConfigurationError, 1, id="odd error"),
        pytest.param(Answer(status=503, body=b'{"error": ["a"]}'), RetryableError, ATTEMPTS, id="503 with a list"),
        pytest.param(Answer(body=b'{"error": "invalid_grant"}'), DisconnectedError, 1, id="refusal with 200"),
    ],
)
def test_an_answer_that_no_protocol_knows_is_sorted_and_never_repeated(
    place: Place, answer: Answer, error: type[IntegrationError], asked: int
) -> None:
    with canned(answer) as server:
        exchange = place.exchange(addresses={GOOGLE_TOKEN: server.url})
        with pytest.raises(IntegrationError) as caught:
            exchange.refresh("1//0-secret")

    assert type(caught.value) is error
    assert len(server.received) == asked
    assert str(caught.value).startswith("Google")
    assert not any(part in str(caught.value) for part in ("secret", "@", "<p>", "127.0.0.1"))


_BLANKS = b" " * 100_000_000


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(Answer(body=b"x" * 2_000_000), "larger than 1 MiB", id="huge"),
        pytest.param(
            Answer(body=gzip.compress(b"{}" + _BLANKS), headers={"Content-Encoding": "gzip"}),
            "larger than 1 MiB",
            id="gzip bomb",
        ),
        pytest.param(Answer(body=b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "gave no token", id="deep"),
        pytest.param(
            Answer(status=400, body=b"[" * 100_000 + b"]" * 100_000), "refused the request", id="deep refusal"
        ),
        pytest.param(Answer(body=b'{"access_token": "' + b"a" * 20_000 + b'"}'), "gave no token", id="long token"),
    ],
)
def test_an_answer_without_bounds_is_one_line(place: Place, answer: Answer, says: str) -> None:
    with canned(answer) as server, pytest.raises(IntegrationError, match=f"^Google[^\n]*{says}[^\n]*$"):
        place.exchange(addresses={GOOGLE_TOKEN: server.url}).refresh("1//0-secret")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        pytest.param('"3599"', 3599, id="text"),
        pytest.param("3599.7", 3599, id="fraction"),
        pytest.param('"soon"', None, id="word"),
        pytest.param("[1]", None, id="list"),
        pytest.param("null", None, id="null"),
        pytest.param("0", None, id="never"),
        pytest.param("-5", None, id="in the past"),
        pytest.param("1e300", None, id="without end"),
        pytest.param("1" * 400, None, id="more than a float holds"),
        pytest.param("true", None, id="truth"),
        pytest.param("NaN", None, id="no number"),
        pytest.param("1e999", None, id="infinite"),
        pytest.param("1763800000000", None, id="a time in milliseconds"),
    ],
)
def test_tokens_are_kept_whatever_is_told_of_their_life(place: Place, told: str, seconds: int | None) -> None:
    body = f'{{"access_token": "a", "refresh_token": "r", "expires_in": {told}}}'.encode()
    with canned(Answer(body=body)) as server:
        fresh = place.exchange(addresses={GOOGLE_TOKEN: server.url}).refresh("old")

    assert (fresh.access_token, fresh.refresh_token) == ("a", "r")
    assert (fresh.expires_in.total_seconds() if fresh.expires_in else None) == seconds


@pytest.mark.parametrize("token", ["1//0a-b_c", "a+b/c==", "per%cent&amp=x", "tilde~pipe|", "ü"])
def test_every_character_of_a_refresh_token_arrives(place: Place, token: str) -> None:
    with canned(Answer(body=b'{"access_token": "a"}')) as server:
        place.exchange(addresses={GOOGLE_TOKEN: server.url}).refresh(token)

    assert QueryParams(server.received[0].decode())["refresh_token"] == token


@pytest.mark.parametrize("provider", ["airtable", "google"])
def test_a_wrong_client_is_a_matter_of_configuration_and_disconnects_nobody(place: Place, provider: str) -> None:
    spec = place.spec(provider)
    granted = place.granted(provider)

    for client in (OAuthClient(id="unknown", secret="x"), OAuthClient(id=place.client_id(provider), secret="wrong")):
        with pytest.raises(
            ConfigurationError, match=f"correct {spec.client}_CLIENT_ID and {spec.client}_CLIENT_SECRET"
        ):
            place.exchange(spec, client=client).refresh(granted["refresh_token"])

    assert place.renewals(provider) == {"invalid_client": 2}


@pytest.mark.parametrize("cause", ["revoked", "expired", "password_changed", "account_deleted", "session_control"])
def test_every_end_of_a_grant_at_google_asks_for_a_person_at_once(place: Place, cause: Any) -> None:
    granted = place.granted("google")
    place.sandbox.oauth.revoke("google", granted["refresh_token"], cause)

    with pytest.raises(DisconnectedError):
        place.exchange().refresh(granted["refresh_token"])

    assert _asked(place, "google") == 1


def test_a_renewal_at_airtable_replaces_both_tokens(place: Place) -> None:
    row = place.authorised()
    before = place.credentials(row)
    place.expire(row)

    place.keeper(row).current()

    after = place.credentials(row)
    assert {before["access_token"], before["refresh_token"]}.isdisjoint({after["access_token"], after["refresh_token"]})
    assert after["token_expires_at"] > before["token_expires_at"]


def test_an_endpoint_that_fails_for_a_while_loses_no_authorisation(place: Place) -> None:
    row = place.authorised(people=2)
    place.expire(row)
    with canned(Answer(status=500)) as server:
        keeper = place.keeper(row, addresses={**place.runtime.addresses, AIRTABLE_OAUTH: server.url})
        for _ in range(4):
            with pytest.raises(RetryableError, match="Airtable's token endpoint answered 500"):
                keeper.current()

    assert place.status(row) == ("active", 0)
    assert place.sync(row).error == ""
    assert place.renewals() == {"ok": 1}
