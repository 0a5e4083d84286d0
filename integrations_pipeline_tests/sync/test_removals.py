"""A connection that a person removes while it is being synced."""

import httpx
from sqlalchemy import text

from integrations_pipeline.model import RunStatus
from integrations_pipeline.sync.run import REMOVED
from integrations_pipeline_tests.sync.arrangement import Tenant, World
from integrations_pipeline_tests.sync.test_crashes import everything


def remove_before(world: World, tenant: Tenant, number: int) -> list[str]:
    """Remove the connection before the request of that number; the requests that were made."""
    seen: list[str] = []

    def before(request: httpx.Request) -> None:
        if len(seen) == number:
            with world.database.admin() as connection:
                connection.execute(
                    text("delete from integration_connections where workspace_id = :id"), {"id": tenant.workspace_id}
                )
        seen.append(request.method)

    world.network.before = before
    return seen


def test_a_connection_that_is_removed_at_any_request_ends_its_run_with_a_word(world: World) -> None:
    number = 0
    while True:
        world.server.reset()
        with world.database.admin() as connection:
            connection.execute(text("delete from workspaces"))
        tenant = everything(world, with_contact_id=True, has_tags=True)
        before = {key: row.get("email") for key, row in tenant.local().items()}
        seen = remove_before(world, tenant, number)
        report = tenant.sync()
        world.network.before = lambda _: None
        if len(seen) <= number:
            break
        assert (report.status, report.error) == (RunStatus.FAILED, REMOVED), seen
        tenant.configure(delete_policy="propagate")
        assert tenant.sync().status in (RunStatus.SUCCESS, RunStatus.REFUSED)
        after = [row.get("email") for row in tenant.local().values()]
        assert len(set(after)) == len(after), "the match by e-mail makes nobody twice"
        assert len(after) >= len(before) - 1, "a base that is gone deletes nobody"
        number += 1
    assert number >= 8
