"""Killed anywhere: every request and every commit of a run is a point at which it dies; then all is well again."""

from functools import partial

import pytest

from integrations_pipeline_tests.postgres import PostgresServer
from integrations_pipeline_tests.sync.arrangement import Tenant, World, open_new_world, person
from integrations_pipeline_tests.sync.crashes import Choice, Scenario, Stage, by_choice, quiet
from integrations_sandbox import SandboxServer

#: Points of one crashed run, at least: fewer would mean that the scenario no longer reaches them.
EXPECTED = {"request": 6, "answer": 6, "commit": 12}
FAST_POINTS = ("first commit", "first write sent", "first write answered", "last commit")


def everything(world: World, *, with_contact_id: bool, has_tags: bool) -> Tenant:
    """A tenant before a run that does one of each: create, update, delete each way, conflict, link, tags."""
    tenant = world.tenant(with_contact_id=with_contact_id, delete_policy="propagate", delete_limit_fraction=1.0)
    ids = tenant.add_local(*(person(number, tags=["base"]) for number in range(5)))
    tenant.sync()
    tenant.edit_local(ids[0], company="Local")
    tenant.edit_remote(tenant.record_of(ids[1]), company="Remote")
    tenant.edit_local(ids[2], phone="+1", job_title="Local")
    tenant.edit_remote(tenant.record_of(ids[2]), company="Remote", job_title="Remote")
    if has_tags:
        tenant.edit_local(ids[2], tags=["base", "local"])
        tenant.edit_remote(tenant.record_of(ids[2]), tags=["base", "remote"])
    tenant.delete_local(ids[3])
    tenant.delete_remote(tenant.record_of(ids[4]))
    tenant.add_local(person(10), person(12, company="Matched"))
    tenant.add_remote(person(11), person(12, phone="+12"))
    return tenant


@pytest.fixture
def stage(postgres_server: PostgresServer, live_sandbox: SandboxServer) -> Stage:
    least: dict[Scenario, dict[str, int]] = dict.fromkeys(
        (with_key, without_key, first_sync, with_changed_columns, with_tags), EXPECTED
    )
    return Stage(open=partial(open_new_world, live_sandbox, postgres_server), end=quiet(2), least=least)


def with_key(world: World) -> Tenant:
    return everything(world, with_contact_id=True, has_tags=False)


def without_key(world: World) -> Tenant:
    return everything(world, with_contact_id=False, has_tags=False)


def with_tags(world: World) -> Tenant:
    return everything(world, with_contact_id=True, has_tags=True)


def with_changed_columns(world: World) -> Tenant:
    """An admin renamed a column and swapped the names of two; whoever typed in them typed under the new names."""
    tenant = everything(world, with_contact_id=True, has_tags=False)
    tenant.rename_column("Company", "Firm")
    tenant.swap_columns("Phone", "Job Title")
    tenant.edit_remote(sorted(tenant.remote())[0], phone="+99")
    return tenant


def first_sync(world: World) -> Tenant:
    tenant = world.tenant()
    tenant.add_local(person(1), person(2, phone="+2"), {"name": "Nameless"})
    tenant.add_remote(person(2, company="Acme"), person(3))
    return tenant


def chosen(points: list[str]) -> dict[str, int]:
    """The numbers of a few points that stand for all."""
    writes = [i for i, name in enumerate(points) if name.startswith("request") and "GET" not in name]
    commits = [i for i, name in enumerate(points) if name == "commit"]
    numbers = (commits[1], writes[0], writes[0] + 1, commits[-1])
    return dict(zip(FAST_POINTS, numbers, strict=True))


def test_a_run_killed_at_telling_points_loses_and_doubles_nothing(stage: Stage) -> None:
    points, expected = stage.undisturbed(with_key)
    for name, number in chosen(points).items():
        assert stage.crashed(with_key, number) == expected, name


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [with_key, without_key, first_sync], ids=lambda each: each.__name__)
@by_choice
def test_a_run_killed_at_any_point_loses_and_doubles_nothing(stage: Stage, scenario: Scenario, choose: Choice) -> None:
    assert not stage.wrong_ends(scenario, choose)


@pytest.mark.slow
def test_a_run_killed_at_any_point_after_columns_changed_loses_and_doubles_nothing(stage: Stage) -> None:
    assert not stage.wrong_ends(with_changed_columns)


@pytest.mark.slow
def test_a_run_killed_at_any_point_loses_no_tag(stage: Stage) -> None:
    assert not stage.wrong_ends(with_tags)


@pytest.mark.slow
def test_two_crashes_in_a_row_lose_and_double_nothing(stage: Stage) -> None:
    points, expected = stage.undisturbed(with_key)
    for number in chosen(points).values():
        for second in (3, 8):
            assert stage.crashed(with_key, number, second) == expected, (number, second)
