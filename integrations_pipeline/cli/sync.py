"""`integrations plan | sync`: preview a sync, and run one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from integrations_pipeline.cli.output import (
    MOST_SECONDS,
    Exit,
    JsonOption,
    ProviderOption,
    WorkspaceOption,
    find_workspace,
    finite,
    print_json,
    print_table,
    progress_line,
    say,
    warn,
    wired,
)
from integrations_pipeline.cli.plan_words import named_ids, plan_lists, show_changes
from integrations_pipeline.errors import ConfigurationError, advised
from integrations_pipeline.layout import amount, short_id
from integrations_pipeline.model import COUNT_NAMES, Direction, RunStatus
from integrations_pipeline.store import connections, decisions, fleet
from integrations_pipeline.store.ids import IdOf, find_id

if TYPE_CHECKING:
    from integrations_pipeline.sync.report import SyncReport
    from integrations_pipeline.wiring import Wiring


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the root."""
    for command in (plan, sync):
        app.command()(command)


def plan(
    workspace: WorkspaceOption,
    provider: ProviderOption,
    full: Annotated[bool, typer.Option("--full", help="Read everything, not only what changed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Preview a sync: what it would change on each side. Writes nothing; prints a plan id for `sync --plan`."""
    from integrations_pipeline.sync.run import SyncRequest, plan_only  # noqa: PLC0415 - pandas: neighbours do without

    with wired() as wiring, progress_line(is_quiet=as_json) as progress:
        request = SyncRequest(workspace=workspace, provider=provider, is_full=full)
        report = plan_only(wiring.runtime, request, progress)
        waiting = open_questions(wiring, report)
        emails = _emails(wiring, report)
    if as_json:
        print_json({**report.to_dict(), "open": waiting, **plan_lists(report, emails)})
    else:
        _show_plan(report, waiting, emails)
    if report.status is RunStatus.REFUSED:
        raise typer.Exit(Exit.REFUSED)


def sync(
    workspace: WorkspaceOption,
    provider: ProviderOption,
    direction: Annotated[str, typer.Option(help="both, to_external or from_external.", metavar="DIRECTION")] = "both",
    plan_id: Annotated[str | None, typer.Option("--plan", help="Apply exactly this preview.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything, not only what changed.")] = False,
    wait: Annotated[
        float,
        typer.Option(min=0, max=MOST_SECONDS, callback=finite, help="Seconds to wait for a sync under way."),
    ] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Sync one connection. Exit code 0 done, 1 failed wholly or for some records, 3 refused by a guard."""
    from integrations_pipeline.sync.run import SyncRequest, run_sync  # noqa: PLC0415 - pandas: neighbours do without

    request = SyncRequest(
        workspace=workspace, provider=provider, direction=_direction(direction), is_full=full, wait_seconds=wait
    )
    with wired() as wiring, progress_line(is_quiet=as_json) as progress:
        if plan_id is not None:
            request = replace(request, plan_id=_plan_id(wiring, workspace, plan_id))
        report = run_sync(wiring.runtime, request, progress)
        waiting = open_questions(wiring, report)
    if as_json:
        print_json({**report.to_dict(), "open": waiting})
    else:
        show_report(report, waiting)
    code = report_code(report)
    if code:
        raise typer.Exit(code)


def report_code(report: "SyncReport") -> Exit:
    """The exit code of a run's report."""
    if report.status is RunStatus.REFUSED:
        return Exit.REFUSED
    return Exit.DONE if report.status is RunStatus.SUCCESS else Exit.FAILED


def open_questions(wiring: "Wiring", report: "SyncReport") -> dict[str, int]:
    """What of this connection waits for a person, from this run or an earlier one: held, conflicts, failed."""
    database = wiring.runtime.database
    workspace_id = find_workspace(wiring.runtime, report.workspace)
    with database.workspace(workspace_id) as connection:
        found = connections.get_connection(connection, workspace_id, report.provider)
        every = decisions.count_open(connection, workspace_id)
    return every.get(str(found.id), dict(decisions.NOTHING_OPEN)) if found else dict(decisions.NOTHING_OPEN)


def show_report(report: "SyncReport", waiting: Mapping[str, int]) -> None:
    """A run for a person: counts per direction, then what needs attention."""
    rows = [[result.direction, count_text(result.to_dict())] for result in report.results]
    print_table(f"{report.workspace} · {report.provider} · {report.status.value}", ("direction", "records"), rows)
    say(_summary(report, waiting))
    _show_notes(report)
    for refusal in report.refusals:
        warn(f"refused: {refusal}")
    left_out = report.results[0].metadata.get("preview_changes_left_out") if report.results else 0
    if left_out:
        warn(f"{left_out} changes of the preview were left out: their contacts changed since; plan again")
    for name in ("mail_cut_short", "cut_short", "harvest"):
        remark = report.results[0].metadata.get(name) if report.results else None
        if remark:
            warn(f"not all was done: {remark}")
    shown = list(dict.fromkeys(error for result in report.results for error in result.errors))
    for error in shown[:20]:
        warn(f"error: {advised(error, report.workspace, report.provider)}")
    if len(shown) > 20:
        warn(f"error: and {len(shown) - 20} more; `integrations logs --json` has them")


def _show_notes(report: "SyncReport") -> None:
    """What a person should know although nothing of it failed."""
    for name, reason in report.stopped_fields.items():
        say(f"{name} is left alone: {reason}")
    if report.settling:
        say(f"{report.settling} being edited wait for the next run (settle_seconds)")
    for notice in report.notices:
        say(notice)


def _summary(report: "SyncReport", waiting: Mapping[str, int]) -> str:
    """What waits, whoever found it, and what it cost."""
    resolved = report.conflicts - waiting["conflicts"]
    parts = [
        amount(waiting["conflicts"], "conflict") + " open" + (f" ({resolved} resolved)" if resolved > 0 else ""),
        amount(waiting["held"], "change") + " held",
        amount(waiting["failed"], "failed record") if waiting["failed"] else "",
        amount(report.api_calls, "API call"),
    ]
    return ", ".join(part for part in parts if part)


def _show_plan(report: "SyncReport", waiting: Mapping[str, int], emails: Mapping[str, str]) -> None:
    show_changes(report, emails)
    say(_summary(report, waiting))
    _show_notes(report)
    if any(waiting.values()):
        say(f"what waits: integrations inbox --workspace {report.workspace}")
    if report.plan.changes:
        say(
            f"apply exactly this: integrations sync --workspace {report.workspace} "
            f"--provider {report.provider} --plan {short_id(report.plan_id)}"
        )


def _emails(wiring: "Wiring", report: "SyncReport") -> dict[str, str]:
    """Of the contacts that a preview names: to who asks, on this terminal."""
    with wiring.runtime.database.workspace(find_workspace(wiring.runtime, report.workspace)) as connection:
        return fleet.emails_of(connection, named_ids(report))


def _direction(text: str) -> Direction:
    names = {"both": Direction.BIDIRECTIONAL, **{each.value: each for each in Direction}}
    if text not in names:
        raise ConfigurationError(f"--direction {text!r}: choose both, to_external or from_external")
    return names[text]


def _plan_id(wiring: "Wiring", workspace: str, given: str) -> UUID:
    workspace_id = find_workspace(wiring.runtime, workspace)
    with wiring.runtime.database.workspace(workspace_id) as connection:
        return find_id(connection, IdOf.PLAN, given)


def count_text(counts: Mapping[str, Any]) -> str:
    """`3 created, 1 held`, or that nothing changed."""
    parts = [f"{counts[name]} {name.removeprefix('records_')}" for name in COUNT_NAMES if counts[name]]
    return ", ".join(parts) or "nothing changed"
