"""`integrations suppressions`: addresses that must not be mailed, whatever becomes of the contact."""

from typing import Annotated

import typer

from integrations_pipeline.cli.output import (
    JsonOption,
    LimitOption,
    WorkspaceOption,
    find_workspace,
    print_json,
    print_rows,
    say,
    warn,
    wired,
)
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import clean_text
from integrations_pipeline.store import suppressions
from integrations_pipeline.store.suppressions import KEEPING_OUT, Listing, Reason, Removal
from integrations_pipeline.wiring import Wiring

app = typer.Typer(help="Suppressions: addresses that must not be mailed.", no_args_is_help=True)
AddressArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The address.")]
_SHOWN = ("email", "reason", "source", "created_at")


@app.command("list")
def list_all(
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Only this workspace's.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Only for this reason.")] = None,
    limit: LimitOption = 1_000,
    as_json: JsonOption = False,
) -> None:
    """List suppressed addresses, newest first."""
    with wired() as wiring:
        found = _listing(wiring, workspace, reason, limit)
    columns = _SHOWN if workspace else ("workspace", *_SHOWN)
    title = f"Suppressions of {workspace}" if workspace else "Suppressions"
    print_rows(found.rows, columns, title=title, as_json=as_json)
    if found.total > len(found.rows):
        warn(f"only {len(found.rows)} of {found.total} are shown: --limit shows more")


def _listing(wiring: Wiring, workspace: str | None, reason: Reason | None, limit: int) -> Listing:
    database = wiring.runtime.database
    if workspace is None:
        with database.admin() as connection:
            return suppressions.list_suppressions(connection, None, reason, limit)
    workspace_id = find_workspace(wiring.runtime, workspace)
    with database.admin() as connection:
        return suppressions.list_suppressions(connection, workspace_id, reason, limit)


@app.command()
def add(
    email: AddressArgument,
    workspace: WorkspaceOption,
    reason: Annotated[Reason, typer.Option(help="Why.")] = Reason.MANUAL,
    as_json: JsonOption = False,
) -> None:
    """Suppress an address: no pitch, no subscription, and a contact with it is opted out (but for bounced)."""
    from integrations_pipeline.mail.addresses import address_problem  # noqa: PLC0415 - lists do without

    address = email.strip()
    if not address or address_problem(address):
        raise ConfigurationError("this is no valid e-mail address: nothing was suppressed")
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            is_new = suppressions.add(connection, workspace_id, address, reason)
    if as_json:
        print_json({"email": address, "reason": reason.value, "added": is_new})
    else:
        say(f"suppressed: {reason.value}" if is_new else f"is suppressed already: {reason.value}")


@app.command()
def remove(
    email: AddressArgument,
    workspace: WorkspaceOption,
    because: Annotated[str, typer.Option("--because", metavar="TEXT", help="Why; it stays on record.")],
    reason: Annotated[list[Reason] | None, typer.Option(help="Only for this reason; all if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take a suppression back, with a reason that stays on record.

    A contact's own opt-out goes with it when nothing else keeps the person out.
    """
    if not because.strip():
        raise ConfigurationError("--because needs a reason: it stays on record")
    address = clean_text(email.strip())
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            done = suppressions.remove(connection, workspace_id, address, reason or list(Reason), because.strip())
    if not done.removed:
        raise ConfigurationError(
            "no suppression of this address and reason: "
            f"`integrations suppressions list --workspace {workspace}` shows them"
        )
    if as_json:
        print_json(_document(address, done))
    else:
        _tell(done)


def _document(address: str, done: Removal) -> dict[str, object]:
    return {
        "email": address,
        "removed": sorted(done.removed),
        "standing": sorted(done.standing),
        "opt_out_cleared": done.is_opt_out_cleared,
    }


def _tell(done: Removal) -> None:
    say(f"removed: {', '.join(sorted(done.removed))}")
    if done.standing:
        say(f"still suppressed: {', '.join(sorted(done.standing))}")
    if done.is_opt_out_cleared:
        say("the contact is no longer opted out; a provider that has the person unsubscribed opts them out again")
    elif done.removed.intersection(KEEPING_OUT) and not done.standing.intersection(KEEPING_OUT):
        say("no live contact with this address was opted out")
