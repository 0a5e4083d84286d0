"""What a command costs: CPU of its process and of the database meanwhile, its highest memory, what it wrote.

Belongs here: running one command, and the generated server, each in a process of its own. Does not: which commands.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psycopg2

#: Runs a module's `main` and tells, at the end of stdout, the process's highest memory; the one that its parent is told
#: counts what the parent held.
_TELLING = """
import importlib, sys
try:
    importlib.import_module(sys.argv.pop(1)).main()
finally:
    with open("/proc/self/status") as status:
        print(*(line.split()[1] for line in status if line.startswith("VmHWM")))
"""
#: Postgres counts what a session did when it has ended.
_SETTLING_SECONDS = 0.3
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU seconds of a command and of its database meanwhile, its highest memory, what it wrote."""

    client: float
    postgres: float
    mebibytes: float
    written: int
    transactions: int
    output: str

    @property
    def cpu(self) -> float:
        return self.client + self.postgres


def telling(module: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """The command line that runs a module for `cost_of`."""
    return [python, "-c", _TELLING, module, *arguments]


def inherited() -> dict[str, str]:
    """This process's environment, but modules are compiled once, as installed ones are, whatever it was told."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def generated(size: int) -> Iterator[str]:
    """The server, with so many records, in a process of its own; its address."""
    command = [sys.executable, "-m", "benchmarks.generated", str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - a module of our own
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip() if server.stdout else ''}"
        finally:
            server.terminate()


def cost_of(command: Sequence[str], environment: Mapping[str, str], database: str) -> Cost:
    """What a command costs, to which the database's server belongs alone. RuntimeError with its output if it fails."""
    before, counted = _server_seconds(database), _counters(database)
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        actions = [(os.POSIX_SPAWN_DUP2, each.fileno(), fd) for each, fd in ((output, 1), (errors, 2))]
        child = os.posix_spawn(command[0], list(command), environment, file_actions=actions)
        _, status, used = os.wait4(child, 0)
        told, complained = (_text(each) for each in (output, errors))
    if status:
        raise RuntimeError(f"exit code {os.waitstatus_to_exitcode(status)}: {told[-2000:]} {complained[-4000:]}")
    *lines, memory = told.splitlines()
    time.sleep(_SETTLING_SECONDS)
    written, transactions = (now - then for now, then in zip(_counters(database), counted, strict=True))
    return Cost(
        client=used.ru_utime + used.ru_stime,
        postgres=_server_seconds(database) - before,
        mebibytes=int(memory) / 1024,
        written=written,
        transactions=transactions,
        output="\n".join(lines),
    )


def _text(file: TextIO) -> str:
    file.seek(0)
    return file.read()


def _counters(database: str) -> tuple[int, int]:
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select tup_inserted + tup_updated + tup_deleted, xact_commit "
            "from pg_stat_database where datname = current_database()"
        )
        written, transactions = cursor.fetchone()
    return int(written), int(transactions)


def _server_seconds(database: str) -> float:
    """CPU seconds of the database's server: of its processes that live, and, by their parent, of those that ended."""
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        (own,) = cursor.fetchone()
    parent = int(_stat(own)[1])
    ticks = sum(map(int, _stat(parent)[11:15]))
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if Path(f"/proc/{child}").exists():
            ticks += sum(map(int, _stat(int(child))[11:13]))
    return ticks / _TICKS


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
