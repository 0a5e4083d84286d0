"""A thousand workspaces: what a pass over all of them costs, what one failure among a hundred does, and ticks.

Belongs here: what is run and printed. Does not: setting the fleet up (`fleet_world`).
"""

import argparse
from collections.abc import Sequence

import dagster as dg

from benchmarks.fleet_world import Fleet, Usage, fleet, metered, most_connections, start_cpu_seconds
from benchmarks.home import PROVIDER
from benchmarks.measure import print_table, timed
from integrations_pipeline.orchestration.partitions import follow_connections, range_tags, workspace_partitions
from integrations_pipeline.store.health import read_health

WORKSPACES = 1_000
#: The ticks are measured with more: nothing is synced, so that costs little.
TICKED = 10_000
#: The quiet sync after one that did something is shown once more; from the next on nothing is written to Dagster.
QUIET_PASSES = ("quiet after it", "idle 1", "idle 2")
#: CPU milliseconds that a workspace may cost, all included: with nothing to do, and where 1 % have an edit.
BUDGET_MS, CHANGED_BUDGET_MS = 30, 80
_HEADS = ("pass", "runs", "wall s", "run ms", "postgres ms", "start ms", "sum ms", "events", "log rows", "KB grown")


def run(count: int = WORKSPACES) -> None:
    """All parts; CPU is per workspace, in milliseconds."""
    start = start_cpu_seconds()
    with fleet(count) as world:
        follow_connections(world.instance, {PROVIDER: world.slugs})
        with most_connections(world) as most:
            rows = [_row("first sync", *_pass(world), count, start)]
            for name in QUIET_PASSES:
                world.make_all_due()
                rows.append(_row(name, *_pass(world), count, start))
            world.edit(max(1, count // 100))
            world.make_all_due()
            rows.append(_row("1 % changed", *_pass(world), count, start))
        print_table(f"fleet: {count:,} workspaces, CPU ms, events, log rows and KB each", _HEADS, rows)
        told = ", ".join(f"{name} {n}" for name, n in sorted(most.items()))
        print(
            f"\n  starting a run's process: {start:.1f} s CPU; budget {BUDGET_MS} ms idle, "
            f"{CHANGED_BUDGET_MS} ms with 1 % changed; most connections at once: {told}"
        )
        _one_failure(world)
    _ticks(TICKED)


def _pass(world: Fleet) -> tuple[int, Usage]:
    """Ticks and runs until nobody is due; all runs must succeed."""
    runs = 0
    with metered(world) as found:
        while requests := world.tick(f"{PROVIDER}_due").run_requests:
            for request in requests:
                if not world.execute(request.tags).success:
                    raise RuntimeError("a run of the fleet failed")
                runs += 1
    ((synced,),) = world.rows("select count(*) from integration_connections where next_sync_at > now()")
    if synced != len(world.slugs):
        raise RuntimeError(f"only {synced} of {len(world.slugs)} workspaces were synced")
    return runs, found[0]


def _row(name: str, runs: int, used: Usage, count: int, start: float) -> Sequence[object]:
    run_ms, postgres_ms, start_ms = (1000 * s / count for s in (used.cpu, used.postgres_cpu, start * runs))
    grown = (used.dagster_bytes + used.our_bytes) / 1024 / count
    return (
        name,
        runs,
        used.wall,
        run_ms,
        postgres_ms,
        start_ms,
        run_ms + postgres_ms + start_ms,
        used.events / count,
        used.log_rows / count,
        grown,
    )


def _one_failure(world: Fleet) -> None:
    """One broken connection in a batch of a hundred: the others are recorded, it alone is shown as failed."""
    slugs = world.slugs[:100]
    broken = slugs[len(slugs) // 2]
    world.rows(
        'update integration_connections c set settings = c.settings || \'{"table_id": "None"}\' from workspaces w '
        f"where w.id = c.workspace_id and w.slug = '{broken}' returning w.id"
    )
    result, seconds = timed(lambda: world.execute(range_tags(slugs)))
    partitions = workspace_partitions(PROVIDER)
    states = world.instance.get_status_by_partition(dg.AssetKey([PROVIDER, "plan"]), slugs, partitions)
    failed = [slug for slug, state in (states or {}).items() if state is not dg.AssetPartitionStatus.MATERIALIZED]
    logged = world.rows(
        f"select status, count(*) from integration_sync_logs where dagster_run_id = '{result.run_id}' group by 1"
    )
    if result.success or failed != [broken]:
        raise RuntimeError(f"one was to fail, but these did: {failed}")
    told = ", ".join(f"{n} log rows {status}" for status, n in sorted(map(tuple, logged)))
    print(f"\n  one failure among {len(slugs)}: {len(slugs) - 1} recorded, 1 failed, {told}; {seconds:.1f} s")


def _ticks(count: int) -> None:
    """Seconds of every tick with so many workspaces, all of them due."""
    with fleet(count, has_provider=False) as world:
        table = [
            ("workspace_partitions, all new", timed(lambda: world.tick("workspace_partitions"))[1]),
            ("workspace_partitions, none new", timed(lambda: world.tick("workspace_partitions"))[1]),
            (f"{PROVIDER}_due, all due", timed(lambda: world.tick(f"{PROVIDER}_due"))[1]),
        ]
        world.rows("update integration_connections set next_sync_at = now() + interval '1 hour' returning id")
        table += [
            (f"{PROVIDER}_due, none due", timed(lambda: world.tick(f"{PROVIDER}_due"))[1]),
            ("lost_runs, none lost", timed(lambda: world.tick("lost_runs"))[1]),
            ("the question of the checks", timed(lambda: _health(world))[1]),
        ]
    print_table(f"ticks with {count:,} workspaces (limit 5 s)", ("tick", "seconds"), table)


def _health(world: Fleet) -> None:
    with world.program.database.admin() as connection:
        read_health(connection, PROVIDER, world.program.runtime.clock())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description="A fleet in this process.")
    parser.add_argument("--workspaces", type=int, default=WORKSPACES)
    run(parser.parse_args().workspaces)
