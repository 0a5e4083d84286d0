"""A database from before the bounds, with everything in it that a member could write then."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from alembic import command
from sqlalchemy import text

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.migrating import alembic_config
from integrations_pipeline_tests.store.rows import Tenant, add_tenant, execute, insert, query

#: The revision before the bounds.
BEFORE = "0007"


@pytest.fixture
def before(empty_database_url: str) -> Iterator[tuple[Database, Tenant, Tenant]]:
    with closing(Database(empty_database_url)) as database:
        with database.admin() as connection:
            connection.execute(text("set local search_path = public"))
            config = alembic_config()
            config.attributes.update(connection=connection, on_version_apply=lambda **_: None)
            command.upgrade(config, BEFORE)
            mine, theirs = add_tenant(connection, "mine"), add_tenant(connection, "theirs")
        yield database, mine, theirs


def test_rows_out_of_bounds_are_brought_back_and_no_edit_is_made_of_it(
    before: tuple[Database, Tenant, Tenant],
) -> None:
    database, mine, _ = before
    contact = "select version, updated_at from workspace_contacts where id = :id"
    with database.admin() as connection:
        execute(connection, "update integration_connections set sync_frequency_minutes = 2147483647")
        execute(connection, "update integration_activity set records_affected = -5, created_at = '-infinity'")
        odd = insert(
            connection,
            "workspace_contacts",
            workspace_id=mine.workspace_id,
            version=2**63 - 1,
            created_at="infinity",
            deleted_at="20000-01-01Z",
        )
        execute(connection, "update integration_links set contact_version = :v", v=2**63 - 1)
        untouched = query(connection, contact, id=mine.contact_id)

    assert database.upgrade()

    with database.admin() as connection:
        assert query(connection, contact, id=mine.contact_id) == untouched
        assert query(connection, "select distinct sync_frequency_minutes from integration_connections") == [(44640,)]
        assert query(
            connection, "select distinct records_affected, extract(year from created_at)::int from integration_activity"
        ) == [(0, 1900)]
        assert query(
            connection,
            "select version, extract(year from created_at)::int, extract(year from deleted_at)::int"
            " from workspace_contacts where id = :id",
            id=odd,
        ) == [(1, 9999, 9999)]
        assert query(connection, "select distinct contact_version from integration_links") == [(None,)]
        # What nobody could edit any more can be edited, and counts.
        execute(connection, "update workspace_contacts set name = 'N' where id = :id", id=odd)
        assert query(connection, "select version from workspace_contacts where id = :id", id=odd) == [(2,)]


def test_a_pitch_that_named_rows_of_another_workspace_names_none(before: tuple[Database, Tenant, Tenant]) -> None:
    database, mine, theirs = before
    with database.admin() as connection:
        execute(
            connection,
            "update pitches set contact_id = :c, in_reply_to_pitch_id = :p where id = :id",
            c=theirs.contact_id,
            p=theirs.pitch_id,
            id=mine.pitch_id,
        )
        execute(connection, "update pitches set in_reply_to_pitch_id = id where id = :id", id=theirs.pitch_id)

    database.upgrade()

    with database.admin() as connection:
        found = query(connection, "select id, contact_id, in_reply_to_pitch_id from pitches")
    assert set(found) == {(mine.pitch_id, None, None), (theirs.pitch_id, theirs.contact_id, theirs.pitch_id)}
