"""Printing for the demonstration. Belongs here: tables. Does not: the story."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console()

_COUNTS = ("created", "updated", "deleted", "unchanged", "skipped", "failed", "held", "conflicted")


def heading(text: str) -> None:
    console.print()
    console.rule(Text(text, style="bold"), align="left")


def line(text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    shown = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text("–" if value in (None, "") else str(value)) for value in row))
    console.print(shown)


def log_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of `integration_sync_logs`, with their workspace; counts that are zero are left out."""
    columns = ("workspace", "direction", "status", "records", "api calls", "s")
    shown = [
        [
            row["workspace"],
            row["direction"],
            row["status"],
            ", ".join(f"{row[f'records_{name}']} {name}" for name in _COUNTS if row[f"records_{name}"])
            or "nothing changed",
            row["api_calls"],
            f"{row['duration_ms'] / 1000:.1f}",
        ]
        for row in rows
    ]
    table("integration_sync_logs", columns, shown)
