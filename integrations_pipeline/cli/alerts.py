"""`integrations alerts`: what was told, whether destinations can be reached, and telling without Dagster."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

import typer

from integrations_pipeline.cli.output import (
    Exit,
    JsonOption,
    LimitOption,
    cut,
    find_workspace,
    print_json,
    print_rows,
    say,
    wired,
)
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.settings import ALERT_URLS
from integrations_pipeline.store import alerts

if TYPE_CHECKING:
    from integrations_pipeline.alerts.destinations import Destination, Outcome

app = typer.Typer(help="Alerts: what people are told of, and where.", no_args_is_help=True)
SHOWN = 100
#: The text begins with workspace and provider.
_COLUMNS = ("created_at", "text", "state", "reason")
_NONE = f"no destination is configured: set {ALERT_URLS} (docs/operations.md, section Alerts)"


@app.command("list")
def list_all(
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Only this workspace's.")] = None,
    limit: LimitOption = SHOWN,
    as_json: JsonOption = False,
) -> None:
    """List alerts, newest first, with what became of them; those of the fleet have no workspace."""
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace) if workspace is not None else None
        with wiring.runtime.database.admin() as connection:
            found = cut(alerts.list_alerts(connection, workspace_id, limit + 1), limit)
    title = f"Alerts of {workspace}" if workspace else "Alerts"
    rows = found if as_json else [{**row, "text": row["text"].replace("\n", ". ")} for row in found]
    print_rows(rows, _COLUMNS, title=title, as_json=as_json)


@app.command()
def send(as_json: JsonOption = False) -> None:
    """Look at the fleet, write what is to be told, and send what waits: for cron, where no Dagster runs."""
    from integrations_pipeline.alerts.watch import tell  # noqa: PLC0415 - other commands do without

    with wired() as wiring:
        report = tell(wiring.runtime.database, ALERT_URLS, wiring.settings.alert_urls, wiring.runtime.clock)
    if as_json:
        names = ("written", "destinations", "sent", "waiting", "failed")
        print_json({name: getattr(report, name) for name in names})
    else:
        say(report.sentence if report.destinations else f"{report.sentence}; set {ALERT_URLS}")
    if report.waiting or report.failed:
        raise typer.Exit(Exit.FAILED)


@app.command("test")
def send_test(as_json: JsonOption = False) -> None:
    """Send a message to every destination now, and say what came of it."""
    from integrations_pipeline.alerts.destinations import build_destinations  # noqa: PLC0415 - the same

    with wired() as wiring:
        destinations = build_destinations(ALERT_URLS, wiring.settings.alert_urls).require()
    if not destinations:
        raise ConfigurationError(_NONE)
    outcomes = _try_all(destinations)
    is_ok = all(outcome.is_sent for outcome in outcomes)
    labels = [f"{number} {each.label}" for number, each in enumerate(destinations, 1)]
    if as_json:
        told = [
            {"destination": label, "ok": outcome.is_sent, "reason": outcome.reason or None}
            for label, outcome in zip(labels, outcomes, strict=True)
        ]
        print_json({"ok": is_ok, "destinations": told})
    else:
        say(*(f"{label}: {outcome.reason or 'ok'}" for label, outcome in zip(labels, outcomes, strict=True)))
    if not is_ok:
        raise typer.Exit(Exit.FAILED)


def _try_all(destinations: Sequence["Destination"]) -> "list[Outcome]":
    title, body = (
        "Test of integrations",
        "Alerts of this installation arrive here. `integrations alerts test` sent this.",
    )
    with ThreadPoolExecutor(max_workers=8) as threads:
        return list(threads.map(lambda each: each.send(title, body, "info"), destinations))
