"""Reading a provider into Postgres: the first load, everything again with nothing changed, and after a cursor.

Every contender reads the same generated server into a database of its own in one Postgres, as a command of its own.
What it left in its table is counted and its digest compared. Belongs here: who runs at which size, and the check. Does
not: the contenders.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.arena import PROVIDERS, Arena, Place, answer_of, settled, told_by
from benchmarks.generated_records import expected
from benchmarks.home import WORKSPACE
from benchmarks.processes import Cost, cost_of, generated, telling
from benchmarks.results import OURS, Row

SIZES = (1_000, 10_000, 100_000)
PEERS = Path(".artifacts/peers/peers/bin/python")
CONNECTORS = Path(".artifacts/peers/connectors/bin/python")
#: Repeats of small work, of which starting is the most; one is enough of what works for long, and of slow starters.
_REPEATS = {1_000: 2}
OVER = "not run: the ten minutes were over"
NOT_INSTALLED = "not run: not installed, `make bench` does that"

_FROM_JSON = ", ".join(f"fields->>'{name}'" for name in ("email", "name", "phone", "company", "job_title"))
_DLT = {
    "airtable": "select fields__email, fields__name, fields__phone, fields__company, fields__job_title "
    "from dlt.contacts",
    "mailchimp": "select email_address, merge_fields__fname || ' ' || merge_fields__lname, merge_fields__phone, "
    "merge_fields__company, '' from dlt.contacts",
}
_AIRBYTE = {
    "airtable": 'select email, name, phone, company, job_title from airbyte."crm_contacts_tblgenerated00000"',
    "mailchimp": "select email_address, (merge_fields->>'FNAME') || ' ' || (merge_fields->>'LNAME'), "
    "merge_fields->>'PHONE', merge_fields->>'COMPANY', '' from airbyte.list_members",
}

#: Whether no peer should begin any more.
IsOver = Callable[[], bool]


def never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """`command` makes the command line for an action; `answer` is the query by `FIELDS` of what it left."""

    name: str
    command: Callable[[str, str, str, Place], list[str]]
    answer: Callable[[str], str]
    actions: Sequence[str] = ("first", "again")
    #: Where it can also read what changed since.
    cursor_at: Sequence[str] = ()
    sizes: Sequence[int] = SIZES
    #: Airtable tells no time of change with its records, so nobody can keep one but by asking for it.
    providers: Sequence[str] = PROVIDERS
    python: Path | None = None


def _ours(action: str, provider: str, _address: str, _place: Place) -> list[str]:
    full = ["--full"] if action == "again" else []
    command = telling("integrations_pipeline.cli", "sync", "--workspace", WORKSPACE, "--provider", provider, "--json")
    return [*command, *full]


def _module(name: str) -> Callable[[str, str, str, Place], list[str]]:
    return lambda action, provider, address, place: telling(name, action, provider, address, place.database)


def _peer(name: str, *more: str) -> Callable[[str, str, str, Place], list[str]]:
    def command(action: str, provider: str, address: str, place: Place) -> list[str]:
        folder = str(place.folder)
        return telling(name, action, provider, address, place.database, folder, *more, python=str(PEERS.absolute()))

    return command


_OF_OURS = (
    "select email, name, phone, company, coalesce(job_title, '') from workspace_contacts where deleted_at is null"
)
READERS = (
    Reader(
        name=OURS,
        command=_ours,
        answer=lambda _: _OF_OURS,
        cursor_at=PROVIDERS,
    ),
    Reader(
        name="by hand, COPY",
        command=_module("benchmarks.by_hand"),
        answer=lambda _: f"select {_FROM_JSON} from by_hand",
    ),
    Reader(
        name="the provider's client, COPY",
        command=_module("benchmarks.peers_clients"),
        answer=lambda _: f"select {_FROM_JSON} from peers_clients",
    ),
    Reader(
        name="dlt, merge",
        command=_peer("benchmarks.peers_dlt"),
        answer=_DLT.__getitem__,
        python=PEERS,
    ),
    Reader(
        name="Airbyte by PyAirbyte",
        command=_peer("benchmarks.peers_airbyte", str(CONNECTORS.absolute())),
        answer=_AIRBYTE.__getitem__,
        cursor_at=("mailchimp",),
        sizes=SIZES[1:2],
        python=PEERS,
    ),
    Reader(
        name="the original's loop",
        command=_module("benchmarks.loop"),
        answer=lambda _: "select email, name, phone, company, job_title from loop_contacts",
        sizes=SIZES[:2],
    ),
    # In a database of its own: the first of its runs only fills it.
    Reader(
        name="dlt, cursor",
        command=_peer("benchmarks.peers_dlt"),
        answer=_DLT.__getitem__,
        actions=("cursor", "cursor"),
        python=PEERS,
        providers=("mailchimp",),
        sizes=SIZES[:2],
    ),
)
_TITLES = {
    "first": "first load into Postgres",
    "again": "everything read again, nothing changed",
    "cursor": "what changed since the last read: nothing",
}


def rows(
    arena: Arena, size: int, provider: str, readers: Sequence[Reader] = READERS, is_over: IsOver = never
) -> Iterator[Row]:
    """Every reader's rows. One that does not run has rows that say why."""
    with generated(size) as address:
        for reader in readers:
            if provider not in reader.providers:
                continue
            actions = [*reader.actions, *(["cursor"] if provider in reader.cursor_at else [])]
            reason = why_not(size, reader.sizes, reader.python) or (reader.name != OURS and is_over() and OVER)
            if not reason:
                yield from _rows_of(arena, reader, (provider, actions), size, address)
                continue
            for action in dict.fromkeys(actions):
                title = f"{provider}: {_TITLES[action]}"
                yield Row(subject=title, contender=reader.name, records=size, note=reason)


def _rows_of(arena: Arena, reader: Reader, what: tuple[str, Sequence[str]], size: int, address: str) -> Iterator[Row]:
    provider, actions = what
    place = arena.ours(provider, address) if reader.name == OURS else arena.empty()
    for number, action in enumerate(actions):
        repeats = 1 if number == 0 or reader.python else _REPEATS.get(size, 1)
        measured = [_measured(reader, action, provider, address, place) for _ in range(repeats)]
        check(reader.name, answer_of(place, reader.answer(provider)), (size, expected(size, provider)))
        settled(place)
        if number == 0 and action == "cursor":
            continue
        cost, calls = min(measured, key=lambda each: each[0].cpu)
        yield row_of(f"{provider}: {_TITLES[action]}", reader.name, size, cost, calls)
    arena.drop(place)


def _measured(reader: Reader, action: str, provider: str, address: str, place: Place) -> tuple[Cost, int]:
    told_by(address)
    cost = cost_of(reader.command(action, provider, address, place), place.environment, place.database)
    return cost, told_by(address)["calls"]


def row_of(title: str, contender: str, size: int, cost: Cost, calls: int) -> Row:
    return Row(
        subject=title,
        contender=contender,
        records=size,
        client=cost.client,
        server=cost.postgres,
        calls=calls,
        mebibytes=cost.mebibytes,
    )


def why_not(size: int, sizes: Sequence[int], python: Path | None = None) -> str:
    """The reason for which a contender is left out; "" if it is not. Sizes that nobody declared are for everybody."""
    if size in SIZES and size not in sizes:
        return f"not run: too slow, only at {' and '.join(f'{each:,}' for each in sizes)}"
    return NOT_INSTALLED if python and not python.exists() else ""


def check(contender: str, found: tuple[int, str], wanted: tuple[int, str]) -> None:
    if found != wanted:
        raise RuntimeError(
            f"{contender} left wrong rows: {found[0]} of {wanted[0]}, digest {found[1]}, not {wanted[1]}"
        )
