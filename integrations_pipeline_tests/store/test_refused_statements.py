"""Statements about roles that Postgres may refuse, and what a database says that cannot be written to."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from integrations_pipeline.errors import UnavailableError
from integrations_pipeline.store import roles
from integrations_pipeline.store.database import Database

RAISES = "do $$ begin raise exception 'no' using errcode = '{state}'; end $$"


@pytest.mark.parametrize("state", ["42501", "0LP01", "42710", "23505"])
def test_a_statement_about_roles_that_is_refused_or_was_done_by_another_is_passed_over(
    database: Database, state: str
) -> None:
    with database.admin() as connection:
        assert not roles._tried(connection, RAISES.format(state=state))
        assert roles._tried(connection, "select 1")


def test_a_statement_about_roles_that_fails_in_another_way_is_an_error(database: Database) -> None:
    with pytest.raises(DBAPIError), database.admin() as connection:
        roles._tried(connection, RAISES.format(state="22012"))


def test_a_server_that_is_read_only_is_told_to_be_the_wrong_one(database: Database) -> None:
    statement = text("set transaction read only; create table nothing ()")
    with pytest.raises(UnavailableError, match="must name the primary server"), database.admin() as connection:
        connection.execute(statement)
