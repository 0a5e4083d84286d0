"""Questions and deeds across workspaces: due times that are spread, lost runs, and who may not ask."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from integrations_pipeline.model import Direction
from integrations_pipeline.store import connections, fleet, sync_log
from integrations_pipeline.store.connections import (
    BACKOFF_SPREAD,
    MAX_BACKOFF_MINUTES,
    SPREAD,
    postpone,
    record_failure,
    record_success,
)
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.sync_log import LogStart
from integrations_pipeline_tests.store.rows import Tenant, add_connection, add_tenant, execute, insert, query

#: Between a statement of ours and Postgres's clock, in minutes.
SLACK = 0.1


@pytest.fixture
def tenant(database: Database) -> Tenant:
    with database.admin() as connection:
        found = add_tenant(connection, "acme")
        execute(connection, "delete from integration_sync_logs")  # its row says that a run is at work
    return found


def spread(connection_id: UUID) -> float:
    """`integrations_spread`, told in Python."""
    return int(hashlib.sha256(str(connection_id).encode()).hexdigest()[:8], 16) / 2**32


def minutes_until_next(connection: Connection, connection_id: UUID) -> float:
    statement = "select extract(epoch from next_sync_at - clock_timestamp()) / 60 from integration_connections"
    return float(query(connection, f"{statement} where id = :id", id=connection_id)[0][0])


def add_connections(connection: Connection, count: int, **values: object) -> list[UUID]:
    ids = []
    for _ in range(count):
        slug = f"w{uuid4().hex[:12]}"
        workspace_id = insert(connection, "workspaces", name=slug, slug=slug)
        ids.append(add_connection(connection, workspace_id, "airtable", **values))
    return ids


def succeed(connection: Connection, connection_id: UUID) -> None:
    record_success(connection, connection_id, is_due_again=False)


def fail(connection: Connection, connection_id: UUID) -> None:
    record_failure(connection, connection_id, "because")


def test_a_connections_share_of_the_spread_is_its_own_and_even(database: Database) -> None:
    ids = [uuid4() for _ in range(2000)]
    with database.admin() as connection:
        found = query(connection, "select id, integrations_spread(id) as at from unnest(:ids) as id", ids=ids)
    shares = {row.id: row.at for row in found}
    assert shares == {each: pytest.approx(spread(each), abs=1e-9) for each in ids}
    tenths = [sum(share // 0.1 == i for share in shares.values()) for i in range(10)]
    assert min(tenths) > 140


@pytest.mark.parametrize("frequency", [1, 15, 60, 1440])
def test_after_a_success_the_next_sync_is_a_frequency_away_give_or_take_the_spread(
    database: Database, frequency: int
) -> None:
    with database.admin() as connection:
        ids = add_connections(connection, 5, sync_frequency_minutes=frequency)
        for each in ids:
            succeed(connection, each)
            expected = frequency * (1 + SPREAD * (spread(each) - 0.5))
            assert minutes_until_next(connection, each) == pytest.approx(expected, abs=SLACK)


@pytest.mark.parametrize(
    ("errors", "frequency", "wait"),
    [
        (0, 15, 30),
        (1, 15, 60),
        (2, 15, 120),
        (20, 15, MAX_BACKOFF_MINUTES),
        (0, 1440, MAX_BACKOFF_MINUTES),
        (5, 44_640, MAX_BACKOFF_MINUTES),
    ],
)
def test_after_failures_the_wait_doubles_up_to_a_day_and_is_spread(
    database: Database, errors: int, frequency: int, wait: float
) -> None:
    with database.admin() as connection:
        ids = add_connections(connection, 5, error_count=errors, sync_frequency_minutes=frequency)
        for each in ids:
            fail(connection, each)
            expected = wait * (1 - BACKOFF_SPREAD * spread(each))
            assert minutes_until_next(connection, each) == pytest.approx(expected, abs=SLACK)


@pytest.mark.parametrize("deed", [succeed, fail, postpone])
def test_a_thousand_connections_at_once_do_not_come_back_at_once(
    database: Database, deed: Callable[[Connection, UUID], None]
) -> None:
    with database.admin() as connection:
        execute(
            connection,
            "with made as (insert into workspaces (name, slug) select 'w', 'w' || n from generate_series(1, 1000) n "
            "returning id) insert into integration_connections (workspace_id, integration_type) "
            "select id, 'airtable' from made",
        )
        for (each,) in query(connection, "select id from integration_connections"):
            deed(connection, each)
        row = query(
            connection,
            "select max(n) as most, count(*) as seconds from (select count(*) as n "
            "from integration_connections group by date_trunc('second', next_sync_at)) as each_second",
        )[0]
    assert row.most < 100
    assert row.seconds > 40


@pytest.mark.parametrize(("frequency", "longest"), [(15, 15), (60, 60), (1440, 60)])
def test_what_is_left_for_later_waits_half_its_frequency_to_the_whole(
    database: Database, frequency: int, longest: float
) -> None:
    with database.admin() as connection:
        (each,) = add_connections(connection, 1, sync_frequency_minutes=frequency)
        postpone(connection, each)
        assert minutes_until_next(connection, each) == pytest.approx(longest * (1 + spread(each)) / 2, abs=SLACK)
        assert query(connection, "select error_count from integration_connections where id = :id", id=each) == [(0,)]


def test_leaving_for_later_brings_nothing_forward(database: Database) -> None:
    with database.admin() as connection:
        (each,) = add_connections(connection, 1, next_sync_at=datetime.now(UTC) + timedelta(hours=9))
        postpone(connection, each)
        assert minutes_until_next(connection, each) == pytest.approx(540, abs=SLACK)


def test_a_connection_on_which_a_run_works_is_not_due(database: Database) -> None:
    with database.admin() as connection:
        busy, _ = add_connections(connection, 2)
        owner = query(connection, "select workspace_id from integration_connections where id = :id", id=busy)
        log_id = sync_log.open_log(connection, start(owner[0][0], busy))
        assert len(fleet.due_connections(connection, datetime.now(UTC), 10, "airtable")) == 1
        execute(connection, "update integration_sync_logs set status = 'success' where id = :id", id=log_id)
        found = fleet.due_connections(connection, datetime.now(UTC), 10, "airtable")
    assert len(found) == 2
    assert {each.frequency_minutes for each in found} == {15}


def test_the_question_can_be_for_one_provider_and_tells_since_when(database: Database, tenant: Tenant) -> None:
    now = datetime.now(UTC)
    with database.admin() as connection:
        later = now - timedelta(minutes=7)
        add_connection(connection, tenant.workspace_id, "airtable", next_sync_at=later)
        (found,) = fleet.due_connections(connection, now, 10, "airtable")
        assert (found.next_sync_at, found.due_since) == (later, later)
        (new,) = fleet.due_connections(connection, now, 10, "gmail")
        assert new.next_sync_at is None
        assert abs(new.due_since - now) < timedelta(minutes=1)  # since it was made
        assert len(fleet.due_connections(connection, now, 10)) == 2


def start(workspace_id: UUID, connection_id: UUID, dagster_run_id: str | None = None) -> LogStart:
    return LogStart(
        workspace_id=workspace_id,
        connection_id=connection_id,
        direction=Direction.TO_EXTERNAL,
        run_id=UUID(int=5),
        dagster_run_id=dagster_run_id,
    )


def test_open_runs_are_told_once_whatever_their_directions(database: Database, tenant: Tenant) -> None:
    with database.admin() as connection:
        opening = start(tenant.workspace_id, tenant.connection_id, "d1")
        for direction in (Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL):
            sync_log.open_log(connection, replace(opening, direction=direction))
        (found,) = fleet.open_runs(connection)
    assert (found.workspace_slug, found.integration_type, found.dagster_run_id) == ("acme", "gmail", "d1")
    assert fleet.close_lost(database, found, "lost")
    assert not fleet.close_lost(database, found, "lost")  # nothing is open any more, and nothing is counted
    with database.admin() as connection:
        assert fleet.open_runs(connection) == []
        row = connections.get_connection(connection, tenant.workspace_id, "gmail")
    assert row is not None
    assert (row.error_count, row.error_message) == (1, "lost")


@pytest.mark.parametrize(
    "question",
    [
        "select * from integrations_open_runs()",
        "select * from integrations_findings('airtable', now())",
        "select integrations_trim('activity', now() - interval '90 days', 1)",
    ],
)
@pytest.mark.parametrize("role", ["integrations_pipeline", "integrations_member"])
def test_nobody_but_the_program_itself_asks_about_the_fleet(database: Database, question: str, role: str) -> None:
    with database.admin() as connection:
        execute(connection, f"set local role {role}")
        with pytest.raises(ProgrammingError, match="permission denied"), connection.begin_nested():
            query(connection, question)


def test_a_presence_is_seen_while_it_lasts(database: Database) -> None:
    with database.admin() as connection:
        assert fleet.living_runs(connection) == set()
    with database.presence(f"{fleet.RUN_PREFIX}d1"), database.admin() as connection:
        assert fleet.living_runs(connection) == {"d1"}
    with database.admin() as connection:
        assert fleet.living_runs(connection) == set()
