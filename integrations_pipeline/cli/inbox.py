"""`integrations inbox`: all that waits for a person, over all workspaces, each with the command that decides it.

Belongs here: the command. Does not: the questions to the database (`store.waiting`), the words (`waiting_words`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from integrations_pipeline.cli.deciding import ProviderFilter, WorkspaceFilter, find_scope
from integrations_pipeline.cli.output import JsonOption, LimitOption, print_json, say, say_items, warn, wired
from integrations_pipeline.cli.waiting_words import INSTEAD, command_of, document_of, what, who
from integrations_pipeline.layout import seen_from
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.waiting import (
    OF_AGENDA,
    PITCH,
    Choice,
    Waiting,
    count_pitches,
    count_waiting,
    list_pitches,
    list_waiting,
)
from integrations_pipeline.sync.runtime import Runtime

Kind = StrEnum("Kind", {kind.upper(): kind for kind in (*OF_AGENDA, PITCH)})  # type: ignore[misc]  # made of values
KindFilter = Annotated[list[Kind] | None, typer.Option("--kind", help="Only these kinds; can be given several times.")]


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(inbox)


def inbox(
    workspace: WorkspaceFilter = None,
    provider: ProviderFilter = None,
    kind: KindFilter = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """All that waits for a person, the newest first: what, whose, since when, why, and the command that decides it."""
    kinds = [each.value for each in kind or Kind]
    with wired() as wiring:
        runtime = wiring.runtime
        scope, mailbox = find_scope(wiring, workspace, provider), mailbox_of(runtime)
        has_pitches = PITCH in kinds and provider in (None, mailbox)
        choice = Choice(kinds=[each for each in kinds if each != PITCH], provider=provider)
        with runtime.database.admin() as connection:
            items, counts = _read(connection, scope, choice, limit, has_pitches=has_pitches)
        now = runtime.clock()
    if sum(counts.values()) > len(items):
        warn(f"only the first {len(items)} of {sum(counts.values())} are shown: --limit shows more")
    if as_json:
        print_json({"items": [document_of(item, mailbox) for item in items], "counts": counts})
    else:
        _show(items, counts, now, mailbox)


def mailbox_of(runtime: Runtime) -> str:
    """The provider that sends pitches; "" if none is installed."""
    return next((name for name, spec in sorted(runtime.specs.items()) if spec.mailbox), "")


def _read(
    connection: Connection, scope: UUID | None, choice: Choice, limit: int, *, has_pitches: bool
) -> tuple[Sequence[Waiting], Mapping[str, int]]:
    """The newest of all, and how many there are of each kind: one question per source, however many workspaces."""
    items = list_waiting(connection, scope, choice, limit)
    counts = count_waiting(connection, scope, choice)
    if has_pitches:
        items += list_pitches(connection, scope, limit)
        counts |= {PITCH: found} if (found := count_pitches(connection, scope)) else {}
    newest = sorted(items, key=lambda item: (item.since, str(item.id)), reverse=True)
    return newest[:limit], dict(sorted(counts.items()))


def _show(items: Sequence[Waiting], counts: Mapping[str, int], now: datetime, mailbox: str) -> None:
    if not items:
        say("nothing waits for a person")
        return
    say("Waiting for a person")
    say_items(", ".join(f"{count:,} {kind}" for kind, count in counts.items()))
    for item in items:
        say(f"{item.workspace} {item.provider or mailbox}: {item.kind}, since {seen_from(item.since, now)}")
        say_items(f"{who(item)}: {what(item)}", *([item.reason] if item.reason else []))
        say(f"  {command_of(item, is_short=True)}")
    say("What else can be done")
    say_items(*dict.fromkeys(INSTEAD[item.kind] for item in items))
