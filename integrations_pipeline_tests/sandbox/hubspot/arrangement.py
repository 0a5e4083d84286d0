"""What the HubSpot tests share: one account behind a client that nobody here wrote, and behind plain HTTP."""

from dataclasses import dataclass
from typing import Any

import httpx

from integrations_sandbox import HubSpot, SandboxServer
from integrations_sandbox.hubspot.state import DEFAULT_PORTAL

CONTACTS = "/crm/objects/2026-09/contacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """`http` sends the default token and has the API as its base address; `client` is `hubspot.Client`."""

    server: SandboxServer
    client: Any
    http: httpx.Client

    @property
    def hubspot(self) -> HubSpot:
        return self.server.hubspot

    @property
    def contacts(self) -> Any:
        return self.client.crm.contacts

    def advance(self, seconds: float) -> None:
        self.server.stage.clock.advance(seconds)

    def make(self, number: int, **properties: str) -> str:
        given = {"email": f"p{number}@people.test", "firstname": f"P{number}", **properties}
        return str(self.hubspot.make(DEFAULT_PORTAL, given)["id"])

    def make_many(self, count: int) -> list[str]:
        return [self.make(number) for number in range(count)]

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.http.post(CONTACTS + path, json=body)

    def search(self, **body: Any) -> dict[str, Any]:
        response = self.post("/search", **body)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["category"]
