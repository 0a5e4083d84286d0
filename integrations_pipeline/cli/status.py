"""`integrations status`: how every connection is, for people, for a monitor, and without a daemon.

Belongs here: the command and its words. Does not: the question to the database (`store.health`).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from integrations_pipeline.cli.output import Exit, JsonOption, find_workspace, print_json, print_table, say, wired
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.layout import span
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store.alerts import count_undelivered
from integrations_pipeline.store.health import ConnectionState, read_states

#: Problems for which `--check` ends with 1. A connection that fails is tried again by itself until it is in `error`.
_ALARMS = ("error", "disconnected", "stale", "stopped field")
#: Alerts that nobody got stay a problem for so long.
_UNDELIVERED = timedelta(days=7)
_RUNBOOK = "docs/operations.md says what to do about each"

WorkspaceFilter = Annotated[str | None, typer.Option("--workspace", "-w", help="One workspace; all if absent.")]
ProviderFilter = Annotated[str | None, typer.Option("--provider", "-p", help="One provider; all if absent.")]
ProblemsOption = Annotated[bool, typer.Option("--problems", help="Only connections that are not as they should be.")]
CheckOption = Annotated[
    bool,
    typer.Option("--check", help="For a monitor: exit code 1 on error, disconnected, stale or a stopped field."),
]


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(status)


def status(
    workspace: WorkspaceFilter = None,
    provider: ProviderFilter = None,
    problems: ProblemsOption = False,
    check: CheckOption = False,
    as_json: JsonOption = False,
) -> None:
    """How every connection is: the fleet first, then each with its last success, last full read and what waits."""
    with wired() as wiring:
        if workspace:
            find_workspace(wiring.runtime, workspace)
        if provider and provider not in provider_specs():
            raise ConfigurationError(f"--provider {provider!r}: choose one of {', '.join(sorted(provider_specs()))}")
        now = wiring.runtime.clock()
        with wiring.runtime.database.admin() as connection:
            states = read_states(connection, workspace, provider)
            undelivered = count_undelivered(connection, now - _UNDELIVERED)
    rows = [_row(each, now) for each in states]
    told = [row for row in rows if row["problems"]] if problems or check else rows
    summary = {**_summary(states, rows, now), "undelivered_alerts": undelivered}
    is_alarm = any(row["is_alarm"] for row in rows)
    if as_json:
        print_json({"ok": not is_alarm, "summary": summary, "problems": told} if check else told)
    else:
        _show(summary, told, now, is_list=check)
    if check and is_alarm:
        raise typer.Exit(Exit.FAILED)


def problems_of(found: ConnectionState, now: datetime) -> list[str]:
    """What is not as it should be, each in words that begin with its kind; nothing for one that is switched off."""
    if not found.sync_enabled or found.status == "paused":
        return []
    if found.status != "active":
        return [found.status]
    spec = provider_specs().get(found.integration_type)
    is_whole = spec is not None and spec.contacts is not None
    named = {
        "stale": found.is_stale(now),
        f"failing: {found.error_count} in a row": found.error_count > 0,
        "full read overdue": is_whole and found.is_unread(now),
    }
    return [name for name, is_so in named.items() if is_so] + [
        f"stopped field: {name}" for name in found.stopped_fields
    ]


def _row(found: ConnectionState, now: datetime) -> dict[str, Any]:
    problems = problems_of(found, now)
    waiting = {"held": found.held, "conflicts": found.conflicts, "failed": found.failed}
    return {
        "workspace": found.workspace_slug,
        "provider": found.integration_type,
        "status": found.status if found.sync_enabled else "disabled",
        "problems": problems,
        "is_alarm": any(problem.split(":")[0] in _ALARMS for problem in problems),
        "last_sync_at": found.last_sync_at,
        "last_full_at": found.last_full_at,
        "next_sync_at": found.next_sync_at,
        "last_sync_age_seconds": _seconds(now, found.last_sync_at),
        "last_full_age_seconds": _seconds(now, found.last_full_at),
        **waiting,
        "waiting": ", ".join(f"{n} {name}" for name, n in waiting.items() if n) or "nothing",
        "stopped_fields": list(found.stopped_fields),
        "error_count": found.error_count,
        "error_message": found.error_message,
    }


def _summary(states: Sequence[ConnectionState], rows: Sequence[dict[str, Any]], now: datetime) -> dict[str, Any]:
    kinds = Counter(problem.split(":")[0] for row in rows for problem in dict.fromkeys(row["problems"]))
    at_work = [each for each in states if each.sync_enabled and each.status == "active"]
    return {
        "connections": len(states),
        "workspaces": len({each.workspace_slug for each in states}),
        "states": dict(sorted(Counter(row["status"] for row in rows).items())),
        "problems": dict(sorted(kinds.items())),
        "waiting": {name: sum(row[name] for row in rows) for name in ("held", "conflicts", "failed")},
        "last_success_age_seconds": min(_ages(now, [each.last_sync_at for each in states]), default=None),
        "oldest_success_age_seconds": max(_ages(now, [each.last_sync_at for each in at_work]), default=None),
        "oldest_full_read_age_seconds": max(_ages(now, [each.last_full_at for each in at_work]), default=None),
    }


def _ages(now: datetime, times: Sequence[datetime | None]) -> list[int]:
    return [age for at in times if (age := _seconds(now, at)) is not None]


def _seconds(now: datetime, at: datetime | None) -> int | None:
    return None if at is None else max(0, int((now - at).total_seconds()))


def _show(summary: dict[str, Any], rows: Sequence[dict[str, Any]], now: datetime, *, is_list: bool) -> None:
    say(f"{summary['connections']} connections of {summary['workspaces']} workspaces: {_counted(summary['states'])}")
    say(f"problems: {_counted(summary['problems'])}; waiting for a person: {_counted(summary['waiting'])}")
    last, oldest, full = (
        _ago(summary[f"{name}_age_seconds"]) for name in ("last_success", "oldest_success", "oldest_full_read")
    )
    say(f"last success {last}; of the active ones the oldest success {oldest}, the oldest full read {full}")
    if any(summary["undelivered_alerts"].values()):
        say(f"alerts that could not be sent: {_counted(summary['undelivered_alerts'])}: `integrations alerts list`")
    if is_list:
        for row in rows:
            say(f"{row['workspace']} {row['provider']}: {_problem(row)}")
        if rows:
            say(_RUNBOOK)
    elif rows:
        _show_table(rows, now)


def _show_table(rows: Sequence[dict[str, Any]], now: datetime) -> None:
    cells = [
        {
            "workspace": row["workspace"],
            "provider": row["provider"],
            "status": row["status"],
            "last success": _ago(row["last_sync_age_seconds"]),
            # A mailbox is never read whole; of others that never were, the problem tells.
            "full read": "" if row["last_full_at"] is None else _ago(row["last_full_age_seconds"]),
            "next": _until(now, row["next_sync_at"]),
            "waiting": row["waiting"] if row["waiting"] != "nothing" else "",
            "problem": _problem(row),
        }
        for row in rows
    ]
    print_table("Connections", list(cells[0]), [list(cell.values()) for cell in cells])


def _problem(row: dict[str, Any]) -> str:
    why = f" ({row['error_message']})" if row["problems"] and row["error_message"] else ""
    return ", ".join(row["problems"]) + why


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _ago(seconds: int | None) -> str:
    return "never" if seconds is None else f"{span(seconds)} ago"


def _until(now: datetime, at: datetime | None) -> str:
    return "due" if at is None or at <= now else f"in {span(int((at - now).total_seconds()))}"
