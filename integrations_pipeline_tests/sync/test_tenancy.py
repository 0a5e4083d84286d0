"""Workspaces do not notice one another: interleaved, each does just what it does alone in the world.

With the same people, the same base, table, record and webhook ids at two providers, on one provider with
two tokens, and on one and the same base. Then the one thing they do share: the rate limit.
"""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from sqlalchemy import text

from integrations_pipeline.model import COUNT_NAMES, RunStatus
from integrations_pipeline.store import contacts
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.pace import DatabasePacer
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.sync.arrangement import Tenant, World, as_text, people, person
from integrations_sandbox import SandboxOptions, SandboxServer

SETTINGS: dict[str, Any] = {"delete_policy": "propagate", "delete_limit_fraction": 1.0, "conflict_policy": "manual"}


class SteadyWorld(World):
    """The same deeds lead to the same ids, whatever other worlds do: contacts are numbered, not drawn."""

    numbers: Iterator[int]

    @property
    def runtime(self) -> Runtime:
        return replace(super().runtime, new_id=lambda: new_contact_id(self))


def new_contact_id(world: SteadyWorld) -> UUID:
    return uuid5(NAMESPACE_URL, f"{'+'.join(world.tenants)} {next(world.numbers)}")


def open_steady_world(server: SandboxServer, database: Database) -> SteadyWorld:
    # One request at a time, or the provider's ids would depend on which arrives first.
    world = SteadyWorld(server=server, database=database, max_concurrency=1)
    world.numbers = count()
    return world


def add_local(tenant: Tenant, *rows: dict[str, Any]) -> list[str]:
    """Contacts whose ids are the same in every world with this workspace."""
    world = tenant.world
    assert isinstance(world, SteadyWorld)
    ids = [str(new_contact_id(world)) for _ in rows]
    fields = [{name: as_text(value) for name, value in row.items()} for row in rows]
    writes = [ContactWrite(contact_id=key, fields=row) for key, row in zip(ids, fields, strict=True)]
    with world.database.workspace(tenant.workspace_id) as connection:
        assert len(contacts.insert_contacts(connection, tenant.workspace_id, writes)) == len(rows)
    return ids


def contact_named(tenant: Tenant, name: str) -> str:
    return next(contact_id for contact_id, row in tenant.local().items() if row.get("name") == name)


def record_named(tenant: Tenant, name: str) -> str:
    return next(record_id for record_id, row in tenant.remote().items() if row.get("name") == name)


# Two lives with the same people. Each step ends in a run.

Step = Callable[[Tenant], object]


def begin(tenant: Tenant) -> None:
    add_local(tenant, *people(4), {"name": "Nameless"})
    tenant.add_remote(person(2, company=tenant.slug), person(10), person(11), person(11))
    tenant.sync()


def edit(tenant: Tenant) -> None:
    tenant.edit_local(contact_named(tenant, "Person 0"), company=tenant.slug, tags=["a", tenant.slug])
    tenant.edit_remote(record_named(tenant, "Person 1"), phone="+1", tags=["b"])
    tenant.sync()


def quarrel(tenant: Tenant) -> None:
    tenant.edit_local(contact_named(tenant, "Person 3"), job_title="Local")
    tenant.edit_remote(record_named(tenant, "Person 3"), job_title="Remote")
    tenant.sync()


def delete(tenant: Tenant) -> None:
    tenant.delete_local(contact_named(tenant, "Person 0"))
    tenant.delete_remote(record_named(tenant, "Person 1"))
    tenant.sync()


def grow(tenant: Tenant) -> None:
    add_local(tenant, *people(12, first=20))
    tenant.sync()


def fail(tenant: Tenant) -> None:
    """A run that the provider turns away, then one that catches up."""
    tenant.edit_local(contact_named(tenant, "Person 2"), phone="+2")
    tenant.world.fault("status", method="PATCH", path_regex=tenant.base_id, status=403, times=1)
    tenant.sync()
    tenant.sync()


def reconcile(tenant: Tenant) -> None:
    tenant.sync(is_full=True)


LIVES: dict[str, Sequence[Step]] = {
    "one": (begin, edit, quarrel, delete, grow, fail, reconcile),
    "two": (begin, grow, fail, edit, reconcile, delete, quarrel),
}


@dataclass(frozen=True, slots=True)
class Footprint:
    """All that one workspace left behind in Postgres and at the provider; ids of runs and rows left out."""

    contacts: list[Any]
    links: list[Any]
    journal: list[Any]
    logs: list[Any]
    remote: list[Any]
    requests: list[Any]


def footprint_of(tenant: Tenant, mask: Callable[[str], str] = str) -> Footprint:
    def rows(statement: str) -> list[Any]:
        return sorted(mask(str(tuple(row.values()))) for row in tenant.rows(statement))

    asked = [call for call in tenant.world.airtable.requests() if call.token == tenant.token]
    return Footprint(
        contacts=rows(
            "select c.id, c.version, c.email, c.name, c.company, c.job_title, c.phone, c.tags, "
            "c.deleted_at is null from workspace_contacts c"
        ),
        links=rows("select contact_id, external_id, contact_version, base::text from integration_links"),
        journal=rows(
            "select side, kind, state, contact_id, external_id, before::text, after::text, base::text, "
            "attempts, reason, error_class from integration_changes"
        ),
        logs=[
            mask(str(tuple(row.values())))
            for row in tenant.rows(
                f"select direction, status, api_calls, errors, {', '.join(COUNT_NAMES)} "
                "from integration_sync_logs order by started_at, direction"
            )
        ],
        remote=sorted(mask(f"{key} {row}") for key, row in tenant.remote().items()),
        requests=[mask(f"{call.method} {call.path} {call.query} {call.body} {call.status}") for call in asked],
    )


@pytest.fixture(scope="module")
def twins() -> Iterator[tuple[SandboxServer, SandboxServer]]:
    """Two providers that give out the very same ids."""
    options = SandboxOptions(rate_limit_scale=None, seed=7)
    with SandboxServer(options) as one, SandboxServer(options) as two:
        yield one, two


@contextmanager
def fresh_database(postgres: PostgresServer) -> Iterator[Database]:
    with postgres.new_database(TEMPLATE) as url:
        database = Database(url)
        try:
            yield database
        finally:
            database.close()


@contextmanager
def on_twins(twins: tuple[SandboxServer, SandboxServer], database: Database) -> Iterator[dict[str, Tenant]]:
    """A workspace at each provider, both in one database."""
    with ExitStack() as stack:
        tenants = {}
        for slug, server in zip(LIVES, twins, strict=True):
            server.reset()
            world = open_steady_world(server, database)
            stack.callback(world.close)
            tenants[slug] = world.tenant(slug, **SETTINGS)
        yield tenants


def live(tenants: dict[str, Tenant], order: Sequence[str]) -> None:
    """Each life step by step, whoever's turn it is."""
    left = {slug: list(steps) for slug, steps in LIVES.items()}
    for slug in order:
        left[slug].pop(0)(tenants[slug])
    assert not any(left[slug] for slug in set(order))


ALONE = {slug: [slug] * len(steps) for slug, steps in LIVES.items()}
TURNS = [slug for pair in zip(*ALONE.values(), strict=True) for slug in pair]


def test_workspaces_with_the_same_provider_ids_do_what_each_does_alone(
    postgres_server: PostgresServer, twins: tuple[SandboxServer, SandboxServer]
) -> None:
    alone: dict[str, Footprint] = {}
    for slug, order in ALONE.items():
        with fresh_database(postgres_server) as database, on_twins(twins, database) as tenants:
            live(tenants, order)
            alone[slug] = footprint_of(tenants[slug])
    with fresh_database(postgres_server) as database, on_twins(twins, database) as tenants:
        live(tenants, TURNS)
        one, two = tenants.values()
        assert (one.base_id, one.table_id) == (two.base_id, two.table_id)
        shared = set(one.links().values()) & set(two.links().values())
        assert len(shared) >= 10, "the provider ids hardly collide"
        for slug, tenant in tenants.items():
            assert footprint_of(tenant) == alone[slug]


@contextmanager
def on_one_server(server: SandboxServer, database: Database, slugs: Sequence[str]) -> Iterator[dict[str, Tenant]]:
    """Workspaces with a base and a token each, at one provider."""
    server.reset()
    world = open_steady_world(server, database)
    try:
        tenants = {}
        for slug in slugs:
            tenant = world.tenant(slug, **SETTINGS)
            tenant.token = server.airtable.create_token(base_ids=[tenant.base_id]).value
            tenant.configure()
            tenants[slug] = tenant
        yield tenants
    finally:
        world.close()


def masked(value: str) -> str:
    """Without the ids that a shared provider and a shared row of contact numbers give out in turn."""
    return re.sub(
        r"(app|tbl|rec|ach|fld)[A-Za-z0-9]{14}|[0-9a-f]{8}-[0-9a-f-]{27}|ts\d+|\(\('offset', '[^']*'", "#", value
    )


def told_apart(footprint: Footprint) -> tuple[Any, ...]:
    """What does not depend on the order in which ids were given out."""
    kinds = [line.split("'after'")[0].split("#")[0] for line in footprint.journal]
    calls = sorted(re.sub(r" \(.*", "", line) for line in footprint.requests)
    return footprint.contacts, footprint.links, sorted(kinds), footprint.logs, footprint.remote, calls


def test_workspaces_at_one_provider_do_what_each_does_alone(
    postgres_server: PostgresServer, live_sandbox: SandboxServer
) -> None:
    alone: dict[str, Footprint] = {}
    for slug, order in ALONE.items():
        with fresh_database(postgres_server) as database, on_one_server(live_sandbox, database, [slug]) as tenants:
            live(tenants, order)
            alone[slug] = footprint_of(tenants[slug], masked)
    with fresh_database(postgres_server) as database, on_one_server(live_sandbox, database, list(LIVES)) as tenants:
        live(tenants, TURNS)
        for slug, tenant in tenants.items():
            assert told_apart(footprint_of(tenant, masked)) == told_apart(alone[slug])
        for tenant in tenants.values():
            seen = [call for call in tenant.world.airtable.requests() if call.token == tenant.token]
            assert {tenant.base_id in call.path for call in seen} == {True}
            assert len(seen) >= 20


# One base for two workspaces

TABLES = (
    "workspace_contacts",
    "integration_connections",
    "integration_links",
    "integration_changes",
    "integration_sync_logs",
    "integration_activity",
)


def rows_of(tenant: Tenant) -> dict[str, list[Any]]:
    """Every row of the workspace with the version that the database itself gives it."""
    with tenant.world.database.admin() as connection:
        return {
            table: [
                tuple(row)
                for row in connection.execute(
                    text(
                        f"select id_of.*, id_of.xmin::text from {table} id_of where workspace_id = :id order by 1, 2, 3"
                    ),
                    {"id": tenant.workspace_id},
                )
            ]
            for table in TABLES
        }


@contextmanager
def left_alone(*others: Tenant) -> Iterator[None]:
    """What runs in here changes no row of the others."""
    before = [rows_of(other) for other in others]
    yield
    assert [rows_of(other) for other in others] == before


def on_one_base(world: World, **settings: Any) -> tuple[Tenant, Tenant]:
    one, two = world.tenant("one", **settings), world.tenant("two", **settings)
    two.base_id, two.table_id = one.base_id, one.table_id
    two.configure(base_id=one.base_id)
    return one, two


def sync_both(one: Tenant, two: Tenant, rounds: int = 2) -> None:
    for _ in range(rounds):
        for tenant, other in ((one, two), (two, one)):
            with left_alone(other):
                assert tenant.sync().status is RunStatus.SUCCESS


def test_two_workspaces_on_one_base_both_keep_working(world: World) -> None:
    one, two = on_one_base(world, delete_policy="propagate", delete_limit_fraction=1.0)
    one.add_local(person(1), person(2))
    two.add_local(person(2, phone="+2"), person(3))
    world.airtable.create_records(one.base_id, "Contacts", [{"Name": "Person 4", "Email": "person4@example.org"}])
    sync_both(one, two)
    for tenant in (one, two):
        assert sorted(row["name"] for row in tenant.local().values()) == [f"Person {n}" for n in range(1, 5)]
        tenant.assert_in_sync()
    assert set(one.links().values()) == set(two.links().values())
    assert not set(one.links()) & set(two.links())
    one.edit_local(contact_named(one, "Person 1"), company="One")
    two.edit_local(contact_named(two, "Person 1"), job_title="Two")
    sync_both(one, two)
    for tenant in (one, two):
        row = tenant.local()[contact_named(tenant, "Person 1")]
        assert (row["company"], row["job_title"]) == ("One", "Two")
        tenant.assert_in_sync()
    one.delete_local(contact_named(one, "Person 3"))
    sync_both(one, two)
    for tenant in (one, two):
        assert len(tenant.local()) == len(tenant.remote()) == 3
        tenant.assert_in_sync()
    sync_both(one, two)
    assert not one.record_writes()
    assert not two.record_writes()


def test_a_workspace_on_a_shared_base_that_holds_deletes_keeps_its_contacts(world: World) -> None:
    one, two = on_one_base(world)
    one.configure(delete_policy="propagate", delete_limit_fraction=1.0)
    one.add_local(*people(4))
    sync_both(one, two)
    one.delete_local(contact_named(one, "Person 0"))
    sync_both(one, two)
    assert (len(one.local()), len(one.remote()), len(two.local())) == (3, 3, 4)
    assert len(two.journal("held", kind="delete")) == 1
    assert not one.journal("held")


def test_a_failing_workspace_on_a_shared_base_does_not_stop_the_other(world: World) -> None:
    one, two = on_one_base(world)
    two.add_local(*people(2))
    one.token = world.airtable.create_token(base_ids=[one.base_id]).value
    one.configure()
    world.airtable.revoke_token(one.token)
    for _ in range(3):
        with left_alone(two):
            assert one.sync().status is RunStatus.FAILED
    assert one.connection.status == "error"
    with left_alone(one):
        two.sync()
    assert two.connection.status == "active"
    two.assert_in_sync()


# The rate limit, which all share


@dataclass(slots=True)
class Sleeper:
    """Sleeps that take no time; `naps` are their lengths."""

    naps: list[float]

    def __call__(self, seconds: float) -> None:
        self.naps.append(seconds)


@contextmanager
def second_database(database: Database) -> Iterator[Database]:
    """The same database as another process sees it."""
    other = Database(database._url.render_as_string(hide_password=False))
    try:
        yield other
    finally:
        other.close()


#: So long that what the machine does meanwhile is nothing beside it.
INTERVAL = 100.0


def intervals(naps: Sequence[float]) -> list[int]:
    """Naps in whole intervals, rounded: time goes on a little between two of them."""
    assert all(0 <= round(nap / INTERVAL) - nap / INTERVAL < 0.2 for nap in naps), naps
    return [round(nap / INTERVAL) for nap in naps]


def test_requests_of_one_key_are_spaced(database: Database) -> None:
    sleeper = Sleeper([])
    pacer = DatabasePacer(database, sleeper)
    for _ in range(4):
        pacer.wait("base", INTERVAL)
    assert intervals(sleeper.naps) == [1, 2, 3]


def test_another_key_is_free(database: Database) -> None:
    sleeper = Sleeper([])
    pacer = DatabasePacer(database, sleeper)
    pacer.wait("base", INTERVAL)
    pacer.pause("base", INTERVAL)
    pacer.wait("other base", INTERVAL)
    assert not sleeper.naps


def test_two_processes_share_one_row_of_moments(database: Database) -> None:
    sleeper = Sleeper([])
    with second_database(database) as other:
        pacers = (DatabasePacer(database, sleeper), DatabasePacer(other, sleeper))
        threads = [
            threading.Thread(target=pacers[number % 2].wait, args=("base", INTERVAL), name=f"request {number}")
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert intervals(sorted(sleeper.naps)) == [1, 2, 3, 4, 5, 6, 7]


def test_a_pause_of_one_process_holds_back_the_others_and_ends_without_a_burst(database: Database) -> None:
    sleeper = Sleeper([])
    with second_database(database) as other:
        one, two = DatabasePacer(database, sleeper), DatabasePacer(other, sleeper)
        one.pause("base", 5 * INTERVAL)
        for pacer in (two, one, two):
            pacer.wait("base", INTERVAL)
    # The pause itself is as long as it was told; what follows it comes a twentieth slower.
    assert [nap / INTERVAL for nap in sleeper.naps] == pytest.approx([5, 6.05, 7.1], abs=0.02)


@pytest.mark.parametrize("second", [1.0, 5.0], ids=["shorter", "as long"])
def test_a_second_pause_neither_shortens_the_first_nor_adds_to_it(database: Database, second: float) -> None:
    sleeper = Sleeper([])
    pacer = DatabasePacer(database, sleeper)
    pacer.pause("base", 5 * INTERVAL)
    pacer.pause("base", second * INTERVAL)
    pacer.wait("base", INTERVAL)
    assert intervals(sleeper.naps) == [5]


def test_moments_that_nobody_used_are_not_saved_up(database: Database) -> None:
    sleeper = Sleeper([])
    pacer = DatabasePacer(database, sleeper)
    pacer.wait("base", INTERVAL)
    pass_time(database, 3600.0)
    for _ in range(3):
        pacer.wait("base", INTERVAL)
    assert intervals(sleeper.naps) == [1, 2]


def pass_time(database: Database, seconds: float) -> None:
    """For the limits of the database it is so much later."""
    statement = text("update provider_rate_limits set next_free_at = next_free_at - make_interval(secs => :seconds)")
    with database.admin() as connection:
        connection.execute(statement, {"seconds": seconds})


@contextmanager
def limited_world(database: Database, scale: float) -> Iterator[World]:
    """A provider that enforces its limits, and pacers that sleep by moving every clock on."""
    with SandboxServer(SandboxOptions(rate_limit_scale=scale)) as server:

        def sleep(seconds: float) -> None:
            server.stage.clock.advance(seconds)
            pass_time(database, seconds)

        world = World(server=server, database=database, max_concurrency=1, rate_scale=scale)
        world.pacer = DatabasePacer(database, sleep)
        try:
            yield world
        finally:
            world.close()


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_paced_requests_of_two_workspaces_on_one_base_never_meet_the_limit(database: Database, scale: float) -> None:
    with limited_world(database, scale) as world:
        one, two = on_one_base(world)
        one.add_local(*people(60))
        two.add_local(*people(60, first=100))
        sync_both(one, two)
        one.assert_in_sync()
        two.assert_in_sync()
        calls = world.airtable.requests()
        assert {call.status for call in calls} == {200}
        assert len(calls) >= 20


def test_the_penalty_of_a_real_429_is_sat_out_by_both_workspaces(database: Database) -> None:
    with limited_world(database, 50.0) as world:
        one, two = on_one_base(world)
        one.add_local(*people(3))
        sync_both(one, two)
        before = one.last_call()
        world.fault("rate_limit", times=1)
        one.edit_local(contact_named(one, "Person 0"), company="Acme")
        sync_both(one, two)
        calls = world.airtable.requests(before)
        assert [call.status for call in calls].count(429) == 1
        assert [call.status for call in calls[:2]] == [429, 200]
        moments = [call.at for call in calls]
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
        assert gaps[0] >= 30 / 50 - 0.02
        assert two.local()[contact_named(two, "Person 0")]["company"] == "Acme"
