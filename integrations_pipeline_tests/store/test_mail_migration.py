"""Migration 0007 on a database that has mail: bounces move to one place, impossible times go, and none comes back."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from integrations_pipeline.store import pitches
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.migrating import alembic_config
from integrations_pipeline_tests.store.rows import add_connection, execute, insert, query

IMPOSSIBLE = ["-infinity", "infinity", "10000-01-01Z", "0001-06-01Z BC"]


@pytest.fixture
def before(empty_database_url: str) -> Iterator[Database]:
    """A database as it was before the migration."""
    database = Database(empty_database_url)
    with database.admin() as connection:
        connection.execute(text("set local search_path = public"))
        config = alembic_config()
        config.attributes.update(connection=connection, on_version_apply=lambda **_: None)
        command.upgrade(config, "0006")
    yield database
    database.close()


def add_workspace(connection: Connection, slug: str = "acme") -> UUID:
    return insert(connection, "workspaces", name=slug, slug=slug)


def test_bounces_move_to_the_suppressions_and_the_column_goes(before: Database) -> None:
    with before.admin() as connection:
        workspace_id = add_workspace(connection)
        mailbox = add_connection(connection, workspace_id, "gmail")
        for email, at in (("Ann@Example.org", "2031-01-01Z"), ("bob@example.org", None)):
            insert(connection, "workspace_contacts", workspace_id=workspace_id, email=email, email_bounced_at=at)
        for address, evidence in (("ann@example.org", "hard"), ("carol@example.org", "hard"), ("d@example.org", "")):
            pitch_id = insert(connection, "pitches", workspace_id=workspace_id, to_email=address, status="bounced")
            execute(
                connection,
                "insert into pitch_emails (pitch_id, connection_id, state, evidence) "
                "values (:p, :c, 'sent', jsonb_build_object('bounce', cast(:e as text)))",
                p=pitch_id,
                c=mailbox,
                e=evidence,
            )
    before.upgrade()
    with before.admin() as connection:
        found = query(connection, "select identity_key, reason, source from suppressions order by 1")
        assert found == [
            ("ann@example.org", "bounced", "gmail"),
            ("carol@example.org", "bounced", "gmail"),
        ]
        kept = "select count(*) from information_schema.columns where column_name = 'email_bounced_at'"
        assert query(connection, kept) == [(0,)]
        execute(connection, "update workspace_contacts set email = 'new@example.org' where email = 'bob@example.org'")
        assert query(connection, "select version from workspace_contacts where email = 'new@example.org'") == [(2,)]


@pytest.mark.parametrize("moment", IMPOSSIBLE)
def test_impossible_times_are_taken_away_and_what_had_one_is_not_sent(before: Database, moment: str) -> None:
    with before.admin() as connection:
        workspace_id = add_workspace(connection)
        made = {
            "created": {"status": "queued", "created_at": moment},
            "scheduled": {"status": "queued", "scheduled_at": moment},
            "draft": {"status": "draft", "scheduled_at": moment},
            "sent": {"status": "sent", "sent_at": moment, "updated_at": moment},
            "good": {"status": "queued", "scheduled_at": "2031-01-01Z"},
        }
        for name, values in made.items():
            insert(connection, "pitches", workspace_id=workspace_id, to_email="a@example.org", subject=name, **values)
    before.upgrade()
    with before.workspace(workspace_id) as connection:
        listed = {row["subject"]: row for row in pitches.list_pitches(connection, workspace_id, [], 100)}
        assert {name: row["status"] for name, row in listed.items()} == {
            "created": "failed",
            "scheduled": "failed",
            "draft": "draft",
            "sent": "sent",
            "good": "queued",
        }
        assert "pitches retry" in listed["scheduled"]["error_message"]
        assert listed["scheduled"]["scheduled_at"] is None
        assert listed["sent"]["sent_at"] is not None
        assert listed["good"]["scheduled_at"].year == 2031


def test_the_key_of_a_pitch_follows_its_address(database: Database) -> None:
    with database.admin() as connection:
        workspace_id = add_workspace(connection)
        insert(connection, "pitches", workspace_id=workspace_id, to_email=" Ann@Example.org")
        assert query(connection, "select identity_key from pitches") == [("ann@example.org",)]
        execute(connection, "update pitches set to_email = 'BOB@example.org'")
        assert query(connection, "select identity_key from pitches") == [("bob@example.org",)]


@pytest.mark.parametrize("column", ["created_at", "updated_at", "scheduled_at", "sent_at", "replied_at"])
@pytest.mark.parametrize("moment", IMPOSSIBLE)
def test_no_pitch_can_have_a_time_outside_of_the_calendar(database: Database, column: str, moment: str) -> None:
    with database.admin() as connection:
        workspace_id = add_workspace(connection)
    with pytest.raises(IntegrityError, match=f"pitches_{column}"), database.admin() as connection:
        insert(connection, "pitches", workspace_id=workspace_id, to_email="a@example.org", **{column: moment})
    with database.admin() as connection:
        insert(connection, "pitches", workspace_id=workspace_id, to_email="a@example.org", **{column: "2031-01-01Z"})
