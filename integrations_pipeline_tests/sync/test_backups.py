"""A database restored from an older backup: what happened since at the provider is not lost."""

import pytest
from sqlalchemy import text

from integrations_pipeline_tests.sync.arrangement import Tenant, World, people, person

TABLES = (
    "workspace_contacts",
    "integration_connections",
    "integration_links",
    "integration_changes",
    "suppressions",
)


def back_up(world: World) -> None:
    with world.database.admin() as connection:
        for table in TABLES:
            connection.execute(text(f"create table backup_of_{table} as select * from {table}"))


def restore(world: World) -> None:
    """The rows as they were, whatever has happened since; triggers off, as a real restore has them."""
    with world.database.admin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        for table in reversed(TABLES):
            connection.execute(text(f"delete from {table}"))
        for table in TABLES:
            connection.execute(text(f"insert into {table} overriding system value select * from backup_of_{table}"))


def started(world: World, has_feed: bool) -> Tenant:
    if not has_feed:
        world.forbid_webhooks()
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    tenant.add_local(*people(3))
    tenant.sync()
    return tenant


@pytest.mark.parametrize("has_feed", [True, False], ids=["feed", "no feed"])
def test_edits_at_the_provider_survive_a_restored_database(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed)
    back_up(world)
    edited, gone, kept = sorted(tenant.links())
    records = tenant.links()
    tenant.edit_remote(records[edited], company="Later")
    tenant.delete_remote(records[gone])
    tenant.add_remote(person(9))
    tenant.edit_local(kept, company="Later too")
    tenant.sync()
    restore(world)

    tenant.sync()
    tenant.sync()

    companies = {row["email"]: row.get("company") for row in tenant.local().values()}
    assert len(companies) == 3
    assert companies["person9@example.org"] is None
    assert sorted(value for value in companies.values() if value) == ["Later", "Later too"]
    tenant.assert_in_sync()
    tenant.assert_quiet(most_calls=3)


@pytest.mark.parametrize("has_feed", [True, False], ids=["feed", "no feed"])
def test_a_restored_database_makes_no_record_twice(world: World, has_feed: bool) -> None:
    tenant = started(world, has_feed)
    back_up(world)
    tenant.add_local(person(7), {"name": "No address"})
    tenant.sync()
    restore(world)

    tenant.sync()
    tenant.sync()

    names = sorted(row["name"] for row in tenant.remote().values())
    assert names == sorted({*names})
    assert len(tenant.local()) == len(tenant.remote()) == 5
    tenant.assert_in_sync()
