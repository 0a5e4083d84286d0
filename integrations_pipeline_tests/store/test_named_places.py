"""How messages name a database: its host, port and name, and nothing secret."""

import pytest

from integrations_pipeline.store.database import Database


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql://me:s3cret@db.example:6432/crm", "the database crm at db.example, port 6432"),
        ("postgresql://me:s3cret@/crm?host=/run/postgres&port=5433", "the database crm at /run/postgres, port 5433"),
        ("postgresql:///crm", "the database crm at localhost, port 5432"),
    ],
)
def test_a_database_is_named_wherever_its_url_tells_where_it_is(url: str, named: str) -> None:
    database = Database(url)
    assert database._place == named
    database.close()
