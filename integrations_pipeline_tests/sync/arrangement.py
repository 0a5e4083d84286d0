"""A whole world for tests of the sync: a database, the sandbox over loopback, workspaces and their edits.

`World` holds what all workspaces share and `Tenant` is one workspace with its connection. `Tenant.sync`
checks after every run what must hold in all of them: the log adds up and tells nothing personal.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from integrations_pipeline.engine.canonical import is_same
from integrations_pipeline.model import (
    COUNT_NAMES,
    Agenda,
    MappedField,
    join_set,
    split_set,
)
from integrations_pipeline.providers.airtable import PROVIDER
from integrations_pipeline.providers.base import (
    Pacer,
    Provider,
    ProviderContext,
    ProviderSpec,
)
from integrations_pipeline.providers.registry import provider_specs
from integrations_pipeline.store import connections, contacts, workspaces
from integrations_pipeline.store.agenda import read_agenda
from integrations_pipeline.store.connections import ConnectionRow, NewConnection
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.encryption import Cipher, generate_key_text
from integrations_pipeline.sync.opening import opened
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.run import REMOVED, SyncRequest, plan_only, run_sync
from integrations_pipeline.sync.runtime import Run, Runtime, no_progress
from integrations_pipeline.testing import FreePacer
from integrations_pipeline_tests.postgres import TEMPLATE, PostgresServer
from integrations_pipeline_tests.sync.watching import Hooks, WatchedProvider
from integrations_sandbox import DEFAULT_TOKEN, Airtable, FaultRule, SandboxServer
from integrations_sandbox.stage import LoggedRequest

TABLE = "Contacts"
COLUMNS = dict(PROVIDER.default_mapping)
#: More waits than this in one run mean a retry that goes round in circles.
MOST_WAITS = 200
#: Nothing here speaks TLS; a bare context saves every client from loading the certificates of the world.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Value = str | Sequence[str]
AnyTenant = TypeVar("AnyTenant", bound="Tenant")


class Loopback(httpx.BaseTransport):
    """The real network, shared by all clients of a world. `before` and `after` see every request and may
    raise in its place, as a broken network or a killed process would."""

    def __init__(self) -> None:
        self._network = httpx.HTTPTransport(verify=NO_TLS, trust_env=False)
        self.before: Callable[[httpx.Request], object] = lambda _: None
        self.after: Callable[[httpx.Request], object] = lambda _: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.before(request)
        response = self._network.handle_request(request)
        response.read()
        self.after(request)
        return response

    def close(self) -> None:
        """Clients come and go; the network stays until `shut_down`."""

    def shut_down(self) -> None:
        self._network.close()


@dataclass(slots=True)
class World:
    """`waits` are the pauses that retries asked for; none of them is made."""

    server: SandboxServer
    database: Database
    network: Loopback = field(default_factory=Loopback)
    pacer: Pacer = field(default_factory=FreePacer)
    hooks: Hooks = field(default_factory=Hooks)
    waits: list[float] = field(default_factory=list)
    tenants: dict[str, "Tenant"] = field(default_factory=dict)
    max_concurrency: int = PROVIDER.capabilities.max_concurrency
    rate_scale: float = 1.0
    #: The sandbox shows every write at once, so a deed right after a sync is a person's and no stale read.
    propagation_seconds: float = 0.0
    cipher: Cipher = field(default_factory=lambda: Cipher.from_text(generate_key_text()))

    #: The provider whose contacts are synced.
    tested: ClassVar[ProviderSpec] = PROVIDER

    @property
    def airtable(self) -> Airtable:
        return self.server.airtable

    @property
    def spec(self) -> ProviderSpec:
        capabilities = replace(
            self.tested.capabilities,
            max_concurrency=self.max_concurrency,
            propagation_seconds=self.propagation_seconds,
        )
        return replace(self.tested, contacts=self._build, capabilities=capabilities)

    @property
    def addresses(self) -> dict[str, str]:
        """Where the sandbox stands for the provider."""
        url = self.server.airtable_url
        return {"INTEGRATIONS_AIRTABLE_API_URL": url, "INTEGRATIONS_AIRTABLE_OAUTH_URL": url}

    @property
    def runtime(self) -> Runtime:
        return Runtime(
            database=self.database,
            cipher=self.cipher,
            specs={**provider_specs(), self.tested.name: self.spec},
            addresses=self.addresses,
            pacer=self.pacer,
            transport=self.network,
            rate_scale=self.rate_scale,
            sleep=self._wait,
            clock=self.server.stage.clock.now,
        )

    def _build(self, context: ProviderContext) -> Provider:
        assert self.tested.contacts is not None
        return WatchedProvider(self.tested.contacts(context), self.hooks)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) > MOST_WAITS:
            raise AssertionError("the retries do not end")

    def tenant(self, slug: str = "acme", *, with_contact_id: bool = True, **settings: Any) -> "Tenant":
        """A workspace with a connection to a base of its own."""
        base = self.airtable.create_base(f"CRM of {slug}")
        table = self.airtable.create_contacts_table(base.id, TABLE, with_contact_id=with_contact_id)
        tenant = Tenant(world=self, slug=slug, base_id=base.id, table_id=table.id)
        return self.connected(tenant, settings)

    def connected(self, tenant: AnyTenant, settings: Mapping[str, Any]) -> AnyTenant:
        """The tenant with its workspace and connection."""
        with self.database.admin() as connection:
            tenant.workspace_id = workspaces.add_workspace(connection, tenant.slug).id
        tenant.configure(**settings)
        self.tenants[tenant.slug] = tenant
        return tenant

    def fault(self, action: Any, **rule: Any) -> None:
        self.airtable.add_fault(FaultRule(action=action, **rule))

    def forbid_webhooks(self) -> None:
        self.airtable.set_options(allows_webhooks=False)

    def close(self) -> None:
        self.network.shut_down()


@contextmanager
def open_world(server: SandboxServer, database: Database) -> Iterator[World]:
    """A world on a reset server."""
    server.reset()
    world = World(server=server, database=database)
    try:
        yield world
    finally:
        world.close()


@contextmanager
def open_new_world(server: SandboxServer, postgres: PostgresServer) -> Iterator[World]:
    """The same with a database of its own."""
    with (
        postgres.new_database(TEMPLATE) as url,
        closing(Database(url)) as database,
        open_world(server, database) as world,
    ):
        yield world


def as_text(value: Value) -> str:
    return value if isinstance(value, str) else join_set(value)


@dataclass(slots=True)
class Tenant:
    """One workspace. Local fields and remote cells are both given by workspace field names."""

    world: World
    slug: str
    #: Where the records are: a base, an account, a list, a mailbox.
    base_id: str
    table_id: str = ""
    workspace_id: UUID = field(init=False)
    settings: dict[str, Any] = field(default_factory=dict)
    #: Names that an admin gave to columns, by those of the mapping.
    present: dict[str, str] = field(default_factory=dict)
    token: str = DEFAULT_TOKEN
    calls_seen: int = 0
    #: A person who changes the settings says so when asked.
    means_its_place: bool = False

    SECRETS: ClassVar[tuple[str, ...]] = ("@", "Bearer", DEFAULT_TOKEN)
    #: What people read: in one question, for it is asked after every run.
    TOLD: ClassVar[tuple[str, ...]] = (
        "select errors::text t from integration_sync_logs",
        "select metadata::text from integration_sync_logs",
        "select concat(error_message, metadata::text) from integration_activity",
        "select coalesce(error_message, '') from integration_connections",
        "select coalesce(reason, '') from integration_changes",
    )

    # The connection

    @property
    def provider(self) -> str:
        return self.world.tested.name

    def credentials(self) -> dict[str, Any]:
        return {"api_key": self.token}

    def configure(self, **settings: Any) -> None:
        """Save the connection, with these settings over the present ones; resets its status."""
        self.settings = {**self.place(), **self.settings, **settings}
        self.connect(self.credentials())

    def connect(self, credentials: Mapping[str, Any]) -> None:
        new = NewConnection(integration_type=self.provider, credentials=credentials, settings=self.settings)
        with self.world.database.workspace(self.workspace_id) as connection:
            connections.save_connection(connection, self.workspace_id, new, self.world.cipher)

    def map_one_way(self, name: str, column: str, direction: str) -> None:
        """A row of the mappings table, as a person makes it."""
        statement = text(
            "insert into integration_field_mappings (connection_id, workspace_field, external_field, sync_direction) "
            "values (:id, :name, :column, :direction)"
        )
        bound = {"id": self.connection.id, "name": name, "column": column, "direction": direction}
        with self.world.database.workspace(self.workspace_id) as connection:
            connection.execute(statement, bound)

    def place(self) -> dict[str, Any]:
        """The settings that say where at the provider the records are; edits of a test are synced at once."""
        return {"base_id": self.base_id, "table_id": TABLE, "settle_seconds": 0}

    @property
    def connection(self) -> ConnectionRow:
        with self.world.database.workspace(self.workspace_id) as connection:
            return connections.find_connection(connection, self.workspace_id, self.provider)

    @property
    def agenda(self) -> Agenda:
        with self.world.database.workspace(self.workspace_id) as connection:
            return read_agenda(connection, self.connection.id)

    def rows(self, statement: str, **bound: Any) -> list[dict[str, Any]]:
        """What a query gives within the workspace."""
        with self.world.database.workspace(self.workspace_id) as connection:
            return [dict(row._mapping) for row in connection.execute(text(statement), bound)]

    # The workspace's side

    def add_local(self, *people: Mapping[str, Value]) -> list[str]:
        """New contacts; their ids."""
        rows = [{name: as_text(value) for name, value in person.items()} for person in people]
        runtime = self.world.runtime
        ids = [str(runtime.new_id()) for _ in rows]
        writes = [ContactWrite(contact_id=key, fields=row) for key, row in zip(ids, rows, strict=True)]
        with self.world.database.workspace(self.workspace_id) as connection:
            made = contacts.insert_contacts(connection, self.workspace_id, writes)
        assert set(made) == set(ids)
        return ids

    def edit_local(self, contact_id: str, **fields: Value) -> None:
        write = ContactWrite(contact_id=contact_id, fields={name: as_text(value) for name, value in fields.items()})
        with self.world.database.workspace(self.workspace_id) as connection:
            assert contacts.update_contacts(connection, [write])

    def pass_time(self, seconds: float) -> None:
        """Time passes at the provider, for the runs, and for the contacts here, whose edits become older."""
        self.world.server.stage.clock.advance(seconds)
        with self.world.database.admin() as connection:
            # Past the trigger that keeps `updated_at`.
            connection.execute(text("set local session_replication_role = replica"))
            statement = text("update workspace_contacts set updated_at = updated_at - make_interval(secs => :seconds)")
            connection.execute(statement, {"seconds": seconds})

    def delete_local(self, *contact_ids: str) -> None:
        writes = [ContactWrite(contact_id=key, fields={}) for key in contact_ids]
        with self.world.database.workspace(self.workspace_id) as connection:
            assert len(contacts.delete_contacts(connection, writes)) == len(contact_ids)

    def local(self) -> dict[str, dict[str, str]]:
        """Live contacts: id → mapped fields, empty ones left out."""
        with self.world.database.workspace(self.workspace_id) as connection:
            frame = contacts.read_contacts(connection, self.workspace_id, list(self.columns))
        rows = frame[list(self.columns)].to_dict("records")
        return {str(key): filled(row) for key, row in zip(frame.index, rows, strict=True)}

    # The provider's side

    @property
    def columns(self) -> dict[str, str]:
        mapping: dict[str, str] = self.settings.get("field_mapping") or COLUMNS
        return mapping

    def add_remote(self, *people: Mapping[str, Value]) -> list[str]:
        """Records made by a person in the app; their ids."""
        made = self.world.airtable.create_records(self.base_id, TABLE, [self._cells(person) for person in people])
        return [str(record["id"]) for record in made]

    def edit_remote(self, record_id: str, **fields: Value) -> None:
        self.world.airtable.update_record(self.base_id, TABLE, record_id, **self._cells(fields))

    def rename_column(self, column: str, name: str) -> None:
        """An admin renames a column; edits of people go to it under its new name."""
        self.world.airtable.rename_field(self.base_id, TABLE, self.present.get(column, column), name)
        self.present[column] = name

    def swap_columns(self, one: str, other: str) -> None:
        """An admin gives each of two columns the other's name."""
        names = [self.present.get(column, column) for column in (one, other)]
        self.world.airtable.swap_fields(self.base_id, TABLE, *names)
        self.present[one], self.present[other] = names[1], names[0]

    def delete_remote(self, *record_ids: str) -> None:
        self.world.airtable.delete_records(self.base_id, TABLE, record_ids)

    def remote(self) -> dict[str, dict[str, str]]:
        """Records: id → mapped fields by workspace name, empty ones left out."""
        return {
            str(record["id"]): filled(
                {
                    name: _from_cell(record["fields"].get(self.present.get(column, column), ""))
                    for name, column in self.columns.items()
                }
            )
            for record in self.world.airtable.records(self.base_id, TABLE)
        }

    def _cells(self, fields: Mapping[str, Value]) -> dict[str, Any]:
        return {
            self.present.get(self.columns.get(name, name), self.columns.get(name, name)): (
                value if isinstance(value, str) else list(value)
            )
            or None
            for name, value in fields.items()
        }

    # Syncing

    def request(self, **options: Any) -> SyncRequest:
        return SyncRequest(workspace=self.slug, provider=self.provider, **options)

    def sync(self, **options: Any) -> SyncReport:
        """One run; its log must add up and tell nothing personal, whatever happened."""
        self.world.waits.clear()
        self.calls_seen = self.last_call()
        report = run_sync(self.world.runtime, self.request(**options))
        self._check_log(report)
        self.check_privacy()
        self._check_agenda(report)
        if self.means_its_place and self.approve_place():
            return self.sync(**options)
        return report

    def approve_place(self) -> bool:
        """Say that another place is meant, if that is asked."""
        return bool(
            self.rows(
                "update integration_agenda set decision = 'approved', decided_at = now() "
                "where kind = 'held_place' and decision is null returning 1"
            )
        )

    def _check_agenda(self, report: SyncReport) -> None:
        """After a whole run what is open in the journal is what waits in the agenda, one way and the other."""
        if report.error or report.plan_id:
            return
        waiting = {item.change_id for item in self.agenda.items if item.change_id}
        assert {row["id"] for row in self.journal("held", "skipped", "failed")} == waiting

    @contextmanager
    def run(self) -> Iterator[Run]:
        """A run as its stages get it, without the lock."""
        request = self.request()
        with opened(self.world.runtime, request, uuid4(), no_progress, is_locking=False) as (run, _):
            yield run

    def preview(self, **options: Any) -> SyncReport:
        self.calls_seen = self.last_call()
        return plan_only(self.world.runtime, self.request(**options))

    def calls(self, method: str | None = None) -> list[Any]:
        """The provider's requests for this tenant since the last run began."""
        found = self.world.airtable.requests(self.calls_seen)
        return [call for call in found if self.is_own(call) and method in (None, call.method)]

    def is_own(self, call: LoggedRequest) -> bool:
        return self.base_id in call.path

    def record_writes(self) -> list[Any]:
        """Requests of the last run that write records."""
        return [
            call
            for call in self.calls()
            if call.method != "GET" and "listRecords" not in call.path and "webhooks" not in call.path
        ]

    def last_call(self) -> int:
        """The number of the newest request."""
        entries = self.world.airtable.requests()
        return entries[-1].n if entries else 0

    def _check_log(self, report: SyncReport) -> None:
        logs = self.rows("select * from integration_sync_logs where run_id = :run_id", run_id=report.run_id)
        assert len(logs) == (0 if report.error == REMOVED else len(report.results))
        for log in logs:
            counts = {name: log[name] for name in COUNT_NAMES}
            assert all(count >= 0 for count in counts.values()), counts
            considered = {str(key): value for key, value in report.plan.considered.items()}
            assert sum(counts.values()) == self._expected_records(log, considered), (counts, log["metadata"])
            assert log["completed_at"] is not None
            assert log["status"] == report.status.value
        assert report.api_calls == len(self.calls())
        assert not logs or sum(log["api_calls"] for log in logs) == report.api_calls

    def _expected_records(self, log: Mapping[str, Any], considered: Mapping[str, int]) -> int:
        """What the counts of a log row must add up to."""
        return considered.get(log["direction"], 0)

    def check_privacy(self) -> None:
        for row in self.rows(" union all ".join(self.TOLD)):
            assert not any(secret in row["t"] for secret in self.SECRETS), row

    # What is there afterwards

    def links(self) -> dict[str, str]:
        """contact id → external id."""
        found = self.rows("select contact_id::text c, external_id e from integration_links")
        return {row["c"]: row["e"] for row in found}

    def journal(self, *states: str, kind: str | None = None) -> list[dict[str, Any]]:
        found = self.rows(
            "select id, side, kind, contact_id::text, external_id, before, after, base, conflict, state, reason, "
            "error_class, attempts, run_id, plan_id from integration_changes order by created_at, id"
        )
        return [row for row in found if row["state"] in states and kind in (None, row["kind"])]

    def conflicts(self, *states: str) -> list[dict[str, Any]]:
        return [row for row in self.journal(*(states or ("held", "applied"))) if row["conflict"]]

    def emails(self) -> list[str]:
        """Of the records that are there."""
        return sorted(row.get("email", "") for row in self.remote().values())

    def is_out(self, contact_id: str) -> bool:
        return self.local()[contact_id].get("email_opt_out") == "true"

    def record_of(self, contact_id: str) -> str:
        return self.links()[contact_id]

    def contact_of(self, record_id: str) -> str:
        return {record: contact for contact, record in self.links().items()}[record_id]

    def assert_in_sync(self, *, unlinked: int = 0) -> None:
        """Every contact and record is linked, both sides agree, and the base equals both. `unlinked`: how
        many of both sides together may stand alone."""
        local, remote, links = self.local(), self.remote(), self.links()
        alone = (local.keys() - links.keys()) | (remote.keys() - set(links.values()))
        assert len(alone) == unlinked, alone
        assert links.keys() <= local.keys()
        assert set(links.values()) <= remote.keys()
        base = self.base()
        for contact_id, record_id in links.items():
            here = local[contact_id]
            assert not self._differing(here, remote[record_id])
            assert not self._differing(here, base[contact_id])

    def base(self) -> dict[str, dict[str, str]]:
        found = self.rows("select contact_id::text c, base b from integration_links")
        return {row["c"]: filled({name: as_text(value) for name, value in row["b"].items()}) for row in found}

    def assert_quiet(self, most_calls: int = 2) -> SyncReport:
        """Another run finds nothing: few calls, no write on either side, no row of contacts or links changed."""
        before = self.fingerprint()
        report = self.sync()
        assert not report.plan.changes
        assert not self.record_writes()
        assert len(self.calls()) <= most_calls
        assert self.fingerprint() == before
        return report

    def fingerprint(self) -> tuple[Any, ...]:
        """Both sides, links and base, with row versions of the database itself."""
        return (
            self.rows("select id, version, xmin::text from workspace_contacts order by id"),
            self.rows("select contact_id, base, contact_version from integration_links order by contact_id"),
            self.remote(),
        )

    def mapped(self) -> list[MappedField]:
        return [MappedField(name=name, column=column) for name, column in self.columns.items()]

    def _differing(self, one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """The mapped fields that do not hold the same value, with both."""
        pairs = {mapped: (one.get(mapped.name, ""), other.get(mapped.name, "")) for mapped in self.mapped()}
        return {mapped.name: pair for mapped, pair in pairs.items() if not is_same(*pair, mapped.kind)}


def filled(row: Mapping[Any, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in row.items() if value}


def _from_cell(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return join_set(cell) if isinstance(cell, list) else str(cell)


def tags(value: str) -> set[str]:
    return set(split_set(value))


def person(number: int, **fields: Value) -> dict[str, Value]:
    """Somebody invented."""
    return {"email": f"person{number}@example.org", "name": f"Person {number}", **fields}


def people(count: int, first: int = 0) -> list[dict[str, Value]]:
    return [person(number) for number in range(first, first + count)]


def utc_now() -> datetime:
    return datetime.now(UTC)
