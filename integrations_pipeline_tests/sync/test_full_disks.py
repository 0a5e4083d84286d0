"""A database whose disk is full in the middle of a run: one clear line, and nothing is lost."""

import pytest
from sqlalchemy import text

from integrations_pipeline.errors import UnavailableError
from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import World, person

TABLES = ("integration_changes", "integration_links", "workspace_contacts", "integration_sync_logs")


def fill_disk(world: World, table: str) -> None:
    """From now on Postgres says what it says when it cannot extend a table's file."""
    with world.database.admin() as connection:
        connection.execute(
            text(
                "create function refuse() returns trigger language plpgsql as $$ begin raise exception "
                "'could not extend file: No space left on device (ann@example.org)' using errcode = 'disk_full'; end $$"
            )
        )
        connection.execute(
            text(f"create trigger refuse before insert or update on {table} execute function refuse()"),
        )


def make_room(world: World, table: str) -> None:
    with world.database.admin() as connection:
        connection.execute(text(f"drop trigger refuse on {table}"))


@pytest.mark.parametrize("table", TABLES)
def test_a_full_disk_stops_the_run_with_one_clear_line_and_the_next_one_finishes(world: World, table: str) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1))
    tenant.add_remote(person(2))
    fill_disk(world, table)

    try:
        report = tenant.sync()
        assert report.status is RunStatus.FAILED
        said = report.error
    except UnavailableError as error:
        said = str(error)

    assert "has no disk space left" in said
    assert "@" not in said
    assert len(said.splitlines()) == 1
    make_room(world, table)
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()
    assert len(tenant.local()) == len(tenant.remote()) == 2
