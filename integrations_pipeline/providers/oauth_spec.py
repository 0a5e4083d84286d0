"""OAuth as values: what differs between providers, which is part of every spec, and what goes back and forth. Free of
what speaks it.

Belongs here: values. Does not: requests (`oauth`).
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """Our registration at a provider; `secret` is empty for a public client."""

    id: str
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A token endpoint's answer. `expires_in` is None for tokens that do not expire, `scopes` None where the
    provider does not tell them, `refresh_token` "" where none was given."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_in: timedelta | None = None
    scopes: frozenset[str] | None = None

    def credentials(self, known: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """The stored credentials with these tokens in place of those that were `known`.

        `now` is when they were asked for. The lifetime is kept beside the end: one that is shorter than the
        usual margin would otherwise be renewed at every use.
        """
        fresh = {name: value for name, value in known.items() if name not in _TIMES}
        fresh["access_token"] = self.access_token
        if self.refresh_token:
            fresh["refresh_token"] = self.refresh_token
        if self.expires_in is not None:
            fresh["token_expires_at"] = (now + self.expires_in).isoformat()
            fresh["token_lifetime_seconds"] = self.expires_in.total_seconds()
        return fresh


_TIMES = ("token_expires_at", "token_lifetime_seconds")


#: Asks the provider for what must be kept beside the token, as the data centre of an account: (client, address,
#: access token) → further credentials.
Describe = Callable[["httpx.Client", str, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """How a provider tells whose account a token is for: a GET of `place`, an environment name and what follows its
    address, and the name in its answer, "" where there is none."""

    place: tuple[str, str]
    name: Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSpec:
    """One provider's OAuth. `authorize` and `token` are an environment name and what follows its address.

    `client` begins the names of the environment variables with our client id and secret. `scopes` are all
    needed. `uses_basic`: a secret goes into the header, else into the body.
    """

    title: str
    client: str
    authorize: tuple[str, str]
    token: tuple[str, str]
    scopes: Sequence[str] = ()
    uses_basic: bool = False
    uses_pkce: bool = True
    redirect_host: str = "127.0.0.1"
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: Whether access tokens expire and come with a refresh token.
    is_refreshable: bool = True
    describe: Describe | None = None
    whose: Whose | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A question put to a person: the address to open (the state is part of it), and what the answer must match."""

    address: str = field(repr=False)
    redirect_uri: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


def is_same_secret(given: str, expected: str) -> bool:
    """Compared in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
