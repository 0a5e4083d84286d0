"""Further Postgres servers, of other versions and behind a pooler, as they are installed elsewhere.

The embedded wheel carries 18 and 16; 15 and 17 are taken from `/usr/lib/postgresql`, where Debian puts them. Belongs
here: starting and ending them, and who owns a database on them. Does not: what is tried there.
"""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql

from integrations_pipeline.store.embedded_files import (
    _wheel_folder,
    exists,
    give_to_server,
    make_private,
    run_as_server,
    run_in_background,
)
from integrations_pipeline_tests.postgres import fastest_directory, reachable_directory

#: Those that are supported.
VERSIONS = (15, 16, 17, 18)
_WHEELS = {16: "pginstall", 18: "pginstall18"}
_NUMBERS = count(1)


def binaries(version: int) -> Path | None:
    """The folder of this version's programs; None where it is not installed."""
    name = _WHEELS.get(version)
    folder = _wheel_folder() / name / "bin" if name else Path(f"/usr/lib/postgresql/{version}/bin")
    return folder if (folder / "initdb").exists() else None


def pooler() -> str | None:
    """The program pgbouncer; None where it is not installed."""
    return shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server on loopback that asks nobody for a password; `folder` is private to the user that runs it."""

    folder: Path
    port: int
    version: int

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def connected(self, database: str = "postgres", user: str = "postgres") -> Iterator[Any]:
        """A cursor in autocommit."""
        with closing(psycopg2.connect(self.url(database, user))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor

    @contextmanager
    def owned_database(self, *, options: str = "createrole", user: str = "") -> Iterator[str]:
        """URL of a new database whose owner is an ordinary role with these options, as docs/deploy.md says."""
        number = next(_NUMBERS)
        owner, name = user or f"owner_{number}", f"owned_{number}"
        with self.connected() as cursor:
            if not user:
                cursor.execute(sql.SQL(f"create role {{}} login {options}").format(sql.Identifier(owner)))
            cursor.execute(sql.SQL("create database {} owner {}").format(*map(sql.Identifier, (name, owner))))
        try:
            yield self.url(name, owner)
        finally:
            with self.connected() as cursor:
                cursor.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def forget_roles(self) -> None:
        """Drop the two roles that the migrations make, so that the next owner makes them."""
        with self.connected() as cursor:
            for role in ("integrations_pipeline", "integrations_member"):
                cursor.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


@contextmanager
def running(version: int) -> Iterator[Server]:
    """A server of this version, without fsync; ended and deleted afterwards."""
    programs = binaries(version)
    assert programs is not None, f"Postgres {version} is not installed"
    with reachable_directory(fastest_directory()) as parent:
        folder = parent / "server"
        assert make_private(folder)
        data, port = folder / "data", free_port()
        made = run_as_server(
            [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "-N"]
        )
        assert made.returncode == 0, made.stdout
        settings = f"listen_addresses='127.0.0.1'\nport={port}\nunix_socket_directories=''\nfsync=off\n"
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(settings)
        pid = run_in_background([programs / "postgres", "-D", data], folder / "server.log")
        try:
            server = Server(folder=folder, port=port, version=version)
            _await(server.url(), pid, folder / "server.log")
            yield server
        finally:
            run_as_server([programs / "pg_ctl", "stop", "-s", "-w", "-m", "immediate", "-D", data])
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def pooled(url: str, mode: str, *, size: int = 20) -> Iterator[str]:
    """URL of the same database through pgbouncer in a pool mode: `session`, `transaction` or `statement`."""
    program = pooler()
    assert program is not None, "pgbouncer is not installed"
    parts = urlsplit(url)
    port, database, user = free_port(), parts.path.lstrip("/"), parts.username or ""
    host = re.findall(r"host=([^&]+)", parts.query)
    target = f"host={parts.hostname or host[0]} port={parts.port or 5432} dbname={database}"
    with reachable_directory() as folder:
        users, configuration, log = folder / "users.txt", folder / "pgbouncer.ini", folder / "pgbouncer.log"
        users.write_text(f'"{user}" ""\n')
        configuration.write_text(
            f"[databases]\n{database} = {target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = {mode}\ndefault_pool_size = {size}\n"
            f"unix_socket_dir =\nlogfile = {folder / 'said.log'}\n"
        )
        for path in (users, configuration):
            give_to_server(path, 0o600)
        give_to_server(folder, 0o700)
        log.touch()
        give_to_server(log, 0o600)
        pid = run_in_background([program, configuration], log)
        try:
            pooled_url = f"postgresql://{user}@127.0.0.1:{port}/{database}"
            _await(pooled_url, pid, log)
            yield pooled_url
        finally:
            run_as_server(["/bin/kill", "-KILL", str(pid)])
            _await_end(pid)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(exist_ok=True)


def _await(url: str, pid: int, log: Path) -> None:
    while True:
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(url).close()
            return
        assert exists(pid), log.read_text()


def _await_end(pid: int) -> None:
    while exists(pid):
        subprocess.run(["sleep", "0.01"], check=False)
