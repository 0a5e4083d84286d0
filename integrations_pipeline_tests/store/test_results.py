"""The log row of a sync that was no run of ours, and workspaces that are looked up for one."""

from datetime import UTC, datetime

from integrations_pipeline.model import Direction, SyncResult
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.fleet import read_candidate
from integrations_pipeline.store.sync_log import record_result
from integrations_pipeline_tests.store.rows import add_tenant, query

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_counts_of_a_program_are_kept_as_told_and_never_below_zero(database: Database) -> None:
    result = SyncResult(
        success=True,
        direction=Direction.TO_EXTERNAL,
        records_synced=3,
        records_created=3,
        records_updated=0,
        records_failed=-1,
        started_at=NOON,
        completed_at=NOON,
    )
    with database.admin() as connection:
        tenant = add_tenant(connection, "acme")
        record_result(connection, tenant.workspace_id, tenant.connection_id, result)
        (row,) = query(connection, "select * from integration_sync_logs where completed_at = :noon", noon=NOON)

    assert (row.records_created, row.records_updated, row.records_failed) == (3, 0, 0)


def test_a_workspace_that_is_not_there_any_more_is_nobody_to_sync(database: Database) -> None:
    with database.admin() as connection:
        tenant = add_tenant(connection, "acme")
        found = read_candidate(connection, "acme", "gmail")
        without = read_candidate(connection, "acme", "airtable")
        assert read_candidate(connection, "gone", "gmail") is None

    assert found is not None
    assert without is not None
    assert (found.workspace_id, found.connection_id) == (tenant.workspace_id, tenant.connection_id)
    assert (without.workspace_id, without.connection_id) == (tenant.workspace_id, None)
