"""What the upgrade leaves to Supabase's web roles, in a transaction that is taken back: a role belongs to the server.

Whole projects on their own servers are in `test_supabase_rights`.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.roles import close_to_web


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.admin() as connection:
        yield connection
        connection.rollback()


def may(connection: Connection, role: str, right: str, table: str) -> bool:
    asked = text("select has_table_privilege(:role, cast(:table as text), :right)")
    return bool(connection.execute(asked, {"role": role, "table": table, "right": right}).scalar())


@pytest.mark.parametrize("inherits", ["inherit", "noinherit"])
def test_the_signed_in_get_the_members_rights_and_a_stranger_none(connection: Connection, inherits: str) -> None:
    for role in ("anon", "authenticated"):
        connection.execute(text(f"create role {role} {inherits}"))
        connection.execute(text(f"grant all on all tables in schema public to {role}"))

    close_to_web(connection)

    assert may(connection, "authenticated", "select", "workspace_contacts")
    assert not may(connection, "authenticated", "truncate", "workspace_contacts")
    assert not may(connection, "authenticated", "select", "alembic_version")
    assert not may(connection, "anon", "select", "workspace_contacts")
