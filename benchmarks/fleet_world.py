"""A fleet for a benchmark: the sandbox in a process of its own, workspaces, Dagster, and what all of it uses.

Belongs here: setting up and reading meters. Does not: what is run and printed (`fleet`).
"""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import text

from benchmarks.home import PROVIDER, temporary_program
from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.instance import write_instance
from integrations_pipeline.orchestration.jobs import job_name
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.providers.airtable.limits import API_URL
from integrations_pipeline.settings import HOME, RATE_SCALE
from integrations_pipeline.store import connections, contacts, workspaces
from integrations_pipeline.store.database import Database
from integrations_pipeline.wiring import Wiring
from integrations_sandbox import DEFAULT_TOKEN, SandboxOptions, SandboxServer

PEOPLE = 3
#: Seconds between two looks at how many connections Postgres has.
_LOOK_SECONDS = 0.05
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _serve(count: int, pipe: Connection) -> None:
    """The sandbox with so many bases of a contacts table each; runs until the pipe says so."""
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        bases = []
        for i in range(count):
            base_id = server.airtable.create_base(f"CRM {i}").id
            bases.append((base_id, server.airtable.create_contacts_table(base_id).id))
        pipe.send((server.airtable_url, bases))
        pipe.recv()


@contextmanager
def sandbox(count: int) -> Iterator[tuple[str, Sequence[tuple[str, str]]]]:
    """Address and (base, table) ids of a sandbox in another process: its CPU is not ours."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(count, theirs))
    process.start()
    theirs.close()  # so that a sandbox that dies ends our wait
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The program, Dagster's instance beside it, and the slugs of its workspaces."""

    program: Wiring
    instance: dg.DagsterInstance
    definitions: dg.Definitions
    dagster: Database
    slugs: Sequence[str]

    def tick(self, name: str) -> Any:
        """What a sensor answers now."""
        context = dg.build_sensor_context(
            instance=self.instance, definitions=self.definitions, resources={"sync": SyncResource()}
        )
        return self.definitions.resolve_sensor_def(name).evaluate_tick(context)

    def execute(self, tags: Mapping[str, str]) -> dg.ExecuteInProcessResult:
        """One run of the provider's job, in this process."""
        job = self.definitions.resolve_job_def(job_name(PROVIDER))
        return job.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False, run_config=_QUIET)

    def rows(self, statement: str) -> Sequence[Any]:
        with self.program.database.admin() as connection:
            return connection.execute(text(statement)).all()

    def dagster_rows(self, statement: str) -> Sequence[Any]:
        with self.dagster.admin() as connection:
            return connection.execute(text(statement)).all()

    def edit(self, count: int) -> None:
        """Change a contact of each of the first so many workspaces."""
        with self.program.database.admin() as connection:
            connection.execute(
                text(
                    "update workspace_contacts set company = 'Elsewhere' where id in (select min(c.id::text)::uuid "
                    "from workspace_contacts c join workspaces w on w.id = c.workspace_id "
                    "where w.slug = any(:slugs) group by w.id)"
                ),
                {"slugs": list(self.slugs[:count])},
            )

    def make_all_due(self) -> None:
        with self.program.database.admin() as connection:
            connection.execute(text("update integration_connections set next_sync_at = now() - interval '1 hour'"))


@contextmanager
def fleet(count: int, *, has_provider: bool = True) -> Iterator[Fleet]:
    """So many workspaces with a connection and a few contacts each; without provider nothing can be synced."""
    with sandbox(count if has_provider else 0) as (url, bases):
        variables = {API_URL: url, RATE_SCALE: "1000"}
        with temporary_program({API_URL: url}, variables) as program:
            os.environ.update({**variables, HOME: str(program.settings.home)})
            slugs = [f"workspace-{i:05}" for i in range(count)]
            if has_provider:
                _add_workspaces(program, slugs, bases)
            else:
                _add_empty_workspaces(program, slugs)
            folder = write_instance(program.settings.home / "dagster", program.embedded.url("dagster"))
            dagster = Database(program.embedded.url("dagster"))
            with dg.DagsterInstance.from_config(str(folder)) as instance:
                yield Fleet(
                    program=program,
                    instance=instance,
                    definitions=build_definitions(),
                    dagster=dagster,
                    slugs=slugs,
                )
            dagster.close()


def _add_workspaces(program: Wiring, slugs: Sequence[str], bases: Sequence[tuple[str, str]]) -> None:
    for slug, (base_id, table_id) in zip(slugs, bases, strict=True):
        new = connections.NewConnection(
            integration_type=PROVIDER,
            credentials={"api_key": DEFAULT_TOKEN},
            settings={"base_id": base_id, "table_id": table_id, "settle_seconds": 0},
        )
        people = [{"email": f"person{i}@{slug}.org", "name": f"Person {i}"} for i in range(PEOPLE)]
        with program.database.admin() as connection:
            workspace = workspaces.add_workspace(connection, slug)
            connections.save_connection(connection, workspace.id, new, program.cipher)
            contacts.upsert_contacts(connection, workspace.id, people)


def _add_empty_workspaces(program: Wiring, slugs: Sequence[str]) -> None:
    """Many at once, due since an hour, with the log rows of two past runs each."""
    with program.database.admin() as connection:
        connection.execute(
            text("insert into workspaces (slug, name) select slug, slug from unnest(cast(:slugs as text[])) as slug"),
            {"slugs": list(slugs)},
        )
        connection.execute(
            text(
                "insert into integration_connections (workspace_id, integration_type, next_sync_at, last_sync_at) "
                "select id, :type, now() - interval '1 hour', now() - interval '75 minutes' from workspaces"
            ),
            {"type": PROVIDER},
        )
        connection.execute(
            text(
                "insert into integration_sync_logs "
                "(connection_id, workspace_id, direction, run_id, status, started_at, completed_at, metadata) "
                "select id, workspace_id, direction, gen_random_uuid(), 'success', now() - n * interval '15 minutes', "
                'now(), \'{"read": "incremental"}\' from integration_connections, '
                "unnest(array['to_external', 'from_external']) as direction, generate_series(1, 2) as n"
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used between two readings: wall and CPU seconds, events and log rows stored, bytes grown."""

    wall: float
    cpu: float
    postgres_cpu: float
    events: int
    log_rows: int
    dagster_bytes: int
    our_bytes: int


@contextmanager
def metered(world: Fleet) -> Iterator[list[Usage]]:
    """Appends the usage of the block to the list that it yields."""
    found: list[Usage] = []
    before = _reading(world)
    yield found
    after = _reading(world)
    found.append(Usage(**{name: after[name] - before[name] for name in before}))


def _reading(world: Fleet) -> dict[str, Any]:
    size = "select pg_database_size(current_database())"
    return {
        "wall": time.perf_counter(),
        "cpu": time.process_time(),
        "postgres_cpu": _postgres_cpu(world),
        "events": world.dagster_rows("select count(*) from event_logs")[0][0],
        "log_rows": world.rows("select count(*) from integration_sync_logs")[0][0],
        "dagster_bytes": world.dagster_rows(size)[0][0],
        "our_bytes": world.rows(size)[0][0],
    }


def _postgres_cpu(world: Fleet) -> float:
    """CPU seconds of the server and all its backends, also those that are gone (Linux)."""
    data = Path(world.rows("show data_directory")[0][0])
    server = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it ended meanwhile, and its server counts it from now on
        if int(path.parent.name) == server:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == server:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def most_connections(world: Fleet) -> Iterator[dict[str, int]]:
    """The most connections that each database had at once during the block; our own look is not counted."""
    most: dict[str, int] = {}
    is_over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(world.program.database_url, most, is_over))
    watcher.start()
    try:
        yield most
    finally:
        is_over.set()
        watcher.join()


def _watch(url: str, most: dict[str, int], is_over: threading.Event) -> None:
    database = Database(url)
    statement = text(
        "select datname, count(*) from pg_stat_activity "
        "where datname is not null and pid <> pg_backend_pid() group by datname"
    )
    while not is_over.wait(_LOOK_SECONDS):
        with database.admin() as connection:
            for name, count in connection.execute(statement):
                most[name] = max(count, most.get(name, 0))
    database.close()


def start_cpu_seconds() -> float:
    """CPU of a process that comes as far as the first step of a run: imports, definitions, the job."""
    code = (
        "import resource; from integrations_pipeline.definitions import defs; "
        f"defs.resolve_job_def({job_name(PROVIDER)!r}); import pandas, httpx, dagster_postgres; "
        "used = resource.getrusage(resource.RUSAGE_SELF); print(used.ru_utime + used.ru_stime)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return float(ran.stdout)
