"""What subclasses tell about their syncs is in the tables as they told it, and a slip hides no error."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from integrations_pipeline import Integrations, SyncResult
from integrations_pipeline.cli.output import Exit
from integrations_pipeline.errors import ConfigurationError, RetryableError
from integrations_pipeline_tests.api.original import OriginalAirtable
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.environment import Environment

BEGAN = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
COLUMNS = "direction, status, records_created, records_deleted, records_skipped, duration_ms, started_at, completed_at"


@pytest.fixture
def sync(environment: Environment, integrations: Integrations) -> OriginalAirtable:
    found = OriginalAirtable(environment.add_workspace("acme"), integrations)
    found.save_config({"api_key": "k"})
    return found


def result(**told: Any) -> SyncResult:
    usual: dict[str, Any] = {"success": True, "direction": "to_external", "records_synced": 2, "records_created": 2}
    ended = BEGAN + timedelta(seconds=90)
    return SyncResult(**{**usual, "started_at": BEGAN, "completed_at": ended, **told})


@pytest.mark.parametrize("direction", ["to_external", "from_external", "bidirectional"])
def test_a_result_is_one_row_with_its_own_times_and_counts(
    environment: Environment, sync: OriginalAirtable, direction: str
) -> None:
    told = result(direction=direction, records_deleted=1, records_skipped=3, duration_ms=1500, metadata={"page": 7})

    sync.log_sync_activity(told)

    assert environment.rows(f"select {COLUMNS} from integration_sync_logs") == [
        (direction, "success", 2, 1, 3, 1500, BEGAN, BEGAN + timedelta(seconds=90))
    ]
    assert environment.rows("select metadata, errors from integration_sync_logs") == [({"page": 7}, [])]


def test_commands_show_rows_of_both_directions(environment: Environment, sync: OriginalAirtable, tmp_path: Any) -> None:
    sync.log_sync_activity(
        result(direction="bidirectional", started_at=datetime.now(UTC), completed_at=datetime.now(UTC))
    )

    assert "bidirectional" in run("logs", "--workspace", "acme").out
    assert run("report", "--output", str(tmp_path / "report.html")).code == Exit.DONE
    assert "both ways" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert run("status").code == Exit.DONE


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({}, "success"),
        ({"records_failed": 1, "errors": ["a record"]}, "partial"),
        ({"success": False, "errors": ["down"]}, "failed"),
    ],
)
def test_the_status_of_a_row_follows_from_success_and_failed_records(
    environment: Environment, sync: OriginalAirtable, told: dict[str, Any], status: str
) -> None:
    sync.log_sync_activity(result(**told))

    assert environment.rows("select status, errors from integration_sync_logs") == [(status, told.get("errors", []))]
    assert (sync.get_last_sync_at() is not None) is told.get("success", True)


def test_results_with_odd_but_sensible_values_are_logged(environment: Environment, sync: OriginalAirtable) -> None:
    naive = datetime(2026, 5, 1, 12)  # noqa: DTZ001 - what this is about
    odd: dict[str, Any] = {
        "records_created": None,
        "records_failed": 2.0,
        "errors": [f"line {i}" for i in range(150)],
        "metadata": {"rate": float("nan"), "who": {1, 2}, 3: BEGAN},
        "duration_ms": None,
    }

    sync.log_sync_activity(result(**odd, started_at=naive, completed_at=naive + timedelta(days=60)))
    sync.log_sync_activity(result(errors="one text", metadata=None, started_at=BEGAN + timedelta(days=1)))

    rows = environment.rows(
        "select records_created, records_failed, jsonb_array_length(errors), duration_ms, started_at "
        "from integration_sync_logs order by duration_ms desc"
    )
    assert rows[0] == (0, 2, 101, 2_147_483_647, naive.astimezone(UTC))
    assert rows[1][1:4] == (0, 1, 0)
    assert environment.rows("select metadata ->> 'rate' from integration_sync_logs where records_failed = 2") == [
        ("NaN",)
    ]


@pytest.mark.parametrize("wrong", [{"direction": "both"}, {"direction": ""}])
def test_a_result_of_no_direction_is_refused(sync: OriginalAirtable, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="is none of to_external, from_external, bidirectional"):
        sync.log_sync_activity(result(**wrong))
    with pytest.raises(ConfigurationError, match="expected a SyncResult, not dict"):
        sync.log_sync_activity({})  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    ("began", "took"),
    [
        (datetime.now, 0),
        (lambda: datetime.now(UTC), 0),
        (lambda: datetime.now(timezone(timedelta(hours=9))) - timedelta(seconds=2), 2),
        (lambda: time.time() - 3, 3),
        (lambda: None, 0),
        (lambda: float("inf"), 0),
        (lambda: datetime.now(UTC) + timedelta(days=1), 0),
    ],
)
def test_a_failed_result_can_be_made_of_any_start(sync: OriginalAirtable, began: Callable[[], Any], took: int) -> None:
    try:
        raise ValueError("no base")
    except ValueError as error:
        found = sync.create_failed_result("to_external", error, began())

    assert (found.success, found.errors, found.records_synced) == (False, ("no base",), 0)
    assert took * 1000 <= found.duration_ms < took * 1000 + 60_000
    assert found.started_at.tzinfo is UTC


def test_a_failed_result_takes_a_text_and_an_error_without_words(sync: OriginalAirtable) -> None:
    assert sync.create_failed_result("from_external", "no base").errors == ("no base",)
    assert sync.create_failed_result("bidirectional", RuntimeError()).errors == ("RuntimeError",)
    with pytest.raises(ConfigurationError, match="direction 'there' is none of"):
        sync.create_failed_result("there", RuntimeError())


def test_failures_of_the_service_do_not_lead_to_error_and_own_ones_do(
    environment: Environment, sync: OriginalAirtable
) -> None:
    for _ in range(4):
        sync.handle_sync_error(RetryableError("the service is down"))
    assert sync.get_status() == "active"

    for error in ("no base", ValueError("ann@example.org"), KeyError()):
        assert sync.get_status() == "active"
        sync.handle_sync_error(error)

    assert sync.get_status() == "error"
    messages = [
        row[0] for row in environment.rows("select error_message from integration_activity order by created_at")
    ]
    assert messages[-3:] == ["no base", "ValueError", "KeyError"]


def test_an_error_is_handled_although_the_database_is_away(sync: OriginalAirtable, caplog: Any) -> None:
    runtime = sync.runtime
    unreachable = type(runtime.database)("postgresql://nobody@127.0.0.1:9/none")
    away = OriginalAirtable(sync.workspace_id, replace(runtime, database=unreachable))

    away.handle_sync_error(ValueError("no base"))

    assert "a failed sync could not be logged" in caplog.text


def test_an_error_of_a_workspace_that_is_gone_hides_no_other(environment: Environment, sync: OriginalAirtable) -> None:
    with environment.wiring.database.admin() as connection:
        connection.exec_driver_sql("delete from workspaces")

    sync.handle_sync_error(ValueError("no base"))

    assert sync.create_failed_result("to_external", "no base").errors == ("no base",)


def test_an_activity_is_told_as_keywords_or_as_one_mapping(environment: Environment, sync: OriginalAirtable) -> None:
    sync.log_activity({"action": "exported", "success": True, "records_affected": 3, "metadata": {"at": BEGAN}})
    sync.log_activity(action="exported", success=False, error_message="x" * 5000, records_affected=None)

    rows = environment.rows(
        "select action, success, records_affected, length(error_message), metadata "
        "from integration_activity order by success desc"
    )
    assert rows == [
        ("exported", True, 3, None, {"at": str(BEGAN)}),
        ("exported", False, 0, 1000, {}),
    ]


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"success": True}, "the action of an activity is a text"),
        ({"action": "x" * 101, "success": True}, "the action of an activity is a text of 1 to 100 characters"),
        ({"action": "a"}, "give success=True or success=False"),
        ({"action": "a", "success": "yes"}, "give success=True or success=False"),
        ({"action": "a", "success": True, "records_affected": -1}, "records_affected is no whole number"),
        ({"action": "a", "success": True, "records_affected": "3"}, "records_affected is no whole number"),
        ({"action": "a", "success": True, "metadata": [1]}, "metadata is no dict"),
        ({"action": "a", "success": True, "who": "me"}, "unknown field 'who' of an activity"),
    ],
)
def test_an_activity_that_the_table_cannot_hold_is_refused_in_one_line(
    environment: Environment, sync: OriginalAirtable, told: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigurationError, match=line):
        sync.log_activity(told)

    assert environment.rows("select 1 from integration_activity") == []
