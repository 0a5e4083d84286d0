"""When a run reads everything instead of what changed: once a day and connection, by whichever run comes next.

Belongs here: that decision, which is pure. Does not: reading (`reading`), writing down that it was done (`checkpoint`).

A feed or a filter cannot tell everything, such as deletes that a filter does not see. Connections that were loaded
together would come due together; so those who run a fleet take each a share of `EARLY` sooner, always the same for the
same connection, and nobody has to wait for a certain hour.
"""

from datetime import datetime

from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.store.connections import FULL_READ_EVERY

#: The part of the day in which a fleet's full reads are spread.
EARLY = 0.25


def is_full_read_due(last_full_at: datetime | None, now: datetime, spec: ProviderSpec, *, share: float = 1.0) -> bool:
    """Whether the last one is older than a day, or for a fleet's run, by the connection's `share` in [0, 1), up to a
    quarter of it sooner. A mailbox has nothing that could be read whole."""
    if spec.contacts is None:
        return False
    after = FULL_READ_EVERY * (1 - EARLY * (1 - share))
    return last_full_at is None or now - last_full_at >= after
