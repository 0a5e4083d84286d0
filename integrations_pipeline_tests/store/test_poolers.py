"""A pooler in front of Postgres: in session mode everything works, in any other nothing is begun."""

from collections.abc import Iterator
from contextlib import closing
from threading import Event, Thread
from uuid import UUID

import psycopg2
import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests import servers
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.store.rows import add_tenant, query

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        servers.pooler() is None, reason="pgbouncer is not installed (Debian: apt-get install pgbouncer)"
    ),
]
LOCKED = UUID(int=7)


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    with postgres_server.new_database(TEMPLATE) as url:
        yield url


def enter(database: Database, how: str) -> None:
    """Use a database for the first time, in one of the ways there are."""
    if how in ("upgrade", "is_current"):
        getattr(database, how)()
        return
    entrances = {"workspace": database.workspace, "session": database.session}
    with entrances[how](LOCKED) if how in entrances else database.presence("me"):
        pass


def refused(url: str, how: str) -> str:
    with closing(Database(url)) as database, pytest.raises(ConfigurationError) as caught:
        enter(database, how)
    return str(caught.value)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("how", ["upgrade", "is_current", "workspace", "session", "presence"])
def test_a_pooler_that_shares_sessions_is_refused_in_one_line_whatever_comes_first(
    url: str, mode: str, how: str
) -> None:
    with servers.pooled(url, mode) as pooled:
        told = refused(pooled, how)
    assert "session mode" in told
    assert "\n" not in told


def test_a_busy_pooler_that_shares_sessions_is_refused_too(url: str) -> None:
    """Others take and give back its servers meanwhile, so that ours change."""
    stop = Event()

    def work(pooled: str) -> None:
        with closing(psycopg2.connect(pooled)) as connection:
            while not stop.is_set():
                with connection, connection.cursor() as cursor:
                    cursor.execute("select pg_sleep(0.002)")

    with servers.pooled(url, "transaction", size=4) as pooled:
        threads = [Thread(target=work, args=[pooled]) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            found = [refused(pooled, "session") for _ in range(5)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert all("session mode" in told for told in found)


def test_in_session_mode_locks_roles_and_workspaces_are_our_own(url: str) -> None:
    with servers.pooled(url, "session") as pooled, closing(Database(pooled)) as database:
        assert database.upgrade() == ()
        with database.admin() as connection:
            mine, theirs = add_tenant(connection, "mine"), add_tenant(connection, "theirs")
        with database.session(mine.workspace_id) as one, database.session(theirs.workspace_id) as two:
            assert one.try_lock(LOCKED, "one")
            assert not two.try_lock(LOCKED, "two")
            for session, slug in ((one, "mine"), (two, "theirs")) * 2:
                with session.begin() as connection:
                    assert query(connection, "select slug from workspaces") == [(slug,)]
        with database.admin() as connection:
            assert query(connection, "select current_user::text") == [("postgres",)]


def test_a_pool_of_one_is_told_to_be_too_small_and_is_not_waited_for_long(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations_pipeline.store.pooler.WAIT_SECONDS", 0.5)
    with servers.pooled(url, "session", size=1) as pooled:
        assert "at least 15" in refused(pooled, "session")


def test_a_direct_connection_opens_no_second_one(postgres_server: PostgresServer, url: str) -> None:
    with closing(Database(url)) as database, database.admin() as connection:
        clients = "select count(*) from pg_stat_activity where datname = current_database() and backend_type like 'cl%'"
        assert query(connection, clients) == [(1,)]
