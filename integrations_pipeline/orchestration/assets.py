"""The assets: the registry of contacts, and per provider its contacts, plan and both directions.

Belongs here: one step per provider that takes any number of workspaces and records each by itself. Does
not: the sync (`sync.run`). Returning normally would mark every partition of a range; so this is a generator
that yields one materialization per asset and workspace, and fails at the end naming those that failed.
"""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from traceback import format_tb

import dagster as dg

from integrations_pipeline.errors import BusyError, ConfigurationError, IntegrationError
from integrations_pipeline.model import Direction, RunStatus
from integrations_pipeline.orchestration.metadata import (
    contacts_metadata,
    direction_metadata,
    plan_metadata,
)
from integrations_pipeline.orchestration.partitions import workspace_partitions
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.store import connections, workspaces
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import SyncRequest, plan_only, run_sync
from integrations_pipeline.sync.runtime import Runtime

_log = logging.getLogger(__name__)

REGISTRY_KEY = dg.AssetKey(["workspace", "contacts"])
OWNER = "team:data"
#: Workspaces that one step syncs at the same time; each holds one database connection.
WORKERS = 4
#: Partitions of one run of a backfill.
BACKFILL_SIZE = 100
ONLY_DUE = "integrations/only_due"
FULL = "integrations/full"

registry = dg.AssetSpec(
    key=REGISTRY_KEY,
    group_name="workspace",
    kinds={"postgres"},
    owners=[OWNER],
    partitions_def=workspace_partitions,
    description="The workspace's own contacts, table `workspace_contacts`. Edited by its team and by syncs.",
)

_DESCRIPTIONS = {
    "contacts": "The contacts as {title} holds them: what changed there since the last sync, or all of them.",
    "plan": "What a sync changes on each side: three-way merge against the base, guarded. Materialise up to "
    "here for a preview that writes nothing.",
    "to_external": "Changes written to {title}; the outcome is in `integration_sync_logs`.",
    "from_external": "Changes taken from {title} into `workspace_contacts`.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceOutcome:
    """What became of one workspace in a step: a report, or why it was skipped, or why it failed."""

    slug: str
    report: SyncReport | None = None
    skipped: str = ""
    failed: str = ""


def build_provider_assets(spec: ProviderSpec) -> dg.AssetsDefinition:
    """`<provider>/contacts`, `/plan`, `/to_external`, `/from_external` as one step."""

    @dg.multi_asset(
        name=f"{spec.name}_sync",
        specs=_specs(spec),
        partitions_def=workspace_partitions,
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(BACKFILL_SIZE),
        pool=f"provider_{spec.name}",
    )
    def provider_sync(context: dg.AssetExecutionContext, sync: SyncResource) -> Iterator[dg.AssetMaterialization]:
        with sync.runtime() as runtime:
            outcomes: list[WorkspaceOutcome] = []
            for outcome in _sync_workspaces(context, runtime, spec):
                outcomes.append(outcome)
                if outcome.report and not outcome.failed:
                    yield from _events(spec, outcome.slug, outcome.report, context.selected_asset_keys)
        yield from _end(context, outcomes)

    return provider_sync


def _specs(spec: ProviderSpec) -> list[dg.AssetSpec]:
    dependencies = {
        "contacts": [],
        "plan": [dg.AssetKey([spec.name, "contacts"]), REGISTRY_KEY],
        "to_external": [dg.AssetKey([spec.name, "plan"])],
        "from_external": [dg.AssetKey([spec.name, "plan"])],
    }
    return [
        dg.AssetSpec(
            key=dg.AssetKey([spec.name, name]),
            deps=deps,
            group_name=spec.name,
            kinds={spec.name, "python"},
            owners=[OWNER],
            description=_DESCRIPTIONS[name].format(title=spec.title),
            skippable=True,
        )
        for name, deps in dependencies.items()
    ]


def _sync_workspaces(
    context: dg.AssetExecutionContext, runtime: Runtime, spec: ProviderSpec
) -> Iterator[WorkspaceOutcome]:
    """Outcomes as they come, several workspaces at a time."""
    slugs = _wanted(context, runtime, spec)
    direction = _direction(spec, context.selected_asset_keys)
    is_full = context.run.tags.get(FULL) == "true"

    def sync_one(slug: str) -> WorkspaceOutcome:
        request = SyncRequest(
            workspace=slug,
            provider=spec.name,
            direction=direction or Direction.BIDIRECTIONAL,
            is_full=is_full,
            dagster_run_id=context.run.run_id,
        )
        return _sync_one(runtime, request, is_preview=direction is None)

    with ThreadPoolExecutor(WORKERS, thread_name_prefix=f"{spec.name}_sync") as pool:
        yield from pool.map(sync_one, slugs)


def _wanted(context: dg.AssetExecutionContext, runtime: Runtime, spec: ProviderSpec) -> list[str]:
    """The partitions of this run; for a scheduled run only those that are due."""
    slugs = list(context.partition_keys)
    if context.run.tags.get(ONLY_DUE) != "true":
        return slugs
    with runtime.database.admin() as connection:
        found = connections.due_connections(connection, runtime.clock(), 1_000_000)
    due = {each.workspace_slug for each in found if each.integration_type == spec.name}
    return [slug for slug in slugs if slug in due]


def _direction(spec: ProviderSpec, selected: set[dg.AssetKey] | frozenset[dg.AssetKey]) -> Direction | None:
    """The direction that the selected assets ask for; None for a preview."""
    wanted = {
        direction
        for direction in (Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL)
        if dg.AssetKey([spec.name, direction.value]) in selected
    }
    if len(wanted) == 2:
        return Direction.BIDIRECTIONAL
    return next(iter(wanted), None)


def _sync_one(runtime: Runtime, request: SyncRequest, *, is_preview: bool) -> WorkspaceOutcome:
    """One workspace; whatever happens to it stays with it."""
    slug = request.workspace
    try:
        reason = _reason_to_skip(runtime, request)
        if reason:
            return WorkspaceOutcome(slug=slug, skipped=reason)
        report = plan_only(runtime, request) if is_preview else run_sync(runtime, request)
    except BusyError as error:
        return WorkspaceOutcome(slug=slug, skipped=str(error))
    except IntegrationError as error:
        return WorkspaceOutcome(slug=slug, failed=str(error))
    except Exception as error:  # noqa: BLE001 - a defect in one workspace's data must not stop the others
        # Where it happened, but not its message: that may hold somebody's data.
        _log.error("%s: unexpected %s\n%s", slug, type(error).__name__, "".join(format_tb(error.__traceback__)))
        return WorkspaceOutcome(slug=slug, failed=f"unexpected {type(error).__name__}; see the run's stderr")
    failed = report.error if report.status is RunStatus.FAILED else ""
    return WorkspaceOutcome(slug=slug, report=report, failed=failed)


def _reason_to_skip(runtime: Runtime, request: SyncRequest) -> str:
    try:
        with runtime.database.admin() as connection:
            workspace = workspaces.find_workspace(connection, request.workspace)
    except ConfigurationError:
        return "the workspace does not exist any more"
    with runtime.database.workspace(workspace.id) as connection:
        row = connections.get_connection(connection, workspace.id, request.provider)
    if row is None:
        return f"no {request.provider} connection"
    if not row.sync_enabled:
        return f"the {request.provider} connection is disabled"
    return "" if row.status == "active" else f"the {request.provider} connection is in status {row.status}"


def _events(
    spec: ProviderSpec,
    slug: str,
    report: SyncReport,
    selected: set[dg.AssetKey] | frozenset[dg.AssetKey],
) -> Iterator[dg.AssetMaterialization]:
    metadata = {
        "contacts": contacts_metadata(report),
        "plan": plan_metadata(report),
        "to_external": direction_metadata(report, Direction.TO_EXTERNAL),
        "from_external": direction_metadata(report, Direction.FROM_EXTERNAL),
    }
    for name, values in metadata.items():
        key = dg.AssetKey([spec.name, name])
        if key in selected:
            yield dg.AssetMaterialization(asset_key=key, partition=slug, metadata=values)


def _end(context: dg.AssetExecutionContext, outcomes: list[WorkspaceOutcome]) -> Iterator[dg.AssetMaterialization]:
    """One line about those skipped; then failure, if any failed, naming them.

    In a run that fails, every partition without an event shows as failed; so there the skipped ones get one.
    """
    skipped = {outcome.slug: outcome.skipped for outcome in outcomes if outcome.skipped}
    failed = {outcome.slug: outcome.failed for outcome in outcomes if outcome.failed}
    if skipped:
        context.log.info(f"{len(skipped)} workspaces skipped: {_named(skipped)}")
    for outcome in outcomes:
        if outcome.report and not outcome.failed:
            observed = {"contacts_compared": int(outcome.report.plan.considered.get(Direction.TO_EXTERNAL, 0))}
            context.log_event(dg.AssetObservation(asset_key=REGISTRY_KEY, partition=outcome.slug, metadata=observed))
    if not failed:
        return
    for slug, reason in skipped.items():
        for key in sorted(context.selected_asset_keys):
            metadata = {"status": "skipped", "reason": reason}
            yield dg.AssetMaterialization(asset_key=key, partition=slug, metadata=metadata)
    raise dg.Failure(
        description=f"{len(failed)} of {len(outcomes)} workspaces failed: {_named(failed)}",
        metadata={"failed": dg.MetadataValue.json(failed)},
        allow_retries=False,
    )


def _named(reasons: Mapping[str, str], limit: int = 10) -> str:
    shown = [f"{slug} ({reason})" for slug, reason in list(reasons.items())[:limit]]
    more = len(reasons) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")
