"""The job that syncs with every provider: one step each, over the chosen workspaces or all.

Belongs here: that job. Does not: the steps of the assets (`assets`). One run of Dagster takes partitions of one set
only, and each provider has its own; so this job has no partitions. It records the same materializations, but
Dagster does not plan them, and so shows nobody as failed: the run names those.
"""

from collections.abc import Sequence
from contextlib import closing

import dagster as dg
from pydantic import Field

from integrations_pipeline.model import Direction
from integrations_pipeline.orchestration.assets import materializations, observe_registry, raise_failed
from integrations_pipeline.orchestration.batch import FULL, Batch, BatchRequest, WorkspaceOutcome
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.orchestration.shapes import key_of, shapes
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.store.fleet import RUN_PREFIX

ALL_JOB = "sync_all"


class Chosen(dg.Config):
    """Which workspaces to sync."""

    workspaces: list[str] = Field(default=[], description="Slugs; none means every connected workspace.")


def all_step(provider: str) -> str:
    """The step of this job that syncs with a provider."""
    return f"{provider}_sync_all"


def build_all_job(specs: Sequence[ProviderSpec]) -> dg.JobDefinition:
    steps = [_build_step(spec) for spec in specs]

    @dg.job(name=ALL_JOB, description="Sync the chosen workspaces, or all, with every provider they are connected to.")
    def sync_all() -> None:
        for step in steps:
            step()

    return sync_all


def _build_step(spec: ProviderSpec) -> dg.OpDefinition:
    @dg.op(name=all_step(spec.name), pool=f"provider_{spec.name}", description=f"Syncs with {spec.title}, both ways.")
    def sync_with_provider(context: dg.OpExecutionContext, config: Chosen, sync: SyncResource) -> None:
        connected = sync.connected_workspaces()[spec.name]
        wanted = set(config.workspaces)
        request = BatchRequest(
            provider=spec.name,
            slugs=[slug for slug in connected if not wanted or slug in wanted],
            direction=Direction.BIDIRECTIONAL,
            dagster_run_id=context.run_id,
            is_full=context.run.tags.get(FULL) == "true",
        )
        keys = {key_of(spec, shape.name) for shape in shapes(spec)}
        outcomes: list[WorkspaceOutcome] = []
        with (
            sync.runtime() as runtime,
            runtime.database.presence(RUN_PREFIX + request.dagster_run_id),
            closing(Batch(runtime, request).outcomes()) as found,
        ):
            for outcome in found:
                outcomes.append(outcome)
                for event in materializations(spec, outcome, keys) if outcome.is_done else ():
                    context.log_event(event)
        observe_registry(context, outcomes)
        raise_failed(context, outcomes)

    return sync_with_provider
