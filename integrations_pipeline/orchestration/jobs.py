"""The jobs: one sync per provider, and the fleet's health. Belongs here: asset selections. Does not: the job for all
providers, whose assets have different partitions (`everything`); schedules.

Dagster does not export the type that `define_asset_job` returns, hence `Any`.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from integrations_pipeline.orchestration.checks import checks_of, connections_key
from integrations_pipeline.providers.base import ProviderSpec

HEALTH_JOB = "fleet_health"
#: On every run that a sensor or schedule asks for. What a person launches has priority 0 and leaves the queue first.
AUTOMATIC = {"dagster/priority": "-1"}


def job_name(provider: str) -> str:
    return f"{provider}_sync_job"


def build_provider_job(spec: ProviderSpec) -> Any:
    """Without the checks: they are about the fleet, and a shard's run need not ask about it."""
    return dg.define_asset_job(
        name=job_name(spec.name),
        selection=dg.AssetSelection.groups(spec.name).without_checks(),
        description=f"Sync the chosen workspaces with {spec.title}, both ways.",
    )


def build_health_job(specs: Sequence[ProviderSpec]) -> Any:
    keys = [dg.AssetCheckKey(asset_key=connections_key(spec), name=name) for spec in specs for name in checks_of(spec)]
    return dg.define_asset_job(
        name=HEALTH_JOB,
        selection=dg.AssetSelection.checks(*keys),
        description="How the connections of all workspaces are: one question per provider.",
    )
