"""What the Mailchimp tests share: one audience behind a client that nobody here wrote, and behind plain HTTP."""

import hashlib
from dataclasses import dataclass
from typing import Any

import httpx

from integrations_sandbox import Mailchimp, SandboxServer
from integrations_sandbox.stage import Grant

ERROR_TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"
INVALID = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."


def md5(email: str) -> str:
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """`http` sends the default key and has the API as its base address; `client` is `mailchimp_marketing`."""

    server: SandboxServer
    list_id: str
    client: Any
    http: httpx.Client

    @property
    def mailchimp(self) -> Mailchimp:
        return self.server.mailchimp

    @property
    def list_path(self) -> str:
        return f"/lists/{self.list_id}"

    @property
    def members_path(self) -> str:
        return f"{self.list_path}/members"

    def path(self, email: str, rest: str = "") -> str:
        return f"{self.members_path}/{md5(email)}{rest}"

    def advance(self, seconds: float) -> None:
        self.server.stage.clock.advance(seconds)

    def allow(self, account: str, *, provider: str = "mailchimp") -> str:
        """An OAuth access token, as an authorization server would have issued it."""
        token = f"token of {account}"
        grant = Grant(token=token, provider=provider, account=account, scopes=frozenset(), client_id="1")
        self.server.stage.grants.add(grant)
        return token

    def join(self, email: str, **merge_fields: Any) -> dict[str, Any]:
        """A subscribed member, added by an admin."""
        return self.mailchimp.subscribe(self.list_id, email, merge_fields, by="admin")

    def join_many(self, count: int) -> list[str]:
        return [self.join(f"p{number:05d}@people.test")["email_address"] for number in range(count)]

    def member(self, email: str) -> dict[str, Any]:
        return self.mailchimp.member(self.list_id, email)

    def emails(self) -> list[str]:
        return [each["email_address"] for each in self.mailchimp.members(self.list_id)]

    def put(self, email: str, **body: Any) -> httpx.Response:
        return self.http.put(self.path(email), json=body)

    def patch(self, email: str, **body: Any) -> httpx.Response:
        return self.http.patch(self.path(email), json=body)

    def post(self, **body: Any) -> httpx.Response:
        return self.http.post(self.members_path, json=body)

    def page(self, **query: Any) -> dict[str, Any]:
        response = self.http.get(self.members_path, params=query)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def listed(self, **query: Any) -> list[str]:
        return [each["email_address"] for each in self.page(**query)["members"]]

    def bulk(self, *members: Any, query: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
        response = self.http.post(self.list_path, params=query, json={"members": list(members)} | body)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    body = response.json()
    return response.status_code, body["title"], body["detail"]


def field_errors(response: httpx.Response) -> list[tuple[str, str]]:
    assert response.status_code == 400, response.text
    return [(each["field"], each["message"]) for each in response.json()["errors"]]
