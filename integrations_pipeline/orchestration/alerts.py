"""The sensor that tells people. Belongs here: when. Does not: what is told, and how (`alerts`)."""

import dagster as dg

from integrations_pipeline.alerts.watch import tell
from integrations_pipeline.orchestration.resources import SyncResource
from integrations_pipeline.settings import ALERT_URLS
from integrations_pipeline.wiring import read_settings

TICK_SECONDS = 60


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes an alert for every change that needs a person, and sends those that wait. See "
    "docs/operations.md, section Alerts.",
)
def alerts_sensor(sync: SyncResource) -> dg.SkipReason:
    addresses = read_settings().alert_urls
    with sync.runtime() as runtime:
        return dg.SkipReason(tell(runtime.database, ALERT_URLS, addresses, runtime.clock).sentence)
