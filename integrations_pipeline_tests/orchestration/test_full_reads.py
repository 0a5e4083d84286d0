"""Everything of a connection is read once a day, by whichever run comes next; a fleet's full reads are spread."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from integrations_pipeline.orchestration.partitions import ONLY_DUE, follow_connections
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.migrating import alembic_config
from integrations_pipeline.sync.full_reads import is_full_read_due
from integrations_pipeline_tests.cli.run import run as integrations
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import PROVIDER, log_rows, run

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
#: The migration before the one that brought the column.
BEFORE = ScriptDirectory.from_config(alembic_config()).get_revision("0010").down_revision
BOOK, MAILBOX = provider_specs()["airtable"], provider_specs()["gmail"]


@pytest.mark.parametrize(
    ("hours", "share", "expected"),
    [
        (None, 1.0, True),
        (1, 1.0, False),
        (23, 1.0, False),
        (24, 1.0, True),
        (24 * 30, 1.0, True),
        (17, 0.0, False),
        (18, 0.0, True),
        (18, 0.5, False),
        (21, 0.5, True),
    ],
)
def test_a_full_read_is_due_after_a_day_and_for_a_fleet_some_hours_sooner(
    hours: float | None, share: float, expected: bool
) -> None:
    last = None if hours is None else NOW - timedelta(hours=hours)

    assert is_full_read_due(last, NOW, BOOK, share=share) is expected
    assert not is_full_read_due(last, NOW, MAILBOX, share=share)


def test_a_fleet_that_was_loaded_at_once_does_not_read_everything_at_once() -> None:
    """A thousand connections, each run every quarter of an hour, for a week."""
    shares = [(i * 0.6180339887) % 1 for i in range(1000)]
    last = dict.fromkeys(range(1000), NOW)
    reads: Counter[int] = Counter()
    for tick in range(1, 4 * 24 * 7):
        now = NOW + timedelta(minutes=15 * tick)
        for i, share in enumerate(shares):
            if is_full_read_due(last[i], now, BOOK, share=share):
                assert now - last[i] <= timedelta(hours=24)
                last[i] = now
                reads[tick] += 1

    assert max(reads.values()) <= 100  # of a thousand
    assert sum(reads.values()) <= 1000 * 7 / 0.75


def _connect(environment: Environment, slug: str) -> UUID:
    workspace_id = environment.add_workspace(slug, people=2)
    environment.connect(workspace_id)
    assert integrations("sync", "-w", slug, "-p", PROVIDER).code == 0
    return workspace_id


def _set_age(environment: Environment, hours: float) -> None:
    environment.rows(
        f"update integration_connections set last_full_at = now() - interval '{hours} hours', next_sync_at = now() "
        "returning id"
    )


def _age_hours(environment: Environment) -> float:
    ((age,),) = environment.rows("select extract(epoch from now() - last_full_at) / 3600 from integration_connections")
    return float(str(age))


def _read_kinds(environment: Environment) -> list[object]:
    return [kind for (kind,) in log_rows(environment, "metadata ->> 'read'")]


def test_whoever_runs_next_reads_everything_once_it_is_a_day_old(environment: Environment) -> None:
    _connect(environment, "alpha")
    assert _age_hours(environment) < 0.1, "the first read is a full one"
    for hours, kind in [(23, "incremental"), (25, "complete"), (None, "incremental")]:
        if hours:
            _set_age(environment, hours)
        assert integrations("sync", "-w", "alpha", "-p", PROVIDER).code == 0
        assert _read_kinds(environment)[-2:] == [kind, kind]
    assert _age_hours(environment) < 0.1


def test_a_preview_reads_what_the_sync_would_read_and_does_not_count_as_one(environment: Environment) -> None:
    _connect(environment, "alpha")
    _set_age(environment, 25)
    before = len(environment.sandbox.stage.log.entries())

    assert integrations("plan", "-w", "alpha", "-p", PROVIDER).code == 0

    paths = [entry.path for entry in environment.sandbox.stage.log.entries()[before:]]
    assert any(path.endswith("/listRecords") or "/v0/app" in path for path in paths)
    assert _age_hours(environment) > 24


def test_a_run_that_only_writes_to_the_provider_neither_makes_up_for_a_full_read_nor_repeats_it(
    environment: Environment,
) -> None:
    _connect(environment, "alpha")
    _set_age(environment, 25)

    assert integrations("sync", "-w", "alpha", "-p", PROVIDER, "--direction", "to_external").code == 0

    assert _read_kinds(environment)[-1] == "incremental"
    assert _age_hours(environment) > 24


def test_a_fleets_runs_take_each_connection_at_its_own_share_and_a_persons_run_none_before_its_time(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = [f"w{i}" for i in range(6)]
    for slug in slugs:
        _connect(environment, slug)
    follow_connections(instance, {PROVIDER: slugs})
    _set_age(environment, 21)
    rows = environment.rows(
        "select slug from integration_connections c join workspaces w on w.id = c.workspace_id "
        "where integrations_spread(c.id) <= 0.5"
    )
    early = {str(slug) for (slug,) in rows}

    assert run(instance, slugs).success
    assert set(_read_kinds(environment)[-12:]) == {"incremental"}
    environment.rows("update integration_connections set next_sync_at = now() returning id")
    result = run(instance, slugs, tags={ONLY_DUE: "true"})

    assert result.success
    found = environment.rows(
        "select distinct slug from integration_sync_logs l join workspaces w on w.id = l.workspace_id "
        f"where dagster_run_id = '{result.run_id}' and l.metadata ->> 'read' = 'complete'"
    )
    assert {str(slug) for (slug,) in found} == early


OLD_ROWS = """
    insert into workspaces (name, slug) select 'w' || i, 'w' || i from generate_series(1, 40) i;
    insert into integration_connections (workspace_id, integration_type, last_sync_at, cursor)
    select id, 'airtable', now(), '{}' from workspaces;
    insert into integration_connections (workspace_id, integration_type) select id, 'mailchimp' from workspaces;
"""


def test_connections_of_before_are_read_whole_within_a_day_of_the_upgrade_and_not_all_at_once(
    empty_database_url: str,
) -> None:
    database = Database(empty_database_url)
    with database.admin() as connection:
        connection.execute(text("set local search_path = public"))
        config = alembic_config()
        config.attributes.update(connection=connection, on_version_apply=lambda **_: None)
        command.upgrade(config, str(BEFORE))
        connection.execute(text(OLD_ROWS))
    database.upgrade()
    with database.admin() as connection:
        ages = connection.execute(
            text(
                "select extract(epoch from now() - last_full_at) / 3600 from integration_connections "
                "where integration_type = 'airtable'"
            )
        ).scalars()
        hours = sorted(float(age) for age in ages)
        never = text("select count(*) from integration_connections where last_full_at is null")
        assert connection.execute(never).scalar_one() == 40
    database.close()
    assert 0 <= hours[0] < 6
    assert 18 < hours[-1] <= 24.1
