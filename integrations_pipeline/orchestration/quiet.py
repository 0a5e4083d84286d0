"""What a run leaves in Dagster of workspaces that had nothing to do: counts of the fleet instead of events of each.

Belongs here: whose partitions need no event, and those counts. Does not: which sync was quiet (`sync.report.is_quiet`,
`batch`), the events of all others (`assets`).

A thousand workspaces that are looked at every 15 minutes would write 768,000 events a day, nearly all of which say that
nothing happened. So a workspace gets materializations when something happened, once more by the next quiet run, once a
day by the read of everything, and whenever its partition is not shown as materialised.
"""

from collections.abc import Sequence

import dagster as dg

from integrations_pipeline.orchestration.batch import WorkspaceOutcome
from integrations_pipeline.orchestration.checks import connections_key
from integrations_pipeline.orchestration.partitions import workspace_partitions
from integrations_pipeline.orchestration.shapes import key_of, shapes
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.sync.report import is_quiet


def shown_as_done(context: dg.AssetExecutionContext, spec: ProviderSpec, slugs: Sequence[str]) -> set[str]:
    """Workspaces whose partitions Dagster shows as materialised: neither failed nor missing, nor in progress, as are
    all that the run planned (on Dagster's own storage; ours plans none of those that are due). One asset stands for
    all: who fails or is skipped does so for every asset of the step."""
    keys = [key_of(spec, shape.name) for shape in shapes(spec)]
    key = next(key for key in reversed(keys) if key in context.selected_asset_keys)
    states = context.instance.get_status_by_partition(key, slugs, workspace_partitions(spec.name)) or {}
    return {slug for slug, state in states.items() if state is dg.AssetPartitionStatus.MATERIALIZED}


def observe_connections(
    context: dg.OpExecutionContext, spec: ProviderSpec, outcomes: Sequence[WorkspaceOutcome]
) -> None:
    """One observation of the provider's connections per run: numbers that plot over time."""
    reports = [outcome.told.report for outcome in outcomes if outcome.told and outcome.is_done]
    metadata = {
        "synced": len(reports),
        "nothing_to_do": sum(map(is_quiet, reports)),
        "failed": sum(bool(outcome.failed) for outcome in outcomes),
        "skipped": sum(bool(outcome.skipped) for outcome in outcomes),
    }
    context.log_event(dg.AssetObservation(asset_key=connections_key(spec), metadata=metadata))
