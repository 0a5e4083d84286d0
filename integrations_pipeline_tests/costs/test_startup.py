"""What a command imports: libraries that only syncs need would cost every other command a second of its time."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

from integrations_pipeline import cli
from integrations_pipeline.cli.commands import PLACES
from integrations_pipeline_tests.environment import Environment
from integrations_pipeline_tests.patience import patient

#: Each takes from 20 to 2,000 ms to import.
HEAVY = (
    "alembic",
    "apprise",
    "authlib",
    "cryptography",
    "dagster",
    "email_validator",
    "flufl",
    "httpx",
    "jinja2",
    "numpy",
    "pandas",
    "pyarrow",
    "starlette",
    "tenacity",
    "uvicorn",
)
#: Runs a command and tells, on stderr's last line, which of the named modules it has imported; without names, how many
#: of ours.
_TELLING = """
import sys
from integrations_pipeline.cli import main
names, *arguments = sys.argv[1:]
try:
    main(arguments)
finally:
    ours = [name for name in sys.modules if name.partition(".")[0] == "integrations_pipeline"]
    print(*(name for name in names.split(",") if name in sys.modules) if names else (len(ours),), file=sys.stderr)
"""


def told(*arguments: str, of: tuple[str, ...] = (), variables: dict[str, str] | None = None) -> list[str]:
    """Which of these modules a command imports that ends well, or how many of ours."""
    done = subprocess.run(
        [sys.executable, "-c", _TELLING, ",".join(of), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(variables or {})},
        timeout=patient(120),
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1].split()


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)], ids=" ".join)
def test_the_help_imports_no_command_and_no_database(arguments: tuple[str, ...]) -> None:
    commands = tuple(f"integrations_pipeline.cli.{place.module}" for place in PLACES.values())
    libraries = ("pydantic", "sqlalchemy", "psycopg2", "integrations_pipeline.store")
    assert told(*arguments, of=(*HEAVY, *commands, *libraries)) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("inbox",),
        ("logs",),
        ("connections", "list", "-w", "acme"),
        ("connections", "--help"),
        ("workspaces", "list"),
        ("contacts", "list", "-w", "acme"),
        ("holds", "list"),
        ("deletes", "list", "-w", "acme"),
        ("conflicts", "list"),
        ("failures", "list"),
        ("pitches", "list", "-w", "acme"),
        ("suppressions", "list", "-w", "acme"),
        ("alerts", "list"),
        ("explain", "person0@acme.org", "-w", "acme"),
        ("db", "url"),
        ("sync", "--help"),
        ("undo", "--help"),
        ("verify", "--help"),
    ],
    ids=" ".join,
)
def test_what_does_not_sync_imports_nothing_that_only_syncs_need(
    environment: Environment, arguments: tuple[str, ...]
) -> None:
    environment.connect(environment.add_workspace("acme", people=1))
    assert told(*arguments, of=HEAVY, variables=environment.variables) == []


def test_a_sync_without_a_mailbox_imports_nothing_for_mail_upgrades_or_consent(environment: Environment) -> None:
    environment.connect(environment.add_workspace("acme", people=1))
    others = ("alembic", "apprise", "authlib", "dagster", "email_validator", "flufl", "jinja2", "starlette", "uvicorn")
    mailing = ("integrations_pipeline.mail", "integrations_pipeline.sync.mailing")
    arguments = ("sync", "--workspace", "acme", "--provider", "airtable")
    assert told(*arguments, of=(*others, *mailing), variables=environment.variables) == []


def test_a_sync_to_which_nothing_was_told_imports_no_frames(environment: Environment) -> None:
    environment.connect(environment.add_workspace("acme", people=1))
    arguments = ("sync", "--workspace", "acme", "--provider", "airtable")
    frames = ("numpy", "pandas", "pyarrow")
    first, second, third = (told(*arguments, of=frames, variables=environment.variables) for _ in range(3))
    assert sorted(first) == sorted(frames), "a first sync plans"
    assert third == [], f"the one after it, which may look once more, had {second}"


#: Modules of ours that a command imports: what it imports now, and a few more.
MOST_MODULES = {"--help": 20, "status": 55, "inbox": 60}


@pytest.mark.parametrize("command", MOST_MODULES)
def test_a_command_imports_few_modules_of_ours(environment: Environment, command: str) -> None:
    environment.connect(environment.add_workspace("acme"))
    assert int(told(command, variables=environment.variables)[0]) <= MOST_MODULES[command]


def test_no_provider_is_imported_whole_for_a_list(environment: Environment) -> None:
    environment.connect(environment.add_workspace("acme"))
    whole = tuple(
        f"integrations_pipeline.providers.{name}.{part}"
        for name in ("airtable", "gmail", "google_contacts", "hubspot", "mailchimp")
        for part in ("provider", "mailbox", "client", "wire", "shapes", "fields")
    )
    assert told("connections", "list", "-w", "acme", of=whole, variables=environment.variables) == []


@pytest.mark.parametrize("name", PLACES)
def test_the_help_shows_what_the_command_says_of_itself(name: str) -> None:
    command = typer.main.get_command(cli.app).commands[name]  # type: ignore[attr-defined]  # the root is a group
    assert " ".join((command.help or "").split("\n\n")[0].split()) == PLACES[name].help
    assert command.hidden == PLACES[name].is_hidden


def test_every_module_with_commands_has_its_place() -> None:
    named = {(place.module, place.app) for place in PLACES.values()}
    found = set()
    for path in Path(cli.__file__).parent.glob("*.py"):
        if path.stem == "__init__":
            continue
        module = import_module(f"integrations_pipeline.cli.{path.stem}")
        apps = {(path.stem, name) for name, value in vars(module).items() if isinstance(value, typer.Typer)}
        found |= apps | ({(path.stem, "")} if hasattr(module, "register") else set())
    assert found == named
