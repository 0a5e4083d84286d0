"""A temporary home with a migrated embedded Postgres, one workspace and one connection, gone at the end.

Belongs here: setting the program up for a benchmark. Does not: what is measured.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from benchmarks.data import FIELDS
from integrations_pipeline.settings import HOME, Settings
from integrations_pipeline.store import connections, workspaces
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.links import LinkWrite
from integrations_pipeline.wiring import Wiring
from integrations_sandbox import DEFAULT_TOKEN

#: Not under a folder that only its owner may enter: the server runs as another user when we are root.
ROOT = Path("/var/tmp")  # noqa: S108 - mkdtemp makes a folder of its own in it
WORKSPACE = "benchmark"
PROVIDER = "airtable"


@contextmanager
def temporary_program(addresses: Mapping[str, str], environment: Mapping[str, str]) -> Iterator[Wiring]:
    """The program with these provider addresses and environment variables, its database up to date."""
    home = Path(tempfile.mkdtemp(prefix="integrations-benchmark-", dir=ROOT))
    home.chmod(0o755)
    program = Wiring(Settings.from_environment(addresses, {**environment, HOME: str(home)}))
    try:
        program.upgrade()
        yield program
    finally:
        program.close()
        program.embedded.remove()
        shutil.rmtree(home)


def add_connection(program: Wiring, settings: Mapping[str, Any]) -> tuple[UUID, UUID]:
    """Makes the workspace and its connection to the sandbox's Airtable; returns their ids."""
    new = connections.NewConnection(
        integration_type=PROVIDER, credentials={"api_key": DEFAULT_TOKEN}, settings=settings
    )
    with program.database.admin() as connection:
        workspace = workspaces.add_workspace(connection, WORKSPACE)
        row = connections.save_connection(connection, workspace.id, new, program.cipher)
    return workspace.id, row.id


def to_writes(table: pa.Table) -> list[ContactWrite]:
    """The contacts of `data.contacts` as the store takes them."""
    rows = table.select(FIELDS).to_pylist()
    ids = table["contact_id"].to_pylist()
    return [ContactWrite(contact_id=key, fields=fields) for key, fields in zip(ids, rows, strict=True)]


def to_links(table: pa.Table) -> list[LinkWrite]:
    """Links of contacts that were inserted and not edited since: both sides agree on every field."""
    return [
        LinkWrite(contact_id=write.contact_id, external_id=key, agreed=write.fields, contact_version=1)
        for write, key in zip(to_writes(table), table["external_id"].to_pylist(), strict=True)
    ]
