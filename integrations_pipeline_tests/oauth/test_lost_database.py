"""The database goes away between the endpoint's answer and the commit: the new pair gets there all the same."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline_tests.oauth.arrangement import Place, wait_for
from integrations_pipeline_tests.oauth.eventful import Eventful
from integrations_pipeline_tests.oauth.processes import workers
from integrations_pipeline_tests.oauth.worker import Job
from integrations_pipeline_tests.patience import patient


def _assert_kept(place: Place, row: ConnectionRow, token: str) -> None:
    assert place.credentials(row)["access_token"] == token
    assert place.works("airtable", token)
    assert place.renewals()["ok"] == 1
    assert place.row(row).status == "active"
    assert place.row(row).error_message is None


def test_a_lost_session_costs_no_grant(place: Place) -> None:
    row = place.authorised()
    place.expire(row)

    token = place.keeper(row, transport=Eventful(place.end_sessions)).current()

    _assert_kept(place, row, token)
    assert place.renewals() == {"ok": 1}
    assert place.activity(row).count("oauth_refreshed") == 1


def test_a_database_that_is_away_for_a_while_costs_no_grant(place: Place) -> None:
    row = place.authorised()
    place.expire(row)
    keeper = place.keeper(row, transport=Eventful(place.close_database))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(keeper.current)
        wait_for(lambda: place.renewals() == {"ok": 1} and place.is_closed())
        # The pair is in nothing but that thread's memory.
        assert not asked.done()
        place.open_database()
        token = asked.result()

    _assert_kept(place, row, token)


def test_a_statement_that_an_operator_cancels_costs_no_grant(place: Place) -> None:
    """The row is locked by somebody, the store waits for it, and its wait is ended from outside."""
    row = place.authorised()
    place.expire(row)
    is_locked, may_go = threading.Event(), threading.Event()

    def hold_the_row() -> None:
        with place.wiring.database.admin() as connection:
            connection.exec_driver_sql("select 1 from integration_connections for update")
            is_locked.set()
            may_go.wait(patient(60))

    with ThreadPoolExecutor(2) as pool:
        holding = pool.submit(hold_the_row)
        is_locked.wait(patient(60))
        asked = pool.submit(place.keeper(row).current)
        wait_for(lambda: place.cancel_waiting() > 0)
        may_go.set()
        holding.result()
        token = asked.result()

    _assert_kept(place, row, token)
    assert place.renewals() == {"ok": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("conflict_seconds", "error"),
    [
        pytest.param(0.0, "DisconnectedError", id="told that the pair is dead"),
        pytest.param(60.0, "TokenConflictError", id="told that it was used a moment ago"),
    ],
)
def test_whoever_comes_next_while_the_pair_is_in_the_air_takes_it_over(
    place: Place, conflict_seconds: float, error: str
) -> None:
    """The lock went with the session, so the next in line asks the endpoint with the spent pair."""
    place.sandbox.oauth.set_options("airtable", conflict_seconds=conflict_seconds)
    row = place.authorised()
    place.expire(row)
    with workers(place, 1, Job(slug="acme")) as (second,):
        said = []

        def lose_the_session_to_the_second() -> None:
            place.end_sessions()
            said.extend(second.ask(do="current"))

        token = place.keeper(row, transport=Eventful(lose_the_session_to_the_second)).current()

        _assert_kept(place, row, token)
        assert [answer["error"] for answer in said] == [error]
        assert second.ask(do="current") == [{"value": token}]
    assert place.sync(row).error == ""
    assert place.status(row) == ("active", 0)
