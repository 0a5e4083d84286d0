"""What the three authorization servers differ in: the contract of one, and the values it works with.

Belongs here: documented figures as data, an authorization request, a code, the issuing of tokens.
Does not belong here: a provider's own decisions (`google`, `airtable`, `mailchimp`), endpoints, HTTP.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from integrations_sandbox.oauth.clients import OAuthClient
from integrations_sandbox.oauth.options import ProviderOptions
from integrations_sandbox.oauth.tokens import Authorization, RefreshToken, TokenBook
from integrations_sandbox.stage import Grant, IdSource
from integrations_sandbox.wire import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One provider's figures. `scopes` are those it knows, `usual_scopes` what a shortcut grants; both empty
    where there are none. `client_proof_in` says where the token endpoint looks for the client's secret.
    `access_seconds` None never expires; `refresh_seconds` None has no limit of its own.
    """

    provider: str
    title: str
    scopes: frozenset[str]
    usual_scopes: frozenset[str]
    accounts: tuple[str, ...]
    client_proof_in: Literal["header", "body", "either"]
    access_seconds: float | None
    refresh_seconds: float | None = None
    code_prefix: str = ""
    access_prefix: str = ""
    refresh_prefix: str = ""
    #: What the token endpoint says of a code that is unknown, used, too old or another client's.
    wrong_code: str = "The authorization code is invalid"
    #: Whether a person can leave scopes out.
    is_granular: bool = False
    #: Whether the request may name the account that the page offers first.
    takes_login_hint: bool = False
    #: Whether a wrong request is answered to the program; otherwise the person sees a page.
    redirects_errors: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An authorization request whose client and redirect address are right; the rest is as it came."""

    client: OAuthClient
    parameters: Mapping[str, str]

    def value(self, name: str) -> str:
        return self.parameters.get(name, "")

    @property
    def redirect_uri(self) -> str:
        return self.value("redirect_uri")

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.value("scope").split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an authorization request is refused: an error code and a text for the developer."""

    error: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What an account has allowed a client before; `is_offline` when it was for more than one session."""

    scopes: frozenset[str] = frozenset()
    is_offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What comes of an allowed request: the scopes, and whether there will be a refresh token."""

    scopes: frozenset[str]
    has_refresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An authorization code that has not been presented yet."""

    value: str
    provider: str
    account: str
    asked: Asked
    settled: Settled
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Issues one provider's tokens under the options in force at this moment."""

    book: TokenBook
    ids: IdSource
    rules: Rules
    options: ProviderOptions
    now: datetime

    @property
    def access_seconds(self) -> float | None:
        chosen = self.options.access_token_seconds
        return self.rules.access_seconds if chosen is None else chosen

    @property
    def refresh_seconds(self) -> float | None:
        chosen = self.options.refresh_token_seconds
        return self.rules.refresh_seconds if chosen is None else chosen

    def access(self, authorization: Authorization, scopes: frozenset[str]) -> Grant:
        value = self.ids.new(self.rules.access_prefix, 40)
        return self.book.issue_access(authorization, value, scopes, self.access_seconds)

    def refresh(self, authorization: Authorization) -> RefreshToken:
        value = self.ids.new(self.rules.refresh_prefix, 40)
        return self.book.issue_refresh(authorization, value, self.refresh_seconds)


class Service(Protocol):
    """One provider's authorization server. What it refuses at the token endpoint it raises as WireError."""

    @property
    def rules(self) -> Rules: ...

    def find_problem(self, asked: Asked) -> Problem | None:
        """What is wrong with a request whose client, redirect address and response type are right."""
        ...

    def settle(self, asked: Asked, ticked: frozenset[str], earlier: Earlier) -> Settled:
        """What comes of it when a person allows the `ticked` scopes."""
        ...

    def extra_parameters(self, code: Code) -> Mapping[str, str]:
        """What the redirect carries besides `code` and `state`."""
        ...

    def check_exchange(self, code: Code, form: Mapping[str, str]) -> None:
        """Raises unless the exchange of the code, by its client and in time, fits the authorization request."""
        ...

    def answer(
        self, issuer: Issuer, authorization: Authorization, scopes: frozenset[str], *, has_refresh: bool
    ) -> JsonObject:
        """Issues tokens; the token endpoint's answer with them."""
        ...

    def refresh(
        self, issuer: Issuer, token: RefreshToken | None, form: Mapping[str, str], client_id: str
    ) -> JsonObject:
        """The answer to a refresh; `token` None was never issued by this provider."""
        ...

    def dies_with_password(self, authorization: Authorization) -> bool:
        """Whether a new password of the account ends the authorization."""
        ...


def challenge_of(verifier: str) -> str:
    """The S256 code challenge of RFC 7636."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
