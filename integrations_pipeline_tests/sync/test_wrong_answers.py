"""Whole runs against an Airtable whose answers have another shape: one line, nothing changed here."""

from collections.abc import Collection
from typing import Any

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.spread import spread
from integrations_pipeline_tests.sync.arrangement import Tenant, World, people

#: `huge` stays within the bounds and is read; `slow` is a matter of the clock (providers/test_bounds).
SHAPES = ("object", "list", "null", "wrapped", "deep", "numbers", "empty", "html", "huge", "gzip_bomb")
READS: dict[str, dict[str, Any]] = {
    "schema": {"method": "GET", "path_regex": "/tables$"},
    "listing": {"method": "GET", "path_regex": "/Contacts$"},
    "payloads": {"method": "GET", "path_regex": "/payloads$"},
}
FEEDS: dict[str, dict[str, Any]] = {
    "webhooks": {"method": "GET", "path_regex": "/webhooks$"},
    "new webhook": {"method": "POST", "path_regex": "/webhooks$"},
}
WRITES: dict[str, dict[str, Any]] = {
    "creates and updates": {"method": "PATCH", "path_regex": "/Contacts$"},
    "deletes": {"method": "DELETE", "path_regex": "/Contacts$"},
}


def in_sync(world: World, **settings: Any) -> tuple[Tenant, list[str]]:
    tenant = world.tenant(delete_policy="propagate", delete_limit_fraction=1.0, **settings)
    contacts = tenant.add_local(*people(6))
    assert tenant.sync().status is RunStatus.SUCCESS
    return tenant, contacts


def spoilt_run(
    tenant: Tenant,
    rule: dict[str, Any],
    shape: str,
    *,
    is_full: bool = False,
    applies: bool = True,
    harmless: Collection[str] = ("huge",),
) -> None:
    """A run whose answers are wrong for as long as it lasts."""
    before = tenant.local()
    tenant.world.fault("reshape", shape=shape, times=-1, applies=applies, **rule)
    report = tenant.sync(is_full=is_full)
    tenant.world.server.stage.faults.clear()
    told = [report.error, *(line for result in report.results for line in result.errors)]
    if shape not in harmless:
        assert report.status in (RunStatus.FAILED, RunStatus.PARTIAL)
        assert any(told)
        assert tenant.local() == before
    assert not any(len(line.splitlines()) > 1 or "unexpected" in line for line in told)
    assert tenant.connection.status == "active"


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("endpoint", READS)
def test_a_read_of_another_shape_changes_nothing_here(world: World, endpoint: str, shape: str) -> None:
    tenant, contacts = in_sync(world)
    tenant.edit_remote(tenant.record_of(contacts[1]), name="Edited there")
    spoilt_run(tenant, READS[endpoint], shape, is_full=endpoint != "payloads")
    tenant.edit_local(contacts[0], name="Edited")
    assert tenant.sync().status is RunStatus.SUCCESS
    tenant.assert_in_sync()


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("endpoint", FEEDS)
def test_a_feed_that_answers_in_another_shape_is_opened_later(world: World, endpoint: str, shape: str) -> None:
    tenant = world.tenant()
    tenant.add_local(*people(3))
    # Whether it was made tells the list of them: without one, the run goes on and the next full one tries again.
    # There is none yet, so there are no texts that numbers could stand for.
    spoilt_run(tenant, FEEDS[endpoint], shape, harmless=SHAPES if endpoint == "new webhook" else ("huge", "numbers"))
    assert tenant.sync(is_full=True).status is RunStatus.SUCCESS
    tenant.assert_in_sync()
    tenant.assert_quiet()


@pytest.mark.slow
@spread("endpoint, shape, applies", list(WRITES), SHAPES, [True, False], one_of=2)
def test_an_answer_to_a_write_of_another_shape_is_no_answer(
    world: World, endpoint: str, shape: str, applies: bool
) -> None:
    tenant, contacts = in_sync(world)
    tenant.edit_local(contacts[0], name="Edited")
    tenant.add_local({"email": "new@example.org", "name": "New"})
    tenant.delete_local(contacts[1])
    if shape != "huge" or applies:
        spoilt_run(tenant, WRITES[endpoint], shape, applies=applies)
    for _ in range(2):
        report = tenant.sync()
    assert report.status is RunStatus.SUCCESS
    assert len(tenant.remote()) == 6
    tenant.assert_in_sync()
