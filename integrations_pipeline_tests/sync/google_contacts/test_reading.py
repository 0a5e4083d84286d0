"""Sync tokens that expire, reads that lag behind our writes, pages that are cut, and causes that need a person."""

from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.google_contacts.arrangement import WINDOW, ContactsWorld

WEEK = 7 * 86_400


@pytest.mark.parametrize("status", [400, 410])
def test_a_sync_token_that_expired_leads_to_a_full_read(world: ContactsWorld, status: int) -> None:
    world.options(expired_status=status)
    tenant = world.tenant(**NO_LIMIT)
    ids = tenant.add_local(*people(3))
    tenant.sync()
    tenant.edit_remote(tenant.record_of(ids[0]), company="There")
    tenant.delete_remote(tenant.record_of(ids[1]))
    world.people.expire_sync_tokens(tenant.account)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert tenant.local()[ids[0]]["company"] == "There"
    assert len(tenant.local()) == 2
    tenant.assert_in_sync()


def test_a_week_without_a_run_loses_nothing(world: ContactsWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    ids = tenant.add_local(*people(3))
    tenant.sync()
    tenant.delete_remote(tenant.record_of(ids[0]))
    world.clock.advance(WEEK + 1)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(tenant.local()) == 2
    tenant.assert_quiet()


@pytest.mark.parametrize("is_full", [False, True], ids=["changes", "everything"])
def test_reads_older_than_our_writes_undo_and_double_nothing(world: ContactsWorld, is_full: bool) -> None:
    world.propagation_seconds = WINDOW
    tenant = world.tenant(**NO_LIMIT)
    ids = tenant.add_local(*(person(number, company="Acme") for number in range(4)))
    world.options(sync_lag_seconds=240)
    tenant.sync()
    tenant.sync(is_full=is_full)
    world.clock.advance(WINDOW)
    tenant.sync()
    tenant.edit_local(ids[0], company="Here")
    tenant.edit_local(ids[1], company="")
    tenant.delete_local(ids[2])
    (new,) = tenant.add_local(person(9))
    for _ in range(4):
        assert tenant.sync(is_full=is_full).status is RunStatus.SUCCESS
        assert tenant.local()[ids[0]]["company"] == "Here"
        assert "company" not in tenant.local()[ids[1]]
        assert ids[2] not in tenant.local()
        assert new in tenant.local()
    world.clock.advance(WINDOW)
    tenant.sync()
    assert len(tenant.remote()) == 4
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_an_edit_that_is_told_late_is_taken_when_it_is_told(world: ContactsWorld) -> None:
    world.propagation_seconds = WINDOW
    tenant = world.tenant(**NO_LIMIT)
    (contact,) = tenant.add_local(person(1))
    tenant.sync()
    world.options(sync_lag_seconds=300)
    world.clock.advance(WINDOW)
    tenant.edit_remote(tenant.record_of(contact), company="There")
    tenant.sync()
    world.clock.advance(300)
    tenant.sync()
    assert tenant.local()[contact]["company"] == "There"
    tenant.assert_in_sync()


@pytest.mark.parametrize("action", ["truncate_page", "empty_page"])
def test_a_list_that_is_cut_short_deletes_nobody(world: ContactsWorld, action: str) -> None:
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_local(*people(4))
    tenant.sync()
    world.fault(action, path_regex="connections", times=1, skip=1)
    tenant.sync(is_full=True)
    assert len(tenant.local()) == len(tenant.remote()) == 4
    tenant.assert_in_sync()


def test_records_without_values_change_nothing(world: ContactsWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_local(*people(4))
    tenant.sync()
    before = tenant.local()
    world.fault("blank_values", times=-1)
    tenant.sync(is_full=True)
    world.people.clear_faults()
    assert tenant.local() == before
    tenant.sync()
    tenant.assert_in_sync()


def test_one_bad_contact_of_many_fails_alone(world: ContactsWorld) -> None:
    tenant = world.tenant()
    tenant.add_local(*people(30), person(99, name="x" * 2000))
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert len(tenant.remote()) == 30
    (row,) = tenant.journal("failed")
    assert "x" * 20 not in row["reason"]
    # What is refused for good is not sent again before it changes.
    tenant.sync()
    assert not tenant.record_writes()


@pytest.mark.parametrize(
    ("error", "words", "status"),
    [
        pytest.param("insufficientScopes", "lacks the scope for contacts", "error", id="without scopes"),
        pytest.param("invalidToken", "connections authorize google_contacts", "disconnected", id="revoked"),
        pytest.param("serviceDisabled", "People API is switched off", "active", id="the API is off"),
        pytest.param("forbidden", "denies access", "error", id="an administrator's"),
        pytest.param("overflow", "no room for more contacts", "error", id="full"),
    ],
)
def test_a_cause_that_needs_a_person_is_one_clear_line(
    world: ContactsWorld, error: str, words: str, status: str
) -> None:
    tenant = world.tenant()
    world.people.add_error(error, times=-1)
    for _ in range(1 if status == "disconnected" else 3):
        report = tenant.sync()
        assert report.status is RunStatus.FAILED
        assert words in (report.error or "")
        assert "\n" not in (report.error or "")
    assert tenant.connection.status == status


@pytest.mark.parametrize("error", ["rateLimit", "rateLimitForbidden"])
def test_a_rate_limit_is_waited_out(world: ContactsWorld, error: str) -> None:
    tenant = world.tenant()
    tenant.add_local(*people(3))
    world.people.add_error(error, times=2)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert world.waits
    tenant.assert_in_sync()


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        pytest.param({"email": "emailAddresses", "phone": "phones"}, "'phones' does not exist", id="no such field"),
        pytest.param({"email": "emailAddresses", "tags": "urls"}, "tags go to memberships", id="tags elsewhere"),
        pytest.param({"email": "emailAddresses", "name": "memberships"}, "tags go to memberships", id="no tags"),
        pytest.param({"email_opt_out": "biographies"}, "keeps nobody's consent", id="consent"),
    ],
)
def test_a_mapping_that_cannot_be_is_told(world: ContactsWorld, mapping: dict[str, Any], words: str) -> None:
    report = world.tenant(field_mapping=mapping).sync()
    assert report.status is RunStatus.FAILED
    assert words in (report.error or "")
