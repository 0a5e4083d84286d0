"""Access to Postgres: transactions as the program itself or as the pipeline of one workspace, and locks.

Row-level security decides what a workspace's transaction sees: it runs as the role `integrations_pipeline`
with `app.workspace_id` set, so a query that forgets its `where` still cannot cross workspaces. Belongs here:
connections, transactions, locks, applying migrations. Does not: what is read or written.

Locks are session-level advisory locks, and role and workspace are a session's; a pooler in transaction mode
(pgbouncer, Supabase's port 6543) hands a session to several clients and is refused before anything is read.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
from sqlalchemy import URL, TextClause, create_engine, event, make_url, text
from sqlalchemy import Connection as Connection  # noqa: PLC0414 - the rest of the program takes it from here
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from integrations_pipeline.errors import ConfigurationError, UnavailableError
from integrations_pipeline.store.faults import said, sqlstate
from integrations_pipeline.store.own_ways import OWN_WAYS, connect, set_own_ways
from integrations_pipeline.store.pooler import NoSecondConnectionError, is_shared
from integrations_pipeline.store.roles import INSUFFICIENT_PRIVILEGE, PIPELINE_ROLE, close_to_web, ensure_roles

APPLICATION_NAME = "integrations"
#: Postgres cuts `application_name` at NAMEDATALEN - 1 bytes, and escapes what is not ASCII.
HOLDER_BYTES = 63
CONNECT_SECONDS = 10
POOL_SIZE, POOL_OVERFLOW = 5, 10
#: A workspace that does not exist: its transaction sees nothing.
NOBODY = UUID(int=0)
#: Any fixed number; it only has to differ from other applications' advisory locks in this database.
MIGRATION_LOCK = 4_702_111_234_474_983_745

MIGRATIONS = Path(__file__).parent / "migrations"

#: SQLSTATE → what keeps a database that can be reached from working, and what to do.
TROUBLES = {
    "25006": "is read-only: INTEGRATIONS_DATABASE_URL must name the primary server",
    "57014": "ended a statement: its statement_timeout is too short, or somebody cancelled it; the next run goes on",
    "53100": "has no disk space left: make room there, and the next run finishes the work",
    "53200": "has no memory left: give it more or fewer clients, and the next run finishes the work",
    "55P03": "did not give a lock in time: something else holds it; the next run finishes the work",
    "58030": "cannot read or write its disk: its log says more",
}
#: SQLSTATE classes and codes that mean "no database to talk to": connection exceptions, an operator's
#: shutdown, too many connections; and those above.
UNAVAILABLE_STATES = ("08", "57P", "53300", *TROUBLES)

#: Why a pooler's connection is refused, and what to do.
SHARED_SESSION = (
    "is reached through a pooler that shares sessions between clients (transaction or statement mode), which breaks "
    "locks and hands out other workspaces' rows: INTEGRATIONS_DATABASE_URL must name the server itself or a pooler in "
    "session mode (on Supabase port 5432, not 6543)"
)
SMALL_POOL = "is reached through a pooler that gave no second connection: let it give each process at least 15"

#: A host that vanishes keeps its locks until Postgres notices: in two minutes, not after the two hours that are
#: usual. On a Unix socket these settings do nothing.
_KEEPALIVE = ", ".join(
    f"set_config('tcp_keepalives_{name}', '{value}', false)"
    for name, value in (("idle", 60), ("interval", 10), ("count", 6))
)
_ENTER = {
    is_local: text(
        f"select set_config('role', '{PIPELINE_ROLE}', {is_local}),"
        f" set_config('app.workspace_id', :workspace_id, {is_local})"
        + ("" if is_local == "true" else f", {_KEEPALIVE}")
    )
    for is_local in ("true", "false")
}
_BE_PRESENT = text(f"select set_config('application_name', :name, false), {_KEEPALIVE}")
#: A fresh connection would be cleaner still, but costs more than all statements of a run that finds nothing to do.
_FORGET = f"reset session authorization; reset role; reset all; {OWN_WAYS}; select pg_advisory_unlock_all()"
_SET_NAME = text("select set_config('application_name', :name, false)")
_HOLDER = text(
    "select a.application_name from pg_locks l join pg_stat_activity a on a.pid = l.pid"
    " where l.locktype = 'advisory' and l.granted and l.objsubid = 1"
    " and l.database = (select oid from pg_database where datname = current_database())"
    " and (l.classid::bigint << 32 | l.objid::bigint) = :key"
)


class Database:
    """One Postgres database, with a bounded pool of connections; safe to share between threads.

    `url` is a libpq URL (`postgresql://`, `postgres://` or `postgresql+psycopg2://`); ConfigurationError if
    it is not. Nothing connects before the first use. Every method raises UnavailableError when the database
    cannot be reached or the connection is lost midway; the transaction is then rolled back.
    """

    def __init__(self, url: str) -> None:
        self._url = _driver_url(url)
        self._place = _place(self._url)
        self._engine = create_engine(
            self._url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_pre_ping=True,
            hide_parameters=True,  # errors are logged; parameters are contacts and credentials
            connect_args=_connect_arguments(self._url),
        )
        self._is_proven = False
        event.listen(self._engine, "do_connect", self._connect)

    def upgrade(self) -> tuple[str, ...]:
        """Apply the migrations that are missing; returns their revisions, () when there was nothing to do.

        One transaction: all or nothing. Two processes at once: one works, the other waits and finds nothing
        to do. Ends with a trial of the pipeline's role. ConfigurationError when rows of an adopted database
        contradict the new constraints, or when the connecting user may not do what is needed.
        """
        from integrations_pipeline.store.migrating import migrate  # noqa: PLC0415 - Alembic, for this alone

        with self.admin() as connection:
            # The other one's work may take long.
            connection.execute(text("set local lock_timeout = 0"))
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            connection.execute(text("set local search_path = public"))
            try:
                ensure_roles(connection)
                applied = migrate(connection)
                if applied:
                    close_to_web(connection)
            except DBAPIError as error:
                if _is_unavailable(error):
                    raise
                raise ConfigurationError(f"cannot upgrade the database ({said(error)})") from error
        with self.workspace(NOBODY) as connection:
            connection.execute(text("select from workspaces limit 1"))
        return applied

    def is_current(self) -> bool:
        """Whether every migration has been applied. Asked before every command, so without Alembic."""
        with self.admin() as connection:
            is_made = connection.execute(text("select to_regclass('alembic_version') is not null")).scalar_one()
            found = connection.execute(text("select version_num from alembic_version")) if is_made else ()
            return [row.version_num for row in found] == [newest_revision()]

    @contextmanager
    def admin(self) -> Iterator[Connection]:
        """One transaction as the connecting role, past row-level security; for what is no one workspace's."""
        with self.reachable(), self._engine.begin() as connection:
            yield connection

    def scalars(self, statement: TextClause, values: Mapping[str, object]) -> Sequence[Any]:
        """One statement as the connecting role that is a transaction by itself: without the requests that begin and
        end one. The first column of its rows."""
        with self.reachable(), self._engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            # Not by SQLAlchemy's isolation level, which is two more requests: the driver sets it and takes it back.
            driver.autocommit = True
            try:
                return connection.execute(statement, values).scalars().all()
            finally:
                if not driver.closed:
                    driver.autocommit = False

    @contextmanager
    def workspace(self, workspace_id: UUID) -> Iterator[Connection]:
        """One transaction that sees and changes this workspace's rows only."""
        with self.admin() as connection:
            _enter(connection, "true", workspace_id)
            yield connection

    @contextmanager
    def session(self, workspace_id: UUID) -> Iterator["WorkspaceSession"]:
        """One connection for a whole sync run: many transactions of one workspace, and its locks.

        At the end everything that it set is taken back before the connection is given to others; one that
        does not allow that is closed.
        """
        with self.reachable(), self._engine.connect() as connection:
            try:
                _enter(connection, "false", workspace_id)
                connection.commit()
                yield WorkspaceSession(self, connection, workspace_id)
            finally:
                _clean(connection)

    @contextmanager
    def presence(self, name: str) -> Iterator[None]:
        """An idle connection of this name for as long as the block lasts: it ends with the process, and so
        tells others whether that lives."""
        with self.reachable(), self._engine.connect() as connection:
            try:
                connection.execute(_BE_PRESENT, {"name": _session_name(name)})
                connection.commit()
                yield
            finally:
                _clean(connection)

    @contextmanager
    def kept(self) -> Iterator[Connection]:
        """A connection for session-level locks: each statement is a transaction by itself, and the locks are freed at
        the end."""
        with self.reachable(), self._engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            try:
                yield connection
            finally:
                _clean(connection)

    def close(self) -> None:
        """Close the pooled connections; those in use close when they are given back."""
        self._engine.dispose()

    def _connect(self, _dialect: object, _record: object, _arguments: object, options: dict[str, Any]) -> Any:
        """A new connection; the first one proves, before anything else is done, that its session is its own."""
        opened = connect(options)
        try:
            if not self._is_proven and is_shared(opened, partial(psycopg2.connect, **options)):
                raise ConfigurationError(f"{self._place} {SHARED_SESSION}")
            set_own_ways(opened)
        except NoSecondConnectionError as error:
            opened.close()
            raise ConfigurationError(f"{self._place} {SMALL_POOL}") from error
        except BaseException:
            opened.close()
            raise
        self._is_proven = True
        return opened

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """Turn a lost or impossible connection into UnavailableError; other errors pass unchanged."""
        try:
            yield
        except PoolTimeoutError as error:
            raise UnavailableError(f"all {POOL_SIZE + POOL_OVERFLOW} connections to {self._place} are busy") from error
        except DBAPIError as error:
            if not _is_unavailable(error):
                raise
            raise UnavailableError(f"{self._place} {_reason(error)}") from error


class WorkspaceSession:
    """A dedicated connection for one workspace, made by `Database.session`; not for two threads at once."""

    def __init__(self, database: Database, connection: Connection, workspace_id: UUID) -> None:
        self.workspace_id = workspace_id
        self._database = database
        self._connection = connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction; they do not nest.

        UnavailableError if the session was lost: a new one would have neither role nor setting nor lock.
        """
        if self._connection.invalidated:
            raise UnavailableError("the database session was lost, and the connection's lock with it")
        with self._database.reachable(), self._connection.begin():
            yield self._connection

    def try_lock(self, connection_id: UUID, holder: str) -> bool:
        """Take the connection's lock if it is free; it ends with this session, also by a crash.

        `holder` says who we are and is what `lock_holder` shows others: 63 characters, ASCII, others become
        `?`. Taking a lock that this session holds already succeeds.
        """
        taken = self._scalar("select pg_try_advisory_lock(:key)", key=_lock_key(connection_id))
        if taken:
            self._name(holder)
        return bool(taken)

    def lock_holder(self, connection_id: UUID) -> str | None:
        """Who holds the connection's lock now, or None."""
        with self._transaction():
            found = self._connection.execute(_HOLDER, {"key": _lock_key(connection_id)}).scalar()
        return None if found is None else str(found)

    def _name(self, holder: str) -> None:
        with self._transaction():
            self._connection.execute(_SET_NAME, {"name": _session_name(holder)})

    def _scalar(self, statement: str, **values: object) -> Any:
        with self._transaction():
            return self._connection.execute(text(statement), values).scalar()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction of its own, or the one that the caller is in."""
        if self._connection.in_transaction():
            yield
        else:
            with self.begin():
                yield


def _enter(connection: Connection, is_local: str, workspace_id: UUID) -> None:
    """Become the pipeline of one workspace."""
    try:
        connection.execute(_ENTER[is_local], {"workspace_id": str(workspace_id)})
    except DBAPIError as error:
        if sqlstate(error) != INSUFFICIENT_PRIVILEGE:
            raise
        raise ConfigurationError(
            f"the database's user may not take on the role {PIPELINE_ROLE}: run `integrations db upgrade`"
        ) from error


def _clean(connection: Connection) -> None:
    """Take back role, settings, name and locks, so that nothing of a session reaches the next user."""
    try:
        connection.rollback()
        connection.exec_driver_sql(_FORGET)
        connection.commit()
    except DBAPIError:
        connection.invalidate()
    except BaseException:
        connection.invalidate()
        raise


def printable_url(url: str) -> str:
    """The URL without its password."""
    return make_url(url).render_as_string(hide_password=True)


def _driver_url(url: str) -> URL:
    """The URL with our driver; the parser's own error is dropped because it may repeat the password."""
    message = "INTEGRATIONS_DATABASE_URL: expected postgresql://user:password@host:port/database"
    try:
        parsed = make_url(url.strip())
    except (ArgumentError, ValueError):
        raise ConfigurationError(message) from None
    if parsed.drivername not in ("postgresql", "postgres", "postgresql+psycopg2") or not parsed.database:
        raise ConfigurationError(message)
    return parsed.set(drivername="postgresql+psycopg2")


def _connect_arguments(url: URL) -> dict[str, Any]:
    defaults = {"connect_timeout": CONNECT_SECONDS, "application_name": APPLICATION_NAME}
    return {name: value for name, value in defaults.items() if name not in url.query} | {"client_encoding": "UTF8"}


def _place(url: URL) -> str:
    """The database as messages name it: host, port and name, nothing secret."""
    host = url.host or url.query.get("host") or "localhost"
    port = url.port or url.query.get("port") or 5432
    return f"the database {url.database} at {host}, port {port}"


def _is_unavailable(error: DBAPIError) -> bool:
    state = sqlstate(error)
    if error.connection_invalidated or state.startswith(UNAVAILABLE_STATES):
        return True
    return not state and type(error.orig).__name__ in ("OperationalError", "InterfaceError")


def _reason(error: DBAPIError) -> str:
    """Why, in our own words, with what the server or the driver said: its text is several lines long."""
    trouble = TROUBLES.get(sqlstate(error)) or f"{_refusal(str(error.orig))}; check INTEGRATIONS_DATABASE_URL"
    return f"{trouble} ({said(error)})"


def _refusal(text: str) -> str:
    if "authentication failed" in text or "no password supplied" in text:
        return "refuses the user or the password"
    if "does not exist" in text:
        return "does not exist, or its user does not"
    if "too many" in text or "remaining connection slots" in text:
        return "has no free connection"
    return "cannot be reached"


def _session_name(text: str) -> str:
    """What Postgres keeps of a name."""
    return text.encode("ascii", "replace")[:HOLDER_BYTES].decode()


def _lock_key(connection_id: UUID) -> int:
    """The connection's advisory lock: 64 bits of a hash, as Postgres's signed integer."""
    digest = hashlib.sha256(b"integration connection" + connection_id.bytes).digest()
    return int.from_bytes(digest[:8], signed=True)


def newest_revision() -> str:
    """The revision of the last migration: each file's name begins with its own, and they are numbered."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py")).partition("_")[0]
