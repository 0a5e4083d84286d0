"""What was measured, as rows, and the tables made of them.

Belongs here: one row, its ratio to ours, text and Markdown. Does not: measuring, the picture (`picture`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

OURS = "ours"
HEADS = ("contender", "records", "client s", "server s", "calls", "MiB", "× ours")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """CPU seconds of the contender's process and of Postgres. `note` stands instead of them where it did not run."""

    subject: str
    contender: str
    records: int
    client: float = 0.0
    server: float = 0.0
    calls: int | None = None
    mebibytes: float = 0.0
    note: str = ""

    @property
    def cpu(self) -> float:
        return self.client + self.server

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def ratio(row: Row, rows: Iterable[Row]) -> float | None:
    """Its CPU, divided by ours on the same subject and size: above 1 we cost less."""
    ours = next((each for each in rows if each.contender == OURS and _key(each) == _key(row)), None)
    return row.cpu / ours.cpu if ours and ours.cpu and not row.note else None


def _key(row: Row) -> tuple[str, int]:
    return row.subject, row.records


def subjects(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row.subject for row in rows))


def table(subject: str, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The cells of one subject's table, by size and then as they were measured."""
    chosen = sorted((row for row in rows if row.subject == subject), key=lambda row: row.records)
    return [_cells(row, ratio(row, rows)) for row in chosen]


def _cells(row: Row, share: float | None) -> tuple[str, ...]:
    if row.note:
        return row.contender, f"{row.records:,}", row.note, "", "", "", ""
    server = f"{row.server:.2f}" if row.server else ""
    calls = "" if row.calls is None else f"{row.calls:,}"
    times = "" if share is None else f"{share:.1f}"
    return (
        row.contender,
        f"{row.records:,}",
        f"{row.client:.2f}",
        server,
        calls,
        f"{row.mebibytes:.0f}",
        times,
    )


def text(subject: str, rows: Sequence[Row]) -> str:
    """Numbers to the right, the contender to the left; what did not run says why across the columns."""
    lines = [HEADS, *table(subject, rows)]
    noted = {row.note for row in rows if row.note}
    widths = [max(len(line[i]) for line in lines if line[i] not in noted) for i in range(len(HEADS))]
    shown = [subject, ""]
    for line in lines:
        if line[2] in noted:
            shown.append(f"  {line[0].ljust(widths[0])}  {line[1].rjust(widths[1])}  {line[2]}")
        else:
            aligned = [
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            shown.append("  " + "  ".join(aligned).rstrip())
    return "\n".join(shown)


def markdown(subject: str, rows: Sequence[Row]) -> str:
    lines = [HEADS, ("---", *["---:"] * (len(HEADS) - 1)), *table(subject, rows)]
    return f"**{subject}**\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)
