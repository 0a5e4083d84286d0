"""What goes wrong at the provider, and what a run makes of it."""

import httpx
import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import RunStatus
from integrations_pipeline.sync.run import run_sync
from integrations_pipeline.testing import FreePacer
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people, person, tags

NUMBER_MAPPING = {"email": "Email", "name": "Name", "custom_fields.employees": "Employees"}


def with_numbers(world: World) -> tuple[Tenant, str, str]:
    """A tenant with a number column, and two contacts: the first has a text where a number belongs."""
    tenant = world.tenant(field_mapping=NUMBER_MAPPING)
    column = {"name": "Employees", "type": "number", "options": {"precision": 0}}
    world.airtable.create_field(tenant.base_id, "Contacts", column)
    bad, good = tenant.add_local(
        person(1, **{"custom_fields.employees": "many"}), person(2, **{"custom_fields.employees": "40"})
    )
    return tenant, bad, good


def test_a_bad_value_fails_alone_and_leaves_the_dead_letters_when_mended(world: World) -> None:
    tenant, bad, good = with_numbers(world)
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert set(tenant.links()) == {good}
    for _ in range(2):
        assert tenant.sync().results[0].records_failed == 1
        (row,) = tenant.journal("failed")
        assert row["contact_id"] == bad
        assert 'column "Employees"' in row["reason"]
    assert tenant.connection.error_count == 0
    tenant.edit_local(bad, **{"custom_fields.employees": "41"})
    assert tenant.sync().status is RunStatus.SUCCESS
    assert not tenant.journal("failed")
    tenant.assert_in_sync()


@pytest.mark.parametrize("how", ["taken back", "deleted"])
def test_a_bad_value_that_is_taken_back_leaves_the_dead_letters(world: World, how: str) -> None:
    tenant, bad, _ = with_numbers(world)
    tenant.edit_local(bad, **{"custom_fields.employees": ""})
    tenant.sync()
    tenant.edit_local(bad, **{"custom_fields.employees": "many"})
    tenant.sync()
    assert len(tenant.journal("failed")) == 1
    if how == "deleted":
        tenant.delete_local(bad)
        tenant.delete_remote(tenant.record_of(bad))
    else:
        tenant.edit_local(bad, **{"custom_fields.employees": ""})
    tenant.sync()
    tenant.sync(is_full=True)
    assert not tenant.journal("failed")


@pytest.mark.parametrize("value", ["0042", "12345678901234567890", "forty"])
def test_a_number_that_the_column_would_not_keep_fails_alone_and_stays_as_it_is(world: World, value: str) -> None:
    tenant, bad, good = with_numbers(world)
    tenant.edit_local(bad, **{"custom_fields.employees": ""})
    tenant.sync()
    tenant.edit_local(good, **{"custom_fields.employees": value})
    for _ in range(2):
        report = tenant.sync()
        assert report.results[0].records_failed + report.results[1].records_failed == 1
    assert tenant.local()[good]["custom_fields.employees"] == value


def test_one_poison_record_of_25_fails_alone(world: World) -> None:
    tenant = world.tenant()
    tenant.add_local(*people(25))
    poison = {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": 'Field "Email" cannot accept person13@'}}
    world.fault("status", method="PATCH", body_regex='"Person 13"', status=422, body=poison, times=-1)
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert (report.results[0].records_created, report.results[0].records_failed) == (24, 1)
    assert len(tenant.calls("PATCH")) <= 3 + 2 * 4
    assert len(tenant.remote()) == 24
    world.airtable.clear_faults()
    tenant.sync()
    tenant.assert_in_sync()


def test_a_tag_survives_that_the_provider_refuses(world: World) -> None:
    tenant = world.tenant()
    (contact_id,) = tenant.add_local(person(1, tags=["local"]))
    tenant.add_remote(person(1, tags=["remote"]))
    refused = {"error": {"type": "INVALID_MULTIPLE_CHOICE_OPTIONS", "message": "no new options"}}
    world.fault("status", method="PATCH", status=422, body=refused, times=-1)
    tenant.sync()
    tenant.sync(is_full=True)
    assert tags(tenant.local()[contact_id]["tags"]) == {"local", "remote"}


@pytest.mark.parametrize("token", ["patWrong", "patRevoked"])
def test_a_refused_token_fails_at_once_and_stops_the_connection_at_the_third_time(world: World, token: str) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1))
    tenant.token = token
    if token == "patRevoked":
        world.airtable.create_token(value=token)
        tenant.configure()
        tenant.sync()
        world.airtable.revoke_token(token)
        tenant.add_local(person(2))
    tenant.configure()
    for count in (1, 2, 3):
        report = tenant.sync()
        assert report.status is RunStatus.FAILED
        assert not any(result.success for result in report.results)
        assert "refuses the token" in report.error
        assert len(tenant.calls()) == 1
        assert tenant.connection.error_count == count
    assert tenant.connection.status == "error"
    tenant.calls_seen = tenant.last_call()
    with pytest.raises(ConfigurationError, match="connections enable"):
        tenant.sync()
    assert not tenant.calls()


def test_a_success_between_failures_resets_the_count(world: World) -> None:
    tenant = world.tenant()
    tenant.sync()
    world.fault("billing_limit", times=2)
    tenant.sync()
    tenant.sync()
    assert tenant.connection.error_count == 2
    tenant.sync()
    assert tenant.connection.error_count == 0
    world.fault("billing_limit")
    tenant.sync()
    assert tenant.connection.status == "active"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"base_id": "appNothingHere000"}, "share the base with the token"),
        ({"base_id": "garbage"}, "correct base_id"),
        ({"table_id": "Nowhere"}, 'no table "Nowhere"'),
        ({"field_mapping": {"email": "Email", "name": "Nowhere"}}, 'column "Nowhere" of table "Contacts" does not'),
        ({"field_mapping": {"email": "Email", "name": "Score"}}, 'column "Score" of table "Contacts" is computed'),
    ],
    ids=["base", "malformed base", "table", "column", "computed column"],
)
@pytest.mark.parametrize("has_synced", [False, True], ids=["first run", "later run"])
def test_a_wrong_place_is_one_clear_line_and_nothing_is_written(
    world: World, settings: dict[str, str], told: str, has_synced: bool
) -> None:
    tenant = world.tenant()
    tenant.add_local(person(1))
    if has_synced:
        tenant.sync()
        tenant.add_local(person(2))
    before = (tenant.local(), tenant.remote(), tenant.links())
    tenant.configure(**settings)
    tenant.calls_seen = tenant.last_call()
    report = tenant_fails(tenant)
    assert told in report
    assert "\n" not in report
    tenant.configure(base_id=tenant.base_id, table_id="Contacts", field_mapping=None)
    assert (tenant.local(), tenant.remote(), tenant.links()) == before
    assert not any(call.method in ("PATCH", "DELETE") for call in world.airtable.requests(tenant.calls_seen))


def tenant_fails(tenant: Tenant) -> str:
    """The message of a run that fails; its calls go to another base, so they are not counted here."""
    report = run_sync(tenant.world.runtime, tenant.request())
    assert report.status is RunStatus.FAILED
    tenant.check_privacy()
    return report.error


def test_a_column_that_vanishes_later_is_told_and_deletes_no_value(world: World) -> None:
    tenant = world.tenant()
    contact_ids = tenant.add_local(person(1, company="Acme"))
    tenant.sync()
    world.airtable.delete_field(tenant.base_id, "Contacts", "Company")
    tenant.edit_local(contact_ids[0], name="Other")
    report = tenant.sync()
    assert report.status is RunStatus.PARTIAL
    assert 'column "Company"' in report.stopped_fields["company"]
    assert tenant.local()[contact_ids[0]]["company"] == "Acme"


def test_a_token_without_schema_scope_still_syncs(world: World) -> None:
    tenant = world.tenant()
    tenant.token = world.airtable.create_token(scopes=["data.records:read", "data.records:write"]).value
    tenant.configure()
    tenant.add_local(person(1, tags=["a"]))
    tenant.add_remote(person(2, tags=["a", "b"]))
    tenant.sync()
    tenant.assert_in_sync()
    tenant.assert_quiet()


def test_the_penalty_of_a_429_holds_back_everybody_who_shares_the_key(world: World) -> None:
    pacer = world.pacer
    assert isinstance(pacer, FreePacer)
    tenant = world.tenant()
    tenant.add_local(*people(3))
    world.fault("rate_limit", times=2)
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()
    assert {seconds for _, seconds in pacer.pauses} == {30.0}
    assert not any(tenant.token in key for key, _ in pacer.pauses)


def test_the_billing_limit_stops_at_once(world: World) -> None:
    tenant = world.tenant()
    tenant.sync()
    world.fault("billing_limit", times=-1)
    report = tenant.sync()
    assert "monthly API allowance" in report.error
    assert len(tenant.calls()) == 1
    assert not world.waits


@pytest.mark.parametrize(("method", "status"), [("GET", 500), ("GET", 503), ("PATCH", 502), ("PATCH", 503)])
def test_server_errors_are_waited_out(world: World, method: str, status: int) -> None:
    tenant = world.tenant()
    tenant.add_local(*people(3))
    world.fault("status", method=method, status=status, times=3, headers={"Retry-After": "7"})
    assert tenant.sync().status is RunStatus.SUCCESS
    assert world.waits == [7.0, 7.0, 7.0]
    tenant.assert_in_sync()


def test_a_server_error_while_the_feed_is_made_is_waited_out(world: World) -> None:
    tenant = world.tenant()
    world.fault("status", method="POST", path_regex="webhooks$", status=503)
    assert tenant.sync().status is RunStatus.SUCCESS


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_timeouts_are_waited_out(world: World, method: str) -> None:
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    ids = tenant.add_local(*people(3))
    tenant.sync()
    tenant.delete_local(ids[0])
    tenant.edit_local(ids[1], company="Acme")
    left = [2]

    def time_out(request: httpx.Request) -> None:
        if request.method == method and left[0]:
            left[0] -= 1
            raise httpx.ReadTimeout("no answer")

    world.network.before = time_out
    report = run_past_the_network(tenant)
    assert report is RunStatus.SUCCESS
    assert left == [0]
    tenant.assert_in_sync()


def run_past_the_network(tenant: Tenant) -> RunStatus:
    """A run some of whose requests never reach the server, so that its log counts more than the server."""
    return run_sync(tenant.world.runtime, tenant.request()).status


@pytest.mark.parametrize("times", [1, 4])
def test_an_iterator_that_expires_starts_the_read_anew(world: World, times: int) -> None:
    tenant = world.tenant()
    tenant.add_remote(*people(250))
    world.airtable.set_options(shuffle_pages=True)
    for _ in range(times):
        world.fault("expire_iterators", path_regex="Contacts$", skip=1)
    assert tenant.sync().status is RunStatus.SUCCESS
    assert len(tenant.local()) == 250
    tenant.assert_in_sync()


def test_an_iterator_that_always_expires_fails_the_run_and_deletes_nothing(world: World) -> None:
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0)
    tenant.add_remote(*people(150))
    tenant.sync()
    world.fault("expire_iterators", path_regex="Contacts$", times=-1)
    report = tenant.sync(is_full=True)
    assert report.status is RunStatus.FAILED
    world.airtable.clear_faults()
    assert len(tenant.local()) == 150
    tenant.assert_quiet(most_calls=1)
