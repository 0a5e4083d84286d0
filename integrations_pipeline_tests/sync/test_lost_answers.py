"""Answers that never arrive: what was written is written once, with and without the key column."""

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people, person

KEYS = pytest.mark.parametrize("has_key", [True, False], ids=["key column", "no key column"])
LOSSES = pytest.mark.parametrize("action", ["drop_before", "drop_after"])


@KEYS
@LOSSES
def test_a_create_whose_answer_is_lost_makes_no_duplicate(world: World, has_key: bool, action: str) -> None:
    tenant = world.tenant(with_contact_id=has_key)
    tenant.add_local(*people(25))
    world.fault(action, method="PATCH" if has_key else "POST", path_regex="Contacts$", skip=1)
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    tenant.sync()
    tenant.assert_in_sync()
    assert len(tenant.remote()) == 25
    tenant.assert_quiet()


@KEYS
@LOSSES
def test_a_create_whose_answers_are_all_lost_makes_no_duplicate(world: World, has_key: bool, action: str) -> None:
    tenant = world.tenant(with_contact_id=has_key)
    tenant.add_local(*people(12))
    world.fault(action, method="PATCH" if has_key else "POST", path_regex="Contacts$", times=5)
    tenant.sync()
    tenant.sync()
    tenant.assert_in_sync()
    assert len(tenant.remote()) == len(tenant.local()) == 12


@LOSSES
def test_a_nameless_create_whose_answer_is_lost_makes_no_duplicate_by_its_key(world: World, action: str) -> None:
    tenant = world.tenant()
    tenant.add_local({"name": "Nameless"}, person(1))
    world.fault(action, method="PATCH")
    tenant.sync()
    tenant.sync()
    tenant.assert_in_sync()
    assert len(tenant.remote()) == 2


@pytest.mark.parametrize(
    "action",
    [
        "drop_before",
        pytest.param("drop_after"),
    ],
)
def test_a_nameless_create_whose_answer_is_lost_makes_no_duplicate_without_key(world: World, action: str) -> None:
    tenant = world.tenant(with_contact_id=False)
    tenant.add_local({"name": "Nameless"}, person(1))
    world.fault(action, method="POST", path_regex="Contacts$")
    tenant.sync()
    tenant.sync()
    assert len(tenant.remote()) == len(tenant.local()) == 2


@KEYS
@LOSSES
def test_an_update_whose_answer_is_lost_is_made_once(world: World, has_key: bool, action: str) -> None:
    tenant = world.tenant(with_contact_id=has_key)
    contact_ids = tenant.add_local(*people(12))
    tenant.sync()
    for contact_id in contact_ids:
        tenant.edit_local(contact_id, company="Acme")
    world.fault(action, method="PATCH")
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()
    tenant.assert_quiet()


@LOSSES
def test_a_delete_whose_answer_is_lost_is_done_all_the_same(world: World, action: str) -> None:
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    contact_ids = tenant.add_local(*people(12))
    tenant.sync()
    tenant.delete_local(*contact_ids[:4])
    world.fault(action, method="DELETE")
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    assert report.results[0].records_deleted == 4
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_a_feed_whose_creation_is_in_doubt_is_made_once(world: World) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1))
    world.fault("drop_after", method="POST", path_regex="webhooks$")
    tenant.sync()
    tenant.sync()
    tenant.assert_in_sync()
    made = [call for call in world.airtable.requests() if call.method == "POST" and call.path.endswith("webhooks")]
    assert len(made) == 1


def copied(world: World) -> tuple[Tenant, str, str, str]:
    """A record that a person duplicated in the app, with its Contact ID, and made into somebody else."""
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1))
    tenant.sync()
    record_id = tenant.record_of(contact_id)
    (copy,) = tenant.add_remote(person(2, **{"Contact ID": contact_id}))
    tenant.sync()
    return tenant, contact_id, record_id, copy


def test_a_copied_contact_id_does_not_join_two_people(world: World) -> None:
    tenant, contact_id, record_id, copy = copied(world)
    assert tenant.record_of(contact_id) == record_id
    assert tenant.contact_of(copy) != contact_id
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_a_recreated_record_does_not_overwrite_one_with_a_copied_contact_id(world: World) -> None:
    tenant, contact_id, record_id, copy = copied(world)
    tenant.delete_remote(record_id)
    tenant.edit_local(contact_id, company="Acme")
    tenant.sync()
    tenant.sync()
    assert tenant.remote()[copy]["name"] == "Person 2"
    assert sorted(row["name"] for row in tenant.local().values()) == ["Person 1", "Person 2"]
    tenant.assert_in_sync()
