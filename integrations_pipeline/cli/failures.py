"""`integrations failures`: records that a side did not take; looking, and trying them again."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from integrations_pipeline.cli.deciding import (
    AsOption,
    BecauseOption,
    EveryOption,
    ProviderFilter,
    WorkspaceFilter,
    find_scope,
    operator,
    reason,
)
from integrations_pipeline.cli.output import (
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
from integrations_pipeline.layout import amount
from integrations_pipeline.store.failures import Retried, read_attempts, retry_failures
from integrations_pipeline.store.waiting import FAILURES, Choice, Waiting, list_waiting

app = typer.Typer(help="Records that a side did not take: look, try again.", no_args_is_help=True)
IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of `failures list`, or their beginnings.")
]
SHOWN = 200


@app.command("list")
def list_all(
    workspace: WorkspaceFilter = None,
    provider: ProviderFilter = None,
    limit: LimitOption = SHOWN,
    as_json: JsonOption = False,
) -> None:
    """List records that failed or were refused, newest first: why, how often they were tried, since when."""
    with wired() as wiring:
        scope = find_scope(wiring, workspace, provider)
        with wiring.runtime.database.admin() as connection:
            found = list_waiting(connection, scope, Choice(kinds=FAILURES, provider=provider), limit + 1)
            attempts = read_attempts(connection, [row.id for row in found[:limit]])
    rows = cut(found, limit)
    title = f"Failed records of {workspace}" if workspace else "Failed records"
    if as_json:
        print_json([{**decided_document(row), "attempts": attempts[row.id]} for row in rows])
    elif rows:
        columns = ("id", "workspace", "provider", "kind", "contact", "what", "fields", "tries", "since", "why")
        print_table(title, columns, [_cells(row, attempts, is_all=workspace is None) for row in rows])
        say(
            "mend the contact or the column, then:",
            f"integrations failures retry ID... --workspace {workspace or 'SLUG'}",
        )
    else:
        say(f"{title}: none")


def _cells(row: Waiting, attempts: Mapping[UUID, int], *, is_all: bool) -> list[Any]:
    slug = row.workspace if is_all else ""
    fields = ", ".join(row.fields.get("after") or {})
    tries = attempts[row.id]
    return [row.id, slug, row.provider, row.kind, who(row), what(row), fields, tries, row.since, row.reason]


@app.command()
def retry(
    workspace: WorkspaceOption,
    ids: IdsArgument = None,
    every: EveryOption = False,
    because: BecauseOption = None,
    as_name: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the next sync try refused records again, and make it due now. What failed otherwise is tried anyway."""
    choice = Choice(kinds=FAILURES, ids=list(ids or ()), is_all=every)
    by, why = operator(as_name), reason(because)
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            retried = retry_failures(connection, workspace_id, choice, by, why)
    _tell(retried, workspace, as_json=as_json)


def _tell(retried: Retried, workspace: str, *, as_json: bool) -> None:
    for provider in retried.stopped:
        warn(f"{provider} is not synced: integrations status --workspace {workspace}")
    if as_json:
        print_json({"retried": len(retried.done), "ids": [str(row.id) for row in retried.done], "due": retried.due})
    else:
        due = f"; due now: {', '.join(retried.due)}" if retried.due else ""
        say(f"{amount(len(retried.done), 'record')} tried again by the next sync{due}")
