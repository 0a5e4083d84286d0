"""One look at the fleet: what is to be told is written into the outbox, and what waits there is sent.

Belongs here: the order of things, for Dagster's sensor and the command line alike. Does not: the rules (`decision`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from integrations_pipeline.alerts.decision import CONFLICT_AGE, decide
from integrations_pipeline.alerts.destinations import build_destinations
from integrations_pipeline.alerts.sending import Clock, send_waiting
from integrations_pipeline.layout import amount
from integrations_pipeline.store import alerts
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.deliveries import DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertReport:
    """What one look came to: alerts written, messages by what became of them, and how many destinations there are."""

    written: int
    destinations: int
    sent: int = 0
    waiting: int = 0
    failed: int = 0

    @property
    def sentence(self) -> str:
        if not self.destinations:
            return f"{amount(self.written, 'alert')} written, none sent: no destination is configured"
        return (
            f"{amount(self.written, 'alert')} written; {amount(self.sent, 'message')} sent, {self.waiting} to be tried "
            f"again, {self.failed} given up"
        )


def tell(database: Database, variable: str, addresses: Sequence[str], clock: Clock) -> AlertReport:
    """Look, write and send. `ConfigurationError` for addresses that apprise does not understand, when the others were
    served."""
    written = look(database, clock)
    built = build_destinations(variable, addresses)
    counts = send_waiting(database, built.destinations, clock, lost_keys=built.lost_keys)
    destinations = built.require()
    return AlertReport(
        written=written,
        destinations=len(destinations),
        sent=counts[DeliveryState.SENT],
        waiting=counts[DeliveryState.WAITING],
        failed=counts[DeliveryState.FAILED],
    )


def look(database: Database, clock: Clock) -> int:
    """Write what is to be told; returns how many alerts. Of two at once the second does nothing."""
    with database.admin() as connection:
        if not alerts.try_lock(connection):
            return 0
        now = clock()
        fleet = alerts.read_fleet(connection, now, CONFLICT_AGE)
        found = decide(fleet, alerts.read_told(connection))
        alerts.write(connection, found, now)
    return len(found)
