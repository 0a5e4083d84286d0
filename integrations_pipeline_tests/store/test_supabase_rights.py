"""What Supabase's web roles may do after the upgrade: by its default privileges they could do everything."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import pytest
from psycopg2 import errors

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.roles import tables
from integrations_pipeline_tests import servers
from integrations_pipeline_tests.servers import Server
from integrations_pipeline_tests.store.rows import Tenant, add_tenant
from integrations_pipeline_tests.store.test_migrations import HERE, ORIGINAL, TENANTS, run_files

pytestmark = pytest.mark.slow

DEFAULTS = HERE / "supabase_defaults.sql"
PRIVILEGES = ("select", "insert", "update", "delete", "truncate", "references", "trigger")
COLUMN_PRIVILEGES = ("select", "insert", "update", "references")


@pytest.fixture(scope="module", params=[15, 18])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if servers.binaries(request.param) is None:
        pytest.skip(f"Postgres {request.param} is not installed (Debian: apt-get install postgresql-{request.param})")
    with servers.running(request.param) as server:
        with server.connected() as cursor:
            cursor.execute("create role anon; create role authenticated; create role service_role bypassrls")
        yield server


class Project:
    """An upgraded database of a Supabase project, and its people."""

    def __init__(self, server: Server, name: str, mine: Tenant, theirs: Tenant) -> None:
        self._server, self._name = server, name
        self.mine, self.theirs = mine, theirs

    @contextmanager
    def as_role(self, role: str, user_id: UUID | None = None) -> Iterator[Any]:
        with self._server.connected(self._name) as cursor:
            cursor.execute("select set_config('request.jwt.claim.sub', %s, false)", [str(user_id or "")])
            cursor.execute("select set_config('role', %s, false)", [role])
            yield cursor

    def asked(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._server.connected(self._name) as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())


@pytest.fixture(params=["noinherit", "inherit"])
def project(request: pytest.FixtureRequest, server: Server) -> Iterator[Project]:
    """Supabase's own roles inherit nothing; a project restored elsewhere may have made them otherwise."""
    server.forget_roles()
    with server.connected() as cursor:
        cursor.execute(f"alter role anon {request.param}; alter role authenticated {request.param}")
    with server.owned_database() as url, closing(Database(url)) as database:
        run_files(url, DEFAULTS, ORIGINAL, TENANTS)
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            # Whoever makes the tenants of these tests is no user of `auth`, and their policies are to be alone.
            cursor.execute("grant usage on schema auth to anon, authenticated, service_role")
            cursor.execute("alter table workspaces drop constraint workspaces_owner_id_fkey")
            cursor.execute(
                "alter table workspace_members drop constraint workspace_members_user_id_fkey, drop column id"
            )
            cursor.execute('drop policy "Everybody sees every contact" on workspace_contacts')
            cursor.execute('drop policy "Everybody sees every workspace" on workspaces')
        database.upgrade()
        with database.admin() as connection:
            mine, theirs = add_tenant(connection, "mine"), add_tenant(connection, "theirs")
        yield Project(server, str(database._url.database), mine, theirs)


def kept(project: Project, role: str) -> set[tuple[str, str]]:
    """Rights on our tables, whole or by column."""
    whole = project.asked(
        "select c.relname, p from pg_class c, unnest(%s) p where relnamespace = 'public'::regnamespace"
        " and relname = any (%s) and has_table_privilege(%s, c.oid, p)",
        list(PRIVILEGES),
        list(tables()),
        role,
    )
    columns = project.asked(
        "select c.relname || '.' || a.attname, p"
        " from pg_class c join pg_attribute a on a.attrelid = c.oid, unnest(%s) p"
        " where relnamespace = 'public'::regnamespace and relname = any (%s) and a.attnum > 0 and not a.attisdropped"
        " and has_column_privilege(%s, c.oid, a.attnum, p)",
        list(COLUMN_PRIVILEGES),
        list(tables()),
        role,
    )
    return {*whole, *columns}


def test_a_stranger_keeps_no_right_on_any_table_sequence_or_question_across_workspaces(project: Project) -> None:
    assert kept(project, "anon") == set()
    sequences = project.asked(
        "select relname from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace and"
        " (has_sequence_privilege('anon', oid, 'usage, select, update')"
        " or has_sequence_privilege('authenticated', oid, 'usage, select, update'))"
    )
    assert sequences == []
    open_to_all = project.asked(
        "select proname from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"
        " and proname not like 'integrations_%%_as' and prorettype <> 'trigger'::regtype"
        " and (has_function_privilege('anon', oid, 'execute')"
        " or has_function_privilege('authenticated', oid, 'execute'))"
    )
    # It tells who asks, which they know.
    assert open_to_all == [("integrations_user_id",)]


def test_a_signed_in_person_has_the_members_rights_and_no_other(project: Project) -> None:
    member = kept(project, "integrations_member")
    assert member
    assert kept(project, "authenticated") == member
    assert not {right for _, right in member} & {"truncate", "references", "trigger"}


def test_a_signed_in_person_works_in_their_own_workspace(project: Project) -> None:
    with project.as_role("authenticated", project.mine.member_id) as cursor:
        cursor.execute("select slug from workspaces")
        assert cursor.fetchall() == [("mine",)]
        cursor.execute("update workspace_contacts set name = 'Y'")
        assert cursor.rowcount == 1
        cursor.execute(
            "insert into pitches (workspace_id, to_email) values (%s, 'n@example.org')",
            [str(project.mine.workspace_id)],
        )
    with project.as_role("authenticated", uuid4()) as cursor:
        cursor.execute("select slug from workspaces")
        assert cursor.fetchall() == []


@pytest.mark.parametrize(
    "statement",
    [
        "truncate workspace_contacts",
        "truncate workspaces cascade",
        "truncate suppressions",
        "update workspaces set slug = 'other'",
        "update workspaces set owner_id = gen_random_uuid()",
        "delete from workspaces",
        "insert into workspaces (name, slug) values ('a', 'b')",
        "delete from suppressions",
        "insert into suppressions (workspace_id, identity_key, reason) values (gen_random_uuid(), 'a', 'manual')",
        "select setval('integration_changes_ordinal_seq', 1)",
        "select nextval('integration_changes_ordinal_seq')",
        "select credentials from integration_connections",
        "create trigger t after insert on workspace_contacts execute function integrations_touch()",
        "select * from integrations_findings('gmail', now())",
        "select integrations_trim('activity', '2000-01-01', 10)",
    ],
)
def test_what_no_member_may_do_is_refused_to_the_owner_of_a_workspace(project: Project, statement: str) -> None:
    for role, user_id in (("authenticated", project.mine.owner_id), ("anon", None)):
        with project.as_role(role, user_id) as cursor, pytest.raises(errors.InsufficientPrivilege):
            cursor.execute(statement)
