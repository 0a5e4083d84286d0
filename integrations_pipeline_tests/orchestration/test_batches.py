"""Who of a batch is synced and who is not: deletions while it waits, a provider that is down, a stop."""

import signal
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg
import pytest

from integrations_pipeline.model import Direction
from integrations_pipeline.orchestration.batch import (
    BREAKER_FAILURES,
    FULL,
    WORKERS,
    BatchRequest,
    Breaker,
    reason_to_skip,
)
from integrations_pipeline.orchestration.partitions import ONLY_DUE, follow_connections, set_name
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.store.fleet import Candidate
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import (
    ASSETS,
    PROVIDER,
    RUN,
    failure_text,
    log_rows,
    materialized,
    messages,
    run,
    running,
    states,
    tick,
    wait,
)
from integrations_pipeline_tests.patience import patient
from integrations_sandbox import FaultRule

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
READY = Candidate(
    workspace_id=UUID(int=1),
    connection_id=UUID(int=2),
    status="active",
    sync_enabled=True,
    error_count=0,
    next_sync_at=NOW + timedelta(minutes=5),
)
ASKED = BatchRequest(provider=PROVIDER, slugs=(), direction=Direction.BIDIRECTIONAL, dagster_run_id="d1")
DUE = replace(ASKED, is_only_due=True, is_automatic=True)
NIGHTLY = replace(ASKED, is_full=True, is_automatic=True)
FAILED_LATELY = replace(READY, error_count=2)


@pytest.mark.parametrize(
    ("request_", "found", "expected"),
    [
        pytest.param(ASKED, READY, "", id="who is asked for is synced, due or not"),
        pytest.param(ASKED, FAILED_LATELY, "", id="also while it waits after a failure"),
        pytest.param(ASKED, None, "the workspace does not exist any more", id="deleted while queued"),
        pytest.param(ASKED, replace(READY, connection_id=None), "no airtable connection", id="no connection"),
        pytest.param(ASKED, replace(READY, sync_enabled=False), "is disabled", id="disabled"),
        pytest.param(ASKED, replace(READY, status="error"), "in status error", id="stopped by failures"),
        pytest.param(ASKED, replace(READY, status="disconnected"), "in status disconnected", id="authorisation lost"),
        pytest.param(DUE, READY, "not due", id="not due"),
        pytest.param(DUE, replace(READY, next_sync_at=NOW), "", id="due"),
        pytest.param(DUE, replace(READY, next_sync_at=None), "", id="never synced"),
        pytest.param(NIGHTLY, READY, "", id="every night, due or not"),
        pytest.param(NIGHTLY, FAILED_LATELY, "waits after 2 failed syncs", id="at night a wait is kept"),
        pytest.param(NIGHTLY, replace(FAILED_LATELY, next_sync_at=NOW), "", id="until it is over"),
    ],
)
def test_reason_to_skip(request_: BatchRequest, found: Candidate | None, expected: str) -> None:
    reason = reason_to_skip(request_, found, NOW)

    assert bool(reason) == bool(expected)
    assert expected in reason


@pytest.mark.parametrize(
    ("outcomes", "is_open"),
    [
        ("", False),
        ("f" * 7, False),
        ("f" * 8, True),
        ("ff.fff.fff", True),
        ("f.f.f.f.f.f.f.f.f.f", False),
        ("ffffffff..........", True),
        ("." * 50 + "f" * 8, True),
    ],
)
def test_the_breaker_opens_when_most_of_the_last_failed_and_stays_open(outcomes: str, is_open: bool) -> None:
    breaker = Breaker(failures=8, window=10)
    for outcome in outcomes:
        breaker.note(has_failed=outcome == "f")

    assert breaker.is_open is is_open


def _fleet(environment: Environment, instance: dg.DagsterInstance, slugs: Sequence[str]) -> None:
    for slug in slugs:
        environment.connect(environment.add_workspace(slug, people=1))
    follow_connections(instance, {PROVIDER: slugs})


class DeletingSync(SyncResource):
    """Deletes partitions when the run begins: it was made and queued while they were there."""

    slugs: list[str]

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        assert context.instance is not None
        for slug in self.slugs:
            context.instance.delete_dynamic_partition(set_name(PROVIDER), slug)


@pytest.mark.parametrize("deleted", [["a"], ["d"], ["b"], ["a", "d"], ["a", "b"]], ids=" and ".join)
def test_a_workspace_deleted_while_the_run_waited_does_not_touch_the_others(
    environment: Environment, instance: dg.DagsterInstance, deleted: list[str]
) -> None:
    slugs = ["a", "b", "c", "d"]
    _fleet(environment, instance, slugs)
    for slug in deleted:
        environment.rows(f"delete from workspaces where slug = '{slug}' returning id")

    result = run(instance, slugs, sync=DeletingSync(slugs=deleted))

    assert result.success
    left = {slug for slug in slugs if slug not in deleted}
    assert materialized(instance, "to_external") == left
    assert environment.rows("select count(distinct workspace_id) from integration_sync_logs") == [(len(left),)]
    # In the middle of a range Dagster tells nobody; at its ends we do.
    if {"a", "d"} & set(deleted):
        assert f"the workspace does not exist any more ({len(deleted)}" in messages(instance, result.run_id)


def test_a_run_whose_workspaces_are_all_gone_says_so_and_succeeds(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["a"])
    environment.rows("delete from workspaces returning id")

    result = run(instance, ["a"], sync=DeletingSync(slugs=["a"]))

    assert result.success
    assert "the workspace does not exist any more (1: a)" in messages(instance, result.run_id)


def test_a_workspace_that_somebody_else_syncs_is_skipped_and_the_holder_is_named(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    _fleet(environment, instance, ["a", "b"])
    ((workspace_id, connection_id),) = environment.rows(
        "select workspace_id, c.id from integration_connections c join workspaces w on w.id = workspace_id "
        "where slug = 'a'"
    )
    with environment.wiring.database.session(UUID(str(workspace_id))) as session:
        assert session.try_lock(UUID(str(connection_id)), "run of somebody else")
        result = run(instance, ["a", "b"])

    assert result.success
    assert materialized(instance, "to_external") == {"b"}
    assert "is being synced by run of somebody else" in messages(instance, result.run_id)


def test_when_most_syncs_fail_the_rest_is_left_for_later_and_waits(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = [f"w{i:02}" for i in range(20)]
    _fleet(environment, instance, slugs)
    environment.sandbox.stage.faults.add(FaultRule(action="status", status=403, times=-1))

    result = run(instance, slugs, tags={ONLY_DUE: "true"})

    assert not result.success
    ((tried,),) = environment.rows("select count(distinct run_id) from integration_sync_logs")
    assert BREAKER_FAILURES <= int(str(tried)) < BREAKER_FAILURES + WORKERS
    assert f"left for later: {BREAKER_FAILURES} of the last 10 syncs of this run failed" in failure_text(result)
    assert environment.rows("select sum(error_count) from integration_connections") == [(tried,)]
    # Nobody is due at once, neither who failed nor who was left; and they do not come back together.
    assert "0 connections due" in tick(f"{PROVIDER}_due", instance).skip_message
    times = environment.rows("select next_sync_at from integration_connections")
    assert len(set(times)) == len(slugs)
    assert set(states(instance, "plan", slugs).values()) == {"FAILED"}


def test_a_few_broken_workspaces_do_not_stop_a_batch(environment: Environment, instance: dg.DagsterInstance) -> None:
    slugs = [f"w{i:02}" for i in range(14)]
    _fleet(environment, instance, slugs)
    broken = slugs[1::2]
    for slug in broken:
        environment.rows(
            'update integration_connections c set settings = c.settings || \'{"table_id": "None"}\' from workspaces w '
            f"where w.id = c.workspace_id and slug = '{slug}' returning slug"
        )

    result = run(instance, slugs)

    assert f"{len(broken)} of 14 workspaces failed" in failure_text(result)
    assert materialized(instance, "to_external") == set(slugs) - set(broken)


@pytest.mark.parametrize("starter", ["dagster/schedule_name", None], ids=["by a schedule", "by a person"])
def test_the_nightly_reconciliation_leaves_alone_whoever_waits_after_a_failure(
    environment: Environment, instance: dg.DagsterInstance, starter: str | None
) -> None:
    _fleet(environment, instance, ["a"])
    environment.rows(
        "update integration_connections set error_count = 1, next_sync_at = now() + interval '1 hour' returning id"
    )

    result = run(instance, ["a"], tags={FULL: "true", **({starter: "x"} if starter else {})})

    assert result.success
    assert materialized(instance, "plan") == (set() if starter else {"a"})


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["as Dagster cancels", "terminated"])
def test_a_run_that_is_cancelled_closes_its_rows_counts_no_failure_and_begins_nobody_else(
    environment: Environment, home: dg.DagsterInstance, stop: signal.Signals
) -> None:
    slugs = [f"w{i:02}" for i in range(12)]
    _fleet(environment, home, slugs)
    # Every answer takes its time, so that the first are caught at work.
    environment.sandbox.stage.faults.add(FaultRule(action="delay", seconds=1, times=-1))
    with running(environment, RUN, *slugs) as process:
        wait(lambda: len(log_rows(environment, "status")) == 2 * WORKERS)
        process.send_signal(stop)
        process.wait(patient(60))
    environment.sandbox.stage.faults.clear()

    rows = log_rows(environment, "status, errors ->> 0")
    assert len(rows) == 2 * WORKERS
    assert set(rows) == {("failed", "stopped by a person")}
    assert environment.rows("select sum(error_count) from integration_connections") == [(0,)]
    assert tick("lost_runs", home).skip_message == "0 lost syncs closed, 0 lost Dagster runs ended"


@pytest.mark.slow
def test_one_broken_workspace_among_a_hundred_leaves_ninety_nine_recorded(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    slugs = [f"workspace-{number:03}" for number in range(100)]
    for slug in slugs:
        environment.connect(
            environment.add_workspace(slug, people=1), **({"table_id": "None"} if slug == slugs[42] else {})
        )
    follow_connections(instance, {PROVIDER: slugs})

    result = run(instance, slugs)

    assert not result.success
    assert "1 of 100 workspaces failed" in failure_text(result)
    assert slugs[42] in failure_text(result)
    for name in ASSETS:
        found = states(instance, name, slugs)
        assert Counter(found.values()) == {"MATERIALIZED": 99, "FAILED": 1}
        assert found[slugs[42]] == "FAILED"
    logs = environment.rows("select status, count(*) from integration_sync_logs group by 1 order by 1")
    assert logs == [("failed", 2), ("success", 198)]
    assert environment.rows("select count(*) from integration_links") == [(99,)]


@pytest.mark.slow
def test_a_database_restart_in_the_middle_fails_whom_it_meets_and_the_next_run_finishes(
    environment: Environment, instance: dg.DagsterInstance
) -> None:
    """What a restart does to clients: every session ends at once, and new ones can begin a moment later."""
    slugs = [f"workspace-{number:02}" for number in range(16)]
    for slug in slugs:
        environment.connect(environment.add_workspace(slug, people=3))
    follow_connections(instance, {PROVIDER: slugs})
    environment.sandbox.stage.faults.add(FaultRule(action="delay", seconds=0.3, times=-1))
    restart = threading.Thread(target=restart_after, args=(environment, 4))
    restart.start()

    result = run(instance, slugs)

    restart.join()
    environment.sandbox.stage.faults.clear()
    found = states(instance, "to_external", slugs)
    failed = {slug for slug, state in found.items() if state == "FAILED"}
    assert not result.success
    assert 1 <= len(failed) <= 8, found
    assert all(slug in failure_text(result) for slug in failed)
    wrong = environment.rows(
        "select slug from workspaces w where not exists (select 1 from integration_links l where l.workspace_id = w.id)"
    )
    assert {slug for (slug,) in wrong} <= failed, "no wrong success"
    assert run(instance, sorted(failed)).success
    assert set(states(instance, "to_external", slugs).values()) == {"MATERIALIZED"}
    assert environment.rows("select count(*) from integration_links") == [(48,)]
    assert environment.rows("select count(*) from integration_sync_logs where completed_at is null") == [(0,)]


def restart_after(environment: Environment, synced: int) -> None:
    """End every session once so many workspaces are done and others are at work."""
    wait(lambda: len(environment.rows("select 1 from integration_sync_logs where status = 'success'")) >= 2 * synced)
    environment.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
