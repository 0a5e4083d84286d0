"""Which runs a tick asks for, and what a fleet comes to that lives by it: pure, without Dagster."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from integrations_pipeline.orchestration.batch import BREAKER_FAILURES, WORKERS
from integrations_pipeline.orchestration.due import (
    LONGEST_LAUNCH_WAIT,
    MAX_PENDING_RUNS,
    FailedLaunch,
    PendingRun,
    due_ranges,
)
from integrations_pipeline.orchestration.partitions import LARGEST_SHARD, SMALLEST_SHARD, shards
from integrations_pipeline.store.connections import BACKOFF_SPREAD, MAX_BACKOFF_MINUTES, MAX_FAILURES, SPREAD
from integrations_pipeline.store.fleet import DueConnection

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG = int(LONGEST_LAUNCH_WAIT)
FLEET = [f"w{i}" for i in range(150)]  # two shards of 75


def due(slug: str, minutes: float = 30, frequency: int = 15, *, is_new: bool = False) -> DueConnection:
    """A connection that has been due for so many minutes."""
    since = NOW - timedelta(minutes=minutes)
    return DueConnection(
        workspace_slug=slug,
        integration_type="airtable",
        next_sync_at=None if is_new else since,
        due_since=since,
        frequency_minutes=frequency,
    )


def pending(first: str, last: str, began_minutes: float | None = None) -> PendingRun:
    began_at = None if began_minutes is None else NOW - timedelta(minutes=began_minutes)
    return PendingRun(first=first, last=last, began_at=began_at)


@pytest.mark.parametrize(
    ("waiting", "runs", "expected"),
    [
        pytest.param((), (), [], id="nothing due launches nothing"),
        pytest.param((due("w3"),), (), ["w3-w3"], id="one due is a range of one"),
        pytest.param((due("w1"), due("w3")), (), ["w1-w3"], id="a range spans those between"),
        pytest.param((due("w1", 20), due("w120", 30)), (), ["w120-w120", "w1-w1"], id="the longest waiting first"),
        pytest.param((due("gone"),), (), [], id="a workspace without partition waits"),
        pytest.param((due("w1", 1),), (), [], id="one that is just due waits for company"),
        pytest.param((due("w1", 1), due("w3", 2)), (), ["w1-w3"], id="and goes with the first that waited enough"),
        pytest.param((due("w1", 1), due("w80", 2)), (), ["w80-w80"], id="but not with another shard"),
        pytest.param((due("w1", 0, is_new=True),), (), ["w1-w1"], id="a new one does not wait"),
        pytest.param((due("w1", 5, frequency=60),), (), [], id="patience grows with the frequency"),
        pytest.param((due("w1", 10, frequency=10_000),), (), ["w1-w1"], id="up to ten minutes"),
        pytest.param((due("w3"),), (pending("w0", "w74"),), [], id="a queued run will take it"),
        pytest.param((due("w3"),), (pending("w3", "w3"),), [], id="a queued run of one will take it"),
        pytest.param((due("w3"),), (pending("w4", "w74"),), ["w3-w3"], id="a queued run beside it will not"),
        pytest.param((due("w3", 30),), (pending("w0", "w74", 20),), [], id="a run at work has it to do"),
        pytest.param((due("w3", 20),), (pending("w0", "w74", 20),), [], id="a run that began when it came due has it"),
        pytest.param((due("w3", 10),), (pending("w0", "w74", 20),), ["w3-w3"], id="a run at work has passed it"),
        pytest.param((due("w3"),), (pending("gone", "w74"),), ["w3-w3"], id="a range that lost an end"),
        pytest.param((due("w3"),), [pending("w100", "w101")] * MAX_PENDING_RUNS, [], id="a full queue does not grow"),
    ],
)
def test_due_ranges(waiting: Sequence[DueConnection], runs: Sequence[PendingRun], expected: list[str]) -> None:
    assert [f"{found[0]}-{found[-1]}" for found in due_ranges(FLEET, waiting, runs, NOW)] == expected


def failed(first: str, last: str, *minutes: float) -> list[FailedLaunch]:
    return [FailedLaunch(first=first, last=last, at=NOW - timedelta(minutes=each)) for each in minutes]


@pytest.mark.parametrize(
    ("launches", "expected"),
    [
        pytest.param((), ["w3-w5"], id="none failed"),
        pytest.param(failed("w0", "w74", 1), [], id="one failed a minute ago"),
        pytest.param(failed("w0", "w74", 2), ["w3-w5"], id="the first wait is short"),
        pytest.param(failed("w0", "w74", 3, 6), [], id="then twice as long"),
        pytest.param(failed("w0", "w74", 4, 7), ["w3-w5"], id="until that is over"),
        pytest.param(failed("w5", "w5", 1), ["w3-w3"], id="others need not wait"),
        pytest.param(failed("w75", "w149", 1), ["w3-w5"], id="nor another shard"),
        pytest.param(failed("gone", "w74", 1), ["w3-w5"], id="a range that lost an end"),
        pytest.param(failed("w0", "w74", 41, 50), ["w3-w5"], id="failed before it was due: synced since"),
        pytest.param(failed("w0", "w74", *range(LONG - 1, LONG + 9)), [], id="many in a row"),
        pytest.param(failed("w0", "w74", *range(LONG, LONG + 9)), ["w3-w5"], id="half an hour at most"),
    ],
)
def test_after_launches_that_failed_their_workspaces_wait(launches: list[FailedLaunch], expected: list[str]) -> None:
    waiting = [due("w3", 40), due("w5", 40)]

    found = due_ranges(FLEET, waiting, [], NOW, launches)

    assert [f"{each[0]}-{each[-1]}" for each in found] == expected


def test_a_launch_that_failed_at_the_moment_of_coming_due_was_one_for_it() -> None:
    found = [due_ranges(FLEET, [due("w3", 3)], (), NOW, failed("w3", "w3", minutes, minutes)) for minutes in (3, 3.1)]
    assert found == [[], [FLEET[3:4]]]


def test_a_tick_fills_the_queue_and_no_more() -> None:
    fleet = [f"w{i}" for i in range(2000)]

    chosen = due_ranges(fleet, [due(slug) for slug in fleet], [pending("w0", "w249")], NOW)

    assert [len(found) for found in chosen] == [LARGEST_SHARD] * (MAX_PENDING_RUNS - 1)
    assert not {"w0", "w249"} & {slug for found in chosen for slug in found}


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, 0), (1, 1), (100, 1), (101, 2), (250, 3), (400, 4), (600, 4), (1000, 4), (1001, 5), (10_000, 40)],
)
def test_shards_cover_everything_once_and_are_equal(count: int, expected: int) -> None:
    keys = [f"w{i}" for i in range(count)]

    found = shards(keys)

    assert [key for shard in found for key in shard] == keys
    assert len(found) == expected
    sizes = {len(shard) for shard in found}
    assert not sizes or max(sizes) - min(sizes) <= 1
    assert max(sizes, default=0) <= LARGEST_SHARD
    assert count <= SMALLEST_SHARD or min(sizes) >= SMALLEST_SHARD / 2


class Simulation:
    """A fleet that lives by `due_ranges`: a tick a minute, two runs at once, so many seconds per workspace."""

    def __init__(self, count: int, seconds_each: float) -> None:
        self.partitions = [f"w{i}" for i in range(count)]
        self.seconds_each = seconds_each
        self.now = NOW
        self.due_at = dict.fromkeys(self.partitions, NOW)
        self.is_new = True
        self.queue: list[Sequence[str]] = []
        self.at_work: list[tuple[datetime, datetime, Sequence[str]]] = []
        self.runs: list[tuple[datetime, int]] = []
        self.waits: list[float] = []
        self.is_down = False
        self.errors = dict.fromkeys(self.partitions, 0)
        self.most_errors = 0
        self.tries: list[datetime] = []

    def tick(self) -> None:
        self.at_work = [found for found in self.at_work if found[1] > self.now]
        runs = [PendingRun(first=r[0], last=r[-1]) for r in self.queue]
        runs += [PendingRun(first=r[0], last=r[-1], began_at=began) for began, _, r in self.at_work]
        self.queue += due_ranges(self.partitions, self._due(), runs, self.now)
        while self.queue and len(self.at_work) < 2:
            slugs = self.queue.pop(0)
            wanted = [slug for slug in slugs if self.due_at[slug] <= self.now]
            (self._fail if self.is_down else self._begin)(slugs, wanted)
        self.now += timedelta(minutes=1)

    def _due(self) -> list[DueConnection]:
        return [
            DueConnection(
                workspace_slug=slug,
                integration_type="airtable",
                next_sync_at=None if at == NOW else at,
                due_since=at,
                frequency_minutes=15,
            )
            for slug, at in self.due_at.items()
            if at <= self.now
        ]

    def _begin(self, slugs: Sequence[str], wanted: Sequence[str]) -> None:
        for i, slug in enumerate(wanted):
            done = self.now + timedelta(seconds=self.seconds_each * (i + 1))
            self.waits.append((done - self.due_at[slug]).total_seconds() / 60)
            self.due_at[slug] = done + timedelta(minutes=15 * (1 + SPREAD * (_spread(slug) - 0.5)))
            self.errors[slug] = 0
        end = self.now + timedelta(seconds=self.seconds_each * len(wanted) + 5)
        self.at_work.append((self.now, end, slugs))
        self.runs.append((self.now, len(wanted)))

    def _fail(self, slugs: Sequence[str], wanted: Sequence[str]) -> None:
        """As `batch` and `store.connections` do it: some are tried, for minutes each, the rest is left for later."""
        tried = wanted[: BREAKER_FAILURES + WORKERS - 1]
        end = self.now + timedelta(minutes=3 * -(-len(tried) // WORKERS))
        for slug in wanted:
            if slug in tried:
                self.errors[slug] += 1
                self.tries.append(self.now)
                wait = min(MAX_BACKOFF_MINUTES, 15 * 2 ** self.errors[slug]) * (1 - BACKOFF_SPREAD * _spread(slug))
            else:
                wait = 15 * (1 + _spread(slug)) / 2
            self.due_at[slug] = end + timedelta(minutes=wait)
        self.most_errors = max(self.most_errors, *self.errors.values())
        self.at_work.append((self.now, end, slugs))


def _spread(slug: str) -> float:
    """As `integrations_spread` draws it, from an id made of the slug."""
    text = str(UUID(hashlib.sha256(slug.encode()).hexdigest()[:32]))
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


@pytest.mark.parametrize(("seconds_each", "most_runs", "least_size"), [(0.05, 5, 200), (0.4, 6, 150), (1.0, 12, 75)])
def test_a_fleet_of_a_thousand_settles_into_dense_runs_and_nobody_waits_long(
    seconds_each: float, most_runs: float, least_size: float
) -> None:
    fleet = Simulation(1000, seconds_each)
    for _ in range(4 * 60):
        fleet.tick()

    settled = [size for at, size in fleet.runs if at >= NOW + timedelta(hours=1)]
    assert len(settled) / 12 <= most_runs  # per quarter of an hour, over three hours
    assert sum(settled) / len(settled) >= least_size
    assert sum(settled) > 1000 * 12 * 0.8
    assert max(fleet.waits[1000:]) < 7  # minutes from being due to being done


def test_a_provider_that_is_down_for_an_hour_stops_no_connection_and_is_not_stormed_on_its_return() -> None:
    fleet = Simulation(1000, 0.1)
    for _ in range(60):
        fleet.tick()
    fleet.is_down = True
    for _ in range(60):
        fleet.tick()
    tried = len(fleet.tries)
    fleet.is_down = False
    back_at, runs = fleet.now, len(fleet.runs)
    for _ in range(60):
        fleet.tick()

    assert 20 < tried < 200  # of a thousand connections, each due four times
    assert fleet.most_errors < MAX_FAILURES
    assert set(fleet.errors.values()) == {0}
    assert min(fleet.due_at.values()) > back_at + timedelta(minutes=45)  # everybody was synced again
    sizes = [size for at, size in fleet.runs[runs:] if at < back_at + timedelta(minutes=5)]
    assert sum(sizes) < 900  # they come back over many minutes, not in the first
