"""Whose fault a failure is: only the workspace's own causes put its connection into `error`."""

from datetime import UTC, datetime

import pytest

from integrations_pipeline.errors import (
    BusyError,
    ConfigurationError,
    CredentialsError,
    IntegrationError,
    PermanentError,
    RateLimitedError,
    RegistrationError,
    RetryableError,
    SharedCauseError,
    UnreachableError,
)
from integrations_pipeline.model import RunStatus
from integrations_pipeline.store.fleet import due_connections
from integrations_pipeline_tests.sync.arrangement import Tenant, World, person


@pytest.mark.parametrize(
    ("kind", "is_own"),
    [
        (RetryableError, False),
        (UnreachableError, False),
        (RateLimitedError, False),
        (SharedCauseError, False),
        (RegistrationError, False),
        (PermanentError, True),
        (CredentialsError, True),
        (ConfigurationError, True),
        (BusyError, True),
    ],
)
def test_whose_cause_it_is(kind: type[IntegrationError], is_own: bool) -> None:
    assert kind("why").is_own is is_own


def fail(world: World, tenant: Tenant, error: IntegrationError) -> str:
    """A run that fails like this when it writes; the connection's status after it."""

    def refuse() -> None:
        raise error

    (contact_id,) = tenant.local()
    tenant.edit_local(contact_id, company=f"Company {tenant.connection.error_count}")
    world.hooks.before_write = refuse
    assert tenant.sync(is_full=True).status is RunStatus.FAILED
    return tenant.connection.status


def one_synced(world: World) -> Tenant:
    tenant = world.tenant()
    tenant.add_local(person(1))
    tenant.sync()
    return tenant


@pytest.mark.parametrize("kind", [RetryableError, SharedCauseError, RegistrationError])
def test_what_is_wrong_for_all_puts_nobody_into_error_and_is_taken_up_again(
    world: World, kind: type[IntegrationError]
) -> None:
    tenant = one_synced(world)
    assert {fail(world, tenant, kind("not ours")) for _ in range(5)} == {"active"}
    row = tenant.connection
    assert (row.status, row.error_count, row.error_message) == ("active", 5, "not ours")
    assert tenant.sync().status is RunStatus.SUCCESS
    assert (tenant.connection.error_count, tenant.connection.error_message) == (0, None)


def test_an_allowance_that_is_used_up_is_such_a_cause(world: World) -> None:
    tenant = one_synced(world)
    body = {"errors": [{"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "message": "used up"}]}
    world.fault("status", times=-1, status=429, body=body)
    for _ in range(4):
        assert tenant.sync(is_full=True).status is RunStatus.FAILED
    assert (tenant.connection.status, tenant.connection.error_count) == ("active", 4)


def test_faults_of_others_do_not_count_with_the_workspaces_own(world: World) -> None:
    tenant = one_synced(world)
    assert {fail(world, tenant, RetryableError("down")) for _ in range(4)} == {"active"}
    own = [fail(world, tenant, CredentialsError("wrong")) for _ in range(3)]
    assert own == ["active", "active", "error"]


def test_error_has_one_try_a_day_and_leaves_by_it(world: World) -> None:
    tenant = one_synced(world)
    for _ in range(3):
        fail(world, tenant, CredentialsError("wrong"))
    assert tenant.connection.status == "error"
    with pytest.raises(ConfigurationError, match="is error"):
        tenant.sync()
    for expected in ("error", "active"):
        with world.database.admin() as connection:
            assert due_connections(connection, world.server.stage.clock.now(), 10, "airtable") == []
        tenant.rows("update integration_connections set next_sync_at = now() - interval '1 minute' returning 1")
        with world.database.admin() as connection:
            found = due_connections(connection, datetime.now(UTC), 10, "airtable")
        assert [each.workspace_slug for each in found] == ["acme"]
        if expected == "error":
            assert fail(world, tenant, CredentialsError("still wrong")) == "error"
            away = tenant.rows(
                "select next_sync_at - now() > interval '11 hours' as is_far from integration_connections"
            )
            assert away == [{"is_far": True}]
        else:
            assert tenant.sync(is_full=True).status is RunStatus.SUCCESS
            assert tenant.connection.status == expected
