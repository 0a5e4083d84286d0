"""What an account that changed, a token that lacks something and values that do not fit lead to: one line each."""

from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.hubspot.arrangement import HubSpotWorld, Portals
from integrations_sandbox import FaultRule
from integrations_sandbox.hubspot.state import READ, SCHEMA

MAPPING = {"name": "firstname+lastname", "company": "company", "custom_fields.size": "size", "tags": "labels"}


def synced(world: HubSpotWorld, count: int = 4, **settings: Any) -> Portals:
    """An account with a number and a property of several options, and contacts with a value in each."""
    tenant = world.tenant(field_mapping=MAPPING, **settings)
    make(world, tenant)
    rows = (person(n, company=f"Firm {n}", tags=["press"], **{"custom_fields.size": str(n + 1)}) for n in range(count))
    tenant.add_local(*rows)
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()
    return tenant


def make(world: HubSpotWorld, tenant: Portals) -> None:
    hubspot, portal = world.hubspot, tenant.portal_id
    hubspot.create_property(portal, "size", type="number", field_type="number")
    hubspot.create_property(portal, "labels", type="enumeration", field_type="checkbox", options=["Press", "Radio"])


def held(tenant: Portals, name: str) -> set[str]:
    return {row.get(name, "") for row in tenant.local().values()}


def test_a_thousand_contacts_that_one_rule_refuses_are_a_line_each_and_the_rest_goes_on(world: HubSpotWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    world.hubspot.add_rule(tenant.portal_id, "company", "^Acme")
    tenant.add_local(*(person(n, company="Other") for n in range(1000)), *(person(n) for n in range(1000, 1030)))
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    rows = tenant.journal("failed")
    assert len(rows) == 1000
    assert {row["reason"] for row in rows} == {"property company does not take the value (VALIDATION_RULE_FAILED)"}
    assert len(tenant.remote()) == 30
    assert len(tenant.record_writes()) == 11
    again = tenant.sync()
    assert not tenant.record_writes(), "what was refused for good is not sent again"
    assert again.status in (RunStatus.SUCCESS, RunStatus.PARTIAL)


@pytest.mark.parametrize(
    ("kind", "is_full"),
    [("archived", False), ("archived", True), ("string", False), ("bool", True), ("made anew", False)],
)
def test_a_property_that_is_gone_or_of_another_type_stops_its_field_alone(
    world: HubSpotWorld, kind: str, is_full: bool
) -> None:
    tenant = synced(world)
    before = held(tenant, "custom_fields.size")
    hubspot, portal = world.hubspot, tenant.portal_id
    if kind in ("archived", "made anew"):
        hubspot.archive_property(portal, "size")
    else:
        hubspot.change_property(portal, "size", type=kind)
    if kind == "made anew":
        world.clock.advance(60)
        hubspot.create_property(portal, "size", type="number", field_type="number")
    record = sorted(tenant.remote())[0]
    tenant.edit_remote(record, company="Renamed")
    report = tenant.sync(is_full=is_full)
    assert held(tenant, "custom_fields.size") == before
    assert "Renamed" in held(tenant, "company"), "everything else goes on"
    if kind == "made anew":
        tenant.sync(is_full=True)
        tenant.assert_in_sync()
        return
    assert (report.status, set(report.stopped_fields)) == (RunStatus.PARTIAL, {"custom_fields.size"})
    again = tenant.sync(is_full=True)
    assert (again.status, set(again.stopped_fields)) == (RunStatus.SUCCESS, {"custom_fields.size"})


def test_a_new_label_changes_nothing(world: HubSpotWorld) -> None:
    tenant = synced(world)
    world.hubspot.change_property(tenant.portal_id, "size", label="Head count")
    assert tenant.sync(is_full=True).status is RunStatus.SUCCESS
    tenant.assert_in_sync()


def test_custom_properties_and_tags_arrive_on_both_sides(world: HubSpotWorld) -> None:
    tenant = synced(world, **NO_LIMIT)
    one, two, *_ = sorted(tenant.remote())
    tenant.edit_remote(one, **{"custom_fields.size": "99", "tags": ["press", "radio"]})
    tenant.edit_local(tenant.contact_of(two), **{"custom_fields.size": "7", "tags": ["radio"]})
    tenant.sync()
    tenant.assert_in_sync()
    assert tenant.local()[tenant.contact_of(one)]["custom_fields.size"] == "99"
    assert tenant.remote()[two]["tags"] == "radio"
    tenant.assert_quiet()


def test_a_value_that_its_property_cannot_hold_fails_alone(world: HubSpotWorld) -> None:
    tenant = synced(world)
    one, two, *_ = sorted(tenant.remote())
    tenant.edit_local(tenant.contact_of(one), **{"custom_fields.size": "plenty"})
    tenant.edit_local(tenant.contact_of(two), company="Goes on")
    assert tenant.sync().status is RunStatus.PARTIAL
    (row,) = tenant.journal("failed")
    assert row["reason"] == "property size holds numbers only"
    assert tenant.remote()[two]["company"] == "Goes on"


def test_a_property_that_never_was_there_is_one_line_and_nothing_is_written(world: HubSpotWorld) -> None:
    tenant = world.tenant(field_mapping={"name": "firstname+lastname", "custom_fields.size": "size"})
    tenant.add_local(*people(2))
    report = tenant.sync()
    assert report.status is RunStatus.FAILED
    assert report.error.startswith('property "size" of contacts does not exist (mapped from custom_fields.size)')
    assert not tenant.record_writes()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("scope", "the token lacks a scope at HubSpot: give it crm.objects.contacts.write"),
        ("revoked", "HubSpot refuses the token: it is wrong, expired or revoked"),
        ("closed", "HubSpot denies access: the account is closed or suspended"),
        ("another account", "the token is of the HubSpot account 1000001, and portal_id in the connection's settings"),
        ("day", "HubSpot's daily limit of the account is used up"),
    ],
)
def test_an_account_that_does_not_answer_fails_the_run_with_one_line_and_deletes_nobody(
    world: HubSpotWorld, what: str, words: str
) -> None:
    tenant = synced(world, **NO_LIMIT)
    before = tenant.local()
    tenant.edit_local(sorted(before)[0], company="Edited")
    if what == "scope":
        world.hubspot.revoke_token(tenant.token)
        world.hubspot.create_token(tenant.portal_id, value=tenant.token, scopes=[READ, SCHEMA])
    elif what == "revoked":
        world.hubspot.revoke_token(tenant.token)
    elif what == "closed":
        world.hubspot.close_portal(tenant.portal_id)
    elif what == "another account":
        world.hubspot.revoke_token(tenant.token)
        world.hubspot.create_token(value=tenant.token)
    else:
        world.hubspot.add_fault(FaultRule(action="billing_limit", times=-1))
    for is_full in (False, True):
        report = tenant.sync(is_full=is_full)
        assert report.status is RunStatus.FAILED
        assert report.error.startswith(words)
    assert tenant.local().keys() == before.keys()
    assert not tenant.journal("held")


@pytest.mark.parametrize(
    ("action", "is_full"),
    [("truncate_page", True), ("empty_page", False), ("blank_values", True), ("blank_values", False)],
)
def test_an_answer_that_lacks_contacts_or_values_deletes_and_clears_nothing(
    world: HubSpotWorld, action: Any, is_full: bool
) -> None:
    tenant = synced(world, count=6, **NO_LIMIT)
    before = tenant.local()
    tenant.edit_remote(sorted(tenant.remote())[0], company="Edited")
    world.hubspot.add_fault(FaultRule(action=action, times=2))
    tenant.sync(is_full=is_full)
    world.hubspot.clear_faults()
    assert tenant.local().keys() == before.keys()
    assert held(tenant, "custom_fields.size") == {row["custom_fields.size"] for row in before.values()}
    tenant.sync(is_full=True)
    tenant.assert_in_sync()
    assert "Edited" in held(tenant, "company")


def test_an_e_mail_that_hubspot_took_otherwise_is_told_and_lost_on_neither_side(world: HubSpotWorld) -> None:
    tenant = world.tenant()
    (contact,) = tenant.add_local(person(1))
    tenant.sync()
    world.hubspot.add_fault(FaultRule(action="alter_written", how="cut", length=14, names=["email"], times=1))
    tenant.edit_local(contact, email="new@example.org")
    report = tenant.sync()
    assert report.results[0].errors == (
        f"update of {contact}: property email did not take the value: the old value was put back",
    )
    tenant.sync()
    assert tenant.local()[contact]["email"] == "new@example.org"
    assert [row["email"] for row in tenant.remote().values()] == ["person1@example.org"]


@pytest.mark.parametrize("name", ["email", "company"])
def test_a_value_that_an_answer_does_not_show_goes_out_again(world: HubSpotWorld, name: str) -> None:
    tenant = world.tenant()
    (contact,) = tenant.add_local(person(1, company="Old Firm"))
    tenant.sync()
    new = {"email": "new@example.org", "company": "New Firm"}
    world.hubspot.add_fault(FaultRule(action="alter_written", how="keep_old", names=[name], times=1))
    tenant.edit_local(contact, **new)
    assert tenant.sync().status is RunStatus.PARTIAL
    assert tenant.sync().status is RunStatus.SUCCESS
    assert [tenant.local()[contact][each] for each in new] == list(new.values())
    tenant.assert_in_sync()


def test_a_new_contact_that_lacks_a_value_is_made_once_and_gets_it(world: HubSpotWorld) -> None:
    tenant = world.tenant()
    (contact,) = tenant.add_local(person(1, company="Firm"))
    world.hubspot.add_fault(FaultRule(action="alter_written", how="leave_out", names=["company"], times=1))
    report = tenant.sync()
    assert "property company of the new contact did not take the value" in report.results[0].errors[0]
    tenant.sync()
    assert tenant.local()[contact]["company"] == "Firm"
    assert len(tenant.remote()) == 1
    tenant.assert_in_sync()


NOT_FOUND = {"status": "error", "message": "resource not found", "category": "OBJECT_NOT_FOUND"}


def test_a_delete_counts_as_done_only_if_hubspot_calls_the_contact_gone(world: HubSpotWorld) -> None:
    tenant = synced(world, 6, **NO_LIMIT)
    chosen, *_ = sorted(tenant.links())
    tenant.delete_local(chosen)
    rule: dict[str, Any] = {"method": "POST", "path_regex": "batch/archive$", "times": 1}
    world.hubspot.add_fault(FaultRule(action="status", status=404, body=NOT_FOUND, **rule))
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert "HubSpot did not say that the contact was archived" in report.results[0].errors[0]
    assert (len(tenant.links()), len(tenant.remote())) == (6, 6)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert (len(tenant.local()), len(tenant.remote())) == (5, 5)
