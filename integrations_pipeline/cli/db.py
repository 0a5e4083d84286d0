"""`integrations db`: the database and its encryption keys."""

import typer

from integrations_pipeline.cli.output import Exit, JsonOption, print_json, say, warn, wired
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store import tokens
from integrations_pipeline.store.database import printable_url
from integrations_pipeline.store.encryption import generate_key_text

app = typer.Typer(help="The database: address, migrations, keys.", no_args_is_help=True)


@app.command()
def upgrade(as_json: JsonOption = False) -> None:
    """Apply missing migrations, onto an empty database or the original's."""
    with wired() as wiring:
        applied = wiring.upgrade()
    if as_json:
        print_json({"applied": list(applied)})
    else:
        say(f"applied: {', '.join(applied)}" if applied else "the database is up to date")


@app.command()
def url(as_json: JsonOption = False) -> None:
    """Print the address of the database; the embedded one is started if it does not run.

    A password in INTEGRATIONS_DATABASE_URL is not printed.
    """
    with wired() as wiring:
        text = printable_url(wiring.database_url)
    if as_json:
        print_json({"url": text})
    else:
        say(text)


@app.command("new-key")
def new_key(as_json: JsonOption = False) -> None:
    """Print a new key for INTEGRATIONS_ENCRYPTION_KEYS (newest first, separated by commas)."""
    key = generate_key_text()
    if as_json:
        print_json({"key": key})
    else:
        say(key)


@app.command("rotate-keys")
def rotate_keys(as_json: JsonOption = False) -> None:
    """Encrypt every credential again with the newest of INTEGRATIONS_ENCRYPTION_KEYS.

    Afterwards the older keys can be removed; credentials that no key opens are named and left as they are.
    """
    with wired() as wiring:
        runtime = wiring.runtime
        with runtime.database.admin() as connection:
            found = tokens.rotate_keys(connection, runtime.cipher)
    for problem in found.unreadable:
        warn(problem)
    if as_json:
        print_json({"rotated": found.rotated, "current": found.current, "unreadable": list(found.unreadable)})
    else:
        say(f"encrypted again: {found.rotated}; already with the newest key: {found.current}")
    if found.unreadable:
        raise typer.Exit(Exit.FAILED)


@app.command()
def stop(as_json: JsonOption = False) -> None:
    """Stop the embedded Postgres; the next command starts it again."""
    with wired() as wiring:
        if not wiring.settings.is_embedded:
            raise ConfigurationError("INTEGRATIONS_DATABASE_URL is set: there is no embedded database to stop")
        was_running = wiring.embedded.is_running()
        wiring.embedded.stop()
    if as_json:
        print_json({"stopped": was_running})
    else:
        say("stopped" if was_running else "it was not running")
