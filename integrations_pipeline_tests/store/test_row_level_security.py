"""Row-level security, tried as the pipeline and as people really are: by role and setting, in Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.store.rows import Tenant, add_tenant, execute, insert, query

TENANT_TABLES = [
    "workspaces",
    "workspace_members",
    "workspace_contacts",
    "integration_connections",
    "integration_field_mappings",
    "integration_links",
    "integration_changes",
    "integration_sync_logs",
    "integration_activity",
    "pitches",
    "pitch_emails",
    "pitch_replies",
    "suppressions",
    "integration_agenda",
    "integration_alerts",
]


@dataclass(frozen=True, slots=True)
class Fixture:
    database: Database
    mine: Tenant
    theirs: Tenant

    @contextmanager
    def as_user(self, user_id: UUID | None) -> Iterator[Connection]:
        """One transaction as an ordinary member; None: nobody has signed in."""
        with self.database.admin() as connection:
            connection.execute(text("set local role integrations_member"))
            if user_id:
                execute(connection, "select set_config('app.user_id', :id, true)", id=str(user_id))
            yield connection


@pytest.fixture
def tenants(database: Database) -> Fixture:
    with database.admin() as connection:
        return Fixture(database, add_tenant(connection, "mine"), add_tenant(connection, "theirs"))


def visible(connection: Connection, table: str) -> int:
    return int(query(connection, f"select count(*) from {table}")[0][0])


def refused(connection: Connection, statement: str, **values: object) -> bool:
    """Whether Postgres refuses the statement for want of rights; the transaction goes on."""
    try:
        with connection.begin_nested():
            execute(connection, statement, **values)
    except ProgrammingError as error:
        return getattr(error.orig, "pgcode", "") == "42501"
    return False


def test_the_list_of_tables_is_complete(database: Database) -> None:
    with database.admin() as connection:
        protected = query(connection, "select relname from pg_class where relrowsecurity")
    assert {name for (name,) in protected} == {*TENANT_TABLES, "provider_rate_limits", "integration_alert_deliveries"}


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_the_pipeline_sees_one_workspace(tenants: Fixture, table: str) -> None:
    with tenants.database.admin() as connection:
        everything = visible(connection, table)
    with tenants.database.workspace(tenants.mine.workspace_id) as connection:
        assert visible(connection, table) == everything / 2


@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_without_a_workspace_the_pipeline_sees_nothing(tenants: Fixture, value: str | None) -> None:
    with tenants.database.admin() as connection:
        connection.execute(text("set local role integrations_pipeline"))
        if value is not None:
            execute(connection, "select set_config('app.workspace_id', :value, true)", value=value)
        assert {table: visible(connection, table) for table in TENANT_TABLES} == dict.fromkeys(TENANT_TABLES, 0)


def test_the_pipeline_cannot_write_rows_of_another_workspace(tenants: Fixture) -> None:
    theirs = tenants.theirs
    workspace, connection_id = {"w": theirs.workspace_id}, {"c": theirs.connection_id}
    both = {**workspace, **connection_id}
    with tenants.database.workspace(tenants.mine.workspace_id) as connection:
        for statement, values in [
            (
                "insert into workspace_contacts (workspace_id, email) values (:w, 'new@example.org')",
                workspace,
            ),
            (
                "insert into integration_connections (workspace_id, integration_type) values (:w, 'new')",
                workspace,
            ),
            (
                "insert into integration_field_mappings (connection_id, workspace_field, external_field)"
                " values (:c, 'a', 'b')",
                connection_id,
            ),
            (
                "insert into integration_sync_logs (workspace_id, connection_id, direction)"
                " values (:w, :c, 'to_external')",
                both,
            ),
            (
                "insert into integration_links (workspace_id, connection_id, contact_id, external_id)"
                " values (:w, :c, gen_random_uuid(), 'rec2')",
                both,
            ),
            (
                "insert into integration_changes (workspace_id, connection_id, side, kind)"
                " values (:w, :c, 'local', 'create')",
                both,
            ),
            (
                "insert into integration_activity (workspace_id, integration_name, action, success)"
                " values (:w, 'gmail', 'a', true)",
                workspace,
            ),
            ("insert into pitches (workspace_id, to_email) values (:w, 'x@example.org')", workspace),
            (
                "insert into pitch_emails (pitch_id, connection_id, state, attempt) values (:p, :c, 'sent', 2)",
                {"p": theirs.pitch_id, **connection_id},
            ),
            (
                "insert into pitch_emails (pitch_id, connection_id, state, attempt) values (:p, :c, 'sent', 2)",
                {"p": tenants.mine.pitch_id, **connection_id},
            ),
            (
                "insert into pitch_replies"
                " (workspace_id, pitch_id, connection_id, gmail_message_id, received_at, kind)"
                " values (:w, :p, :c, 'm2', now(), 'reply')",
                {"p": theirs.pitch_id, **both},
            ),
        ]:
            assert refused(connection, statement, **values), statement


WRITABLE = [
    table for table in TENANT_TABLES if table not in ("workspaces", "workspace_members", "integration_activity")
]


@pytest.mark.parametrize("table", WRITABLE)
def test_the_pipeline_changes_and_deletes_only_its_own_rows(tenants: Fixture, table: str) -> None:
    column = "created_at"
    with tenants.database.workspace(tenants.mine.workspace_id) as connection:
        own = visible(connection, table)
        if table == "integration_sync_logs":
            column = "started_at"
        assert execute(connection, f"update {table} set {column} = now()") == own
        assert execute(connection, f"delete from {table}") == own
    with tenants.database.admin() as connection:
        assert visible(connection, table) >= 1


MOVABLE = [
    "workspace_contacts",
    "integration_connections",
    "integration_links",
    "integration_changes",
    "integration_sync_logs",
    "pitches",
]


@pytest.mark.parametrize("table", MOVABLE)
def test_the_pipeline_cannot_move_a_row_to_another_workspace(tenants: Fixture, table: str) -> None:
    with tenants.database.workspace(tenants.mine.workspace_id) as connection:
        assert refused(connection, f"update {table} set workspace_id = :w", w=tenants.theirs.workspace_id)


@pytest.mark.parametrize("table", ["integration_links", "integration_changes", "integration_sync_logs"])
def test_a_row_cannot_name_a_connection_of_another_workspace(tenants: Fixture, table: str) -> None:
    """Foreign keys look past row-level security, so a plain one would let this through."""
    distinct = ", external_id = 'rec9', contact_id = gen_random_uuid()" if table == "integration_links" else ""
    with (
        pytest.raises(IntegrityError, match="foreign key"),
        tenants.database.workspace(tenants.mine.workspace_id) as connection,
    ):
        execute(connection, f"update {table} set connection_id = :c{distinct}", c=tenants.theirs.connection_id)


@pytest.mark.parametrize("who", ["pipeline", "member", "program"])
@pytest.mark.parametrize("column", ["contact_id", "in_reply_to_pitch_id"])
def test_a_pitch_names_no_row_of_another_workspace(tenants: Fixture, column: str, who: str) -> None:
    mine, theirs = tenants.mine, tenants.theirs
    strangers = theirs.contact_id if column == "contact_id" else theirs.pitch_id
    entrances = {
        "pipeline": lambda: tenants.database.workspace(mine.workspace_id),
        "member": lambda: tenants.as_user(mine.member_id),
        "program": tenants.database.admin,
    }
    for values in ({column: strangers}, {column: uuid4()}):
        with pytest.raises(IntegrityError, match=r"foreign key|one of its workspace"), entrances[who]() as connection:
            insert(connection, "pitches", workspace_id=mine.workspace_id, to_email="x@example.org", **values)
        with pytest.raises(IntegrityError, match=r"foreign key|one of its workspace"), entrances[who]() as connection:
            execute(connection, f"update pitches set {column} = :id where id = :p", id=values[column], p=mine.pitch_id)


def test_a_reply_names_no_pitch_of_another_workspace(tenants: Fixture) -> None:
    with (
        pytest.raises(IntegrityError, match="foreign key"),
        tenants.database.workspace(tenants.mine.workspace_id) as connection,
    ):
        execute(connection, "update pitch_replies set pitch_id = :p", p=tenants.theirs.pitch_id)


@pytest.mark.parametrize("table", ["workspace_contacts", "pitches"])
def test_a_member_of_two_workspaces_moves_nothing_between_them(tenants: Fixture, table: str) -> None:
    mine, theirs = tenants.mine, tenants.theirs
    with tenants.database.admin() as connection:
        joined = "insert into workspace_members values (:w, :u, 'admin')"
        execute(connection, joined, w=theirs.workspace_id, u=mine.member_id)
    with tenants.as_user(mine.member_id) as connection:
        own = mine.contact_id if table == "workspace_contacts" else mine.pitch_id
        assert refused(
            connection, f"update {table} set workspace_id = :w where id = :id", w=theirs.workspace_id, id=own
        )


def test_deleting_a_contact_or_pitch_still_frees_those_that_name_it(tenants: Fixture) -> None:
    mine = tenants.mine
    with tenants.database.workspace(mine.workspace_id) as connection:
        answer = insert(
            connection,
            "pitches",
            workspace_id=mine.workspace_id,
            to_email="x@example.org",
            in_reply_to_pitch_id=mine.pitch_id,
            contact_id=mine.contact_id,
        )
        execute(connection, "delete from pitches where id = :id", id=mine.pitch_id)
        execute(connection, "delete from workspace_contacts")
        left = query(connection, "select id, workspace_id, contact_id, in_reply_to_pitch_id from pitches")
    assert left == [(answer, mine.workspace_id, None, None)]


@pytest.mark.parametrize(
    "statement",
    [
        "delete from workspaces",
        "update workspaces set slug = 'other'",
        "insert into workspaces (name, slug) values ('a', 'b')",
        "update workspace_members set role = 'admin'",
        "insert into workspace_members values (gen_random_uuid(), gen_random_uuid(), 'admin')",
        "delete from alembic_version",
        "select * from alembic_version",
        "create table surprise (id int)",
        "truncate workspace_contacts",
    ],
)
def test_the_pipeline_has_no_more_rights_than_it_needs(tenants: Fixture, statement: str) -> None:
    with tenants.database.workspace(tenants.mine.workspace_id) as connection:
        assert refused(connection, statement)


def test_members_see_their_workspaces_and_strangers_see_nothing(tenants: Fixture) -> None:
    mine = tenants.mine
    readable = [table for table in TENANT_TABLES if table != "integration_connections"]
    for user_id in (mine.owner_id, mine.admin_id, mine.member_id, mine.viewer_id):
        with tenants.as_user(user_id) as connection:
            assert query(connection, "select slug from workspaces") == [("mine",)]
            assert query(connection, "select id from integration_connections") == [(mine.connection_id,)]
            assert all(visible(connection, table) for table in readable)
    for nobody in (uuid4(), None):
        with tenants.as_user(nobody) as connection:
            assert {visible(connection, table) for table in readable} == {0}
            assert query(connection, "select id from integration_connections") == []


def test_a_member_of_two_workspaces_sees_both(tenants: Fixture) -> None:
    with tenants.database.admin() as connection:
        execute(
            connection,
            "insert into workspace_members values (:w, :u, 'viewer')",
            w=tenants.theirs.workspace_id,
            u=tenants.mine.member_id,
        )
    with tenants.as_user(tenants.mine.member_id) as connection:
        assert visible(connection, "workspace_contacts") == 2
        assert execute(connection, "update workspace_contacts set name = 'Y'") == 1  # a viewer in the second


@pytest.mark.parametrize("who", ["owner_id", "admin_id", "member_id"])
def test_members_write_their_workspaces_rows(tenants: Fixture, who: str) -> None:
    with tenants.as_user(getattr(tenants.mine, who)) as connection:
        insert(connection, "workspace_contacts", workspace_id=tenants.mine.workspace_id, email="n@example.org")
        assert execute(connection, "update workspace_contacts set phone = '1'") == 2
        assert execute(connection, "update integration_connections set sync_enabled = false") == 1
        assert execute(connection, "update pitches set status = 'queued'") == 1
        assert execute(connection, "update integration_field_mappings set enabled = false") == 1
        assert execute(connection, "delete from workspace_contacts where email = 'n@example.org'") == 1


def test_members_cannot_write_into_another_workspace(tenants: Fixture) -> None:
    with tenants.as_user(tenants.mine.member_id) as connection:
        assert refused(
            connection,
            "insert into workspace_contacts (workspace_id, email) values (:w, 'n@example.org')",
            w=tenants.theirs.workspace_id,
        )
        assert refused(connection, "update workspace_contacts set workspace_id = :w", w=tenants.theirs.workspace_id)
        where = {"c": tenants.theirs.contact_id}
        assert execute(connection, "update workspace_contacts set name = 'Y' where id = :c", **where) == 0
        assert execute(connection, "delete from workspace_contacts where id = :c", **where) == 0


def test_viewers_only_read(tenants: Fixture) -> None:
    mine = tenants.mine
    with tenants.as_user(mine.viewer_id) as connection:
        assert refused(
            connection,
            "insert into workspace_contacts (workspace_id, email) values (:w, 'n@example.org')",
            w=mine.workspace_id,
        )
        for table, column in [
            ("workspace_contacts", "name = 'Y'"),
            ("integration_connections", "sync_enabled = false"),
            ("integration_field_mappings", "enabled = false"),
            ("pitches", "subject = 'Y'"),
            ("workspace_members", "role = 'admin'"),
            ("workspaces", "name = 'Y'"),
        ]:
            assert execute(connection, f"update {table} set {column}") == 0, table
        for table in ("workspace_contacts", "integration_connections", "pitches", "workspace_members"):
            assert execute(connection, f"delete from {table}") == 0, table


def test_only_admins_change_who_is_a_member(tenants: Fixture) -> None:
    mine = tenants.mine
    promote = "update workspace_members set role = 'admin' where user_id = :u"
    with tenants.as_user(mine.member_id) as connection:
        assert execute(connection, promote, u=mine.member_id) == 0
    for who in (mine.admin_id, mine.owner_id):
        with tenants.as_user(who) as connection:
            assert execute(connection, promote, u=mine.member_id) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "select credentials from integration_connections",
        "select * from integration_connections",
        "select cursor from integration_connections",
        "select count(*) from integration_connections where credentials->>'v' = '1'",
        "update integration_connections set credentials = '{}'",
        "update integration_connections set workspace_id = workspace_id",
        "update integration_sync_logs set status = 'success'",
        "update integration_changes set state = 'applied'",
        "delete from integration_links",
        "delete from integration_activity",
        "delete from workspaces",
        "select * from provider_rate_limits",
        "select * from integration_alert_deliveries",
        "select * from alembic_version",
        "select * from integrations_due_connections(now(), 10)",
    ],
)
def test_members_reach_neither_credentials_nor_the_pipelines_bookkeeping(tenants: Fixture, statement: str) -> None:
    with tenants.as_user(tenants.mine.owner_id) as connection:
        assert refused(connection, statement)


def test_functions_answer_members_about_their_own_workspaces_only(tenants: Fixture) -> None:
    with tenants.as_user(tenants.mine.viewer_id) as connection:
        for tenant, count in ((tenants.mine, 1), (tenants.theirs, 0)):
            w = tenant.workspace_id
            assert len(query(connection, "select * from get_workspace_integrations(:w)", w=w)) == count
            summary = "select * from get_integration_activity_summary(:w, 'gmail')"
            assert len(query(connection, summary, w=w)) == count


def test_rate_limits_tell_other_tenants_bases_and_are_no_workspaces_business(tenants: Fixture) -> None:
    with pytest.raises(ProgrammingError), tenants.database.workspace(tenants.mine.workspace_id) as connection:
        visible(connection, "provider_rate_limits")


def test_deleting_a_workspace_takes_everything_of_it_along(tenants: Fixture) -> None:
    with tenants.database.admin() as connection:
        execute(connection, "delete from workspaces where slug = 'mine'")
        left = {table: visible(connection, table) for table in TENANT_TABLES}
    assert left == {**dict.fromkeys(TENANT_TABLES, 1), "workspace_members": 3}
