"""Who is who: consent, merged contacts, addresses that are taken, contacts without one."""

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.hubspot.arrangement import HubSpotWorld, Portals


def out_there(tenant: Portals) -> set[str]:
    return set(tenant.portal.opted_out)


def test_an_opt_out_goes_both_ways_and_is_never_taken_back(world: HubSpotWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    one, other = tenant.add_remote(*people(2))
    tenant.sync()
    ids = [tenant.contact_of(record) for record in (one, other)]
    tenant.edit_local(ids[0], email_opt_out="true")
    tenant.opt_out_remote(other)
    tenant.sync()
    assert [tenant.is_out(key) for key in ids] == [True, True]
    assert out_there(tenant) == {"person0@example.org", "person1@example.org"}
    tenant.assert_in_sync()
    tenant.assert_quiet()
    for key in ids:
        tenant.edit_local(key, email_opt_out="")
    tenant.sync()
    tenant.sync()
    assert out_there(tenant) == {"person0@example.org", "person1@example.org"}


def test_whoever_opts_in_at_hubspot_stays_out_here_and_is_out_there_again(world: HubSpotWorld) -> None:
    """HubSpot does not tell who did it: it may have been an import."""
    tenant = world.tenant(**NO_LIMIT)
    (record,) = tenant.add_remote(person(1))
    tenant.opt_out_remote(record)
    tenant.sync()
    world.hubspot.opt_in(tenant.portal_id, "person1@example.org")
    tenant.sync()
    tenant.sync()
    assert tenant.is_out(tenant.contact_of(record))
    assert out_there(tenant) == {"person1@example.org"}


def test_a_new_contact_of_somebody_who_opted_out_is_never_there_without_it(world: HubSpotWorld) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1, email_opt_out="true"), person(2))
    tenant.sync()
    assert out_there(tenant) == {"person1@example.org"}
    writes = [call.path.rpartition("/")[2] for call in tenant.record_writes()]
    assert writes.index("unsubscribe-all") < writes.index("create")
    tenant.assert_in_sync()


def test_somebody_who_is_out_and_gets_another_e_mail_stays_out(world: HubSpotWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    (record,) = tenant.add_remote(person(1))
    tenant.opt_out_remote(record)
    tenant.sync()
    tenant.edit_local(tenant.contact_of(record), email="moved@example.org")
    tenant.sync()
    assert "moved@example.org" in out_there(tenant)
    tenant.assert_in_sync()
    tenant.assert_quiet()


@pytest.mark.parametrize("has_new_id", [True, False])
def test_contacts_that_were_merged_leave_the_person_there_and_hold_the_delete_of_the_other(
    world: HubSpotWorld, has_new_id: bool
) -> None:
    world.options(merge_makes_new_id=has_new_id)
    tenant = world.tenant()
    one, other, _ = tenant.add_remote(*people(3))
    tenant.sync()
    kept, lost = (tenant.contact_of(record) for record in (one, other))
    merged = str(world.hubspot.merge(tenant.portal_id, one, other)["id"])
    tenant.sync()
    assert tenant.record_of(kept) == merged
    assert lost in tenant.local()
    assert [row["contact_id"] for row in tenant.journal("held")] == [lost]
    assert len(tenant.remote()) == 2
    tenant.edit_local(kept, company="After")
    tenant.sync()
    assert tenant.remote()[merged]["company"] == "After"


def test_an_address_that_is_taken_fails_alone_until_it_is_free(world: HubSpotWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(*people(2))
    tenant.sync()
    # Somebody made a contact there that no search tells yet.
    world.options(index_lag_seconds=3600)
    (theirs,) = tenant.add_remote({"email": "taken@example.org"})
    tenant.edit_local(tenant.contact_of(records[0]), email="taken@example.org")
    tenant.edit_local(tenant.contact_of(records[1]), company="Goes on")
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert tenant.remote()[records[1]]["company"] == "Goes on"
    (row,) = tenant.journal("failed")
    assert row["reason"] == "another contact at HubSpot has this e-mail, perhaps as an additional one"
    world.hubspot.archive(tenant.portal_id, theirs)
    tenant.sync()
    assert tenant.remote()[records[0]]["email"] == "taken@example.org"


def test_a_create_that_meets_somebody_is_linked_by_the_next_run_and_nothing_is_lost(world: HubSpotWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_remote(person(1))
    tenant.sync()
    (contact_id,) = tenant.add_local(person(2, company="Ours"))

    def meanwhile() -> None:
        tenant.add_remote(person(2, phone="+2", company="Theirs"))

    world.hooks.before_write = meanwhile
    tenant.sync()
    tenant.sync()
    tenant.assert_in_sync()
    assert tenant.local()[contact_id]["phone"] == "+2"
    assert len(tenant.conflicts()) == 1


def test_contacts_without_an_e_mail_come_here_and_none_is_made_there(world: HubSpotWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_remote({"name": "Nobody Known", "company": "Acme"})
    tenant.add_local({"name": "Only Here"})
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    assert len(tenant.remote()) == 1
    assert len(tenant.local()) == 2
    tenant.assert_quiet()
