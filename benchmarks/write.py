"""Bringing contacts of Postgres to a provider where none of them is yet.

What arrived is counted, and its digest compared, by the generated server. Belongs here: who runs at which size, and the
check. Does not: the contenders.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.arena import PROVIDERS, Arena, Place, told_by
from benchmarks.generated_records import expected
from benchmarks.home import WORKSPACE
from benchmarks.processes import cost_of, generated, telling
from benchmarks.read import OVER, IsOver, check, never, row_of, why_not
from benchmarks.results import OURS, Row

SIZES = (1_000, 10_000, 100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """`command` makes the command line; `providers` are those it writes to."""

    name: str
    command: Callable[[str, str, Place], list[str]]
    providers: Sequence[str] = PROVIDERS
    sizes: Sequence[int] = SIZES


def _ours(provider: str, _address: str, _place: Place) -> list[str]:
    return telling("integrations_pipeline.cli", "sync", "--workspace", WORKSPACE, "--provider", provider, "--json")


def _module(name: str, action: str = "write") -> Callable[[str, str, Place], list[str]]:
    return lambda provider, address, place: telling(name, action, provider, address, place.database)


_CLIENTS = "benchmarks.peers_clients"
WRITERS = (
    Writer(name=OURS, command=_ours),
    Writer(name="by hand, largest requests", command=_module("benchmarks.by_hand")),
    Writer(name="pyairtable, batch_upsert", command=_module(_CLIENTS), providers=("airtable",)),
    Writer(name="mailchimp-marketing, batch", command=_module(_CLIENTS), providers=("mailchimp",)),
    Writer(
        name="mailchimp-marketing, PUT",
        command=_module(_CLIENTS, "write_each"),
        providers=("mailchimp",),
        sizes=SIZES[:1],
    ),
    Writer(name="the original's loop", command=_module("benchmarks.loop"), sizes=SIZES[:1]),
)


def rows(
    arena: Arena, size: int, provider: str, writers: Sequence[Writer] = WRITERS, is_over: IsOver = never
) -> Iterator[Row]:
    """Every writer's row. One that does not run has a row that says why."""
    title = f"{provider}: contacts written that are not there yet"
    with generated(0) as address:
        for writer in writers:
            if provider not in writer.providers:
                continue
            reason = why_not(size, writer.sizes) or (writer.name != OURS and is_over() and OVER)
            if reason:
                yield Row(subject=title, contender=writer.name, records=size, note=reason)
            else:
                yield _row_of(arena, writer, (provider, title), size, address)


def _row_of(arena: Arena, writer: Writer, what: tuple[str, str], size: int, address: str) -> Row:
    provider, title = what
    place = arena.ours(provider, address, size) if writer.name == OURS else arena.empty(size)
    told_by(address)
    cost = cost_of(writer.command(provider, address, place), place.environment, place.database)
    told = told_by(address)
    check(writer.name, (told["records"], told["digest"]), (size, expected(size, provider)))
    arena.drop(place)
    return row_of(title, writer.name, size, cost, told["calls"])
