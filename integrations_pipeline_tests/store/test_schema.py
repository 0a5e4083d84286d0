"""What the tables themselves promise: triggers, uniqueness, allowed values, functions."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store import connections, sync_log
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.encryption import Cipher
from integrations_pipeline.store.sync_log import Activity
from integrations_pipeline_tests.store.rows import Tenant, add_connection, add_tenant, execute, insert, query


@pytest.fixture
def tenant(database: Database) -> Tenant:
    with database.admin() as connection:
        return add_tenant(connection, "acme")


CONTACT_STATE = "select version, updated_at, updated_at > created_at as is_later from workspace_contacts where id = :id"


@pytest.mark.parametrize(
    ("change", "is_edit"),
    [
        ("name = 'Y'", True),
        ("tags = '{a}'", True),
        ("""custom_fields = '{"a": 1}'""", True),
        ("deleted_at = now()", True),
        ("name = 'X'", False),
        ("name = name, email = email", False),
        ("version = 99", False),
        ("updated_at = '2000-01-01'", False),
    ],
)
def test_a_contacts_version_and_time_move_exactly_with_real_edits(
    database: Database, tenant: Tenant, change: str, is_edit: bool
) -> None:
    with database.admin() as connection:
        before = query(connection, CONTACT_STATE, id=tenant.contact_id)[0]
        execute(connection, f"update workspace_contacts set {change}")
        after = query(connection, CONTACT_STATE, id=tenant.contact_id)[0]
    assert after.version == before.version + is_edit
    assert (after.updated_at != before.updated_at) == is_edit
    assert after.is_later == is_edit


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("workspaces", "name = name || '!'"),
        ("integration_connections", "settings = settings || '{\"a\": 1}'"),
        ("integration_links", "external_revision = coalesce(external_revision, '') || '1'"),
        ("integration_changes", "attempts = attempts + 1"),
        ("pitches", "subject = subject || '!'"),
        ("pitch_emails", "draft_id = coalesce(draft_id, '') || '1'"),
    ],
)
def test_updated_at_moves_exactly_with_real_changes(
    database: Database, tenant: Tenant, table: str, change: str
) -> None:
    column = change.split(" = ", maxsplit=1)[0]
    with database.admin() as connection:
        before = query(connection, f"select updated_at from {table}")
        execute(connection, f"update {table} set {column} = {column}")
        unchanged = query(connection, f"select updated_at from {table}")
        execute(connection, f"update {table} set {change}")
        after = query(connection, f"select updated_at from {table}")
    assert before == unchanged
    assert after[0][0] > before[0][0]


KEYS = "select email, identity_key from workspace_contacts where name = 'K' order by email"


@pytest.mark.parametrize("role", ["origin", "replica"], ids=["triggers on", "triggers off, as in a restore"])
def test_an_address_has_its_key_whatever_is_written(database: Database, tenant: Tenant, role: str) -> None:
    """Applications write whole rows back as they read them, and so do restores."""
    with database.admin() as connection:
        execute(connection, f"set local session_replication_role = {role}")
        bound: dict[str, Any] = {"workspace_id": tenant.workspace_id, "name": "K"}
        insert(connection, "workspace_contacts", **bound, email=" A@Example.org")
        insert(connection, "workspace_contacts", **bound, email="b@example.org", identity_key="another's")
        assert [tuple(row) for row in query(connection, KEYS)] == [
            (" A@Example.org", "a@example.org"),
            ("b@example.org", "b@example.org"),
        ]
        execute(connection, "update workspace_contacts set identity_key = 'another''s', email = email where name = 'K'")
        execute(connection, "update workspace_contacts set email = 'c@example.org' where email = 'b@example.org'")
        execute(connection, "create table copied as select * from workspace_contacts where name = 'K'")
        execute(connection, "delete from workspace_contacts where name = 'K'")
        execute(connection, "insert into workspace_contacts select * from copied")
        assert [row.identity_key for row in query(connection, KEYS)] == ["a@example.org", "c@example.org"]
        execute(connection, "drop table copied")


def test_an_address_is_unique_in_a_workspace_whatever_its_case(database: Database, tenant: Tenant) -> None:
    with pytest.raises(IntegrityError, match="workspace_contacts_email"), database.admin() as connection:
        insert(connection, "workspace_contacts", workspace_id=tenant.workspace_id, email="X@EXAMPLE.org")


def test_contacts_without_address_and_deleted_ones_do_not_collide(database: Database, tenant: Tenant) -> None:
    with database.admin() as connection:
        for _ in range(2):
            insert(connection, "workspace_contacts", workspace_id=tenant.workspace_id, name="no address")
        execute(connection, "update workspace_contacts set deleted_at = now()")
        insert(connection, "workspace_contacts", workspace_id=tenant.workspace_id, email="x@example.org")
        live = query(connection, "select email from workspace_contacts where deleted_at is null")
        gone = query(connection, "select email from workspace_contacts where deleted_at is not null")
    assert (live, len(gone)) == ([("x@example.org",)], 3)


def test_letters_beyond_ascii_fold_in_the_unique_address(database: Database, tenant: Tenant) -> None:
    with database.admin() as connection:
        insert(connection, "workspace_contacts", workspace_id=tenant.workspace_id, email="ÄÉ@example.org")
    with pytest.raises(IntegrityError), database.admin() as connection:
        insert(connection, "workspace_contacts", workspace_id=tenant.workspace_id, email="äé@example.org")


def test_a_workspace_has_one_connection_per_provider(database: Database, tenant: Tenant) -> None:
    with pytest.raises(IntegrityError), database.admin() as connection:
        add_connection(connection, tenant.workspace_id, "gmail")


#: Those that members may write, and whose value no trigger replaces.
TIMES = {
    "workspace_contacts": ("created_at", "email_opt_out_at", "deleted_at"),
    "pitches": ("created_at", "scheduled_at", "sent_at", "replied_at"),
}


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("workspace_members", "role = 'god'"),
        ("integration_connections", "status = 'fine'"),
        ("integration_connections", "integration_type = ''"),
        ("integration_connections", "sync_frequency_minutes = 0"),
        ("integration_connections", "sync_frequency_minutes = 44641"),
        ("integration_connections", "sync_frequency_minutes = 2147483647"),
        ("integration_activity", "records_affected = -1"),
        ("integration_activity", "created_at = 'infinity'"),
        ("integration_field_mappings", "created_at = '-infinity'"),
        *(
            (table, f"{column} = {value}")
            for table, columns in TIMES.items()
            for column in columns
            for value in ("'infinity'", "'-infinity'", "'10000-01-01'", "'0044-03-15 BC'")
        ),
        ("integration_field_mappings", "sync_direction = 'up'"),
        ("integration_sync_logs", "direction = 'up'"),
        ("integration_sync_logs", "status = 'fine'"),
        ("integration_changes", "side = 'middle'"),
        ("integration_changes", "kind = 'upsert'"),
        ("integration_changes", "state = 'fine'"),
        ("pitches", "status = 'fine'"),
        ("pitch_replies", "kind = 'fine'"),
    ],
)
def test_values_outside_the_vocabulary_are_refused(database: Database, tenant: Tenant, table: str, change: str) -> None:
    with pytest.raises(IntegrityError, match="check constraint"), database.admin() as connection:
        assert execute(connection, f"update {table} set {change}")


@pytest.mark.parametrize("version", [-(2**63), 0, 10**15 + 1, 2**62 + 1, 2**63 - 1])
def test_a_new_contact_leaves_room_for_its_edits(database: Database, tenant: Tenant, version: int) -> None:
    with pytest.raises(IntegrityError, match=r"check constraint|out of bounds"), database.admin() as connection:
        insert(connection, "workspace_contacts", workspace_id=tenant.workspace_id, name="N", version=version)


def test_the_greatest_version_that_a_new_contact_may_have_can_be_edited(database: Database, tenant: Tenant) -> None:
    with database.admin() as connection:
        made = insert(connection, "workspace_contacts", workspace_id=tenant.workspace_id, name="N", version=10**15)
        execute(connection, "update workspace_contacts set name = 'M' where id = :id", id=made)
        assert query(connection, "select version from workspace_contacts where id = :id", id=made) == [(10**15 + 1,)]


@pytest.mark.parametrize("days", [-(2**31), -1, 0, 2**31 - 1])
def test_any_number_of_days_is_answered(database: Database, tenant: Tenant, days: int) -> None:
    summary = "select count(*) from get_integration_activity_summary(:w, 'gmail', :days)"
    with database.admin() as connection:
        activity = Activity(integration_name="gmail", action="sync", success=True)
        sync_log.record_activity(connection, tenant.workspace_id, activity)
        found = query(connection, summary, w=tenant.workspace_id, days=days)
    # The sum of all, and the one action that so many days have.
    assert found == [(2 if days > 0 else 1,)]


def test_the_longest_frequency_breaks_no_question_about_the_fleet(database: Database, tenant: Tenant) -> None:
    with database.admin() as connection:
        execute(connection, "update integration_connections set sync_frequency_minutes = 44640")
        for statement in (
            "select * from integrations_findings('gmail', now())",
            "select * from integrations_due_connections(now(), 10)",
        ):
            query(connection, statement)
        connections.record_success(connection, tenant.connection_id, is_due_again=False)
        for _ in range(20):
            connections.record_failure(connection, tenant.connection_id, "x")
            connections.postpone(connection, tenant.connection_id)
        away = "next_sync_at - now() between interval '11 hours' and interval '32 days'"
        assert query(connection, f"select {away} from integration_connections") == [(True,)]


@pytest.mark.parametrize("minutes", [0, -1, connections.MAX_FREQUENCY_MINUTES + 1, 2**31, 10**30])
def test_a_frequency_out_of_bounds_is_refused_in_words(database: Database, tenant: Tenant, minutes: int) -> None:
    new = connections.NewConnection(integration_type="airtable", credentials={}, frequency_minutes=minutes)
    with pytest.raises(ConfigurationError, match="1 to 44640"), database.admin() as connection:
        connections.save_connection(connection, tenant.workspace_id, new, Cipher([b"k" * 32]))


@pytest.mark.parametrize("by", ["contact_id", "external_id"])
def test_a_held_change_is_asked_once(database: Database, tenant: Tenant, by: str) -> None:
    held = {
        "connection_id": tenant.connection_id,
        "workspace_id": tenant.workspace_id,
        "side": "local",
        "kind": "held_delete",
        by: tenant.contact_id if by == "contact_id" else "rec1",
    }
    with database.admin() as connection:
        first = insert(connection, "integration_agenda", **held)
        insert(connection, "integration_agenda", **{**held, "kind": "held_email"})
        insert(connection, "integration_agenda", **{**held, "kind": "held_clear", "field": "name"})
        insert(connection, "integration_agenda", **{**held, "kind": "held_clear", "field": "phone"})
    with pytest.raises(IntegrityError, match="integration_agenda_asked"), database.admin() as connection:
        insert(connection, "integration_agenda", **held)
    with database.admin() as connection:
        decided = "update integration_agenda set decision = 'rejected', decided_at = now() where id = :id"
        execute(connection, decided, id=first)
        insert(connection, "integration_agenda", **held)


def test_links_are_one_to_one_per_connection(database: Database, tenant: Tenant) -> None:
    again = (
        "insert into integration_links (connection_id, workspace_id, contact_id, external_id)"
        " values (:c, :w, :contact, :external)"
    )
    ids = {"c": tenant.connection_id, "w": tenant.workspace_id}
    with pytest.raises(IntegrityError), database.admin() as connection:
        execute(connection, again, contact=uuid4(), external="rec1", **ids)
    with pytest.raises(IntegrityError), database.admin() as connection:
        execute(connection, again, contact=tenant.contact_id, external="rec2", **ids)


def test_a_link_outlives_its_contacts_row(database: Database, tenant: Tenant) -> None:
    """Else the next sync would take the remote record for a new one and bring the contact back."""
    with database.admin() as connection:
        execute(connection, "delete from workspace_contacts")
        assert query(connection, "select contact_id from integration_links") == [(tenant.contact_id,)]
        assert query(connection, "select contact_id from pitches") == [(None,)]


def test_old_logs_can_go_without_their_changes(database: Database, tenant: Tenant) -> None:
    with database.admin() as connection:
        execute(connection, "delete from integration_sync_logs")
        assert query(connection, "select sync_log_id from integration_changes") == [(None,)]


NOW = datetime(2025, 6, 1, tzinfo=UTC)


def test_due_connections_are_those_enabled_active_and_past_their_time(database: Database) -> None:
    connections: dict[str, dict[str, object]] = {
        "late": {"next_sync_at": NOW - timedelta(hours=1)},
        "later": {"next_sync_at": NOW - timedelta(hours=2)},
        "now": {"next_sync_at": NOW},
        "never-synced": {},
        "future": {"next_sync_at": NOW + timedelta(seconds=1)},
        "disabled": {"sync_enabled": False},
        "in-error": {"status": "error"},
        "paused": {"status": "paused"},
    }
    with database.admin() as connection:
        for slug, values in connections.items():
            workspace_id = insert(connection, "workspaces", name=slug, slug=slug)
            add_connection(connection, workspace_id, "airtable", **values)
    due = "select workspace_slug from integrations_due_connections(:now, :rows)"
    with database.workspace(uuid4()) as connection:  # the one question that crosses workspaces
        assert query(connection, due, now=NOW, rows=10) == [
            ("never-synced",),
            ("later",),
            ("late",),
            ("now",),
        ]
        assert query(connection, due, now=NOW, rows=2) == [("never-synced",), ("later",)]
        row = query(connection, "select * from integrations_due_connections(:now, 1)", now=NOW)[0]
    assert row._fields == (
        "workspace_id",
        "workspace_slug",
        "connection_id",
        "integration_type",
        "next_sync_at",
        "due_since",
        "sync_frequency_minutes",
    )


def test_the_workspaces_integrations_come_without_credentials(database: Database, tenant: Tenant) -> None:
    with database.admin() as connection:
        add_connection(connection, tenant.workspace_id, "airtable", status="paused", error_count=2)
        found = query(connection, "select * from get_workspace_integrations(:w)", w=tenant.workspace_id)
    assert [(row.integration_type, row.status, row.error_count) for row in found] == [
        ("airtable", "paused", 2),
        ("gmail", "active", 0),
    ]
    assert "credentials" not in found[0]._fields


def test_the_activity_summary_counts_by_action_within_the_days_asked(database: Database, tenant: Tenant) -> None:
    def note(days: int, action: str, success: bool, records: int, name: str = "airtable") -> None:
        insert(
            connection,
            "integration_activity",
            workspace_id=tenant.workspace_id,
            integration_name=name,
            action=action,
            success=success,
            records_affected=records,
            created_at=datetime.now(UTC) - timedelta(days=days),
        )

    with database.admin() as connection:
        note(1, "sync", True, 5)
        note(2, "sync", False, 1)
        note(20, "sync", True, 7)
        note(3, "oauth_refresh", True, 0)
        note(40, "sync", True, 100)
        note(1, "sync", True, 1000, name="mailchimp")
        summary = (
            "select action, total_count, success_count, failure_count, records_affected"
            " from get_integration_activity_summary(:w, 'airtable'"
        )
        month = query(connection, summary + ")", w=tenant.workspace_id)
        week = query(connection, summary + ", 7)", w=tenant.workspace_id)
    assert month == [("sync", 3, 2, 1, 13), ("oauth_refresh", 1, 1, 0, 0)]
    assert week == [("sync", 2, 1, 1, 6), ("oauth_refresh", 1, 1, 0, 0)]
