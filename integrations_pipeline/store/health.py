"""How the fleet is: what is not as it should be, per workspace, read at once for all of them.

Belongs here: the question behind the asset checks. Does not: how bad a finding is (`orchestration.checks`).
The statement is the function `integrations_findings` of migration 0002; it tells slugs and amounts, no data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, text


class Finding(StrEnum):
    """What can be wrong with a workspace's connection; what the amount counts."""

    COUNTS = "counts"  # directions whose last log row does not agree with the journal, or counts below zero
    HELD_DELETES = "held_deletes"
    OPEN_CONFLICTS = "open_conflicts"
    DEAD_LETTERS = "dead_letters"
    STOPPED = "stopped"  # failed runs of a connection in status error or disconnected
    FAILING = "failing"  # failed runs of a connection that is tried again
    STALE = "stale"  # minutes since the last sync, where that is more than twice the frequency


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Of one provider: how many enabled connections were looked at, and per finding slug → amount."""

    checked: int
    findings: Mapping[Finding, Mapping[str, int]] = field(default_factory=dict)

    def of(self, *wanted: Finding) -> dict[str, int]:
        """Slug → amount of these findings, the largest first."""
        found = {slug: amount for each in wanted for slug, amount in self.findings.get(each, {}).items()}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def read_health(connection: Connection, integration_type: str, now: datetime) -> Health:
    statement = text("select finding, workspace_slug, amount from integrations_findings(:type, :now)")
    checked = 0
    findings: dict[Finding, dict[str, int]] = {}
    for finding, slug, amount in connection.execute(statement, {"type": integration_type, "now": now}):
        if finding == "checked":
            checked = amount
        else:
            findings.setdefault(Finding(finding), {})[slug] = amount
    return Health(checked=checked, findings=findings)
