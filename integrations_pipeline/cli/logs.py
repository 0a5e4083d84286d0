"""`integrations logs`: what runs did, over all workspaces or some, with their errors.

Belongs here: the command and its words. Does not: the question to the database (`store.logs`).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from integrations_pipeline.cli.output import (
    JsonOption,
    LimitOption,
    cut,
    find_workspace,
    print_json,
    print_rows,
    wired,
)
from integrations_pipeline.cli.status import ProviderFilter, WorkspaceFilter
from integrations_pipeline.cli.sync import count_text
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import RunStatus
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store.ids import IdOf, find_id
from integrations_pipeline.store.logs import LogFilter, find_logs
from integrations_pipeline.wiring import Wiring

_COLUMNS = ("started", "workspace", "provider", "direction", "status", "records", "calls", "ms", "run", "error")
_SPAN = re.compile(r"([0-9]{1,5}) ?(min|h|d|w)")
_UNITS = {
    "min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)
}  # fmt: skip

StatusFilter = Annotated[
    str | None, typer.Option("--status", help="running, success, partial, failed or refused.", metavar="STATUS")
]
RunFilter = Annotated[str | None, typer.Option("--run", help="One run: its id, or the beginning of it.")]
SinceFilter = Annotated[
    str | None, typer.Option("--since", help="Not older than this: 30min, 12h, 7d, 2w, or a date.", metavar="AGE")
]


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(logs)


def logs(
    workspace: WorkspaceFilter = None,
    provider: ProviderFilter = None,
    status: StatusFilter = None,
    run: RunFilter = None,
    since: SinceFilter = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """The sync log, newest first, with errors and run ids: of all workspaces, or of those asked for."""
    with wired() as wiring:
        _require_known(wiring, workspace, provider, status)
        wanted = LogFilter(
            workspace=workspace,
            provider=provider,
            status=status,
            since=since_when(since, wiring.runtime.clock()) if since is not None else None,
            run_id=_run_id(wiring, run) if run is not None else None,
        )
        with wiring.runtime.database.admin() as connection:
            rows = cut(find_logs(connection, wanted, limit + 1), limit)
    if run is not None and not rows:
        raise ConfigurationError("no run with this id is in the log that was asked for: `integrations logs`")
    if as_json:
        print_json(rows)
    else:
        _show(workspace, rows)


def _require_known(wiring: Wiring, workspace: str | None, provider: str | None, status: str | None) -> None:
    """A name that nobody has finds nothing; that is a slip, not an empty log."""
    if workspace is not None:
        find_workspace(wiring.runtime, workspace)
    if provider is not None and provider not in provider_specs():
        raise ConfigurationError(f"--provider {provider!r}: choose one of {', '.join(sorted(provider_specs()))}")
    if status is not None and status not in set(RunStatus):
        raise ConfigurationError(f"--status {status!r}: choose one of {', '.join(RunStatus)}")


def _run_id(wiring: Wiring, given: str) -> UUID:
    with wiring.runtime.database.admin() as connection:
        return find_id(connection, IdOf.RUN, given)


def since_when(given: str, now: datetime) -> datetime:
    """`7d` before now, or a date or time as ISO 8601 has it, of UTC where it says no zone."""
    span = _SPAN.fullmatch(given.strip())
    if span:
        return now - int(span[1]) * _UNITS[span[2]]
    try:
        told = datetime.fromisoformat(given.strip())
    except ValueError:
        raise ConfigurationError(f"--since {given!r}: say 30min, 12h, 7d, 2w, or a date as 2026-01-31") from None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _show(workspace: str | None, rows: Sequence[dict[str, Any]]) -> None:
    """Log rows as a table; counts that are zero are left out."""
    shown = [
        {
            "started": row["started_at"],
            "workspace": None if workspace else row["workspace"],
            "provider": row["integration_type"],
            "direction": row["direction"],
            "status": row["status"],
            "records": count_text(row),
            "calls": row["api_calls"],
            "ms": row["duration_ms"],
            "run": row["run_id"],
            "error": _error(row["errors"]),
        }
        for row in rows
    ]
    title = f"Sync log of {workspace}" if workspace else "Sync log"
    print_rows(shown, _COLUMNS, title=title, as_json=False)


def _error(errors: Sequence[Any]) -> str:
    more = f" (and {len(errors) - 1} more: --json)" if len(errors) > 1 else ""
    return f"{errors[0]}{more}" if errors else ""
