"""How many records per second the store's functions write and read, on an embedded Postgres.

Belongs here: contacts and links in bulk. Does not: the sync around them (`calls`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection

from benchmarks import data
from benchmarks.home import add_connection, temporary_program, to_links, to_writes
from benchmarks.measure import print_table, timed
from integrations_pipeline.store import contacts, links
from integrations_pipeline.store.database import WorkspaceSession
from integrations_pipeline.sync.contacts.load import LOCAL_BATCH, chunks

ROWS = 100_000

T = TypeVar("T")


def run(rows: int = ROWS) -> None:
    with temporary_program({}, {}) as program:
        workspace_id, connection_id = add_connection(program, {})
        with program.database.session(workspace_id) as session:
            seconds = _measure(session, connection_id, rows)
    table = [(name, taken, round(rows / taken)) for name, taken in seconds.items()]
    print_table(f"store: {rows:,} records, writes in transactions as in a sync", _HEADS, table)


_HEADS = ("operation", "seconds", "records/s")


def _measure(session: WorkspaceSession, connection_id: UUID, rows: int) -> dict[str, float]:
    """Wall seconds per operation, in the order in which they were done."""
    table, owner = data.contacts(rows), session.workspace_id
    writes = to_writes(table)
    renamed = [replace(write, fields={"name": f"{write.fields['name']} II"}, version=1) for write in writes]
    agreed = to_links(table)

    def insert(connection: Connection, part: Sequence[contacts.ContactWrite]) -> int:
        return len(contacts.insert_contacts(connection, owner, part))

    def update(connection: Connection, part: Sequence[contacts.ContactWrite]) -> int:
        return len(contacts.update_contacts(connection, part))

    def link(connection: Connection, part: Sequence[links.LinkWrite]) -> int:
        links.upsert_links(connection, connection_id, owner, part)
        return len(part)

    def read(connection: Connection) -> int:
        return len(contacts.read_contacts(connection, owner, data.FIELDS))

    def read_base(connection: Connection) -> int:
        return len(links.read_base(connection, connection_id, data.FIELDS))

    steps: dict[str, Callable[[], int]] = {
        "insert_contacts": lambda: _batched(session, insert, writes),
        "upsert_links (new)": lambda: _batched(session, link, agreed),
        "read_contacts": lambda: _batched(session, lambda connection, _: read(connection), [None]),
        "read_base": lambda: _batched(session, lambda connection, _: read_base(connection), [None]),
        "update_contacts": lambda: _batched(session, update, renamed),
        "upsert_links (known)": lambda: _batched(session, link, agreed),
    }
    return {name: _timed_whole(step, rows, name) for name, step in steps.items()}


def _batched(session: WorkspaceSession, work: Callable[[Connection, Sequence[T]], int], items: Sequence[T]) -> int:
    """One transaction per batch; returns how many records were worked on."""
    total = 0
    for part in chunks(items, LOCAL_BATCH):
        with session.begin() as connection:
            total += work(connection, part)
    return total


def _timed_whole(step: Callable[[], int], rows: int, name: str) -> float:
    count, seconds = timed(step)
    if count != rows:
        raise RuntimeError(f"{name} worked on {count} records instead of {rows}")
    return seconds
