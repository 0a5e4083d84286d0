"""What a workspace with nothing to do costs a fleet: counted, so that it cannot come back unnoticed.

A thousand of them are looked at every 15 minutes. What Dagster keeps of them is counted in `orchestration.test_quiet`.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from integrations_pipeline.model import COUNT_NAMES
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.tables import METADATA
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline_tests.costs.counting import Statements, python_calls, row_versions
from integrations_pipeline_tests.sync.arrangement import Tenant, open_world, people
from integrations_sandbox import SandboxOptions, SandboxServer

#: What it is now, with little to spare.
MOST_STATEMENTS, MOST_CALLS = 19, 8_900
#: Of one row of the log as it lies in its table; with its indexes about 0.6 KB.
MOST_BYTES = 240


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture
def tenant(sandbox: SandboxServer, database: Database) -> Iterator[Tenant]:
    """A workspace whose syncs have nothing left to do."""
    with open_world(sandbox, database) as world:
        tenant = world.tenant()
        tenant.add_local(*people(3))
        tenant.add_remote(*people(3, first=100))
        tenant.sync()
        tenant.sync()
        yield tenant


def sync(tenant: Tenant) -> SyncReport:
    return run_sync(tenant.world.runtime, tenant.request())


def versions(tenant: Tenant) -> dict[str, set[tuple[object, ...]]]:
    with tenant.world.database.admin() as connection:
        return {name: set(row_versions(connection, name)) for name in METADATA.tables}


def test_it_costs_one_request_and_few_statements(tenant: Tenant) -> None:
    with Statements() as statements:
        report = sync(tenant)
    assert report.api_calls == 1
    assert not any(getattr(result, name) for result in report.results for name in COUNT_NAMES)
    asked = [statement for statement, _ in statements.seen]
    assert len(asked) <= MOST_STATEMENTS, "\n".join(asked)


def test_it_calls_little_python(tenant: Tenant) -> None:
    sync(tenant)
    calls = python_calls(lambda: sync(tenant))
    assert calls <= MOST_CALLS, f"{calls} calls"


def test_it_writes_two_small_log_rows_and_its_connection(tenant: Tenant) -> None:
    before = versions(tenant)
    sync(tenant)
    after = versions(tenant)
    written = {name: len(after[name] - before[name]) for name in after if after[name] != before[name]}
    assert written == {"integration_sync_logs": 2, "integration_connections": 1}
    with tenant.world.database.admin() as connection:
        size = "select max(pg_column_size(l.*)) from integration_sync_logs l where records_created = 0"
        assert connection.execute(text(size)).scalar_one() <= MOST_BYTES
