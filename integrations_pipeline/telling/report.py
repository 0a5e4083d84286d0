"""What a report says: the figures of a period in the order and words of its page.

Belongs here: adding up, naming, choosing what is shown. Does not: SQL (`store.figures`), how it looks (`page`).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from integrations_pipeline.layout import span
from integrations_pipeline.store.figures import (
    CauseRow,
    ConflictCount,
    DecisionRow,
    DelayRow,
    MailRow,
    Period,
    RunRow,
    VolumeRow,
    WaitingCount,
)
from integrations_pipeline.store.suppressions import masked
from integrations_pipeline.telling.charts import Bucket, Chart, buckets, build_chart

#: Most rows of one table; what is left out is said below it.
MOST_ROWS = 50
DIRECTIONS = ("to_external", "from_external")
_VOLUMES = ("created", "updated", "deleted", "failed")
_ANSWERS = {"reply": "answered", "auto_reply": "by a machine", "out_of_office": "out of office", "bounce": "bounced"}
_WAITING = {
    "held_delete": "deletes held",
    "held_clear": "emptied values held",
    "held_email": "changed e-mails held",
    "held_create": "new records held",
    "held_place": "places held",
    "conflict": "open conflicts",
    "ambiguous": "not certain who it is",
    "skipped": "left out",
    "failed": "failed, tried again",
    "refused": "refused by the provider",
    "stopped_field": "stopped fields",
}
_ADDRESS = re.compile(r"[^\s<>(),;]+@[^\s<>(),;]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLine:
    """One connection as the report shows it; `problem` is "" for one that is well."""

    workspace: str
    provider: str
    state: str
    problem: str
    last_sync_at: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything that was read for a report. `titles`: providers as people call them; `workspaces`: how many it is
    about; `scope`: the workspace's slug, or ""."""

    period: Period
    scope: str
    workspaces: int
    titles: Mapping[str, str]
    volumes: Sequence[VolumeRow]
    runs: Sequence[RunRow]
    causes: Sequence[CauseRow]
    waiting: Sequence[WaitingCount]
    decisions: Sequence[DecisionRow]
    conflicts: Sequence[ConflictCount]
    delays: Sequence[DelayRow]
    mails: Sequence[MailRow]
    pitch_states: Mapping[str, int]
    connections: Sequence[ConnectionLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number at the head of the page."""

    label: str
    value: str
    note: str
    is_alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of texts under named columns; numbers are set to the right. `left_out`: rows that are not shown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[str] = frozenset()
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture with its name."""

    title: str
    chart: Chart


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPart:
    """Volumes of one provider: there and here."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The page's content, top to bottom."""

    title: str
    span: str
    unit: str
    tiles: tuple[Tile, ...]
    providers: tuple[ProviderPart, ...]
    volumes: Table
    run_causes: Table
    change_causes: Table
    waiting: Table
    decisions: Table
    conflicts: Table
    delays: Table
    mail: Panel | None
    mail_states: Table
    connections: Table


def build_report(figures: Figures) -> Report:
    period = figures.period
    days = buckets(period.since.date(), period.until.date())
    about = figures.scope or f"{figures.workspaces:,} workspace{'' if figures.workspaces == 1 else 's'}"
    name = _namer(figures.titles)
    return Report(
        title=f"Integrations report, {about}",
        span=f"{period.since:%Y-%m-%d %H:%M} to {period.until:%Y-%m-%d %H:%M} UTC",
        unit="day" if all(each.first == each.last for each in days) else "week",
        tiles=_tiles(figures, name),
        providers=tuple(
            _provider_part(provider, name(provider), figures.volumes, days)
            for provider in sorted({row.provider for row in figures.volumes})
        ),
        volumes=_volume_table(figures, name),
        run_causes=_run_causes(figures, name),
        change_causes=_change_causes(figures, name),
        waiting=_waiting_table(figures, name),
        decisions=_decision_table(figures, name),
        conflicts=_conflict_table(figures, name),
        delays=_delay_table(figures, name),
        mail=_mail_panel(figures.mails, days),
        mail_states=_table(
            ("state", "e-mails"), ((state, f"{count:,}") for state, count in figures.pitch_states.items()), {"e-mails"}
        ),
        connections=_connection_table(figures, name),
    )


def _namer(titles: Mapping[str, str]) -> Callable[[str], str]:
    return lambda provider: titles.get(provider, provider)


def without_addresses(text: str) -> str:
    """A text of ours, in case a program of another author wrote an address into it."""
    return _ADDRESS.sub(lambda found: masked(found[0]), text)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], numeric: Iterable[str] = ()) -> Table:
    found = list(rows)
    return Table(
        columns=columns,
        rows=tuple(tuple(map(without_addresses, row)) for row in found[:MOST_ROWS]),
        numeric=frozenset(numeric),
        left_out=max(0, len(found) - MOST_ROWS),
    )


def _tiles(figures: Figures, name: Callable[[str], str]) -> tuple[Tile, ...]:
    ended = Counter[str]()
    for row in figures.runs:
        ended[row.status] += row.runs
    troubled = [f"{ended[status]:,} {status}" for status in ("failed", "partial", "refused") if ended[status]]
    open_count = sum(row.count - row.decided for row in figures.waiting)
    ill = sum(1 for each in figures.connections if each.problem)
    mails = Counter[str]()
    for mail in figures.mails:
        mails[mail.kind] += mail.count
    return (
        Tile(label="to providers", value=f"{_written(figures, DIRECTIONS[0]):,}", note="contacts written"),
        Tile(label="from providers", value=f"{_written(figures, DIRECTIONS[1]):,}", note="contacts written"),
        Tile(
            label="runs",
            value=f"{sum(ended.values()):,}",
            note=", ".join(troubled) or "all went well",
            is_alarm=bool(ended["failed"]),
        ),
        _delay_tile(figures.delays, name),
        Tile(label="waiting", value=f"{open_count:,}", note="nothing" if not open_count else "undecided"),
        Tile(label="e-mails sent", value=f"{mails['sent']:,}", note=f"{mails['reply']:,} answered"),
        Tile(
            label="connections",
            value=f"{len(figures.connections):,}",
            note=f"{ill:,} with a problem" if ill else "all are well",
            is_alarm=bool(ill),
        ),
    )


def _written(figures: Figures, direction: str) -> int:
    return sum(row.created + row.updated + row.deleted for row in figures.volumes if row.direction == direction)


def _delay_tile(delays: Sequence[DelayRow], name: Callable[[str], str]) -> Tile:
    """Of the way that most edits with a known time took."""
    most = max(delays, key=lambda row: row.known, default=None)
    if most is None or most.median is None:
        return Tile(label="delay", value="–", note="no time is known")
    return Tile(label=f"delay to {name(most.provider)}", value=_duration(most.median), note="median")


def _provider_part(provider: str, title: str, volumes: Sequence[VolumeRow], days: Sequence[Bucket]) -> ProviderPart:
    of_provider = [row for row in volumes if row.provider == provider]
    series = [_series([row for row in of_provider if row.direction == direction]) for direction in DIRECTIONS]
    # Both pictures have the same scale.
    top = max(build_chart(days, each).top for each in series)
    titles = (f"here to {title}", f"{title} to here")
    return ProviderPart(
        title=title,
        panels=tuple(
            Panel(title=each, chart=build_chart(days, found, top)) for each, found in zip(titles, series, strict=True)
        ),
    )


def _series(rows: Sequence[VolumeRow]) -> dict[str, dict[date, int]]:
    return {name: {row.day: getattr(row, name) for row in rows} for name in _VOLUMES}


def _volume_table(figures: Figures, name: Callable[[str], str]) -> Table:
    numeric = (*_VOLUMES, "runs", "calls")
    sums: dict[tuple[str, str], Counter[str]] = {}
    for row in figures.volumes:
        found = sums.setdefault((row.provider, row.direction), Counter())
        found.update({**{each: getattr(row, each) for each in _VOLUMES}, "runs": row.runs, "calls": row.api_calls})
    ordered = sorted(sums.items(), key=lambda item: (item[0][0], (*DIRECTIONS, "bidirectional").index(item[0][1])))
    return _table(
        ("provider", "direction", *numeric),
        (
            (name(provider), _way(direction), *(f"{found[each]:,}" for each in numeric))
            for (provider, direction), found in ordered
        ),
        numeric,
    )


def _way(direction: str) -> str:
    return {DIRECTIONS[0]: "here to there", DIRECTIONS[1]: "there to here"}.get(direction, "both ways")


def _run_causes(figures: Figures, name: Callable[[str], str]) -> Table:
    rows = (row for row in figures.causes if row.what == "run")
    return _table(
        ("provider", "cause", "runs", "workspaces", "last"),
        ((name(row.provider), row.cause, f"{row.times:,}", f"{row.who:,}", _moment(row.last_at)) for row in rows),
        ("runs", "workspaces"),
    )


def _change_causes(figures: Figures, name: Callable[[str], str]) -> Table:
    rows = (row for row in figures.causes if row.what != "run")
    return _table(
        ("provider", "change", "cause", "records", "tries", "last"),
        (
            (name(row.provider), row.what, row.cause, f"{row.who:,}", f"{row.times:,}", _moment(row.last_at))
            for row in rows
        ),
        ("records", "tries"),
    )


def _waiting_table(figures: Figures, name: Callable[[str], str]) -> Table:
    return _table(
        ("provider", "what", "now", "decided", "oldest"),
        (
            (
                name(row.provider),
                _WAITING.get(row.kind, row.kind),
                f"{row.count:,}",
                f"{row.decided:,}",
                _moment(row.oldest_at),
            )
            for row in figures.waiting
        ),
        ("now", "decided"),
    )


def _decision_table(figures: Figures, name: Callable[[str], str]) -> Table:
    return _table(
        ("about", "decision", "by", "times", "records"),
        (
            (
                name(row.name),
                row.action.replace("_", " "),
                row.decided_by or "not on record",
                f"{row.times:,}",
                f"{row.records:,}",
            )
            for row in figures.decisions
        ),
        ("times", "records"),
    )


def _conflict_table(figures: Figures, name: Callable[[str], str]) -> Table:
    kept = {"local": "here", "remote": "there", "": "a person's own"}
    return _table(
        ("provider", "field", "kept", "policy", "conflicts"),
        (
            (name(row.provider), row.field_name, kept.get(row.winner, row.winner), row.policy, f"{row.count:,}")
            for row in figures.conflicts
        ),
        ("conflicts",),
    )


def _delay_table(figures: Figures, name: Callable[[str], str]) -> Table:
    numeric = ("edits", "median", "95 %", "others", "median at most", "95 % at most")
    return _table(
        ("way", *numeric),
        (
            (
                f"here to {name(row.provider)}" if row.side == "remote" else f"{name(row.provider)} to here",
                f"{row.known:,}",
                _duration(row.median),
                _duration(row.p95),
                f"{row.bounded:,}",
                _duration(row.median_most),
                _duration(row.p95_most),
            )
            for row in figures.delays
        ),
        numeric,
    )


def _mail_panel(mails: Sequence[MailRow], days: Sequence[Bucket]) -> Panel | None:
    if not mails:
        return None
    kinds = {"sent": "sent", **_ANSWERS}
    series: dict[str, dict[date, int]] = {}
    for row in mails:
        series.setdefault(kinds.get(row.kind, row.kind), {})[row.day] = row.count
    ordered = {word: series[word] for word in kinds.values() if word in series}
    return Panel(title="e-mails sent, and what came back", chart=build_chart(days, ordered))


def _connection_table(figures: Figures, name: Callable[[str], str]) -> Table:
    """Those with a problem first."""
    ordered = sorted(figures.connections, key=lambda each: (not each.problem, each.workspace, each.provider))
    return _table(
        ("workspace", "provider", "state", "problem", "last success", "waiting"),
        (
            (
                each.workspace,
                name(each.provider),
                each.state,
                each.problem,
                _moment(each.last_sync_at) if each.last_sync_at else "never",
                f"{each.waiting:,}",
            )
            for each in ordered
        ),
        ("waiting",),
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _duration(seconds: float | None) -> str:
    return "–" if seconds is None else span(round(seconds))
