"""A workspace that must wait gives its place in the batch back, and is taken up again; nobody else waits for it."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from uuid import UUID

import dagster as dg
import pytest

from integrations_pipeline.model import Direction
from integrations_pipeline.orchestration.batch import WAITING, WORKERS, Batch, BatchRequest, WorkspaceOutcome
from integrations_pipeline.orchestration.partitions import follow_connections
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.orchestration.turns import LONG_SECONDS, Turns
from integrations_pipeline.store import connections
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import PROVIDER, messages, run
from integrations_pipeline_tests.patience import patient
from integrations_sandbox import FaultRule

SLOW = [f"slow{number}" for number in range(WORKERS)]
OTHERS = [f"other{number}" for number in range(6)]


def batch_request(*slugs: str) -> BatchRequest:
    return BatchRequest(provider=PROVIDER, slugs=slugs, direction=Direction.BIDIRECTIONAL, dagster_run_id="d1")


def limit_each(environment: Environment, *slugs: str, times: int = 1) -> None:
    """The provider answers the next requests for the bases of these workspaces with 429 and a `Retry-After`."""
    for slug in slugs:
        ((base_id,),) = environment.rows(
            "select settings ->> 'base_id' from integration_connections c join workspaces w on w.id = c.workspace_id "
            f"where slug = '{slug}'"
        )
        environment.sandbox.stage.faults.add(
            FaultRule(action="status", status=429, headers={"Retry-After": "40"}, path_regex=str(base_id), times=times)
        )


def connect_all(environment: Environment, *slugs: str) -> None:
    """Each with a token of its own: whoever shares one shares its limits."""
    runtime = environment.wiring.runtime
    for slug in slugs:
        workspace_id = environment.add_workspace(slug, people=1)
        base_id, table_id = environment.connect(workspace_id)
        new = NewConnection(
            integration_type=PROVIDER,
            credentials={"api_key": environment.sandbox.airtable.create_token().value},
            settings={"base_id": base_id, "table_id": table_id, "settle_seconds": 0},
        )
        with runtime.database.workspace(workspace_id) as connection:
            connections.save_connection(connection, workspace_id, new, runtime.cipher)


class Clockless:
    """A sleep that ends, if it is a long one, when the test says so."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.asked: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        if seconds >= LONG_SECONDS:
            assert self.may_end.wait(patient(30)), "a place in the batch was not given back"


def test_workspaces_that_the_provider_tells_to_wait_let_the_others_go_on(environment: Environment) -> None:
    """As many as there are places wait; everybody behind them is synced before the first of them goes on."""
    connect_all(environment, *SLOW, *OTHERS)
    limit_each(environment, *SLOW)
    sleep = Clockless()
    found: list[WorkspaceOutcome] = []
    batch = Batch(replace(environment.wiring.runtime, sleep=sleep), batch_request(*SLOW, *OTHERS))
    for outcome in batch.outcomes():
        found.append(outcome)
        if len(found) == len(OTHERS):
            assert {each.slug for each in found} == set(OTHERS)
            sleep.may_end.set()
    assert all(each.is_done for each in found)
    assert {each.slug for each in found if each.waited_seconds} == set(SLOW)
    assert all(each.waited_seconds >= LONG_SECONDS for each in found if each.slug in SLOW)
    assert environment.rows("select count(*) from integration_links") == [(len(SLOW) + len(OTHERS),)]
    assert environment.rows("select sum(error_count) from integration_connections") == [(0,)]


def test_no_more_have_begun_than_there_are_connections_for(environment: Environment) -> None:
    slugs = [f"w{number:02}" for number in range(WORKERS + WAITING + 3)]
    connect_all(environment, *slugs)
    limit_each(environment, *slugs)
    sleep = Clockless()
    begun: set[int] = set()

    def note_and_end() -> None:
        while len(sleep.asked) < WORKERS + WAITING:
            time.sleep(0.01)
        ((count,),) = environment.rows("select count(distinct run_id) from integration_sync_logs")
        begun.add(int(str(count)))
        sleep.may_end.set()

    watcher = threading.Thread(target=note_and_end)
    watcher.start()
    found = list(Batch(replace(environment.wiring.runtime, sleep=sleep), batch_request(*slugs)).outcomes())
    watcher.join()
    assert begun == {WORKERS + WAITING}
    assert all(each.is_done for each in found)


def test_whoever_somebody_else_syncs_is_taken_up_again_at_the_end(environment: Environment) -> None:
    connect_all(environment, "a", "b", "c")
    ((workspace_id, connection_id),) = environment.rows(
        "select workspace_id, c.id from integration_connections c join workspaces w on w.id = workspace_id "
        "where slug = 'a'"
    )
    order = []
    with ExitStack() as stack:
        session = stack.enter_context(environment.wiring.database.session(UUID(str(workspace_id))))
        assert session.try_lock(UUID(str(connection_id)), "run of somebody else")
        for outcome in Batch(environment.wiring.runtime, batch_request("a", "b", "c")).outcomes():
            order.append((outcome.slug, outcome.is_done))
            if len(order) == 2:
                stack.close()
    assert order[-1] == ("a", True)
    assert sorted(order) == [("a", True), ("b", True), ("c", True)]


class HastySync(SyncResource):
    """Nobody really sleeps."""

    @contextmanager
    def runtime(self) -> Iterator[Runtime]:
        with super().runtime() as usual:
            yield replace(usual, sleep=lambda _: None)


def test_the_run_says_who_waited(environment: Environment, instance: dg.DagsterInstance) -> None:
    connect_all(environment, "a", "b")
    limit_each(environment, "a")
    follow_connections(instance, {PROVIDER: ["a", "b"]})
    result = run(instance, ["a", "b"], sync=HastySync())
    assert result.success
    assert re.search(
        r"others were synced while 1 of 2 waited: waited \d+ s \(1: a\)", messages(instance, result.run_id)
    )


def test_a_short_pause_keeps_the_turn() -> None:
    slept: list[float] = []
    with Turns(1, slept.append).turn("a") as turn:
        turn.sleep(LONG_SECONDS - 1)
        assert not turn._free.acquire(blocking=False)
        assert turn.waited_seconds == 0
    assert slept == [LONG_SECONDS - 1]


def test_a_turn_that_was_given_back_is_taken_again_also_after_a_stop() -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    turns = Turns(1, stop)
    with pytest.raises(KeyboardInterrupt), turns.turn("a") as turn:
        turn.sleep(LONG_SECONDS)
    with turns.turn("b") as turn:
        assert not turn._free.acquire(blocking=False)
