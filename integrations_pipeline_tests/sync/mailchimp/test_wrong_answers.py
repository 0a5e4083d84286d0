"""Whole runs against a Mailchimp whose answers have another shape: one line, nothing changed here, consent kept."""

from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.spread import spread
from integrations_pipeline_tests.sync.arrangement import people
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers
from integrations_pipeline_tests.sync.test_wrong_answers import SHAPES, spoilt_run

READS: dict[str, dict[str, Any]] = {
    "merge fields": {"method": "GET", "path_regex": "/merge-fields$"},
    "members": {"method": "GET", "path_regex": "/members$"},
}
WRITES: dict[str, dict[str, Any]] = {
    "batch": {"method": "POST", "path_regex": "/lists/[^/]+$"},
    "member": {"method": "GET", "path_regex": "/members/[^/]+$"},
    "patch": {"method": "PATCH", "path_regex": "/members/[^/]+$"},
    "tags": {"method": "POST", "path_regex": "/tags$"},
}


def in_sync(world: MailchimpWorld) -> tuple[Subscribers, list[str]]:
    tenant = world.tenant(**NO_LIMIT)
    contacts = tenant.add_local(*people(6))
    assert tenant.sync().status is RunStatus.SUCCESS
    return tenant, contacts


def settled(tenant: Subscribers) -> None:
    for _ in range(3):
        report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    tenant.assert_in_sync()


@pytest.mark.slow
@spread("endpoint, shape, is_full", list(READS), SHAPES, [True, False], one_of=2)
def test_a_read_of_another_shape_changes_nothing_here(
    world: MailchimpWorld, endpoint: str, is_full: bool, shape: str
) -> None:
    tenant, contacts = in_sync(world)
    tenant.edit_remote(tenant.record_of(contacts[1]), name="Edited There")
    spoilt_run(tenant, READS[endpoint], shape, is_full=is_full)
    tenant.edit_local(contacts[0], name="Edited Here")
    settled(tenant)


@pytest.mark.slow
@spread("endpoint, shape, applies", list(WRITES), SHAPES, [True, False], one_of=2)
def test_an_answer_to_a_write_of_another_shape_is_no_answer(
    world: MailchimpWorld, endpoint: str, shape: str, applies: bool
) -> None:
    tenant, contacts = in_sync(world)
    tenant.add_local({"email": "new@example.org", "name": "New One"}, {"email": "new2@example.org", "name": "New Two"})
    tenant.edit_local(contacts[0], name="Edited", tags=["friend"])
    tenant.edit_local(contacts[2], email="moved@example.org")
    if shape != "huge" or applies:
        # What is done without an answer is so with no shape of one.
        spoilt_run(tenant, WRITES[endpoint], shape, applies=applies, harmless=() if endpoint == "tags" else ("huge",))
    settled(tenant)
    assert len(tenant.remote()) == 8


@pytest.mark.slow
@pytest.mark.parametrize("applies", [True, False], ids=["applied", "not applied"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_archive_is_believed_by_its_own_answer_or_by_the_member(
    world: MailchimpWorld, shape: str, applies: bool
) -> None:
    tenant, contacts = in_sync(world)
    tenant.delete_local(contacts[1])
    rule = {"method": "DELETE", "path_regex": "/members/[^/]+$"}
    spoilt_run(tenant, rule, shape, applies=applies, harmless=SHAPES)
    settled(tenant)
    assert len(tenant.remote()) == 5
