"""What of our own tables may go, and when: old log rows, activity, finished changes, previews, pace.

Belongs here: the rules, and carrying them out in small transactions. Does not: what a rule spares (the
function `integrations_trim` of migration 0002 says that), Dagster's tables (`dagster_log`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from integrations_pipeline.store import alerts
from integrations_pipeline.store.database import Database

#: Rows of one transaction: short enough that nobody waits for it.
BATCH = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`what` is a name that `integrations_trim` knows."""

    what: str
    keep_days: int


#: In this order: a log row stays while a row of the journal points to it.
RULES: Sequence[Rule] = (
    Rule(what="changes", keep_days=90),
    Rule(what="previews", keep_days=7),
    # Of runs that found nothing to do: nearly all rows. A week's report counts them.
    Rule(what="quiet_logs", keep_days=8),
    Rule(what="sync_logs", keep_days=90),
    Rule(what="activity", keep_days=90),
    Rule(what="rate_limits", keep_days=2),
)


def trim(database: Database, now: datetime, rules: Sequence[Rule] = RULES, batch: int = BATCH) -> dict[str, int]:
    """Carry the rules out; returns how many rows went by each. Rows that a person may still need stay, however
    old: held, failed, skipped and approved changes, the last log rows of each connection, what was last told of it."""
    gone = {rule.what: _trim(database, rule, now, batch) for rule in rules}
    return {**gone, "alerts": alerts.trim(database, now, batch)}


def _trim(database: Database, rule: Rule, now: datetime, batch: int) -> int:
    statement = text("select integrations_trim(:what, :until, :batch)")
    bound = {"what": rule.what, "until": now - timedelta(days=rule.keep_days), "batch": batch}
    total = 0
    while True:
        with database.admin() as connection:
            gone = int(connection.execute(statement, bound).scalar_one())
        total += gone
        if gone < batch:
            return total
