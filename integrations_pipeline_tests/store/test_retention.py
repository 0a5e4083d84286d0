"""What goes by age and what stays however old, in our own tables."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from integrations_pipeline.model import Side
from integrations_pipeline.store import alerts, changes, contacts, retention
from integrations_pipeline.store.dagster_log import DagsterRetention
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.retention import RULES
from integrations_pipeline_tests.store.rows import add_connection, execute, insert, query

NOW = datetime.now(UTC)
KEEP = {rule.what: rule.keep_days for rule in RULES}


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture
def ids(database: Database) -> dict[str, UUID]:
    """A workspace with a connection, as the columns of its rows name them."""
    with database.admin() as connection:
        workspace_id = insert(connection, "workspaces", name="a", slug="a")
        return {"workspace_id": workspace_id, "connection_id": add_connection(connection, workspace_id, "airtable")}


def add_change(connection: Connection, ids: Mapping[str, UUID], days: float, **values: object) -> UUID:
    at = days_ago(days)
    row = {"side": "remote", "kind": "update", "contact_id": uuid4(), "created_at": at, "updated_at": at, **values}
    return insert(connection, "integration_changes", **ids, **row)


def left(connection: Connection, table: str) -> set[UUID]:
    return {row.id for row in query(connection, f"select id from {table}")}


@pytest.mark.parametrize(
    ("values", "keep_days"),
    [
        pytest.param({"state": "applied"}, KEEP["changes"], id="applied"),
        pytest.param({"state": "superseded"}, KEEP["changes"], id="superseded"),
        pytest.param({"state": "undone"}, KEEP["changes"], id="undone"),
        pytest.param({"state": "applied", "conflict": "{}"}, KEEP["changes"], id="a conflict that was decided"),
        pytest.param({"state": "planned", "plan_id": uuid4()}, KEEP["previews"], id="a preview that waits"),
        pytest.param({"state": "held", "kind": "delete"}, None, id="a held delete"),
        pytest.param({"state": "held", "conflict": "{}"}, None, id="an open conflict"),
        pytest.param({"state": "failed"}, None, id="a dead letter"),
        pytest.param({"state": "skipped"}, None, id="a record set aside"),
        pytest.param({"state": "intended", "run_id": uuid4()}, None, id="what a dead run left"),
        pytest.param({"state": "planned", "run_id": uuid4()}, None, id="what a dead run had planned"),
    ],
)
def test_changes(database: Database, ids: dict[str, UUID], values: Mapping[str, object], keep_days: int | None) -> None:
    with database.admin() as connection:
        old = add_change(connection, ids, (keep_days or 3650) + 1, **values)
        young = add_change(connection, ids, (keep_days or 3650) - 1, **values)

    retention.trim(database, NOW)

    with database.admin() as connection:
        assert left(connection, "integration_changes") == ({young} if keep_days else {old, young})


def test_a_change_that_was_touched_lately_stays(database: Database, ids: dict[str, UUID]) -> None:
    with database.admin() as connection:
        undone = add_change(connection, ids, 300, state="applied")
        execute(connection, "update integration_changes set state = 'undone'")

    retention.trim(database, NOW)

    with database.admin() as connection:
        assert left(connection, "integration_changes") == {undone}


def add_log(connection: Connection, ids: Mapping[str, UUID], days: float, **values: object) -> UUID:
    row = {"direction": "to_external", "status": "success", "started_at": days_ago(days), **values}
    return insert(connection, "integration_sync_logs", **ids, **row)


@pytest.mark.parametrize(
    ("values", "keep_days"),
    [
        pytest.param({"records_unchanged": 9, "records_held": 1}, KEEP["quiet_logs"], id="nothing done"),
        pytest.param({"records_updated": 1}, KEEP["sync_logs"], id="something done"),
        pytest.param({"errors": '["x"]'}, KEEP["sync_logs"], id="an error told"),
        pytest.param({"status": "failed"}, KEEP["sync_logs"], id="failed"),
        pytest.param({"status": "refused"}, KEEP["sync_logs"], id="refused"),
        pytest.param({"status": "running"}, None, id="open: for the caretaker of lost runs"),
    ],
)
def test_log_rows(
    database: Database, ids: dict[str, UUID], values: Mapping[str, object], keep_days: int | None
) -> None:
    with database.admin() as connection:
        old = add_log(connection, ids, (keep_days or 3650) + 1, **values)
        young = add_log(connection, ids, (keep_days or 3650) - 1, **values)
        newest = add_log(connection, ids, 1)

    retention.trim(database, NOW)

    with database.admin() as connection:
        assert left(connection, "integration_sync_logs") == {young, newest} | (set() if keep_days else {old})


def test_the_newest_log_row_of_each_direction_stays_however_old(database: Database, ids: dict[str, UUID]) -> None:
    with database.admin() as connection:
        for direction in ("to_external", "from_external"):
            for days in (900, 800, 700):
                add_log(connection, ids, days, direction=direction)

    assert retention.trim(database, NOW)["quiet_logs"] == 4

    with database.admin() as connection:
        found = query(connection, "select direction, started_at from integration_sync_logs order by direction")
    assert [(row.direction, (NOW - row.started_at).days) for row in found] == [
        ("from_external", 700),
        ("to_external", 700),
    ]


def test_a_log_row_stays_while_the_journal_points_to_it_and_no_change_is_touched(
    database: Database, ids: dict[str, UUID]
) -> None:
    """Else old applied deletes would count as today's, and use up the budget for deletes."""
    with database.admin() as connection:
        log_id = add_log(connection, ids, 200, records_deleted=1)
        add_log(connection, ids, 1)
        held = add_change(connection, ids, 200, state="held", kind="delete", sync_log_id=log_id)
        applied = add_change(connection, ids, 89, state="applied", kind="delete", sync_log_id=log_id)

    retention.trim(database, NOW)

    with database.admin() as connection:
        assert log_id in left(connection, "integration_sync_logs")
        assert left(connection, "integration_changes") == {held, applied}
        assert changes.made_in_last_day(connection, ids["connection_id"]) == {}
        assert not any(side is Side.REMOTE for side, _, _ in changes.made_in_last_day(connection, ids["connection_id"]))


def test_activity_and_pace(database: Database, ids: dict[str, UUID]) -> None:
    with database.admin() as connection:
        for days in (91, 89):
            values = {"integration_name": "airtable", "action": "x", "success": True, "created_at": days_ago(days)}
            insert(connection, "integration_activity", workspace_id=ids["workspace_id"], **values)
        execute(
            connection,
            "insert into provider_rate_limits values ('old', now() - interval '3 days'), ('new', now())",
        )

    gone = retention.trim(database, NOW)

    assert (gone["activity"], gone["rate_limits"]) == (1, 1)


def test_contacts_links_and_connections_are_never_touched(database: Database, ids: dict[str, UUID]) -> None:
    with database.admin() as connection:
        old = days_ago(3650)
        contact_id = insert(
            connection,
            "workspace_contacts",
            workspace_id=ids["workspace_id"],
            email="a@example.org",
            created_at=old,
            updated_at=old,
            deleted_at=old,
        )
        execute(
            connection,
            "insert into integration_links values "
            "(:connection_id, :contact_id, :workspace_id, 'rec1', '{}', null, null, 1, :at, :at)",
            contact_id=contact_id,
            at=old,
            **ids,
        )
        retention.trim(database, NOW)
        assert query(connection, "select count(*) from integration_links") == [(1,)]
        assert contacts.contact_ids_by_email(connection, ids["workspace_id"], ["a@example.org"]) == []
        assert left(connection, "workspace_contacts") == {contact_id}


def test_many_rows_go_in_small_transactions_and_all_of_them(database: Database, ids: dict[str, UUID]) -> None:
    with database.admin() as connection:
        for _ in range(25):
            add_change(connection, ids, 100, state="applied")

    assert retention.trim(database, NOW, batch=10)["changes"] == 25


@pytest.mark.parametrize("what", ["changes", "sync_logs", "nonsense"])
def test_what_runs_still_need_cannot_be_trimmed_by_mistake(database: Database, what: str) -> None:
    until = days_ago(1) if what != "nonsense" else days_ago(100)
    with pytest.raises(DBAPIError, match=r"too recent|what is"), database.admin() as connection:
        query(connection, "select integrations_trim(:what, :until, 1)", what=what, until=until)


def live_quietly(connection: Connection, ids: Mapping[str, UUID], since: datetime, days: int) -> None:
    """Two rows every two hours of so many days, of runs that found nothing to do."""
    statement = (
        "insert into integration_sync_logs (workspace_id, connection_id, direction, run_id, status, started_at) "
        "select :workspace_id, :connection_id, direction, gen_random_uuid(), 'success', at "
        "from generate_series(cast(:since as timestamptz), cast(:until as timestamptz), interval '2 hours') as at, "
        "unnest(array['to_external', 'from_external']) as direction"
    )
    execute(connection, statement, **ids, since=since, until=since + timedelta(days=days, seconds=-1))


def test_the_log_of_quiet_runs_stops_growing_after_the_days_that_it_is_kept(
    database: Database, ids: dict[str, UUID]
) -> None:
    first = days_ago(3)
    with database.admin() as connection:
        live_quietly(connection, ids, first - timedelta(days=30), 30)
    counts = []
    for day in range(3):
        now = first + timedelta(days=day)
        retention.trim(database, now)
        with database.admin() as connection:
            counts.append(len(left(connection, "integration_sync_logs")))
            live_quietly(connection, ids, now, 1)

    assert counts == [KEEP["quiet_logs"] * 12 * 2] * 3


def test_operators_are_told_how_long_each_kind_of_row_is_kept() -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "operations.md"
    told = re.findall(r"^\| (.+?) \| (\d+) days\b", page.read_text(encoding="utf-8"), re.MULTILINE)
    dagsters = DagsterRetention()
    assert {what: int(days) for what, days in told} == {
        "`integration_changes`, over (`applied`, `superseded`, `undone`)": KEEP["changes"],
        "previews that nobody applied": KEEP["previews"],
        "`integration_sync_logs` of runs that found nothing to do": KEEP["quiet_logs"],
        "other `integration_sync_logs`": KEEP["sync_logs"],
        "`integration_activity`": KEEP["activity"],
        "`integration_alerts`": alerts.KEEP_DAYS,
        "Dagster's events of assets": dagsters.asset_event_days,
        "Dagster's runs, other events, backfills, evaluations, ticks": dagsters.run_days,
    }
