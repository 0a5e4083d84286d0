"""Runs on workers that are killed: Dagster sees their end, the sync log is closed, and a later pass syncs everybody."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest

from integrations_pipeline.orchestration.lost_runs import LOST_AFTER_SECONDS
from integrations_pipeline.orchestration.partitions import follow_connections
from integrations_pipeline_tests.celery.cluster import Cluster, children, kill_group
from integrations_pipeline_tests.orchestration.arrangement import PROVIDER, SyncLater, tick, wait
from integrations_sandbox import FaultRule

pytestmark = pytest.mark.slow

PEOPLE = 5
SLUGS = [f"w{i:02}" for i in range(40)]
RANGES = [SLUGS[:13], SLUGS[13:26], SLUGS[26:]]
#: So many requests pass, then none is answered: somebody is done, and everybody at work hangs in the middle.
HANG = FaultRule(action="delay", seconds=600, times=-1, skip=60)
OPEN_ROWS = "select count(distinct run_id) from integration_sync_logs where completed_at is null"
SYNCED = "select count(distinct connection_id) from integration_sync_logs where status = 'success'"
OVERLAPS = """
    select count(*) from integration_sync_logs a join integration_sync_logs b
    on a.connection_id = b.connection_id and a.run_id <> b.run_id
    and a.started_at < b.completed_at and b.started_at < a.completed_at
"""


@pytest.fixture
def tables(cluster: Cluster) -> list[tuple[str, str]]:
    """Forty workspaces with an Airtable base each; returns base and table ids."""
    found = [cluster.environment.connect(cluster.environment.add_workspace(slug, PEOPLE)) for slug in SLUGS]
    follow_connections(cluster.instance, {PROVIDER: SLUGS})
    return found


def _number(cluster: Cluster, statement: str) -> int:
    return int(str(cluster.environment.rows(statement)[0][0]))


def _started(cluster: Cluster, run_ids: Sequence[str]) -> list[str]:
    return [run_id for run_id, status in cluster.statuses(run_ids).items() if status == "STARTED"]


def _worker_pid(cluster: Cluster, run_id: str) -> int:
    """The process that said of itself that it executes this run."""
    records = cluster.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    said = [record.event_log_entry.message for record in records]
    return next(int(text.split("pid: ")[1].split(")")[0]) for text in said if "Started process for run" in text)


def test_runs_of_a_killed_worker_end_and_a_later_pass_syncs_everybody_once(
    cluster: Cluster, tables: list[tuple[str, str]]
) -> None:
    faults = cluster.environment.sandbox.stage.faults
    faults.add(HANG)
    with ExitStack() as stack:
        first, second = (stack.enter_context(cluster.worker(name)) for name in ("first", "second"))
        run_ids = cluster.launch(RANGES)
        stack.enter_context(cluster.daemon())  # now, so that the runs are queued when its sensor looks who is due
        # Two runs at work, each with four syncs that hang; the third waits in Redis.
        wait(lambda: faults.to_json()[0]["hit_count"] == 8, 120)
        assert (len(_started(cluster, run_ids)), _number(cluster, OPEN_ROWS)) == (2, 8)
        assert 0 < _number(cluster, SYNCED) < len(SLUGS)
        pids = {_worker_pid(cluster, run_id): run_id for run_id in _started(cluster, run_ids)}
        lost = next(run_id for pid, run_id in pids.items() if pid in children(first))
        (child,) = set(pids) & set(children(second))
        broken = pids[child]

        kill_group(first)
        os.kill(child, signal.SIGKILL)
        faults.clear()

        # The second worker replaces its process and takes what waited. Of its killed process Celery tells; of
        # the first worker nobody does, so Dagster still believes in that run.
        rest = [run_id for run_id in run_ids if run_id not in (lost, broken)]
        ended = {lost: "STARTED", broken: "FAILURE", **dict.fromkeys(rest, "SUCCESS")}
        wait(lambda: cluster.statuses(run_ids) == ended, 120)
        wait(lambda: _number(cluster, OPEN_ROWS) == 0)
        _assert_closed(cluster, {lost, broken})
        _end_lost_run(cluster, lost)

        again = cluster.launch([SLUGS])
        wait(lambda: set(cluster.statuses(again).values()) == {"SUCCESS"}, 120)
        wait(lambda: _number(cluster, SYNCED) == len(SLUGS))
    _assert_whole(cluster, tables)


def _assert_closed(cluster: Cluster, dead: set[str]) -> None:
    """The eight syncs that were at work are failed, and nothing else is."""
    failed = cluster.environment.rows(
        "select dagster_run_id, count(distinct run_id) from integration_sync_logs where status = 'failed' group by 1"
    )
    assert {str(run_id): count for run_id, count in failed} == dict.fromkeys(dead, 4)


def _end_lost_run(cluster: Cluster, run_id: str) -> None:
    """What the sensor does some minutes later."""
    later = SyncLater(seconds=LOST_AFTER_SECONDS + 60)
    seen = tick("lost_runs", cluster.instance, sync=later)
    tick("lost_runs", cluster.instance, seen.cursor, later)
    assert cluster.statuses([run_id]) == {run_id: "FAILURE"}


def _assert_whole(cluster: Cluster, tables: list[tuple[str, str]]) -> None:
    environment = cluster.environment
    assert [len(environment.sandbox.airtable.records(*table)) for table in tables] == [PEOPLE] * len(SLUGS)
    assert _number(cluster, "select count(*) from integration_links") == PEOPLE * len(SLUGS)
    assert _number(cluster, OPEN_ROWS) == 0
    assert _number(cluster, OVERLAPS) == 0
    assert _number(cluster, "select count(*) from integration_changes where state in ('planned', 'intended')") == 0


def test_a_run_that_is_terminated_stops_its_syncs_in_order(cluster: Cluster, tables: list[tuple[str, str]]) -> None:
    faults = cluster.environment.sandbox.stage.faults
    faults.add(FaultRule(action="delay", seconds=0.5, times=-1))
    with cluster.worker("only") as worker, ExitStack() as stack:
        (run_id,) = cluster.launch(RANGES[:1])
        stack.enter_context(cluster.daemon())
        wait(lambda: _number(cluster, OPEN_ROWS) == 4, 120)
        process = _worker_pid(cluster, run_id)

        run = cluster.instance.get_run_by_id(run_id)
        assert run is not None
        cluster.instance.report_run_canceling(run)
        assert cluster.instance.run_launcher.terminate(run_id)

        wait(lambda: cluster.statuses([run_id]) == {run_id: "CANCELED"})
        faults.clear()
        assert process in children(worker)
    assert _number(cluster, OPEN_ROWS) == 0
    said = cluster.environment.rows(
        f"select distinct status, errors ->> 0 from integration_sync_logs where dagster_run_id = '{run_id}'"
    )
    assert said == [("failed", "stopped by a person")]


def test_a_workers_health_is_told_by_the_worker_itself(cluster: Cluster) -> None:
    """What a container asks: an answer while it lives, none when it is gone."""
    script = Path(__file__).parents[2] / "deploy" / "celery" / "worker-alive.sh"
    variables = {
        **os.environ,
        **cluster.variables,
        "INTEGRATIONS_WORKER_NAME": "w",
        "INTEGRATIONS_PYTHON": sys.executable,
    }

    def is_well() -> bool:
        return subprocess.run([script], env=variables, capture_output=True, check=False).returncode == 0

    with cluster.worker("w") as process:
        wait(is_well, 120)
        kill_group(process)
    assert not is_well()
