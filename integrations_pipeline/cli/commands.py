"""Which module holds which command. A module is imported when its command is asked for: each needs other libraries,
and together they take seconds.

Belongs here: names, modules, the lines that `--help` shows (a test holds them to what the commands say). Does not: any
command.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@dataclass(frozen=True, slots=True)
class Place:
    """A module of this package; `app`: the name of its Typer, "" where it has a function `register`."""

    module: str
    help: str
    app: str = "app"
    is_hidden: bool = False


#: In the order of `--help`.
PLACES: Mapping[str, Place] = {
    "inbox": Place(
        "inbox",
        "All that waits for a person, the newest first: what, whose, since when, why, and the command that decides it.",
        app="",
    ),
    "plan": Place(
        "sync",
        "Preview a sync: what it would change on each side. Writes nothing; prints a plan id for `sync --plan`.",
        app="",
    ),
    "sync": Place(
        "sync",
        "Sync one connection. Exit code 0 done, 1 failed wholly or for some records, 3 refused by a guard.",
        app="",
    ),
    "undo": Place(
        "undo",
        "Put back what a run changed, and sync it; what was edited since is listed and left. An undo can be undone.",
        app="",
    ),
    "verify": Place(
        "verify",
        "Compare both sides in full, by other code than the sync's. Writes nothing there; exit code 1 if they differ.",
        app="",
    ),
    "logs": Place(
        "logs",
        "The sync log, newest first, with errors and run ids: of all workspaces, or of those asked for.",
        app="",
    ),
    "status": Place(
        "status",
        "How every connection is: the fleet first, then each with its last success, last full read and what waits.",
        app="",
    ),
    "explain": Place(
        "explain",
        "Why a contact says what it says: each field on every side, who wrote it when, and what waits.",
        app="",
    ),
    "report": Place(
        "report",
        "Write one self-contained page: volumes, failures, holds, conflicts, delays, e-mails, connections.",
        app="",
    ),
    "sandbox": Place("local", "Serve local providers that speak the real wire formats, until Ctrl-C.", app=""),
    "demo": Place(
        "local",
        "Move contacts and pitches between a real Postgres and sandboxed providers, run by Dagster.",
        app="",
    ),
    "db": Place("db", "The database: address, migrations, keys."),
    "workspaces": Place("workspaces", "Workspaces: each is a tenant and a Dagster partition."),
    "contacts": Place("contacts", "Contacts: import, export, look, edit."),
    "connections": Place("connections", "Connections: add, look at, check, switch on and off."),
    "pitches": Place("pitches", "Pitches: e-mails to contacts, sent through a mailbox at most once."),
    "suppressions": Place("suppressions", "Suppressions: addresses that must not be mailed."),
    "holds": Place("holds", "Held changes: look, approve, reject."),
    "deletes": Place("holds", "Held deletes: `holds` has them now.", app="deletes_app", is_hidden=True),
    "conflicts": Place("conflicts", "Conflicts: fields that both sides changed."),
    "failures": Place("failures", "Records that a side did not take: look, try again."),
    "alerts": Place("alerts", "Alerts: what people are told of, and where."),
}


class _Commands(Mapping[str, Any]):
    """The commands by name, each loaded when it is looked up."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = _load(name, PLACES[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(PLACES)

    def __len__(self) -> int:
        return len(PLACES)


class Root(TyperGroup):
    """The command `integrations`: a group that imports the module of the command that is asked for."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing is ever added to it

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help of a group with the same options, whose commands are their lines alone: nothing is imported."""
        lines: dict[str, Any] = {
            name: TyperCommand(name, help=place.help, hidden=place.is_hidden) for name, place in PLACES.items()
        }
        shown = TyperGroup(name=self.name, help=self.help, commands=lines, params=self.params)
        shown.format_help(ctx, formatter)


def _load(name: str, place: Place) -> Any:
    module = import_module(f"{__package__}.{place.module}")
    root = typer.Typer()
    if place.app:
        root.add_typer(getattr(module, place.app), name=name, hidden=place.is_hidden)
    else:
        module.register(root)
    return get_group(root).commands[name]
