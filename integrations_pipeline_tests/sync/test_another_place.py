"""A connection that points to another table: whether it does, and what one approval is worth."""

from dataclasses import replace

import pytest

from integrations_pipeline.model import AgendaKind, Checkpoint, Decision, Direction, Plan, RunStatus
from integrations_pipeline.sync.contacts.extract import Extracted
from integrations_pipeline.sync.contacts.place import is_elsewhere
from integrations_pipeline_tests.builders import base_frame, local_snapshot, permissive, remote_snapshot, world_of
from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World, people


@pytest.mark.parametrize(
    ("linked", "missing", "is_changed", "expected"),
    [
        pytest.param(4, 3, True, True, id="more than half are not there"),
        pytest.param(4, 2, True, False, id="half of them are"),
        pytest.param(5, 3, True, True, id="three of five"),
        pytest.param(5, 2, True, False, id="two of five"),
        pytest.param(1, 1, True, True, id="the only one"),
        pytest.param(0, 0, True, False, id="nobody was linked"),
        pytest.param(1, 0, True, False, id="nobody is missing"),
        pytest.param(4, 4, False, False, id="the place is the same"),
    ],
)
def test_another_place_is_one_where_fewer_than_half_of_the_linked_are(
    linked: int, missing: int, is_changed: bool, expected: bool
) -> None:
    world = world_of(
        local=local_snapshot({}),
        remote=remote_snapshot({}, is_complete=False, tombstones=[f"x{n}" for n in range(missing)]),
        base=base_frame({}),
        rules=(),
        policy=permissive(linked_count=linked, is_place_changed=is_changed),
    )
    extracted = Extracted(
        world=world,
        checkpoint=Checkpoint(),
        is_complete=True,
        tells_own_writes=False,
        recent=frozenset(),
        again=frozenset(),
    )
    assert is_elsewhere(extracted, Plan()) is expected
    assert is_elsewhere(replace(extracted, is_complete=False), Plan()) is expected


def point_to_another(tenant: Tenant) -> str:
    """What tells this place from others."""
    base = tenant.world.airtable.create_base("Another")
    tenant.world.airtable.create_contacts_table(base.id, TABLE)
    tenant.base_id = base.id
    tenant.configure(base_id=base.id)
    with tenant.run() as run:
        return str(run.configuration["place"])


def approve(tenant: Tenant) -> None:
    tenant.rows("update integration_agenda set decision = 'approved', decided_at = now() returning 1")


def test_an_approval_of_one_place_is_none_of_the_next(world: World) -> None:
    tenant = world.tenant()
    tenant.add_remote(*people(3))
    tenant.sync()
    links = tenant.links()
    point_to_another(tenant)
    tenant.sync()
    approve(tenant)
    (approved,) = tenant.agenda.items
    second = point_to_another(tenant)
    for _ in range(2):
        assert tenant.sync(direction=Direction.BIDIRECTIONAL).status is RunStatus.REFUSED
        assert tenant.links() == links
        (asked,) = tenant.agenda.items
        assert (asked.kind, asked.decision) == (AgendaKind.HELD_PLACE, None)
        assert asked.id != approved.id
        assert asked.after == {"place": second} != approved.after
        assert asked.reason == (
            "the connection points to another place at Airtable: 3 of 3 linked records are not there; approve to start "
            "anew there, or change the settings back"
        )
    approve(tenant)
    assert tenant.agenda.items[0].decision is Decision.APPROVED
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    assert not tenant.agenda.items
    assert len(tenant.remote()) == 3
    moved = tenant.rows("select distinct run_id from integration_changes where kind = 'unlink'")
    assert moved == [{"run_id": report.run_id}]
    tenant.assert_in_sync()


@pytest.mark.parametrize("direction", [Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL])
def test_a_run_of_one_way_asks_too_and_tells_its_one_direction(world: World, direction: Direction) -> None:
    tenant = world.tenant()
    tenant.add_remote(*people(3))
    tenant.sync()
    point_to_another(tenant)
    report = tenant.sync(direction=direction)
    assert (report.status, report.plan.direction) == (RunStatus.REFUSED, direction)
    (due,) = tenant.rows("select next_sync_at <= now() as is_due, error_count from integration_connections")
    assert due == {"is_due": False, "error_count": 0}
