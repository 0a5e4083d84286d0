"""What a run leaves for the next one: questions that stay, records to read again, whether it is due again."""

from typing import Any

from integrations_pipeline.model import AgendaKind, Direction
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people, person


def synced(world: World, count: int = 3, **settings: Any) -> tuple[Tenant, list[str]]:
    """A tenant with people on both sides, and their contacts."""
    tenant = world.tenant(**settings)
    tenant.add_remote(*people(count))
    tenant.sync()
    return tenant, sorted(tenant.links())


def is_due(tenant: Tenant) -> bool:
    (row,) = tenant.rows("select next_sync_at <= now() as is_due from integration_connections")
    return bool(row["is_due"])


def test_a_delete_that_the_policy_ignores_stays_told_until_its_cause_is_gone(world: World) -> None:
    tenant, (contact_id, *_) = synced(world, delete_policy="ignore")
    tenant.delete_remote(tenant.record_of(contact_id))
    tenant.sync()
    (told,) = tenant.agenda.of(AgendaKind.SKIPPED)
    assert told.contact_id == contact_id
    tenant.edit_local(sorted(tenant.links())[1], company="New")
    for _ in range(2):
        tenant.sync()
        assert [item.id for item in tenant.agenda.of(AgendaKind.SKIPPED)] == [told.id], (
            "a read of changes tells it once"
        )
    tenant.sync(is_full=True)
    assert [item.id for item in tenant.agenda.of(AgendaKind.SKIPPED)] == [told.id], "the listing still lacks it"
    tenant.delete_local(contact_id)
    tenant.sync(is_full=True)
    assert not tenant.agenda.items


def test_a_question_about_this_side_outlives_a_run_that_only_writes_there(world: World) -> None:
    tenant, (contact_id, *_) = synced(world, delete_policy="hold")
    tenant.delete_remote(tenant.record_of(contact_id))
    tenant.sync()
    (held,) = tenant.agenda.of(AgendaKind.HELD_DELETE)
    tenant.edit_local(sorted(tenant.links())[1], company="New")
    tenant.sync(direction=Direction.TO_EXTERNAL)
    assert [item.id for item in tenant.agenda.of(AgendaKind.HELD_DELETE)] == [held.id]


def test_a_connection_is_due_again_while_somebody_is_editing(world: World) -> None:
    tenant, (contact_id, *_) = synced(world)
    assert not is_due(tenant)
    tenant.configure(settle_seconds=600)
    tenant.edit_local(contact_id, company="half ty")
    tenant.sync()
    waiting = {(item.contact_id, item.external_id, item.reason) for item in tenant.agenda.of(AgendaKind.RETRY)}
    assert waiting == {(contact_id, None, "settling"), (None, tenant.record_of(contact_id), "")}
    assert is_due(tenant)
    tenant.pass_time(3600)
    tenant.sync()
    assert not tenant.agenda.items
    assert not is_due(tenant)
    tenant.assert_in_sync()


def test_a_record_that_somebody_edits_while_we_write_another_is_read_by_the_next_run(world: World) -> None:
    tenant, (first, second, third) = synced(world)
    record_id, gone = tenant.record_of(second), tenant.record_of(third)
    tenant.edit_local(first, company="Ours")

    def meanwhile() -> None:
        tenant.edit_remote(record_id, company="Theirs")
        tenant.delete_remote(gone)
        tenant.add_remote(person(9))

    world.hooks.before_write = meanwhile
    tenant.sync()
    assert "company" not in tenant.local()[second]
    tenant.sync()
    assert tenant.local()[second]["company"] == "Theirs"
    assert "person9@example.org" in {row["email"] for row in tenant.local().values()}
    (held,) = tenant.agenda.of(AgendaKind.HELD_DELETE)
    assert held.contact_id == third


def test_after_our_own_writes_the_next_run_finds_nothing_to_read(world: World) -> None:
    tenant, (first, second, _) = synced(world)
    tenant.edit_local(first, company="Ours")
    tenant.edit_remote(tenant.record_of(second), company="Theirs")
    tenant.sync()
    assert not tenant.agenda.items
    report = tenant.assert_quiet()
    assert sum(report.plan.considered.values()) == sum(result.records_unchanged for result in report.results)
    tenant.sync(is_full=True)
    tenant.assert_in_sync()
