"""Where the CPU of a full read goes, in ours and in the least that it could cost, part by part.

Both run under the sampler (`sampled`), against the same server, with nothing to change. Belongs here: which function
belongs to which part. Does not: how often it was met.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.full_read import prepare
from benchmarks.home import WORKSPACE, temporary_program
from benchmarks.measure import print_table
from benchmarks.processes import cost_of, generated, inherited, telling
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.settings import HOME, RATE_SCALE

ROWS = 100_000
PROVIDERS = ("airtable", "mailchimp")
_REST = "everything else"
#: What counts whole, whoever it calls.
_WHOLE = {"importlib._bootstrap": "imports", "integrations_pipeline.store.pace": "taking turns for the rate limit"}
#: Which modules make up which part. The innermost frame that one of them names decides.
_PARTS: Sequence[tuple[str, Sequence[str]]] = (
    ("parsing JSON", ("json.", "json:", "integrations_pipeline.providers.bounds:parse_json")),
    ("checking what answers look like", ("integrations_pipeline.providers.shapes",)),
    (
        "HTTP",
        (
            "httpx",
            "httpcore",
            "h11",
            "anyio",
            "ssl:",
            "socket:",
            "integrations_pipeline.providers.http:",
            "integrations_pipeline.providers.network:",
            "integrations_pipeline.providers.bounds:",
        ),
    ),
    ("fingerprints, and comparing them", ("integrations_pipeline.sync.sieve",)),
    (
        "records from answers",
        (
            "integrations_pipeline.providers",
            "benchmarks.by_hand:airtable",
            "benchmarks.by_hand:mailchimp",
            "benchmarks.by_hand:<dictcomp>",
        ),
    ),
    ("database, this side", ("sqlalchemy", "psycopg2", "integrations_pipeline.store", "benchmarks.by_hand")),
)
HEADS = ("part", "ours s", "by hand s", "above it s")

Seconds = Mapping[str, float]


def part_of(stack: Sequence[str]) -> str:
    """The part to which a stack belongs, its frames innermost first."""
    for beginning, whole in _WHOLE.items():
        if any(frame.startswith(beginning) for frame in stack):
            return whole
    for frame in stack:
        for part, beginnings in _PARTS:
            if frame.startswith(tuple(beginnings)):
                return part
    return _REST


def seconds_by_part(told: Mapping[str, object]) -> Seconds:
    """CPU seconds of each part: the process's, divided as the samples are."""
    met: Counter[str] = Counter()
    for count, *stack in told["stacks"]:  # type: ignore[attr-defined]
        met[part_of(stack)] += count
    total = sum(met.values())
    return {part: float(str(told["seconds"])) * count / total for part, count in met.items()}


def measure(provider: str, size: int) -> list[tuple[object, ...]]:
    """Rows by part, and their sum."""
    spec = provider_specs()[provider]
    with generated(size) as address, TemporaryDirectory() as folder:
        addresses, limits = dict.fromkeys(spec.addresses, address), {RATE_SCALE: "1000000"}
        with temporary_program(addresses, limits) as program:
            prepare(program, spec, size)
            database = program.database_url
            environment = {**inherited(), **addresses, **limits, HOME: str(program.settings.home)}
            sync = ["integrations_pipeline.cli", "sync", "--full", "--json"]
            sync += ["--workspace", WORKSPACE, "--provider", provider]
            hand = ["benchmarks.by_hand", "again", provider, address, database]
            cost_of(telling("benchmarks.by_hand", "first", *hand[2:]), environment, database)
            ours, floor = (_sampled(each, environment, database, Path(folder)) for each in (sync, hand))
    return _rows(ours, floor)


def _sampled(command: Sequence[str], environment: Mapping[str, str], database: str, folder: Path) -> Seconds:
    target = folder / "samples.json"
    cost_of(telling("benchmarks.sampled", str(target), *command), environment, database)
    return seconds_by_part(json.loads(target.read_text()))


def _rows(ours: Seconds, floor: Seconds) -> list[tuple[object, ...]]:
    names = sorted({*ours, *floor}, key=lambda part: -ours.get(part, 0))
    rows = [(part, ours.get(part, 0.0), floor.get(part, 0.0)) for part in names]
    rows.append(("in all", sum(ours.values()), sum(floor.values())))
    return [(part, a, b, a - b) for part, a, b in rows]


def title(provider: str, size: int) -> str:
    return f"{provider}: where a full read of {size:,} spends its CPU, nothing changed"


def run(size: int = ROWS) -> list[str]:
    """Prints a table for each provider; returns them as Markdown."""
    told = []
    for provider in PROVIDERS:
        rows = measure(provider, size)
        print_table(title(provider, size), HEADS, rows)
        lines = [
            HEADS,
            ("---", "---:", "---:", "---:"),
            *((row[0], *(f"{value:.2f}" for value in row[1:])) for row in rows),
        ]
        told.append(
            f"**{title(provider, size)}**\n\n" + "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
        )
    return told
