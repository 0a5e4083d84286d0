"""What the commands that decide share: who decides and why, and which of what waits is meant.

Belongs here: their options, and reading them. Does not: any command, the decision itself (`store.decisions`).
"""

import getpass
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from integrations_pipeline.cli.output import find_workspace
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store.waiting import HOLDS, Choice
from integrations_pipeline.wiring import Wiring


class HoldKind(StrEnum):
    """Kinds of held changes, as the inbox has them."""

    DELETE = "held_delete"
    CLEAR = "held_clear"
    EMAIL = "held_email"
    CREATE = "held_create"
    PLACE = "held_place"


WorkspaceFilter = Annotated[str | None, typer.Option("--workspace", "-w", help="One workspace; all if absent.")]
ProviderFilter = Annotated[str | None, typer.Option("--provider", "-p", help="Only of this provider.")]
KindFilter = Annotated[list[HoldKind] | None, typer.Option("--kind", help="Only these kinds; several times.")]
FieldFilter = Annotated[str | None, typer.Option("--field", help="Only of this field.")]
EmailFilter = Annotated[str | None, typer.Option("--email", help="Only of the contact with this e-mail.")]
RunFilter = Annotated[str | None, typer.Option("--run", help="Only what this run found: its id or the beginning.")]
EveryOption = Annotated[bool, typer.Option("--all", help="All of them.")]
DecidedOption = Annotated[bool, typer.Option("--all", help="Also those that are decided.")]
BecauseOption = Annotated[str | None, typer.Option("--because", metavar="TEXT", help="Why; it stays on record.")]
AsOption = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who decides; the system's user if absent.")]
LONGEST_NAME, LONGEST_REASON = 100, 1_000


def operator(given: str | None) -> str:
    """Who decides: the name given, else the user that the command runs as."""
    if given is not None:
        return _words(given, "--as", LONGEST_NAME)
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name: a container that runs under a bare number
        return "system"


def reason(given: str | None) -> str:
    return "" if given is None else _words(given, "--because", LONGEST_REASON)


def _words(given: str, option: str, longest: int) -> str:
    said = " ".join(given.split())
    if not said:
        raise ConfigurationError(f"{option} is blank: say something, or leave it out")
    if len(said) > longest:
        raise ConfigurationError(f"{option} is longer than {longest} characters")
    return said


def find_scope(wiring: Wiring, workspace: str | None, provider: str | None) -> UUID | None:
    """The workspace's id, None for all; `ConfigurationError` for a slug or provider that nobody has."""
    if provider is not None:
        wiring.runtime.spec(provider)
    return find_workspace(wiring.runtime, workspace) if workspace is not None else None


def chosen_holds(
    ids: Sequence[str] | None,
    kinds: Sequence[HoldKind] | None = None,
    *,
    field: str | None = None,
    email: str | None = None,
    run: str | None = None,
    provider: str | None = None,
    is_all: bool = False,
) -> Choice:
    """The choice that the options of `holds` stand for."""
    return Choice(
        kinds=[kind.value for kind in kinds] if kinds else HOLDS,
        is_narrowed=bool(kinds),
        ids=list(ids or ()),
        field_name=field,
        email=email,
        run=run,
        provider=provider,
        is_all=is_all,
    )
