"""How changes are found: the feed, its end, modification times, small tables; and previews."""

from uuid import uuid4

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import COUNT_NAMES, RunStatus
from integrations_pipeline.providers.base import RemoteRecord
from integrations_pipeline.sync.contacts.affected import _to_frame
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people, person, tags

DAYS = 24 * 3600


def test_the_feed_tells_edits_creates_and_deletes_in_one_call_besides_the_look_at_the_columns(world: World) -> None:
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    ids = tenant.add_local(*people(5))
    tenant.sync()
    tenant.edit_remote(tenant.record_of(ids[0]), company="Remote")
    tenant.delete_remote(tenant.record_of(ids[1]))
    (short_lived,) = tenant.add_remote(person(30))
    tenant.delete_remote(short_lived)
    tenant.add_remote(person(20))
    report = tenant.sync()
    assert len(tenant.calls()) == 1 + 1
    result = report.results[1]
    assert (result.records_created, result.records_updated, result.records_deleted) == (1, 1, 1)
    tenant.assert_in_sync()


def test_records_become_the_frame_that_the_contract_of_a_snapshot_describes() -> None:
    told = RemoteRecord(external_id="rec1", fields={"name": "Ann"}, contact_key="c1")

    for records in ([told], []):
        frame = _to_frame(records, ["name", "company"])
        assert (frame.index.name, str(frame.index.dtype)) == ("external_id", "str")
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
            **dict.fromkeys(("name", "company", "contact_key"), "str"),
            "modified_at": "datetime64[us, UTC]",
        }
    shown = _to_frame([told], ["name", "company"]).drop(columns="modified_at").fillna("-").to_dict("index")
    assert shown == {"rec1": {"name": "Ann", "company": "-", "contact_key": "c1"}}


def test_our_own_writes_cost_the_next_run_nothing(world: World) -> None:
    tenant = world.tenant()
    ids = tenant.add_local(*people(30))
    tenant.sync()
    tenant.assert_quiet(most_calls=1)
    for contact_id in ids:
        tenant.edit_local(contact_id, company="Acme")
    tenant.sync()
    result = tenant.assert_quiet(most_calls=1).results[1]
    assert sum(getattr(result, name) for name in COUNT_NAMES) == 0


@pytest.mark.parametrize("trouble", ["expired", "error payload"])
def test_a_feed_that_is_lost_leads_to_a_full_read(world: World, trouble: str) -> None:
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    ids = tenant.add_local(*people(5))
    tenant.sync()
    tenant.edit_remote(tenant.record_of(ids[0]), company="Remote")
    tenant.delete_remote(tenant.record_of(ids[1]))
    if trouble == "expired":
        world.server.stage.clock.advance(15 * DAYS)
    else:
        world.airtable.send_webhook_error(tenant.base_id)
    report = tenant.sync()
    assert report.results[0].metadata["read"] == "complete"
    tenant.assert_in_sync()
    assert len(tenant.local()) == 4
    tenant.assert_quiet()
    tenant.edit_remote(tenant.record_of(ids[2]), company="Later")
    tenant.sync()
    tenant.assert_in_sync()


def test_a_feed_whose_payloads_are_too_old_leads_to_a_full_read(world: World) -> None:
    tenant = world.tenant()
    ids = tenant.add_local(*people(3))
    tenant.sync()
    tenant.edit_remote(tenant.record_of(ids[0]), company="Remote")
    world.server.stage.clock.advance(8 * DAYS)
    tenant.sync()
    assert tenant.local()[ids[0]]["company"] == "Remote", "the edit came down, and was not overwritten"
    tenant.assert_in_sync()


def test_many_changes_come_in_several_pages_of_the_feed(world: World) -> None:
    tenant = world.tenant()
    ids = tenant.add_local(*people(3))
    tenant.sync()
    for number in range(120):
        tenant.edit_remote(tenant.record_of(ids[number % 3]), company=f"Company {number}")
    tenant.sync()
    tenant.assert_in_sync()
    assert len(tenant.calls()) == 3 + 1


def test_two_connections_to_one_table_share_its_feed(world: World) -> None:
    one, two = world.tenant("one"), world.tenant("two")
    two.base_id = one.base_id
    two.configure(base_id=one.base_id, table_id="Contacts")
    one.add_local(person(1))
    one.sync()
    two.sync()
    one.add_remote(person(2))
    one.sync()
    two.sync()
    assert len(one.local()) == len(two.local()) == len(one.remote()) == 2
    hooks = [call for call in world.airtable.requests() if call.method == "POST" and call.path.endswith("webhooks")]
    assert len(hooks) == 1


def test_without_webhooks_a_small_table_is_read_whole(world: World) -> None:
    world.forbid_webhooks()
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    ids = tenant.add_local(*people(120))
    tenant.sync()
    tenant.assert_quiet(most_calls=2)
    tenant.edit_remote(tenant.record_of(ids[0]), company="Remote")
    tenant.delete_remote(tenant.record_of(ids[1]))
    tenant.sync()
    tenant.assert_in_sync()
    assert len(tenant.local()) == 119


def test_without_webhooks_a_large_table_is_read_by_modification_time(world: World) -> None:
    world.forbid_webhooks()
    tenant = world.tenant()
    ids = tenant.add_local(*people(230))
    tenant.sync()
    tenant.sync(is_full=True)
    world.server.stage.clock.advance(600)
    tenant.edit_remote(tenant.record_of(ids[0]), company="Remote")
    tenant.add_remote(person(500))
    report = tenant.sync()
    assert report.results[0].metadata["read"] == "incremental"
    assert len(tenant.calls()) <= 3 + 1
    tenant.assert_in_sync()
    # All that was modified within the overlap comes again, and here that is the whole table: three pages.
    tenant.assert_quiet(most_calls=3)


def test_without_webhooks_deletes_of_a_large_table_are_found_by_a_full_run(world: World) -> None:
    world.forbid_webhooks()
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    ids = tenant.add_local(*people(230))
    tenant.sync()
    tenant.sync(is_full=True)
    tenant.delete_remote(tenant.record_of(ids[0]))
    tenant.sync()
    assert len(tenant.local()) == 230
    tenant.sync(is_full=True)
    assert len(tenant.local()) == 229
    tenant.assert_in_sync()


def test_pages_in_arbitrary_order_miss_nothing(world: World) -> None:
    tenant = world.tenant()
    world.airtable.set_options(shuffle_pages=True)
    tenant.add_remote(*people(250))
    tenant.sync()
    assert len(tenant.local()) == 250
    tenant.assert_in_sync()


def busy_world(world: World) -> tuple[Tenant, list[str]]:
    """Something to do in each direction."""
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    ids = tenant.add_local(*people(6))
    tenant.sync()
    tenant.edit_local(ids[0], company="Local")
    tenant.edit_remote(tenant.record_of(ids[1]), company="Remote", tags=["a", "b"])
    tenant.delete_local(ids[2])
    tenant.delete_remote(tenant.record_of(ids[3]))
    tenant.add_local(person(10), person(12))
    tenant.add_remote(person(11), person(12, company="Acme"))
    return tenant, ids


def test_a_preview_writes_nothing_but_planned_rows(world: World) -> None:
    tenant, _ = busy_world(world)
    before, cursor = tenant.fingerprint(), tenant.connection.cursor
    logs = tenant.rows("select id from integration_sync_logs")
    report = tenant.preview()
    assert report.plan_id
    assert len(report.plan.changes) >= 7
    assert tenant.fingerprint() == before
    assert tenant.connection.cursor == cursor
    assert tenant.rows("select id from integration_sync_logs") == logs
    assert not tenant.record_writes()
    rows = tenant.journal("planned")
    assert len(rows) == len(report.plan.changes)
    assert {row["plan_id"] for row in rows} == {report.plan_id}


def test_a_preview_applied_to_an_unchanged_world_does_exactly_what_it_showed(world: World) -> None:
    tenant, _ = busy_world(world)
    shown = tenant.preview()
    report = tenant.sync(plan_id=shown.plan_id)
    assert report.status is RunStatus.SUCCESS
    assert {change.sort_key for change in report.plan.changes} == {change.sort_key for change in shown.plan.changes}
    tenant.assert_in_sync()
    assert not tenant.journal("planned")
    tenant.sync()
    tenant.assert_quiet()


def test_a_first_sync_can_be_previewed_and_applied(world: World) -> None:
    tenant = world.tenant()
    tenant.add_local(*people(3), person(20, tags=["x"]))
    tenant.add_remote(*people(3, first=10), person(20, tags=["y"]))
    tenant.sync(plan_id=tenant.preview().plan_id)
    tenant.assert_in_sync()
    assert len(tenant.local()) == len(tenant.remote()) == 7
    assert {tuple(sorted(tags(row.get("tags", "")))) for row in tenant.local().values()} == {(), ("x", "y")}


def test_a_preview_applied_to_a_changed_world_leaves_out_what_is_affected(world: World) -> None:
    tenant, ids = busy_world(world)
    shown = tenant.preview()
    tenant.edit_local(ids[0], company="Changed")
    tenant.edit_remote(tenant.record_of(ids[1]), company="Changed")
    tenant.edit_remote(tenant.record_of(ids[2]), company="Changed")
    (unseen,) = tenant.add_local(person(40))
    report = tenant.sync(plan_id=shown.plan_id)
    assert report.status is RunStatus.PARTIAL
    assert report.results[0].metadata["preview_changes_left_out"] == 3
    assert "company" not in tenant.remote()[tenant.record_of(ids[0])]
    assert "company" not in tenant.local()[ids[1]]
    assert tenant.record_of(ids[2]) in tenant.remote()
    assert unseen not in tenant.links()
    assert ids[3] not in tenant.local()
    assert {"Person 10", "Person 11", "Person 12"} <= {row["name"] for row in tenant.remote().values()}
    tenant.sync()
    tenant.assert_in_sync()


def test_a_preview_is_applied_once(world: World) -> None:
    tenant, _ = busy_world(world)
    shown = tenant.preview()
    tenant.sync(plan_id=shown.plan_id)
    for plan_id in (shown.plan_id, uuid4()):
        with pytest.raises(ConfigurationError, match="run `integrations plan`"):
            tenant.sync(plan_id=plan_id)
        assert not tenant.record_writes()
    assert tenant.connection.error_count == 0
