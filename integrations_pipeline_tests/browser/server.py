"""`dagster dev` as a process of its own, and questions to it over GraphQL.

Belongs here: starting it, knowing that it is ready, stopping it, asking it. Does not: the browser (`screen`).
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx

from integrations_pipeline.orchestration.instance import ENVIRONMENT
from integrations_pipeline_tests.patience import patient

#: It is up in about 10 seconds; a machine with other work takes several times as long.
START_SECONDS, STOP_SECONDS = 120, 60
#: The daemon that works on backfills looks every 30 seconds.
WORK_SECONDS = 180
POLL_SECONDS = 0.25
ENDINGS = ("SUCCESS", "FAILURE", "CANCELED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "COMPLETED", "FAILED")

_READY = """{
  instance { daemonHealth { allDaemonStatuses { daemonType healthy required } } }
  workspaceOrError { ... on Workspace { locationEntries { loadStatus
    locationOrLoadError { __typename ... on PythonError { message } ... on RepositoryLocation {
      repositories { sensors { sensorState { id } } schedules { scheduleState { id } } } } } } } }
}"""
_STOP_SENSOR = "mutation($id: String) { stopSensor(id: $id) { __typename } }"
_STOP_SCHEDULE = "mutation($id: String) { stopRunningSchedule(id: $id) { __typename } }"
_RUNS = "{ runsOrError(limit: 50) { ... on Runs { results { id status } } } }"
_BACKFILL = "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
_RUNS_OF_BACKFILL = """query($id: String!) {
  runsOrError(filter: {tags: [{key: "dagster/backfill", value: $id}]}) { ... on Runs { results { id } } }
}"""
_SELECTOR = {"repositoryName": "__repository__", "repositoryLocationName": "integrations_pipeline"}
_ADD = """mutation($name: String!, $key: String!, $of: RepositorySelector!) {
  addDynamicPartition(partitionsDefName: $name, partitionKey: $key, repositorySelector: $of) { __typename } }"""
_DELETE = """mutation($name: String!, $keys: [String!]!, $of: RepositorySelector!) {
  deleteDynamicPartitions(partitionsDefName: $name, partitionKeys: $keys, repositorySelector: $of) { __typename } }"""

T = TypeVar("T")


def wait_for(question: Callable[[], T | None], what: str, seconds: float) -> T:
    """The first answer that is not empty. Other processes go at their own pace, so this asks until they are there."""
    seconds = patient(seconds)
    give_up_at = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < give_up_at, f"waited {seconds:.0f} seconds in vain for {what}"
        time.sleep(POLL_SECONDS)
    return answer


class DagsterServer:
    """A running `dagster dev`."""

    def __init__(self, url: str, process: "subprocess.Popen[bytes]") -> None:
        self.url = url
        self._process = process
        # The server closes connections that rest for some seconds, perhaps at the moment of the next question.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(base_url=url, timeout=patient(60), trust_env=False, limits=limits)

    def ask(self, query: str, **variables: object) -> Any:
        answer = self._client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def wait_until_ready(self, *, are_sensors_on: bool = False) -> None:
        """Code loaded and daemons alive. Then nothing runs but what the browser starts, or the sensors do."""
        location = wait_for(self._loaded_location, "dagster dev", START_SECONDS)
        for repository in () if are_sensors_on else location["repositories"]:
            for sensor in repository["sensors"]:
                self.ask(_STOP_SENSOR, id=sensor["sensorState"]["id"])
            for schedule in repository["schedules"]:
                self.ask(_STOP_SCHEDULE, id=schedule["scheduleState"]["id"])

    def status_of_run(self, shown_id: str) -> str:
        """Its status once it is over. The UI shows only the beginning of a run's id."""

        def found() -> Mapping[str, str]:
            runs: list[Mapping[str, str]] = self.ask(_RUNS)["runsOrError"]["results"]
            return next(run for run in runs if run["id"].startswith(shown_id))

        return self._ending(found, f"run {shown_id}")

    def status_of_backfill(self, backfill_id: str) -> str:
        """Its status once it is over."""

        def found() -> Mapping[str, str]:
            backfill: Mapping[str, str] = self.ask(_BACKFILL, id=backfill_id)["partitionBackfillOrError"]
            return backfill

        return self._ending(found, f"backfill {backfill_id}")

    def runs_of_backfill(self, backfill_id: str) -> list[str]:
        return [run["id"] for run in self.ask(_RUNS_OF_BACKFILL, id=backfill_id)["runsOrError"]["results"]]

    def add_partition(self, name: str, key: str) -> None:
        """As the sensor does it, which is switched off here."""
        told = self.ask(_ADD, name=name, key=key, of=_SELECTOR)["addDynamicPartition"]
        assert told["__typename"] == "AddDynamicPartitionSuccess", told

    def delete_partition(self, name: str, key: str) -> None:
        told = self.ask(_DELETE, name=name, keys=[key], of=_SELECTOR)["deleteDynamicPartitions"]
        assert told["__typename"] == "DeleteDynamicPartitionsSuccess", told

    def close(self) -> None:
        self._client.close()

    def _ending(self, question: Callable[[], Mapping[str, str]], what: str) -> str:
        def ended() -> str | None:
            status = question()["status"]
            return status if status in ENDINGS else None

        return wait_for(ended, f"the end of {what}", WORK_SECONDS)

    def _loaded_location(self) -> Any:
        assert self._process.poll() is None, "dagster dev ended by itself; see its log among the artefacts"
        try:
            found = self.ask(_READY)
        except httpx.TransportError:
            return None
        daemons = found["instance"]["daemonHealth"]["allDaemonStatuses"]
        entries = found["workspaceOrError"]["locationEntries"]
        is_ready = all(each["healthy"] for each in daemons if each["required"])
        if not is_ready or not entries or entries[0]["loadStatus"] != "LOADED":
            return None
        location = entries[0]["locationOrLoadError"]
        assert location["__typename"] == "RepositoryLocation", location
        return location


@contextmanager
def dagster_dev(home: Path, log: Path, *, are_sensors_on: bool = False) -> Iterator[DagsterServer]:
    """`dagster dev` on this DAGSTER_HOME and a free port of loopback; at the end it and its children are gone."""
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "-w", str(home / "workspace.yaml")],
            cwd=home,
            env={**os.environ, **ENVIRONMENT, "DAGSTER_HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A background job inherits an ignored SIGINT, with which `dagster dev` cannot be stopped at all.
            preexec_fn=_listen_to_interrupts,  # noqa: PLW1509 - one line, and no threads hold locks it needs
        )
        server = DagsterServer(f"http://127.0.0.1:{port}", process)
        try:
            server.wait_until_ready(are_sensors_on=are_sensors_on)
            yield server
        finally:
            server.close()
            _stop(process)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _listen_to_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """As Ctrl-C does. What is left of its session after that is ended too, and told as a fault."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(patient(STOP_SECONDS))
        wait_for(lambda: not _has_processes(process.pid), "the end of the children of dagster dev", STOP_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _has_processes(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
