"""What a preview and a run that only asked leave in log and activity."""

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import TABLE, World, people


def test_a_preview_is_an_activity_with_its_plan_and_what_it_would_change(world: World) -> None:
    tenant = world.tenant()
    tenant.add_remote(*people(2))
    report = tenant.preview()
    assert report.status is RunStatus.SUCCESS
    assert [result.records_created for result in report.results] == [0, 2]
    assert {str(result.metadata) for result in report.results} == {"{'preview': True}"}
    (row,) = tenant.rows("select * from integration_activity where action = 'plan'")
    assert (row["integration_name"], row["success"], row["records_affected"]) == ("airtable", True, 2)
    assert row["metadata"] == {"plan_id": str(report.plan_id)}


def test_a_run_that_only_asked_did_nothing_but_read(world: World) -> None:
    tenant = world.tenant()
    tenant.add_remote(*people(2))
    tenant.sync()
    base = world.airtable.create_base("Another")
    world.airtable.create_contacts_table(base.id, TABLE)
    tenant.base_id = base.id
    tenant.configure(base_id=base.id)
    report = tenant.sync()
    logs = tenant.rows("select direction, api_calls from integration_sync_logs where run_id = :id", id=report.run_id)
    calls = {row["direction"]: row["api_calls"] for row in logs}
    assert calls == {"from_external": report.api_calls, "to_external": 0}
    assert report.api_calls
    assert [result.metadata["refusals"] for result in report.results] == [list(report.refusals)] * 2


def test_what_no_longer_applies_of_a_preview_is_counted(world: World) -> None:
    tenant = world.tenant()
    tenant.add_remote(*people(3))
    tenant.sync()
    first, second, third = sorted(tenant.links())
    tenant.edit_local(first, company="One")
    tenant.edit_local(second, company="Two")
    shown = tenant.preview()
    tenant.edit_local(second, company="Another")
    tenant.edit_local(third, company="Three")
    report = tenant.sync(plan_id=shown.plan_id)
    assert report.status is RunStatus.PARTIAL
    assert {result.metadata["preview_changes_left_out"] for result in report.results} == {1}
    companies = {key: tenant.remote()[record].get("company") for key, record in tenant.links().items()}
    assert companies == {first: "One", second: None, third: None}
