"""How many provider calls a sync makes that finds nothing changed, by the number of records.

Belongs here: whole runs against the sandbox in this process, its limits off. Does not: their speed at a real
provider, which its rate limit decides.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa

from benchmarks import data
from benchmarks.home import PROVIDER, WORKSPACE, add_connection, temporary_program, to_links, to_writes
from benchmarks.measure import print_table, timed
from integrations_pipeline.model import split_set
from integrations_pipeline.providers.airtable import PROVIDER as AIRTABLE
from integrations_pipeline.providers.airtable.limits import API_URL
from integrations_pipeline.settings import RATE_SCALE
from integrations_pipeline.store import contacts, links
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import SyncRequest, run_sync
from integrations_pipeline.wiring import Wiring
from integrations_sandbox import AirtableOptions, SandboxOptions, SandboxServer

SIZES = (1_000, 10_000, 100_000)
TABLE = "Contacts"
#: By whether the token may make webhooks.
_MODES = {True: "webhook feed", False: "modification times"}


def run(sizes: Sequence[int] = SIZES) -> None:
    table = [measure(size, has_feed=has_feed) for has_feed in _MODES for size in sizes]
    heads = ("cursor", "records", "calls of first sync", "calls with no change", "seconds with no change")
    print_table("calls: provider calls of a run with nothing changed", heads, table)


class _Clock:
    """The sandbox's time: an hour ago while the records are made, so that none counts as fresh later."""

    def __init__(self) -> None:
        self.offset = timedelta(hours=-1)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset


def measure(size: int, *, has_feed: bool) -> tuple[str, int, int, int, float]:
    """A first, full sync of two sides that agree already, and the run after it."""
    clock = _Clock()
    options = SandboxOptions(rate_limit_scale=None, clock=clock.now, airtable=AirtableOptions(allows_webhooks=has_feed))
    with (
        SandboxServer(options) as server,
        temporary_program({API_URL: server.airtable_url}, {RATE_SCALE: "1000"}) as program,
    ):
        prepare(program, server, size)
        clock.offset = timedelta(0)
        first = _synced(program)
        second, seconds = timed(lambda: _synced(program))
    return _MODES[has_feed], size, first.api_calls, second.api_calls, seconds


def prepare(program: Wiring, server: SandboxServer, size: int) -> None:
    """The same contacts on both sides, linked, made without a sync."""
    base_id = server.airtable.create_base("Benchmark").id
    server.airtable.create_contacts_table(base_id, TABLE)
    table = data.contacts(size)
    records = server.airtable.create_records(base_id, TABLE, _cells(table))
    external_ids = pa.array([record["id"] for record in records], pa.large_string())
    at = table.schema.get_field_index("external_id")
    table = table.set_column(at, "external_id", external_ids)
    workspace_id, connection_id = add_connection(program, {"base_id": base_id, "table_id": TABLE, "settle_seconds": 0})
    _store(program, workspace_id, connection_id, table)


def _cells(table: pa.Table) -> list[dict[str, Any]]:
    """Records as Airtable takes them: empty cells left out, tags as a list."""
    columns = AIRTABLE.default_mapping
    return [
        {"Contact ID": row["contact_id"]} | {columns[name]: _cell(name, row[name]) for name in data.FIELDS if row[name]}
        for row in table.to_pylist()
    ]


def _cell(name: str, value: str) -> Any:
    return split_set(value) if name == "tags" else value


def _store(program: Wiring, workspace_id: UUID, connection_id: UUID, table: pa.Table) -> None:
    with program.database.workspace(workspace_id) as connection:
        contacts.insert_contacts(connection, workspace_id, to_writes(table))
        links.upsert_links(connection, connection_id, workspace_id, to_links(table))


def _synced(program: Wiring) -> SyncReport:
    """One run, which must succeed and find nothing to change."""
    report = run_sync(program.runtime, SyncRequest(workspace=WORKSPACE, provider=PROVIDER))
    if report.error or any(not each.success or each.records_synced for each in report.results):
        raise RuntimeError(f"the run was to find nothing to do: {report.to_dict()}")
    return report
