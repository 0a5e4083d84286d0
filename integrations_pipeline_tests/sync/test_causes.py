"""Whose fault a failure is: only the workspace's own causes put its connection into `error`."""

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
