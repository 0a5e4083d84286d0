# ruff: noqa: ARG002 - every handler takes the request, so that one table can hold them all
"""The authorization servers' place in the sandbox: their addresses under `/oauth`, their control operations.

Belongs here: routes, the two small endpoints that one provider each has besides the usual two, and the
translation of control requests. Does not belong here: the operations themselves (`state`).
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.oauth import errors, mailchimp
from integrations_sandbox.oauth.authorize import AuthorizationEndpoint
from integrations_sandbox.oauth.clients import DEFAULT_OAUTH_CLIENTS, OAuthClient
from integrations_sandbox.oauth.exchange import TokenEndpoint, read_form
from integrations_sandbox.oauth.options import PROVIDERS
from integrations_sandbox.oauth.state import SERVICES, OAuthServers
from integrations_sandbox.wire import ControlRow, Reply, Request, Route, WireError, find_route

#: Authorization and token endpoint of each, below `/oauth`.
ADDRESSES = {
    "google": ("google/auth", "google/token"),
    "airtable": ("airtable/oauth2/v1/authorize", "airtable/oauth2/v1/token"),
    "mailchimp": ("mailchimp/oauth2/authorize", "mailchimp/oauth2/token"),
    "hubspot": ("hubspot/authorize", "hubspot/token"),
}


class OAuthEmulator:
    """Implements `stage.Emulator`."""

    name = "oauth"
    roots: Sequence[str] = ()

    def __init__(self, servers: OAuthServers) -> None:
        self._servers = servers
        self._routes = (
            *self._common_routes(),
            Route(method="POST", template="google/revoke", handler=self.revoke_google),
            Route(method="GET", template="mailchimp/oauth2/metadata", handler=self.metadata),
        )

    def _common_routes(self) -> Sequence[Route]:
        authorization, token = AuthorizationEndpoint(self._servers), TokenEndpoint(self._servers)
        routes: list[Route] = []
        for provider, (ask, exchange) in ADDRESSES.items():
            answer = partial(authorization.handle, service=SERVICES[provider])
            routes += [Route(method=method, template=ask, handler=answer) for method in ("GET", "POST")]
            issue = partial(token.handle, service=SERVICES[provider])
            routes.append(Route(method="POST", template=exchange, handler=issue))
        return routes

    @property
    def guide(self) -> str:
        rows = [
            f"<li>{SERVICES[provider].rules.title}: <code>http://THIS-HOST/oauth/{ask}</code> and "
            f"<code>…/{token.rpartition('/')[2]}</code>, client <code>{DEFAULT_OAUTH_CLIENTS[provider].id}</code>, "
            f"secret <code>{DEFAULT_OAUTH_CLIENTS[provider].secret}</code></li>"
            for provider, (ask, token) in ADDRESSES.items()
        ]
        return f"<h2>OAuth</h2><ul>{''.join(rows)}</ul>"

    def reset(self) -> None:
        self._servers.reset()

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        """No fault is particular to this service: the server carries all of them out."""
        answer = find_route(self._routes, request, segments)
        if answer is None:
            return Reply(status=404, body={"error": "not_found"})
        try:
            return answer()
        except WireError as error:
            return Reply(status=error.status, body=error.body)

    def revoke_google(self, request: Request) -> Reply:
        """The token of either kind is in the form or in the query."""
        token = read_form(request).get("token") or request.value("token") or ""
        if not self._servers.book.is_valid("google", token):
            raise errors.refusal(400, "invalid_token", "Token expired or revoked")
        # Assumed: everything ends that the account allowed the client, not this one authorization.
        self._servers.revoke("google", token)
        return Reply(body={})

    def metadata(self, request: Request) -> Reply:
        """The scheme is `OAuth`; `Bearer` works too. The API's address is on the host that was asked."""
        scheme, _, token = request.authorization.partition(" ")
        now = self._servers.stage.clock.now()
        grant = self._servers.stage.grants.find("mailchimp", token.strip(), now)
        if grant is None or scheme.lower() not in ("oauth", "bearer"):
            raise errors.refusal(401, "invalid_token")
        return Reply(body=mailchimp.metadata(grant.account, f"http://{request.host}/mailchimp"))

    def control(self) -> Sequence[ControlRow]:
        return [
            ("GET", "sandbox/oauth/options", self.options, "auto_consent, token_delay_seconds, …"),
            ("PATCH", "sandbox/oauth/options", self.set_options, '{"provider", "auto_consent": "allow"}'),
            ("GET", "sandbox/oauth/clients", self.clients, "the registered clients"),
            ("POST", "sandbox/oauth/clients", self.register_client, '{"provider", "client_id", "redirect_uris"}'),
            ("POST", "sandbox/oauth/grants", self.grant, '{"provider", "account", "scopes"}: tokens at once'),
            ("POST", "sandbox/oauth/revoke", self.revoke, '{"provider", "account" or "token", "cause"}'),
            ("POST", "sandbox/oauth/change-password", self.change_password, '{"provider", "account"}'),
            ("POST", "sandbox/oauth/expire-access", self.expire_access, '{"token"}'),
            ("POST", "sandbox/oauth/expire-refresh", self.expire_refresh, '{"token"}'),
            ("GET", "sandbox/oauth/token-requests", self.token_requests, "how many, of which kind, with what result"),
        ]

    def options(self, request: Request) -> Reply:
        return Reply(body=asdict(self._servers.options))

    def set_options(self, request: Request) -> Reply:
        self._servers.set_options(**request.json())
        return self.options(request)

    def clients(self, request: Request) -> Reply:
        return Reply(body={"clients": [client.to_json() for client in self._servers.clients.all()]})

    def register_client(self, request: Request) -> Reply:
        document = request.json()
        client = OAuthClient(
            provider=document["provider"],
            id=document["client_id"],
            secret=document.get("client_secret"),
            redirect_uris=tuple(document.get("redirect_uris", ())),
            accepts_loopback=document.get("accepts_loopback", False),
        )
        return Reply(body=self._servers.register_client(client).to_json())

    def grant(self, request: Request) -> Reply:
        return Reply(body=self._servers.grant(**request.json()))

    def revoke(self, request: Request) -> Reply:
        document = request.json()
        whose = document["token"] if "token" in document else document["account"]
        self._servers.revoke(document["provider"], whose, document.get("cause", "revoked"))
        return Reply(body={})

    def change_password(self, request: Request) -> Reply:
        self._servers.change_password(**request.json())
        return Reply(body={})

    def expire_access(self, request: Request) -> Reply:
        self._servers.expire_access(**request.json())
        return Reply(body={})

    def expire_refresh(self, request: Request) -> Reply:
        self._servers.expire_refresh(**request.json())
        return Reply(body={})

    def token_requests(self, request: Request) -> Reply:
        counts = {
            provider: [
                {"grant_type": grant_type, "result": result, "count": count}
                for (grant_type, result), count in sorted(self._servers.token_requests(provider).items())
            ]
            for provider in PROVIDERS
        }
        return Reply(body=counts)
