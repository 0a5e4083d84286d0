"""The connection is told another place: nothing is deleted for that, and nobody is asked about each contact."""

import pytest

from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World, people, person


def moved(world: World, count: int) -> Tenant:
    """A tenant of ten whose connection reads another base, with so many of the people in it."""
    tenant = world.tenant(delete_policy="propagate", delete_limit=1000, delete_limit_fraction=1.0)
    tenant.add_local(*people(10))
    tenant.sync()
    base = world.airtable.create_base("Another")
    world.airtable.create_contacts_table(base.id, TABLE)
    tenant.base_id = base.id
    tenant.add_remote(*people(count))
    tenant.configure(**tenant.place())
    return tenant


def test_a_place_with_the_same_people_is_linked_anew(world: World) -> None:
    tenant = moved(world, 10)
    tenant.sync()
    assert len(tenant.local()) == len(tenant.remote()) == 10
    assert tenant.agenda.items == ()
    tenant.assert_in_sync()


@pytest.mark.parametrize("count", [6, 9])
def test_a_place_without_some_deletes_nobody_and_takes_whoever_is_new(world: World, count: int) -> None:
    tenant = moved(world, count)
    tenant.add_remote(person(20))
    for is_full in (False, False, True):
        tenant.sync(is_full=is_full)
        assert len(tenant.local()) == 11


def test_a_place_without_most_is_one_question(world: World) -> None:
    tenant = moved(world, 3)
    tenant.sync()
    assert len([item for item in tenant.agenda.items if item.kind.value.startswith("held_")]) == 1
