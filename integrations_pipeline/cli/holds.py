"""`integrations holds`: changes that a guard or the policy held; looking, approving, rejecting, many at once."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from integrations_pipeline.cli.deciding import (
    AsOption,
    BecauseOption,
    DecidedOption,
    EmailFilter,
    EveryOption,
    FieldFilter,
    HoldKind,
    KindFilter,
    ProviderFilter,
    RunFilter,
    WorkspaceFilter,
    chosen_holds,
    find_scope,
    operator,
    reason,
)
from integrations_pipeline.cli.output import (
    Exit,
    JsonOption,
    LimitOption,
    WorkspaceOption,
    cut,
    find_workspace,
    print_json,
    print_table,
    say,
    warn,
    wired,
)
from integrations_pipeline.cli.waiting_words import decided_document, what, who
from integrations_pipeline.layout import amount, short_id
from integrations_pipeline.model import Decision
from integrations_pipeline.store import decisions
from integrations_pipeline.store.decisions import Decided, Verdict
from integrations_pipeline.store.waiting import Choice, Waiting, list_waiting

app = typer.Typer(help="Held changes: look, approve, reject.", no_args_is_help=True)
#: What they were called when only deletes could be held.
deletes_app = typer.Typer(help="Held deletes: `holds` has them now.", no_args_is_help=True)
IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of `holds list`, or their beginnings.")
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="An id of `holds list`, or its beginning.")]
SHOWN = 200


@app.command("list")
def list_all(
    workspace: WorkspaceFilter = None,
    kind: KindFilter = None,
    field: FieldFilter = None,
    email: EmailFilter = None,
    run: RunFilter = None,
    provider: ProviderFilter = None,
    every: DecidedOption = False,
    limit: LimitOption = SHOWN,
    as_json: JsonOption = False,
) -> None:
    """List held changes, newest first: what would be done, and why it is not."""
    choice = chosen_holds(None, kind, field=field, email=email, run=run, provider=provider)
    rows = _list(workspace, choice, limit, with_decided=every)
    _print(rows, workspace, as_json=as_json)


def _list(workspace: str | None, choice: Choice, limit: int, *, with_decided: bool = False) -> Sequence[Waiting]:
    with wired() as wiring:
        scope = find_scope(wiring, workspace, choice.provider)
        with wiring.runtime.database.admin() as connection:
            found = list_waiting(connection, scope, choice, limit + 1, with_decided=with_decided)
    return cut(found, limit)


def _print(rows: Sequence[Waiting], workspace: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json([decided_document(row) for row in rows])
        return
    title = f"Held changes of {workspace}" if workspace else "Held changes"
    if not rows:
        say(f"{title}: none")
        return
    columns = ("id", "workspace", "provider", "kind", "contact", "what", "since", "why", "decided")
    print_table(title, columns, [_cells(row, is_all=workspace is None) for row in rows])
    say(
        f"decide: integrations holds approve|reject ID... --workspace {workspace or 'SLUG'}",
        "many at once: --kind, --field, --email, --run or --all in place of ids",
    )


def _cells(row: Waiting, *, is_all: bool) -> list[Any]:
    decided = f"{row.decision} by {row.decided_by or 'somebody'}" if row.decision else ""
    slug = row.workspace if is_all else ""
    return [row.id, slug, row.provider, row.kind, who(row), what(row), row.since, row.reason, decided]


@app.command()
def approve(
    workspace: WorkspaceOption,
    ids: IdsArgument = None,
    kind: KindFilter = None,
    field: FieldFilter = None,
    email: EmailFilter = None,
    run: RunFilter = None,
    provider: ProviderFilter = None,
    every: EveryOption = False,
    because: BecauseOption = None,
    as_name: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the next sync make held changes: by ids, or all that the filters fit."""
    choice = chosen_holds(ids, kind, field=field, email=email, run=run, provider=provider, is_all=every)
    _decide(workspace, choice, _verdict(Decision.APPROVED, because, as_name), as_json=as_json)


@app.command()
def reject(
    workspace: WorkspaceOption,
    ids: IdsArgument = None,
    kind: KindFilter = None,
    field: FieldFilter = None,
    email: EmailFilter = None,
    run: RunFilter = None,
    provider: ProviderFilter = None,
    every: EveryOption = False,
    because: BecauseOption = None,
    as_name: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep what is there: a deleted contact comes back, an emptied value or a changed e-mail is put back by the next
    sync, and nobody new is made."""
    choice = chosen_holds(ids, kind, field=field, email=email, run=run, provider=provider, is_all=every)
    _decide(workspace, choice, _verdict(Decision.REJECTED, because, as_name), as_json=as_json)


def _verdict(decision: Decision, because: str | None, as_name: str | None) -> Verdict:
    return Verdict(decision=decision, by=operator(as_name), because=reason(because))


def _decide(workspace: str, choice: Choice, verdict: Verdict, *, as_json: bool) -> None:
    with wired() as wiring:
        if choice.provider is not None:
            wiring.runtime.spec(choice.provider)
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            decided = decisions.decide_holds(connection, workspace_id, choice, verdict)
    _tell(decided, verdict, as_json=as_json)


def _tell(decided: Decided, verdict: Verdict, *, as_json: bool) -> None:
    for row_id, why in decided.left_out.items():
        warn(f"{short_id(row_id)} is left out: {why}")
    if as_json:
        left = [{"id": str(row_id), "reason": why} for row_id, why in decided.left_out.items()]
        ids = [str(row.id) for row in decided.done]
        print_json({"decision": verdict.decision.value, "decided": len(ids), "ids": ids, "left_out": left})
    else:
        then = "makes them" if verdict.decision is Decision.APPROVED else "puts back what was lost"
        say(f"{amount(len(decided.done), 'held change')} {verdict.decision.value}: the next sync {then}")
    if decided.left_out:
        raise typer.Exit(Exit.FAILED)


@deletes_app.callback()
def renamed() -> None:
    """Say so once."""
    warn("`deletes` is called `holds` now: `integrations holds --help`")


@deletes_app.command("list")
def list_deletes(workspace: WorkspaceOption, limit: LimitOption = SHOWN, as_json: JsonOption = False) -> None:
    """List held deletes: `holds list --kind held_delete`."""
    _print(_list(workspace, chosen_holds(None, [HoldKind.DELETE]), limit), workspace, as_json=as_json)


@deletes_app.command("approve")
def approve_delete(change_id: IdArgument, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Approve a held delete: `holds approve`."""
    _decide(workspace, _delete(change_id), _verdict(Decision.APPROVED, None, None), as_json=as_json)


@deletes_app.command("reject")
def reject_delete(change_id: IdArgument, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Reject a held delete: `holds reject`."""
    _decide(workspace, _delete(change_id), _verdict(Decision.REJECTED, None, None), as_json=as_json)


def _delete(change_id: str) -> Choice:
    return Choice(kinds=[HoldKind.DELETE.value], ids=[change_id])
