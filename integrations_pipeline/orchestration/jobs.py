"""The jobs: one per provider and one for all. Belongs here: asset selections. Does not: schedules.

Dagster does not export the type that `define_asset_job` returns, hence `Any`.
"""

from typing import Any

import dagster as dg

from integrations_pipeline.providers.base import ProviderSpec

ALL_JOB = "sync_all"


def job_name(provider: str) -> str:
    return f"{provider}_sync_job"


def build_provider_job(spec: ProviderSpec) -> Any:
    return dg.define_asset_job(
        name=job_name(spec.name),
        selection=dg.AssetSelection.groups(spec.name),
        description=f"Sync the chosen workspaces with {spec.title}, both ways.",
    )


def build_all_job(names: list[str]) -> Any:
    return dg.define_asset_job(
        name=ALL_JOB,
        selection=dg.AssetSelection.groups(*names),
        description="Sync the chosen workspaces with every provider.",
    )
