"""`integrations sandbox | demo`: everything on this machine, without an account anywhere."""

from typing import Annotated

import typer

from integrations_pipeline.cli.output import warn
from integrations_pipeline.sandbox import SandboxOptions, serve


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the root."""
    app.command()(sandbox)
    app.command()(demo)


def sandbox(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8765,
    rate_limit_scale: Annotated[
        float, typer.Option(help="Multiplies the providers' rate limits; 0 turns them off.")
    ] = 1.0,
) -> None:
    """Serve local providers that speak the real wire formats, until Ctrl-C."""
    warn(f"sandbox: INTEGRATIONS_AIRTABLE_API_URL=http://127.0.0.1:{port}/airtable")
    serve(SandboxOptions(port=port, rate_limit_scale=rate_limit_scale or None))


def demo(
    serve_ui: Annotated[
        bool, typer.Option("--serve", help="Afterwards leave the data open in the Dagster UI.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the Dagster UI with --serve.")] = 3000,
) -> None:
    """Move contacts both ways between a real Postgres and a sandboxed Airtable, run by Dagster."""
    from integrations_pipeline.demo import run_demo  # noqa: PLC0415 - Dagster takes seconds to import

    run_demo(is_serving=serve_ui, port=port)
