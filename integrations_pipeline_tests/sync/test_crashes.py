"""Killed anywhere: every request and every commit of a run is a point at which it dies; then all is well again."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import pytest
from sqlalchemy import event

from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.sync.arrangement import Loopback, Tenant, World, open_world, person
from integrations_sandbox import SandboxServer

#: Points of one crashed run, at least: fewer would mean that the scenario no longer reaches them.
EXPECTED = {"request": 6, "answer": 6, "commit": 12}
FAST_POINTS = ("first commit", "first write sent", "first write answered", "last commit")


class Crash(BaseException):
    """The process is gone; nothing may catch it."""


class Watched(Protocol):
    """What a run goes through."""

    @property
    def database(self) -> Database: ...

    @property
    def network(self) -> Loopback: ...


@dataclass(slots=True)
class CrashPoints:
    """Numbers the points of a run and dies at one of them; from then on every point kills, as after a death
    nothing more is done."""

    die_at: int | None = None
    seen: list[str] = field(default_factory=list)
    is_dead: bool = False

    def reach(self, kind: str) -> None:
        if self.is_dead or len(self.seen) == self.die_at:
            self.is_dead = True
            raise Crash(kind)
        self.seen.append(kind)

    @contextmanager
    def watching(self, world: Watched) -> Iterator[None]:
        engine = world.database._engine

        def on_commit(_: Any) -> None:
            self.reach("commit")

        world.network.before = lambda request: self.reach(f"request {_name(request)}")
        world.network.after = lambda request: self.reach(f"answer {_name(request)}")
        event.listen(engine, "commit", on_commit)
        try:
            yield
        finally:
            event.remove(engine, "commit", on_commit)
            world.network.before = world.network.after = lambda _: None


def _name(request: httpx.Request) -> str:
    return request.method


State = tuple[Counter[tuple[tuple[str, str], ...]], Counter[tuple[tuple[str, str], ...]]]


def state_of(tenant: Tenant) -> State:
    """Both sides without ids: what people see."""

    def shown(rows: Mapping[str, Mapping[str, str]]) -> Counter[tuple[tuple[str, str], ...]]:
        return Counter(
            tuple(sorted((k, v if k != "tags" else "|".join(sorted(v.split("\x1f")))) for k, v in row.items()))
            for row in rows.values()
        )

    return shown(tenant.local()), shown(tenant.remote())


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


Scenario = Callable[[World], Tenant]
#: What somebody does after a run died and before the next one.
Deed = Callable[[Tenant], None]


def nothing(_: Tenant) -> None:
    """Nobody does anything."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Fresh worlds, one after another."""

    postgres: PostgresServer
    sandbox: SandboxServer

    @contextmanager
    def world(self) -> Iterator[World]:
        with self.postgres.new_database(TEMPLATE) as url:
            database = Database(url)
            try:
                with open_world(self.sandbox, database) as world:
                    # One request at a time: the points then come in the same order in every world.
                    world.max_concurrency = 1
                    yield world
            finally:
                database.close()

    def undisturbed(self, scenario: Scenario, deed: Deed = nothing) -> tuple[list[str], State]:
        """The points of a run that nothing disturbs, and what it leads to, with the deed after it."""
        with self.world() as world:
            tenant = scenario(world)
            points = CrashPoints()
            with points.watching(world):
                tenant.sync()
            deed(tenant)
            tenant.sync()
            tenant.sync()
            tenant.assert_in_sync()
            return points.seen, state_of(tenant)

    def crashed(self, scenario: Scenario, *die_at: int, deed: Deed = nothing) -> State:
        """The run is killed at a point, the next one at the next of them; then the deed and two quiet runs."""
        with self.world() as world:
            tenant = scenario(world)
            for number in die_at:
                points = CrashPoints(die_at=number)
                with points.watching(world), pytest.raises(Crash):
                    tenant.sync()
            deed(tenant)
            tenant.sync()
            tenant.sync()
            tenant.assert_in_sync()
            running = tenant.rows("select 1 from integration_sync_logs where status = 'running'")
            assert not running
            assert not tenant.journal("planned", "intended")
            state = state_of(tenant)
            tenant.sync(is_full=True)
            assert state_of(tenant) == state
            return state


@pytest.fixture
def stage(postgres_server: PostgresServer, live_sandbox: SandboxServer) -> Stage:
    return Stage(postgres_server, live_sandbox)


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


def enumerate_crashes(stage: Stage, scenario: Scenario) -> list[str]:
    """Kill at every point in turn; the points whose aftermath differs from the undisturbed end."""
    points, expected = stage.undisturbed(scenario)
    counts = Counter(name.split()[0] for name in points)
    gather(f"crash points of {scenario.__name__}", counts)
    for kind, least in EXPECTED.items():
        assert counts[kind] >= least, counts
    wrong = []
    for number, name in enumerate(points):
        try:
            is_right = stage.crashed(scenario, number) == expected
        except AssertionError:
            is_right = False
        if not is_right:
            wrong.append(f"{number} {name}")
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [with_key, without_key, first_sync], ids=lambda each: each.__name__)
def test_a_run_killed_at_any_point_loses_and_doubles_nothing(stage: Stage, scenario: Scenario) -> None:
    assert not enumerate_crashes(stage, scenario)


@pytest.mark.slow
def test_a_run_killed_at_any_point_after_columns_changed_loses_and_doubles_nothing(stage: Stage) -> None:
    assert not enumerate_crashes(stage, with_changed_columns)


@pytest.mark.slow
def test_a_run_killed_at_any_point_loses_no_tag(stage: Stage) -> None:
    assert not enumerate_crashes(stage, with_tags)


@pytest.mark.slow
def test_two_crashes_in_a_row_lose_and_double_nothing(stage: Stage) -> None:
    points, expected = stage.undisturbed(with_key)
    for number in chosen(points).values():
        for second in (3, 8):
            assert stage.crashed(with_key, number, second) == expected, (number, second)
