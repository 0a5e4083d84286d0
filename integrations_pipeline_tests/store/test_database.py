"""Transactions, sessions and locks of `Database`; what happens when Postgres is not there."""

import multiprocessing
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from multiprocessing.synchronize import Event
from threading import Thread
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from integrations_pipeline.errors import ConfigurationError, UnavailableError
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.patience import patient
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.store.rows import Tenant, add_tenant, execute, insert, query

WHO = "select current_user::text, coalesce(current_setting('app.workspace_id', true), '')"
LOCKED = UUID(int=7)  # the same in child processes


@pytest.fixture
def tenants(database: Database) -> tuple[Tenant, Tenant]:
    with database.admin() as connection:
        return add_tenant(connection, "one"), add_tenant(connection, "two")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def failing() -> Iterator[None]:
    """A block that must raise RuntimeError."""
    with pytest.raises(RuntimeError):
        yield


def terminate(database: Database, pid: int) -> None:
    """End a backend; with a timeout Postgres answers only when it is gone."""
    with database.admin() as other:
        assert query(other, "select pg_terminate_backend(:pid, 10000)", pid=pid) == [(True,)]


@contextmanager
def entered(database: Database, how: str) -> Iterator[Connection]:
    """A transaction, opened in one of the three ways."""
    with ExitStack() as stack:
        if how == "admin":
            yield stack.enter_context(database.admin())
        elif how == "workspace":
            yield stack.enter_context(database.workspace(uuid4()))
        else:
            yield stack.enter_context(stack.enter_context(database.session(uuid4())).begin())


# Transactions.


def test_a_workspaces_transaction_is_the_pipelines_and_ends_with_it(database: Database) -> None:
    workspace_id = uuid4()
    with database.workspace(workspace_id) as connection:
        assert query(connection, WHO) == [("integrations_pipeline", str(workspace_id))]
    with database.admin() as connection:
        assert query(connection, WHO) == [("postgres", "")]


@pytest.mark.parametrize("ending", ["commit", "error", "failed statement", "own reset"])
def test_nothing_of_a_workspace_reaches_the_next_user_of_the_connection(database: Database, ending: str) -> None:
    pids = set()
    for _ in range(3):
        try:
            with database.workspace(uuid4()) as connection:
                pids.add(query(connection, "select pg_backend_pid()")[0][0])
                if ending == "error":
                    raise RuntimeError
                if ending == "failed statement":
                    execute(connection, "select 1/0")
                if ending == "own reset":
                    execute(connection, "reset role")
        except (RuntimeError, DBAPIError):
            pass
        with database.admin() as connection:
            pids.add(query(connection, "select pg_backend_pid()")[0][0])
            assert query(connection, WHO) == [("postgres", "")]
    assert len(pids) == 1  # it really was the same connection


def test_an_error_rolls_the_transaction_back(database: Database, tenants: tuple[Tenant, Tenant]) -> None:
    with failing(), database.workspace(tenants[0].workspace_id) as connection:
        execute(connection, "delete from workspace_contacts")
        raise RuntimeError
    with database.workspace(tenants[0].workspace_id) as connection:
        assert query(connection, "select count(*) from workspace_contacts") == [(1,)]


def test_more_threads_than_connections_take_turns(database: Database) -> None:
    seen: list[tuple[str, str]] = []

    def work(workspace_id: UUID) -> None:
        with database.workspace(workspace_id) as connection:
            execute(connection, "select pg_sleep(0.01)")
            seen.append((str(workspace_id), str(tuple(query(connection, WHO)[0])[-1])))

    threads = [Thread(target=work, args=[uuid4()]) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 40
    assert all(expected == found for expected, found in seen)


def test_errors_do_not_show_the_values_of_a_statement(database: Database) -> None:
    with pytest.raises(IntegrityError) as caught, database.admin() as connection:
        insert(connection, "workspace_contacts", workspace_id=uuid4(), email="secret@example.org")
    assert "secret@" not in str(caught.value)


# Sessions.


def test_a_session_keeps_its_workspace_over_many_transactions(
    database: Database, tenants: tuple[Tenant, Tenant]
) -> None:
    mine = tenants[0].workspace_id
    pids = set()
    with database.session(mine) as session:
        assert session.workspace_id == mine
        for _ in range(3):
            with session.begin() as connection:
                pids.add(query(connection, "select pg_backend_pid()")[0][0])
                assert query(connection, WHO) == [("integrations_pipeline", str(mine))]
                assert query(connection, "select slug from workspaces") == [("one",)]
                execute(connection, "update workspace_contacts set name = name || '!'")
        with failing(), session.begin() as connection:
            execute(connection, "delete from workspace_contacts")
            raise RuntimeError
        with session.begin() as connection:
            assert query(connection, WHO) == [("integrations_pipeline", str(mine))]
            assert query(connection, "select name from workspace_contacts") == [("X!!!",)]
    assert len(pids) == 1


@pytest.mark.parametrize("ending", ["normal", "error"])
def test_nothing_of_a_session_reaches_the_next_user_of_the_pool(database: Database, ending: str) -> None:
    with ExitStack() as stack:
        if ending == "error":
            stack.enter_context(pytest.raises(RuntimeError))
        session = stack.enter_context(database.session(uuid4()))
        assert session.try_lock(LOCKED, "run 1")
        if ending == "error":
            raise RuntimeError
    with database.admin() as connection:
        assert query(connection, WHO) == [("postgres", "")]
        assert query(connection, "select current_setting('application_name')") == [("integrations",)]
    with database.session(uuid4()) as session:
        assert session.lock_holder(LOCKED) is None


# Locks.


def test_one_session_at_a_time_holds_a_connections_lock(database: Database) -> None:
    with database.session(uuid4()) as two:
        with database.session(uuid4()) as one:
            assert one.lock_holder(LOCKED) is None
            assert one.try_lock(LOCKED, "run 1 on host a")
            assert not two.try_lock(LOCKED, "run 2")
            assert two.try_lock(uuid4(), "run 2")
            assert one.lock_holder(LOCKED) == two.lock_holder(LOCKED) == "run 1 on host a"
        assert two.lock_holder(LOCKED) is None
        assert two.try_lock(LOCKED, "run 2")


def test_a_lock_outlasts_transactions_and_their_failures(database: Database) -> None:
    with database.session(uuid4()) as one, database.session(uuid4()) as two:
        with failing(), one.begin():
            assert one.try_lock(LOCKED, "inside a transaction")
            raise RuntimeError
        assert not two.try_lock(LOCKED, "two")
        assert two.lock_holder(LOCKED)


def test_a_long_holder_is_cut_and_made_ascii(database: Database) -> None:
    with database.session(uuid4()) as one:
        assert one.try_lock(LOCKED, "é" * 100)
        assert one.lock_holder(LOCKED) == "?" * 63


def test_a_lock_ends_with_its_backend(database: Database) -> None:
    with database.session(uuid4()) as other, database.session(uuid4()) as session:
        assert session.try_lock(LOCKED, "soon dead")
        with session.begin() as connection:
            pid = query(connection, "select pg_backend_pid()")[0][0]
        terminate(database, pid)
        assert other.try_lock(LOCKED, "successor")
        with pytest.raises(UnavailableError):
            session.lock_holder(LOCKED)


def hold_lock_forever(url: str, ready: Event) -> None:
    with opened(url) as database, database.session(uuid4()) as session:
        assert session.try_lock(LOCKED, "process")
        ready.set()
        signal.pause()


def test_a_lock_ends_with_its_process(postgres_server: PostgresServer) -> None:
    spawn = multiprocessing.get_context("spawn")
    with postgres_server.new_database(TEMPLATE) as url, opened(url) as database:
        ready = spawn.Event()
        process = spawn.Process(target=hold_lock_forever, args=(url, ready))
        process.start()
        assert ready.wait(patient(30))
        with database.session(uuid4()) as session:
            assert session.lock_holder(LOCKED) == "process"
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            while not session.try_lock(LOCKED, "successor"):
                pass  # Postgres frees it as soon as it notices the closed socket
        process.close()


# Postgres is not there.


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unavailable(url: str) -> str:
    with opened(url) as database, pytest.raises(UnavailableError) as caught, database.admin():
        pass
    assert "\n" not in str(caught.value)
    assert "INTEGRATIONS_DATABASE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


def test_an_unreachable_database_is_named_without_its_password() -> None:
    port = free_port()
    message = unavailable(f"postgresql://me:hunter2@127.0.0.1:{port}/crm")
    assert f"the database crm at 127.0.0.1, port {port} cannot be reached" in message


def test_an_unknown_database_is_said_to_be_unknown(postgres_server: PostgresServer) -> None:
    assert "the database nowhere at " in unavailable(postgres_server.url("nowhere"))
    assert "does not exist" in unavailable(postgres_server.url("nowhere"))


def test_every_entrance_reports_an_unreachable_database(tmp_path: object) -> None:
    with opened(f"postgresql://postgres@/crm?host={tmp_path}") as database:
        for entrance in (
            database.admin,
            lambda: database.workspace(uuid4()),
            lambda: database.session(uuid4()),
        ):
            with pytest.raises(UnavailableError), entrance():
                pass
        for question in (database.upgrade, database.is_current):
            with pytest.raises(UnavailableError):
                question()


@pytest.mark.parametrize("how", ["admin", "workspace", "session"])
def test_a_connection_lost_midway_is_unavailable_and_the_next_one_works(database: Database, how: str) -> None:
    with pytest.raises(UnavailableError), entered(database, how) as connection:  # noqa: PT012 - on the way out
        terminate(database, query(connection, "select pg_backend_pid()")[0][0])
        query(connection, "select 1")
    with database.admin() as connection:
        assert query(connection, "select 1") == [(1,)]


def test_pooled_connections_that_died_meanwhile_are_replaced(database: Database) -> None:
    with database.admin() as connection:
        dead = query(connection, "select pg_backend_pid()")[0][0]
    with opened(str(database._url)) as other, other.admin() as connection:
        query(connection, "select pg_terminate_backend(:pid, 10000)", pid=dead)
    with database.admin() as connection:
        assert query(connection, "select pg_backend_pid()") != [(dead,)]


def test_other_errors_are_not_called_unavailable(database: Database) -> None:
    with pytest.raises(DBAPIError, match="division"), database.admin() as connection:
        execute(connection, "select 1/0")


def test_a_statement_that_a_time_limit_ended_says_so(database: Database) -> None:
    slow = "set local statement_timeout = 1; select pg_sleep(5)"
    with pytest.raises(UnavailableError, match="its statement_timeout is too short"), database.admin() as connection:
        execute(connection, slow)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_spelling_of_the_scheme_works(postgres_server: PostgresServer, scheme: str) -> None:
    url = postgres_server.url(TEMPLATE).replace("postgresql", scheme, 1)
    with opened(url) as database, database.admin() as connection:
        assert query(connection, "select 1") == [(1,)]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "mysql://me:hunter2@host/crm",
        "postgresql://me:hunter2@host",
        "postgresql://me:hunter2@host:port/crm",
        "postgresql+asyncpg://me:hunter2@host/crm",
    ],
)
def test_a_wrong_url_is_a_configuration_error_that_does_not_repeat_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="INTEGRATIONS_DATABASE_URL") as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
