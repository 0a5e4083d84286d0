"""One Postgres for a whole run, and in it a database for each contender.

Belongs here: making these, with what a contender begins with. Does not: what is measured (`read`, `write`).
"""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

import psycopg2

from benchmarks.generated import BASE_ID, TABLE_ID
from benchmarks.generated_records import FIELDS, LIST_ID, person
from benchmarks.home import WORKSPACE, temporary_program
from benchmarks.processes import inherited
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.settings import DATABASE_URL, ENCRYPTION_KEYS, RATE_SCALE, Settings
from integrations_pipeline.store import connections, workspaces
from integrations_pipeline.wiring import Wiring

PROVIDERS = ("airtable", "mailchimp")
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "airtable": {"base_id": BASE_ID, "table_id": TABLE_ID, "settle_seconds": 0},
    "mailchimp": {"list_id": LIST_ID},
}
#: The generated server has no limits, so what is measured is work and not waiting.
NO_LIMITS = {RATE_SCALE: "1000000"}
_KEYS = "0" * 64
_NAMESPACE = UUID(int=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A contender's database and a folder of its own; `environment` is what its process gets."""

    database: str
    folder: Path
    environment: Mapping[str, str]


class Arena:
    """Makes places. The database that is migrated once is copied for ours; the others get empty ones."""

    def __init__(self, program: Wiring) -> None:
        program.close()
        self._embedded = program.embedded
        self._home = program.settings.home
        self._count = 0

    def _made(self, template: str) -> str:
        self._count += 1
        name = f"contender_{self._count}"
        _execute(self._embedded.url("postgres"), f"create database {name} template {template}")
        return self._embedded.url(name)

    def _folder(self) -> Path:
        folder = self._home / f"folder_{self._count}"
        folder.mkdir()
        return folder

    def empty(self, contacts: int = 0) -> Place:
        """An empty database, or one with so many rows in a table `contacts`."""
        url = self._made("template0")
        if contacts:
            _execute(url, f"create table contacts (id uuid, {', '.join(f'{name} text' for name in FIELDS)})")
            _copy_contacts(url, "contacts", {}, contacts)
        return Place(database=url, folder=self._folder(), environment=inherited())

    def ours(self, provider: str, address: str, contacts: int = 0) -> Place:
        """A migrated database with a workspace, its connection, and so many contacts."""
        url, spec = self._made("integrations"), provider_specs()[provider]
        addresses = dict.fromkeys(spec.addresses, address)
        environment = {DATABASE_URL: url, ENCRYPTION_KEYS: _KEYS, **NO_LIMITS}
        program = Wiring(Settings.from_environment(addresses, environment))
        new = connections.NewConnection(
            integration_type=provider, credentials={"api_key": "key-us1"}, settings=dict(_SETTINGS[provider])
        )
        with program.database.admin() as connection:
            workspace = workspaces.add_workspace(connection, WORKSPACE)
            connections.save_connection(connection, workspace.id, new, program.cipher)
        program.close()
        if contacts:
            _copy_contacts(url, "workspace_contacts", {"workspace_id": str(workspace.id)}, contacts)
        return Place(database=url, folder=self._folder(), environment={**inherited(), **addresses, **environment})

    def drop(self, place: Place) -> None:
        name = quote(place.database.partition("@/")[2].partition("?")[0])
        _execute(self._embedded.url("postgres"), f"drop database {name} with (force)")


@contextmanager
def arena() -> Iterator[Arena]:
    with temporary_program({}, {}) as program:
        yield Arena(program)


def settled(place: Place) -> None:
    """As some minutes later: else autovacuum does it while something is measured."""
    _execute(place.database, "vacuum analyze")


def answer_of(place: Place, query: str) -> tuple[int, str]:
    """How many rows a query by `FIELDS` gives, and their digest as `generated_records.digest` makes it."""
    row = "concat_ws('|', email, name, phone, company, job_title)"
    with psycopg2.connect(place.database) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"select count(*), md5(coalesce(string_agg({row}, e'\\n' order by {row} collate \"C\"), '')) "
            f"from ({query}) told ({', '.join(FIELDS)})"
        )
        count, digest = cursor.fetchone()
    return int(count), str(digest)


def _execute(database: str, statement: str) -> None:
    connection = psycopg2.connect(database)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def _copy_contacts(database: str, table: str, given: Mapping[str, str], count: int) -> None:
    lines = io.StringIO()
    for n in range(count):
        values = [str(uuid5(_NAMESPACE, str(n))), *given.values(), *person(n).values()]
        lines.write("\t".join(values) + "\n")
    lines.seek(0)
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.copy_expert(f"copy {table} (id, {', '.join([*given, *FIELDS])}) from stdin", lines)
    connection.close()
    _execute(database, f"vacuum analyze {table}")


def told_by(address: str, *, forget: bool = True) -> dict[str, Any]:
    """What the generated server was asked and given; it then forgets that."""
    import httpx  # noqa: PLC0415 - not needed by contenders that import this module

    told: dict[str, Any] = json.loads(httpx.request("DELETE" if forget else "GET", f"{address}/benchmark").content)
    return told
