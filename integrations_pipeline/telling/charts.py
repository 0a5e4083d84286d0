"""Bars over time, as numbers that a page draws: where each begins, how high it is, what is written beside it.

Belongs here: geometry. Does not: colours, fonts, the page (`page.html`). Heights are parts of 100: a picture may be
stretched to any size; texts stand outside of it and keep theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

#: More days than this are put together by weeks: bars would become too thin to be seen.
MOST_DAYS = 45
#: Labels that stand side by side below a picture on a telephone.
MOST_LABELS = 8
_WEEK = 7
_FULL = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The days that one bar stands for."""

    first: date
    last: date

    @property
    def label(self) -> str:
        return self.first.strftime("%d %b").lstrip("0")

    @property
    def title(self) -> str:
        return (
            self.label if self.first == self.last else f"{self.label} – {Bucket(first=self.last, last=self.last).label}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a bar: the series it belongs to, its upper edge and height."""

    series: str
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One bar with the amounts in it, as it is told to who points at it."""

    title: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars side by side, each one unit wide. `top`: the amount at the upper edge; `labels`: below each bar, or, where
    these would not fit, below the first, the middle and the last; `series`: those of which there is something."""

    columns: tuple[Column, ...]
    top: int
    labels: tuple[str, ...]
    series: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.series


def buckets(first: date, last: date) -> list[Bucket]:
    """Every day from the first to the last, or every seven days where there are many; the last one may be short."""
    days = (last - first).days + 1
    step = 1 if days <= MOST_DAYS else _WEEK
    starts = [first + timedelta(days=offset) for offset in range(0, days, step)]
    return [Bucket(first=start, last=min(last, start + timedelta(days=step - 1))) for start in starts]


def build_chart(spans: Sequence[Bucket], series: Mapping[str, Mapping[date, int]], top: int = 0) -> Chart:
    """A bar per span, its segments upwards in the order of the series. `top`: the least that the upper edge stands for,
    so that charts side by side can be compared."""
    amounts = [{name: _within(span, values) for name, values in series.items()} for span in spans]
    highest = max((sum(each.values()) for each in amounts), default=0)
    edge = max(round_up(highest), top)
    return Chart(
        columns=tuple(_column(span, each, edge) for span, each in zip(spans, amounts, strict=True)),
        top=edge,
        labels=_labels(spans),
        series=tuple(name for name in series if any(each[name] > 0 for each in amounts)),
    )


def _labels(spans: Sequence[Bucket]) -> tuple[str, ...]:
    if len(spans) <= MOST_LABELS:
        return tuple(each.label for each in spans)
    return tuple(spans[i].label for i in (0, len(spans) // 2, len(spans) - 1))


def _within(span: Bucket, values: Mapping[date, int]) -> int:
    return sum(amount for day, amount in values.items() if span.first <= day <= span.last)


def _column(span: Bucket, amounts: Mapping[str, int], top: int) -> Column:
    segments = []
    y = _FULL
    for name, amount in amounts.items():
        if amount > 0:
            height = amount * _FULL / top
            y -= height
            segments.append(Segment(series=name, y=round(y, 2), height=round(height, 2)))
    told = ", ".join(f"{amount:,} {name}" for name, amount in amounts.items() if amount) or "nothing"
    return Column(title=f"{span.title}: {told}", segments=tuple(segments))


def round_up(amount: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50 …; 1 for nothing."""
    scale = 1
    while True:
        for step in (1, 2, 5):
            if step * scale >= amount:
                return step * scale
        scale *= 10
