"""A look at the fleet as the database has it: what is written, once, and what is remembered."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from uuid import UUID

import pytest
from sqlalchemy import Connection

from integrations_pipeline.alerts.watch import look, tell
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store import alerts
from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.alerts.receiver import Receiver
from integrations_pipeline_tests.store.rows import add_connection, execute, insert, query

NOW = datetime.now(UTC)


def clock() -> datetime:
    return NOW


@pytest.fixture
def ids(database: Database) -> dict[str, UUID]:
    """A workspace with a connection that is well, as the columns of its rows name them."""
    with database.admin() as connection:
        workspace_id = insert(connection, "workspaces", name="acme", slug="acme")
        return {
            "workspace_id": workspace_id,
            "connection_id": add_connection(
                connection, workspace_id, "airtable", last_sync_at=NOW, next_sync_at=NOW + timedelta(minutes=15)
            ),
        }


def change(database: Database, statement: str) -> None:
    with database.admin() as connection:
        execute(connection, statement)


def wait_for(connection: Connection, ids: dict[str, UUID], kind: str, **values: object) -> UUID:
    return insert(connection, "integration_agenda", kind=kind, **{**ids, **values})


def told(database: Database) -> list[str]:
    """The titles of all alerts, and of the fleet's the count too, in their order."""
    with database.admin() as connection:
        rows = query(connection, "select text, state from integration_alerts order by ordinal")
    return [row.text.splitlines()[0] + (" (summed)" if row.state == "summed" else "") for row in rows]


def test_a_fleet_that_is_well_has_no_alerts(database: Database, ids: dict[str, UUID]) -> None:
    assert look(database, clock) == 0


def test_error_and_recovery_are_told_once_each(database: Database, ids: dict[str, UUID]) -> None:
    change(database, "update integration_connections set status = 'error', error_count = 3")
    assert [look(database, clock) for _ in range(3)] == [1, 0, 0]
    change(database, "update integration_connections set status = 'active', error_count = 0")
    assert [look(database, clock) for _ in range(3)] == [1, 0, 0]
    assert told(database) == [
        "acme airtable: in error after 3 failed runs",
        "acme airtable: active again (was in error)",
    ]


def test_everything_that_waits_is_counted_from_the_agenda(database: Database, ids: dict[str, UUID]) -> None:
    old = NOW - timedelta(days=2)
    with database.admin() as connection:
        for kind in ("held_delete", "held_clear", "held_email", "held_create", "held_place"):
            wait_for(connection, ids, kind)
        wait_for(connection, ids, "held_delete", decision="approved", decided_at=NOW)
        wait_for(connection, ids, "conflict", field="name", created_at=old)
        wait_for(connection, ids, "conflict", field="phone", created_at=NOW)
        wait_for(connection, ids, "conflict", field="tags", created_at=old, decision="local", decided_at=NOW)
        wait_for(connection, ids, "stopped_field", field="company")
        for kind in ("retry", "ambiguous", "skipped", "failed", "refused"):
            wait_for(connection, ids, kind)
    look(database, clock)
    assert told(database) == [
        "acme airtable: 5 changes held",
        "acme airtable: 1 conflict open for more than a day",
        "acme airtable: fields stopped: company",
    ]
    change(database, "delete from integration_agenda")
    look(database, clock)
    assert told(database)[3:] == [
        "acme airtable: nothing is held any more",
        "acme airtable: no conflict is open for more than a day",
        "acme airtable: fields came back: company",
    ]


def test_the_newest_certificate_counts_and_other_activity_does_not(database: Database, ids: dict[str, UUID]) -> None:
    def note(minutes: int, action: str, success: bool, name: str = "airtable") -> None:
        row = {"integration_name": name, "action": action, "success": success, "workspace_id": ids["workspace_id"]}
        with database.admin() as connection:
            insert(connection, "integration_activity", created_at=NOW + timedelta(minutes=minutes), **row)

    note(0, "verify", False)
    note(1, "verify", True)
    note(2, "sync_failed", False)
    note(3, "verify", False, name="gmail")
    assert look(database, clock) == 0
    note(4, "verify", False)
    look(database, clock)
    note(5, "verify", True)
    look(database, clock)
    assert told(database) == ["acme airtable: the certificate failed", "acme airtable: the certificate holds again"]


@pytest.mark.parametrize(
    ("values", "is_stale"),
    [
        pytest.param("last_sync_at = now() - interval '31 minutes'", True, id="late"),
        pytest.param("last_sync_at = null, created_at = now() - interval '31 minutes'", True, id="never synced"),
        pytest.param("last_sync_at = null, next_sync_at = null", False, id="just made"),
        pytest.param("sync_frequency_minutes = 60, last_sync_at = now() - interval '100 minutes'", False, id="slow"),
    ],
)
def test_stale_is_not_synced_within_twice_the_frequency(
    database: Database, ids: dict[str, UUID], values: str, is_stale: bool
) -> None:
    change(database, f"update integration_connections set {values}")
    assert look(database, lambda: datetime.now(UTC)) == is_stale


def test_a_thousand_connections_in_error_at_once_are_one_message(
    database: Database, ids: dict[str, UUID], receiver: Receiver
) -> None:
    with database.admin() as connection:
        execute(
            connection,
            "insert into workspaces (slug, name) "
            "select 'w' || lpad(n::text, 4, '0'), 'w' from generate_series(1, 1000) n",
        )
        execute(
            connection,
            "insert into integration_connections (workspace_id, integration_type, status, error_count) "
            "select id, 'airtable', 'error', 3 from workspaces where slug <> 'acme'",
        )
    report = tell(database, "X", [receiver.address], clock)

    assert (report.written, report.sent) == (1001, 1)
    assert receiver.titles == ["1,000 connections: in error"]
    assert "w0001 airtable, w0002 airtable" in receiver.messages[0]["message"]
    assert tell(database, "X", [receiver.address], clock).written == 0
    with database.admin() as connection:
        rows = alerts.list_alerts(connection, None, 2000)
    assert [row["state"] for row in rows] == ["sent", *["summed"] * 1000]


def test_two_looks_at_once_write_each_change_once(database: Database, ids: dict[str, UUID]) -> None:
    for status in ("error", "disconnected", "error", "active"):
        change(database, f"update integration_connections set status = '{status}'")
        start = Barrier(6)

        def work(start: Barrier = start) -> None:
            start.wait()
            look(database, clock)

        threads = [Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [title.split(": ")[1].split(" (")[0].split(" after")[0] for title in told(database)] == [
        "in error",
        "disconnected",
        "in error",
        "active again",
    ]


def test_what_was_last_told_is_told_by_the_order_of_writing_not_by_clocks(
    database: Database, ids: dict[str, UUID]
) -> None:
    change(database, "update integration_connections set status = 'error'")
    look(database, lambda: NOW + timedelta(hours=1))
    change(database, "update integration_connections set status = 'active'")
    assert [look(database, clock) for _ in range(2)] == [1, 0]


def test_alerts_go_with_their_connection(database: Database, ids: dict[str, UUID]) -> None:
    change(database, "update integration_connections set status = 'error'")
    look(database, clock)
    change(database, "delete from integration_connections")
    assert look(database, clock) == 0
    assert told(database) == []


def test_a_wrong_address_is_told_when_the_others_were_served(
    database: Database, ids: dict[str, UUID], receiver: Receiver
) -> None:
    change(database, "update integration_connections set status = 'error'")
    with pytest.raises(ConfigurationError, match="destination 1"):
        tell(database, "X", ["slak://x", receiver.address], clock)
    assert len(receiver.titles) == 1


def test_alerts_hold_no_personal_data_and_no_message_of_others(
    database: Database, ids: dict[str, UUID], receiver: Receiver
) -> None:
    secret = "ann@example.org"
    with database.admin() as connection:
        execute(
            connection,
            "update integration_connections set status = 'error', error_count = 3, error_message = :text, "
            "settings = jsonb_build_object('a', cast(:text as text))",
            text=secret,
        )
        wait_for(connection, ids, "held_delete", fields='{"before": {"email": "ann@example.org"}}', reason=secret)
        wait_for(connection, ids, "conflict", field="name", reason=secret, created_at=NOW - timedelta(days=9))
        wait_for(connection, ids, "stopped_field", field="company", reason=secret, external_id=secret)
    tell(database, "X", [receiver.address], clock)
    assert len(receiver.messages) == 4
    assert secret not in str(receiver.messages)


@pytest.fixture
def old(database: Database, ids: dict[str, UUID]) -> datetime:
    """Alerts of long ago: two of one kind, one of another, one of the fleet and one that waits."""
    at = NOW - timedelta(days=alerts.KEEP_DAYS + 1)
    rows = [("holds", "sent", ids), ("holds", "sent", ids), ("stale", "summed", ids), ("stale", "sent", {})]
    with database.admin() as connection:
        for kind, state, owner in [*rows, ("stale", "waiting", {})]:
            insert(connection, "integration_alerts", kind=kind, text="x", state=state, created_at=at, **owner)
    return at


def test_old_alerts_go_but_for_what_was_last_told_and_what_waits(database: Database, old: datetime) -> None:
    assert alerts.trim(database, NOW, batch=1) == 2
    with database.admin() as connection:
        left = query(connection, "select kind, state from integration_alerts order by ordinal")
    assert [tuple(row) for row in left] == [("holds", "sent"), ("stale", "summed"), ("stale", "waiting")]
