"""Figures of what was done in a period: amounts, causes and times, of one workspace or of all. No contact's values.

Belongs here: the questions behind `integrations report`. Does not: how they look (`telling.page`). Texts of causes come
with ids, addresses and long numbers blanked, so that equal causes are one row and nothing of a person is told.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

#: What a cause tells of one record: e-mails, ids of ours and of providers, hashes, numbers that are no status or count.
_BLANKED = (
    r"'[^\s<>(),;]+@[^\s<>(),;]+'",
    r"'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'",
    r"'\m(rec|tbl|app|fld|usr)[A-Za-z0-9]{14}\M'",
    r"'\m[0-9a-f]{16,}\M'",
    r"'\m[0-9]{5,}\M'",
)


def _blanked(expression: str) -> str:
    for pattern in _BLANKED:
        expression = f"regexp_replace({expression}, {pattern}, '…', 'g')"
    return expression


#: Of a table `t` with a workspace: the one that is asked for, or all.
_OF_SCOPE = "(cast(:workspace_id as uuid) is null or t.workspace_id = :workspace_id)"
_RUN = "coalesce(t.run_id, t.id)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What a report is about: from `since` up to `until`, of one workspace, or of all where there is no id."""

    since: datetime
    until: datetime
    workspace_id: UUID | None

    @property
    def bound(self) -> dict[str, Any]:
        return {"since": self.since, "until": self.until, "workspace_id": self.workspace_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRow:
    """What the runs of one provider, direction and UTC day did; quiet runs count among `runs`."""

    provider: str
    direction: str
    day: date
    runs: int
    created: int
    updated: int
    deleted: int
    failed: int
    api_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """How many runs of a provider ended so."""

    provider: str
    status: str
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseRow:
    """One cause of failures. `what`: `run`, or the change that failed; `times`: failures, `who`: workspaces of runs,
    records of changes."""

    provider: str
    what: str
    cause: str
    times: int
    who: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCount:
    """What waits now, by kind, and how many of it are decided and wait for the next run."""

    provider: str
    kind: str
    count: int
    decided: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """What a person decided: the action on record, by whom, how often and for how many records."""

    name: str
    action: str
    decided_by: str
    times: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictCount:
    """Conflicts of one field that were settled, by policy and winner."""

    provider: str
    field_name: str
    policy: str
    winner: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayRow:
    """Seconds from an edit to the other side, of one provider and side. `known`: changes whose edit has a time, with
    median and 95th percentile; `bounded`: the others, with the most that it can have been."""

    provider: str
    side: str
    known: int
    median: float | None
    p95: float | None
    bounded: int
    median_most: float | None
    p95_most: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRow:
    """E-mails of one UTC day: what was `sent` and what came back, by the kind of answer."""

    day: date
    kind: str
    count: int


def read_volumes(connection: Connection, period: Period) -> list[VolumeRow]:
    statement = text(
        "select i.integration_type as provider, t.direction, cast(t.started_at at time zone 'UTC' as date) as day, "  # noqa: S608
        f"count(distinct {_RUN}) as runs, sum(t.records_created) as created, sum(t.records_updated) as updated, "
        "sum(t.records_deleted) as deleted, sum(t.records_failed) as failed, sum(t.api_calls) as api_calls "
        "from integration_sync_logs t join integration_connections i on i.id = t.connection_id "
        f"where {_OF_SCOPE} and t.started_at >= :since and t.started_at < :until group by 1, 2, 3 order by 1, 2, 3"
    )
    return [VolumeRow(**row._mapping) for row in connection.execute(statement, period.bound)]


def read_runs(connection: Connection, period: Period) -> list[RunRow]:
    statement = text(
        f"select i.integration_type as provider, t.status, count(distinct {_RUN}) as runs "  # noqa: S608 - constants
        "from integration_sync_logs t join integration_connections i on i.id = t.connection_id "
        f"where {_OF_SCOPE} and t.started_at >= :since and t.started_at < :until group by 1, 2 order by 1, 2"
    )
    return [RunRow(**row._mapping) for row in connection.execute(statement, period.bound)]


def read_causes(connection: Connection, period: Period) -> list[CauseRow]:
    """Why runs failed, and why changes did, the most frequent first. A change fails anew in each run that tries it."""
    of_runs = text(
        f"select i.integration_type as provider, 'run' as what, {_blanked('t.errors ->> 0')} as cause, "  # noqa: S608
        f"count(distinct {_RUN}) as times, count(distinct t.workspace_id) as who, max(t.started_at) as last_at "
        "from integration_sync_logs t join integration_connections i on i.id = t.connection_id "
        f"where {_OF_SCOPE} and t.status = 'failed' and t.started_at >= :since and t.started_at < :until "
        "and jsonb_array_length(t.errors) > 0 group by 1, 2, 3 order by times desc, 1, 3"
    )
    of_changes = text(
        "select i.integration_type as provider, t.kind || case t.side when 'remote' then ' there' else ' here' end "  # noqa: S608
        f"as what, {_blanked('t.reason')} as cause, count(*) as times, "
        "count(distinct coalesce(t.contact_id::text, t.external_id)) as who, max(t.created_at) as last_at "
        "from integration_changes t join integration_connections i on i.id = t.connection_id "
        f"where {_OF_SCOPE} and (t.state = 'failed' or (t.state = 'superseded' and t.error_class is not null)) "
        "and t.reason is not null and t.created_at >= :since and t.created_at < :until "
        "group by 1, 2, 3 order by times desc, 1, 2, 3"
    )
    return [
        CauseRow(**row._mapping)
        for statement in (of_runs, of_changes)
        for row in connection.execute(statement, period.bound)
    ]


def read_waiting(connection: Connection, period: Period) -> list[WaitingCount]:
    """What waits at this moment, whenever it came up; what only the next run looks at is left out."""
    statement = text(
        "select i.integration_type as provider, t.kind, count(*) as count, "  # noqa: S608 - constants
        "count(*) filter (where t.decision is not null) as decided, min(t.created_at) as oldest_at "
        "from integration_agenda t join integration_connections i on i.id = t.connection_id "
        f"where {_OF_SCOPE} and t.kind <> 'retry' group by 1, 2 order by count desc, 1, 2"
    )
    return [WaitingCount(**row._mapping) for row in connection.execute(statement, period.bound)]


def read_decisions(connection: Connection, period: Period) -> list[DecisionRow]:
    """What people decided, as it stands in the activity; who, where they said so."""
    statement = text(
        "select t.integration_name as name, t.action, coalesce(t.metadata ->> 'decided_by', t.metadata ->> 'by', "  # noqa: S608
        "t.metadata ->> 'operator', '') as decided_by, count(*) as times, sum(t.records_affected) as records "
        f"from integration_activity t where {_OF_SCOPE} and t.created_at >= :since and t.created_at < :until "
        "and t.action ~ '^(hold|conflict|delete|failure|decision|undo|suppression)' "
        "group by 1, 2, 3 order by times desc, 1, 2, 3"
    )
    return [DecisionRow(**row._mapping) for row in connection.execute(statement, period.bound)]


def read_conflicts(connection: Connection, period: Period) -> list[ConflictCount]:
    statement = text(
        "select i.integration_type as provider, f.name as field_name, t.conflict ->> 'policy' as policy, "  # noqa: S608
        "coalesce(t.conflict ->> 'winner', '') as winner, count(*) as count "
        "from integration_changes t join integration_connections i on i.id = t.connection_id "
        "cross join lateral jsonb_object_keys(t.conflict -> 'fields') as f(name) "
        f"where {_OF_SCOPE} and t.state in ('applied', 'undone') and jsonb_typeof(t.conflict -> 'fields') = 'object' "
        "and t.updated_at >= :since and t.updated_at < :until group by 1, 2, 3, 4 order by count desc, 1, 2, 3, 4"
    )
    return [ConflictCount(**row._mapping) for row in connection.execute(statement, period.bound)]


#: A contact's own time tells the edit that a write carried only if it was not changed since, and only of the first
#: write after it. Other writes carry an edit made after the run before had read: that is the most it can have been. An
#: edit older than its connection has waited since that was made.
_DELAYS = f"""
    with runs as (
        select t.connection_id, t.run_id, lag(min(t.started_at)) over w as earlier_at
        from integration_sync_logs t where {_OF_SCOPE} and t.run_id is not null and t.started_at < :until
        group by t.connection_id, t.run_id window w as (partition by t.connection_id order by min(t.started_at))
    ), written as (
        select i.integration_type as provider, t.side, t.updated_at as done_at, r.earlier_at,
            case when t.side = 'remote' and c.updated_at <= t.created_at and c.deleted_at is null
                and 1 = row_number() over (
                    partition by t.connection_id, t.contact_id, t.side, c.updated_at <= t.created_at order by t.ordinal)
                then greatest(c.updated_at, i.created_at) end as edited_at
        from integration_changes t
        join integration_connections i on i.id = t.connection_id
        left join workspace_contacts c on c.id = t.contact_id and c.workspace_id = t.workspace_id
        left join runs r on r.connection_id = t.connection_id and r.run_id = t.run_id
        where {_OF_SCOPE} and t.state in ('applied', 'undone') and t.kind in ('create', 'update')
            and t.updated_at >= :since and t.updated_at < :until
    ), timed as (
        select provider, side,
            case when edited_at is not null then greatest(0, extract(epoch from done_at - edited_at)) end as known,
            case when edited_at is null and earlier_at is not null
                then greatest(0, extract(epoch from done_at - earlier_at)) end as bounded
        from written
    )
    select provider, side, count(known) as known,
        percentile_cont(0.5) within group (order by known) as median,
        percentile_cont(0.95) within group (order by known) as p95,
        count(bounded) as bounded,
        percentile_cont(0.5) within group (order by bounded) as median_most,
        percentile_cont(0.95) within group (order by bounded) as p95_most
    from timed group by provider, side order by provider, side desc
"""  # noqa: S608 - built from constants only


def read_delays(connection: Connection, period: Period) -> list[DelayRow]:
    """How long edits took to the other side; deletes are left out, because people are asked about them."""
    return [DelayRow(**row._mapping) for row in connection.execute(text(_DELAYS), period.bound)]


def read_mails(connection: Connection, period: Period) -> list[MailRow]:
    statement = text(
        "select cast(t.sent_at at time zone 'UTC' as date) as day, 'sent' as kind, count(*) as count from pitches t "  # noqa: S608
        f"where {_OF_SCOPE} and t.sent_at >= :since and t.sent_at < :until group by 1 "
        "union all select cast(t.received_at at time zone 'UTC' as date), t.kind, count(*) from pitch_replies t "
        f"where {_OF_SCOPE} and t.received_at >= :since and t.received_at < :until group by 1, 2 order by 1, 2"
    )
    return [MailRow(**row._mapping) for row in connection.execute(statement, period.bound)]


def read_pitch_states(connection: Connection, period: Period) -> dict[str, int]:
    """How the pitches stand that were touched in the period, by status."""
    statement = text(
        f"select t.status, count(*) as amount from pitches t where {_OF_SCOPE} "  # noqa: S608 - constants
        "and t.updated_at >= :since and t.updated_at < :until group by 1 order by 1"
    )
    return {row.status: row.amount for row in connection.execute(statement, period.bound)}


def count_workspaces(connection: Connection) -> int:
    return int(connection.execute(text("select count(*) from workspaces")).scalar_one())
