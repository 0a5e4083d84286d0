"""Dagster beside a fleet that has nothing to do: what its processes use at rest, and how long its pages take.

    python -m benchmarks.fleet_ui [--workspaces 10000] [--rest 1000] [--seconds 60]

Belongs here: `dagster dev` on a fleet, its meters, and a browser on its pages. Does not: runs (`fleet`). Needs Chromium
and the development dependencies; screenshots lie in `.artifacts/fleet`.
"""

import argparse
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from playwright.sync_api import expect, sync_playwright

from benchmarks.fleet_world import Fleet, fleet, metered
from benchmarks.home import PROVIDER
from benchmarks.measure import print_table, timed
from integrations_pipeline.orchestration.jobs import job_name
from integrations_pipeline.orchestration.partitions import ONLY_DUE, follow_connections, range_tags
from integrations_pipeline.settings import HOME
from integrations_pipeline_tests.browser.conftest import CHROMIUM_FLAGS
from integrations_pipeline_tests.browser.screen import LOCATION, PAGE_MS, Screen
from integrations_pipeline_tests.browser.server import DagsterServer, dagster_dev

WORKSPACES, RESTING, SECONDS = 10_000, 1_000, 60
#: Runs that the page of runs has to go through.
RUNS = 50
#: Sensors have had their first ticks and caches are warm.
_SETTLE_SECONDS = 45
_ASSETS = ("contacts", "plan", "to_external", "from_external")
_FOLDER = Path(".artifacts/fleet")
_CHROMIUM = "/usr/bin/chromium"

#: The events of the first workspace once more for each other one: Dagster takes minutes for so many.
_COPY = """
    insert into event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
    select e.run_id, replace(e.event, '{first}', w.slug), e.dagster_event_type, e.timestamp, e.step_key, e.asset_key,
        w.slug
    from event_logs e
    cross join (select 'workspace-' || lpad(n::text, 5, '0') as slug from generate_series(1, {count} - 1) as n) as w
    where e.partition = '{first}'
    returning 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of `dagster dev`: CPU seconds since it began, and MiB that it has in memory."""

    name: str
    cpu: float
    memory: float


def run(count: int = WORKSPACES, resting: int = RESTING, seconds: int = SECONDS) -> None:
    """Both parts, or one: the other with 0 workspaces."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    if resting:
        with _served(resting, are_sensors_on=True) as (world, _):
            _rest(world, seconds)
    if count:
        with _served(count, are_sensors_on=False) as (world, server):
            _pages(world, server)


@contextmanager
def _served(count: int, *, are_sensors_on: bool) -> Iterator[tuple[Fleet, DagsterServer]]:
    """`dagster dev` on so many workspaces, all of them materialised and none of them due."""
    with fleet(count, has_provider=False) as world:
        world.rows("update integration_connections set next_sync_at = now() + interval '1 day' returning id")
        follow_connections(world.instance, {PROVIDER: world.slugs})
        _remember(world)
        home = world.program.settings.home / "dagster"
        with dagster_dev(home, _FOLDER / "dagster.log", are_sensors_on=are_sensors_on) as server:
            yield world, server


def _remember(world: Fleet) -> None:
    """What Dagster knows of a fleet that has run for a while: a materialization of each partition, and runs."""
    shown: dict[str, str | int | float] = {
        "status": "success",
        "api_calls": 1,
        "seconds": 0.1,
        "sync_run_id": "",
        "records_created": 0,
    }
    for name in _ASSETS:
        first = dg.AssetMaterialization(asset_key=[PROVIDER, name], partition=world.slugs[0], metadata={**shown})
        world.instance.report_runless_asset_event(first)
    world.instance.event_log_storage.dispose()
    world.dagster_rows(_COPY.format(first=world.slugs[0], count=len(world.slugs)))
    job = world.definitions.resolve_job_def(job_name(PROVIDER))
    for i in range(RUNS):
        slug = world.slugs[i % len(world.slugs)]
        tags = {**range_tags([slug]), ONLY_DUE: "true"}
        world.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.SUCCESS)


def _rest(world: Fleet, seconds: int) -> None:
    """Nobody is due; sensors tick and schedules wait."""
    time.sleep(_SETTLE_SECONDS)
    before = _processes()
    with metered(world) as found:
        time.sleep(seconds)
    after = _processes()
    minute = 60 / found[0].wall
    rows = [
        (process.name, (process.cpu - before[pid].cpu) * minute, process.memory)
        for pid, process in after.items()
        if pid in before
    ]
    rows.append(("Postgres, both databases", found[0].postgres_cpu * minute, float("nan")))
    title = f"at rest: {len(world.slugs):,} workspaces, none due, {found[0].wall:.0f} s"
    print_table(title, ("process", "CPU s per minute", "MiB"), rows)
    grown = {"Dagster's": found[0].dagster_bytes, "ours": found[0].our_bytes}
    print(
        "\n  databases grew a minute: " + ", ".join(f"{name} {n * minute / 1024:.0f} KB" for name, n in grown.items())
    )


def _processes() -> Mapping[int, Process]:
    """Those of `dagster dev`, by process id (Linux)."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text().replace("\0", " ")
            environment = (folder / "environ").read_text()
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            pages = int((folder / "statm").read_text().split()[1])
        except OSError:
            continue  # it ended meanwhile, or is another user's
        if "dagster" in command and f"DAGSTER_HOME={os.environ[HOME]}" in environment:
            ticks = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
            memory = pages * os.sysconf("SC_PAGESIZE") / 2**20
            found[int(folder.name)] = Process(name=_name(command), cpu=ticks, memory=memory)
    return found


def _name(command: str) -> str:
    kinds = {
        "webserver": "web server",
        "daemon": "daemon",
        "api grpc": "code server",
        "code-server": "its proxy",
        " dev": "dagster dev",
    }
    return next((name for word, name in kinds.items() if word in command), command[:40])


def _pages(world: Fleet, server: DagsterServer) -> None:
    """Seconds until what a person waits for is on the page, first and second time."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(CHROMIUM_FLAGS))
        context = browser.new_context(viewport={"width": 1500, "height": 950}, service_workers="block")
        screen = Screen(context, server.url, _FOLDER)
        rows = [(name, *(timed(look)[1] for _ in range(2))) for name, look in _looks(screen, world).items()]
        context.close()
        browser.close()
    print_table(f"pages with {len(world.slugs):,} partitions", ("page", "first s", "again s"), rows)
    if screen.faults:
        print(f"\n  errors in the browser's console: {len(screen.faults)}")


def _looks(screen: Screen, world: Fleet) -> Mapping[str, Callable[[], object]]:
    count, middle = len(world.slugs), world.slugs[len(world.slugs) // 2]
    plan, group = f"/assets/{PROVIDER}/plan", f"/locations/{LOCATION}/asset-groups/{PROVIDER}"
    all_of_them = re.compile(rf"Materialized \(({count:,}|{count})\)")

    def dialog() -> None:
        screen.page.get_by_role("button", name=re.compile("Materialize all")).click()
        found = screen.page.get_by_role("dialog")
        found.get_by_role("button", name="All", exact=True).click()
        expect(found.get_by_text(_number(count, "partitions"))).to_be_visible(timeout=PAGE_MS)
        screen.keep("dialog")
        screen.press("Cancel")
        expect(screen.page.get_by_role("dialog")).to_have_count(0, timeout=PAGE_MS)

    def seen(path: str, awaited: str | re.Pattern[str], name: str) -> Callable[[], object]:
        def look() -> None:
            screen.open(path, awaited)
            screen.keep(name)

        return look

    return {
        "assets of the provider": seen(group, re.compile("filled"), "group"),
        "launch dialog, all": dialog,
        "an asset's partitions": seen(f"{plan}?view=partitions", all_of_them, "partitions"),
        "one partition": seen(f"{plan}?view=partitions&partition={middle}", "api_calls", "partition"),
        "runs": seen("/runs", job_name(PROVIDER), "runs"),
    }


def _number(count: int, unit: str) -> re.Pattern[str]:
    return re.compile(rf"^({count:,}|{count}) {unit}$")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_ui", description="Dagster beside a quiet fleet.")
    parser.add_argument("--workspaces", type=int, default=WORKSPACES, help="partitions of the pages")
    parser.add_argument("--rest", type=int, default=RESTING, help="workspaces of the part at rest")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="so long the part at rest is measured")
    arguments = parser.parse_args()
    run(arguments.workspaces, arguments.rest, arguments.seconds)
