"""The sync log as people ask for it: rows of any workspace, by provider, status, run and time.

Belongs here: that question. Does not: writing the log (`sync_log`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_FIND = text(
    """
    select w.slug as workspace, l.*, c.integration_type
    from integration_sync_logs l
    join integration_connections c on c.id = l.connection_id
    join workspaces w on w.id = l.workspace_id
    where (cast(:workspace as text) is null or w.slug = :workspace)
        and (cast(:provider as text) is null or c.integration_type = :provider)
        and (cast(:status as text) is null or l.status = :status)
        and (cast(:since as timestamptz) is null or l.started_at >= :since)
        and (cast(:run_id as uuid) is null or l.run_id = :run_id or l.dagster_run_id = cast(:run_id as text))
    order by l.started_at desc, l.direction, l.id limit :limit
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which rows are wanted; None means any. `run_id`: ours or Dagster's."""

    workspace: str | None = None
    provider: str | None = None
    status: str | None = None
    since: datetime | None = None
    run_id: UUID | None = None


def find_logs(connection: Connection, wanted: LogFilter, limit: int) -> Sequence[dict[str, Any]]:
    """Log rows with workspace and provider, newest first; across workspaces, so for whoever may see them all."""
    bound = {
        "workspace": wanted.workspace,
        "provider": wanted.provider,
        "status": wanted.status,
        "since": wanted.since,
        "run_id": wanted.run_id,
        "limit": limit,
    }
    return [_told(dict(row._mapping)) for row in connection.execute(_FIND, bound)]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """A run that died told nobody how many calls it made; its counts are the journal's."""
    return {**row, "api_calls": None} if row["metadata"].get("abandoned") else row
