"""Migrations: onto an empty database, onto the original's, and the same database as `tables` describes."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg2
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store import database as database_module
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.migrating import alembic_config
from integrations_pipeline.store.tables import METADATA
from integrations_pipeline_tests.store.rows import query

HERE = Path(__file__).parent
ORIGINAL, TENANTS = HERE / "supabase_original.sql", HERE / "supabase_tenants.sql"

VERSIONS = Path(database_module.__file__ or "").parent / "migrations" / "versions"
#: Every migration there is, oldest first.
ALL = tuple(sorted(path.stem.split("_")[0] for path in VERSIONS.glob("*.py")))


#: Databases have run these: what they lack comes with a new migration, never by editing one.
RELEASED = {
    "0001": "651145d7968dfe82",
    "0002": "52fc4e69e1bfb200",
    "0003": "901d5407c0cb725f",
    "0004": "bf636128ae414652",
    "0005": "56d26117c5af9a83",
    "0006": "4329d17a77714459",
    "0007": "c9b163b13804ec82",
    "0009": "15e9ec6266e682b2",
    "0010": "b6dc447dfbd4de1b",
    "0011": "21517bc6721f93c6",
    "0012": "1727b660d294964e",
    "0013": "cc4471f6bc951e11",
    "0014": "72db47ad8d6a0a4f",
    "0015": "2f42172e523221a6",
    "0016": "40fe6a37391b2849",
}


def run_files(url: str, *files: Path) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for file in files:
            cursor.execute(file.read_text())


def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def blank(empty_database_url: str) -> Iterator[Database]:
    yield from opened(empty_database_url)


@pytest.fixture
def original(empty_database_url: str) -> Iterator[Database]:
    """The original's database without workspaces, not yet upgraded."""
    run_files(empty_database_url, ORIGINAL)
    yield from opened(empty_database_url)


@pytest.fixture
def original_with_tenants(empty_database_url: str) -> Iterator[Database]:
    """The original's database of an application that has workspaces, not yet upgraded."""
    run_files(empty_database_url, ORIGINAL, TENANTS)
    yield from opened(empty_database_url)


def test_an_empty_database_is_upgraded_once(blank: Database) -> None:
    assert not blank.is_current()
    assert blank.upgrade() == ALL
    assert blank.is_current()
    assert blank.upgrade() == ()


@pytest.mark.parametrize("revision", RELEASED)
def test_a_released_migration_is_not_edited(revision: str) -> None:
    files = sorted([*VERSIONS.glob(f"{revision}_*.py"), *VERSIONS.glob(f"{revision}/*.sql")])
    found = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    assert found == RELEASED[revision], f"make a new migration instead of editing {revision}"


def upgraded_to(database: Database, revision: str) -> None:
    with database.admin() as connection:
        connection.execute(text("set local search_path = public"))
        config = alembic_config()
        config.attributes.update(connection=connection, on_version_apply=lambda **_: None)
        command.upgrade(config, revision)


def test_a_database_of_an_earlier_release_gets_what_it_lacks(blank: Database) -> None:
    wanted = (
        "select count(*) from information_schema.columns where table_name = 'integration_links' "
        "and column_name = 'identity_key'"
    )
    upgraded_to(blank, "0013")
    with blank.admin() as connection:
        assert query(connection, wanted) == [(0,)]
    assert blank.upgrade() == ALL[ALL.index("0014") :]
    with blank.admin() as connection:
        assert query(connection, wanted) == [(1,)]


def test_what_an_undo_held_on_both_sides_before_still_goes_on_both(blank: Database) -> None:
    upgraded_to(blank, "0015")
    with blank.admin() as connection:
        connection.execute(text(_HELD_BY_AN_UNDO))
    blank.upgrade()
    with blank.admin() as connection:
        found = query(connection, "select field, external_id from integration_agenda order by field nulls last")
    assert found == [("undo", None), (None, "rec2")]


_HELD_BY_AN_UNDO = """
    with workspace as (insert into workspaces (id, name, slug) values (gen_random_uuid(), 'a', 'a') returning id),
    connection as (
        insert into integration_connections (id, workspace_id, integration_type)
        select gen_random_uuid(), id, 'airtable' from workspace returning id, workspace_id)
    insert into integration_agenda (id, connection_id, workspace_id, kind, side, contact_id, external_id, field, change)
    select gen_random_uuid(), id, workspace_id, 'held_delete', 'remote', gen_random_uuid(), record, field, 'delete'
    from connection, (values ('rec1', 'undo'), ('rec2', null)) as held (record, field)
"""


def test_two_upgrades_at_once_apply_each_migration_once(blank: Database) -> None:
    applied: list[tuple[str, ...]] = []
    threads = [Thread(target=lambda: applied.append(blank.upgrade())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [(), (), ALL]


def columns_that_differ(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    flat = [
        each for diff in compare_metadata(context, METADATA) for each in (diff if isinstance(diff, list) else [diff])
    ]
    return [diff for diff in flat if "column" in diff[0] or "modify" in diff[0] or "table" in diff[0]]


def test_models_and_migrations_describe_the_same_database(database: Database) -> None:
    with database.admin() as connection:
        assert columns_that_differ(connection) == []
        found = query(
            connection,
            "select relname, relpersistence from pg_class"
            " where relkind = 'r' and relnamespace = 'public'::regnamespace",
        )
    assert {row.relname for row in found} == {*METADATA.tables, "alembic_version"}
    assert {row.relname for row in found if row.relpersistence == "u"} == {"provider_rate_limits"}


def test_the_comparison_notices_a_difference(database: Database) -> None:
    with database.admin() as connection:
        connection.execute(text("alter table pitches alter column to_email drop not null, add extra text"))
        assert len(columns_that_differ(connection)) == 2


def test_every_table_with_a_workspace_has_row_level_security(database: Database) -> None:
    with database.admin() as connection:
        unprotected = query(
            connection,
            "select relname from pg_class where relkind = 'r' and not relrowsecurity"
            " and relnamespace = 'public'::regnamespace",
        )
    assert unprotected == [("alembic_version",)]


def test_every_foreign_key_is_indexed(database: Database) -> None:
    with database.admin() as connection:
        bare = query(
            connection,
            "select conrelid::regclass::text, conname from pg_constraint c"
            " where contype = 'f' and not exists ("
            " select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])",
        )
    assert bare == []


def snapshot(connection: Connection) -> dict[str, list[str]]:
    """Every row of every table as JSON text, for comparing before and after."""
    return {
        table: sorted(row[0] for row in query(connection, f"select to_jsonb(t)::text from {table} t"))
        for table in METADATA.tables
    }


def test_the_originals_rows_all_survive(original: Database) -> None:
    with original.admin() as connection:
        before = query(
            connection,
            "select id, user_id, integration_type, updated_at from integration_connections order by id",
        )
    assert original.upgrade() == ALL
    with original.admin() as connection:
        after = query(
            connection,
            "select id, user_id, integration_type, updated_at from integration_connections order by id",
        )
        counts = query(
            connection,
            "select (select count(*) from integration_sync_logs), (select count(*) from integration_field_mappings)",
        )
    assert before == after
    assert counts == [(5, 3)]


def test_each_user_gets_a_workspace_and_further_ones_for_second_connections(original: Database) -> None:
    original.upgrade()
    with original.admin() as connection:
        placed = query(
            connection,
            "select right(c.id::text, 2), w.slug from integration_connections c"
            " join workspaces w on w.id = c.workspace_id order by 1",
        )
        owners = query(
            connection,
            "select w.slug, left(w.owner_id::text, 8), m.role, m.user_id = w.owner_id from workspaces w"
            " join workspace_members m on m.workspace_id = w.id order by 1",
        )
    assert placed == [
        ("a1", "user-aaaaaaaa"),
        ("a2", "user-aaaaaaaa"),
        ("b1", "user-bbbbbbbb"),
        ("b2", "user-bbbbbbbb-2"),
        ("b3", "user-bbbbbbbb-3"),
        ("b4", "user-bbbbbbbb"),
        ("c1", "user-cccccccc"),
        ("c2", "user-cccccccc-2"),  # another user with the same first digits: never in the first one's
    ]
    assert owners == [
        ("user-aaaaaaaa", "aaaaaaaa", "admin", True),
        ("user-bbbbbbbb", "bbbbbbbb", "admin", True),
        ("user-bbbbbbbb-2", "bbbbbbbb", "admin", True),
        ("user-bbbbbbbb-3", "bbbbbbbb", "admin", True),
        ("user-cccccccc", "cccccccc", "admin", True),
        ("user-cccccccc-2", "cccccccc", "admin", True),
    ]


def test_the_originals_values_become_ours(original: Database) -> None:
    original.upgrade()
    with original.admin() as connection:
        connections = query(
            connection,
            "select right(id::text, 2), status, sync_enabled, error_count, credentials,"
            " sync_frequency_minutes"
            " from integration_connections where right(id::text, 2) in ('a1', 'a2', 'b2', 'b3') order by 1",
        )
        logs = query(
            connection,
            "select right(l.id::text, 1), l.status, l.direction, l.records_created,"
            " l.workspace_id = c.workspace_id from integration_sync_logs l"
            " left join integration_connections c on c.id = l.connection_id order by 1",
        )
        mappings = query(
            connection,
            "select workspace_field, sync_direction, enabled, transform_rules"
            " from integration_field_mappings order by 1",
        )
    assert connections == [
        ("a1", "active", True, 0, {"api_key": "pat-ada"}, 15),
        ("a2", "active", False, 0, {"access_token": "t"}, 15),
        ("b2", "disconnected", False, 4, {"api_key": "pat-bob-2"}, 15),
        ("b3", "error", True, 3, {}, 15),
    ]
    assert logs == [
        ("1", "success", "to_external", 5, True),
        ("2", "partial", "from_external", 1, True),
        ("3", "failed", "bidirectional", 0, True),
        ("4", "failed", "to_external", 0, True),
        ("5", "success", "to_external", 0, None),
    ]
    assert mappings == [
        ("company", "bidirectional", False, {}),
        ("name", "to_external", True, {}),
        ("phone", "bidirectional", True, {}),
    ]


def test_users_with_exactly_one_workspace_keep_it(original_with_tenants: Database) -> None:
    original_with_tenants.upgrade()
    with original_with_tenants.admin() as connection:
        placed = query(
            connection,
            "select right(c.id::text, 2), w.slug from integration_connections c"
            " join workspaces w on w.id = c.workspace_id order by 1",
        )
    assert placed == [
        ("a1", "ada-co-11111111"),
        ("a2", "ada-co-11111111"),
        ("b1", "ada-co-11111111-2"),  # Bob is a member there, but Ada's Airtable came first
        ("b2", "ada-co-11111111-3"),
        ("b3", "ada-co-11111111-4"),
        ("b4", "ada-co-11111111"),
        ("c1", "user-cccccccc"),  # two workspaces: not guessed
        ("c2", "user-cccccccc-2"),
    ]


def test_existing_contacts_and_other_applications_columns_are_kept(original_with_tenants: Database) -> None:
    original_with_tenants.upgrade()
    with original_with_tenants.admin() as connection:
        contacts = query(
            connection,
            "select name, tags, favourite_colour, version, email_opt_out, updated_at < '2025-03-01'"
            " from workspace_contacts order by name",
        )
        workspaces = query(connection, "select name, slug, plan from workspaces")
        roles = query(connection, "select role from workspace_members where role = 'owner'")
    assert contacts == [
        ("X", ["vip"], "red", 1, False, True),
        ("X too", [], None, 1, False, True),
        ("Y", [], None, 1, False, True),
    ]
    assert ("Ada & Co.", "ada-co-11111111", "free") in workspaces
    assert ("Ада", "22222222", "free") in workspaces
    assert roles == [("owner",)]


def test_a_deleted_contacts_address_can_be_used_again_after_the_upgrade(
    original_with_tenants: Database,
) -> None:
    original_with_tenants.upgrade()
    again = text(
        "insert into workspace_contacts (workspace_id, email)"
        " values ('11111111-0000-0000-0000-000000000001', 'X@example.org')"
    )
    with pytest.raises(IntegrityError), original_with_tenants.admin() as connection:
        connection.execute(again)
    with original_with_tenants.admin() as connection:
        connection.execute(text("update workspace_contacts set deleted_at = now() where name = 'X'"))
        connection.execute(again)


@pytest.mark.parametrize("variant", ["original", "original_with_tenants"])
def test_upgrading_twice_changes_what_upgrading_once_does(variant: str, request: pytest.FixtureRequest) -> None:
    database: Database = request.getfixturevalue(variant)
    database.upgrade()
    with database.admin() as connection:
        once = snapshot(connection)
    assert database.upgrade() == ()
    with database.admin() as connection:
        assert snapshot(connection) == once
        assert len(once["integration_connections"]) == 8


@pytest.mark.parametrize("variant", ["original", "original_with_tenants"])
def test_an_upgraded_database_has_the_columns_of_a_new_one(variant: str, request: pytest.FixtureRequest) -> None:
    database: Database = request.getfixturevalue(variant)
    database.upgrade()
    with database.admin() as connection:
        differences = columns_that_differ(connection)
    # The fixture has a log row without a connection, so these two columns cannot be closed.
    described = {
        (
            diff[0],
            diff[2] if diff[0].startswith("modify") else diff[3].table.name,
            getattr(diff[3], "name", diff[3]),
        )
        for diff in differences
        if "table" not in diff[0]
    }
    expected = {
        ("remove_column", "integration_connections", "user_id"),
        ("modify_nullable", "integration_sync_logs", "connection_id"),
        ("modify_nullable", "integration_sync_logs", "workspace_id"),
    }
    if variant == "original_with_tenants":
        expected |= {
            ("remove_column", "workspaces", "plan"),
            ("remove_column", "workspace_contacts", "favourite_colour"),
            ("remove_column", "workspace_members", "id"),
        }
    assert described == expected


def test_removing_a_user_keeps_the_workspaces_connection(original: Database) -> None:
    original.upgrade()
    with original.admin() as connection:
        connection.execute(text("delete from auth.users where email = 'ada@example.org'"))
        left = query(connection, "select user_id from integration_connections where right(id::text, 2) = 'a1'")
    assert left == [(None,)]


def test_a_provider_that_the_original_did_not_know_can_be_added(original: Database) -> None:
    original.upgrade()
    with original.admin() as connection:
        connection.execute(
            text(
                "insert into integration_connections (workspace_id, integration_type)"
                " select id, 'hubspot' from workspaces where slug = 'user-aaaaaaaa'"
            )
        )
        made = query(connection, "select count(*) from integration_connections where integration_type = 'hubspot'")
    assert made == [(1,)]


def test_old_policies_no_longer_show_connections_to_everybody(original_with_tenants: Database) -> None:
    original_with_tenants.upgrade()
    with original_with_tenants.admin() as connection:
        left = query(
            connection,
            "select policyname from pg_policies where policyname not like 'integrations_%' order by 1",
        )
    assert left == [("Everybody sees every contact",), ("Everybody sees every workspace",)]


def test_another_applications_open_policy_does_not_open_the_pipeline(original_with_tenants: Database) -> None:
    original_with_tenants.upgrade()
    with original_with_tenants.admin() as connection:
        (ada,) = query(connection, "select id from workspaces where slug = 'ada-co-11111111'")[0]
    with original_with_tenants.workspace(ada) as connection:
        assert query(connection, "select slug from workspaces") == [("ada-co-11111111",)]
        assert query(connection, "select count(*) from workspace_contacts") == [(2,)]


def test_on_supabase_the_signed_in_user_is_the_member(original: Database) -> None:
    original.upgrade()
    with original.admin() as connection:
        connection.execute(
            text("select set_config('request.jwt.claim.sub', :id, true)"),
            {"id": "aaaaaaaa-0000-0000-0000-000000000001"},
        )
        connection.execute(text("set local role integrations_member"))
        assert query(connection, "select slug from workspaces") == [("user-aaaaaaaa",)]
        assert query(connection, "select count(*) from integration_connections") == [(2,)]


def test_repeated_addresses_stop_the_upgrade_with_a_message_and_no_change(
    original_with_tenants: Database,
) -> None:
    with original_with_tenants.admin() as connection:
        connection.execute(
            text(
                "insert into workspace_contacts (workspace_id, email)"
                " values ('11111111-0000-0000-0000-000000000001', 'X@EXAMPLE.org')"
            )
        )
    with pytest.raises(ConfigurationError, match="1 e-mail addresses more than once") as caught:
        original_with_tenants.upgrade()
    assert "example" not in str(caught.value)
    assert not original_with_tenants.is_current()
    with original_with_tenants.admin() as connection:
        assert query(connection, "select count(*) from workspaces") == [(3,)]
