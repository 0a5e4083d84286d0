"""`integrations pitches`: queue e-mails, send what is due, see what became of them, decide about unknown ones."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from integrations_pipeline.cli.output import (
    Exit,
    JsonOption,
    LimitOption,
    WorkspaceOption,
    cut,
    find_workspace,
    print_json,
    print_rows,
    progress_line,
    say,
    warn,
    wired,
)
from integrations_pipeline.cli.sync import open_questions, report_code, show_report
from integrations_pipeline.cli.table_files import Columns, FileRow, read_table
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.mail.queueing import PITCH_FIELDS, pitch_problem
from integrations_pipeline.model import Direction, clean_text
from integrations_pipeline.store import connections, pitches
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.ids import IdOf, find_id
from integrations_pipeline.sync.runtime import Runtime

app = typer.Typer(help="Pitches: e-mails to contacts, sent through a mailbox at most once.", no_args_is_help=True)

COLUMNS = Columns(is_known=PITCH_FIELDS.__contains__, told=", ".join(PITCH_FIELDS))
_SHOWN = ("id", "to_email", "subject", "status", "sent_at", "replied_at", "replies", "error_message")
_STATUSES = ("draft", "queued", "sending", "sent", "unknown", "replied", "bounced", "failed", "cancelled")
PitchArgument = Annotated[str, typer.Argument(metavar="ID", help="An id of `pitches list`, or its beginning.")]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A .csv or .jsonl file with to_email, subject, body, scheduled_at.")],
    workspace: WorkspaceOption,
    draft: Annotated[bool, typer.Option("--draft", help="Keep them as drafts; `pitches send ID` queues one.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Queue pitches from a file. Bad rows are named by line; nothing is sent before the next sync."""
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        rows = list(_rows(file))
        good = [{**row.fields, "status": "draft" if draft else "queued"} for row in rows if not row.problem]
        with wiring.runtime.database.workspace(workspace_id) as connection:
            ids = pitches.add_pitches(connection, workspace_id, good)
    bad = [row for row in rows if row.problem]
    for row in bad:
        warn(f"{file.name} line {row.line}: {row.problem}; not imported")
    if as_json:
        print_json({"ids": ids, "rejected": [{"line": row.line, "problem": row.problem} for row in bad]})
    else:
        say(f"{len(ids)} pitches {'kept as drafts' if draft else 'queued'}, {len(bad)} rows rejected")
    if bad:
        raise typer.Exit(Exit.FAILED)


def _rows(file: Path) -> Iterator[FileRow]:
    for row in read_table(file, COLUMNS):
        if row.problem:
            yield row
            continue
        fields = {name: clean_text(str(value)) for name, value in row.fields.items() if value not in (None, "")}
        problem = pitch_problem(fields)
        yield FileRow(row.line, {} if problem else fields, problem)


@app.command()
def send(
    workspace: WorkspaceOption,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Drafts to queue first.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Queue these drafts, then send everything that is due, now."""
    from integrations_pipeline.sync.run import SyncRequest, run_sync  # noqa: PLC0415 - pandas: neighbours do without

    with wired() as wiring, progress_line(is_quiet=as_json) as progress:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            mailbox = mailbox_of(connection, wiring.runtime, workspace_id)
            _queue(connection, [find_id(connection, IdOf.PITCH, text) for text in ids or ()])
        request = SyncRequest(workspace=workspace, provider=mailbox, direction=Direction.TO_EXTERNAL, wait_seconds=60.0)
        report = run_sync(wiring.runtime, request, progress)
        waiting = open_questions(wiring, report)
    if as_json:
        print_json({**report.to_dict(), "open": waiting})
    else:
        show_report(report, waiting)
    code = report_code(report)
    if code:
        raise typer.Exit(code)


def mailbox_of(connection: Connection, runtime: Runtime, workspace_id: UUID) -> str:
    """The provider through which the workspace sends."""
    offering = [name for name, spec in runtime.specs.items() if spec.mailbox]
    rows = connections.list_connections(connection, workspace_id)
    found = [row.integration_type for row in rows if row.integration_type in offering]
    if len(found) > 1:
        raise ConfigurationError(
            f"the workspace has several mailboxes ({', '.join(found)}): `integrations sync --direction to_external` "
            "sends through the one that --provider names"
        )
    if not found:
        raise ConfigurationError(
            f"the workspace has no connection with a mailbox: `integrations connections add {' | '.join(offering)}` "
            "makes one"
        )
    return found[0]


def _queue(connection: Connection, wanted: Sequence[UUID]) -> None:
    """All of them or none."""
    for pitch_id in wanted:
        if not pitches.change_status(connection, pitch_id, ["draft", "queued"], "queued"):
            raise ConfigurationError(
                f"pitch {pitch_id} is no draft of this workspace (any more): `integrations pitches list` shows them"
            )


@app.command("list")
def list_all(
    workspace: WorkspaceOption,
    status: Annotated[list[str] | None, typer.Option(help="Only these statuses; can be given several times.")] = None,
    unknown: Annotated[bool, typer.Option("--unknown", help="Only those that a person has to decide about.")] = False,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List pitches, newest first, with what became of them."""
    statuses = ["unknown"] if unknown else list(status or ())
    for wrong in set(statuses) - set(_STATUSES):
        raise ConfigurationError(f"--status {wrong!r}: choose of {', '.join(_STATUSES)}")
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            rows = pitches.list_pitches(connection, workspace_id, statuses, limit + 1)
    print_rows(cut(rows, limit), _SHOWN, title=f"Pitches of {workspace}", as_json=as_json)


@app.command()
def resolve(
    pitch: PitchArgument,
    workspace: WorkspaceOption,
    was_sent: Annotated[bool, typer.Option("--sent/--not-sent", help="What you saw in the mailbox.")],
    as_json: JsonOption = False,
) -> None:
    """Say what became of an unknown pitch; one that was not sent is queued again."""
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            found = find_id(connection, IdOf.PITCH, pitch)
            done = pitches.resolve_unknown(connection, found, was_sent=was_sent)
    if not done:
        raise ConfigurationError("no unknown pitch has this id (any more): `integrations pitches list --unknown`")
    if as_json:
        print_json({"id": str(found), "status": "sent" if was_sent else "queued"})
    else:
        say("recorded as sent" if was_sent else "queued again: the next sync sends it")


@app.command()
def cancel(pitch: PitchArgument, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Call a pitch off; one that is under way is stopped if it has not left yet, one that failed is given up."""
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            found = find_id(connection, IdOf.PITCH, pitch)
            done = pitches.change_status(connection, found, ["draft", "queued", "sending", "failed"], "cancelled")
    if not done:
        raise ConfigurationError("no pitch with this id can be called off: `integrations pitches list`")
    if as_json:
        print_json({"id": str(found), "status": "cancelled"})
    else:
        say("cancelled")


@app.command()
def retry(
    workspace: WorkspaceOption,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Failed pitches.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All failed pitches of the workspace.")] = False,
    repeat: Annotated[
        bool, typer.Option("--repeat", help="These may say again what their person got already.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Queue failed pitches again; never one that went out or may have."""
    if every == bool(ids):
        raise ConfigurationError("name the pitches, or say --all: `integrations pitches list --status failed`")
    if repeat and every:
        raise ConfigurationError("--repeat is said of single pitches: name them")
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            wanted = [find_id(connection, IdOf.PITCH, text) for text in ids or ()]
            done = pitches.retry_failed(connection, workspace_id, None if every else wanted, is_repeat=repeat)
    left = [str(each) for each in wanted if str(each) not in done]
    if as_json:
        print_json({"ids": done, "left": left})
    else:
        say(f"{len(done)} pitches queued again" + (": the next sync sends them" if done else ""))
    for each in left:
        warn(f"pitch {each} did not fail, or may have gone out: `integrations pitches list` shows what became of it")
    if left:
        raise typer.Exit(Exit.FAILED)
