"""`integrations report`: what was done in a period, as one page to be sent or printed.

Belongs here: the options, reading the figures, writing the file. Does not: SQL (`store.figures`), the page's content
(`telling.report`) and looks (`telling.page`).
"""

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from integrations_pipeline.cli.output import JsonOption, find_workspace, print_json, say, wired
from integrations_pipeline.cli.status import WorkspaceFilter, problems_of
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store import figures
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.figures import Period
from integrations_pipeline.store.health import ConnectionState, read_states
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline.telling.report import ConnectionLine, Figures, build_report

#: Nothing is kept for longer than 90 days but what never goes; a year is more than enough.
MOST_DAYS = 366
_SINCE = re.compile(r"([0-9]{1,4})([hdw])", re.ASCII)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the page is about."""

    workspace_id: UUID | None
    slug: str
    period: Period
    now: datetime


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(report)


def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.", metavar="FILE.html")],
    workspace: WorkspaceFilter = None,
    since: Annotated[
        str, typer.Option(help="How far back: 24h, 7d, 4w. Days and weeks begin at midnight, UTC.")
    ] = "7d",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write one self-contained page: volumes, failures, holds, conflicts, delays, e-mails, connections."""
    from integrations_pipeline.telling.page import render  # noqa: PLC0415 - templates, for this command alone

    back = parse_since(since)
    _require_free(output, is_forced=force)
    with wired() as wiring:
        runtime = wiring.runtime
        workspace_id = find_workspace(runtime, workspace) if workspace else None
        now = runtime.clock()
        period = Period(since=begin_of(since, now - back), until=now, workspace_id=workspace_id)
        found = _read(runtime, _Asked(workspace_id=workspace_id, slug=workspace or "", period=period, now=now))
    text = render(build_report(found), now)
    _write(output, text, is_forced=force)
    if as_json:
        print_json(_document(output, found))
    else:
        say(f"{output}: written, {period.since:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC")


def parse_since(text: str) -> timedelta:
    """`24h`, `7d` or `4w`."""
    found = _SINCE.fullmatch(text.strip().lower())
    back = int(found[1]) * _UNITS[found[2]] if found else timedelta()
    if not timedelta() < back <= timedelta(days=MOST_DAYS):
        raise ConfigurationError(
            f"--since {text!r}: expected hours, days or weeks, as 24h, 7d or 4w, up to {MOST_DAYS}d"
        )
    return back


def begin_of(text: str, at: datetime) -> datetime:
    """Whole days where days are asked for, so that the first bar is no stump."""
    return at if text.strip().lower().endswith("h") else at.replace(hour=0, minute=0, second=0, microsecond=0)


def _require_free(output: Path, *, is_forced: bool) -> None:
    """Told before any work is done; the write itself makes sure."""
    try:
        is_there = output.exists()
    except (OSError, ValueError) as error:
        raise _unwritable(output, error) from error
    if is_there and not is_forced:
        raise ConfigurationError(f"--output {output}: is there already, --force overwrites it")


def _write(output: Path, text: str, *, is_forced: bool) -> None:
    try:
        with output.open("w" if is_forced else "x", encoding="utf-8") as file:
            file.write(text)
    except (OSError, ValueError) as error:
        raise _unwritable(output, error) from error


def _unwritable(output: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"--output {output}: {getattr(error, 'strerror', None) or 'no file name'}")


def _read(runtime: Runtime, asked: _Asked) -> Figures:
    with _scope(runtime, asked.workspace_id) as connection:
        return Figures(
            period=asked.period,
            scope=asked.slug,
            workspaces=1 if asked.workspace_id else figures.count_workspaces(connection),
            titles={name: spec.title for name, spec in runtime.specs.items()},
            volumes=figures.read_volumes(connection, asked.period),
            runs=figures.read_runs(connection, asked.period),
            causes=figures.read_causes(connection, asked.period),
            waiting=figures.read_waiting(connection, asked.period),
            decisions=figures.read_decisions(connection, asked.period),
            conflicts=figures.read_conflicts(connection, asked.period),
            delays=figures.read_delays(connection, asked.period),
            mails=figures.read_mails(connection, asked.period),
            pitch_states=figures.read_pitch_states(connection, asked.period),
            connections=[_line(each, asked.now) for each in read_states(connection, asked.slug or None)],
        )


def _scope(runtime: Runtime, workspace_id: UUID | None) -> AbstractContextManager[Connection]:
    """One workspace as its own role, which sees no other; all of them past that."""
    return runtime.database.workspace(workspace_id) if workspace_id else runtime.database.admin()


def _line(found: ConnectionState, now: datetime) -> ConnectionLine:
    problems = problems_of(found, now)
    why = f" ({found.error_message})" if problems and found.error_message else ""
    return ConnectionLine(
        workspace=found.workspace_slug,
        provider=found.integration_type,
        state=found.status if found.sync_enabled else "disabled",
        problem=", ".join(problems) + why,
        last_sync_at=found.last_sync_at,
        waiting=found.held + found.conflicts + found.failed,
    )


def _document(output: Path, found: Figures) -> dict[str, Any]:
    counts = ("created", "updated", "deleted", "failed")
    return {
        "file": str(output),
        "since": found.period.since,
        "until": found.period.until,
        "workspaces": found.workspaces,
        "connections": len(found.connections),
        "runs": sum(row.runs for row in found.runs),
        **{f"records_{name}": sum(getattr(row, name) for row in found.volumes) for name in counts},
    }
