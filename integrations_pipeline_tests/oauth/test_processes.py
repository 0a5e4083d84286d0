"""Many processes with one rotating token: one renewal per expiry, and what it costs when one of them dies."""

import signal
from pathlib import Path
from typing import Any

import pytest

from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.oauth.arrangement import Place, wait_for
from integrations_pipeline_tests.oauth.processes import Worker, authorize, start, workers
from integrations_pipeline_tests.oauth.worker import Job
from integrations_pipeline_tests.patience import patient

pytestmark = pytest.mark.slow

PROCESSES, THREADS = 8, 10
#: One expiry after the other: by one keeper per process, or by one per thread.
HAS_OWN_KEEPERS = (False, True, True, False)
LATER_RUNS = 8
SYNC = ("sync", "--workspace", "acme", "--provider", "airtable", "--json")
REMEDY = "`integrations connections authorize airtable --workspace acme` connects it again"


def test_one_request_per_expiry_whoever_asks_however_slow_the_endpoint_is(place: Place) -> None:
    row = place.authorised()
    spent = {place.credentials(row)["access_token"]}
    # Longer than every limit that the database has for a transaction, a statement, a lock or an idle moment.
    place.sandbox.oauth.set_options("airtable", token_delay_seconds=2.5)
    place.limit_database(milliseconds=1500)

    with workers(place, PROCESSES, Job(slug="acme", threads=THREADS)) as started:
        for expiry, has_own_keepers in enumerate(HAS_OWN_KEEPERS, start=1):
            place.pass_time(minutes=57)
            found = _all_at_once(started, place, has_own_keepers=has_own_keepers)

            assert len(found) == PROCESSES * THREADS
            assert [answer for answer in found if "error" in answer] == []
            tokens = {answer["value"] for answer in found}
            assert len(tokens) == 1
            assert tokens.isdisjoint(spent)
            assert place.works("airtable", *tokens)
            assert place.renewals() == {"ok": expiry}
            spent |= tokens

    assert place.activity(row).count("oauth_refreshed") == len(HAS_OWN_KEEPERS)
    assert place.status(row) == ("active", 0)


def _all_at_once(started: list[Worker], place: Place, *, has_own_keepers: bool) -> list[dict[str, Any]]:
    for each in started:
        each.tell(do="current", ahead=place.time.ahead.total_seconds(), has_own_keepers=has_own_keepers)
    return [answer for each in started for answer in each.hear()]


def _killed_with_the_new_pair_in_hand(place: Place) -> ConnectionRow:
    """A connection that synced once, and whose next sync was killed after the endpoint had answered."""
    row = place.authorised(people=2)
    assert run(*SYNC).code == 0
    place.expire(row)
    with workers(place, 1, Job(slug="acme", dies=True)) as (worker,):
        worker.tell(do="sync")
        assert worker.process.wait(timeout=patient(60)) == -signal.SIGKILL
    assert place.renewals() == {"ok": 1}
    return row


def test_a_process_killed_with_the_new_pair_in_hand_costs_one_authorisation_and_no_loop(
    place: Place, tmp_path: Path
) -> None:
    place.sandbox.oauth.set_options("airtable", conflict_seconds=0.0)
    row = _killed_with_the_new_pair_in_hand(place)
    base, table = place.place_of(row)

    first = run(*SYNC)
    told, sent = place.renewals(), len(place.requests())
    later = [run(*SYNC) for _ in range(LATER_RUNS)]

    assert first.code == 1
    assert REMEDY in first.json["error"]
    assert told == {"ok": 1, "invalid_grant": 1}
    assert place.renewals() == told
    assert len(place.requests()) == sent
    assert {(ran.code, REMEDY in ran.err) for ran in later} == {(2, True)}
    assert place.status(row) == ("disconnected", 1)
    assert REMEDY in (place.row(row).error_message or "")
    # Both directions, of the run that was killed and of the next one; what is refused leaves no row.
    assert [entry["status"] for entry in place.log(row)[:4]] == ["failed"] * 4
    assert not place.is_due(row)

    (person0,) = (each["id"] for each in place.records(row) if each["fields"]["Email"] == "person0@acme.org")
    place.sandbox.airtable.update_record(base, table, person0, Name="Edited there")
    assert run("contacts", "update", "person1@acme.org", "-w", "acme", "--set", "name=Edited here").code == 0
    again = authorize(place, tmp_path, "airtable")
    synced = run(*SYNC)

    assert again.code == 0, again.err
    assert synced.code == 0, synced.err
    assert place.status(row) == ("active", 0)
    names = {"Edited there", "Edited here"}
    assert {record["fields"]["Name"] for record in place.records(row)} == names
    assert {name for (name,) in place.rows("select name from workspace_contacts")} == names


def test_enabling_a_connection_that_was_taken_back_says_why_it_does_not_help(place: Place) -> None:
    place.sandbox.oauth.set_options("airtable", conflict_seconds=0.0)
    row = _killed_with_the_new_pair_in_hand(place)
    run(*SYNC)

    refused = run("connections", "enable", "airtable", "-w", "acme")
    assert refused.code == 2
    assert "connections authorize airtable" in refused.err
    for _ in range(4):
        run(*SYNC)
    assert place.renewals()["invalid_grant"] == 1
    assert place.status(row) == ("disconnected", 1)
    assert place.renewals()["ok"] == 1


def test_a_refresh_token_used_a_moment_ago_is_asked_for_again_until_the_provider_decides(place: Place) -> None:
    """Airtable answers 409 for a while; the run waits it out on the sandbox's clock, and then it is known."""
    row = _killed_with_the_new_pair_in_hand(place)
    runtime = place.runtime_whose_waits_pass()

    report = place.sync(row, runtime)

    assert REMEDY in report.error
    told = place.renewals()
    assert told["invalid_grant"] == 1
    assert 1 <= told["conflict"] <= 10
    assert place.status(row) == ("disconnected", 1)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=["terminated", "Ctrl-C"])
def test_a_process_that_is_stopped_during_a_renewal_finishes_it_first(place: Place, stop: signal.Signals) -> None:
    place.sandbox.oauth.set_options("airtable", token_delay_seconds=1.0)
    row = place.authorised(people=2)
    place.expire(row)
    process = start(place, *SYNC)
    wait_for(lambda: place.renewals() == {"ok": 1})

    process.send_signal(stop)
    _, errors = process.communicate(timeout=patient(60))

    assert process.returncode > 0
    assert "Traceback" not in errors, errors
    assert place.works("airtable", place.credentials(row)["access_token"])
    assert place.status(row) == ("active", 0)
    assert run(*SYNC).code == 0
    assert place.renewals() == {"ok": 1}


def test_a_process_killed_while_it_waits_for_anothers_renewal_leaves_no_lock_behind(place: Place) -> None:
    place.sandbox.oauth.set_options("airtable", token_delay_seconds=1.0)
    row = place.authorised()
    place.expire(row)
    with workers(place, 3, Job(slug="acme")) as (first, second, third):
        first.tell(do="current")
        wait_for(lambda: place.renewals() == {"ok": 1})
        second.tell(do="current")
        third.tell(do="current")
        wait_for(lambda: place.waiting_sessions() == 2)
        second.process.send_signal(signal.SIGKILL)
        found = [first.hear(), third.hear()]

    assert found == [[{"value": place.credentials(row)["access_token"]}]] * 2
    assert place.renewals() == {"ok": 1}
    assert place.keeper(row).current() == place.credentials(row)["access_token"]
