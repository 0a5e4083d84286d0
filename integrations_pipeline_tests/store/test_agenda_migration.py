"""A database that the version before the agenda left goes on: everything that waited waits, whatever its encoding.

`before_the_agenda.json` was written by that version after real runs: rows as `to_jsonb` gives them, and the table at
the provider as it was then. Of a run that was killed it has an open log row and an intended update.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import text

from integrations_pipeline.model import Agenda, AgendaKind, Checkpoint, Decision
from integrations_pipeline.store.agenda import read_agenda
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.encryption import Cipher
from integrations_pipeline.store.migrating import alembic_config
from integrations_pipeline_tests.store.rows import query
from integrations_pipeline_tests.sync.arrangement import TABLE, Tenant, World, open_world
from integrations_sandbox import SandboxOptions, SandboxServer
from integrations_sandbox.airtable.model import Record

LEFT = json.loads((Path(__file__).parent / "before_the_agenda.json").read_text(encoding="utf-8"))
BEFORE = "0011"
CONTACT: dict[str, str] = LEFT["contacts"]


@pytest.fixture
def upgraded(empty_database_url: str) -> Iterator[Database]:
    """The database of then, upgraded."""
    database = Database(empty_database_url)
    with database.admin() as connection:
        connection.execute(text("set local search_path = public"))
        config = alembic_config()
        config.attributes.update(connection=connection, on_version_apply=lambda **_: None)
        command.upgrade(config, BEFORE)
    with database.admin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        for table, rows in LEFT["rows"].items():
            # `ordinal` is the database's own.
            columns = [row.name for row in query(connection, _COLUMNS, table=table)]
            names = ", ".join(columns)
            filled = f"insert into {table} ({names}) select {names} from jsonb_populate_recordset(null::{table}, :rows)"
            connection.execute(text(filled.replace(":rows", "cast(:rows as jsonb)")), {"rows": json.dumps(rows)})
    database.upgrade()
    yield database
    database.close()


_COLUMNS = (
    "select column_name as name from information_schema.columns where table_schema = 'public' and table_name = :table "
    "and is_identity = 'NO' and is_generated = 'NEVER'"
)


def agenda_of(database: Database) -> Agenda:
    with database.admin() as connection:
        return read_agenda(connection, UUID(LEFT["rows"]["integration_connections"][0]["id"]))


def link_of(number: int) -> str:
    rows = LEFT["rows"]["integration_links"]
    return str({row["contact_id"]: row["external_id"] for row in rows}[CONTACT[str(number)]])


def test_every_encoding_of_what_waited_becomes_a_row_of_the_agenda(upgraded: Database) -> None:
    agenda = agenda_of(upgraded)
    held = {
        (item.contact_id, item.side and item.side.value): item.decision for item in agenda.of(AgendaKind.HELD_DELETE)
    }
    assert held == {
        (CONTACT["1"], "local"): None,
        (CONTACT["2"], "local"): Decision.APPROVED,
        (CONTACT["4"], "remote"): None,
    }
    (conflict,) = agenda.of(AgendaKind.CONFLICT)
    assert (conflict.contact_id, conflict.field) == (CONTACT["3"], "company")
    assert (conflict.values["base"], conflict.values["local"], conflict.values["remote"]) == ("", "Ours", "Theirs")
    assert [item.after["email"] for item in agenda.of(AgendaKind.AMBIGUOUS)] == ["dup@example.org"] * 2
    assert [item.contact_id for item in agenda.of(AgendaKind.REFUSED, AgendaKind.FAILED)] == [CONTACT["5"]]
    assert agenda.stopped == ["job_title"]
    assert agenda.is_full_wanted
    assert {link_of(9), link_of(10)} == agenda.retry
    assert agenda.settling == {
        key: datetime.fromisoformat("2026-11-30T10:00+00:00") for key in (CONTACT["6"], link_of(10))
    }


def test_the_cursor_keeps_what_is_a_checkpoint_and_nothing_else(upgraded: Database) -> None:
    before = LEFT["rows"]["integration_connections"][0]["cursor"]
    with upgraded.admin() as connection:
        ((stored,),) = query(connection, "select cursor from integration_connections")
    assert stored == {name: before[name] for name in ("remote", "configuration", "columns", "silent")}
    checkpoint = Checkpoint.from_json(stored)
    assert checkpoint
    assert checkpoint.to_json() == stored


@pytest.fixture
def tenant(upgraded: Database) -> Iterator[Tenant]:
    """The workspace of then, with the table of then."""
    options = SandboxOptions(rate_limit_scale=None)
    with SandboxServer(options) as server, open_world(server, upgraded) as world:
        world.cipher = Cipher.from_text(LEFT["key"])
        yield restored(world)


def restored(world: World) -> Tenant:
    world.forbid_webhooks()
    base = world.airtable.create_base("CRM of acme", LEFT["base_id"])
    table = world.airtable.create_contacts_table(base.id, TABLE)
    for field in table.fields:
        field.id = LEFT["fields"][field.name]
    for told in LEFT["records"]:
        record = {**told, "created_at": datetime.fromisoformat(told["created_at"])}
        table.records[told["id"]] = Record(**record)
    table.record_count = len(table.records)
    workspace_id = UUID(LEFT["rows"]["workspaces"][0]["id"])
    settings: dict[str, Any] = LEFT["settings"]
    tenant = Tenant(world=world, slug="acme", base_id=base.id, table_id=table.id, settings=settings)
    tenant.workspace_id = workspace_id
    world.tenants["acme"] = tenant
    return tenant


def test_its_syncs_go_on_where_they_were(tenant: Tenant) -> None:
    tenant.pass_time(3600)
    report = tenant.sync()

    assert not report.error
    assert report.results[0].metadata["read"] == "complete", "it was wanted"
    local = tenant.local()
    assert CONTACT["2"] not in local, "the approved delete was made"
    assert CONTACT["1"] in local, "the undecided one was not"
    kinds = {(item.kind, item.contact_id) for item in tenant.agenda.items if item.contact_id}
    assert kinds == {
        (AgendaKind.HELD_DELETE, CONTACT["1"]),
        (AgendaKind.HELD_DELETE, CONTACT["4"]),
        (AgendaKind.CONFLICT, CONTACT["3"]),
    }
    records = {row["email"]: row for row in tenant.remote().values()}
    assert records["person5@example.org"]["name"] == "Refused", "what failed was tried again"
    assert records["person6@example.org"]["phone"] == "555", "who was edited waited, and went out"
    assert records["person7@example.org"]["company"] == "Previewed"
    assert records["person8@example.org"]["company"] == "Half done", "the killed run's update was made"
    assert not tenant.journal("intended")
    (killed,) = tenant.rows("select status from integration_sync_logs where id = :id", id=_open_log())
    assert killed["status"] == "failed"
    before = [item.id for item in tenant.agenda.items]
    tenant.sync()
    assert [item.id for item in tenant.agenda.items] == before, "the same questions, asked once"


def test_its_preview_can_be_applied(tenant: Tenant) -> None:
    tenant.pass_time(3600)
    report = tenant.sync(plan_id=UUID(LEFT["plan_id"]))
    assert not report.error
    assert {row["email"]: row for row in tenant.remote().values()}["person7@example.org"]["company"] == "Previewed"


def _open_log() -> str:
    return next(str(row["id"]) for row in LEFT["rows"]["integration_sync_logs"] if row["status"] == "running")
