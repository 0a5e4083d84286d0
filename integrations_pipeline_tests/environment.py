"""A whole environment for tests that start at the outside: a database by URL, a sandbox, the variables.

Belongs here: what command line and Dagster tests share. Does not: assertions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from integrations_pipeline.store import connections, contacts, workspaces
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.store.encryption import generate_key_text
from integrations_pipeline.wiring import Wiring, read_settings
from integrations_sandbox import DEFAULT_TOKEN, SandboxOptions, SandboxServer


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The variables are set for this process; `wiring` reads them like the program does."""

    sandbox: SandboxServer
    variables: dict[str, str]
    wiring: Wiring
    monkeypatch: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)

    def set_oauth_client(self, prefix: str, client_id: str, secret: str, address: str) -> None:
        """Our registration at an authorization server, for this process."""
        values = {f"{prefix}_CLIENT_ID": client_id, f"{prefix}_CLIENT_SECRET": secret}
        for name, value in {**values, f"INTEGRATIONS_{prefix}_OAUTH_URL": address}.items():
            self.monkeypatch.setenv(name, value)

    def add_workspace(self, slug: str, people: int = 0) -> UUID:
        """A workspace with so many contacts `person0@<slug>.org` …"""
        with self.wiring.runtime.database.admin() as connection:
            workspace_id = workspaces.add_workspace(connection, slug).id
        rows = [{"email": f"person{i}@{slug}.org", "name": f"Person {i}"} for i in range(people)]
        with self.wiring.runtime.database.workspace(workspace_id) as connection:
            contacts.upsert_contacts(connection, workspace_id, rows)
        return workspace_id

    def connect(self, workspace_id: UUID, **settings: object) -> tuple[str, str]:
        """An Airtable connection to a base of its own; returns base and table id."""
        airtable = self.sandbox.airtable
        base = airtable.create_base("CRM")
        table = airtable.create_contacts_table(base.id)
        new = NewConnection(
            integration_type="airtable",
            credentials={"api_key": DEFAULT_TOKEN},
            settings={"base_id": base.id, "table_id": table.id, "settle_seconds": 0, **settings},
        )
        runtime = self.wiring.runtime
        with runtime.database.workspace(workspace_id) as connection:
            connections.save_connection(connection, workspace_id, new, runtime.cipher)
        return base.id, table.id

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Rows of a query, past row-level security."""
        with self.wiring.database.admin() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxOptions(rate_limit_scale=None)) as server:
        yield server


@pytest.fixture
def environment(
    database_url: str, shared_sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Environment]:
    shared_sandbox.reset()
    variables = {
        "INTEGRATIONS_DATABASE_URL": database_url,
        "INTEGRATIONS_ENCRYPTION_KEYS": generate_key_text(),
        "INTEGRATIONS_AIRTABLE_API_URL": shared_sandbox.airtable_url,
        "INTEGRATIONS_MAILCHIMP_API_URL": shared_sandbox.mailchimp_url,
        "INTEGRATIONS_HUBSPOT_API_URL": shared_sandbox.hubspot_url,
        "INTEGRATIONS_GMAIL_API_URL": shared_sandbox.gmail_url,
        "INTEGRATIONS_GOOGLE_TOKEN_URL": shared_sandbox.google_token_url,
        "INTEGRATIONS_SANDBOX_RATE_SCALE": "1000",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    wiring = Wiring(read_settings())
    yield Environment(sandbox=shared_sandbox, variables=variables, wiring=wiring, monkeypatch=monkeypatch)
    wiring.close()
