"""A run of one direction answers no question of the other: what waits there stays, row by row."""

from typing import Any

import pytest

from integrations_pipeline.model import Direction, Side
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people

#: The side that a run of a direction may not write.
OTHER = {Direction.TO_EXTERNAL: Side.LOCAL, Direction.FROM_EXTERNAL: Side.REMOTE}


def asked(world: World) -> Tenant:
    """On each side a held delete and a write that failed."""
    tenant = world.tenant(field_mapping={"email": "Email", "name": "Name", "custom_fields.size": "Size"})
    world.airtable.create_field(
        tenant.base_id, "Contacts", {"name": "Size", "type": "number", "options": {"precision": 0}}
    )
    ids = tenant.add_local(*people(8))
    tenant.sync()
    tenant.delete_local(ids[0])
    tenant.delete_remote(tenant.record_of(ids[1]))
    tenant.edit_local(ids[2], **{"custom_fields.size": "many"})
    tenant.edit_remote(tenant.record_of(ids[3]), email="person4@example.org")
    tenant.sync()
    assert {(row["side"], row["state"]) for row in waiting(tenant)} == {
        (side.value, state) for side in Side for state in ("held", "failed")
    }
    return tenant


def waiting(tenant: Tenant, side: Side | None = None) -> list[dict[str, Any]]:
    rows = tenant.journal("held", "failed")
    return [row for row in rows if side is None or row["side"] == side.value]


@pytest.mark.parametrize("is_full", [False, True], ids=["incremental", "full"])
@pytest.mark.parametrize("direction", OTHER)
def test_a_one_way_run_leaves_what_waits_on_the_other_side_as_it_was(
    world: World, direction: Direction, is_full: bool
) -> None:
    tenant = asked(world)
    before = waiting(tenant, OTHER[direction])
    for _ in range(2):
        tenant.sync(direction=direction, is_full=is_full)
        assert waiting(tenant, OTHER[direction]) == before
    assert len(waiting(tenant)) == 4, "its own questions are asked once more or still there"


def test_a_run_of_both_directions_asks_the_same_questions_under_their_ids(world: World) -> None:
    tenant = asked(world)
    held = [row["id"] for row in tenant.journal("held")]
    tenant.sync()
    tenant.sync(is_full=True)
    assert [row["id"] for row in tenant.journal("held")] == held
    assert len(tenant.journal("failed")) == 2
