"""What random histories found, each reduced to its smallest form."""

from collections.abc import Iterator

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.simulation.history import DAY, LONGEST_PAUSE, MINUTE
from integrations_pipeline_tests.simulation.world import WINDOW, StrictWorld
from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT, Worlds


@pytest.fixture
def world(worlds: Worlds[StrictWorld]) -> Iterator[StrictWorld]:
    with worlds.world(0) as world:
        yield world


def set_back(world: StrictWorld, seconds: float) -> None:
    """Our machine and Postgres, not the provider."""
    world.clock.advance(-seconds)
    world.server.stage.clock.advance(seconds)


def test_a_clock_that_is_set_back_does_not_stop_the_requests(world: StrictWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    tenant.sync()
    set_back(world, 5 * MINUTE)
    tenant.sync()
    assert max(world.waits, default=0.0) <= LONGEST_PAUSE


def test_a_clock_that_is_set_back_between_two_writes_does_not_bring_the_first_value_back(world: StrictWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    [contact] = tenant.add_local(person(1, name="first"))
    tenant.sync()
    tenant.edit_local(contact, name="second")
    tenant.sync()
    # A standby takes over whose clock is behind: tables without a write-ahead log, like the pacer's, are empty.
    set_back(world, 5 * MINUTE)
    with world.database.admin() as connection:
        connection.exec_driver_sql("truncate provider_rate_limits")
    tenant.edit_local(contact, name="third")
    tenant.sync()
    tenant.sync(is_full=True)
    assert tenant.local()[contact]["name"] == "third"


def test_a_record_that_a_cut_listing_hid_is_found_in_the_feed_that_told_it(world: StrictWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_remote(person(1))
    tenant.sync()
    tenant.add_remote(person(2))
    world.fault("empty_page", method="GET", path_regex="Contacts")
    tenant.sync(is_full=True)
    world.airtable.clear_faults()
    world.clock.advance(2 * WINDOW)
    tenant.sync()
    assert len(tenant.local()) == 2


def test_a_machine_that_slept_for_25_days_during_a_run_closes_its_log(world: StrictWorld) -> None:
    tenant = world.tenant(**NO_LIMIT)
    tenant.add_remote(person(1))
    world.hooks.after_read = lambda: world.clock.advance(25 * DAY)
    assert tenant.sync().status is RunStatus.SUCCESS
