"""Starts real processes: `worker`s that use tokens, and the command line with a browser that is a script.

Belongs here: starting, talking, ending. Does not: what a worker does (`worker`), assertions.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from integrations_pipeline_tests.cli.run import run as run_here
from integrations_pipeline_tests.oauth.arrangement import Place
from integrations_pipeline_tests.oauth.worker import Job
from integrations_pipeline_tests.patience import patient

COMMAND = (sys.executable, "-c", "from integrations_pipeline.cli import entry; entry()")
#: Nobody reads a proxy or a configuration of the person who runs the tests.
OURS = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")


@dataclass(slots=True)
class Worker:
    process: "subprocess.Popen[str]"

    def tell(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker ended without an answer"
        return json.loads(line)

    def ask(self, **command: Any) -> Any:
        self.tell(**command)
        return self.hear()


@contextmanager
def workers(place: Place, count: int, job: Job) -> Iterator[list[Worker]]:
    """So many processes, all of them ready; ended at the end, however they are."""
    command = [sys.executable, "-m", f"{__package__}.worker", json.dumps(asdict(job))]
    started = [
        Worker(
            subprocess.Popen(
                command, env=environment(place), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
        )
        for _ in range(count)
    ]
    try:
        for each in started:
            assert each.hear() == "ready"
        yield started
    finally:
        for each in started:
            each.process.kill()
            each.process.communicate()


def environment(place: Place, **more: str) -> dict[str, str]:
    return {name: os.environ[name] for name in OURS if name in os.environ} | place.variables | more


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that has ended. `arguments` are its own and those of everything it started that we know."""

    code: int
    out: str
    err: str
    arguments: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(place: Place, *arguments: str, stdin: str = "", **more: str) -> Ran:
    """One command of the command line in a process of its own; `more` are variables."""
    ran = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(place, **more),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(120),
    )
    return Ran(code=ran.returncode, out=ran.stdout, err=ran.stderr, arguments=" ".join(arguments))


def start(place: Place, *arguments: str, **more: str) -> "subprocess.Popen[str]":
    """The same, still at work."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(place, **more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A background job inherits an ignored SIGINT; a terminal's command does not.
        preexec_fn=_listen_to_interrupts,  # noqa: PLW1509 - one line, and no threads hold locks it needs
    )


def _listen_to_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


#: What the browser of these tests does, in Python; `address` is what it was started with. It is not quiet.
FOLLOW = ("print('Gtk-WARNING: some noise')", "open_(address)")
_BROWSER = """#!{python}
import os, socket, sys, time, urllib.error, urllib.parse, urllib.request
address = sys.argv[1]
with open({seen!r}, "a") as seen:
    seen.write(" ".join(sys.argv) + "\\n")

def open_(address):
    try:
        with urllib.request.urlopen(address, timeout={patience}) as answer:
            return answer.status, answer.geturl(), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.url, error.read().decode()

class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None

def leads_to(address):
    try:
        with urllib.request.build_opener(Stay).open(address, timeout={patience}):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return error.headers.get("Location", "")

def state_of(address):
    return urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["state"][0]

port = int(urllib.parse.urlsplit(address).port)
callback = address.split("/start/")[0] + "/callback"
"""


def browser(folder: Path, lines: Sequence[str] = FOLLOW) -> tuple[Path, Path]:
    """A browser that does what the lines say, and the file in which it writes down how it was started."""
    path, seen = folder / "browser", folder / "seen"
    seen.touch()
    program = _BROWSER.format(python=sys.executable, seen=str(seen), patience=patient(20))
    path.write_text(program + "\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o755)
    return path, seen


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def authorize(
    place: Place, folder: Path, provider: str, *arguments: str, lines: Sequence[str] = FOLLOW, **more: str
) -> Ran:
    """`connections authorize` of the workspace `acme`, with a browser that consents unless its lines say otherwise."""
    path, seen = browser(folder, lines)
    _consent(place, provider)
    ran = run(place, *_command(provider, arguments), BROWSER=str(path), **more)
    return replace(ran, arguments=ran.arguments + "\n" + seen.read_text(encoding="utf-8"))


def authorize_here(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    provider: str,
    *arguments: str,
    lines: Sequence[str] = FOLLOW,
    **more: str,
) -> Ran:
    """The same command in this process, which starts faster; the browser is a process of its own even so."""
    path, seen = browser(folder, lines)
    _consent(place, provider)
    for name, value in {"BROWSER": str(path), **more}.items():
        monkeypatch.setenv(name, value)
    command = _command(provider, arguments)
    ran = run_here(*command)
    told = " ".join(command) + "\n" + seen.read_text(encoding="utf-8")
    return Ran(code=ran.code, out=ran.out, err=ran.err, arguments=told)


def _command(provider: str, arguments: Sequence[str]) -> tuple[str, ...]:
    port = () if "--port" in arguments else ("--port", str(free_port()))
    return ("connections", "authorize", provider, "-w", "acme", "--yes", *port, *arguments)


def _consent(place: Place, provider: str) -> None:
    if place.sandbox.oauth.options.of(OAUTH_NAMES.get(provider, provider)).auto_consent == "ask":
        place.sandbox.oauth.set_options(auto_consent="allow")


#: Where the authorization server is not named after the provider.
OAUTH_NAMES = {"gmail": "google"}
