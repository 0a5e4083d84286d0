"""`integrations sandbox | demo`: everything on this machine, without an account anywhere."""

from typing import Annotated

import typer

from integrations_pipeline.cli.output import finite, say, warn
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.settings import MOST_SCALE
from integrations_sandbox import SandboxOptions, addresses, serve


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the root."""
    app.command()(sandbox)
    app.command()(demo)


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8765,
    rate_limit_scale: Annotated[
        float,
        typer.Option(
            min=0, max=MOST_SCALE, callback=finite, help="Multiplies the providers' rate limits; 0 turns them off."
        ),
    ] = 1.0,
) -> None:
    """Serve local providers that speak the real wire formats, until Ctrl-C."""
    try:
        serve(SandboxOptions(port=port, rate_limit_scale=rate_limit_scale or None), _tell_addresses)
    except OSError as error:
        raise ConfigurationError(f"--port {port}: {error.strerror}") from error


def _tell_addresses(url: str) -> None:
    """What to set where a client of the sandbox runs, ready to be pasted."""
    warn(f"sandbox: {url} lists what it serves and what it can be told; Ctrl-C stops it")
    say(*(f"export {name}={address}" for name, address in addresses(url).items()))


def demo(
    serve_ui: Annotated[
        bool, typer.Option("--serve", help="Afterwards leave the data open in the Dagster UI.")
    ] = False,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port of the Dagster UI with --serve.")] = 3000,
) -> None:
    """Move contacts and pitches between a real Postgres and sandboxed providers, run by Dagster."""
    from integrations_pipeline.demo import run_demo  # noqa: PLC0415 - Dagster takes seconds to import

    run_demo(is_serving=serve_ui, port=port)
