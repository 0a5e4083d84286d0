"""What is not as it should be, told for all workspaces at once: a table of states, one provider at a time."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.health import Finding, read_health
from integrations_pipeline_tests.store.rows import add_connection, insert

NOW = datetime.now(UTC)


def add(
    connection: Connection, slug: str, provider: str = "airtable", values: Mapping[str, object] | None = None
) -> tuple[UUID, UUID]:
    """A workspace with a connection that was synced a minute ago; returns both ids."""
    minute_ago = NOW - timedelta(minutes=1)
    workspace_id = insert(connection, "workspaces", name=slug, slug=slug)
    fresh = {"last_sync_at": minute_ago, "next_sync_at": NOW + timedelta(minutes=14), **(values or {})}
    return workspace_id, add_connection(connection, workspace_id, provider, **fresh)


def findings(connection: Connection) -> dict[str, dict[str, int]]:
    return {name.value: dict(found) for name, found in read_health(connection, "airtable", NOW).findings.items()}


HOUR_AGO = NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, {}, id="well"),
        pytest.param({"status": "error", "error_count": 3}, {"stopped": {"a": 3}}, id="stopped by failures"),
        pytest.param({"status": "disconnected"}, {"stopped": {"a": 0}}, id="authorisation lost"),
        pytest.param({"error_count": 2}, {"failing": {"a": 2}}, id="failing, tried again"),
        pytest.param({"status": "paused"}, {}, id="paused by a person"),
        pytest.param({"sync_enabled": False, "error_count": 2, "last_sync_at": HOUR_AGO}, {}, id="disabled"),
        pytest.param({"last_sync_at": HOUR_AGO}, {"stale": {"a": 60}}, id="older than twice its frequency"),
        pytest.param({"last_sync_at": HOUR_AGO, "sync_frequency_minutes": 31}, {}, id="not older than that"),
        pytest.param(
            {"last_sync_at": None, "created_at": HOUR_AGO}, {"stale": {"a": 60}}, id="never synced since it was made"
        ),
        pytest.param({"last_sync_at": HOUR_AGO, "next_sync_at": None}, {}, id="enabled a moment ago"),
        pytest.param({"last_full_at": NOW - timedelta(hours=26)}, {"unread": {"a": 26}}, id="not read whole for long"),
        pytest.param({"last_full_at": NOW - timedelta(hours=24.4)}, {}, id="the next run does it"),
        pytest.param(
            {"last_full_at": NOW - timedelta(hours=26), "sync_frequency_minutes": 70}, {}, id="which is not so often"
        ),
        pytest.param({"created_at": NOW - timedelta(hours=30)}, {"unread": {"a": 30}}, id="never read whole"),
        pytest.param({"last_full_at": NOW - timedelta(days=9), "next_sync_at": None}, {}, id="enabled just now"),
        pytest.param(
            {"last_sync_at": HOUR_AGO, "error_count": 1}, {"failing": {"a": 1}, "stale": {"a": 60}}, id="both"
        ),
    ],
)
def test_the_state_of_a_connection(
    database: Database, values: Mapping[str, object], expected: Mapping[str, Mapping[str, int]]
) -> None:
    with database.admin() as connection:
        add(connection, "a", values=values)
        add(connection, "b")
        add(connection, "c", "gmail", {"status": "error", "last_sync_at": HOUR_AGO, "error_count": 9})

        assert findings(connection) == expected
        checked = read_health(connection, "airtable", NOW).checked
    assert checked == 2 - (values.get("sync_enabled") is False)


def add_item(connection: Connection, ids: tuple[UUID, UUID], **values: object) -> None:
    insert(connection, "integration_agenda", workspace_id=ids[0], connection_id=ids[1], **values)


def add_change(connection: Connection, ids: tuple[UUID, UUID], **values: object) -> None:
    row = {"side": "remote", "kind": "update", "contact_id": uuid4(), **values}
    insert(connection, "integration_changes", workspace_id=ids[0], connection_id=ids[1], **row)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"kind": "held_delete"}, {"held_deletes": {"a": 1}}),
        ({"kind": "held_clear"}, {"held_deletes": {"a": 1}}),
        ({"kind": "held_delete", "decision": "approved", "decided_at": NOW}, {}),
        ({"kind": "conflict"}, {"open_conflicts": {"a": 1}}),
        ({"kind": "failed"}, {"dead_letters": {"a": 1}}),
        ({"kind": "refused"}, {"dead_letters": {"a": 1}}),
        ({"kind": "stopped_field", "field": "phone"}, {"stopped_fields": {"a": 1}}),
        ({"kind": "ambiguous"}, {}),
        ({"kind": "skipped"}, {}),
        ({"kind": "retry"}, {}),
    ],
)
def test_what_waits_for_a_person(
    database: Database, item: Mapping[str, object], expected: Mapping[str, Mapping[str, int]]
) -> None:
    with database.admin() as connection:
        add_item(connection, add(connection, "a"), **item)
        add_item(connection, add(connection, "b", "gmail"), **item)

        assert findings(connection) == expected


def add_log(connection: Connection, ids: tuple[UUID, UUID], run_id: UUID, **values: object) -> None:
    row = {
        "direction": "to_external",
        "status": "success",
        "completed_at": NOW,
        "started_at": NOW,
        "run_id": run_id,
        "metadata": '{"read": "complete"}',
        **values,
    }
    insert(connection, "integration_sync_logs", workspace_id=ids[0], connection_id=ids[1], **row)


@pytest.mark.parametrize(
    ("log", "journal", "is_wrong"),
    [
        pytest.param({}, [], False, id="nothing done"),
        pytest.param({"records_updated": 1}, ["applied"], False, id="agrees"),
        pytest.param({"records_updated": 2}, ["applied"], True, id="the log counts more"),
        pytest.param({"records_updated": 1}, ["applied", "applied"], True, id="the journal counts more"),
        pytest.param({"records_created": 1, "records_deleted": 1}, ["applied", "undone"], False, id="undone later"),
        pytest.param({"records_updated": 1, "records_failed": 1}, ["applied", "failed"], False, id="one failed"),
        pytest.param({"records_unchanged": -1}, [], True, id="below zero"),
        pytest.param({"records_updated": 9, "metadata": "{}"}, [], False, id="logged by hand"),
        pytest.param({"records_updated": 9, "completed_at": None, "status": "running"}, [], False, id="at work"),
        pytest.param({"records_updated": 1, "direction": "from_external"}, ["applied"], True, id="of the other side"),
    ],
)
def test_counts_that_do_not_agree_with_the_journal(
    database: Database, log: Mapping[str, object], journal: list[str], is_wrong: bool
) -> None:
    run_id = uuid4()
    with database.admin() as connection:
        ids = add(connection, "a")
        older = {**log, "started_at": HOUR_AGO, "records_unchanged": -9}  # only the newest row is looked at
        add_log(connection, ids, uuid4(), **(older if "completed_at" not in log else {}))
        add_log(connection, ids, run_id, **log)
        for state in journal:
            add_change(connection, ids, run_id=run_id, state=state)

        assert ("counts" in findings(connection)) is is_wrong


def test_a_contact_with_two_changes_counts_once(database: Database) -> None:
    run_id, contact_id = uuid4(), uuid4()
    with database.admin() as connection:
        ids = add(connection, "a")
        add_log(connection, ids, run_id, records_updated=1, records_failed=1)
        add_change(connection, ids, run_id=run_id, state="applied", contact_id=contact_id)
        add_change(connection, ids, run_id=run_id, state="applied", contact_id=contact_id, kind="create")
        for state in ("applied", "failed"):  # one that failed in part counts as failed
            add_change(connection, ids, run_id=run_id, state=state, contact_id=ids[0])

        assert findings(connection) == {}


def test_findings_can_be_taken_together_the_largest_first(database: Database) -> None:
    with database.admin() as connection:
        add(connection, "a", values={"status": "error", "error_count": 3})
        add(connection, "b", values={"error_count": 2})
        add(connection, "c", values={"status": "error", "error_count": 5})
        health = read_health(connection, "airtable", NOW)

    assert list(health.of(Finding.STOPPED, Finding.FAILING).items()) == [("c", 5), ("a", 3), ("b", 2)]
    assert health.of(Finding.STALE) == {}
