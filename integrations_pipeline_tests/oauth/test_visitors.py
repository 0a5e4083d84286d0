"""Who may come for the start address, and whose account may be stored: what another user of the machine could try."""

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations_pipeline.cli import loopback
from integrations_pipeline.cli.loopback import LoopbackServer, listening
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.oauth import Consent
from integrations_pipeline_tests.oauth.arrangement import Place
from integrations_pipeline_tests.oauth.processes import (
    COMMAND,
    FOLLOW,
    authorize_here,
    browser,
    environment,
    free_port,
)
from integrations_pipeline_tests.oauth.visitor import get
from integrations_pipeline_tests.patience import patient

QUESTION = "https://provider.example/authorize?state=s"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    port = free_port()
    consent = Consent(address=QUESTION, redirect_uri=f"http://localhost:{port}/callback", state="s", verifier="")
    with listening(port, consent) as server:
        yield server


@pytest.mark.parametrize("first", ["browser_address", "start_address"])
@pytest.mark.parametrize("second", ["browser_address", "start_address"])
def test_a_second_visitor_is_led_nowhere_and_ends_the_wait(server: LoopbackServer, first: str, second: str) -> None:
    assert get(server, getattr(server, first)) == (302, QUESTION)
    assert get(server, getattr(server, second)) == (400, "")
    with pytest.raises(ConfigurationError, match="opened twice"):
        server.wait(patient(5))


def test_a_second_visitor_counts_also_after_the_answer(server: LoopbackServer) -> None:
    """A program that reads the process list is faster than a browser that has to start."""
    get(server, server.browser_address)
    assert get(server, server.consent.redirect_uri + "?state=s&code=theirs")[0] == 200
    assert server.wait(patient(5)) == "/callback?state=s&code=theirs"
    get(server, server.browser_address)
    with pytest.raises(ConfigurationError, match="nothing was stored"):
        server.require_one_visitor()


def test_the_browsers_address_is_of_use_for_a_minute_only_and_the_printed_one_longer(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.browser_address != server.start_address
    server._until -= loopback.BROWSER_SECONDS + 1
    assert get(server, server.browser_address) == (400, "")
    assert get(server, server.start_address) == (302, QUESTION)


@pytest.mark.parametrize(
    "hosts",
    [
        ("evil.example",),
        ("localhost",),
        ("localhost:1",),
        ("127.0.0.1.evil.example:{port}",),
        ("localhost:{port}", "evil.example"),
        ("",),
        ("localhost:{port}@evil.example",),
    ],
)
def test_another_host_name_is_refused_and_uses_nothing_up(server: LoopbackServer, hosts: tuple[str, ...]) -> None:
    port = server.server_address[1]
    named = [host.format(port=port) for host in hosts]
    assert get(server, server.browser_address, *named) == (400, "")
    assert get(server, server.consent.redirect_uri + "?state=s&code=c", *named) == (400, "")
    assert server.wait(0) is None
    assert get(server, server.browser_address) == (302, QUESTION)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_every_name_of_this_machine_is_as_good(server: LoopbackServer, name: str) -> None:
    assert get(server, server.browser_address, f"{name}:{server.server_address[1]}") == (302, QUESTION)


@pytest.mark.slow
def test_a_second_visitor_ends_the_command_in_one_line_and_nothing_is_stored(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    row = place.authorised()
    before = place.credentials(row)
    lines = ("leads_to(address)", "open_(address)")

    ran = authorize_here(place, monkeypatch, tmp_path, "airtable", "--wait", str(patient(30)), lines=lines)

    assert ran.code == 2
    assert [line for line in ran.err.splitlines() if line.startswith("error: ")] == [
        f"error: {loopback.SECOND_VISITOR}"
    ]
    assert place.credentials(row) == before


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "is_stored"), [("y", True), ("n", False), ("", False)])
@pytest.mark.parametrize("provider", ["airtable", "gmail", "mailchimp"])
def test_on_a_terminal_a_person_is_asked_whether_it_is_the_account_that_they_meant(
    place: Place, tmp_path: Path, provider: str, answer: str, is_stored: bool
) -> None:
    place.add_workspace("acme")
    place.sandbox.gmail.create_mailbox("owner@gmail.example")
    settings = tmp_path / "settings.json"
    given = {"airtable": '{"base_id": "appX", "table_id": "T"}', "mailchimp": '{"list_id": "x"}', "gmail": "{}"}
    settings.write_text(given[provider], encoding="utf-8")
    place.sandbox.oauth.set_options(auto_consent="allow")
    path, _ = browser(tmp_path, FOLLOW)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            *COMMAND,
            "connections",
            "authorize",
            provider,
            "-w",
            "acme",
            "--port",
            str(free_port()),
            "--settings",
            settings,
        ],
        env=environment(place, BROWSER=str(path)),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, f"{answer}\n".encode())  # typed ahead
    _, err = process.communicate(timeout=patient(120))
    os.close(ours)
    os.close(theirs)

    names = {"airtable": "usrSandbox", "gmail": "owner@gmail.example", "mailchimp": "Sandbox ("}
    assert f"connected: {names[provider]}" in err
    assert "Is that the account for acme?" in err
    assert process.returncode == (0 if is_stored else 2)
    assert place.rows("select count(*) from integration_connections") == [(int(is_stored),)]
    if not is_stored:
        assert "error: not stored" in err
