"""Answers that get lost, refusals that pass and pages cut short: nothing is lost, doubled or deleted by accident."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.spread import spread
from integrations_pipeline_tests.sync.arrangement import people, person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT, Worlds
from integrations_pipeline_tests.sync.crashes import State
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers
from integrations_pipeline_tests.sync.mailchimp.everything import everything, state_of


@dataclass(frozen=True, slots=True)
class Fault:
    action: str
    rule: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.action, *map(str, self.rule.values())])


#: Requests by method and the end of their path.
PLACES = {
    "the list": ("GET", r"/members$"),
    "the fields": ("GET", r"/merge-fields$"),
    "one member": ("GET", r"/members/\w{32}$"),
    "a batch": ("POST", r"/lists/\w+$"),
    "one member's write": ("PATCH", r"/members/"),
    "a member for a new e-mail": ("PUT", r"/members/"),
    "tags": ("POST", r"/tags$"),
    "an archive": ("DELETE", r"/members/"),
}
#: How often, and for how many of the same kind not.
HOW = {"once": ((1, 0), (1, 1)), "several times": ((3, 0), (2, 2))}
FAULTS = (
    Fault("drop_before"),
    Fault("drop_after"),
    Fault("rate_limit"),
    Fault("status", {"status": 403}),
    Fault("status", {"status": 500}),
    Fault("status_after", {"status": 502}),
)


def settled(tenant: Subscribers) -> State:
    """The end, after the run that was disturbed and quiet ones."""
    for _ in range(3):
        tenant.sync()
    tenant.assert_in_sync()
    assert not tenant.sync(is_full=True).plan.changes
    return state_of(tenant)


@pytest.fixture(scope="module")
def undisturbed(worlds: Worlds[MailchimpWorld]) -> State:
    with worlds.world() as world:
        tenant = everything(world)
        tenant.sync()
        return settled(tenant)


def disturbed(world: MailchimpWorld, place: str, fault: Fault, *, times: int, skip: int = 0) -> tuple[State, int]:
    """How it ends with the fault, and how often that struck."""
    tenant = everything(world)
    method, path = PLACES[place]
    world.fault(fault.action, method=method, path_regex=path, times=times, skip=skip, **fault.rule)
    tenant.sync()
    (rule,) = world.server.stage.faults.to_json()
    world.mailchimp.clear_faults()
    if tenant.connection.status != "active":
        tenant.configure()
    return settled(tenant), rule["hit_count"]


@pytest.mark.parametrize("place", ["a batch", "one member's write", "a member for a new e-mail", "tags", "an archive"])
def test_an_answer_that_got_lost_changes_nothing_in_the_end(
    world: MailchimpWorld, undisturbed: State, place: str
) -> None:
    end, hits = disturbed(world, place, Fault("drop_after"), times=1)
    assert hits == 1
    assert end == undisturbed


@pytest.mark.slow
@spread("place, fault, how", list(PLACES), FAULTS, list(HOW), one_of=2)
def test_no_fault_anywhere_changes_the_end(
    worlds: Worlds[MailchimpWorld], undisturbed: State, place: str, fault: Fault, how: str
) -> None:
    seen: Counter[str] = Counter()
    for times, skip in HOW[how]:
        with worlds.world() as world:
            end, hits = disturbed(world, place, fault, times=times, skip=skip)
            assert end == undisturbed, (times, skip)
            seen[f"{fault.action} at {place}"] += hits
    gather("faults", seen)
    assert sum(seen.values()) >= 1


# Pages


def listed(world: MailchimpWorld, count: int = 5) -> Subscribers:
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_remote(*people(count))
    tenant.sync()
    world.clock.advance(3600)
    return tenant


@pytest.mark.parametrize("tells", ["the true total", "a total of nobody", "a total of half"])
@pytest.mark.parametrize("action", ["truncate_page", "empty_page"])
def test_a_page_cut_short_deletes_nobody(world: MailchimpWorld, action: str, tells: str) -> None:
    tenant = listed(world, 6)
    body = {"a total of nobody": {"total_items": 0}, "a total of half": {"total_items": 3}}.get(tells)
    world.fault(action, path_regex=r"/members$", times=1, body=body)
    tenant.sync(is_full=True)
    for is_full in (False, True):
        assert tenant.sync(is_full=is_full).status is RunStatus.SUCCESS
    assert len(tenant.local()) == len(tenant.remote()) == 6
    assert not tenant.journal("applied", kind="delete")
    tenant.assert_in_sync()


@pytest.mark.parametrize("action", ["truncate_page", "empty_page"])
def test_a_page_cut_short_hides_no_edit_as_long_as_it_tells_the_total(world: MailchimpWorld, action: str) -> None:
    tenant = listed(world, 6)
    for record_id in tenant.remote():
        tenant.edit_remote(record_id, company="Edited")
    world.fault(action, path_regex=r"/members$", times=1)
    for _ in range(2):
        tenant.sync()
    assert {row["company"] for row in tenant.local().values()} == {"Edited"}
    tenant.assert_in_sync()


def test_a_list_of_the_archived_cut_short_hides_no_archive(world: MailchimpWorld) -> None:
    tenant = listed(world, 6)
    tenant.delete_remote(*list(tenant.remote())[:3])
    world.fault("truncate_page", path_regex=r"/members$", times=1, skip=1)
    for _ in range(2):
        tenant.sync()
    assert len(tenant.local()) == 3
    tenant.assert_in_sync()


def test_an_audience_that_seems_empty_deletes_nobody_whatever_the_limits(world: MailchimpWorld) -> None:
    tenant = listed(world)
    world.fault("empty_page", path_regex=r"/members$", times=-1, body={"total_items": 0})
    world.fault("status", path_regex=r"/members/\w+$", times=-1, status=404, body={"title": "Resource Not Found"})
    for is_full in (True, False, True):
        tenant.sync(is_full=is_full)
        assert len(tenant.local()) == 5
    world.mailchimp.clear_faults()
    tenant.sync(is_full=True)
    tenant.assert_in_sync()
    assert not tenant.journal("held")


# Access


@pytest.mark.parametrize("cause", ["key revoked", "account disabled", "audience deleted"])
def test_a_cause_that_needs_a_person_fails_the_run_and_loses_nothing(world: MailchimpWorld, cause: str) -> None:
    tenant = listed(world)
    (contact_id,) = tenant.add_local(person(50))
    if cause == "key revoked":
        world.mailchimp.revoke_api_key(tenant.token)
    elif cause == "account disabled":
        world.mailchimp.disable_account()
    else:
        audience = world.mailchimp._held.audiences.pop(tenant.list_id)
    for runs in (1, 2, 3):
        report = tenant.sync(is_full=runs == 2)
        assert report.status is RunStatus.FAILED
        assert len(tenant.calls()) <= 2
        assert tenant.connection.error_count == runs
        assert len(tenant.local()) == 6
    assert tenant.connection.status == "error"
    if cause == "key revoked":
        world.mailchimp.create_api_key(value=tenant.token)
    elif cause == "account disabled":
        world.mailchimp.disable_account(is_disabled=False)
    else:
        world.mailchimp._held.audiences[audience.id] = audience
    tenant.configure()
    tenant.sync()
    assert tenant.record_of(contact_id)
    tenant.assert_in_sync()


def test_a_merge_field_that_was_deleted_stops_its_field_and_clears_nothing(world: MailchimpWorld) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1, company="Acme"))
    tenant.sync()
    world.mailchimp.delete_merge_field(tenant.list_id, "COMPANY")
    report = tenant.sync(is_full=True)
    assert report.status is RunStatus.PARTIAL
    assert "COMPANY" in report.stopped_fields["company"]
    for row in tenant.local().values():
        assert row["company"] == "Acme"


def test_a_throttled_account_is_waited_for(world: MailchimpWorld) -> None:
    tenant = listed(world)
    tenant.edit_local(sorted(tenant.local())[0], company="Acme")
    for rule in ({"action": "rate_limit"}, {"action": "status", "status": 403}, {"action": "status", "status": 503}):
        world.fault(times=2, path_regex="/3.0/", **rule)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(world.waits) >= 6
    tenant.assert_in_sync()
