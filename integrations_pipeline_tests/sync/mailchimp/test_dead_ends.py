"""What comes and goes at Mailchimp leads nowhere into a dead end: decisions, required fields, slow answers."""

from typing import Any

import httpx
import pytest

from integrations_pipeline.model import AgendaKind, RunStatus
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers
from integrations_pipeline_tests.sync.mailchimp.test_deletes import decide, delete_one, started


def is_due(tenant: Subscribers) -> bool:
    due_at = tenant.connection.next_sync_at
    return due_at is None or due_at <= tenant.world.clock.now()


def test_edits_after_a_rejected_archive_are_one_failure_and_no_endless_runs(world: MailchimpWorld) -> None:
    tenant = started(world)
    contact_id, _ = delete_one(tenant, "remote")
    tenant.sync()
    decide(tenant, tenant.journal("held")[0], approve=False)
    tenant.sync()
    for number in range(3):
        tenant.edit_local(contact_id, company=f"Edited {number}")
        tenant.sync()
        (row,) = tenant.journal("failed")
        assert "archived" in row["reason"]
        assert tenant.local()[contact_id]["company"] == f"Edited {number}"
        assert not is_due(tenant)


def test_a_field_that_became_required_blocks_no_update_of_older_members(world: MailchimpWorld) -> None:
    tenant = started(world)
    world.mailchimp.create_merge_field(tenant.list_id, "CITY")
    world.mailchimp.change_merge_field(tenant.list_id, "CITY", is_required=True)
    ids = sorted(tenant.links())
    tenant.edit_local(ids[0], company="Edited")
    tenant.edit_local(ids[1], tags=["new"])
    tenant.edit_local(ids[2], email="new@example.org", phone="+3")
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


@pytest.mark.parametrize("side", ["local", "remote"])
def test_held_deletes_cost_a_quiet_run_nothing(world: MailchimpWorld, side: str) -> None:
    tenant = started(world, 30)
    pairs = sorted(tenant.links().items())[:8]
    if side == "local":
        tenant.delete_local(*(contact_id for contact_id, _ in pairs))
    else:
        tenant.delete_remote(*(record_id for _, record_id in pairs))
    tenant.sync()
    for _ in range(3):
        assert tenant.sync().held == 8
        assert len(tenant.calls()) <= 2


def test_a_write_is_waited_for_as_long_as_mailchimp_may_take(world: MailchimpWorld) -> None:
    """It ends a call by itself after 120 seconds; whoever waits less sends it twice."""
    tenant = started(world)
    waits: list[tuple[str, Any]] = []

    def note(request: httpx.Request) -> None:
        waits.append((request.method, request.extensions["timeout"]["read"]))

    world.network.before = note
    tenant.edit_local(min(tenant.links()), company="Edited")
    tenant.sync()
    writes = [seconds for method, seconds in waits if method != "GET"]
    assert writes
    assert min(writes) > 120


def test_another_audience_is_one_question_and_not_one_per_contact(world: MailchimpWorld) -> None:
    tenant = started(world, 10)
    tenant.base_id = world.mailchimp.create_list("Another", extra_fields=("COMPANY",)).id
    tenant.configure(**tenant.place())
    tenant.sync()
    assert len(tenant.agenda.items) == 1
    assert len(tenant.local()) == 10


def test_who_waits_to_be_made_again_is_not_written_to_whoever_has_the_old_address_by_then(
    world: MailchimpWorld,
) -> None:
    """Three swapped their e-mails here, and two of them are not in another list: of the first nobody can tell which
    member it is there, and the third is made there with the first one's old address."""
    tenant = started(world, 8)
    ring = sorted(tenant.links())[:3]
    emails = [tenant.local()[key]["email"] for key in ring]
    links, rows = tenant.links(), tenant.remote()
    tenant.base_id = world.mailchimp.create_list("Another list", extra_fields=("COMPANY",)).id
    tenant.add_remote(*(row for key, row in rows.items() if key not in (links[ring[0]], links[ring[2]])))
    tenant.configure(**tenant.place())
    for key in ring:
        tenant.edit_local(key, email="")
    for key, email in zip(ring, [*emails[1:], emails[0]], strict=True):
        tenant.edit_local(key, email=email)
    tenant.sync()
    assert ring[0] in {item.contact_id for item in tenant.agenda.of(AgendaKind.AMBIGUOUS)}
    assert ring[2] in {key for key, record_id in tenant.links().items() if record_id in tenant.remote()}
    tenant.edit_local(ring[0], company="Not of the third")
    tenant.sync()
    (third,) = (row for row in tenant.remote().values() if row["email"] == emails[0])
    assert third.get("company", "") == tenant.local()[ring[2]].get("company", "")
