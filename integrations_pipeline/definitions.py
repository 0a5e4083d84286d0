"""The Dagster entry point: `build_definitions` assembles, `defs` is what Dagster loads.

Importing it touches no network, database or secret, and needs no environment.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from integrations_pipeline.orchestration.alerts import alerts_sensor
from integrations_pipeline.orchestration.assets import build_provider_assets, registry
from integrations_pipeline.orchestration.checks import build_connections, build_health_checks
from integrations_pipeline.orchestration.decisions import decision_job
from integrations_pipeline.orchestration.everything import build_all_job
from integrations_pipeline.orchestration.fleet_plan import fleet_plan
from integrations_pipeline.orchestration.jobs import build_health_job, build_provider_job
from integrations_pipeline.orchestration.lost_runs import lost_runs_sensor
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.orchestration.retention import retention_job, retention_schedule
from integrations_pipeline.orchestration.schedules import health_schedule
from integrations_pipeline.orchestration.sensors import build_due_sensor, workspace_partitions_sensor
from integrations_pipeline.orchestration.upkeep import upkeep_job, upkeep_schedule
from integrations_pipeline.orchestration.verification import verification_job, verification_schedule
from integrations_pipeline.providers.registry import provider_specs


def build_definitions(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Everything Dagster knows of, for every installed provider; `resources` override the default ones."""
    specs = list(provider_specs().values())
    return dg.Definitions(
        assets=[
            registry,
            fleet_plan,
            *(build_connections(spec) for spec in specs),
            *(build_provider_assets(spec) for spec in specs),
        ],
        asset_checks=[build_health_checks(spec) for spec in specs],
        jobs=[
            *(build_provider_job(spec) for spec in specs),
            build_all_job(specs),
            build_health_job(specs),
            decision_job,
            retention_job,
            upkeep_job,
            verification_job,
        ],
        sensors=[
            workspace_partitions_sensor,
            lost_runs_sensor,
            alerts_sensor,
            *(build_due_sensor(spec) for spec in specs),
        ],
        schedules=[
            health_schedule,
            retention_schedule,
            upkeep_schedule,
            verification_schedule,
        ],
        resources={"sync": SyncResource(), **(resources or {})},
        executor=dg.in_process_executor,
    )


defs = build_definitions()
