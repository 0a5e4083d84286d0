"""What the tests of Dagster share: runs in this process and in others, ticks, and what Dagster remembers.

Belongs here: driving the real definitions. Does not: assertions.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.orchestration.jobs import job_name
from integrations_pipeline.orchestration.partitions import range_tags, workspace_partitions
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.patience import patient

PROVIDER = "airtable"
ASSETS = ("contacts", "plan", "to_external", "from_external")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

#: A run like `run` makes it, for a process of its own, on the instance of `DAGSTER_HOME`.
RUN = """
import sys
import dagster as dg
from integrations_pipeline_tests.orchestration.arrangement import run
with dg.DagsterInstance.get() as instance:
    sys.exit(0 if run(instance, sys.argv[1:]).success else 1)
"""


def run(
    instance: dg.DagsterInstance,
    slugs: Sequence[str],
    *,
    assets: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    sync: SyncResource | None = None,
) -> dg.ExecuteInProcessResult:
    """One run of the provider's job over the range from the first to the last of these workspaces."""
    definitions = build_definitions({"sync": sync} if sync else None)
    return definitions.resolve_job_def(job_name(PROVIDER)).execute_in_process(
        instance=instance,
        tags={**range_tags(slugs), **(tags or {})},
        asset_selection=[dg.AssetKey([PROVIDER, name]) for name in assets] or None,
        run_config=QUIET,
        raise_on_error=False,
    )


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """What a failed run says, with its metadata."""
    event = next(event for event in result.all_events if event.is_step_failure)
    return str(event.step_failure_data.user_failure_data)


def messages(instance: dg.DagsterInstance, run_id: str) -> str:
    """Every message of a run's log, as its page shows them."""
    return "\n".join(record.event_log_entry.user_message for record in instance.get_records_for_run(run_id).records)


@contextmanager
def running(environment: Environment, code: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Python code in a process of its own; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        env={**os.environ, **environment.variables},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # A background job inherits an ignored SIGINT; a daemon's child does not.
        preexec_fn=_listen_to_interrupts,  # noqa: PLW1509 - one line, and no threads hold locks it needs
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _listen_to_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait(until: Callable[[], bool], seconds: float = 60) -> None:
    """Another process runs at its own pace; this looks until it has come so far."""
    give_up_at = time.monotonic() + patient(seconds)
    while not until():
        assert time.monotonic() < give_up_at, "it never came so far"
        time.sleep(0.05)


class SyncLater(SyncResource):
    """The same resource some time from now."""

    seconds: float

    @contextmanager
    def runtime(self) -> Iterator[Runtime]:
        with super().runtime() as now:
            yield replace(now, clock=lambda: now.clock() + timedelta(seconds=self.seconds))


def tick(
    name: str,
    instance: dg.DagsterInstance,
    cursor: str | None = None,
    sync: SyncResource | None = None,
) -> Any:
    """What a sensor answers now, and its new cursor in `cursor`."""
    definitions, resources = build_definitions(), {"sync": sync or SyncResource()}
    context = dg.build_sensor_context(instance=instance, definitions=definitions, cursor=cursor, resources=resources)
    return definitions.resolve_sensor_def(name).evaluate_tick(context)


def materialized(instance: dg.DagsterInstance, name: str) -> set[str]:
    """Workspaces that are shown as materialised: one whose first sync failed has an event that says so, and is not."""
    found = set(instance.get_materialized_partitions(dg.AssetKey([PROVIDER, name])))
    return {slug for slug in found if states(instance, name, [slug])[slug] == "MATERIALIZED"}


def states(instance: dg.DagsterInstance, name: str, slugs: Sequence[str]) -> dict[str, str]:
    """What Dagster's pages show per workspace: MATERIALIZED, FAILED, IN_PROGRESS or MISSING."""
    found = instance.get_status_by_partition(dg.AssetKey([PROVIDER, name]), slugs, workspace_partitions(PROVIDER))
    assert found is not None
    return {slug: state.value if state else "MISSING" for slug, state in found.items()}


def log_rows(environment: Environment, columns: str) -> list[tuple[object, ...]]:
    """Columns of `integration_sync_logs`, oldest first."""
    return environment.rows(f"select {columns} from integration_sync_logs order by started_at, direction")
