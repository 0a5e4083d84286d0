"""How rows look to people, at any width of the terminal: nothing here prints.

A table is a table as long as its words fit the width; where they do not, each row becomes a block of lines, one per
column, like the expanded display of psql. Columns in which no row has anything are left out, times are told as seen
from now, and ids are cut to what every command takes back (`ids`). Belongs here: the layout. Does not: streams
(`output`), which columns a command shows.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

#: Times further away than this are dates.
NEAR = timedelta(days=7)
ID_LENGTH = 8
#: A longer word is broken rather than the whole table given up: an address, a path.
LONGEST_WORD = 36
#: Border and blanks that a column costs, and the last border.
_PER_COLUMN, _LAST = 3, 1
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Spell = Callable[[str], str]


def build_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, width: int, now: datetime, spell: Spell
) -> RenderableType:
    """A table, or blocks of lines where its words do not fit into `width` columns. `spell` makes text visible."""
    texts = [[spell(cell_text(value, now)) for value in row] for row in rows]
    kept = [i for i in range(len(columns)) if any(row[i] for row in texts)]
    names = [columns[i] for i in kept]
    cells = [[row[i] for i in kept] for row in texts]
    head = Text(spell(title), style="bold")
    widths = column_widths([[name, *(row[i] for row in cells)] for i, name in enumerate(names)], width)
    return Group(head, _blocks(names, cells) if widths is None else _table(names, cells, widths))


def column_widths(columns: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """How wide each column is, so that no word is broken; None where they do not fit. What is left when every column
    has its longest word goes first to those that need least."""
    least = [max((min(_longest_word(cell), LONGEST_WORD) for cell in column), default=0) for column in columns]
    whole = [max((cell_len(cell) for cell in column), default=0) for column in columns]
    left = width - _LAST - _PER_COLUMN * len(columns) - sum(least)
    if left < 0:
        return None
    widths = list(least)
    missing = sorted(range(len(columns)), key=lambda i: whole[i] - least[i])
    for position, i in enumerate(missing):
        share = min(whole[i] - least[i], left // (len(missing) - position))
        widths[i] += share
        left -= share
    return widths


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Table:
    table = Table(header_style="bold")
    for name, width in zip(names, widths, strict=True):
        table.add_column(Text(name), overflow="fold", width=width)
    for row in rows:
        table.add_row(*(_cell(text) for text in row))
    return table


def _blocks(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Group:
    """One block per row, with what it has."""
    longest = max(map(cell_len, names))
    blocks: list[RenderableType] = []
    for row in rows:
        block = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        block.add_column(width=longest, no_wrap=True, style="bold")
        block.add_column(overflow="fold")
        for name, text in zip(names, row, strict=True):
            if text:
                block.add_row(Text(name), Text(text))
        blocks += [Text("─" * longest, style="dim"), block]
    return Group(*blocks)


def _cell(text: str) -> Text:
    return Text(text) if text else Text("–", style="dim")


def cell_text(value: Any, now: datetime) -> str:
    """A value for people; "" for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return seen_from(value, now)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    text = str(value)
    return short_id(text) if isinstance(value, UUID) or _UUID.fullmatch(text) else text


def short_id(value: object) -> str:
    """The beginning of an id, which commands take for the whole."""
    return str(value)[:ID_LENGTH]


def seen_from(moment: datetime, now: datetime) -> str:
    """`5 min ago`, `in 3 h`; the date of what is further away."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    away = moment - now
    if abs(away) > NEAR:
        return moment.strftime("%Y-%m-%d")
    seconds = int(abs(away).total_seconds())
    return f"in {span(seconds)}" if away > timedelta(0) else f"{span(seconds)} ago"


def amount(count: int, noun: str) -> str:
    """`1 conflict`, `2 conflicts`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def span(seconds: int) -> str:
    """The largest unit that fits: `40 s`, `12 min`, `3 h`, `4 d`."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (unit == "min" and seconds >= length):
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
