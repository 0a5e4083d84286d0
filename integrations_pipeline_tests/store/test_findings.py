"""What the last full comparison of a connection found, among the findings of its provider."""

import json
from datetime import UTC, datetime

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.health import Finding, read_health
from integrations_pipeline.store.verification import ACTION
from integrations_pipeline_tests.store.rows import Tenant, add_tenant, insert


def test_only_the_last_comparison_counts_and_only_if_pairs_differed(database: Database) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    with database.admin() as connection:

        def compared(tenant: Tenant, day: int, differing: int) -> None:
            told = json.dumps({"connection_id": str(tenant.connection_id), "compared": 10})
            insert(
                connection,
                "integration_activity",
                workspace_id=tenant.workspace_id,
                integration_name="gmail",
                action=ACTION,
                success=not differing,
                records_affected=differing,
                metadata=told,
                created_at=now.replace(day=day),
            )

        acme, mended = add_tenant(connection, "acme"), add_tenant(connection, "mended")
        add_tenant(connection, "never-compared")
        compared(acme, 30, 0)
        compared(acme, 31, 3)
        compared(mended, 30, 2)
        compared(mended, 31, 0)
        found = read_health(connection, "gmail", now)

    assert found.of(Finding.INCONSISTENT) == {"acme": 3}
