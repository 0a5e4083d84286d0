"""What people read of a database error: SQLSTATE and the server's first line, and never a value."""

from contextlib import closing

import pytest
from sqlalchemy.exc import DBAPIError

from integrations_pipeline.errors import ConfigurationError, UnavailableError
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.faults import said, words_of
from integrations_pipeline_tests.servers import free_port
from integrations_pipeline_tests.store.rows import add_tenant, execute

SECRET = "ada@secret.example"

#: A function of another application, which gives its words one of the server's own codes.
RAISES = (
    "create function theirs() returns void language plpgsql as "
    f"$$ begin raise exception '%', '{SECRET}' using errcode = '{{state}}'; end $$"
)


class _Answered(Exception):
    """What the driver raises, with an SQLSTATE that a test server does not give."""

    def __init__(self, state: str) -> None:
        super().__init__("password authentication failed")
        self.pgcode = state


def words(database: Database, statement: str) -> str:
    with database.admin() as connection:
        add_tenant(connection, "acme")
    with pytest.raises(DBAPIError) as caught, database.admin() as connection:
        execute(connection, statement)
    told = words_of(caught.value)
    assert "\n" not in told
    assert SECRET not in told
    return told


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("select 1/0", "SQLSTATE 22012: division by zero"),
        (f"select '{SECRET}'::uuid", "SQLSTATE 22P02: invalid input syntax for type uuid"),
        (f"select '{SECRET}'::timestamptz", "SQLSTATE 22007: invalid input syntax for type timestamp with time zone"),
        (f"select to_date('{SECRET}', 'YYYY')", "SQLSTATE 22007: invalid value …"),
        (f"select '{{{SECRET}'::text[]", "SQLSTATE 22P02: malformed array literal"),
        (f"select '{SECRET}'::jsonb", "SQLSTATE 22P02: invalid input syntax for type json"),
        (f"select 'a\"{SECRET}\"b'::int", "SQLSTATE 22P02: invalid input syntax for type integer"),
        ("update workspace_contacts set email = null, name = chr(0)", "SQLSTATE 54000: null character not permitted"),
        (
            f"insert into workspace_contacts (workspace_id, email) select workspace_id, '{SECRET}' from"
            " workspace_contacts, generate_series(1, 2)",
            'SQLSTATE 23505: duplicate key value violates unique constraint "workspace_contacts_email"',
        ),
        (f"update pitches set status = '{SECRET}'", "SQLSTATE 23514: new row for relation"),
        (f"insert into pitches (to_email) values ('{SECRET}')", "SQLSTATE 23502: null value in column"),
        ("select * from nowhere", 'SQLSTATE 42P01: relation "nowhere" does not exist'),
        (f"do $$ begin raise exception '%', '{SECRET}'; end $$", "(SQLSTATE P0001)"),
        (f"do $$ begin raise exception '%', '{SECRET}' using errcode = 'ZZ001'; end $$", "(SQLSTATE ZZ001)"),
        *((f"{RAISES.format(state=state)}; select theirs()", f"(SQLSTATE {state})") for state in ("23505", "42501")),
    ],
)
def test_an_error_is_told_by_its_code_and_line_without_a_value(database: Database, statement: str, says: str) -> None:
    assert says in words(database, statement)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("28P01", "SQLSTATE 28P01: password authentication failed"),
        ("42501", "SQLSTATE 42501: password authentication failed"),
        ("XX000", "SQLSTATE XX000"),
        ("", "password authentication failed"),
    ],
)
def test_the_line_of_a_class_that_quotes_no_value_is_shown_and_no_other(state: str, says: str) -> None:
    error = DBAPIError("select", {}, _Answered(state))
    assert said(error) == says


def test_what_is_no_database_error_is_told_by_its_type() -> None:
    assert words_of(ValueError(SECRET)) == "unexpected ValueError"


def test_a_database_that_cannot_be_reached_says_why_in_the_drivers_words() -> None:
    with (
        closing(Database(f"postgresql://me:hunter2@127.0.0.1:{free_port()}/crm")) as database,
        pytest.raises(UnavailableError, match=r"cannot be reached; .*\(Connection refused\)"),
        database.admin(),
    ):
        pass


def test_an_upgrade_that_fails_says_what_the_server_said(empty_database_url: str) -> None:
    with closing(Database(empty_database_url)) as database:
        with database.admin() as connection:
            execute(connection, "create view pitches as select 1")
        with pytest.raises(ConfigurationError, match=r'SQLSTATE 42P07: relation "pitches" already exists'):
            database.upgrade()
