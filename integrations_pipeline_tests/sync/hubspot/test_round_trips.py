"""Contacts between a workspace and HubSpot, through real runs."""

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.hubspot.arrangement import HubSpotWorld


def test_a_first_sync_makes_people_on_both_sides_and_links_who_is_on_both(world: HubSpotWorld) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1, company="Acme"), person(2, phone="+2"), {"email": "bare@example.org"})
    tenant.add_remote(person(2, company="There"), person(3, job_title="Editor"))
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    assert len(tenant.remote()) == len(tenant.local()) == 4
    tenant.assert_in_sync()
    assert {row.get("job_title") for row in tenant.local().values()} == {None, "Editor"}
    tenant.assert_quiet()


def test_edits_of_both_sides_arrive_and_the_next_run_is_quiet(world: HubSpotWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(*people(4))
    tenant.sync()
    ids = [tenant.contact_of(record) for record in records]
    tenant.edit_local(ids[0], company="Local", name="Person Zero Of Three")
    tenant.edit_remote(records[0], phone="+1")
    tenant.edit_remote(records[1], email="renamed@example.org")
    tenant.edit_local(ids[2], email="moved@example.org")
    tenant.delete_local(ids[3])
    tenant.sync()
    tenant.assert_in_sync()
    assert len(tenant.remote()) == 3
    assert tenant.local()[ids[1]]["email"] == "renamed@example.org"
    tenant.assert_quiet()


def test_an_archived_contact_is_deleted_here_and_a_restored_one_comes_back(world: HubSpotWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    first, _ = tenant.add_remote(*people(2))
    tenant.sync()
    tenant.delete_remote(first)
    tenant.sync()
    assert len(tenant.local()) == 1
    tenant.assert_in_sync()
    world.hubspot.restore(tenant.portal_id, first)
    tenant.sync()
    assert len(tenant.local()) == 2
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_a_quiet_run_costs_two_requests_however_many_contacts_there_are(world: HubSpotWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_remote(*people(120))
    tenant.sync()
    for _ in range(3):
        tenant.sync()
        assert [call.path.rpartition("/")[2] for call in tenant.calls()] == ["contacts", "search"]
    tenant.edit_local(sorted(tenant.local())[0], company="Written")
    tenant.sync()
    costs = []
    for _ in range(3):
        tenant.sync()
        costs.append(len(tenant.calls()))
    assert costs == [3, 2, 2], "what was written is read back once"
