"""Real processes, killed and interrupted in the middle of real work: the next run finishes it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.patience import patient

SYNC = ("sync", "--workspace", "acme", "--provider", "airtable", "--json")
PEOPLE = 120


def _start(environment: Environment) -> "subprocess.Popen[str]":
    """A sync in a process of its own, slow enough to be caught in the middle."""
    variables = {**os.environ, **environment.variables, "INTEGRATIONS_SANDBOX_RATE_SCALE": "2"}
    command = [sys.executable, "-c", "from integrations_pipeline.cli import entry; entry()", *SYNC]
    return subprocess.Popen(
        command,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A background job inherits an ignored SIGINT; a terminal's command does not.
        preexec_fn=_listen_to_interrupts,  # noqa: PLW1509 - one line, and no threads hold locks it needs
    )


def _listen_to_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _wait(until: Callable[[], bool], seconds: float = 60) -> None:
    give_up_at = time.monotonic() + patient(seconds)
    while not until():
        assert time.monotonic() < give_up_at, "it never came to the middle of the work"
        time.sleep(0.02)  # a real process runs at its own pace


def _prepared(environment: Environment) -> Callable[[], int]:
    base_id, table_id = environment.connect(environment.add_workspace("acme", people=PEOPLE))
    return lambda: len(environment.sandbox.airtable.records(base_id, table_id))


def _assert_whole(environment: Environment, count: Callable[[], int]) -> None:
    assert count() == PEOPLE
    assert environment.rows("select count(*) from integration_links") == [(PEOPLE,)]
    assert environment.rows("select count(*) from integration_changes where state in ('planned', 'intended')") == [(0,)]
    assert environment.rows("select count(*) from integration_sync_logs where completed_at is null") == [(0,)]


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=["kill", "Ctrl-C", "terminate"])
def test_a_sync_stopped_in_the_middle_is_finished_by_the_next(environment: Environment, kill: signal.Signals) -> None:
    count = _prepared(environment)
    process = _start(environment)
    _wait(lambda: count() >= 20)

    process.send_signal(kill)
    _, errors = process.communicate(timeout=patient(60))

    assert process.returncode != 0
    assert count() < PEOPLE
    assert "Traceback" not in errors, errors
    finished = run(*SYNC)
    assert finished.code == 0, finished.err
    _assert_whole(environment, count)
    assert run(*SYNC).json["results"][0]["records_synced"] == 0


@pytest.mark.slow
def test_a_database_that_goes_away_in_the_middle_stops_all_writes_and_loses_nothing(environment: Environment) -> None:
    count = _prepared(environment)
    process = _start(environment)
    _wait(lambda: count() >= 20)

    environment.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    _, errors = process.communicate(timeout=patient(60))

    assert process.returncode == 1
    assert "Traceback" not in errors, errors
    assert count() < PEOPLE
    assert run(*SYNC).code == 0
    _assert_whole(environment, count)


@pytest.mark.slow
def test_two_syncs_of_one_connection_at_once_never_interleave(environment: Environment) -> None:
    count = _prepared(environment)
    processes = [_start(environment) for _ in range(2)]

    codes = [process.wait(timeout=patient(120)) for process in processes]
    for process in processes:
        process.communicate()

    assert codes == [0, 0]
    _assert_whole(environment, count)
    created = environment.rows("select sum(records_created) from integration_sync_logs where direction = 'to_external'")
    assert created == [(PEOPLE,)]
