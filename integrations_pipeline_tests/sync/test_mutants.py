"""What no other test noticed when the product was broken on purpose (`make mutations`)."""

from typing import Any

import pytest
from sqlalchemy import event

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import Tenant, World, person


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


def started(world: World) -> tuple[Tenant, str, str]:
    """A tenant with one person on both sides."""
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    (contact_id, _) = tenant.add_local(person(1, company="Base"), person(2))
    tenant.sync()
    return tenant, contact_id, tenant.record_of(contact_id)


def die() -> None:
    raise Killed


def test_an_update_that_was_never_sent_is_not_agreed(world: World) -> None:
    tenant, contact_id, record_id = started(world)
    tenant.edit_local(contact_id, company="Local")
    world.hooks.before_write = die
    with pytest.raises(Killed):
        tenant.sync()
    assert tenant.base()[contact_id]["company"] == "Base"
    tenant.sync(is_full=True)
    assert tenant.local()[contact_id]["company"] == tenant.remote()[record_id]["company"] == "Local"
    tenant.assert_in_sync()


def test_every_change_is_intended_before_its_request_leaves(world: World) -> None:
    tenant, contact_id, _ = started(world)
    tenant.edit_local(contact_id, company="Local")
    tenant.add_local(person(3))
    tenant.delete_local(next(key for key in tenant.links() if key != contact_id))
    world.max_concurrency = 1
    seen: list[dict[str, Any]] = []

    def look() -> None:
        seen.extend(tenant.journal("intended"))
        # A hook fires once; this one waits for the next request as well.
        world.hooks.before_write = look

    world.hooks.before_write = look
    assert tenant.sync().status is RunStatus.SUCCESS
    world.hooks.before_write = None
    assert sorted(row["kind"] for row in seen) == ["create", "delete", "update"]
    assert {row["attempts"] for row in seen} == {1}
    assert {row["attempts"] for row in tenant.journal("applied") if row["side"] == "remote"} == {1}
    tenant.assert_in_sync()


def test_a_contact_with_a_failed_change_counts_as_changed_though_another_was_made(world: World) -> None:
    tenant, contact_id, record_id = started(world)
    tenant.edit_remote(record_id, email="person2@example.org")
    tenant.edit_local(contact_id, company="Local")
    assert tenant.sync().status is RunStatus.PARTIAL
    assert tenant.remote()[record_id]["company"] == "Local"
    assert len(tenant.journal("failed")) == 1
    statement = "select contact_id::text from integration_links l join workspace_contacts c on c.id = l.contact_id"
    assert tenant.rows(f"{statement} where l.contact_version < c.version") == [{"contact_id": contact_id}]


def test_what_a_failed_run_read_is_read_again_by_the_next(world: World) -> None:
    tenant, contact_id, record_id = started(world)
    before = tenant.connection.cursor
    tenant.edit_remote(record_id, company="Remote")
    statement = "update workspace_contacts c set"

    def fail_before_the_local_write(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if statement in sql:
            raise Killed

    event.listen(world.database._engine, "before_cursor_execute", fail_before_the_local_write)
    try:
        with pytest.raises(Killed):
            tenant.sync()
    finally:
        event.remove(world.database._engine, "before_cursor_execute", fail_before_the_local_write)
    assert tenant.connection.cursor == before
    tenant.sync()
    assert tenant.local()[contact_id]["company"] == "Remote"
    tenant.assert_in_sync()
