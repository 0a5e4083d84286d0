"""Sessions are our own way whatever the server, the database or its user has by default."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from integrations_pipeline.store.database import NOBODY, Database

#: Defaults that somebody may have given the database, each of which broke a statement or changed what one says.
DEFAULTS = (
    "search_path = pg_catalog",
    "standard_conforming_strings = off",
    "row_security = off",
    "datestyle = 'German, DMY'",
    "intervalstyle = sql_standard",
    "extra_float_digits = -10",
    "client_encoding = LATIN1",
    "default_transaction_isolation = serializable",
    "transform_null_equals = on",
    "array_nulls = off",
)
TOLD = text(
    "select :odd, cast('2026-03-01 10:00+00' as timestamptz) - make_interval(days => 1), 1.0 / cast(3 as float8), "
    "(select count(*) from workspaces), current_setting('transaction_isolation'), U&'\\00fc', cast('{NULL}' as text[])"
)
ODD = "back\\slash, \"quotes\", 'others', ü, ☃"
EXPECTED = (ODD, datetime(2026, 2, 28, 10, tzinfo=UTC), 1 / 3, 0, "read committed", "ü", [None])


def set_default(database_url: str, default: str) -> None:
    """For whoever connects from now on."""
    before = Database(database_url)
    with before.admin() as connection:
        name = connection.execute(text("select current_database()")).scalar_one()
        connection.exec_driver_sql(f'alter database "{name}" set {default}')
    before.close()


@pytest.mark.parametrize("default", DEFAULTS)
def test_a_default_of_the_database_changes_nothing_also_after_a_session_was_cleaned(
    default: str, database_url: str
) -> None:
    set_default(database_url, default)
    database = Database(database_url)
    try:
        for _ in range(2):
            with database.workspace(NOBODY) as connection:
                assert tuple(connection.execute(TOLD, {"odd": ODD}).one()) == EXPECTED
            with database.session(NOBODY) as session, session.begin() as connection:
                assert tuple(connection.execute(TOLD, {"odd": ODD}).one()) == EXPECTED
        assert database.is_current()
        assert database.upgrade() == ()
    finally:
        database.close()


@pytest.mark.parametrize(("default", "expected"), [("0", "1min"), ("'5s'", "5s")])
def test_nothing_waits_for_a_lock_without_end_and_a_limit_of_the_servers_counts(
    default: str, expected: str, database_url: str
) -> None:
    set_default(database_url, f"lock_timeout = {default}")
    database = Database(database_url)
    try:
        for _ in range(2):
            with database.session(NOBODY) as session, session.begin() as connection:
                assert connection.execute(text("show lock_timeout")).scalar_one() == expected
    finally:
        database.close()
