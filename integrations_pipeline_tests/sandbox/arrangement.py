"""What the sandbox tests share: a stopped clock and one base with a contacts table behind both clients."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from pyairtable import Api
from pyairtable.api.table import Table

from integrations_pipeline_tests.patience import patient
from integrations_sandbox import DEFAULT_TOKEN, Airtable, SandboxServer

START = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)


def stopped_clock() -> datetime:
    return START


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """`http` sends the default token and has the server's root as its base address."""

    server: SandboxServer
    base_id: str
    api: Api
    http: httpx.Client

    @property
    def airtable(self) -> Airtable:
        return self.server.airtable

    @property
    def table(self) -> Table:
        return self.api.table(self.base_id, "Contacts")

    @property
    def path(self) -> str:
        return f"/airtable/v0/{self.base_id}/Contacts"

    @property
    def hooks_path(self) -> str:
        return f"/airtable/v0/bases/{self.base_id}/webhooks"

    def advance(self, seconds: float) -> None:
        self.server.stage.clock.advance(seconds)

    def create(self, *fields: dict[str, Any]) -> list[str]:
        """Records made by a person; their ids."""
        return [record["id"] for record in self.airtable.create_records(self.base_id, "Contacts", fields)]

    def create_many(self, count: int) -> list[str]:
        return self.create(*({"Name": f"Person {number:03d}"} for number in range(count)))

    def names(self) -> list[str]:
        records = self.airtable.records(self.base_id, "Contacts")
        return [record["fields"].get("Name", "") for record in records]

    def field_id(self, name: str) -> str:
        field = self.airtable.table(self.base_id, "Contacts").field(name)
        assert field is not None
        return field.id


#: Nothing here speaks TLS; a bare context saves every client from loading the certificates of the world.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client_for(server: SandboxServer, token: str = DEFAULT_TOKEN) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=server.url, headers=headers, timeout=patient(5), verify=NO_TLS, trust_env=False)


def hardly_waiting() -> httpx.Timeout:
    """Of a client that connects and sends in peace, and hardly waits for the answer."""
    return httpx.Timeout(patient(5), read=0.05)


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and type of a refusal in the usual shape."""
    return response.status_code, response.json()["error"]["type"]
