"""What the OAuth tests share: the steps of a program that asks for authorization, written out as plain requests.

Belongs here: requests and reading their answers. Does not belong here: clients of other people (`foreign`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from integrations_sandbox import DEFAULT_OAUTH_CLIENTS, OAuthServers, SandboxServer

REDIRECT = "http://127.0.0.1:8400/callback"
STATE = "state-that-nobody-guesses"
#: The example of RFC 7636, appendix B: a verifier and its challenge.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

GMAIL = "https://www.googleapis.com/auth/gmail."
READ, SEND = GMAIL + "readonly", GMAIL + "send"
SCOPES = {
    "google": f"{READ} {SEND}",
    "airtable": "data.records:read data.records:write",
    "mailchimp": "",
    "hubspot": "oauth crm.objects.contacts.read",
}
PATHS = {
    "google": ("/oauth/google/auth", "/oauth/google/token"),
    "airtable": ("/oauth/airtable/oauth2/v1/authorize", "/oauth/airtable/oauth2/v1/token"),
    "mailchimp": ("/oauth/mailchimp/oauth2/authorize", "/oauth/mailchimp/oauth2/token"),
    "hubspot": ("/oauth/hubspot/authorize", "/oauth/hubspot/token"),
}
PROVIDERS = tuple(PATHS)

#: Where a parameter has this value it is left out.
ABSENT = "(absent)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dance:
    """The default client of each provider against one server. Keyword arguments add to or replace parameters."""

    server: SandboxServer
    http: httpx.Client

    @property
    def oauth(self) -> OAuthServers:
        return self.server.oauth

    def advance(self, seconds: float) -> None:
        self.server.stage.clock.advance(seconds)

    def works(self, provider: str, access_token: str) -> bool:
        """Whether the provider's API would take the token now."""
        stage = self.server.stage
        return stage.grants.find(provider, access_token, stage.clock.now()) is not None

    # The person

    def authorize(self, provider: str, **changes: str) -> httpx.Response:
        return self.http.get(PATHS[provider][0], params=self.request(provider, **changes))

    def request(self, provider: str, **changes: str) -> dict[str, str]:
        """The parameters of a right authorization request, with changes."""
        parameters = {
            "client_id": DEFAULT_OAUTH_CLIENTS[provider].id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": SCOPES[provider],
            "state": STATE,
        }
        if provider == "airtable":
            parameters |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        if provider == "google":
            parameters |= {"access_type": "offline", "prompt": "consent"}
        return {name: value for name, value in (parameters | changes).items() if value != ABSENT}

    def callback(self, provider: str, **changes: str) -> dict[str, str]:
        """What the redirect brings back to the program."""
        return callback_of(self.authorize(provider, **changes))

    def code(self, provider: str, **changes: str) -> str:
        return self.callback(provider, **changes)["code"]

    # The program

    def token(self, provider: str, **form: str) -> httpx.Response:
        """A token request of the default client, which proves itself as the provider wants it."""
        client = DEFAULT_OAUTH_CLIENTS[provider]
        if provider == "airtable":
            return self.post_token(provider, form, (client.id, client.secret or ""))
        return self.post_token(provider, {"client_id": client.id, "client_secret": client.secret or ""} | form)

    def post_token(
        self, provider: str, form: Mapping[str, str], basic: tuple[str, str] | None = None
    ) -> httpx.Response:
        data = {name: value for name, value in form.items() if value != ABSENT}
        if basic is None:
            return self.http.post(PATHS[provider][1], data=data)
        return self.http.post(PATHS[provider][1], data=data, auth=basic)

    def exchange(self, provider: str, code: str, **form: str) -> httpx.Response:
        verifier = {"code_verifier": VERIFIER} if provider == "airtable" else {}
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | verifier | form
        return self.token(provider, **fields)

    def refresh(self, provider: str, refresh_token: str, **form: str) -> httpx.Response:
        return self.token(provider, **({"grant_type": "refresh_token", "refresh_token": refresh_token} | form))

    def tokens(self, provider: str, **changes: str) -> dict[str, Any]:
        """The whole way: consent, code, tokens."""
        answer: dict[str, Any] = self.exchange(provider, self.code(provider, **changes)).raise_for_status().json()
        return answer


def callback_of(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 302
    location = response.headers["Location"]
    assert location.startswith("http://127.0.0.1:8400/callback")
    return dict(parse_qsl(urlsplit(location).query, strict_parsing=True))


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]
