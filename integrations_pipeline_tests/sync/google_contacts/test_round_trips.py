"""A workspace and a Google account become the same, and stay so without a write."""

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.google_contacts.arrangement import ContactsWorld

ANN = person(1, phone="+44 20 7946 0001", company="Nordlys", job_title="Editor", tags=["press", "radio"])


def test_a_first_sync_brings_both_sides_together_and_the_next_run_costs_two_calls(world: ContactsWorld) -> None:
    tenant = world.tenant()
    tenant.add_local(ANN, person(2, tags=["press"]))
    tenant.add_remote(person(2, company="Acme"), person(3, tags=["tv"]))
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(tenant.remote()) == 3
    tenant.assert_in_sync()
    tenant.assert_quiet(most_calls=2)


def test_without_tags_a_quiet_run_costs_one_call(world: ContactsWorld) -> None:
    tenant = world.tenant(field_mapping={"email": "emailAddresses", "name": "names"})
    tenant.add_local(*people(3))
    tenant.sync()
    tenant.assert_in_sync()
    tenant.assert_quiet(most_calls=1)


def test_edits_and_deletes_go_both_ways(world: ContactsWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    ids = tenant.add_local(*people(6))
    tenant.sync()
    records = [tenant.record_of(key) for key in ids]
    tenant.edit_local(ids[0], company="Local", tags=["a", "b"])
    tenant.edit_remote(records[1], company="Remote", job_title="Chief", tags=["c"])
    tenant.edit_local(ids[2], phone="+1")
    tenant.edit_remote(records[2], name="Renamed Person")
    tenant.delete_local(ids[3])
    tenant.delete_remote(records[4])
    assert tenant.sync().status is RunStatus.SUCCESS
    local = tenant.local()
    assert local[ids[1]]["company"] == "Remote"
    assert (local[ids[2]]["phone"], local[ids[2]]["name"]) == ("+1", "Renamed Person")
    assert len(local) == len(tenant.remote()) == 4
    tenant.assert_in_sync()
    tenant.assert_quiet()


@pytest.mark.parametrize("count", [450])
def test_a_first_load_costs_its_batches_and_pages(world: ContactsWorld, count: int) -> None:
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_local(*people(count))
    tenant.sync()
    # Labels and an empty page, then three batches of 200.
    assert len(tenant.calls()) == 5
    tenant.assert_quiet()
