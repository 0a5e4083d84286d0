"""Printing for the demonstration. Belongs here: tables. Does not: the story."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from integrations_pipeline.layout import build_table

console = Console()

_COUNTS = ("created", "updated", "deleted", "unchanged", "skipped", "failed", "held", "conflicted")


def heading(text: str) -> None:
    console.print()
    fits = len(text) + 4 <= console.width  # a rule cuts what does not
    if not fits:
        console.print(Text(text, style="bold"))
    console.rule(Text(text, style="bold") if fits else "", align="left")


def line(text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    console.print(build_table(title, columns, rows, width=console.width, now=datetime.now(UTC), spell=str))


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
