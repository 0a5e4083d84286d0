"""Renewing in one process: when, how often, and what a database or an endpoint can do to it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from integrations_pipeline.errors import DisconnectedError, UnavailableError
from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline.sync.tokens import TokenKeeper, is_expiring
from integrations_pipeline_tests.oauth.arrangement import Place, wait_for
from integrations_pipeline_tests.oauth.eventful import Held

CALLERS = 40


@pytest.mark.parametrize(
    ("minutes_left", "is_renewed"),
    [pytest.param(5.1, False, id="more than five minutes"), pytest.param(4.9, True, id="less than five minutes")],
)
def test_a_token_is_renewed_five_minutes_before_it_expires(place: Place, minutes_left: float, is_renewed: bool) -> None:
    row = place.authorised()
    before = place.credentials(row)
    place.pass_time(minutes=60 - minutes_left)

    token = place.keeper(row).current()

    assert (token != before["access_token"]) is is_renewed
    assert place.renewals() == ({"ok": 1} if is_renewed else {})
    assert place.works("airtable", token)


def test_a_token_that_lives_shorter_than_the_margin_is_renewed_once_per_life(place: Place) -> None:
    place.sandbox.oauth.set_options("airtable", access_token_seconds=60)
    row = place.authorised()
    keepers = [place.keeper(row) for _ in range(3)]

    for expiry in range(1, 4):
        place.pass_time(seconds=31)
        tokens = {keeper.current() for keeper in keepers for _ in range(5)}
        assert len(tokens) == 1
        assert place.renewals() == {"ok": expiry}


@pytest.mark.parametrize("told", ["2026-01-31T12:00:00", "2026-01-31T12:00:00Z", "20260131T120000+0100", "soon", 17])
def test_an_expiry_that_others_wrote_is_read_or_counts_as_over(place: Place, told: object) -> None:
    now = place.time.now().replace(year=2026, month=1, day=31)

    assert is_expiring({"token_expires_at": told}, now + timedelta(days=1))
    assert not is_expiring({"token_expires_at": None}, now)


def test_a_connection_that_holds_only_a_refresh_token_gets_its_first_token(place: Place) -> None:
    row = place.authorised()
    stored = place.credentials(row)
    keeper = place.keeper(row)
    place.change(row, access_token="", token_expires_at=None)

    assert keeper.renew(stored["access_token"]) == place.credentials(row)["access_token"]
    assert place.renewals() == {"ok": 1}


def _one_keeper(place: Place, row: ConnectionRow, network: Held) -> Callable[[], TokenKeeper]:
    shared = place.keeper(row, transport=network)
    return lambda: shared


def _own_keepers(place: Place, row: ConnectionRow, network: Held) -> Callable[[], TokenKeeper]:
    return lambda: place.keeper(row, transport=network)


@pytest.mark.parametrize("keepers", [_one_keeper, _own_keepers], ids=["one keeper", "a keeper each"])
def test_callers_of_one_process_ask_once_and_leave_the_database_to_others(
    place: Place, keepers: Callable[[Place, ConnectionRow, Held], Callable[[], TokenKeeper]]
) -> None:
    row = place.authorised()
    place.expire(row)
    network = Held()
    make = keepers(place, row, network)
    chosen = [make() for _ in range(CALLERS)]

    with ThreadPoolExecutor(CALLERS) as pool:
        asked = [pool.submit(keeper.current) for keeper in chosen]
        wait_for(lambda: place.renewals() == {"ok": 1})
        # The answer is held back: all callers are in the queue now, or about to leave the database for it.
        wait_for(lambda: place.busy_sessions() == 1)
        with place.wiring.database.admin() as connection:
            connection.exec_driver_sql("select 1")
        was_waiting = not any(each.done() for each in asked)
        network.let_go()
        tokens = {each.result() for each in asked}

    assert was_waiting
    assert len(tokens) == 1
    assert place.works("airtable", tokens.pop())
    assert place.renewals() == {"ok": 1}


def test_no_time_limit_of_the_server_cuts_a_renewal_off(place: Place) -> None:
    place.sandbox.oauth.set_options("airtable", token_delay_seconds=1.6)
    row = place.authorised()
    place.expire(row)
    limits = place.limit_database(milliseconds=1000)
    keepers = [place.keeper(row) for _ in range(2)]

    with ThreadPoolExecutor(2) as pool:
        tokens = {each.result() for each in [pool.submit(keeper.current) for keeper in keepers]}

    assert {"lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"} <= limits
    assert tokens == {place.credentials(row)["access_token"]}
    assert place.renewals() == {"ok": 1}


def test_nobody_asks_the_endpoint_for_a_connection_that_waits_for_a_person(place: Place) -> None:
    row = place.authorised()
    place.expire(row)
    place.sandbox.oauth.revoke("airtable", place.credentials(row)["refresh_token"])
    keepers = [place.keeper(row) for _ in range(5)]

    for keeper in keepers:
        for _ in range(3):
            with pytest.raises(DisconnectedError, match="integrations connections authorize airtable"):
                keeper.current()

    assert place.renewals() == {"invalid_grant": 1}
    assert place.activity(row).count("disconnected") == 1


def test_a_new_authorisation_is_taken_up_by_whoever_lost_the_old_one(place: Place) -> None:
    row = place.authorised()
    keeper = place.keeper(row)
    place.expire(row)
    place.sandbox.oauth.revoke("airtable", place.credentials(row)["refresh_token"])
    with pytest.raises(DisconnectedError):
        keeper.renew(keeper.current())

    place.grant(row.workspace_id, "airtable")

    assert place.works("airtable", keeper.current())
    assert place.renewals() == {"invalid_grant": 1}


def test_a_person_who_authorises_during_a_renewal_is_not_overwritten(place: Place) -> None:
    row = place.authorised()
    place.expire(row)
    network = Held()
    with ThreadPoolExecutor(2) as pool:
        renewing = pool.submit(place.keeper(row, transport=network).current)
        wait_for(lambda: place.renewals() == {"ok": 1})
        granting = pool.submit(place.grant, row.workspace_id, "airtable")
        wait_for(lambda: place.busy_sessions() == 2)  # what was granted waits for the row
        network.let_go()
        granting.result()
        renewing.result()

    stored = place.credentials(row)
    assert place.works("airtable", stored["access_token"])
    assert stored["access_token"] != renewing.result()


def test_an_endpoint_that_cannot_be_asked_because_there_is_no_database_is_not_asked(place: Place) -> None:
    row = place.authorised()
    place.expire(row)
    keeper = place.keeper(row)
    place.close_database()
    with pytest.raises(UnavailableError):
        keeper.current()
    place.open_database()

    assert place.renewals() == {}
    assert place.works("airtable", keeper.current())
