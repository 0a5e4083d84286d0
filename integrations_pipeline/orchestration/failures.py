"""How a failed sync is shown on the workspace's own partition: by its error, not by what the last good sync said.

Belongs here: the events that do it. Does not: which sync failed (`batch`), what a report shows (`metadata`).

Dagster shows a partition's newest materialization, and in its place what was observed after it, label by label. So a
failure is an observation, with every label of that materialization: a materialization would count as done, for
backfills and for whatever is automated on it. Where nothing was ever materialised, Dagster shows no observation
either. There a materialization outside of any run carries the error, and what the run planned is told once more after
it: the partition goes on counting as failed, and is not missing any more than it was. A run of those that are due
planned its assets and no partition (`storage`); there each partition that failed is planned here.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import dagster as dg

from integrations_pipeline.model import RunStatus
from integrations_pipeline.orchestration.batch import WorkspaceOutcome
from integrations_pipeline.orchestration.metadata import Told
from integrations_pipeline.orchestration.shapes import AssetShape
from integrations_pipeline.sync.report import SyncReport


def failure_metadata(shape: AssetShape, provider: str, outcome: WorkspaceOutcome) -> dict[str, Any]:
    """What the asset's partition shows of a workspace that failed, or that is skipped and in trouble."""
    message = outcome.failed or outcome.trouble
    told = outcome.told or _nothing_done(provider, outcome.slug, message)
    why = {"skipped": outcome.skipped} if outcome.skipped else {}
    first = {"status": RunStatus.FAILED.value, "error": message, **why}
    return {**first, **shape.show(told), **first}


def _nothing_done(provider: str, slug: str, message: str) -> Told:
    """For a sync that ended without a report: all counts are zero."""
    report = SyncReport(
        workspace=slug,
        provider=provider,
        run_id=None,
        plan_id=None,
        results=(),
        conflicts=0,
        held=0,
        api_calls=0,
        status=RunStatus.FAILED,
        error=message,
    )
    return Told(report=report)


class FailureBoard:
    """Puts failures on partitions, for one run: one that planned them and ends, or ended, as failed."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._instance = instance
        self._run_id = run_id

    def show(self, key: dg.AssetKey, slug: str, metadata: Mapping[str, Any]) -> None:
        wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[slug])
        newest = self._instance.fetch_materializations(wanted, limit=1).records
        shown = newest[0].asset_materialization if newest else None
        if shown is not None:
            blank = {label: dg.MetadataValue.null() for label in shown.metadata if label not in metadata}
            self.observe(key, slug, {**metadata, **blank})
        elif planned := self._planned_of(key, slug):
            first = dg.AssetMaterialization(asset_key=key, partition=slug, metadata=metadata)
            self._instance.report_runless_asset_event(first)
            self._instance.report_dagster_event(planned, self._run_id)

    def observe(self, key: dg.AssetKey, slug: str, metadata: Mapping[str, Any]) -> None:
        """As `show`, without asking what is there: cheaper, for many at once. Labels of others stay visible."""
        observed = dg.AssetObservation(asset_key=key, partition=slug, metadata=metadata)
        self._instance.report_runless_asset_event(observed)
        if (key, slug) not in self._planned and (planned := self._planned_of(key, slug)):
            self._instance.report_dagster_event(planned, self._run_id)

    def has_planned(self, slug: str) -> bool:
        """Whether the run planned this partition by itself: without an event it counts as failed."""
        return any(partition == slug for _, partition in self._planned)

    def _planned_of(self, key: dg.AssetKey, slug: str) -> dg.DagsterEvent | None:
        """By which event the run planned this partition; a run of those that are due planned the asset (`storage`)."""
        known = self._planned.get((key, slug))
        whole = self._planned.get((key, None))
        if known or whole is None:
            return known
        own = whole.asset_materialization_planned_data._replace(partition=slug, partitions_subset=None)
        return whole._replace(event_specific_data=own)

    @cached_property
    def _planned(self) -> Mapping[tuple[dg.AssetKey | None, str | None], dg.DagsterEvent]:
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        records = self._instance.get_records_for_run(self._run_id, of_type=kind).records
        events = (record.event_log_entry.get_dagster_event() for record in records)
        return {(event.asset_key, event.partition): event for event in events}
