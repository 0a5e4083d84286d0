"""`integrations conflicts` and `integrations deletes`: what waits for a person, and what was decided."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from integrations_pipeline.cli.output import (
    JsonOption,
    LimitOption,
    WorkspaceOption,
    cut,
    find_workspace,
    print_json,
    print_table,
    say,
    wired,
)
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store import decisions
from integrations_pipeline.store.ids import IdOf, find_id
from integrations_pipeline.wiring import Wiring

conflicts_app = typer.Typer(help="Conflicts: fields that both sides changed.", no_args_is_help=True)
deletes_app = typer.Typer(help="Held deletes: look, approve, reject.", no_args_is_help=True)
ChangeArgument = Annotated[str, typer.Argument(metavar="ID", help="An id of `deletes list`, or its beginning.")]
SHOWN = 200


def _rows(wiring: Wiring, workspace: str, limit: int, *, is_conflicts: bool) -> Sequence[dict[str, Any]]:
    workspace_id = find_workspace(wiring.runtime, workspace)
    with wiring.runtime.database.workspace(workspace_id) as connection:
        if is_conflicts:
            found = decisions.list_conflicts(connection, workspace_id, limit + 1)
        else:
            found = decisions.list_held(connection, workspace_id, limit + 1)
    return cut(found, limit)


@conflicts_app.command("list")
def list_conflicts(workspace: WorkspaceOption, limit: LimitOption = SHOWN, as_json: JsonOption = False) -> None:
    """List conflicts, open and resolved, with both values."""
    with wired() as wiring:
        rows = _rows(wiring, workspace, limit, is_conflicts=True)
    if as_json:
        print_json(rows)
        return
    lines = [line for row in rows for line in _conflict_lines(row)]
    columns = ("contact", "provider", "field", "base", "local", "remote", "kept", "policy")
    if lines:
        print_table(f"Conflicts of {workspace}", columns, lines)
    else:
        say(f"Conflicts of {workspace}: none")


def _conflict_lines(row: Mapping[str, Any]) -> list[list[Any]]:
    conflict = row["conflict"]
    kept = conflict["winner"] or "undecided"
    return [
        [
            row["email"] or row["contact_id"],
            row["integration_type"],
            name,
            values.get("base"),
            values.get("local"),
            values.get("remote"),
            kept,
            conflict["policy"],
        ]
        for name, values in conflict["fields"].items()
    ]


@deletes_app.command("list")
def list_deletes(workspace: WorkspaceOption, limit: LimitOption = SHOWN, as_json: JsonOption = False) -> None:
    """List the deletes that wait for a decision."""
    with wired() as wiring:
        rows = _rows(wiring, workspace, limit, is_conflicts=False)
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("id", "provider", "delete on", "contact", "why held")
        lines = [[row["id"], row["integration_type"], row["side"], _who(row), row["reason"]] for row in rows]
        print_table(f"Held deletes of {workspace}", columns, lines)
        say("approve or reject: integrations deletes approve|reject ID --workspace " + workspace)
    else:
        say(f"Held deletes of {workspace}: none")


def _who(row: Mapping[str, Any]) -> str:
    before = row["before"] or {}
    return str(row["email"] or before.get("email") or row["contact_id"])


@deletes_app.command()
def approve(change_id: ChangeArgument, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Let the next sync apply a held delete."""
    _decide(change_id, workspace, is_approved=True, as_json=as_json)


@deletes_app.command()
def reject(change_id: ChangeArgument, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Keep the contact: it is unlinked, and the next sync creates it again where it was deleted."""
    _decide(change_id, workspace, is_approved=False, as_json=as_json)


def _decide(change_id: str, workspace: str, *, is_approved: bool, as_json: bool) -> None:
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            wanted = find_id(connection, IdOf.HELD, change_id)
            done = decisions.decide_delete(connection, wanted, approve=is_approved)
    if not done:
        raise ConfigurationError("no held delete has this id (any more): `integrations deletes list`")
    if as_json:
        print_json({"id": str(wanted), "approved": is_approved})
    else:
        say("approved: the next sync applies it" if is_approved else "rejected: the contact is kept")
