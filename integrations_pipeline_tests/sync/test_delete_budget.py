"""How many deletes a day: what was deleted within 24 hours counts, and nothing before."""

import pytest
from sqlalchemy import text

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people


def started(world: World) -> Tenant:
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=0.25, delete_limit=100)
    tenant.add_remote(*people(20))
    tenant.sync()
    return tenant


def delete(tenant: Tenant, count: int, side: str) -> None:
    chosen = sorted(tenant.links().items())[:count]
    if side == "local":
        tenant.delete_local(*(contact_id for contact_id, _ in chosen))
    else:
        tenant.delete_remote(*(record_id for _, record_id in chosen))


def let_pass(tenant: Tenant, hours: float) -> None:
    """Everything in the journal was so many hours ago."""
    with tenant.world.database.admin() as connection:
        # Past the trigger that keeps `updated_at`.
        connection.execute(text("set local session_replication_role = replica"))
        moved = text("update integration_changes set updated_at = updated_at - make_interval(secs => :seconds)")
        connection.execute(moved, {"seconds": 3600 * hours})


@pytest.mark.parametrize("side", ["local", "remote"])
@pytest.mark.parametrize(("hours", "status"), [(23.9, RunStatus.REFUSED), (24.1, RunStatus.SUCCESS)])
def test_deletes_of_the_last_24_hours_use_up_the_budget(
    world: World, side: str, hours: float, status: RunStatus
) -> None:
    tenant = started(world)
    delete(tenant, 5, side)
    assert tenant.sync().status is RunStatus.SUCCESS
    let_pass(tenant, hours)
    delete(tenant, 1, side)
    assert tenant.sync().status is status


def test_deletes_of_one_side_do_not_use_up_the_budget_of_the_other(world: World) -> None:
    tenant = started(world)
    delete(tenant, 5, "remote")
    assert tenant.sync().status is RunStatus.SUCCESS
    delete(tenant, 3, "local")
    assert tenant.sync().status is RunStatus.SUCCESS


def test_the_limit_itself_is_allowed_and_one_more_is_not(world: World) -> None:
    tenant = started(world)
    delete(tenant, 6, "remote")
    report = tenant.sync()
    assert (report.status, report.held) == (RunStatus.REFUSED, 6)
