"""`integrations alerts`: sending without Dagster, a test of every destination, the list."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from integrations_pipeline.alerts.sending import REPETITION
from integrations_pipeline.alerts.watch import tell
from integrations_pipeline_tests.alerts.receiver import Receiver, receiving
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import wait
from integrations_pipeline_tests.test_documents import COMMANDS

URLS = "INTEGRATIONS_ALERT_URLS"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def acme(environment: Environment, receiver: Receiver) -> Environment:
    """A workspace whose connection is in error, and one destination."""
    environment.monkeypatch.setenv(URLS, receiver.address)
    environment.connect(environment.add_workspace("acme"))
    environment.rows("update integration_connections set status = 'error', error_count = 3 returning id")
    return environment


def test_send_tells_once_and_then_of_the_recovery(acme: Environment, receiver: Receiver) -> None:
    first, second = run("alerts", "send"), run("alerts", "send", "--json")
    acme.rows("update integration_connections set status = 'active', error_count = 0 returning id")
    run("alerts", "send")

    assert (first.code, first.out) == (0, "1 alert written; 1 message sent, 0 to be tried again, 0 given up\n")
    assert second.json == {"written": 0, "destinations": 1, "sent": 0, "waiting": 0, "failed": 0}
    assert receiver.titles == [
        "acme airtable: in error after 3 failed runs",
        "acme airtable: active again (was in error)",
    ]


def test_send_fails_where_a_destination_did_and_status_and_list_say_so(acme: Environment, receiver: Receiver) -> None:
    receiver.mode = "500"
    sent = run("alerts", "send")
    assert (sent.code, "1 to be tried again" in sent.out) == (1, True)

    [row] = run("alerts", "list", "--json").json
    assert (row["workspace"], row["provider"], row["kind"]) == ("acme", "airtable", "connection")
    assert (row["state"], row["reason"]) == ("waiting", "it answered 500 Internal Server Error")
    assert "alerts that could not be sent: 1 waiting: `integrations alerts list`" in run("status").out
    assert run("status", "--check", "--json").json["summary"]["undelivered_alerts"] == {"waiting": 1, "failed": 0}


def test_without_destinations_alerts_are_written_and_listed(acme: Environment, receiver: Receiver) -> None:
    acme.monkeypatch.delenv(URLS)
    sent, tested, listed = run("alerts", "send"), run("alerts", "test"), run("alerts", "list")

    assert sent.code == 0
    assert sent.out == f"1 alert written, none sent: no destination is configured; set {URLS}\n"
    assert tested.code == 2
    assert tested.err.startswith(f"error: no destination is configured: set {URLS}")
    assert len(tested.err.splitlines()) == 1
    assert "in error after 3 failed runs" in listed.out
    assert "could not be sent" not in run("status").out
    assert receiver.messages == []


def test_test_says_of_each_destination_whether_it_took_the_message(
    environment: Environment, receiver: Receiver
) -> None:
    with receiving() as broken:
        broken.mode = "404"
        environment.monkeypatch.setenv(URLS, f"{receiver.address}\n{broken.address}")
        ran, document = run("alerts", "test"), run("alerts", "test", "--json")

    assert (ran.code, document.code) == (1, 1)
    labels = [f"1 json://127.0.0.1:{receiver.port}", f"2 json://127.0.0.1:{broken.port}"]
    assert ran.out.splitlines() == [f"{labels[0]}: ok", f"{labels[1]}: it answered 404 Not Found"]
    assert document.json == {
        "ok": False,
        "destinations": [
            {"destination": labels[0], "ok": True, "reason": None},
            {"destination": labels[1], "ok": False, "reason": "it answered 404 Not Found"},
        ],
    }
    assert "hidden" not in ran.out + ran.err + document.out + document.err
    assert receiver.titles == ["Test of integrations"] * 2


def test_test_ends_with_0_when_all_took_it_and_needs_no_database(environment: Environment, receiver: Receiver) -> None:
    environment.monkeypatch.setenv(URLS, receiver.address)
    environment.monkeypatch.setenv("INTEGRATIONS_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert run("alerts", "test").code == 0


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param("hidden-secret", "destination 1 is no address as apprise writes them", id="no address"),
        pytest.param("json://a\nslak://hidden-secret", "destination 2 (slak://…) is not understood", id="unknown"),
    ],
)
def test_a_wrong_variable_is_one_line_without_the_secret(acme: Environment, value: str, says: str) -> None:
    acme.monkeypatch.setenv(URLS, value)
    for command in ("send", "test"):
        ran = run("alerts", command)
        assert (ran.code, len(ran.err.splitlines())) == (2, 1)
        assert says in ran.err
        assert "hidden" not in ran.err


def test_the_list_is_of_one_workspace_or_of_all_newest_first_and_says_what_it_leaves_out(acme: Environment) -> None:
    for slug in ("beta", "gamma"):
        acme.connect(acme.add_workspace(slug))
    acme.rows("update integration_connections set status = 'disconnected' returning id")
    run("alerts", "send")
    acme.rows("update integration_connections set status = 'active' returning id")
    run("alerts", "send")

    everything = run("alerts", "list", "--json").json
    assert [row["workspace"] for row in everything] == ["gamma", "beta", "acme"] * 2
    mine = run("alerts", "list", "-w", "beta", "--json").json
    assert [row["text"].splitlines()[0] for row in mine] == [
        "beta airtable: active again (was disconnected)",
        "beta airtable: disconnected",
    ]
    short = run("alerts", "list", "--limit", "2")
    assert "only the first 2 are shown: --limit shows more" in short.err
    assert run("alerts", "list", "-w", "nobody").code == 2


def test_the_list_fits_80_columns(acme: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    run("alerts", "send")
    monkeypatch.setattr("integrations_pipeline.cli.output.stdout._width", 80)
    assert max(map(len, run("alerts", "list").out.splitlines())) <= 80


def test_every_command_that_an_alert_names_exists(acme: Environment) -> None:
    columns = "connection_id, workspace_id, kind, field, created_at"
    acme.rows(
        f"insert into integration_agenda ({columns}) select id, workspace_id, kind, 'name', now() - interval '9 days' "
        "from integration_connections, unnest(array['held_delete', 'conflict', 'stopped_field']) kind returning id"
    )
    acme.rows(
        "insert into integration_activity (workspace_id, integration_name, action, success) "
        "select workspace_id, integration_type, 'verify', false from integration_connections returning id"
    )
    run("alerts", "send")
    acme.rows("update integration_connections set status = 'disconnected' returning id")
    run("alerts", "send")

    texts = [row["text"] for row in run("alerts", "list", "--json").json]
    named = {found for text in texts for found in re.findall(r"`integrations ([a-z ]+?)(?: (?:--|airtable)|`)", text)}
    assert len(texts) == 6
    assert named - set(COMMANDS) <= {"verify"}, "which comes with the certificate"


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_sends_leaves_nothing_untold(acme: Environment, receiver: Receiver) -> None:
    receiver.mode = "hang"
    code = "from integrations_pipeline.cli import entry; entry()"
    variables = {**os.environ, **acme.variables, URLS: receiver.address}
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, "alerts", "send"], env=variables) as sending:
        wait(lambda: bool(receiver.messages))
        sending.kill()
    receiver.mode = "ok"

    def tell_in(minutes: int) -> int:
        later = datetime.now(UTC) + timedelta(minutes=minutes)
        return tell(acme.wiring.database, URLS, [receiver.address], lambda: later).sent

    assert [tell_in(0), tell_in(3), tell_in(6)] == [0, 1, 0]
    first, again = (message["message"] for message in receiver.messages)
    assert (REPETITION in first, REPETITION in again) == (False, True)
    assert first.splitlines()[-1] == again.splitlines()[-1], "its id tells that it is the same"


@pytest.mark.slow
def test_commands_that_send_nothing_do_not_load_apprise(acme: Environment) -> None:
    hidden = "import sys; sys.modules['apprise'] = None; from integrations_pipeline.cli import entry; entry()"
    variables = {**acme.variables, URLS: "json://localhost"}
    for command in (["alerts", "list"], ["status"]):
        ran = subprocess.run([sys.executable, "-c", hidden, *command], env=variables, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr
