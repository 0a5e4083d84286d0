"""`integrations undo RUN`: take back what a run did.

Belongs here: the command and its words. Does not: what is put back (`sync.undo`).
"""

import getpass
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from integrations_pipeline.cli.output import Exit, JsonOption, find_workspace, print_json, print_table, say, wired
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import clean_text
from integrations_pipeline.store import contacts, undoing
from integrations_pipeline.store.ids import IdOf, find_id

if TYPE_CHECKING:
    from integrations_pipeline.sync.taking_back import LeftOut
    from integrations_pipeline.sync.undo import UndoReport
    from integrations_pipeline.wiring import Wiring

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id from `logs`, or its beginning.")]
WorkspaceCheck = Annotated[
    str | None, typer.Option("--workspace", "-w", help="Only if the run is of this workspace.", metavar="SLUG")
]
OnlyOption = Annotated[list[str] | None, typer.Option("--only", help="Only these people, by e-mail.", metavar="EMAIL")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")]
OperatorOption = Annotated[str | None, typer.Option("--as", help="Who orders it; default: the system's user.")]


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(undo)


def undo(
    run: RunArgument,
    workspace: WorkspaceCheck = None,
    only: OnlyOption = None,
    dry_run: DryOption = False,
    operator: OperatorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put back what a run changed, and sync it; what was edited since is listed and left. An undo can be undone."""
    from integrations_pipeline.sync.undo import undo_run  # noqa: PLC0415 - pandas: the help does without

    with wired() as wiring:
        found = _find(wiring, run, workspace)
        chosen = None if only is None else _contacts(wiring, found, only)
        by = clean_text(operator or getpass.getuser())
        report = undo_run(wiring.runtime, found, by, only=chosen, is_dry=dry_run)
    if as_json:
        print_json(report.to_dict())
    else:
        _tell(report, is_dry=dry_run)
    if report.sync is not None and report.sync.error:
        raise typer.Exit(Exit.FAILED)


def _find(wiring: "Wiring", given: str, workspace: str | None) -> undoing.RunRow:
    with wiring.runtime.database.admin() as connection:
        found = undoing.find_run(connection, find_id(connection, IdOf.RUN, given))
    if found is None:
        raise ConfigurationError(f"no run has the id {given} (any more): `integrations logs` shows them")
    if workspace is not None and find_workspace(wiring.runtime, workspace) != found.workspace_id:
        raise ConfigurationError(f"run {given} is none of workspace {workspace}")
    if found.is_running:
        raise ConfigurationError(f"run {found.run_id} is at work: undo it when it is done")
    return found


def _contacts(wiring: "Wiring", run: undoing.RunRow, emails: Sequence[str]) -> list[str]:
    wanted = {email.strip().lower() for email in emails}
    with wiring.runtime.database.workspace(run.workspace_id) as connection:
        ids = contacts.contact_ids_by_email(connection, run.workspace_id, wanted)
    if len(ids) < len(wanted):
        raise ConfigurationError("--only names an e-mail that no contact of the workspace has")
    return ids


def _tell(report: "UndoReport", *, is_dry: bool) -> None:
    would = "would put back" if is_dry else "put back"
    made = f", {'would hold' if is_dry else 'held'} {report.held} for deletion" if report.held else ""
    back = len(report.plan.restored)
    say(
        f"run {str(report.run.run_id)[:8]} of {report.run.workspace_slug} {report.run.provider}: "
        f"{would} {report.undone - back} values and {back} deleted people{made}"
    )
    if report.left_out:
        say(f"left as they are: {len(report.left_out)}")
        print_table("Left", ("contact", "field", "why"), [_row(each) for each in report.left_out])
    if report.held and not is_dry:
        say(f"people that it made wait: `integrations holds list --workspace {report.run.workspace_slug}`")
    if report.run_id is not None:
        say(f"this was run {str(report.run_id)[:8]}: `integrations undo {str(report.run_id)[:8]}` takes it back")
    if report.sync is not None and report.sync.error:
        say(f"it is not at the provider yet: {report.sync.error}; the next sync brings it there")


def _row(left: "LeftOut") -> list[str]:
    return [(left.contact_id or "")[:8], left.field, left.reason]
