"""`integrations workspaces`: the tenants."""

from typing import Annotated

import typer

from integrations_pipeline.cli.output import JsonOption, print_json, print_rows, say, wired
from integrations_pipeline.store import workspaces

app = typer.Typer(help="Workspaces: each is a tenant and a Dagster partition.", no_args_is_help=True)


@app.command()
def add(
    slug: Annotated[str, typer.Argument(help="Short name; it never changes.")],
    name: Annotated[str | None, typer.Option(help="Name for people.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a workspace."""
    with wired() as wiring, wiring.runtime.database.admin() as connection:
        made = workspaces.add_workspace(connection, slug, name)
    if as_json:
        print_json({"id": str(made.id), "slug": made.slug, "name": made.name})
    else:
        say(f"added workspace {made.slug}")


@app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """List the workspaces."""
    with wired() as wiring, wiring.runtime.database.admin() as connection:
        found = workspaces.list_workspaces(connection)
    rows = [{"id": str(each.id), "slug": each.slug, "name": each.name} for each in found]
    print_rows(rows, ("slug", "name", "id"), title="Workspaces", as_json=as_json)
