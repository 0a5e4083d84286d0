"""The certificate on a real database and the sandbox: what it finds, and what it knows to be waiting."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from integrations_pipeline.errors import ConfigurationError, IntegrationError
from integrations_pipeline.store.verification import verifiable_connections
from integrations_pipeline.verify.certify import certify
from integrations_pipeline.verify.compare import (
    CONTACT_GONE,
    FIELD,
    NO_CONTACT,
    NO_RECORD,
    RECORD_GONE,
    SECOND,
    Difference,
)
from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World, person
from integrations_pipeline_tests.verify.arrangement import (
    PEOPLE,
    behind_the_journal,
    certified,
    lose_the_feed,
    some_pair,
    synced,
)

FEED = pytest.mark.parametrize("has_feed", [True, False], ids=["feed", "no feed"])


@FEED
def test_after_a_clean_sync_everything_is_equal(world: World, has_feed: bool) -> None:
    tenant = world.tenant()
    if not has_feed:
        world.forbid_webhooks()
    tenant.add_local(
        person(0, name=" Zoe\u0308 \r\nx ", tags=["b", "a", "b "]),
        person(1, email="Person1@Example.ORG", phone="+44"),
        {"name": "Nobody's address"},
    )
    tenant.add_remote(person(1), person(2, tags=["c"]), {"name": "Nobody else's"})
    tenant.sync()

    found = certified(tenant)

    assert (found.compared, found.equal, found.waiting, found.differing) == (5, 5, 0, ())


# What nothing will repair


def contact_edited(tenant: Tenant, contact_id: str, record_id: str) -> list[Difference]:
    behind_the_journal(tenant, "update workspace_contacts set company = 'Other' where id = :id", id=contact_id)
    return [Difference(contact_id=contact_id, external_id=record_id, field="company", reason=FIELD)]


def tags_edited(tenant: Tenant, contact_id: str, record_id: str) -> list[Difference]:
    behind_the_journal(tenant, "update workspace_contacts set tags = '{a}' where id = :id", id=contact_id)
    return [Difference(contact_id=contact_id, external_id=record_id, field="tags", reason=FIELD)]


def record_edited(tenant: Tenant, contact_id: str, record_id: str) -> list[Difference]:
    tenant.edit_remote(record_id, company="Other", phone="1")
    lose_the_feed(tenant)
    return [
        Difference(contact_id=contact_id, external_id=record_id, field=name, reason=FIELD)
        for name in ("phone", "company")
    ]


def record_deleted(tenant: Tenant, contact_id: str, record_id: str) -> list[Difference]:
    tenant.delete_remote(record_id)
    lose_the_feed(tenant)
    return [Difference(contact_id=contact_id, external_id=record_id, field=None, reason=RECORD_GONE)]


def record_added(tenant: Tenant, _contact_id: str, _record_id: str) -> list[Difference]:
    (made,) = tenant.add_remote(person(77))
    lose_the_feed(tenant)
    return [Difference(contact_id=None, external_id=made, field=None, reason=NO_CONTACT)]


def record_copied(tenant: Tenant, contact_id: str, _record_id: str) -> list[Difference]:
    (made,) = tenant.add_remote(person(1, email="PERSON1@example.org"))
    lose_the_feed(tenant)
    return [Difference(contact_id=contact_id, external_id=made, field=None, reason=SECOND)]


def record_with_the_same_key(tenant: Tenant, contact_id: str, _record_id: str) -> list[Difference]:
    copy = {"Name": "Copy", "Contact ID": contact_id}
    (made,) = tenant.world.airtable.create_records(tenant.base_id, TABLE, [copy])
    lose_the_feed(tenant)
    return [Difference(contact_id=contact_id, external_id=str(made["id"]), field=None, reason=SECOND)]


def link_deleted(tenant: Tenant, contact_id: str, record_id: str) -> list[Difference]:
    behind_the_journal(tenant, "delete from integration_links where contact_id = :id", id=contact_id)
    return [
        Difference(contact_id=None, external_id=record_id, field=None, reason=NO_CONTACT),
        Difference(contact_id=contact_id, external_id=None, field=None, reason=NO_RECORD),
    ]


def link_to_nowhere(tenant: Tenant, contact_id: str, record_id: str) -> list[Difference]:
    behind_the_journal(
        tenant, "update integration_links set external_id = 'rec0' where contact_id = :id", id=contact_id
    )
    return [
        Difference(contact_id=contact_id, external_id=record_id, field=None, reason=SECOND),
        Difference(contact_id=contact_id, external_id="rec0", field=None, reason=RECORD_GONE),
    ]


def base_agrees_with_a_lost_edit(tenant: Tenant, contact_id: str, record_id: str) -> list[Difference]:
    """The base says that the provider's value was agreed on, and the contact's version that nothing is new."""
    found = record_edited(tenant, contact_id, record_id)
    behind_the_journal(
        tenant,
        """update integration_links set base = base || '{"company": "Other", "phone": "1"}' where contact_id = :id""",
        id=contact_id,
    )
    return found


def contact_removed(tenant: Tenant, contact_id: str, record_id: str) -> list[Difference]:
    behind_the_journal(tenant, "delete from workspace_contacts where id = :id", id=contact_id)
    return [Difference(contact_id=contact_id, external_id=record_id, field=None, reason=CONTACT_GONE)]


def delete_forgotten(tenant: Tenant, contact_id: str, record_id: str) -> list[Difference]:
    """It was deleted before the last run, which should have found it."""
    statement = "update workspace_contacts set deleted_at = now() - interval '1 day' where id = :id"
    behind_the_journal(tenant, statement, id=contact_id)
    return [Difference(contact_id=contact_id, external_id=record_id, field=None, reason=CONTACT_GONE)]


def contact_overlooked(tenant: Tenant, _contact_id: str, _record_id: str) -> list[Difference]:
    (made,) = tenant.add_local(person(88))
    tenant.pass_time(3600)
    return [Difference(contact_id=made, external_id=None, field=None, reason=NO_RECORD)]


PLANTED = [
    contact_edited, tags_edited, record_edited, record_deleted, record_added, record_copied, record_with_the_same_key,
    link_deleted, link_to_nowhere, base_agrees_with_a_lost_edit, contact_removed, delete_forgotten, contact_overlooked,
]  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED, ids=[each.__name__.replace("_", " ") for each in PLANTED])
def test_every_planted_difference_is_found_with_its_ids(
    world: World, plant: Callable[[Tenant, str, str], list[Difference]]
) -> None:
    tenant = synced(world)
    expected = plant(tenant, *some_pair(tenant))

    found = certified(tenant)

    assert sorted(map(str, found.differing)) == sorted(map(str, expected))
    assert found.waiting == 0
    (told,) = tenant.rows(
        "select success, records_affected, metadata from integration_activity where action = 'verify'"
    )
    assert (told["success"], told["records_affected"]) == (False, found.differing_count)
    assert told["metadata"]["connection_id"] == str(tenant.connection.id)
    with world.database.admin() as connection:
        assert [each.is_doubted for each in verifiable_connections(connection)] == [True]


def test_a_wrong_base_alone_is_no_difference_of_the_sides(world: World) -> None:
    tenant = synced(world)
    behind_the_journal(tenant, """update integration_links set base = '{"company": "Wrong"}'""")
    assert certified(tenant).equal == PEOPLE


def test_what_a_full_sync_repairs_is_gone_from_the_next_certificate(world: World) -> None:
    tenant = synced(world)
    contact_edited(tenant, *some_pair(tenant))
    record_added(tenant, *some_pair(tenant))
    assert certified(tenant).differing_count == 2

    tenant.sync(is_full=True)

    assert certified(tenant).equal == PEOPLE + 1
    with world.database.admin() as connection:
        assert [each.is_doubted for each in verifiable_connections(connection)] == [False]


# What waits


def edit_here(tenant: Tenant) -> str:
    tenant.edit_local(some_pair(tenant)[0], company="New")
    return "edited_here"


def edit_there(tenant: Tenant) -> str:
    tenant.edit_remote(some_pair(tenant)[1], company="New")
    return "edited_there"


def add_here(tenant: Tenant) -> str:
    tenant.add_local(person(50))
    return "new_here"


def add_there(tenant: Tenant) -> str:
    tenant.add_remote(person(50))
    return "new_there"


def delete_here(tenant: Tenant) -> str:
    tenant.delete_local(some_pair(tenant)[0])
    return "deleted_here"


def delete_there(tenant: Tenant) -> str:
    tenant.delete_remote(some_pair(tenant)[1])
    return "deleted_there"


NEWS = [edit_here, edit_there, add_here, add_there, delete_here, delete_there]


@pytest.mark.parametrize("deed", NEWS, ids=[each.__name__.replace("_", " ") for each in NEWS])
def test_what_no_sync_has_seen_yet_waits(world: World, deed: Callable[[Tenant], str]) -> None:
    tenant = synced(world)
    why = deed(tenant)

    found = certified(tenant)

    assert (found.waiting_by, found.differing) == ({why: 1}, ())
    (told,) = tenant.rows("select success, records_affected from integration_activity where action = 'verify'")
    assert told == {"success": True, "records_affected": 0}


@pytest.mark.parametrize("deed", NEWS[1::2], ids=[each.__name__.replace("_", " ") for each in NEWS[1::2]])
def test_without_a_feed_a_small_table_is_read_whole_by_the_next_sync(
    world: World, deed: Callable[[Tenant], str]
) -> None:
    tenant = synced(world, has_feed=False)
    deed(tenant)

    found = certified(tenant)

    assert (found.waiting, found.differing) == (1, ())


def held_here(tenant: Tenant) -> str:
    tenant.delete_remote(some_pair(tenant)[1])
    return "held"


def held_there(tenant: Tenant) -> str:
    tenant.delete_local(some_pair(tenant)[0])
    return "held"


def conflict_open(tenant: Tenant) -> str:
    contact_id, record_id = some_pair(tenant)
    tenant.edit_local(contact_id, company="Here")
    tenant.edit_remote(record_id, company="There")
    return "conflict"


def column_gone(tenant: Tenant) -> str:
    tenant.world.airtable.change_field_type(tenant.base_id, TABLE, "Company", "number", {"precision": 0})
    return ""


def value_refused(tenant: Tenant) -> str:
    tenant.edit_local(some_pair(tenant)[0], phone="no number")
    return "failed"


def duplicate_there(tenant: Tenant) -> str:
    tenant.add_remote(person(1))
    return "ambiguous"


def blank_there(tenant: Tenant) -> str:
    tenant.add_remote({})
    return "skipped"


def edited_away(tenant: Tenant) -> str:
    tenant.edit_remote(some_pair(tenant)[1], company="There")
    return "one_way"


STATES = [
    (held_here, {}), (held_there, {}), (conflict_open, {"conflict_policy": "manual"}), (column_gone, {}),
    (duplicate_there, {}), (blank_there, {}),
]  # fmt: skip


@pytest.mark.parametrize(("deed", "settings"), STATES, ids=[each.__name__.replace("_", " ") for each, _ in STATES])
@FEED
def test_what_a_sync_left_waiting_differs_from_nothing(
    world: World, deed: Callable[[Tenant], str], settings: dict[str, str], has_feed: bool
) -> None:
    tenant = synced(world, has_feed=has_feed, **settings)
    why = deed(tenant)
    for _ in range(3):
        tenant.sync()
        found = certified(tenant)
        assert found.differing == ()
    if why and has_feed:
        assert found.waiting_by == {why: 1}


def test_a_value_that_the_provider_refuses_waits_as_failed(world: World) -> None:
    mapping = {"email": "Email", "name": "Name", "phone": "Age"}
    tenant = world.tenant(field_mapping=mapping)
    column = {"name": "Age", "type": "number", "options": {"precision": 0}}
    world.airtable.create_field(tenant.base_id, TABLE, column)
    tenant.add_local(person(0, phone="1"), person(1, phone="2"))
    tenant.sync()
    value_refused(tenant)
    tenant.sync()
    tenant.sync()
    assert certified(tenant).waiting_by == {"failed": 1}


def test_deletes_that_are_ignored_wait_with_their_reason(world: World) -> None:
    tenant = synced(world, delete_policy="ignore")
    delete_there(tenant)
    for _ in range(3):
        tenant.sync()
        found = certified(tenant)
        assert (found.waiting, found.differing) == (1, ())


def test_a_field_that_goes_one_way_may_differ(world: World) -> None:
    tenant = world.tenant()
    tenant.map_one_way("company", "Company", "to_external")
    tenant.add_local(person(0), person(1, company="Firm"))
    tenant.sync()
    edited_away(tenant)
    tenant.sync()
    assert certified(tenant).waiting_by == {"one_way": 1}


def test_edits_that_settle_wait(world: World) -> None:
    tenant = synced(world)
    tenant.configure(settle_seconds=30)
    tenant.pass_time(60)
    tenant.edit_remote(some_pair(tenant)[1], company="Half")
    tenant.add_remote(person(60))
    tenant.add_local(person(61))
    tenant.sync()
    found = certified(tenant)
    assert found.differing == ()
    assert found.waiting == 3
    assert found.waiting_by["settling"] >= 1


def test_a_changed_mapping_waits_for_the_sync_that_reads_everything(world: World) -> None:
    tenant = synced(world)
    tenant.edit_remote(some_pair(tenant)[1], phone="1")
    lose_the_feed(tenant)
    assert certified(tenant).differing_count == 1
    tenant.configure(field_mapping={"email": "Email", "name": "Name", "phone": "Phone"})
    assert certified(tenant).waiting_by == {"next_full_read": 1}


def test_a_connection_that_never_synced_waits_as_a_whole(world: World) -> None:
    tenant = world.tenant()
    tenant.add_local(person(0), person(1))
    tenant.add_remote(person(1), person(2))
    assert certified(tenant).waiting_by == {"new_here": 2, "next_full_read": 2}


def test_reads_older_than_our_own_writes_are_no_difference(world: World) -> None:
    """The provider shows a write of ours late: it may show what was before."""
    tenant = synced(world)
    contact_id, record_id = some_pair(tenant)
    tenant.edit_local(contact_id, company="New")
    tenant.sync()
    tenant.edit_remote(record_id, company="Firm 1")  # what a stale read would show
    lose_the_feed(tenant)
    assert certified(tenant).differing_count == 1
    world.propagation_seconds = 60.0
    assert certified(tenant).waiting_by == {"just_written": 1}


AGENDA = [
    ({"kind": "stopped_field", "field": "company"}, "stopped_field"),
    ({"kind": "conflict", "contact_id": "c", "field": "company"}, "conflict"),
    ({"kind": "conflict", "contact_id": "c", "field": "phone"}, ""),
    ({"kind": "held_clear", "contact_id": "c", "field": "company"}, "held"),
    ({"kind": "failed", "contact_id": "c", "change": "update", "fields": '{"after": {"company": "x"}}'}, "failed"),
    ({"kind": "refused", "contact_id": "c", "change": "update", "fields": '{"after": {"phone": "x"}}'}, ""),
    ({"kind": "ambiguous", "external_id": "r"}, "ambiguous"),
    ({"kind": "retry", "external_id": "r"}, "read_again"),
    ({"kind": "retry", "external_id": "r", "reason": "settling"}, "settling"),
    ({"kind": "retry", "reason": "everything"}, "next_full_read"),
    ({"kind": "retry", "external_id": "another"}, ""),
]


@pytest.mark.parametrize(("row", "why"), AGENDA, ids=[str(row) for row, _ in AGENDA])
def test_what_waits_in_the_agenda_is_known(world: World, row: dict[str, str], why: str) -> None:
    tenant = synced(world)
    contact_id, record_id = some_pair(tenant)
    contact_edited(tenant, contact_id, record_id)
    ids = {"c": contact_id, "r": record_id}
    values = {name: ids.get(value, value) for name, value in row.items()}
    behind_the_journal(
        tenant,
        f"insert into integration_agenda (connection_id, workspace_id, {', '.join(values)}) "
        f"select id, workspace_id, {', '.join(f'{_cast(name)}' for name in values)} from integration_connections",
        **values,
    )
    found = certified(tenant)
    assert found.waiting_by == ({why: 1} if why else {})
    assert found.differing_count == (not why)


def _cast(name: str) -> str:
    kinds = {"contact_id": "uuid", "fields": "jsonb"}
    return f"cast(:{name} as {kinds.get(name, 'text')})"


def test_a_create_that_died_on_its_way_waits(world: World) -> None:
    tenant = synced(world)
    tenant.add_local(person(40))
    with world.database.admin() as connection:
        connection.exec_driver_sql("alter table integration_links add constraint none check (false) not valid")
    with pytest.raises(Exception, match="none"):
        tenant.sync()
    with world.database.admin() as connection:
        connection.exec_driver_sql("alter table integration_links drop constraint none")
    found = certified(tenant)
    assert found.differing == ()
    assert found.waiting == 2


# Beside people and syncs


def test_an_edit_while_both_sides_are_read_is_told_as_such(world: World) -> None:
    tenant = synced(world)
    contact_id, record_id = some_pair(tenant)
    world.hooks.after_read = lambda: tenant.edit_local(contact_id, company="Meanwhile")
    assert certified(tenant).waiting_by == {"edited_meanwhile": 1}
    tenant.sync()
    world.hooks.after_read = lambda: tenant.edit_remote(record_id, company="Then")
    found = certified(tenant)
    assert found.differing == ()


def test_a_sync_beside_it_is_no_difference(world: World) -> None:
    tenant = synced(world, delete_policy="propagate", delete_limit=10, delete_limit_fraction=1.0)
    contact_id, record_id = some_pair(tenant)
    other = next(key for key in tenant.links() if key != contact_id)

    def sync() -> None:
        tenant.edit_local(contact_id, company="Here")
        tenant.edit_remote(record_id, phone="There")
        tenant.delete_local(other)
        tenant.add_local(person(70))
        tenant.add_remote(person(71))
        tenant.sync()

    world.hooks.after_read = sync
    found = certify(world.runtime, tenant.slug, tenant.provider)
    assert found.differing == ()
    assert set(found.waiting_by) == {"edited_meanwhile"}
    assert certified(tenant).equal == PEOPLE + 1


def test_no_lock_is_waited_for(world: World) -> None:
    tenant = synced(world)
    with world.database.session(tenant.workspace_id) as session:
        assert session.try_lock(tenant.connection.id, "a long sync")
        assert certified(tenant).equal == PEOPLE


def test_a_read_that_fails_is_no_certificate_and_is_on_record(world: World) -> None:
    tenant = synced(world)
    world.airtable.revoke_token(tenant.token)
    with pytest.raises(IntegrationError):
        certify(world.runtime, tenant.slug, tenant.provider)
    (told,) = tenant.rows("select success, records_affected, error_message e, metadata m from integration_activity")
    assert (told["success"], told["records_affected"], told["m"]) == (False, 0, {})
    assert told["e"]


def test_a_listing_that_is_cut_short_is_made_up_for_by_asking(world: World) -> None:
    tenant = synced(world)
    world.fault("truncate_page", times=1)
    assert certified(tenant).equal == PEOPLE


def test_a_mailbox_has_nothing_to_verify(world: World) -> None:
    tenant = synced(world)
    runtime = world.runtime
    mailbox = replace(runtime.specs["gmail"], name="gmail")
    with pytest.raises(ConfigurationError, match="keeps no address book"):
        certify(replace(runtime, specs={"gmail": mailbox}), tenant.slug, "gmail")


def test_workspaces_are_certified_each_by_itself(world: World) -> None:
    mine, other = synced(world), world.tenant("other")
    other.add_local(*(person(n) for n in range(PEOPLE)))
    other.sync()
    contact_edited(mine, *some_pair(mine))
    assert certified(other).equal == PEOPLE
    assert certified(mine).differing_count == 1
