"""Which runs a tick asks for: the pure decision behind the due sensor.

Belongs here: grouping due workspaces into few dense runs, without Dagster. Does not: asking anybody.

A run costs seconds of CPU before any work, a workspace with nothing to do milliseconds. So a shard waits for
company until one of its workspaces has waited long enough, and then goes with everybody who is due. Those
who ran together come due together, within the spread of `store.connections`, so shards stay dense by
themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations_pipeline.orchestration.partitions import shards
from integrations_pipeline.store.fleet import DueConnection

#: For this part of its frequency a workspace waits for company; never longer than the second.
PATIENCE, LONGEST_PATIENCE_MINUTES = 0.1, 10.0
#: Runs of one provider that are queued or at work. Its pool lets fewer of them work at once; more would only
#: grow the queue, and the next tick is a minute away.
MAX_PENDING_RUNS = 6
#: After a launch that failed its workspaces wait so many minutes, then twice as long each time, up to the second: what
#: a busy machine could not start in time, it cannot start every minute either. And so far back launches are looked at.
LAUNCH_WAIT, LONGEST_LAUNCH_WAIT = 2.0, 30.0
LAUNCHES_SINCE = timedelta(hours=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRun:
    """A run that is not over, by the first and last of its partitions; `began_at` is None while it is queued."""

    first: str
    last: str
    began_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedLaunch:
    """A run that ended before it began to work, by the first and last of its partitions."""

    first: str
    last: str
    at: datetime


def due_ranges(
    partitions: Sequence[str],
    due: Sequence[DueConnection],
    pending: Sequence[PendingRun],
    now: datetime,
    failed: Sequence[FailedLaunch] = (),
) -> list[Sequence[str]]:
    """The contiguous ranges to run now, the longest waiting first; from the first to the last who is due.

    Left out are workspaces that a pending run will take: all of a queued run's range, and of one at work
    those that were due when it began. (Who came due later, it may have passed already.) And those for whom launches
    failed since they are due, until they have waited for it.
    """
    waiting = _not_taken(partitions, {found.workspace_slug: found for found in due}, pending)
    waiting = _not_in_vain(partitions, waiting, failed, now)
    chosen: list[tuple[datetime, Sequence[str]]] = []
    for shard in shards(partitions):
        wanted = [i for i, key in enumerate(shard) if key in waiting]
        if any(_is_ripe(waiting[shard[i]], now) for i in wanted):
            oldest = min(waiting[shard[i]].due_since for i in wanted)
            chosen.append((oldest, shard[wanted[0] : wanted[-1] + 1]))
    chosen.sort(key=lambda found: found[0])
    return [shard for _, shard in chosen[: max(0, MAX_PENDING_RUNS - len(pending))]]


def _is_ripe(found: DueConnection, now: datetime) -> bool:
    """Whether it has waited long enough; one that was just made or enabled does not wait at all."""
    patience = min(PATIENCE * found.frequency_minutes, LONGEST_PATIENCE_MINUTES)
    return found.next_sync_at is None or now - found.due_since >= timedelta(minutes=patience)


def _not_taken(
    partitions: Sequence[str], due: Mapping[str, DueConnection], pending: Sequence[PendingRun]
) -> dict[str, DueConnection]:
    positions = {key: i for i, key in enumerate(partitions)}
    waiting = {key: found for key, found in due.items() if key in positions}
    for run in pending:
        if run.first not in positions or run.last not in positions:
            continue  # an end of its range is gone: it takes whom it was made for, and the lock keeps order
        for key in partitions[positions[run.first] : positions[run.last] + 1]:
            if key in waiting and (run.began_at is None or waiting[key].due_since <= run.began_at):
                del waiting[key]
    return waiting


def _not_in_vain(
    partitions: Sequence[str], waiting: Mapping[str, DueConnection], failed: Sequence[FailedLaunch], now: datetime
) -> dict[str, DueConnection]:
    positions = {key: i for i, key in enumerate(partitions)}
    launches: dict[str, list[datetime]] = {}
    for launch in failed:
        if launch.first in positions and launch.last in positions:
            for key in partitions[positions[launch.first] : positions[launch.last] + 1]:
                if key in waiting and launch.at >= waiting[key].due_since:
                    launches.setdefault(key, []).append(launch.at)
    return {key: found for key, found in waiting.items() if key not in launches or _has_waited(launches[key], now)}


def _has_waited(launches: Sequence[datetime], now: datetime) -> bool:
    minutes = min(LAUNCH_WAIT * 2 ** min(len(launches) - 1, 10), LONGEST_LAUNCH_WAIT)
    return now - max(launches) >= timedelta(minutes=minutes)
