"""A change that is superseded is planned anew; the same one twice in a row is a failure that a person sees."""

from typing import Any

import pytest

from integrations_pipeline.model import AgendaKind, RunStatus
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.costs.counting import Statements
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people

SO_BEFORE = "it was so in the run before"


def with_one(world: World) -> tuple[Tenant, str, str]:
    tenant = world.tenant()
    tenant.add_remote(*people(3))
    tenant.sync()
    tenant.sync()
    (contact_id, record_id), *_ = tenant.links().items()
    return tenant, contact_id, record_id


def missed(tenant: Tenant, **options: Any) -> SyncReport:
    """A run whose last look before the write does not show the records."""
    tenant.world.hooks.before_recheck = lambda: tenant.world.fault("empty_page", times=1)
    return tenant.sync(**options)


def is_due(tenant: Tenant) -> bool:
    (row,) = tenant.rows("select next_sync_at <= now() as is_due from integration_connections")
    return bool(row["is_due"])


def test_a_record_that_each_last_look_misses_fails_and_is_not_due_at_every_tick(world: World) -> None:
    tenant, contact_id, record_id = with_one(world)
    tenant.edit_local(contact_id, company="Here")
    assert missed(tenant).status is RunStatus.SUCCESS
    assert is_due(tenant), "the next run takes it up"
    for _ in range(2):
        report = missed(tenant)
        assert report.status is RunStatus.PARTIAL
        assert SO_BEFORE in report.results[0].errors[0]
        (item,) = tenant.agenda.of(AgendaKind.FAILED)
        assert (item.contact_id, item.external_id) == (contact_id, record_id)
        assert not is_due(tenant)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert tenant.remote()[record_id]["company"] == "Here"
    assert not tenant.agenda.of(AgendaKind.FAILED)
    tenant.assert_in_sync()


def test_other_edits_may_be_superseded_as_often_as_they_come(world: World) -> None:
    tenant, contact_id, record_id = with_one(world)
    for number in range(3):
        tenant.edit_local(contact_id, company=f"Here {number}")
        world.hooks.before_recheck = lambda number=number: tenant.edit_remote(record_id, company=f"There {number}")
        assert tenant.sync().status is RunStatus.SUCCESS
        assert not tenant.agenda.of(AgendaKind.FAILED)


def test_a_change_that_was_made_meanwhile_begins_anew(world: World) -> None:
    tenant, contact_id, record_id = with_one(world)
    for number in range(3):
        tenant.edit_local(contact_id, company="Here")
        assert missed(tenant).status is RunStatus.SUCCESS
        assert tenant.sync().status is RunStatus.SUCCESS, number
        assert tenant.remote()[record_id]["company"] == "Here"
        tenant.edit_local(contact_id, company="")
        tenant.sync()
    assert not tenant.journal("failed")


@pytest.mark.parametrize("is_full", [False, True])
def test_many_of_them_are_asked_about_by_one_statement(world: World, is_full: bool) -> None:
    tenant = world.tenant()
    tenant.add_remote(*people(40))
    tenant.sync()
    tenant.sync()
    for contact_id in tenant.links():
        tenant.edit_local(contact_id, company="Here")
    missed(tenant, is_full=is_full)
    with Statements() as seen:
        assert missed(tenant, is_full=is_full).results[0].records_failed == 40
    assert sum("distinct on (side, kind" in statement for statement, _ in seen.seen) == 1
