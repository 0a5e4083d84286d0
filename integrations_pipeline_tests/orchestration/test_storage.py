"""Dagster's storage: kept connections and batches store the same as Dagster's own class, or refuse to start."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
from dagster_postgres.event_log import PostgresEventLogStorage

from integrations_pipeline.orchestration.instance import MAX_RUNS, MAX_RUNTIME_SECONDS, write_instance
from integrations_pipeline.orchestration.storage import (
    BATCH_VARIABLE,
    KEPT_CONNECTIONS,
    BatchingEventLog,
    PooledPostgresStorage,
)
from integrations_pipeline_tests.orchestration.arrangement import QUIET, wait
from integrations_pipeline_tests.postgres import PostgresServer

WORKSPACES = dg.DynamicPartitionsDefinition(name="workspaces")
SLUGS = [f"w{i:02}" for i in range(30)]
FAILING = "w07"
SPECS = [dg.AssetSpec("a", skippable=True), dg.AssetSpec("b", skippable=True, deps=["a"])]


@dg.multi_asset(name="work", specs=SPECS, partitions_def=WORKSPACES, backfill_policy=dg.BackfillPolicy.multi_run(100))
def work(context: dg.AssetExecutionContext) -> Iterator[dg.AssetMaterialization]:
    """A step like that of a provider, without one."""
    for slug in context.partition_keys:
        if slug == FAILING:
            context.log.info("one fails")
            continue
        for name in ("a", "b"):
            tags = {"dagster/data_version": slug}
            yield dg.AssetMaterialization(asset_key=name, partition=slug, metadata={"n": 1}, tags=tags)
    raise dg.Failure("1 failed", allow_retries=False)


@contextmanager
def opened(folder: Path, url: str, *, is_pooled: bool) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(write_instance(folder, url, is_pooled=is_pooled))) as instance:
        yield instance


@pytest.fixture
def pooled(tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv(BATCH_VARIABLE, "400")
    with opened(tmp_path, empty_database_url, is_pooled=True) as instance:
        yield instance


def execute(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("workspaces", SLUGS)
    job = dg.Definitions(
        assets=[work], jobs=[dg.define_asset_job("job", selection="*")], executor=dg.in_process_executor
    ).resolve_job_def("job")
    tags = {"dagster/asset_partition_range_start": SLUGS[0], "dagster/asset_partition_range_end": SLUGS[-1]}
    return job.execute_in_process(instance=instance, tags=tags, run_config=QUIET, raise_on_error=False)


def stored(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    connection.close()
    return found


#: Everything that a page or a partition's state is made of, without ids and times.
TELLING = {
    "events": "select dagster_event_type, step_key, asset_key, partition from event_logs "
    "where dagster_event_type is not null order by id",
    "assets": "select asset_key, last_materialization is null, last_run_id is null, wipe_timestamp from asset_keys "
    "order by asset_key",
    "tags": "select t.asset_key, t.key, t.value, e.partition from asset_event_tags t "
    "join event_logs e on e.id = t.event_id order by t.asset_key, t.value",
    "runs": "select status from runs",
}


def _told(folder: Path, url: str, *, is_pooled: bool) -> dict[str, Any]:
    with opened(folder, url, is_pooled=is_pooled) as instance:
        assert not execute(instance).success
        states = instance.get_status_by_partition(dg.AssetKey("b"), SLUGS, WORKSPACES)
    found: dict[str, Any] = {name: stored(url, statement) for name, statement in TELLING.items()}
    return found | {"states": states, "events": _in_parts(found["events"])}


def _in_parts(events: list[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    """In the order in which they were stored; materializations between two other events in any order."""
    parts: list[list[tuple[Any, ...]]] = []
    for event in events:
        kind = event[0] if event[0].startswith("ASSET_MATERIALIZATION") else None
        if kind is None or not parts or parts[-1][0][0] != kind:
            parts.append([])
        parts[-1].append(event)
    return [sorted(part, key=str) for part in parts]


def test_the_same_run_leaves_the_same_rows_as_dagsters_own_class(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_server.new_database() as plain_url, postgres_server.new_database() as pooled_url:
        plain = _told(tmp_path / "plain", plain_url, is_pooled=False)
        monkeypatch.setenv(BATCH_VARIABLE, "400")
        pooled = _told(tmp_path / "pooled", pooled_url, is_pooled=True)

    assert pooled == plain
    assert len(pooled["tags"]) == 2 * (len(SLUGS) - 1)
    assert {state.value for state in pooled["states"].values()} == {"MATERIALIZED", "FAILED"}
    assert pooled["states"][FAILING] is dg.AssetPartitionStatus.FAILED


def test_a_run_opens_no_connection_beside_those_that_are_kept(
    pooled: dg.DagsterInstance, empty_database_url: str
) -> None:
    others = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    execute(pooled)
    kept = set(stored(empty_database_url, others))
    assert len(kept) == KEPT_CONNECTIONS

    execute(pooled)

    assert set(stored(empty_database_url, others)) == kept


def test_all_parts_share_one_pool_and_so_does_the_next_instance(
    tmp_path: Path, pooled: dg.DagsterInstance, empty_database_url: str
) -> None:
    def engines(instance: dg.DagsterInstance) -> set[int]:
        parts: list[Any] = [instance.run_storage, instance.event_log_storage, instance.schedule_storage]
        return {id(part._engine) for part in parts}

    with opened(tmp_path, empty_database_url, is_pooled=True) as another:
        assert engines(another) == engines(pooled)
    assert len(engines(pooled)) == 1


def test_a_dagster_that_keeps_its_engines_elsewhere_is_refused_by_name(
    tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Changed(PooledPostgresStorage):
        @property
        def _event_log_storage(self) -> Any:
            return object()

        @_event_log_storage.setter
        def _event_log_storage(self, value: Any) -> None: ...

    monkeypatch.setenv(BATCH_VARIABLE, "400")
    with pytest.raises(dg.DagsterInvariantViolationError, match="keeps no _engine in _event_log_storage"):
        Changed(empty_database_url.replace("postgresql://", "postgresql+psycopg2://"))


def test_what_is_held_back_is_stored_before_anything_is_read(pooled: dg.DagsterInstance) -> None:
    log = pooled.event_log_storage
    assert isinstance(log, BatchingEventLog)
    pooled.add_dynamic_partitions("workspaces", SLUGS)
    key = dg.AssetKey("a")

    pooled.report_runless_asset_event(dg.AssetMaterialization(asset_key=key, partition="w01"))

    assert pooled.get_materialized_partitions(key) == {"w01"}


def test_what_is_held_back_is_stored_in_time_without_another_event(
    pooled: dg.DagsterInstance, empty_database_url: str
) -> None:
    pooled.report_runless_asset_event(dg.AssetMaterialization(asset_key="a", partition="w01"))

    wait(lambda: stored(empty_database_url, "select partition from event_logs") == [("w01",)])


def test_what_could_not_be_stored_is_kept_and_stored_later(pooled: dg.DagsterInstance, empty_database_url: str) -> None:
    log = pooled.event_log_storage
    assert isinstance(log, BatchingEventLog)
    pooled.report_runless_asset_event(dg.AssetMaterialization(asset_key="a", partition="w01"))
    stored(empty_database_url, "alter table event_logs rename to elsewhere; select 1")
    with pytest.raises(Exception, match="event_logs"):
        log.flush()
    stored(empty_database_url, "alter table elsewhere rename to event_logs; select 1")

    log.flush()

    assert stored(empty_database_url, "select partition from event_logs") == [("w01",)]


def test_many_threads_lose_and_double_nothing(pooled: dg.DagsterInstance, empty_database_url: str) -> None:
    def report(worker: int) -> None:
        for i in range(20):
            pooled.report_runless_asset_event(dg.AssetMaterialization(asset_key="a", partition=f"w{worker}-{i}"))
            if i % 7 == 0:
                pooled.get_materialized_partitions(dg.AssetKey("a"))

    threads = [threading.Thread(target=report, args=[worker]) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pooled.event_log_storage.dispose()

    assert stored(empty_database_url, "select count(*), count(distinct partition) from event_logs") == [(120, 120)]


@pytest.mark.parametrize("is_pooled", [True, False], ids=["pooled", "plain"])
def test_the_instance_is_what_dagster_yaml_says(
    tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch, is_pooled: bool
) -> None:
    monkeypatch.setenv(BATCH_VARIABLE, "400")
    with opened(tmp_path, empty_database_url, is_pooled=is_pooled) as instance:
        kind = BatchingEventLog if is_pooled else PostgresEventLogStorage
        assert type(instance.event_log_storage) is kind
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_settings["max_runtime_seconds"] == MAX_RUNTIME_SECONDS
        assert instance.run_retries_max_retries == 0
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == MAX_RUNS
    assert ((tmp_path / "dagster.yaml").stat().st_mode & 0o777) == 0o600
