"""A real Postgres for tests: one embedded server per test session, a fresh database per test.

A fresh database is a copy of a template that was migrated once: 20 ms in memory, 350 ms were measured on a
slow disk, so the files lie in `/dev/shm` where it is large enough. Belongs here: the server and its
databases. Does not: rows.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.embedded import EmbeddedPostgres
from integrations_pipeline_tests.simulation.clock import install_clock

TEMPLATE = "migrated_template"
#: The same that reads a clock of the tests (`simulation.clock`).
CLOCKED = "clocked_template"
#: The home of a server that `open_server` made elsewhere; a session then uses that one (`mutations`: one per worker).
LENT = "INTEGRATIONS_TEST_POSTGRES"
PREFIX = "integrations-test-"
ENOUGH_MEMORY = 2**30
_NUMBERS = count(1)


class PostgresServer:
    """The test session's server; makes and drops databases."""

    def __init__(self, embedded: EmbeddedPostgres, home: Path) -> None:
        self._embedded = embedded
        self.home = home

    def url(self, name: str) -> str:
        return self._embedded.url(name)

    @contextmanager
    def connected(self, name: str = "postgres") -> Iterator[Any]:
        """A plain psycopg2 connection of the superuser, in autocommit."""
        with closing(psycopg2.connect(self.url(name))) as connection:
            connection.autocommit = True
            yield connection

    @contextmanager
    def new_database(self, template: str = "template0") -> Iterator[str]:
        """URL of a new copy of `template`; dropped at the end, even if someone is still connected."""
        name = f"test_{os.getpid()}_{next(_NUMBERS)}"
        # Copying files beats logging every page for databases this small.
        self._execute("create database {} template {} strategy file_copy", name, template)
        try:
            yield self.url(name)
        finally:
            self._execute("drop database {} with (force)", name)

    def migrate_template(self) -> None:
        """Make the migrated databases that others are copies of."""
        self._execute("create database {} template {}", TEMPLATE, "template0")
        database = Database(self.url(TEMPLATE))
        database.upgrade()
        database.close()
        self._execute("create database {} template {} strategy file_copy", CLOCKED, TEMPLATE)
        install_clock(self.url(CLOCKED))

    def _execute(self, statement: str, *names: str) -> None:
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def fastest_directory() -> Path:
    """Memory where there is plenty (containers often have 64 MB of it), else the temp directory."""
    memory = Path("/dev/shm")  # noqa: S108 - what is made there is private to the server's user
    try:
        free = shutil.disk_usage(memory).free
    except OSError:
        free = 0
    return memory if free > ENOUGH_MEMORY and os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove_leftovers(parent: Path) -> None:
    """End the servers of test sessions that were killed before they could do it themselves."""
    for folder in parent.glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdecimal() and not _is_alive(int(pid)) and folder.stat().st_uid == os.geteuid():
            EmbeddedPostgres(folder / "home").remove()
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def reachable_directory(parent: Path | None = None) -> Iterator[Path]:
    """A temporary directory that the server's user can pass through; pytest's own are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def open_server() -> Iterator[PostgresServer]:
    """A server without fsync, with its template; stopped and deleted at the end."""
    parent = fastest_directory()
    _remove_leftovers(parent)
    with reachable_directory(parent) as folder:
        embedded = EmbeddedPostgres(folder / "home", fsync=False)
        embedded.ensure_running()
        try:
            server = PostgresServer(embedded, folder / "home")
            server.migrate_template()
            yield server
        finally:
            embedded.remove()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the whole session."""
    home = os.environ.get(LENT)
    if home:
        yield PostgresServer(EmbeddedPostgres(Path(home), fsync=False), Path(home))
        return
    with open_server() as server:
        yield server


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """URL of a database without tables."""
    with postgres_server.new_database() as url:
        yield url


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """URL of a fresh, migrated database."""
    with postgres_server.new_database(TEMPLATE) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A `Database` on a fresh, migrated database of its own."""
    with closing(Database(database_url)) as database:
        yield database
