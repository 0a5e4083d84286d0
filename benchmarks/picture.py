"""How cost grows with size, as a picture: one panel per subject, one line per contender.

Run by the Python of the peers' environment, which has matplotlib: `python -m benchmarks.picture FILE` with the rows as
JSON on stdin. Belongs here: the drawing. Does not: numbers.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

#: Okabe and Ito's colours, which people who see few colours can tell apart; and a mark each, for print.
_STYLES: Mapping[str, tuple[str, str]] = {
    "ours": ("#000000", "o"),
    "by hand": ("#999999", "s"),
    "the provider's client": ("#56B4E9", "^"),
    "pyairtable": ("#56B4E9", "^"),
    "mailchimp-marketing, batch": ("#56B4E9", "^"),
    "mailchimp-marketing, PUT": ("#CC79A7", "v"),
    "dlt": ("#E69F00", "D"),
    "Airbyte": ("#D55E00", "P"),
    "the original's loop": ("#009E73", "X"),
    "pandas": ("#0072B2", "s"),
    "polars": ("#E69F00", "D"),
    "duckdb": ("#009E73", "X"),
}
_COLUMNS = 2
#: So much the axis goes on above the highest value: there the legend stands.
_HEADROOM = 8
_INCHES = (9.0, 3.1)


def _style(contender: str) -> tuple[str, str]:
    return next((style for name, style in _STYLES.items() if contender.startswith(name)), ("#777777", "."))


def _panel(axes: Any, subject: str, rows: Sequence[Mapping[str, Any]]) -> None:
    for contender in dict.fromkeys(row["contender"] for row in rows):
        points = sorted(
            (row["records"], row["client"] + row["server"]) for row in rows if row["contender"] == contender
        )
        colour, mark = _style(contender)
        width = 2.2 if contender == "ours" else 1.2
        axes.plot(*zip(*points, strict=True), color=colour, marker=mark, linewidth=width, markersize=5, label=contender)
    axes.set(xscale="log", yscale="log", title=subject.partition(" (")[0])
    axes.title.set_fontsize(10)
    axes.grid(visible=True, which="major", linewidth=0.4, color="#cccccc")
    sizes = sorted({row["records"] for row in rows})
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    seconds = [row["client"] + row["server"] for row in rows]
    axes.set_ylim(min(seconds) / 2, max(*seconds, 5 * min(seconds)) * _HEADROOM)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7, frameon=False, loc="upper left", ncols=2)


def draw(rows: Sequence[Mapping[str, Any]], target: str) -> None:
    """One panel for each subject that was measured at several sizes."""
    subjects: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if not row["note"]:
            subjects.setdefault(row["subject"], []).append(row)
    subjects = {name: chosen for name, chosen in subjects.items() if len({row["records"] for row in chosen}) > 1}
    lines = -(-len(subjects) // _COLUMNS)
    matplotlib.rcParams.update({"svg.hashsalt": "performance", "svg.fonttype": "none", "font.family": "sans-serif"})
    figure = Figure(figsize=(_INCHES[0], _INCHES[1] * lines), layout="constrained")
    panels = figure.subplots(lines, _COLUMNS, squeeze=False)
    figure.supxlabel("records", fontsize=9)
    figure.supylabel("CPU seconds of the contender and of Postgres", fontsize=9)
    for axes in panels.flat[len(subjects) :]:
        axes.remove()
    for axes, (subject, chosen) in zip(panels.flat, subjects.items(), strict=False):
        _panel(axes, subject, chosen)
    figure.savefig(target, metadata={"Date": None})


def main() -> None:
    draw(json.load(sys.stdin), sys.argv[1])


if __name__ == "__main__":
    main()
