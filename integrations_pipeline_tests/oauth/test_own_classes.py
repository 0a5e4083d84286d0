"""Tokens in classes of a developer's own: refreshed by hand from many places, and answers as services write them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline_tests.oauth.arrangement import Place
from integrations_pipeline_tests.oauth.test_classes import LedgerSync, _ledgers


def test_refreshing_by_hand_asks_the_service_once_for_all_who_wait(place: Place) -> None:
    place.sandbox.oauth.set_options("airtable", token_delay_seconds=0.3)
    syncs = _ledgers(place, 6)

    with ThreadPoolExecutor(len(syncs)) as pool:
        tokens = set(pool.map(lambda sync: sync.refresh_oauth_token(), syncs))

    assert len(tokens) == 1
    assert place.renewals() == {"ok": 1}
    assert syncs[0].refresh_oauth_token() not in tokens
    assert place.renewals() == {"ok": 2}


def test_threads_of_one_instance_ask_once(place: Place) -> None:
    (sync,) = _ledgers(place, 1)
    place.pass_time(minutes=57)

    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: sync.ensure_valid_token(), range(8)))

    assert len(tokens) == 1
    assert place.renewals() == {"ok": 1}


def test_more_instances_wait_for_one_refresh_than_the_pool_has_connections(place: Place) -> None:
    place.sandbox.oauth.set_options("airtable", token_delay_seconds=0.5)
    syncs = _ledgers(place, 24)
    place.pass_time(minutes=57)

    with ThreadPoolExecutor(len(syncs)) as pool:
        tokens = set(pool.map(lambda sync: sync.ensure_valid_token(), syncs))

    assert len(tokens) == 1
    assert place.renewals() == {"ok": 1}


def test_a_subclass_of_a_subclass_refreshes_through_it_once(place: Place) -> None:
    class Audited(LedgerSync):
        seen = 0

        def refresh_oauth_token(self) -> str:
            self.seen += 1
            return super().refresh_oauth_token()

    plain = _ledgers(place, 1)[0]
    sync = Audited(plain.workspace_id, place.runtime)
    sync.exchange = plain.exchange
    sync.load_config()

    token = sync.refresh_oauth_token()

    assert place.works("airtable", token)
    assert (sync.seen, place.renewals()) == (1, {"ok": 1})


@pytest.mark.parametrize(("seconds_left", "is_refreshed"), [(290, True), (310, False), (-10, True)])
def test_a_token_is_refreshed_from_five_minutes_before_its_end(
    place: Place, seconds_left: float, is_refreshed: bool
) -> None:
    (sync,) = _ledgers(place, 1)
    known = sync.load_config().credentials
    ends = place.time.now() + timedelta(seconds=seconds_left)
    sync.save_config({"credentials": {**known, "token_expires_at": ends}})

    sync.initialize()

    assert (place.renewals() == {"ok": 1}) is is_refreshed


def test_a_refresh_token_alone_is_enough_to_begin_with(place: Place) -> None:
    (sync,) = _ledgers(place, 1)
    sync.save_config({"credentials": {"refresh_token": sync.load_config().refresh_token}})

    sync.initialize()

    assert place.works("airtable", str(sync.ensure_initialized().access_token))


NEVER: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (NEVER, None),
        ({"expires_in": None}, None),
        ({"expires_in": 3600}, 3600),
        ({"expires_in": "3600"}, 3600),
        ({"expires_in": 0}, 0),
        ({"token_expires_at": "2099-01-01T00:00:00Z"}, 10**8),
        ({"token_expires_at": datetime(2099, 1, 1, tzinfo=UTC)}, 10**8),
        ({"expires_at": 4_070_908_800}, 10**8),
        ({"token_expires_at": "2099-01-01T00:00:00"}, 10**8),
    ],
)
def test_the_end_of_a_token_is_taken_as_services_tell_it(
    place: Place, told: dict[str, Any], seconds: float | None
) -> None:
    (sync,) = _ledgers(place, 1)
    sync.load_config()

    sync.update_oauth_tokens({"access_token": "fresh", **told})

    config = sync.load_config()
    assert config.access_token == "fresh"
    if seconds is None:
        assert config.token_expires_at is None
    else:
        assert config.token_expires_at is not None
        left = (config.token_expires_at - place.time.now()).total_seconds()
        assert left > seconds if seconds == 10**8 else abs(left - seconds) < 60


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"error": "invalid_grant"}, "has no access_token"),
        ({"access_token": ""}, "has no access_token"),
        ({"access_token": 7}, "has no access_token"),
        (None, "has no access_token"),
        ({"access_token": "t-secret", "expires_in": "soon"}, "tells no time as the token's end"),
        ({"access_token": "t-secret", "expires_in": float("inf")}, "tells no time as the token's end"),
        ({"access_token": "t-secret", "token_expires_at": "soon"}, "tells no time as the token's end"),
    ],
)
def test_an_answer_without_a_token_stores_nothing(place: Place, answer: Any, line: str) -> None:
    (sync,) = _ledgers(place, 1)
    before = sync.load_config().credentials

    with pytest.raises(ConfigurationError, match=line) as raised:
        sync.update_oauth_tokens(answer)

    assert "secret" not in str(raised.value)
    assert sync.load_config().credentials == before
