"""What the log says of a run that died: what the journal knows that it did."""

from uuid import UUID

import pytest
from sqlalchemy import text

from integrations_pipeline.model import RunStatus
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.sync_log import LogEnd, close_abandoned, close_log
from integrations_pipeline_tests.store.rows import add_tenant, execute, insert, query

DONE = (
    ("create", "applied", 3),
    ("create", "intended", 2),
    ("update", "applied", 2),
    ("delete", "applied", 1),
    ("link", "applied", 4),
    ("update", "failed", 2),
    ("update", "superseded", 5),
)


def test_rows_of_a_dead_run_are_closed_with_what_the_journal_knows(database: Database) -> None:
    with database.admin() as connection:
        tenant = add_tenant(connection, "mine")
        execute(connection, "delete from integration_changes")
        for kind, state, count in DONE:
            for _ in range(count):
                insert(
                    connection,
                    "integration_changes",
                    side="remote",
                    kind=kind,
                    state=state,
                    sync_log_id=tenant.sync_log_id,
                    connection_id=tenant.connection_id,
                    workspace_id=tenant.workspace_id,
                )
        other = insert(
            connection,
            "integration_sync_logs",
            direction="from_external",
            connection_id=tenant.connection_id,
            workspace_id=tenant.workspace_id,
        )
        assert close_abandoned(connection, tenant.connection_id, "it died") == 2
        statement = (
            "select status, records_created, records_updated, records_deleted, records_failed, errors->>0 "
            "from integration_sync_logs where id = :id"
        )
        assert query(connection, statement, id=tenant.sync_log_id) == [("failed", 3, 2, 1, 2, "it died")]
        assert query(connection, statement, id=other) == [("failed", 0, 0, 0, 0, "it died")]
        assert connection.execute(text("select count(*) from integration_sync_logs")).scalar() == 2


@pytest.mark.parametrize(
    ("count", "kept", "last"),
    [pytest.param(100, 100, "error 99", id="as many as fit"), pytest.param(102, 101, "and 2 more", id="too many")],
)
def test_a_run_with_very_many_errors_keeps_a_hundred_and_the_number_of_the_rest(
    database: Database, count: int, kept: int, last: str
) -> None:
    with database.admin() as connection:
        tenant = add_tenant(connection, "mine")
        errors = tuple(f"error {number}" for number in range(count))
        close_log(connection, UUID(str(tenant.sync_log_id)), LogEnd(status=RunStatus.FAILED, errors=errors))
        found = connection.execute(text("select errors from integration_sync_logs")).scalar_one()

    assert len(found) == kept
    assert found[-1] == last
