"""What a first load costs: rows, statements and Python calls for each person who comes from a provider."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.costs.counting import Statements, python_calls
from integrations_pipeline_tests.sync.arrangement import World, open_world, people
from integrations_sandbox import SandboxOptions, SandboxServer

#: Python calls for a newcomer: the page, the plan, the load and the log together.
MOST_CALLS = 300


@pytest.fixture
def world(sandbox: SandboxServer, database: Database) -> Iterator[World]:
    with open_world(sandbox, database) as world:
        yield world


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


def test_a_newcomer_is_one_row_in_each_table_and_each_is_written_once(world: World) -> None:
    tenant = world.tenant()
    tenant.add_remote(*people(150))
    tenant.sync()
    with world.database.admin() as connection:
        for table in ("workspace_contacts", "integration_links", "integration_changes"):
            # A row that is updated moves, and leaves its first place behind.
            found = connection.execute(
                text(f"select count(*), count(*) filter (where updated_at <> created_at) from {table}")
            )
            assert tuple(found.one()) == (150, 0), table


def test_newcomers_are_written_by_one_statement_a_batch(world: World) -> None:
    counts = []
    for slug, count in (("few", 10), ("many", 95)):
        tenant = world.tenant(slug)
        tenant.add_remote(*people(count))
        with Statements() as statements:
            report = tenant.sync()
        assert report.results[1].records_created == count
        writes = [each for each, _ in statements.seen if "insert into workspace_contacts" in each]
        assert len(writes) == 1
        assert "insert into integration_links" in writes[0]
        assert "insert into integration_changes" in writes[0]
        counts.append(len(statements.seen))
    assert counts[0] == counts[1]


def test_a_newcomer_costs_few_python_calls(world: World) -> None:
    calls = []
    for slug, count in (("few", 100), ("many", 900)):
        tenant = world.tenant(slug)
        tenant.add_remote(*people(count))
        calls.append(python_calls(tenant.sync))
    assert (calls[1] - calls[0]) / 800 <= MOST_CALLS
