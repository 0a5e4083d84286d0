"""The assets: the registry of contacts, and per provider those of its shape.

Belongs here: one step per provider that takes any number of workspaces and records each by itself. Does
not: working on them (`batch`). Returning normally would mark every partition of a range; so this is a generator
that yields one materialization per asset and workspace, and fails at the end naming those that failed.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing

import dagster as dg

from integrations_pipeline.model import Direction
from integrations_pipeline.orchestration.batch import FULL, Batch, BatchRequest, WorkspaceOutcome
from integrations_pipeline.orchestration.failures import FailureBoard, failure_metadata
from integrations_pipeline.orchestration.partitions import ONLY_DUE, run_partitions, workspace_partitions
from integrations_pipeline.orchestration.quiet import observe_connections, shown_as_done
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.orchestration.shapes import REGISTRY_KEY, dependencies, direction_of, key_of, shapes
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.store.fleet import RUN_PREFIX

OWNER = "team:data"
#: Partitions of one run of a backfill.
BACKFILL_SIZE = 100
#: Tags that Dagster puts on the runs of its own sensors and schedules.
_STARTED_BY = ("dagster/sensor_name", "dagster/schedule_name")

registry = dg.AssetSpec(
    key=REGISTRY_KEY,
    group_name="workspace",
    kinds={"postgres"},
    owners=[OWNER],
    description="The workspaces' own contacts, table `workspace_contacts`. Edited by their teams and by syncs; "
    "observed by every run that looked at some.",
)


def step_name(provider: str) -> str:
    """The step that syncs with a provider."""
    return f"{provider}_sync"


def build_provider_assets(spec: ProviderSpec) -> dg.AssetsDefinition:
    """All assets of a provider (`shapes`) as one step."""

    @dg.multi_asset(
        name=step_name(spec.name),
        specs=_specs(spec),
        partitions_def=workspace_partitions(spec.name),
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(BACKFILL_SIZE),
        pool=f"provider_{spec.name}",
    )
    def provider_sync(context: dg.AssetExecutionContext, sync: SyncResource) -> Iterator[dg.AssetMaterialization]:
        request = _batch_request(context, spec)
        with sync.runtime() as runtime, runtime.database.presence(RUN_PREFIX + request.dagster_run_id):
            outcomes: list[WorkspaceOutcome] = []
            shown = shown_as_done(context, spec, request.slugs) if request.is_only_due else set()
            with closing(Batch(runtime, request).outcomes()) as found:
                for outcome in found:
                    outcomes.append(outcome)
                    if outcome.is_done and not (outcome.is_quiet and outcome.slug in shown):
                        yield from materializations(spec, outcome, context.selected_asset_keys)
        outcomes.sort(key=lambda outcome: request.slugs.index(outcome.slug))
        observe_registry(context.op_execution_context, outcomes)
        observe_connections(context.op_execution_context, spec, outcomes)
        yield from _end(context, spec, outcomes)

    return provider_sync


def _specs(spec: ProviderSpec) -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            key=key_of(spec, shape.name),
            deps=dependencies(spec, shape),
            group_name=spec.name,
            kinds={spec.name, "python"},
            owners=[OWNER],
            description=shape.description.format(title=spec.title),
            skippable=True,
        )
        for shape in shapes(spec)
    ]


def _batch_request(context: dg.AssetExecutionContext, spec: ProviderSpec) -> BatchRequest:
    tags = context.run.tags
    return BatchRequest(
        provider=spec.name,
        slugs=run_partitions(context),
        direction=direction_of(spec, context.selected_asset_keys),
        dagster_run_id=context.run.run_id,
        is_full=tags.get(FULL) == "true",
        is_only_due=tags.get(ONLY_DUE) == "true",
        is_automatic=any(tag in tags for tag in _STARTED_BY),
    )


def materializations(
    spec: ProviderSpec, outcome: WorkspaceOutcome, selected: AbstractSet[dg.AssetKey]
) -> Iterator[dg.AssetMaterialization]:
    """The workspace's own materializations of the selected assets, if its sync came to an end."""
    for shape in shapes(spec) if outcome.told else ():
        key = key_of(spec, shape.name)
        if key in selected and outcome.told:
            yield dg.AssetMaterialization(asset_key=key, partition=outcome.slug, metadata=shape.show(outcome.told))


def observe_registry(context: dg.OpExecutionContext, outcomes: Sequence[WorkspaceOutcome]) -> None:
    """One observation of the workspaces' contacts, if any of them were looked at."""
    compared = [
        int(outcome.told.report.plan.considered.get(Direction.TO_EXTERNAL, 0))
        for outcome in outcomes
        if outcome.told and outcome.is_done
    ]
    if any(compared):
        metadata = {"workspaces": sum(map(bool, compared)), "contacts_compared": sum(compared)}
        context.log_event(dg.AssetObservation(asset_key=REGISTRY_KEY, metadata=metadata))


def _end(
    context: dg.AssetExecutionContext, spec: ProviderSpec, outcomes: Sequence[WorkspaceOutcome]
) -> Iterator[dg.AssetMaterialization]:
    """One line about those skipped; then failure, if any failed, naming them.

    In a run that fails, Dagster shows every partition that it planned and that has no event as failed. So there the
    skipped ones get one, except those in trouble: they shall go on being shown, and be among those to launch again.
    """
    if any(outcome.failed for outcome in outcomes):
        board = FailureBoard(context.instance, context.run.run_id)
        for outcome in outcomes:
            if outcome.failed or outcome.trouble:
                _show_failure(context, spec, board, outcome)
            elif outcome.skipped and board.has_planned(outcome.slug):
                yield from _skipped(context, outcome)
    raise_failed(context.op_execution_context, outcomes)


def _show_failure(
    context: dg.AssetExecutionContext, spec: ProviderSpec, board: FailureBoard, outcome: WorkspaceOutcome
) -> None:
    """Those that were only skipped can be a whole range, when a provider is down."""
    show = board.show if outcome.failed else board.observe
    for shape in shapes(spec):
        key = key_of(spec, shape.name)
        if key in context.selected_asset_keys:
            show(key, outcome.slug, failure_metadata(shape, spec.name, outcome))


def _skipped(context: dg.AssetExecutionContext, outcome: WorkspaceOutcome) -> Iterator[dg.AssetMaterialization]:
    for key in sorted(context.selected_asset_keys):
        metadata = {"status": "skipped", "reason": outcome.skipped}
        yield dg.AssetMaterialization(asset_key=key, partition=outcome.slug, metadata=metadata)


def raise_failed(context: dg.OpExecutionContext, outcomes: Sequence[WorkspaceOutcome]) -> None:
    """Log who was skipped and why; `Failure` naming those that failed, if any did."""
    waited = {outcome.slug: f"waited {outcome.waited_seconds:.0f} s" for outcome in outcomes if outcome.waited_seconds}
    skipped = {outcome.slug: outcome.skipped for outcome in outcomes if outcome.skipped}
    failed = {outcome.slug: outcome.failed for outcome in outcomes if outcome.failed}
    if skipped:
        context.log.info(f"{len(skipped)} of {len(outcomes)} workspaces skipped: {grouped(skipped)}")
    if waited:
        context.log.info(f"others were synced while {len(waited)} of {len(outcomes)} waited: {grouped(waited)}")
    if failed:
        raise dg.Failure(
            description=f"{len(failed)} of {len(outcomes)} workspaces failed: {grouped(failed)}",
            metadata={"failed": dg.MetadataValue.json(failed), "skipped": dg.MetadataValue.json(skipped)},
            allow_retries=False,
        )


def grouped(reasons: Mapping[str, str], limit: int = 10) -> str:
    """`reason (3: a, b, c); other reason (1: d)`: each reason once, with the first of its workspaces."""
    slugs: dict[str, list[str]] = {}
    for slug, reason in reasons.items():
        slugs.setdefault(reason, []).append(slug)
    shown = [
        f"{reason} ({len(found)}: {', '.join(found[:limit])}{', …' if len(found) > limit else ''})"
        for reason, found in list(slugs.items())[:limit]
    ]
    more = len(slugs) - len(shown)
    return "; ".join([*shown, *([f"and {more} more reasons"] if more else [])])
