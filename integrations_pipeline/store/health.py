"""How the fleet is: what is not as it should be, per workspace, read at once for all of them.

Belongs here: the questions behind the asset checks and `integrations status`. Does not: how bad a finding is.
Most of it is told by the function `integrations_findings` of migration 0012: slugs and amounts, no data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, text

from integrations_pipeline.store.connections import FULL_READ_EVERY
from integrations_pipeline.store.verification import LAST_CERTIFICATE


class Finding(StrEnum):
    """What can be wrong with a workspace's connection; what the amount counts."""

    COUNTS = "counts"  # directions whose last log row does not agree with the journal, or counts below zero
    HELD_DELETES = "held_deletes"
    OPEN_CONFLICTS = "open_conflicts"
    DEAD_LETTERS = "dead_letters"
    STOPPED = "stopped"  # failed runs of a connection in status error or disconnected
    FAILING = "failing"  # failed runs of a connection that is tried again
    STALE = "stale"  # minutes since the last sync, where that is more than twice the frequency
    UNREAD = "unread"  # hours since everything was read, where a run should have done it again
    STOPPED_FIELDS = "stopped_fields"  # fields that neither side gets, because of the provider's columns
    INCONSISTENT = "inconsistent"  # pairs that differed when both sides were last compared in full


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Of one provider: how many enabled connections were looked at, and per finding slug → amount."""

    checked: int
    findings: Mapping[Finding, Mapping[str, int]] = field(default_factory=dict)

    def of(self, *wanted: Finding) -> dict[str, int]:
        """Slug → amount of these findings, the largest first."""
        found = {slug: amount for each in wanted for slug, amount in self.findings.get(each, {}).items()}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


#: A connection that was just made or enabled has its next run before it.
_READS = text(
    """
    with mine as (
        select c.id, w.slug, c.status, c.sync_frequency_minutes,
            case when c.next_sync_at is null then greatest(c.updated_at, c.last_full_at)
                else coalesce(c.last_full_at, c.created_at) end as read_at
        from integration_connections c
        join workspaces w on w.id = c.workspace_id
        where c.integration_type = :type and c.sync_enabled and c.status = 'active'
    )
    select 'unread', slug, (extract(epoch from cast(:now as timestamptz) - read_at) / 3600)::bigint
    from mine
    where read_at < cast(:now as timestamptz) - cast(:every as interval)
        - make_interval(mins => 2 * sync_frequency_minutes)
    union all
    select 'stopped_fields', m.slug, count(*)
    from mine m
    join integration_agenda a on a.connection_id = m.id and a.kind = 'stopped_field'
    group by m.slug
    """
)
_CERTIFICATES = text(
    f"""
    select 'inconsistent', w.slug, v.amount
    from integration_connections c join workspaces w on w.id = c.workspace_id {LAST_CERTIFICATE}
    where c.integration_type = :type and c.sync_enabled and v.amount > 0
    """  # noqa: S608 - constants
)
_BOUND = {"every": FULL_READ_EVERY}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionState:
    """How one connection is, and what of it waits for a person; without its credentials, settings and cursor.

    `fresh_at`: since when a success is waited for: the last one, or when the connection was made or enabled; `read_at`
    the same for full reads.
    """

    workspace_slug: str
    integration_type: str
    status: str
    sync_enabled: bool
    frequency_minutes: int
    error_count: int
    error_message: str | None
    last_sync_at: datetime | None
    last_full_at: datetime | None
    next_sync_at: datetime | None
    fresh_at: datetime
    read_at: datetime
    stopped_fields: tuple[str, ...]
    held: int
    conflicts: int
    failed: int

    def is_stale(self, now: datetime) -> bool:
        """Not synced within twice its frequency, like the finding."""
        return now - self.fresh_at > 2 * timedelta(minutes=self.frequency_minutes)

    def is_unread(self, now: datetime) -> bool:
        """Not read whole within a day and twice its frequency, like the finding."""
        return now - self.read_at > FULL_READ_EVERY + 2 * timedelta(minutes=self.frequency_minutes)


_STATES = text(
    """
    select w.slug as workspace_slug, c.integration_type, c.status, c.sync_enabled,
        c.sync_frequency_minutes as frequency_minutes, c.error_count, c.error_message,
        c.last_sync_at, c.last_full_at, c.next_sync_at,
        case when c.next_sync_at is null then c.updated_at else coalesce(c.last_sync_at, c.created_at) end as fresh_at,
        case when c.next_sync_at is null then greatest(c.updated_at, c.last_full_at)
            else coalesce(c.last_full_at, c.created_at) end as read_at,
        coalesce(a.stopped_fields, '{}') as stopped_fields,
        coalesce(a.held, 0) as held, coalesce(a.conflicts, 0) as conflicts, coalesce(a.failed, 0) as failed
    from integration_connections c
    join workspaces w on w.id = c.workspace_id
    left join (
        select connection_id,
            count(*) filter (where starts_with(kind, 'held_')) as held,
            count(*) filter (where kind = 'conflict') as conflicts,
            count(*) filter (where kind in ('failed', 'refused')) as failed,
            array_agg(field order by field) filter (where kind = 'stopped_field') as stopped_fields
        from integration_agenda where kind <> 'retry' and decision is null group by connection_id
    ) a on a.connection_id = c.id
    where (cast(:slug as text) is null or w.slug = :slug)
        and (cast(:type as text) is null or c.integration_type = :type)
    order by w.slug, c.integration_type
    """
)


def read_states(
    connection: Connection, workspace_slug: str | None = None, integration_type: str | None = None
) -> list[ConnectionState]:
    """Every connection of the fleet, or those of one workspace or provider, in one question."""
    found = connection.execute(_STATES, {"slug": workspace_slug, "type": integration_type})
    return [ConnectionState(**{**row._mapping, "stopped_fields": tuple(map(str, row.stopped_fields))}) for row in found]


def read_health(connection: Connection, integration_type: str, now: datetime) -> Health:
    statement = text("select finding, workspace_slug, amount from integrations_findings(:type, :now)")
    checked = 0
    findings: dict[Finding, dict[str, int]] = {}
    for finding, slug, amount in connection.execute(statement, {"type": integration_type, "now": now}):
        if finding == "checked":
            checked = amount
        else:
            findings.setdefault(Finding(finding), {})[slug] = amount
    for finding, slug, amount in connection.execute(_READS, {"type": integration_type, "now": now, **_BOUND}):
        findings.setdefault(Finding(finding), {})[slug] = amount
    for finding, slug, amount in connection.execute(_CERTIFICATES, {"type": integration_type}):
        findings.setdefault(Finding(finding), {})[slug] = amount
    return Health(checked=checked, findings=findings)
