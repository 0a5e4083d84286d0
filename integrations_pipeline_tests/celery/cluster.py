"""An installation over several machines, on this one: Redis, workers and Dagster's daemon as processes of their own.

Belongs here: starting and killing them, with the files of `deploy/celery` as they are. Does not: assertions.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from integrations_pipeline.orchestration.jobs import job_name
from integrations_pipeline.orchestration.partitions import range_tags
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.orchestration.arrangement import PROVIDER, wait
from integrations_pipeline_tests.patience import patient

DEPLOY = Path(__file__).parent.parent.parent / "deploy" / "celery"
BIN = Path(sys.executable).parent
WORKSPACE = """\
load_from:
  - python_module:
      module_name: integrations_pipeline.definitions
      location_name: integrations_pipeline
"""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Everything but the workers, which tests start and kill."""

    environment: Environment
    instance: dg.DagsterInstance
    folder: Path
    variables: Mapping[str, str]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    @contextmanager
    def worker(self, name: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker with one process for runs, which takes some seconds to start; killed at the end."""
        variables = {"INTEGRATIONS_WORKER_NAME": name, "INTEGRATIONS_WORKER_PROCESSES": "1"}
        with self.process(name, [str(DEPLOY / "worker.sh")], variables) as process:
            yield process
            assert process.poll() in (None, -signal.SIGKILL), self.log(name)

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Dagster's daemon with all our sensors."""
        with self.process("daemon", [str(BIN / "dagster-daemon"), "run", "-w", str(self.folder / "workspace.yaml")]):
            yield

    @contextmanager
    def process(
        self, name: str, command: Sequence[str], variables: Mapping[str, str] | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """A process in a group of its own; the whole group is killed at the end."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **self.variables, **(variables or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            kill_group(process)

    def launch(self, ranges: Sequence[Sequence[str]]) -> list[str]:
        """Ask for one run per range, as a person does; returns their ids once all are queued."""
        before = {run.run_id for run in self.instance.get_runs()}
        with ExitStack() as stack:
            asked = [
                stack.enter_context(self.process(f"launch-{i}", _launch_command(self.folder, slugs)))
                for i, slugs in enumerate(ranges)
            ]
            codes = [process.wait(timeout=patient(120)) for process in asked]
        assert not any(codes), "\n".join(self.log(f"launch-{i}") for i in range(len(ranges)))
        return [run.run_id for run in self.instance.get_runs() if run.run_id not in before]

    def statuses(self, run_ids: Sequence[str]) -> dict[str, str]:
        records = self.instance.get_run_records(dg.RunsFilter(run_ids=list(run_ids)))
        return {record.dagster_run.run_id: record.dagster_run.status.value for record in records}


def _launch_command(folder: Path, slugs: Sequence[str]) -> list[str]:
    target = ["-w", str(folder / "workspace.yaml"), "-j", job_name(PROVIDER), "--tags", json.dumps(range_tags(slugs))]
    return [str(BIN / "dagster"), "job", "launch", *target]


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its children at once, as when their machine loses power."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children(process: "subprocess.Popen[bytes]") -> list[int]:
    """Process ids of its direct children."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(pid) for pid in found.split()]


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The address of a Redis on loopback that stores nothing on disk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with (folder / "redis.log").open("ab") as log:
        process = subprocess.Popen(["redis-server", *options], stdout=log, stderr=log, start_new_session=True)
    try:
        wait(lambda: _answers(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "redis.log").read_text()
        yield f"redis://127.0.0.1:{port}"
    finally:
        kill_group(process)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def open_cluster(
    folder: Path, environment: Environment, dagster_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """Redis and a DAGSTER_HOME as deployed; the variables are set in this process too."""
    shutil.copy(DEPLOY / "dagster.yaml", folder)
    (folder / "workspace.yaml").write_text(WORKSPACE, encoding="utf-8")
    with redis_server(folder) as redis:
        variables = {
            **environment.variables,
            "DAGSTER_HOME": str(folder),
            "DAGSTER_POSTGRES_URL": dagster_url.replace("postgresql://", "postgresql+psycopg2://", 1),
            "DAGSTER_CELERY_BROKER_URL": f"{redis}/0",
            "DAGSTER_CELERY_BACKEND_URL": f"{redis}/1",
            "INTEGRATIONS_PYTHON": sys.executable,
            "PYTHONWARNINGS": "ignore",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield Cluster(environment=environment, instance=instance, folder=folder, variables=variables)
