"""What every command shares: options, the program's wiring, tables for people, JSON for programs.

Belongs here: printing and exit codes. Does not: any command. Nothing else in the command line writes to a stream, so
that no name, workspace or message can move a cursor, set a title or hide a word: see `visible`.
"""

import json
import logging
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from integrations_pipeline.errors import (
    BusyError,
    ConfigurationError,
    IntegrationError,
)
from integrations_pipeline.layout import build_table

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from integrations_pipeline.sync.runtime import Runtime
    from integrations_pipeline.wiring import Wiring

Row = TypeVar("Row")

#: Columns where the output is no terminal.
PIPED_WIDTH = 200

stdout = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
stderr = Console(stderr=True)

#: Most rows that a list gives when asked for; a day, for what waits.
MOST_ROWS = 1_000_000
MOST_SECONDS = 86_400.0
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
WorkspaceOption = Annotated[str, typer.Option("--workspace", "-w", help="The workspace's slug.")]
ProviderOption = Annotated[str, typer.Option("--provider", "-p", help="The provider's name, in lower case.")]
LimitOption = Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="At most this many.")]


def finite(value: float) -> float:
    """A callback for numbers with bounds: no bound keeps out what is no number."""
    if math.isnan(value):
        raise typer.BadParameter("nan is no number")
    return value


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3


def exit_code(error: IntegrationError) -> Exit:
    """The code for an error that ends a command."""
    if isinstance(error, ConfigurationError):
        return Exit.USAGE
    return Exit.REFUSED if isinstance(error, BusyError) else Exit.FAILED


@contextmanager
def wired() -> Iterator["Wiring"]:
    """The program, put together from the environment, and closed afterwards."""
    from integrations_pipeline.wiring import Wiring, read_settings  # noqa: PLC0415 - `--help` does without

    wiring = Wiring(read_settings())
    try:
        yield wiring
    finally:
        wiring.close()


def find_workspace(runtime: "Runtime", slug: str) -> UUID:
    """The workspace's id; `ConfigurationError` with the next step where there is none."""
    from integrations_pipeline.store import workspaces  # noqa: PLC0415 - the same

    with runtime.database.admin() as connection:
        return workspaces.find_workspace(connection, slug).id


#: Control characters (C0, C1), separators of lines, marks that turn the direction of writing, and halves of
#: characters, which no stream takes.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with every character that a terminal would obey instead of show written as `\\x1b` or `\\u202e`."""
    return _UNSEEN.sub(lambda found: _spelled(found[0], "\\x{:02x}"), text)


def _spelled(character: str, short: str) -> str:
    return short.format(ord(character)) if character <= "\xff" else f"\\u{ord(character):04x}"


def print_json(document: Any) -> None:
    """The one document of `--json`; what a terminal would obey is spelled out in it, as JSON has it."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=str)
    lines = (_UNSEEN.sub(lambda found: _spelled(found[0], "\\u{:04x}"), line) for line in text.split("\n"))
    sys.stdout.write("\n".join(lines) + "\n")


def print_file(text: str) -> None:
    """A file's text on stdout: as it is for another program, line by line for a person at a terminal."""
    sys.stdout.write("\n".join(map(visible, text.split("\n"))) if sys.stdout.isatty() else text)


def say(*lines: str) -> None:
    """Lines for a person; plain text, never read as markup."""
    for line in lines:
        stdout.print(visible(line), markup=False, highlight=False, soft_wrap=True)


def say_items(*lines: str) -> None:
    """The items of a list, plain text, each wrapped to the width and its further lines indented."""
    for line in lines:
        for place, part in enumerate(Text(visible(line)).wrap(stdout, max(stdout.width - 4, 20))):
            stdout.print(Text(("    " if place else "  ") + part.plain.rstrip()), soft_wrap=True, highlight=False)


def warn(*lines: str) -> None:
    for line in lines:
        stderr.print(visible(line), markup=False, highlight=False, soft_wrap=True)


class VisibleFormatter(logging.Formatter):
    """Log lines with what they quote made visible; a traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(visible, super().format(record).split("\n")))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows for people (`tables`); cells are plain text."""
    now = datetime.now(UTC)
    stdout.print(build_table(title, columns, rows, width=stdout.width, now=now, spell=visible))


def cut(rows: Sequence[Row], limit: int, more: str = "--limit shows more") -> Sequence[Row]:
    """The first of rows that were read with one more than is shown: a list is never cut without a word."""
    if len(rows) > limit:
        warn(f"only the first {limit} are shown: {more}")
    return rows[:limit]


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, title: str, as_json: bool) -> None:
    """Rows as JSON list or as table of the chosen columns."""
    if as_json:
        print_json([dict(row) for row in rows])
    elif rows:
        print_table(title, columns, [[row.get(column) for column in columns] for row in rows])
    else:
        say(f"{title}: none")


class ProgressLine:
    """Progress of a sync on a terminal; nothing elsewhere. Called as `sync.runtime.Progress`."""

    def __init__(self, progress: "Progress | None") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._progress is None:
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total or None)
        self._progress.update(self._tasks[stage], completed=done, total=total or None)


@contextmanager
def progress_line(*, is_quiet: bool) -> Iterator[ProgressLine]:
    """Records done per stage, with elapsed time, on stderr if it is a terminal."""
    if is_quiet or not stderr.is_terminal:
        yield ProgressLine(None)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - the same

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} records"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr, transient=True) as progress:
        yield ProgressLine(progress)
