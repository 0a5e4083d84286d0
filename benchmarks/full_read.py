"""A full read of records of which none changed: the whole command, its Postgres, and the least that it could cost.

Belongs here: the two listings of `generated`, their contacts and links made by COPY, and what the commands cost. Does
not: reads after a cursor (`calls`). Memory must not grow with the table: a million is read if asked for (`--rows`).
"""

import io
import json
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid5

import psycopg2

from benchmarks.generated_records import airtable_record, mailchimp_member
from benchmarks.home import WORKSPACE, temporary_program
from benchmarks.measure import print_table
from benchmarks.processes import cost_of, generated, inherited, telling
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.base import ProviderSpec, RemoteRecord
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.settings import HOME, RATE_SCALE
from integrations_pipeline.store import connections, workspaces
from integrations_pipeline.sync.fingerprints import Fingerprints
from integrations_pipeline.sync.runtime import effective_mapping, parse_settings, place_of
from integrations_pipeline.wiring import Wiring

SIZES = (1_000, 10_000, 100_000)
REPEATS = 3
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "airtable": {"base_id": "appGenerated", "table_id": "tblGenerated00000", "settle_seconds": 0},
    "mailchimp": {"list_id": "generated"},
}


def run(sizes: Sequence[int] = SIZES) -> None:
    rows = [row for provider in _SETTINGS for size in sizes for row in measure(provider, size)]
    heads = (
        "full read, nothing changed",
        "records",
        "client s",
        "Postgres s",
        "× by hand",
        "calls",
        "MiB",
        "rows",
        "transactions",
    )
    print_table("full_read: CPU of the whole command", heads, rows)


def measure(provider: str, size: int) -> list[tuple[object, ...]]:
    """Ours and the one by hand, each the best of the repeats."""
    with generated(size) as address:
        spec = provider_specs()[provider]
        addresses = {name: address for name in spec.addresses}
        with temporary_program(addresses, {RATE_SCALE: "1000000"}) as program:
            prepare(program, spec, size)
            environment = {**inherited(), **addresses, RATE_SCALE: "1000000", HOME: str(program.settings.home)}
            database = program.database_url
            sync = telling("integrations_pipeline.cli", "sync", "--full", "--json")
            sync += ["--workspace", WORKSPACE, "--provider", provider]
            hand = telling("benchmarks.by_hand", "again", provider, address, database)
            cost_of(telling("benchmarks.by_hand", "first", provider, address, database), environment, database)
            # The first one also asks what only a first run asks.
            ours = [cost_of(sync, environment, database) for _ in range(REPEATS + 1)][1:]
            floor = min((cost_of(hand, environment, database) for _ in range(REPEATS)), key=lambda cost: cost.cpu)
            best = min(ours, key=lambda cost: cost.cpu)
    told = json.loads(best.output)
    if any(each["records_synced"] or each["records_failed"] for each in told["results"]) or floor.output.strip() != "0":
        raise RuntimeError(f"the read was to find nothing to do: {best.output} {floor.output}")
    return [
        (
            provider,
            size,
            best.client,
            best.postgres,
            best.cpu / floor.cpu,
            told["api_calls"],
            best.mebibytes,
            best.written,
            best.transactions,
        ),
        (
            f"{provider} by hand",
            size,
            floor.client,
            floor.postgres,
            1.0,
            "",
            floor.mebibytes,
            floor.written,
            floor.transactions,
        ),
    ]


def prepare(program: Wiring, spec: ProviderSpec, size: int) -> None:
    """Contacts and links as a first sync would have left them, with fingerprints, by COPY."""
    new = connections.NewConnection(
        integration_type=spec.name, credentials={"api_key": "key-us1"}, settings=dict(_SETTINGS[spec.name])
    )
    with program.database.admin() as connection:
        workspace = workspaces.add_workspace(connection, WORKSPACE)
        row = connections.save_connection(connection, workspace.id, new, program.cipher)
    settings = parse_settings(spec, _SETTINGS[spec.name])
    mapping = effective_mapping(spec, settings, ())
    columns = {mapped.name: [mapped.column, mapped.direction.value] for mapped in mapping}
    told: Any = SimpleNamespace(
        names=[mapped.name for mapped in mapping], configuration={"place": place_of(settings), "columns": columns}
    )
    fingerprints = Fingerprints(told)
    contacts, links = io.StringIO(), io.StringIO()
    for n in range(size):
        record = _record(spec.name, mapping, n)
        contact_id = uuid5(workspace.id, str(n))
        _write_contact(contacts, workspace.id, contact_id, record.fields)
        base = {name: [] if name == "tags" else value for name, value in record.fields.items()}
        link = (row.id, workspace.id, contact_id, record.external_id, json.dumps(base), 1, fingerprints.of(record))
        links.write("\t".join(map(str, link)) + "\n")
    _copy(program.database_url, contacts, links)


def _record(provider: str, mapping: Sequence[MappedField], n: int) -> RemoteRecord:
    if provider == "airtable":
        told = airtable_record(n)
        fields = {mapped.name: told["fields"].get(mapped.column, "") for mapped in mapping}
        return RemoteRecord(external_id=told["id"], fields=fields)
    member = mailchimp_member(n)
    values = member["merge_fields"]
    fields = {"name": f"{values['FNAME']} {values['LNAME']}", "phone": values["PHONE"], "company": values["COMPANY"]}
    fields |= {"email": member["email_address"], "tags": "", "email_opt_out": "unasked"}
    return RemoteRecord(external_id=member["contact_id"], fields=fields)


def _write_contact(target: io.StringIO, workspace_id: UUID, contact_id: UUID, fields: Mapping[str, str]) -> None:
    texts = (fields.get(name, "") for name in ("email", "name", "company", "job_title", "phone"))
    target.write("\t".join([str(contact_id), str(workspace_id), *texts]) + "\n")


def _copy(database: str, contacts: io.StringIO, links: io.StringIO) -> None:
    contacts.seek(0)
    links.seek(0)
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.copy_expert(
            "copy workspace_contacts (id, workspace_id, email, name, company, job_title, phone) from stdin", contacts
        )
        cursor.copy_expert(
            "copy integration_links (connection_id, workspace_id, contact_id, external_id, base, contact_version, "
            "base_fingerprint) from stdin",
            links,
        )
    # As some minutes later: else autovacuum does it while something is measured.
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze workspace_contacts, integration_links")
    connection.close()
