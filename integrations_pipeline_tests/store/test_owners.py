"""`db upgrade` by an owner who is no superuser, on every version of Postgres that is supported.

From 16 on the creator of a role is a member of it who may not take it on: each version has its own idea of what an
owner with CREATEROLE may do, and one without INHERIT may do less still.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from uuid import uuid4

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests import servers
from integrations_pipeline_tests.servers import Server
from integrations_pipeline_tests.store.rows import add_tenant, execute, query

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=servers.VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if servers.binaries(request.param) is None:
        pytest.skip(f"Postgres {request.param} is not installed (Debian: apt-get install postgresql-{request.param})")
    with servers.running(request.param) as server:
        yield server


@pytest.fixture(autouse=True)
def _without_roles(server: Server) -> None:
    """Each test begins on a server that has never seen the migrations."""
    server.forget_roles()


def upgraded(stack: ExitStack, url: str) -> Database:
    database = stack.enter_context(closing(Database(url)))
    database.upgrade()
    return database


@pytest.mark.parametrize("options", ["createrole", "createrole noinherit"])
def test_an_owner_who_is_no_superuser_upgrades_and_works(server: Server, options: str) -> None:
    with ExitStack() as stack:
        database = upgraded(stack, stack.enter_context(server.owned_database(options=options)))
        assert database.upgrade() == ()
        assert database.is_current()
        with database.admin() as connection:
            mine, theirs = add_tenant(connection, "mine"), add_tenant(connection, "theirs")
            assert query(connection, "select count(*) from workspaces") == [(2,)]
        with database.workspace(mine.workspace_id) as connection:
            assert query(connection, "select slug from workspaces") == [("mine",)]
            assert execute(connection, "update workspace_contacts set name = 'Y'") == 1
        with database.session(theirs.workspace_id) as session, session.begin() as connection:
            assert query(connection, "select slug from workspaces") == [("theirs",)]
            assert query(connection, "select current_user::text") == [("integrations_pipeline",)]


def test_a_database_upgraded_before_the_role_could_be_taken_on_is_mended_by_the_next_upgrade(server: Server) -> None:
    """As version 0.1 left it: every migration applied, and the owner a member who may not SET ROLE."""
    with ExitStack() as stack:
        url = stack.enter_context(server.owned_database())
        database = upgraded(stack, url)
        with server.connected() as cursor:
            owner = database._url.username
            option = "set option for " if server.version >= 16 else ""
            cursor.execute(
                f"revoke {option}integrations_pipeline from {owner} granted by {owner}"
                if option
                else f"revoke integrations_pipeline from {owner}"
            )
        with pytest.raises(ConfigurationError, match="`integrations db upgrade`"), database.workspace(uuid4()):
            pass
        assert database.upgrade() == ()
        with database.workspace(uuid4()) as connection:
            assert query(connection, "select count(*) from workspaces") == [(0,)]


def test_an_owner_whose_roles_somebody_else_made_is_told_what_to_run(server: Server) -> None:
    with ExitStack() as stack:
        upgraded(stack, stack.enter_context(server.owned_database()))
        second = stack.enter_context(server.owned_database())
        database = stack.enter_context(closing(Database(second)))
        if server.version < 16:  # there CREATEROLE may grant any role that is no superuser
            assert database.upgrade()
            return
        with pytest.raises(ConfigurationError) as caught:
            database.upgrade()
        told = str(caught.value)
        assert "\n" not in told
        command = told.split("`")[1]
        assert command.startswith("grant integrations_pipeline to ")
        with server.connected() as cursor:
            cursor.execute(command)
        assert database.upgrade()
        with database.workspace(uuid4()) as connection:
            assert query(connection, "select count(*) from workspaces") == [(0,)]


def test_an_owner_who_may_make_no_roles_is_told_so_in_one_line(server: Server) -> None:
    with ExitStack() as stack:
        database = stack.enter_context(closing(Database(stack.enter_context(server.owned_database(options="")))))
        with pytest.raises(ConfigurationError, match="CREATEROLE") as caught:
            database.upgrade()
        assert "\n" not in str(caught.value)
