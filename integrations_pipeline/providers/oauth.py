"""OAuth 2 for providers: asking for consent, exchanging codes, refreshing tokens. The protocol is Authlib's.

Belongs here: what differs between providers as values (`OAuthSpec`), and the sorting of a token endpoint's
refusals into `errors`. Does not: storing tokens, who may refresh when (`sync.tokens`), the browser (`cli`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import tenacity
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.oauth2.client import OAuth2Client

from integrations_pipeline.errors import (
    ConfigurationError,
    DisconnectedError,
    RetryableError,
    TokenConflictError,
    UnreachableError,
)

#: A token endpoint may be slow, and giving up early on one that rotates costs the grant.
TIMEOUT = httpx.Timeout(120.0, connect=10.0)
#: Sending a refresh again after a lost answer never makes things worse, so it is tried this often.
ATTEMPTS = 3
VERIFIER_LENGTH = 64


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
        """The stored credentials with these tokens in place of those that were `known`."""
        fresh = {**known, "access_token": self.access_token}
        fresh.pop("token_expires_at", None)
        if self.refresh_token:
            fresh["refresh_token"] = self.refresh_token
        if self.expires_in is not None:
            fresh["token_expires_at"] = (now + self.expires_in).isoformat()
        return fresh


#: Asks the provider for what must be kept beside the token, as Mailchimp's data centre: (client, address,
#: access token) → further credentials.
Describe = Callable[[httpx.Client, str, str], Mapping[str, Any]]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A question put to a person: the address to open, and what the answer must match."""

    address: str
    redirect_uri: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


class OAuthExchange:
    """Talks to one provider's authorization server in the name of our client."""

    def __init__(
        self,
        spec: OAuthSpec,
        client: OAuthClient,
        addresses: Mapping[str, str],
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._spec = spec
        self._client = client
        self._addresses = addresses
        self._transport = transport
        self._sleep = sleep or time.sleep

    def _pause(self, seconds: float) -> None:
        self._sleep(seconds)

    def ask(self, redirect_uri: str) -> Consent:
        """The question to put to a person, with a fresh state and PKCE verifier."""
        verifier = generate_token(VERIFIER_LENGTH) if self._spec.uses_pkce else ""
        with self._session(redirect_uri) as session:
            address, state = session.create_authorization_url(
                self._address(self._spec.authorize), code_verifier=verifier or None, **self._spec.parameters
            )
        return Consent(address=address, redirect_uri=redirect_uri, state=state, verifier=verifier)

    def accept(self, consent: Consent, answer_url: str) -> tuple[Tokens, dict[str, Any]]:
        """Tokens for the address that the browser was sent to, and what must be kept beside them.

        `ConfigurationError` if the person refused, if the answer belongs to another question, or if a scope
        was not granted; a code is spent then, and the person is asked again.
        """
        self._require_answer(consent, answer_url)
        extra = {"code_verifier": consent.verifier} if consent.verifier else {}
        with self._session(consent.redirect_uri) as session:
            try:
                answer = session.fetch_token(
                    self._address(self._spec.token), authorization_response=answer_url, state=consent.state, **extra
                )
            except AuthlibBaseError as error:
                raise ConfigurationError(
                    f"{self._spec.title} did not give access ({_known_code(error.error)}): run the command again"
                ) from None
            tokens = self._read(answer)
            self._require_scopes(tokens)
            if self._spec.describe is None:
                return tokens, {}
            address = self._addresses[self._spec.token[0]]
            return tokens, dict(self._spec.describe(session.session.http, address, tokens.access_token))

    def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for a refresh token, which may be spent by it.

        `DisconnectedError` if a person must authorise again, `TokenConflictError` if it was used a moment
        ago, `RetryableError` for what passes, `ConfigurationError` for a wrong client.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, RetryableError) and not isinstance(error, TokenConflictError)
            ),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=tenacity.wait_exponential_jitter(initial=0.5, max=10),
            sleep=self._pause,
            reraise=True,
        )
        return retrying(self._refresh_once, refresh_token)

    def _refresh_once(self, refresh_token: str) -> Tokens:
        with self._session() as session:
            try:
                answer = session.refresh_token(self._address(self._spec.token), refresh_token=refresh_token)
            except AuthlibBaseError as error:
                raise RetryableError(f"{self._spec.title}'s token endpoint gave no token") from error
            return self._read(answer)

    def _require_answer(self, consent: Consent, answer_url: str) -> None:
        found = dict(parse_qsl(urlsplit(answer_url).query))
        if found.get("state") != consent.state:
            raise ConfigurationError(
                "the address belongs to another question (its state differs): run the command again"
            )
        if "error" in found or not found.get("code"):
            code = _known_code(found.get("error", "missing_code"))
            raise ConfigurationError(
                f"{self._spec.title} gave no access ({code}): run the command again to be asked anew"
            )

    def _session(self, redirect_uri: str = "") -> "_Session":
        if not self._client.id:
            raise ConfigurationError(
                f"{self._spec.client}_CLIENT_ID is not set: register an OAuth client at {self._spec.title} and set "
                f"{self._spec.client}_CLIENT_ID and {self._spec.client}_CLIENT_SECRET"
            )
        method = "client_secret_basic" if self._spec.uses_basic else "client_secret_post"
        return _Session(
            _Http(self._spec.title, self._transport),
            client_id=self._client.id,
            client_secret=self._client.secret or None,
            token_endpoint_auth_method=method if self._client.secret else "none",
            redirect_uri=redirect_uri or None,
            scope=" ".join(self._spec.scopes) if redirect_uri and self._spec.scopes else None,
            code_challenge_method="S256" if self._spec.uses_pkce else None,
        )

    def _address(self, place: tuple[str, str]) -> str:
        name, rest = place
        return self._addresses[name].rstrip("/") + rest

    def _read(self, answer: Mapping[str, Any]) -> Tokens:
        access_token = answer.get("access_token")
        if not isinstance(access_token, str) or not access_token:
            raise RetryableError(f"{self._spec.title}'s token endpoint gave no token")
        scope, seconds = answer.get("scope"), answer.get("expires_in")
        return Tokens(
            access_token=access_token,
            refresh_token=str(answer.get("refresh_token") or ""),
            # 0 is Mailchimp's way of saying never.
            expires_in=timedelta(seconds=float(seconds)) if seconds else None,
            scopes=frozenset(scope.split()) if isinstance(scope, str) else None,
        )

    def _require_scopes(self, tokens: Tokens) -> None:
        missing = set(self._spec.scopes) - (tokens.scopes or set()) if tokens.scopes is not None else set()
        if missing:
            names = ", ".join(sorted(missing))
            raise ConfigurationError(
                f"{self._spec.title} did not grant all that is needed: {names}; run the command again and leave "
                "every box ticked"
            )
        if self._spec.is_refreshable and not tokens.refresh_token:
            raise ConfigurationError(
                f"{self._spec.title} gave no refresh token: remove the application's access in the account's "
                "settings there, then run the command again"
            )


class _Session(OAuth2Client):  # type: ignore[misc]  # Authlib has no types
    """Authlib's client over our own HTTP, closed at the end."""

    def __init__(self, http: "_Http", **options: Any) -> None:
        super().__init__(http, **options)

    def __enter__(self) -> "_Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.http.close()

    def __del__(self) -> None:
        """Authlib's own deletes an attribute that a failed `__init__` never made."""


class _Http:
    """What Authlib sends through: our timeouts, no redirects, refusals sorted before it reads the answer."""

    def __init__(self, title: str, transport: httpx.BaseTransport | None) -> None:
        self._title = title
        self.http = httpx.Client(timeout=TIMEOUT, follow_redirects=False, transport=transport)

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> httpx.Response:
        target, sent, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        try:
            response = self.http.post(target, content=body, headers=sent)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UnreachableError(f"{self._title}'s token endpoint cannot be reached") from error
        except httpx.TransportError as error:
            raise RetryableError(f"{self._title}'s token endpoint did not answer ({type(error).__name__})") from error
        refuse(self._title, response, is_refresh=data.get("grant_type") == "refresh_token")
        return response


def refuse(title: str, response: httpx.Response, *, is_refresh: bool) -> None:
    """Raise for an answer that is no token (RFC 6749, 5.2).

    ================================  ===================================================
    answer                            what it means
    ================================  ===================================================
    200                               nothing to raise
    409                               the refresh token was used a moment ago
    5xx, 429, temporarily_unavailable it passes
    invalid_client, unauthorized_…    our client id or secret is wrong
    invalid_grant on a refresh        the person must authorise again
    anything else                     the request will never work: configuration
    ================================  ===================================================
    """
    code = _error_code(response)
    if response.is_success and not code:
        return
    if response.status_code == 409:
        raise TokenConflictError(f"{title} says that the token was refreshed a moment ago")
    if response.status_code >= 500 or response.status_code == 429 or code in _PASSING:
        raise RetryableError(f"{title}'s token endpoint answered {response.status_code}")
    if code in ("invalid_client", "unauthorized_client"):
        raise ConfigurationError(f"{title} does not know our client ({code}): correct the client id and secret")
    if code == "invalid_grant" and is_refresh:
        raise DisconnectedError(f"{title} no longer accepts the authorisation: it was revoked, or it expired")
    raise ConfigurationError(f"{title}'s token endpoint refused the request ({code or response.status_code})")


_PASSING = frozenset({"temporarily_unavailable", "server_error", "internal_failure"})
_CODES = _PASSING | {
    "access_denied",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "mismatching_state",
    "missing_code",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
}


def _known_code(code: object) -> str:
    """A protocol error code that is fit for messages; whatever else stands there is not repeated."""
    return str(code) if code in _CODES else "unknown error"


def _error_code(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return "" if response.is_success else str(response.status_code)
    code = body.get("error") if isinstance(body, dict) else None
    return "" if code is None else _known_code(code)
