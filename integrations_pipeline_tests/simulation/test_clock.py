"""The fake clock is the only one: for every role, default, trigger and function, and in all that a history leaves."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

import integrations_pipeline
from integrations_pipeline_tests.simulation.clock import MICROSECOND, START
from integrations_pipeline_tests.simulation.history import tell
from integrations_pipeline_tests.simulation.world import StrictWorld
from integrations_pipeline_tests.store.rows import add_tenant, execute, insert, query
from integrations_pipeline_tests.sync.clocked import NO_LIMIT, Worlds

SOON, DAY = timedelta(seconds=1), timedelta(days=1)
TABLES = text("select table_name from information_schema.tables where table_schema = 'public' order by 1")
TIME = re.compile(r"\b(\d{4})-\d\d-\d\d[T ]\d\d:\d\d")
#: What runs write; a history leaves times in all of it.
WRITTEN = {
    "workspaces",
    "workspace_contacts",
    "integration_connections",
    "integration_links",
    "integration_changes",
    "integration_sync_logs",
    "provider_rate_limits",
}
#: Other names of the machine's clock, which the fake one does not stand in for.
OTHER_CLOCKS = re.compile(
    r"current_timestamp|current_date|current_time\b|localtime|statement_timestamp|transaction_timestamp|timeofday"
    r"|pg_catalog\.(now|clock_timestamp)|'now'",
    re.IGNORECASE,
)


@pytest.fixture
def world(worlds: Worlds[StrictWorld]) -> Iterator[StrictWorld]:
    with worlds.world(1) as world:
        yield world


def read(connection: Connection, clock: str = "clock_timestamp()") -> datetime:
    found: datetime = connection.execute(text(f"select {clock}")).scalar_one()
    return found


# The clock


def test_it_stands_still_until_it_is_moved_and_tells_its_readings_apart(world: StrictWorld) -> None:
    with world.database.admin() as connection:
        first, second = read(connection), read(connection)
        world.clock.advance(90)
        third = read(connection)
    assert (second - first, third - second) == (MICROSECOND, timedelta(seconds=90) + MICROSECOND)
    assert START < first < START + SOON
    assert world.clock.now() == START + timedelta(seconds=90)


def test_it_can_be_set_back(world: StrictWorld) -> None:
    world.clock.advance(-600)
    with world.database.admin() as connection:
        assert START - timedelta(seconds=600) < read(connection) < START - timedelta(seconds=599)
    assert world.clock.now() == START - timedelta(seconds=600)


def test_now_is_the_time_of_the_transaction(world: StrictWorld) -> None:
    with world.database.admin() as connection:
        began_at = read(connection, "now()")
        world.clock.advance(60)
        assert read(connection, "now()") == began_at
    with world.database.admin() as connection:
        assert read(connection, "now()") > began_at + timedelta(seconds=60)


def test_the_provider_and_the_runs_read_the_same_clock(world: StrictWorld) -> None:
    world.clock.advance(3600)
    assert world.server.stage.clock.now() == world.runtime.clock() == START + timedelta(hours=1)


def test_a_pause_that_a_run_asks_for_passes_on_it(world: StrictWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    world.fault("rate_limit", path_regex="Contacts")
    tenant.sync()
    assert max(world.waits) > 20
    assert world.clock.now() - START == sum((timedelta(seconds=wait) for wait in world.waits), timedelta())
    with world.database.admin() as connection:
        assert world.clock.now() < read(connection) < world.clock.now() + SOON


# Who reads it


@contextmanager
def as_session(world: StrictWorld, tenant: Any) -> Iterator[Connection]:
    with world.database.session(tenant.workspace_id) as session, session.begin() as connection:
        yield connection


@contextmanager
def as_member(world: StrictWorld, tenant: Any) -> Iterator[Connection]:
    with world.database.admin() as connection:
        connection.execute(text("set local role integrations_member"))
        execute(connection, "select set_config('app.user_id', :id, true)", id=str(tenant.owner_id))
        yield connection


ROLES: dict[str, Callable[[StrictWorld, Any], AbstractContextManager[Connection]]] = {
    "program": lambda world, _: world.database.admin(),
    "pipeline, for one transaction": lambda world, tenant: world.database.workspace(tenant.workspace_id),
    "pipeline, for a run": as_session,
    "member": as_member,
}


@pytest.mark.parametrize("role", ROLES)
def test_every_role_reads_it_in_defaults_triggers_and_statements(world: StrictWorld, role: str) -> None:
    with world.database.admin() as connection:
        tenant = add_tenant(connection, "mine")
    world.clock.advance(3600)
    with ROLES[role](world, tenant) as connection:
        contact_id = insert(connection, "workspace_contacts", workspace_id=tenant.workspace_id)
        execute(connection, "update workspace_contacts set deleted_at = now() where id = :id", id=contact_id)
        times = "select created_at, updated_at, deleted_at from workspace_contacts where id = :id"
        made_at, changed_at, deleted_at = tuple(query(connection, times, id=contact_id)[0])
    assert START + timedelta(hours=1) < made_at == deleted_at < changed_at < made_at + SOON


def test_every_default_reads_it(world: StrictWorld) -> None:
    with world.database.admin() as connection:
        add_tenant(connection, "mine")
        connection.execute(text("set local search_path = public"))
        defaults = query(
            connection,
            "select distinct pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d join pg_attribute a "
            "on a.attrelid = d.adrelid and a.attnum = d.adnum where a.atttypid = 'timestamptz'::regtype",
        )
    assert defaults == [("fake_clock.now()",)]


def test_functions_with_a_search_path_of_their_own_read_it(world: StrictWorld) -> None:
    """Trimming refuses what is younger than two days: by the machine's clock nothing of 2031 was old enough."""
    with world.database.admin() as connection:
        [(trimmed,)] = query(connection, "select integrations_trim('activity', :until, 10)", until=START - 3 * DAY)
        assert trimmed == 0
        paths = query(
            connection,
            "select proname from pg_proc, unnest(proconfig) setting where pronamespace = 'public'::regnamespace "
            "and setting like 'search_path=%' and setting not like 'search_path=fake_clock, pg_catalog, %'",
        )
    assert paths == []


def test_an_upgrade_leaves_the_clock_in_place(world: StrictWorld) -> None:
    """It sets a search path of its own for as long as it works."""
    assert world.database.upgrade() == ()
    with world.database.admin() as connection:
        assert START < read(connection, "now()") < START + SOON


def test_nothing_asks_the_machine_for_the_time_under_another_name(world: StrictWorld) -> None:
    with world.database.admin() as connection:
        bodies = query(connection, "select proname, prosrc from pg_proc where pronamespace = 'public'::regnamespace")
    store = Path(integrations_pipeline.__file__).parent / "store"
    sources = [(path.name, path.read_text(encoding="utf-8")) for path in store.rglob("*.py")]
    assert len(bodies) > 5
    assert [name for name, source in (*bodies, *sources) if OTHER_CLOCKS.search(source)] == []


# A history


@pytest.mark.parametrize("seed", [1, 3], ids=["with webhooks", "without"])
def test_no_time_that_a_history_leaves_is_of_the_machines_clock(worlds: Worlds[StrictWorld], seed: int) -> None:
    """Whole rows are looked through, so that times in documents, such as the cursor's, count as well."""
    with worlds.world(seed) as world:
        tell(world, seed)
        with world.database.admin() as connection:
            tables = list(connection.execute(TABLES).scalars())
            rows = {table: query(connection, f"select to_jsonb(t)::text from {table} t") for table in tables}
        asked_at = {entry.at.year for entry in world.airtable.requests()}
    years = {table: {year for (row,) in found for year in TIME.findall(row)} for table, found in rows.items()}
    told = {table for table, found in years.items() if found}
    assert set().union(*years.values()) == {str(START.year)}
    assert told >= WRITTEN
    assert asked_at == {START.year}
