"""A run that is killed at one of its points, and what it comes to: shared by the tests of all providers.

Every request, every answer and every commit of a run is a point. Where nothing that outlives the process changes
between two of them, dying at either is the same, and one stands for both (`states`); `make exhaustive` dies at each. A
`Stage` opens worlds one after another, each brought to the same situation; the run dies, quiet ones follow, and the end
is compared with that of a run nobody disturbed.
Belongs here: dying, enumerating, comparing. Does not: situations, and what a provider has of its own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import httpx
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS
from sqlalchemy import Connection, event

from integrations_pipeline.store.database import Database
from integrations_pipeline_tests.counts import gather
from integrations_pipeline_tests.sync.arrangement import Loopback, Tenant


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

        def on_commit(connection: Connection) -> None:
            self.reach("commit" if has_written(connection) else NOTHING)

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


#: A commit of a transaction that wrote nothing.
NOTHING = "commit nothing"


def has_written(connection: Connection) -> bool:
    """Whether the transaction has a number, which Postgres gives to those that write. Asked beside SQLAlchemy's events,
    which tests count."""
    raw: Any = connection.connection.dbapi_connection
    if raw.get_transaction_status() != TRANSACTION_STATUS_INTRANS:
        return False
    with raw.cursor() as cursor:
        cursor.execute("select pg_current_xact_id_if_assigned() is not null")
        return bool(cursor.fetchone()[0])


Choice = Callable[[Sequence[str]], Iterable[int]]


def states(points: Sequence[str]) -> list[int]:
    """The first point after each thing that outlives the process: a commit that wrote, and a request that may have."""
    first: dict[int, int] = {}
    changes = 0
    for number, name in enumerate(points):
        first.setdefault(changes, number)
        changes += name == "commit" or (name.startswith("request") and name != "request GET")
    return list(first.values())


def every(points: Sequence[str]) -> range:
    return range(len(points))


#: At which points a run is killed in turn.
by_choice = pytest.mark.parametrize(
    "choose",
    [pytest.param(states, id="each state"), pytest.param(every, id="each point", marks=pytest.mark.exhaustive)],
)


Rows = Counter[tuple[tuple[str, str], ...]]
State = tuple[Any, ...]


def state_of(tenant: Tenant) -> State:
    """Both sides without ids: what people see."""
    return _shown(tenant.local()), _shown(tenant.remote())


def _shown(rows: Mapping[str, Mapping[str, str]]) -> Rows:
    return Counter(
        tuple(sorted((k, v if k != "tags" else "|".join(sorted(v.split("\x1f")))) for k, v in row.items()))
        for row in rows.values()
    )


def nothing(_: Any) -> None:
    """Nobody does anything."""


def sync(tenant: Any) -> None:
    tenant.sync()


def end_of(tenant: Any, *, runs: int = 3, look: Callable[[Any], State] = state_of) -> State:
    """What people see after so many quiet runs, and nothing is left open; a full comparison changes nothing."""
    for _ in range(runs):
        tenant.sync()
    tenant.assert_in_sync()
    assert not tenant.rows("select 1 from integration_sync_logs where status = 'running'")
    assert not tenant.journal("planned", "intended")
    state = look(tenant)
    tenant.sync(is_full=True)
    assert look(tenant) == state
    return state


#: A situation in a world; whose run it is.
Scenario = Callable[[Any], Any]
#: What somebody does after a run died and before the next one.
Deed = Callable[[Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Fresh worlds, one after another. `first` is done in a world before people act in it, `then` before its run;
    `end` is what it comes to. `least`: points of a kind that a run has at least, by scenario; "" is all kinds."""

    open: Callable[[], AbstractContextManager[Any]]
    first: Callable[[Any], object] = nothing
    then: Callable[[Any], object] = nothing
    run: Callable[[Any], object] = sync
    end: Callable[[Any], Any] = end_of
    where: str = ""
    least: Mapping[Any, Mapping[str, int]] = field(default_factory=dict)
    #: Whether the world may change so that a run ends before the point is reached.
    may_live: bool = False

    def undisturbed(self, scenario: Scenario, deed: Deed = nothing) -> tuple[list[str], Any]:
        """The points of a run that nothing disturbs, and what it leads to, with the deed after it."""
        points = CrashPoints()
        return points.seen, self._told(scenario, [points], deed)

    def crashed(self, scenario: Scenario, *die_at: int, deed: Deed = nothing) -> Any:
        """The run is killed at a point, the next one at the next of them; then the deed and quiet runs."""
        return self._told(scenario, [CrashPoints(die_at=number) for number in die_at], deed)

    def _told(self, scenario: Scenario, runs: Sequence[CrashPoints], deed: Deed) -> Any:
        with self.open() as world:
            # One request at a time: the points then come in the same order in every world.
            world.max_concurrency = 1
            self.first(world)
            tenant = scenario(world)
            self.then(world)
            for points in runs:
                with points.watching(world):
                    self._run(tenant, points)
            deed(tenant)
            return self.end(tenant)

    def _run(self, tenant: Any, points: CrashPoints) -> None:
        try:
            self.run(tenant)
        except Crash:
            assert points.die_at is not None
        else:
            assert points.die_at is None or self.may_live, "the run ended before its death"

    def wrong_ends(self, scenario: Scenario, choose: Choice = states) -> list[str]:
        """Kill at each of these points in turn; those whose aftermath differs from the undisturbed end."""
        points, expected = self.undisturbed(scenario)
        self.assert_reached(scenario, points)
        wanted = list(choose(points))
        counts = Counter(" ".join(points[number].split()[:2]) for number in wanted)
        gather(f"crash points of {scenario.__name__}{self.where}", counts)
        return wrong_points(points, wanted, lambda number: bool(self.crashed(scenario, number) == expected))

    def assert_reached(self, scenario: Scenario, points: Sequence[str]) -> None:
        """Fewer points would mean that the scenario no longer does one of each."""
        counts = Counter(name.split()[0] for name in points) + Counter({"": len(points)})
        for kind, least in self.least.get(scenario, {}).items():
            assert counts[kind] >= least, counts


def wrong_points(points: Sequence[str], numbers: Iterable[int], is_right: Callable[[int], bool]) -> list[str]:
    """The points at which it is not right, with what an assertion said."""
    wrong = []
    for number in numbers:
        try:
            if is_right(number):
                continue
            told = ""
        except AssertionError as error:
            told = str(error)[:300].partition("\n")[0]
        wrong.append(f"{number} {points[number]} {told}")
    return wrong


def quiet(runs: int, look: Callable[[Any], State] = state_of) -> Callable[[Any], State]:
    return partial(end_of, runs=runs, look=look)


def key_of(rows: Mapping[str, Mapping[str, str]], email: str) -> str:
    """Whose e-mail that is; "" for nobody's."""
    return next((key for key, row in rows.items() if row.get("email") == email), "")
