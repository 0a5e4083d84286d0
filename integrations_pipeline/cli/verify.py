"""`integrations verify`: whether both sides of a connection hold the same, said by other code than the sync's.

Belongs here: the command and its words. Does not: comparing (`verify`).
"""

import typer

from integrations_pipeline.cli.output import (
    Exit,
    JsonOption,
    LimitOption,
    ProviderOption,
    WorkspaceOption,
    cut,
    print_json,
    print_table,
    progress_line,
    say,
    wired,
)
from integrations_pipeline.layout import amount
from integrations_pipeline.verify.certify import certify
from integrations_pipeline.verify.compare import WAITING, Certificate

SHOWN = 200
_RUNBOOK = "docs/operations.md, section “Differing sides”, says what to do"


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(verify)


def verify(
    workspace: WorkspaceOption, provider: ProviderOption, limit: LimitOption = SHOWN, as_json: JsonOption = False
) -> None:
    """Compare both sides in full, by other code than the sync's. Writes nothing there; exit code 1 if they differ."""
    with wired() as wiring, progress_line(is_quiet=as_json) as progress:
        found = certify(wiring.runtime, workspace, provider, progress)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(f"{workspace} · {provider}", found, limit)
    if found.differing:
        raise typer.Exit(Exit.FAILED)


def _show(title: str, found: Certificate, limit: int) -> None:
    counts = f"{found.equal:,} equal, {found.waiting:,} waiting, {found.differing_count:,} differing"
    say(f"{title}: {found.compared:,} compared, {counts}")
    for name, count in found.waiting_by.items():
        say(f"waiting: {count:,} {WAITING[name]}")
    if found.differing:
        rows = [[each.contact_id, each.external_id, each.field, each.reason] for each in cut(found.differing, limit)]
        print_table(amount(len(found.differing), "difference"), ("contact", "record", "field", "what"), rows)
        say(_RUNBOOK)
