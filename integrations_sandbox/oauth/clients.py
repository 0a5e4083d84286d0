"""The programs that may ask for authorization: their ids, secrets and redirect addresses.

Belongs here: registering, finding, and the match of a redirect address. Does not belong here: how a client
proves itself at a token endpoint (`exchange`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from integrations_sandbox.wire import JsonObject

_LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A registered program. `secret` None makes it a public one. A redirect address must equal one of
    `redirect_uris`; with `accepts_loopback` any plain http address of this machine is right as well.
    """

    provider: str
    id: str
    secret: str | None = None
    redirect_uris: tuple[str, ...] = ()
    accepts_loopback: bool = False

    def accepts(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris or (self.accepts_loopback and _is_loopback(redirect_uri))

    def to_json(self) -> JsonObject:
        return {
            "provider": self.provider,
            "client_id": self.id,
            "client_secret": self.secret,
            "redirect_uris": list(self.redirect_uris),
            "accepts_loopback": self.accepts_loopback,
        }


def _default(provider: str, client_id: str, secret: str) -> OAuthClient:
    return OAuthClient(provider=provider, id=client_id, secret=secret, accepts_loopback=True)


#: Every server starts with one client per provider, in the looks that the provider gives them.
DEFAULT_OAUTH_CLIENTS: Mapping[str, OAuthClient] = {
    "google": _default("google", "100000000001-sandbox.apps.googleusercontent.com", "GOCSPX-sandbox"),
    "airtable": _default("airtable", "5a4db0c5-0000-4000-8000-000000000001", "sandbox-airtable-secret"),
    "mailchimp": _default("mailchimp", "100000000001", "sandbox-mailchimp-secret"),
    "hubspot": _default("hubspot", "00000000-0000-4000-8000-000000000001", "sandbox-hubspot-secret"),
}


class ClientBook:
    """The registered clients. Two providers may know the same id for different programs."""

    def __init__(self) -> None:
        self._clients = {(client.provider, client.id): client for client in DEFAULT_OAUTH_CLIENTS.values()}

    def register(self, client: OAuthClient) -> OAuthClient:
        """Adds or replaces. Raises ValueError for what the provider would not register."""
        if client.provider == "mailchimp" and client.secret is None:
            raise ValueError("Mailchimp gives every client a secret")
        refused = [uri for uri in client.redirect_uris if not _can_be_registered(client.provider, uri)]
        if refused:
            raise ValueError(f"not a redirect address that can be registered: {', '.join(refused)}")
        self._clients[client.provider, client.id] = client
        return client

    def find(self, provider: str, client_id: str | None) -> OAuthClient | None:
        return self._clients.get((provider, client_id or ""))

    def all(self) -> list[OAuthClient]:
        return list(self._clients.values())


def _is_loopback(uri: str) -> bool:
    parts = _split(uri)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK and not parts.fragment


def _can_be_registered(provider: str, uri: str) -> bool:
    """A whole address without a fragment; at Airtable https, except on this machine."""
    parts = _split(uri)
    is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.fragment
    return is_whole and (provider != "airtable" or parts.scheme == "https" or _is_loopback(uri))


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError:
        return urlsplit("")
