"""`connections authorize` as a person has it: the real command, and a browser that is a script.

Every command's streams, arguments and database rows are searched for secrets by `_checked`. Refusals run in this
process, because they are many.
"""

import json
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline_tests.oauth.arrangement import Place, leaked, secrets_of, wait_for
from integrations_pipeline_tests.oauth.processes import Ran, authorize, authorize_here, free_port, start
from integrations_pipeline_tests.patience import patient

pytestmark = pytest.mark.slow

#: What a test's browser does.
NOTHING = ("pass",)
STRAYS = (
    "def knock(data, stays=False):",
    "    s = socket.create_connection(('127.0.0.1', port))",
    "    s.sendall(data)",
    "    return s",
    # Connections that a browser opens in advance, and one that never comes to the point.
    "idle = [knock(b'') for _ in range(40)] + [knock(b'GET /callback?sta') for _ in range(5)]",
    "origin = address.split('/start/')[0]",
    "assert open_(origin + '/favicon.ico')[0] == 400",
    "assert open_(origin + '/')[0] == 400",
    "assert open_(callback)[0] == 400",
    "assert open_(callback + '?code=planted&state=guessed')[0] == 400",
    "assert open_(callback + '?code=planted&state=a&state=b')[0] == 400",
    "knock(b'\\x16\\x03\\x01 no http at all\\r\\n\\r\\n')",
    "knock(b'GET //[::1/callback?state=x HTTP/1.0\\r\\n\\r\\n')",
    "knock(b'POST /callback?code=planted HTTP/1.0\\r\\n\\r\\n')",
    "knock(b'GET /' + b'x' * 70000)",
    "s = knock(b'GET / HTTP/1.0\\r\\n\\r\\n')",
    "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00')",
    "s.close()",
    "open_(address)",
)
TWICE = (
    "found = leads_to(leads_to(address))",
    "open_(found)",
    "open_(found.replace('code=', 'code=other'))",
)


@pytest.fixture
def settings(place: Place, tmp_path: Path) -> Callable[[str], tuple[str, str]]:
    """`--settings FILE` for a provider, with a place of its own there."""

    def made(provider: str) -> tuple[str, str]:
        found: dict[str, Any] = {}
        if provider == "airtable":
            base = place.sandbox.airtable.create_base("CRM")
            found = {"base_id": base.id, "table_id": place.sandbox.airtable.create_contacts_table(base.id).id}
        if provider == "gmail":
            place.sandbox.gmail.create_mailbox("owner@gmail.example")
        if provider == "mailchimp":
            found = {"list_id": place.sandbox.mailchimp.create_list("Friends", extra_fields=["COMPANY"]).id}
        path = tmp_path / f"{provider}.json"
        path.write_text(json.dumps(found), encoding="utf-8")
        return "--settings", str(path)

    return made


def _checked(place: Place, ran: Ran) -> Ran:
    """The command, after a look for secrets in everything that it left behind."""
    assert leaked(secrets_of(place.sandbox), ran.out, ran.err, ran.arguments, place.everything_written()) == []
    assert "Traceback" not in ran.out + ran.err
    return ran


def _refused(place: Place, ran: Ran, says: str, code: int = 2) -> None:
    """One line that says why, and nothing else but where the browser was sent."""
    _checked(place, ran)
    assert ran.code == code, ran.err
    lines = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, ran.err
    assert says in lines[0]


def _row(place: Place, workspace_id: UUID, provider: str) -> ConnectionRow:
    return place.connection(workspace_id, provider)


@pytest.mark.parametrize("provider", ["airtable", "gmail", "mailchimp", "hubspot"])
def test_a_person_connects_a_provider_in_the_browser_and_it_syncs(
    place: Place, tmp_path: Path, settings: Callable[[str], tuple[str, str]], provider: str
) -> None:
    workspace_id = place.add_workspace("acme", people=2)

    ran = _checked(place, authorize(place, tmp_path, provider, *settings(provider)))

    assert ran.code == 0, ran.err
    assert f"authorised {provider} of acme" in ran.out
    row = _row(place, workspace_id, provider)
    assert (row.status, row.sync_enabled) == ("active", True)
    assert set(row.credentials) == {"v", "kid", "nonce", "ct"}
    stored = place.credentials(row)
    assert stored["access_token"]
    assert ("refresh_token" in stored, "dc" in stored) == (provider != "mailchimp", provider == "mailchimp")
    assert place.sync(row).error == ""
    assert "authorized" in place.activity(row)


def test_json_on_stdout_is_one_document_however_noisy_the_browser_is(
    place: Place, tmp_path: Path, settings: Callable[[str], tuple[str, str]]
) -> None:
    workspace_id = place.add_workspace("acme")

    done = _checked(place, authorize(place, tmp_path, "airtable", *settings("airtable"), "--json"))
    refused = authorize(place, tmp_path, "airtable", "--json", AIRTABLE_CLIENT_SECRET="wrong")

    row = _row(place, workspace_id, "airtable")
    assert done.json == {"id": str(row.id), "workspace": "acme", "provider": "airtable", "status": "active"}
    assert "Gtk" not in done.err
    assert refused.json["exit_code"] == refused.code == 2
    assert "AIRTABLE_CLIENT_SECRET" in refused.json["error"]


@pytest.mark.parametrize(
    ("lines", "more", "says"),
    [
        pytest.param(NOTHING, {"--wait": "0.5"}, "nobody answered in the browser", id="nobody answers"),
        pytest.param(
            ("open_(leads_to(address).replace('state=', 'state=x'))",),
            {"--wait": "2"},
            "nobody answered in the browser",
            id="another state",
        ),
        pytest.param(
            ("open_(address)",),
            {"AIRTABLE_CLIENT_ID": "unknown", "--wait": "2"},
            "it knows no client AIRTABLE_CLIENT_ID with the redirect address http://localhost:",
            id="unknown client",
        ),
        pytest.param(
            ("open_(address)",),
            {"AIRTABLE_CLIENT_SECRET": "wrong"},
            "correct AIRTABLE_CLIENT_ID and AIRTABLE_CLIENT_SECRET",
            id="wrong secret",
        ),
        pytest.param(NOTHING, {"AIRTABLE_CLIENT_ID": ""}, "AIRTABLE_CLIENT_ID is not set", id="no client"),
        pytest.param(
            ("open_(callback + '?error=access_denied&state=' + state_of(leads_to(address)))",),
            {},
            "Airtable gave no access (access_denied)",
            id="denied",
        ),
        pytest.param(
            ("open_(callback + '?code=planted&state=' + state_of(leads_to(address)))",),
            {},
            "does not take the code",
            id="planted code",
        ),
    ],
)
def test_what_goes_wrong_is_one_line_and_leaves_the_connection_as_it_was(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lines: Sequence[str],
    more: dict[str, str],
    says: str,
) -> None:
    row = place.authorised()
    before = place.rows("select to_jsonb(c) from integration_connections c")
    variables = {name: value for name, value in more.items() if name != "--wait"}
    wait = more.get("--wait", "60")

    ran = authorize_here(place, monkeypatch, tmp_path, "airtable", "--wait", wait, lines=lines, **variables)

    _refused(place, ran, says)
    assert place.rows("select to_jsonb(c) from integration_connections c") == before
    assert place.activity(row) == []


def test_a_person_who_refuses_connects_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Callable[[str], tuple[str, str]]
) -> None:
    place.add_workspace("acme")
    place.sandbox.oauth.set_options(auto_consent="deny")

    ran = authorize_here(place, monkeypatch, tmp_path, "airtable", *settings("airtable"))

    _refused(place, ran, "Airtable gave no access (access_denied)")
    assert place.rows("select count(*) from integration_connections") == [(0,)]


def test_a_scope_left_out_is_named_and_connects_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place.add_workspace("acme")
    scope = "https://www.googleapis.com/auth/gmail.readonly"
    place.sandbox.oauth.set_options("google", auto_consent="partial", left_out_scopes=(scope,))

    ran = authorize_here(place, monkeypatch, tmp_path, "gmail")

    _refused(place, ran, f"Google did not grant all that is needed: {scope}; run the command again")
    assert place.rows("select count(*) from integration_connections") == [(0,)]


def test_a_token_endpoint_that_fails_is_one_line_and_no_mistake_of_the_persons(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place.authorised()
    before = place.rows("select to_jsonb(c) from integration_connections c")
    place.fault("airtable", "drop_after")

    ran = authorize_here(place, monkeypatch, tmp_path, "airtable")

    _refused(place, ran, "the person's answer is used up: run the command again", code=1)
    assert place.rows("select to_jsonb(c) from integration_connections c") == before


@pytest.mark.parametrize("lines", [STRAYS, TWICE], ids=["strays", "the same answer twice"])
def test_whatever_else_knocks_on_the_port_changes_nothing(place: Place, tmp_path: Path, lines: Sequence[str]) -> None:
    row = place.authorised()
    before = place.credentials(row)

    ran = _checked(place, authorize(place, tmp_path, "airtable", "--wait", str(patient(30)), lines=lines))

    assert ran.code == 0, ran.err
    # One line, the address and the account: nothing of what knocked.
    assert len(ran.err.splitlines()) == 3
    assert place.credentials(row)["access_token"] != before["access_token"]
    assert place.works("airtable", place.credentials(row)["access_token"])


def test_a_browser_that_stays_open_is_not_waited_for(place: Place, tmp_path: Path) -> None:
    row = place.authorised()
    may_close = tmp_path / "may close"
    stay = f"while not os.path.exists({str(may_close)!r}): time.sleep(0.1)"
    try:
        ran = authorize(place, tmp_path, "airtable", lines=("open_(address)", stay))
    finally:
        may_close.touch()

    assert ran.code == 0
    assert place.works("airtable", place.credentials(row)["access_token"])


def test_a_machine_without_a_browser_tells_the_address_and_waits(place: Place) -> None:
    row = place.authorised()
    place.sandbox.oauth.set_options(auto_consent="allow")
    port = str(free_port())

    process = start(
        place, "connections", "authorize", "airtable", "-w", "acme", "--yes", "--port", port, BROWSER="/nonexistent"
    )
    assert process.stderr is not None
    first = process.stderr.readline() + process.stderr.readline()
    address = first.split()[-1]
    place.answer_of_browser(address)
    out, err = process.communicate(timeout=patient(60))

    _checked(place, Ran(code=process.returncode, out=out, err=first + err, arguments=""))
    assert process.returncode == 0
    assert place.works("airtable", place.credentials(row)["access_token"])


def test_a_taken_port_is_told_before_anything_is_opened(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place.authorised()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = authorize_here(place, monkeypatch, tmp_path, "airtable", "--port", port)

    _refused(place, ran, f"port {port} is taken: choose another with --port")
    assert "/start/" not in ran.arguments


def test_stopping_the_wait_stores_nothing(place: Place) -> None:
    row = place.authorised()
    before = place.credentials(row)
    process = start(
        place,
        "connections",
        "authorize",
        "airtable",
        "-w",
        "acme",
        "--yes",
        "--port",
        str(free_port()),
        BROWSER="/nonexistent",
    )
    assert process.stderr is not None
    process.stderr.readline()

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=patient(30))

    assert process.returncode > 0
    assert "Traceback" not in err
    assert place.credentials(row) == before


# Pasted


def _paste(place: Place, change: Callable[[str], str], *arguments: str, provider: str = "airtable") -> Ran:
    """`--no-browser`: open the printed address elsewhere, and paste where it led, changed."""
    place.sandbox.oauth.set_options(auto_consent="allow")
    command = ("connections", "authorize", provider, "-w", "acme", "--yes", "--no-browser", *arguments)
    process = start(place, *command)
    assert process.stderr is not None
    told = process.stderr.readline() + process.stderr.readline()
    pasted = change(place.answer_to(told.split()[-1]))
    out, err = process.communicate(pasted + "\n" if pasted else "", timeout=patient(60))
    return Ran(code=process.returncode, out=out, err=told + err, arguments=" ".join(command))


@pytest.mark.parametrize("provider", ["airtable", "gmail", "mailchimp"])
def test_an_address_pasted_from_another_machine_is_as_good(
    place: Place, settings: Callable[[str], tuple[str, str]], provider: str
) -> None:
    workspace_id = place.add_workspace("acme", people=1)

    ran = _paste(place, lambda answer: f"  {answer}  ", *settings(provider), "--json", provider=provider)

    assert ran.code == 0, ran.err
    row = _row(place, workspace_id, provider)
    assert ran.json["id"] == str(row.id)
    assert place.sync(row).error == ""
    # The question's address has to be shown, and with it its state; no more than that.
    (told,) = [line for line in ran.err.splitlines() if "state=" in line]
    rest = Ran(code=0, out=ran.out, err=ran.err.replace(told, ""), arguments=ran.arguments)
    _checked(place, rest)
    states = {dict(entry.query)["state"] for entry in place.requests("/oauth") if entry.method == "GET" if entry.query}
    assert leaked(secrets_of(place.sandbox) - states, told) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(lambda _: "", "no address was pasted", id="nothing"),
        pytest.param(lambda a: a.replace("state=", "state=x"), "belongs to another question", id="another state"),
    ],
)
def test_a_wrong_paste_is_one_line_and_leaves_the_connection_as_it_was(
    place: Place, change: Callable[[str], str], says: str
) -> None:
    place.authorised()
    before = place.rows("select to_jsonb(c) from integration_connections c")

    ran = _paste(place, change)

    assert ran.code == 2, ran.err
    (line,) = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert says in line
    assert "http" not in line
    assert place.rows("select to_jsonb(c) from integration_connections c") == before


def test_settings_and_the_pasted_address_cannot_both_come_from_stdin(place: Place) -> None:
    place.add_workspace("acme")
    process = start(place, "connections", "authorize", "airtable", "-w", "acme", "--no-browser", "--settings", "-")

    _, err = process.communicate("{}", timeout=patient(60))

    assert process.returncode == 2
    assert "give --settings a file" in err


# Again


def test_authorising_again_keeps_everything_but_the_tokens(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    row = place.authorised(people=3, delete_policy="ignore")
    assert place.sync(row).error == ""
    before = place.row(row)
    links = place.rows("select to_jsonb(l) from integration_links l order by contact_id")
    place.expire(row)
    place.sandbox.oauth.revoke("airtable", place.credentials(row)["refresh_token"])
    assert place.sync(row).error
    assert place.status(row) == ("disconnected", 1)

    assert authorize_here(place, monkeypatch, tmp_path, "airtable").code == 0

    after = place.row(row)
    assert (after.status, after.error_count, after.error_message) == ("active", 0, None)
    kept = ("id", "settings", "cursor", "sync_frequency_minutes", "sync_enabled")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert place.rows("select to_jsonb(l) from integration_links l order by contact_id") == links
    wait_for(lambda: place.is_due(row))
    assert place.sync(row).error == ""
    assert len(place.records(row)) == 3


def test_a_connection_that_a_person_switched_off_stays_off(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    row = place.authorised()
    with place.wiring.database.admin() as connection:
        connection.exec_driver_sql("update integration_connections set sync_enabled = false, status = 'paused'")

    assert authorize_here(place, monkeypatch, tmp_path, "airtable").code == 0

    assert place.row(row).status == "paused"
    assert not place.row(row).sync_enabled
