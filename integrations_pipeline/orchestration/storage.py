"""Dagster's storage in Postgres, with kept connections and batched events: a fraction of the cost of its own.

Dagster's class opens a new connection for each statement and stores each event in five statements. A run over
100 workspaces stores 800 events. Belongs here: the storage that `instance.write_instance` names in
`dagster.yaml`. Does not: what is stored; the tables and rows are those of Dagster's class, to which
`storage: postgres:` leads back at any time.

It sets attributes of Dagster's classes that are not public. `PooledPostgresStorage` refuses to start where
they are not what it knows, and a test compares what both classes store.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby
from typing import Any

import dagster as dg
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config

from integrations_pipeline.orchestration.partitions import ONLY_DUE

_log = logging.getLogger(__name__)

#: Per process. Dagster asks for a second one while it holds a first (has the table of tags been made?), so one
#: kept would mean one opened each time. Under load there may be more; they are closed when they are given back.
KEPT_CONNECTIONS, MORE_CONNECTIONS = 2, 20
RECYCLE_SECONDS = 300
#: Attributes of `DagsterPostgresStorage` that hold its parts, each with an `_engine`.
_PARTS = ("_run_storage", "_event_log_storage", "_schedule_storage")
#: Dagster hands planned events over in batches only if its environment says so.
BATCH_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 400
#: So long a materialization may wait for others to be stored with it.
LONGEST_WAIT_SECONDS = 2.0

_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
_MATERIALIZATION = dg.DagsterEventType.ASSET_MATERIALIZATION


class BatchingEventLog(PostgresEventLogStorage):
    """Stores planned events in one statement per asset, and materializations of partitions some at a time.

    Of a run of those that are due, made every few minutes for the whole fleet, an asset is planned once and not once
    per partition: most have nothing to do, and whoever fails is planned by itself then (`failures`).

    Materializations that wait are stored before any other event is, before anything is read through this
    object, and after `LONGEST_WAIT_SECONDS`. A process that is killed loses those of its last seconds: their
    workspaces then look as if the run had not come to them, while the sync log tells that it had.
    """

    def __init__(self, *args: Any, tags_of: Callable[[str], Mapping[str, str]] | None = None, **kwargs: Any) -> None:
        self._tags_of = tags_of or (lambda _run_id: {})
        self._held: list[dg.EventLogEntry] = []
        self._lock = threading.RLock()
        self._is_flushing = False
        self._timer: threading.Timer | None = None
        super().__init__(*args, **kwargs)

    @property
    def supports_partition_subset_in_asset_materialization_planned_events(self) -> bool:
        """Dagster hands over an asset's planned partitions in one event; `_store_planned` makes one of each."""
        return True

    def store_event(self, event: dg.EventLogEntry) -> None:
        with self._lock:
            kind = _type_of(event)
            if kind is _PLANNED:
                self.flush()
                self._store_planned([event])
            elif kind is _MATERIALIZATION and event.get_dagster_event().partition:
                self._hold(event)
            else:
                self.flush()
                super().store_event(event)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        with self._lock:
            self.flush()
            for kind, found in groupby(events, _type_of):
                if kind is _PLANNED:
                    self._store_planned(list(found))
                else:
                    super().store_event_batch(list(found))

    def flush(self) -> None:
        """Store what waits, one batch per asset. What cannot be stored goes on waiting."""
        with self._lock:
            if self._is_flushing:
                return
            self._is_flushing = True
            try:
                while self._held:
                    batch = _by_asset(self._held)[0]
                    super().store_event_batch(batch)
                    stored = {id(event) for event in batch}
                    self._held = [event for event in self._held if id(event) not in stored]
                self._stop_timer()
            finally:
                self._is_flushing = False

    def dispose(self) -> None:
        self.flush()
        super().dispose()

    @contextmanager
    def run_connection(self, run_id: str | None = None) -> Iterator[Any]:
        self.flush()
        with super().run_connection(run_id) as connection:
            yield connection

    @contextmanager
    def index_connection(self) -> Iterator[Any]:
        self.flush()
        with super().index_connection() as connection:
            yield connection

    def _hold(self, event: dg.EventLogEntry) -> None:
        self._held.append(event)
        if len(self._held) >= BATCH_SIZE:
            self.flush()
        elif self._timer is None:
            self._timer = threading.Timer(LONGEST_WAIT_SECONDS, self._flush_in_time)
            self._timer.daemon = True
            self._timer.start()

    def _flush_in_time(self) -> None:
        """In the timer's thread, where nobody would hear of an error: the next event raises it again."""
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001 - whatever the driver raises
            _log.warning("Dagster's events could not be stored yet (%s)", type(error).__name__)
            self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _store_planned(self, events: Sequence[dg.EventLogEntry]) -> None:
        """The rows of an asset at once; the asset's own row says what the last of them says."""
        if any(map(_subset, events)) and self._tags_of(events[0].run_id).get(ONLY_DUE) != "true":
            events = [each for event in events for each in _of_each_partition(event)]
        for batch in _by_asset(events):
            statement = self.prepare_insert_event_batch(batch)
            with self.run_connection() as connection:
                ids = connection.execute(statement.returning(statement.table.c.id)).scalars().all()
            self.store_asset_event(batch[-1], ids[-1])


def _type_of(event: dg.EventLogEntry) -> dg.DagsterEventType | None:
    return event.dagster_event_type if event.is_dagster_event else None


def _by_asset(events: Sequence[dg.EventLogEntry]) -> list[list[dg.EventLogEntry]]:
    groups: dict[dg.AssetKey | None, list[dg.EventLogEntry]] = {}
    for event in events:
        groups.setdefault(event.get_dagster_event().asset_key, []).append(event)
    return list(groups.values())


def _subset(event: dg.EventLogEntry) -> Any:
    """The partitions of a planned event that has several."""
    return event.get_dagster_event().asset_materialization_planned_data.partitions_subset


def _of_each_partition(event: dg.EventLogEntry) -> Iterator[dg.EventLogEntry]:
    """The planned event of several partitions as one of each; any other as it is."""
    subset = _subset(event)
    if subset is None:
        yield event
        return
    planned = event.get_dagster_event()
    for key in subset.get_partition_keys():
        own = planned.asset_materialization_planned_data._replace(partition=key, partitions_subset=None)
        yield event._replace(dagster_event=planned._replace(event_specific_data=own))


class PooledPostgresStorage(DagsterPostgresStorage):
    """Configured like Dagster's own, as `storage: custom:` in `dagster.yaml`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._require_known_parts()
        os.environ.setdefault(BATCH_VARIABLE, str(BATCH_SIZE))
        provider = kwargs.get("token_provider")
        self._event_log_storage = BatchingEventLog(
            self.postgres_url, self.should_autocreate_tables, token_provider=provider, tags_of=self._tags_of
        )
        for name in _PARTS:
            getattr(self, name)._engine = _engine(self.postgres_url, provider)

    def _tags_of(self, run_id: str) -> Mapping[str, str]:
        found = self._run_storage.get_runs(dg.RunsFilter(run_ids=[run_id]))
        return found[0].tags if found else {}

    def _require_known_parts(self) -> None:
        unknown = [name for name in _PARTS if not hasattr(getattr(self, name, None), "_engine")]
        if unknown:
            raise dg.DagsterInvariantViolationError(
                f"this dagster-postgres keeps no _engine in {', '.join(unknown)}: write `storage: postgres:` in "
                "dagster.yaml until orchestration/storage.py knows this version"
            )

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "PooledPostgresStorage":
        return cls(
            inst_data=inst_data,
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            token_provider=get_token_provider_from_config(config_value),
        )


@lru_cache(maxsize=4)
def _engine(url: str, token_provider: Any) -> Any:
    """One pool per database and process: Dagster makes an instance anew for every tick."""
    return create_pg_engine(
        url,
        token_provider,
        isolation_level="AUTOCOMMIT",
        pool_size=KEPT_CONNECTIONS,
        max_overflow=MORE_CONNECTIONS,
        pool_recycle=RECYCLE_SECONDS,
        pool_pre_ping=True,
        pool_use_lifo=True,
    )
