"""Two people edit one contact while a run is under way: nothing is overwritten, for every update carries an etag."""

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.google_contacts.arrangement import AddressBook, ContactsWorld


def linked(world: ContactsWorld, count: int = 3) -> tuple[AddressBook, list[str], list[str]]:
    tenant = world.tenant(**NO_LIMIT)
    ids = tenant.add_local(*(person(number, company="Acme") for number in range(count)))
    tenant.sync()
    return tenant, ids, [tenant.record_of(key) for key in ids]


@pytest.mark.parametrize("moment", ["after_read", "before_recheck", "before_write"])
@pytest.mark.parametrize("field", ["company", "phone"])
def test_an_edit_at_google_at_any_moment_of_a_run_is_not_overwritten(
    world: ContactsWorld, moment: str, field: str
) -> None:
    tenant, ids, records = linked(world)
    for key in ids:
        tenant.edit_local(key, company="Here")
    setattr(world.hooks, moment, lambda: tenant.edit_remote(records[1], **{field: "There"}))
    tenant.sync()
    assert tenant.remote()[records[1]][field] == "There"
    assert [tenant.remote()[key]["company"] for key in (records[0], records[2])] == ["Here", "Here"]
    for _ in range(2):
        tenant.sync()
    tenant.assert_in_sync()
    if field == "phone":
        assert tenant.remote()[records[1]] == {**tenant.local()[ids[1]], "company": "Here", "phone": "There"}
    else:
        (conflict,) = tenant.conflicts("applied", "held", "superseded")[:1]
        assert {"Here", "There"} <= set(conflict["conflict"]["fields"]["company"].values())
    tenant.assert_quiet()


def test_who_was_edited_between_the_look_and_the_write_is_superseded_alone(world: ContactsWorld) -> None:
    tenant, ids, records = linked(world, 20)
    for key in ids:
        tenant.edit_local(key, phone="+1")
    world.hooks.before_write = lambda: tenant.edit_remote(records[7], job_title="Chief")
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    superseded = [row["external_id"] for row in tenant.journal("superseded")]
    assert superseded == [records[7]]
    # Two refused or refreshed, and no request per contact.
    assert len(tenant.record_writes()) == 2
    assert len(tenant.calls()) <= 6
    tenant.sync()
    tenant.assert_in_sync()


def test_who_was_deleted_between_the_look_and_the_write_spares_the_others(world: ContactsWorld) -> None:
    tenant, ids, records = linked(world)
    for key in ids:
        tenant.edit_local(key, phone="+1")
    world.hooks.before_write = lambda: tenant.delete_remote(records[0])
    tenant.sync()
    assert [tenant.remote()[key]["phone"] for key in records[1:]] == ["+1", "+1"]
    tenant.sync()
    # The edit beats the delete: made again, on the record as a conflict.
    assert len(tenant.remote()) == 3
    tenant.assert_in_sync()


def test_an_update_whose_answer_is_lost_is_done_once(world: ContactsWorld) -> None:
    tenant, ids, _ = linked(world, 20)
    for key in ids:
        tenant.edit_local(key, phone="+1")
    world.fault("drop_after", method="POST", path_regex="batchUpdate", times=1)
    report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    assert len(tenant.record_writes()) == 2
    assert {row["phone"] for row in tenant.remote().values()} == {"+1"}
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_an_etag_that_a_list_told_is_never_relied_on(world: ContactsWorld) -> None:
    world.options(takes_list_etags=False)
    tenant, ids, _ = linked(world)
    tenant.edit_local(ids[0], phone="+1", tags=["press"])
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


def test_deletes_whose_answer_is_lost_are_done(world: ContactsWorld) -> None:
    tenant, ids, _ = linked(world)
    tenant.delete_local(*ids[:2])
    world.fault("drop_after", method="POST", path_regex="batchDelete", times=1)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(tenant.remote()) == 1
    tenant.assert_quiet()
