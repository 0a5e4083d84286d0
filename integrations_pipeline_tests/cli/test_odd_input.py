"""No input whatever ends a command otherwise than with a documented exit code and, if it failed, lines that say why."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from integrations_pipeline_tests.cli.odd_input import VALUES, commands, odd_files, odd_lines, valid_given
from integrations_pipeline_tests.cli.run import Ran, run
from integrations_pipeline_tests.environment import Environment

pytestmark = pytest.mark.slow

#: Of the odd values of each parameter one in so many; which ones differs from parameter to parameter.
SHARE = 5
COMMANDS = {" ".join(path): (path, command) for path, command in commands()}


def faults(ran: Ran) -> str:
    """What is wrong with how a command ended; "" if nothing is."""
    said = ran.out + ran.err
    if ran.code not in (0, 1, 2, 3):
        return f"exit code {ran.code}"
    for word in ("Traceback", "please report it", "unexpected"):
        if word in said:
            return said[-400:]
    if ran.code and not ran.err.strip():
        return "failed without a word"
    return ""


def wrong_ends(lines: Iterable[Sequence[str]], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each command line that ended wrongly, cut, with how."""
    ended = ((line, faults(run(*line, monkeypatch=monkeypatch))) for line in lines)
    return [f"{[part[:60] for part in line]}: {wrong}" for line, wrong in ended if wrong]


@pytest.mark.parametrize("name", COMMANDS)
def test_odd_arguments(name: str, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.connect(environment.add_workspace("acme", people=1))
    monkeypatch.chdir(tmp_path)
    path, command = COMMANDS[name]
    assert wrong_ends(odd_lines(path, command, valid_given(tmp_path), share=SHARE), monkeypatch) == []


READING = {
    "contacts import": ["contacts", "import", "-w", "acme", "--", "{}"],
    "contacts import, dry": ["contacts", "import", "-w", "acme", "--dry-run", "--json", "--", "{}"],
    "pitches import": ["pitches", "import", "-w", "acme", "--", "{}"],
    "credentials": ["connections", "add", "mailchimp", "-w", "acme", "--credentials={}"],
    "settings": ["connections", "add", "airtable", "-w", "acme", "--credentials=credentials.json", "--settings={}"],
    "settings of a grant": ["connections", "authorize", "gmail", "-w", "acme", "--no-browser", "--settings={}"],
    "export": ["contacts", "export", "-w", "acme", "--output={}"],
}


@pytest.mark.parametrize("name", READING)
def test_odd_files(name: str, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.connect(environment.add_workspace("acme", people=1))
    monkeypatch.chdir(tmp_path)
    valid_given(tmp_path)
    (tmp_path / "odd").mkdir()
    lines = [[part.format(file) for part in READING[name]] for file in odd_files(tmp_path / "odd")]
    assert wrong_ends(lines, monkeypatch) == []
    assert environment.rows("select count(*) from workspace_contacts where email like '%%..%%'") == [(0,)]


VARIABLES = (
    "INTEGRATIONS_DATABASE_URL", "INTEGRATIONS_ENCRYPTION_KEYS", "INTEGRATIONS_AIRTABLE_API_URL",
    "INTEGRATIONS_MAILCHIMP_API_URL", "INTEGRATIONS_GMAIL_API_URL", "INTEGRATIONS_AIRTABLE_OAUTH_URL",
    "INTEGRATIONS_GOOGLE_TOKEN_URL", "INTEGRATIONS_SANDBOX_RATE_SCALE", "AIRTABLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET",
)  # fmt: skip
ADDRESSES = (
    "postgresql://", "postgresql://[", "postgresql://h:99999/d", "postgresql://h:x/d", "mysql://h/d", "sqlite://", "://",
    "postgresql:///d?host=/missing", "postgresql://127.0.0.1:1/d", "postgresql://u:p%@127.0.0.1:1/d", "http://", "https://",
    "http://127.0.0.1:0", "http://127.0.0.1:99999", "http://[::1", "https://a b", "ftp://h", "http://example.org",
    "https://{x}", "k:AAAA", "AAAA", "x" * 44, ",", "é" * 43 + "=", "https://u:p@h/",
)  # fmt: skip


@pytest.mark.parametrize("variable", VARIABLES)
def test_odd_variables(
    variable: str, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.connect(environment.add_workspace("acme", people=1))
    monkeypatch.chdir(tmp_path)
    asked = ("authorize", "airtable", "-w", "acme", "--no-browser", f"--settings={tmp_path / 'missing'}")
    asking = (("status",), ("connections", "check", "-w", "acme"), ("connections", *asked))
    found = []
    for value in (*ADDRESSES, *(each for each in VALUES[::3] if each and "\x00" not in each)):
        monkeypatch.setenv(variable, value)
        found += [f"{value[:60]!r}: {wrong}" for wrong in wrong_ends(asking, monkeypatch)]
    assert found == []


HOMES = ("/dev/null", "/dev/null/x", "{}/file", "{}/" + "x" * 300, "{}/" + "y" * 100, "/proc/none")


@pytest.mark.parametrize("home", HOMES)
def test_odd_homes(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("INTEGRATIONS_DATABASE_URL", raising=False)
    monkeypatch.setenv("INTEGRATIONS_HOME", home.format(tmp_path))
    assert wrong_ends([["status"], ["db", "stop"], ["db", "url", "--json"]], monkeypatch) == []
    run("db", "stop")
