"""What a told history left behind, in a form in which two tellings can be compared.

Belongs here: reading it, and normalising what may differ between two tellings of one seed. That is only what
Postgres or `uuid4` draw, and what follows from it:

- the ids of workspace, connection, log rows and journal rows are left out, and those of runs become their number;
- `next_sync_at` is left out: how far a connection's turns are spread follows from its id;
- `credentials` are left out: each encryption draws a nonce;
- `updated_at` of the journal is told to the millisecond: questions that answer themselves together are closed by one
  statement, which meets them in the order of their ids.

Rows are ordered by time and content. Times are seconds since the history began, to the microsecond. Everything
else counts: contact, record and webhook ids follow the seed.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from integrations_pipeline_tests.simulation.clock import START
from integrations_pipeline_tests.sync.arrangement import Tenant
from integrations_sandbox.stage import LoggedRequest

Row = dict[str, Any]

_TABLES = {
    "contacts": "select * from workspace_contacts",
    "links": "select * from integration_links",
    "journal": "select * from integration_changes",
    "logs": "select * from integration_sync_logs",
    "activity": "select * from integration_activity",
    "connection": "select * from integration_connections",
}
#: Drawn anew by every telling. The id of a contact is not.
_DRAWN = ("workspace_id", "connection_id", "sync_log_id", "credentials", "next_sync_at")


def read_record(tenant: Tenant) -> dict[str, list[Row]]:
    """The request log, the records at the provider, and the rows of every table that runs write."""
    found = {name: tenant.rows(statement) for name, statement in _TABLES.items()}
    runs = {run_id: number for number, run_id in enumerate(_run_ids(found["logs"]))}
    record = {name: _ordered(_normal(name, row, runs) for row in rows) for name, rows in found.items()}
    airtable = tenant.world.airtable
    record["requests"] = [_request(entry) for entry in airtable.requests()]
    record["records"] = airtable.records(tenant.base_id, tenant.table_id)
    return record


def _run_ids(logs: Iterable[Row]) -> list[str]:
    """Every run once, in the order in which they began; as text, for some rows tell it within a document."""
    return list(dict.fromkeys(str(log["run_id"]) for log in sorted(logs, key=lambda log: log["started_at"])))


def _normal(table: str, row: Mapping[str, Any], runs: Mapping[str, int]) -> Row:
    drawn = {*_DRAWN, *(() if table == "contacts" else ("id",))}
    normal = {name: _value(value, runs) for name, value in row.items() if name not in drawn}
    if table == "journal":
        normal["updated_at"] = math.floor(normal["updated_at"] * 1000)
    return normal


def _value(value: Any, runs: Mapping[str, int]) -> Any:
    if isinstance(value, datetime):
        return (value - START).total_seconds()
    if isinstance(value, dict):
        return {name: _value(each, runs) for name, each in value.items()}
    return runs.get(str(value), value)


def _ordered(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.get("started_at") or row.get("created_at"), repr(row)))


def _request(entry: LoggedRequest) -> Row:
    seconds = (entry.at - START).total_seconds()
    kept = ("method", "path", "query", "body", "status", "token")
    return {"at": seconds, **{name: getattr(entry, name) for name in kept}}
